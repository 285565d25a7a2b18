"""What the requests bridge asks a session for, and what it makes of the answers. No sockets."""

from __future__ import annotations

import base64
import errno
import io
import socket
import ssl
import subprocess
import sys
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Callable, Optional

import pytest

import sse_client
from sse_client import (
    CertificateRejected,
    ConnectingEvent,
    ConnectionFailed,
    ConnectionLost,
    ErrorEvent,
    EventSource,
    EventTooLarge,
    ReconnectPolicy,
    ResponseRejected,
)
from sse_client.testing import encode_event

requests = pytest.importorskip("requests")
responses = pytest.importorskip("responses")

from requests.auth import HTTPBasicAuth  # noqa: E402 - requests may be missing
from urllib3 import exceptions as urllib3_errors  # noqa: E402

from sse_client.requests_bridge import RequestsConnector  # noqa: E402

URL = "https://example.test/stream"
SECRET_URL = f"{URL}?token=s3cret"
STREAM = {"content_type": "text/event-stream"}
AT_ONCE = ReconnectPolicy(reconnection_time=0.001, max_delay=0.001, jitter=0.0, min_server_delay=0.001)
ONCE = ReconnectPolicy(reconnection_time=0.001, max_attempts=1)
THREE_TIMES = ReconnectPolicy(reconnection_time=0.001, jitter=0.0, max_attempts=3)


@pytest.fixture(autouse=True)
def no_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Take away what requests would read from the machine that runs the tests."""
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    for name in ("NETRC", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))


@pytest.fixture
def session() -> Iterator[Any]:
    with requests.Session() as opened:
        yield opened


@pytest.fixture
def mock() -> Iterator[Any]:
    with responses.RequestsMock(assert_all_requests_are_fired=True) as running:
        yield running


def read(session: Any, url: Any = URL, reconnect: Any = None, **options: Any) -> list[str]:
    last_event_id = options.pop("last_event_id", "")
    connector = RequestsConnector(session, url, **options)
    with EventSource(connector, reconnect=reconnect, last_event_id=last_event_id) as source:
        return [event.data for event in source]


def sent(mock: Any, number: int = -1) -> Any:
    return mock.calls[number].request


# What is asked for


def test_what_is_sent(mock: Any, session: Any) -> None:
    """The same goes out as over urllib3: requests' default headers are nobody's wish."""
    mock.get(URL, body=encode_event("a"), **STREAM)
    assert read(session) == ["a"]
    assert dict(sent(mock).headers) == {
        "Accept": "text/event-stream",
        "Cache-Control": "no-cache",
        "User-Agent": f"sse-client/{sse_client.__version__}",
    }


def test_headers_of_the_session_win_over_the_packages(mock: Any, session: Any) -> None:
    """What the user has set on the session is sent, and not this package's idea of it."""
    session.headers.update({"accept": "text/event-stream;v=2", "User-Agent": b"mine", "X-A": "1"})
    session.headers["Cache-Control"] = None
    mock.get(URL, **STREAM)
    assert read(session) == []
    headers = sent(mock).headers
    assert headers["Accept"] == "text/event-stream;v=2"
    assert headers["User-Agent"] == b"mine"
    assert "Cache-Control" not in headers
    assert headers["X-A"] == "1"


@pytest.mark.parametrize("kind", [dict, lambda given: lambda: given], ids=["mapping", "function"])
def test_headers_of_the_stream_win_over_the_sessions(mock: Any, session: Any, kind: Callable[[Any], Any]) -> None:
    """The headers given to the connector are the last word, whatever their case."""
    session.headers.update({"X-A": "session", "Accept": "session"})
    mock.get(URL, **STREAM)
    read(session, headers=kind({"x-a": "own", "ACCEPT": "own", "Accept-Encoding": "gzip, deflate"}))
    headers = sent(mock).headers
    assert (headers["X-A"], headers["Accept"], headers["Accept-Encoding"]) == ("own", "own", "gzip, deflate")


def test_a_session_with_a_plain_dict_of_headers(mock: Any, session: Any) -> None:
    """A session whose headers are a dict works as well, in any case."""
    session.headers = {"accept": "x/y"}
    mock.get(URL, **STREAM)
    read(session)
    assert sent(mock).headers["Accept"] == "x/y"


def test_text_beyond_latin_1_goes_out_as_utf_8(mock: Any, session: Any) -> None:
    """The last event ID and the user's headers are UTF-8 bytes, each as one Latin-1 character, trimmed."""
    mock.get(URL, **STREAM)
    read(session, headers={"X-Name": " Zoë ✓"}, last_event_id=" ïd ✓")
    assert sent(mock).headers["X-Name"].encode("latin-1").decode() == "Zoë ✓"
    assert sent(mock).headers["Last-Event-ID"].encode("latin-1").decode() == "ïd ✓"


def test_a_last_event_id_of_the_session_is_not_sent(mock: Any, session: Any) -> None:
    """Where the stream goes on from is the source's business, and never a header that stands still."""
    session.headers["last-event-id"] = "stale"
    mock.get(URL, body=encode_event("a", id="1"), **STREAM)
    mock.get(URL, status=204)
    assert read(session, reconnect=AT_ONCE) == ["a"]
    assert [sent(mock, n).headers.get("Last-Event-ID") for n in (0, 1)] == [None, "1"]


@pytest.mark.parametrize(
    ("options", "body", "content_type"),
    [
        ({"body": b"\x00raw"}, b"\x00raw", None),
        ({"body": "té"}, "té".encode(), None),
        ({"json": None}, b"null", "application/json"),
        ({"json": [1], "headers": {"content-type": "a/b"}}, b"[1]", "a/b"),
    ],
)
def test_a_body(mock: Any, session: Any, options: Any, body: bytes, content_type: Optional[str]) -> None:
    """A body is sent as it would be over urllib3."""
    mock.post(URL, body=encode_event("a"), **STREAM)
    assert read(session, method="POST", **options) == ["a"]
    assert sent(mock).body == body
    assert sent(mock).headers.get("Content-Type") == content_type


def test_a_post_is_made_once(mock: Any, session: Any) -> None:
    """By default, what is not GET or HEAD is one request and one stream, as over urllib3."""
    mock.post(URL, body=encode_event("a"), **STREAM)
    mock.post(URL, status=204)
    mock.assert_all_requests_are_fired = False
    with EventSource(RequestsConnector(session, URL, method="POST")) as source:
        next(iter(source))
        with pytest.raises(RuntimeError):
            source.reconnect()


def test_is_repeatable(session: Any) -> None:
    """GET and HEAD may be repeated, and nothing else."""
    connectors = [RequestsConnector(session, URL, method=method) for method in ("GET", "HEAD", "POST")]
    assert [connector.is_repeatable for connector in connectors] == [True, True, False]


def basic(user: str) -> str:
    return "Basic " + base64.b64encode(user.encode()).decode()


def test_the_login_of_the_session(mock: Any, session: Any) -> None:
    """Session.auth is used at each attempt."""
    session.auth = ("me", "pw")
    mock.get(URL, body=encode_event("a"), **STREAM)
    mock.get(URL, status=204)
    read(session, reconnect=AT_ONCE)
    assert [sent(mock, n).headers["Authorization"] for n in (0, 1)] == [basic("me:pw")] * 2


def test_netrc(mock: Any, session: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A login from .netrc is used as requests uses it, and not at all without trust_env."""
    path = tmp_path / "netrc"
    path.write_text("machine example.test login me password pw\n")
    monkeypatch.setenv("NETRC", str(path))
    mock.get(URL, **STREAM)
    read(session)
    assert sent(mock).headers["Authorization"] == basic("me:pw")
    session.trust_env = False
    read(session)
    assert "Authorization" not in sent(mock).headers


@pytest.mark.parametrize(
    ("url", "headers", "expected"),
    [
        (URL, {"authorization": "Bearer own"}, "Bearer own"),
        (URL.replace("//", "//own:pw@"), None, basic("own:pw")),
    ],
)
def test_a_login_of_the_stream_wins(
    mock: Any, session: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, url: str, headers: Any, expected: str
) -> None:
    """An Authorization given for this stream wins over the session's login, and over .netrc."""
    path = tmp_path / "netrc"
    path.write_text("default login netrc password pw\n")
    monkeypatch.setenv("NETRC", str(path))
    mock.get(URL, **STREAM)
    for auth in (("me", "pw"), None):
        session.auth = auth
        read(session, url, headers=headers)
        assert sent(mock).headers["Authorization"] == expected


def test_parameters_cookies_and_hooks_of_the_session(mock: Any, session: Any) -> None:
    """Params go into the URL, cookies along, response hooks are called; what the server sets comes back."""
    seen = []
    session.params = {"key": "1"}
    session.cookies.set("own", "x", domain="example.test")
    session.hooks["response"] = lambda response, *_, **__: seen.append(response.status_code)
    mock.get(URL, body=encode_event("a"), headers={"Set-Cookie": "theirs=y"}, **STREAM)
    mock.get(URL, status=204)
    read(session, reconnect=AT_ONCE)
    assert [sent(mock, n).url for n in (0, 1)] == [URL + "?key=1"] * 2
    assert [sent(mock, n).headers["Cookie"] for n in (0, 1)] == ["own=x", "own=x; theirs=y"]
    assert seen == [200, 204]


def test_a_session_of_a_class_with_its_own_request(mock: Any) -> None:
    """A session that adds a token in a request() of its own, as OAuth sessions do, adds it and keeps what it learns."""

    class TokenSession(requests.Session):
        used = 0

        def request(self, method: str, url: str, **options: Any) -> Any:
            self.used += 1
            options["headers"]["Authorization"] = f"Bearer {self.used}"
            return super().request(method, url, **options)

    mock.get(URL, body=encode_event("a"), **STREAM)
    mock.get(URL, status=204)
    with TokenSession() as session:
        read(session, reconnect=AT_ONCE)
        assert session.used == 2
    assert [sent(mock, n).headers["Authorization"] for n in (0, 1)] == ["Bearer 1", "Bearer 2"]


def test_the_session_stays_as_it_is(mock: Any, session: Any) -> None:
    """Nothing is mounted on the session and nothing set; it is not closed with the source."""
    closed = []
    for adapter in session.adapters.values():
        adapter.close = lambda: closed.append(True)
    before = {name: (value, repr(value)) for name, value in vars(session).items()}
    adapters = {prefix: dict(vars(adapter)) for prefix, adapter in session.adapters.items()}
    mock.get(URL, body=encode_event("a"), **STREAM)
    read(session, headers={"X": "y"})
    assert {name: (value, repr(value)) for name, value in vars(session).items()} == before
    assert {prefix: dict(vars(adapter)) for prefix, adapter in session.adapters.items()} == adapters
    assert closed == []


# What the answers mean


def test_a_body_over_several_connections(mock: Any, session: Any) -> None:
    """A stream that comes in pieces is one stream, each asked for from where the one before had ended."""
    mock.get(URL, body=encode_event("a", id="1") + b"id: 2\ndata: cut", **STREAM)
    mock.get(URL, status=503)
    mock.get(URL, body=requests.ConnectionError("gone"))
    mock.get(URL, body=encode_event("b", id="2"), content_type="Text/Event-Stream ; charset=utf-8")
    mock.get(URL, status=204)
    assert read(session, reconnect=AT_ONCE) == ["a", "b"]
    assert [call.request.headers.get("Last-Event-ID") for call in mock.calls] == [None, "1", "1", "1", "2"]


def test_a_rejection(mock: Any, session: Any) -> None:
    """A status has the error that it has over urllib3: with headers, body and Retry-After, without the query."""
    mock.get(URL, status=404, body="no", headers={"Retry-After": "7", "X-A": "b"})
    with pytest.raises(ResponseRejected, match="the server answered 404 Not Found") as raised:
        read(session, URL + "?token=s3cret", reconnect=AT_ONCE)
    error = raised.value
    assert (error.status, error.body, error.retry_after) == (404, b"no", 7.0)
    assert error.headers["x-a"] == "b"
    assert error.url == URL + "?..."


@pytest.mark.parametrize("content_type", ["text/html", "application/json"])
def test_another_type(mock: Any, session: Any, content_type: str) -> None:
    """What is not an event stream is rejected, and says what it is."""
    mock.get(URL, body="<p>login", content_type=content_type)
    with pytest.raises(ResponseRejected, match=content_type) as raised:
        read(session, reconnect=AT_ONCE)
    assert raised.value.body == b"<p>login"


@pytest.mark.parametrize("reads", [True, False], ids=["reads the body", "does not read the body"])
def test_a_hook_that_raises_for_bad_statuses(mock: Any, session: Any, reads: bool) -> None:
    """A session that raises for a bad status does not change what the status means."""

    def hook(response: Any, *_: Any, **__: Any) -> None:
        if reads and not response.ok:
            assert response.text == "no"
        response.raise_for_status()

    session.hooks["response"].append(hook)
    mock.get(URL, status=503, body="no", headers={"Retry-After": "0"})
    mock.get(URL, body=encode_event("a"), **STREAM)
    mock.get(URL, status=403, body="no")
    with pytest.raises(ResponseRejected) as raised:
        read(session, reconnect=AT_ONCE)
    assert (raised.value.status, raised.value.body) == (403, b"no")
    assert len(mock.calls) == 3


def test_renewed_headers_after_a_401(mock: Any, session: Any) -> None:
    """A headers function is asked once more after a 401, and the request made again at once."""
    tokens = iter(["old", "new"])
    mock.get(URL, status=401)
    mock.get(URL, body=encode_event("a"), **STREAM)
    assert read(session, headers=lambda: {"Authorization": next(tokens)}) == ["a"]
    assert [call.request.headers["Authorization"] for call in mock.calls] == ["old", "new"]


def test_an_event_too_large(mock: Any, session: Any) -> None:
    """The limit on events holds."""
    mock.get(URL, body=encode_event("x" * 1000), **STREAM)
    with pytest.raises(EventTooLarge, match="max_event_size=100"):
        list(EventSource(RequestsConnector(session, URL), max_event_size=100))


# Redirects


def test_a_redirect_within_the_origin(mock: Any, session: Any) -> None:
    """Login and headers go along, from this package's own following; params are not added to the new URL again."""
    session.auth = ("me", "pw")
    session.headers["X-A"] = "1"
    session.params = {"key": "1"}
    mock.get(URL, status=302, headers={"Location": "/new?key=2"})
    mock.get("https://example.test/new", body=encode_event("a"), **STREAM)
    assert read(session, headers={"X-B": "2"}) == ["a"]
    assert sent(mock).url == "https://example.test/new?key=2"
    headers = sent(mock).headers
    assert (headers["Authorization"], headers["X-A"], headers["X-B"]) == (basic("me:pw"), "1", "2")


def leaky(session: Any) -> None:
    session.auth = ("me", "s3cret")
    session.headers.update({"X-API-Key": "s3cret", "User-Agent": "s3cret", "Authorization": "s3cret"})
    session.params = {"key": "s3cret"}
    session.cert = ("s3cret.pem", "s3cret.key")
    session.cookies.set("everywhere", "s3cret")
    session.cookies.set("here", "s3cret", domain="example.test")
    session.cookies.set("there", "fine", domain="other.test")


@pytest.mark.parametrize(
    "other", ["https://other.test/", "http://example.test/", "https://example.test:8443/", "https://www.example.test/"]
)
def test_nothing_of_the_sessions_goes_to_another_origin(mock: Any, session: Any, other: str, tmp_path: Path) -> None:
    """No headers, login, params, certificate or homeless cookies of the session's cross origins, nor the stream's."""
    leaky(session)
    mock.get(URL, status=307, headers={"Location": other})
    mock.get(other, body=encode_event("a"), **STREAM)
    assert read(session, URL.replace("//", "//s3cret:s3cret@"), headers={"X-B": "s3cret"}, last_event_id="1") == ["a"]
    prepared = sent(mock)
    # A cookie belongs to its host, whatever the port and the scheme: that is how cookies are.
    cookie = prepared.headers.pop("Cookie", "")
    assert "everywhere" not in cookie
    assert ("there=fine" in cookie) == ("other.test" in other)
    assert dict(prepared.headers) == {
        "Accept": "text/event-stream",
        "Cache-Control": "no-cache",
        "User-Agent": f"sse-client/{sse_client.__version__}",
        "Last-Event-ID": "1",
    }
    assert prepared.url == other
    assert prepared.req_kwargs["cert"] is None
    assert sent(mock, 0).req_kwargs["cert"] == ("s3cret.pem", "s3cret.key")


def test_nothing_comes_back_on_the_way_back(mock: Any, session: Any) -> None:
    """A detour over another origin has lost it all for good; the next attempt has it again."""
    leaky(session)
    mock.get(URL, status=302, headers={"Location": "https://other.test/"})
    mock.get("https://other.test/", status=302, headers={"Location": "https://example.test/back"})
    mock.get("https://example.test/back", body=encode_event("a"), **STREAM)
    mock.get(URL, status=204)
    assert read(session, reconnect=AT_ONCE) == ["a"]
    assert "X-API-Key" not in sent(mock, 2).headers
    assert "Authorization" not in sent(mock, 2).headers
    assert sent(mock, 3).headers["X-API-Key"] == "s3cret"


def test_netrc_is_not_asked_about_another_origin(
    mock: Any, session: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where a redirect leads gets no login of .netrc, the default one least of all."""
    path = tmp_path / "netrc"
    path.write_text("default login me password s3cret\n")
    monkeypatch.setenv("NETRC", str(path))
    mock.get(URL, status=302, headers={"Location": "https://other.test/"})
    mock.get("https://other.test/", **STREAM)
    read(session)
    assert "Authorization" in sent(mock, 0).headers
    assert "Authorization" not in sent(mock, 1).headers


def test_redirects_are_counted_and_checked(mock: Any, session: Any) -> None:
    """Ten redirects in a row are followed, and none to where no stream can be; the hook sees each with its Location."""
    seen: list[Any] = []
    session.hooks["response"].append(lambda response, *_, **__: seen.append(response.headers.get("Location")))
    mock.get(URL, status=302, headers={"Location": URL})
    with pytest.raises(ResponseRejected, match="more than 10 redirects") as raised:
        read(session, reconnect=AT_ONCE)
    assert raised.value.headers["location"] == URL
    assert seen == [URL] * 11
    mock.upsert("GET", URL, status=302, headers={"Location": "ftp://example.test/"})
    with pytest.raises(ResponseRejected, match="ftp"):
        read(session, reconnect=AT_ONCE)
    mock.upsert("GET", URL, status=302)
    with pytest.raises(ResponseRejected, match="without a Location"):
        read(session, reconnect=AT_ONCE)


def test_a_body_does_not_go_to_another_origin(mock: Any, session: Any) -> None:
    """The rule of this package, from its own code: a 307 to another origin would carry the body there."""
    mock.post(URL, status=307, headers={"Location": "https://other.test/"})
    with pytest.raises(ResponseRejected, match="another origin"):
        read(session, method="POST", json={})


# What goes wrong

ERRORS = requests.exceptions


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (ERRORS.ConnectionError(SECRET_URL), "no response: the connection failed"),
        (ERRORS.ConnectTimeout(SECRET_URL), "no connection within connect_timeout=10 s"),
        (ERRORS.ReadTimeout(SECRET_URL), "no response within idle_timeout=300 s"),
        (ERRORS.SSLError(SECRET_URL), "no response: the connection failed"),
        (ERRORS.ProxyError(SECRET_URL), "no response: the connection failed"),
        (ERRORS.RetryError(SECRET_URL), "RetryError"),
        (ERRORS.JSONDecodeError("no", SECRET_URL, 0), "JSONDecodeError"),
        (ERRORS.InvalidHeader(urllib3_errors.InvalidHeader("two lengths")), "no response: invalidheader"),
        (ERRORS.HTTPError(SECRET_URL), "HTTPError"),
        (ConnectionResetError(104, "Connection reset by peer"), "no response: connection reset by peer"),
        (TimeoutError("mine"), "no response: timeouterror"),
        (socket.gaierror(-2, "Name or service not known"), "no response: name or service not known"),
        (ssl.SSLError(1, "Wrong version"), "the TLS handshake failed: wrong version"),
        (OSError(errno.EHOSTUNREACH, "No route to host"), "no response: no route to host"),
        (OSError(errno.ENETUNREACH, "Network is unreachable"), "no response: network is unreachable"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_failures_of_an_attempt(mock: Any, session: Any, error: Exception, text: str) -> None:
    """Whatever requests raises is a ConnectionFailed with words of ours, which shows no URL of requests'."""
    mock.get(URL, body=error)
    with pytest.raises(ConnectionFailed, match=text) as raised:
        read(session, SECRET_URL)
    failure = raised.value
    shown = "".join(traceback.format_exception(type(failure), failure, failure.__traceback__))
    assert SECRET_URL.rpartition("=")[2] not in shown


def test_a_failure_without_a_time_out(mock: Any, session: Any) -> None:
    """Where there is no limit, a time-out is the system's, and names none of ours."""
    mock.get(URL, body=ERRORS.ReadTimeout(SECRET_URL))
    with pytest.raises(ConnectionFailed, match="no response: timeout"):
        read(session, response_timeout=None)


def raised_unretried(session: Any, url: str = SECRET_URL) -> Exception:
    """What ends the iteration at once, though the policy would come back; it shows no secret."""
    seen: list[Any] = []
    source = EventSource(RequestsConnector(session, url), reconnect=THREE_TIMES)
    with source, pytest.raises((OSError, ValueError)) as raised:
        seen.extend(source.lifecycle())
    assert [type(item) for item in seen] == [ConnectingEvent]
    shown = "".join(traceback.format_exception(raised.type, raised.value, raised.tb))
    assert "s3cret" not in "".join(line for line in shown.splitlines() if not line.startswith("    "))
    return raised.value


@pytest.mark.parametrize(
    ("value", "why"),
    [(5, "'X-A' cannot be sent"), ("s3cret\nb", "'X-A' cannot be sent"), (" s3cret", "'X-A' cannot be sent")],
)
def test_a_header_of_the_session_that_cannot_be_sent(session: Any, value: Any, why: str) -> None:
    """It is raised at once, with the header's name, as the exception of requests'; its value is not shown."""
    session.headers.update({"X-A": value, "X-B": "fine", "X-None": None})
    error = raised_unretried(session)
    assert isinstance(error, ERRORS.InvalidHeader)
    assert why in str(error)


@pytest.mark.parametrize(
    "proxy",
    [
        "://me:s3cret@bad",
        "http://me:s3cret@host:port",
        "http://me:s3cret/s3cret@host:80",
        "http://me:s3cret@[::1:80",
        "ftp://me:s3cret@host:21",
    ],
)
def test_a_proxy_of_the_session_that_is_none(session: Any, proxy: str) -> None:
    """It is raised at once and says what a proxy looks like; the one that was given is not shown."""
    session.proxies = {"https": proxy}
    error = raised_unretried(session)
    assert isinstance(error, ERRORS.InvalidProxyURL)
    assert "proxy must be a URL such as http://host:port" in str(error)


def test_a_socks_proxy_without_its_package(session: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """What requests says of it is raised at once."""

    def missing(*_: Any, **__: Any) -> None:
        raise ERRORS.InvalidSchema("Missing dependencies for SOCKS support.")

    monkeypatch.setattr("requests.adapters.SOCKSProxyManager", missing)
    session.proxies = {"https": "socks5://me:s3cret@127.0.0.1:1"}
    error = raised_unretried(session)
    assert (type(error), str(error)) == (ERRORS.InvalidSchema, "Missing dependencies for SOCKS support.")


def test_a_session_without_an_adapter(session: Any) -> None:
    """It is raised at once, without the query of the URL."""
    session.adapters.clear()
    error = raised_unretried(session)
    assert (type(error), str(error)) == (ERRORS.InvalidSchema, f"the session has no adapter for {URL}?...")


def test_a_host_that_requests_would_refuse(mock: Any, session: Any) -> None:
    """It is refused where it is given; where a redirect leads to it, the redirect is."""
    mock.get(URL, status=302, headers={"Location": "https://*.example.test/?token=s3cret"})
    with pytest.raises(ValueError, match=r"^url is malformed: its host is not valid$"):
        RequestsConnector(session, "https://*.example.test/?token=s3cret")
    with pytest.raises(ResponseRejected, match="where no stream can be: url is malformed: its host is not valid"):
        read(session)


@pytest.mark.parametrize(
    "error", [OSError("mine"), FileNotFoundError(2, "mine", "token.txt"), PermissionError(13, "mine")], ids=repr
)
@pytest.mark.parametrize("where", ["auth", "hook"])
def test_errors_of_the_system_in_code_of_the_users(mock: Any, session: Any, where: str, error: OSError) -> None:
    """What an auth or a hook raises is the user's, unless it is of the network."""

    def fail(*_: Any, **__: Any) -> Any:
        raise error

    mock.assert_all_requests_are_fired = False
    mock.get(URL, body=encode_event("a"), **STREAM)
    if where == "auth":
        session.auth = fail
    else:
        session.hooks["response"] = fail
    assert raised_unretried(session) is error


@pytest.mark.parametrize("name", ["verify", "cert"])
def test_a_file_of_the_session_that_is_missing(session: Any, name: str) -> None:
    """What requests says of it, with the path, is raised at once."""
    setattr(session, name, "nosuch.pem")
    error = raised_unretried(session)
    assert type(error) is OSError
    assert "invalid path: nosuch.pem" in str(error)


def test_what_is_wrong_after_close_is_not_raised(mock: Any, session: Any) -> None:
    """A closed source ends quietly, whatever comes of the request that it has cut short."""
    source = EventSource(RequestsConnector(session, URL), reconnect=AT_ONCE)

    def auth(prepared: Any) -> Any:
        source.close()
        raise OSError("mine")

    session.auth = auth
    mock.assert_all_requests_are_fired = False
    assert list(source) == []


def test_what_a_failure_is_made_of(mock: Any, session: Any) -> None:
    """The cause is what urllib3 or the system said; a certificate that is not valid is a CertificateRejected."""
    refused = ConnectionRefusedError(111, "Connection refused")
    pool: Any = None
    new = urllib3_errors.NewConnectionError(pool, "s3cret")
    new.__cause__ = refused
    mock.get(URL, body=ERRORS.ConnectionError(urllib3_errors.MaxRetryError(pool, "/?s3cret", new)))
    with pytest.raises(ConnectionFailed, match="no connection: connection refused") as raised:
        read(session)
    assert raised.value.__cause__ is new

    expired = ssl.SSLCertVerificationError(1, "certificate verify failed: expired")
    error = urllib3_errors.MaxRetryError(pool, "/", urllib3_errors.SSLError(expired))
    mock.upsert("GET", URL, body=ERRORS.SSLError(error))
    with pytest.raises(CertificateRejected, match="expired"):
        read(session, reconnect=AT_ONCE)


def test_a_loss_is_a_value_when_it_is_retried(mock: Any, session: Any) -> None:
    """A body that breaks off is seen as a ConnectionLost between two connections."""
    mock.get(URL, body=encode_event("a"), headers={"Content-Length": "1000"}, **STREAM)
    mock.get(URL, status=204)
    source = EventSource(RequestsConnector(session, URL), reconnect=AT_ONCE)
    errors = [item.error for item in source.lifecycle() if isinstance(item, ErrorEvent)]
    assert [type(error) for error in errors] == [ConnectionLost]


@pytest.mark.parametrize("where", ["url", "headers", "auth"])
def test_errors_of_the_users_functions_are_the_users(mock: Any, session: Any, where: str) -> None:
    """What a url or headers function or an auth of the user's raises comes out of the iteration as it is."""

    def fail(*_: Any) -> Any:
        raise LookupError("mine")

    mock.assert_all_requests_are_fired = False
    options: dict[str, Any] = {"reconnect": AT_ONCE}
    if where == "auth":
        session.auth = fail
    else:
        options[where] = fail
    with pytest.raises(LookupError, match="mine"):
        read(session, **options)


# Other adapters


class Adapter(requests.adapters.BaseAdapter):
    """Something that is not HTTPAdapter, with a raw that can read and nothing else."""

    def __init__(self, raw: Any) -> None:
        super().__init__()
        self.raw = raw

    def send(self, request: Any, **_: Any) -> Any:
        response = requests.Response()
        response.status_code = 200
        response.headers["Content-Type"] = "text/event-stream"
        response.url, response.request, response.raw = request.url, request, self.raw
        return response

    def close(self) -> None:
        pass


class Raw(io.RawIOBase):
    """Counts how much has been asked for."""

    def __init__(self, data: bytes) -> None:
        super().__init__()
        self._data = io.BytesIO(data)
        self.taken = 0

    def read(self, size: int = -1) -> bytes:
        assert size == 1, "more may be waited for than has arrived"
        self.taken += 1
        return self._data.read(size)


def test_an_adapter_that_is_not_of_urllib3(session: Any) -> None:
    """A body of which nothing is known is read byte by byte: late would be worse than slow. Closing does not fail."""
    first, second = encode_event("a"), encode_event("b")
    raw = Raw(first + second)
    session.mount("https://", Adapter(raw))
    with EventSource(RequestsConnector(session, URL), reconnect=None) as source:
        events = iter(source)
        assert next(events).data == "a"
        assert raw.taken == len(first)
        assert [event.data for event in events] == ["b"]


def test_closing_over_such_an_adapter(session: Any) -> None:
    """close() before, in and after a loop over an unknown adapter never raises, and ends the loop."""
    session.mount("https://", Adapter(Raw(encode_event("a") * 10)))
    source = EventSource(RequestsConnector(session, URL), reconnect=None)
    assert [source.close() for _ in zip(range(2), source)] == [None]
    source.close()


# The connector itself


@pytest.mark.parametrize(
    ("arguments", "error", "text"),
    [
        ({"session": None}, TypeError, "session must be a requests.Session, not NoneType"),
        ({"session": requests}, TypeError, "session"),
        ({"url": "example.test"}, ValueError, "url must start with"),
        ({"url": 1}, TypeError, "url"),
        ({"headers": {"a b": "c"}}, ValueError, "headers"),
        ({"headers": {"Last-Event-ID": "1"}}, ValueError, "Last-Event-ID"),
        ({"method": "G T"}, ValueError, "method"),
        ({"json": 1}, ValueError, "json cannot be sent with GET"),
        ({"body": 1}, TypeError, "body"),
        ({"body": b"", "json": 1}, TypeError, "body and json"),
        ({"connect_timeout": 0}, ValueError, "connect_timeout"),
        ({"response_timeout": "1"}, TypeError, "response_timeout"),
        ({"idle_timeout": -1}, ValueError, "idle_timeout"),
    ],
)
def test_arguments_are_checked_where_they_are_given(
    session: Any, arguments: dict[str, Any], error: type[Exception], text: str
) -> None:
    """A wrong argument fails at once, with its name."""
    with pytest.raises(error, match=text):
        RequestsConnector(**{"session": session, "url": URL, **arguments})


def test_the_source_takes_no_settings_of_the_request_along_with_it(session: Any) -> None:
    """What belongs to the connector is not accepted by the source and then forgotten."""
    with pytest.raises(TypeError, match="headers"):
        EventSource(RequestsConnector(session, URL), headers={"a": "b"})


def test_an_interrupt_before_the_attempt(mock: Any, session: Any) -> None:
    """A connection that was interrupted before it was opened fails without a request."""
    mock.assert_all_requests_are_fired = False
    connection = RequestsConnector(session, URL).connection()
    connection.interrupt()
    with pytest.raises(ConnectionFailed, match="interrupted"):
        connection.open("")
    connection.release()
    connection.interrupt()
    assert len(mock.calls) == 0


def test_an_own_auth_object_is_asked_for_each_request(mock: Any, session: Any) -> None:
    """An auth callable is called once for each request of the origin, redirects included."""
    calls = []

    class Auth(HTTPBasicAuth):
        def __call__(self, prepared: Any) -> Any:
            calls.append(prepared.url)
            return super().__call__(prepared)

    session.auth = Auth("me", "pw")
    mock.get(URL, status=302, headers={"Location": "/b"})
    mock.get("https://example.test/b", **STREAM)
    read(session)
    assert calls == [URL, "https://example.test/b"]


def run_python(code: str) -> Any:
    root = str(Path(sse_client.__file__).parent.parent)
    command = [sys.executable, "-c", code]
    return subprocess.run(command, cwd=root, capture_output=True, text=True, timeout=60, check=False)


def test_without_requests() -> None:
    """Where requests is missing, importing the bridge says what to install."""
    result = run_python("import sys; sys.modules['requests'] = None; import sse_client.requests_bridge")
    assert "ImportError" in result.stderr.splitlines()[-1]
    assert "pip install 'requests>=2.32.2'" in result.stderr.splitlines()[-1]


def test_the_package_does_not_import_requests() -> None:
    """Importing the package, its testing part and its command does not import requests."""
    code = "import sys, sse_client, sse_client.testing, sse_client.cli; sys.exit('requests' in sys.modules)"
    result = run_python(code)
    assert result.returncode == 0, result.stderr
