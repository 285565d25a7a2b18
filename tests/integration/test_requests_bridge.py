"""The promises over a requests.Session: prompt, exact, nothing lost, and closed in every phase. Real sockets."""

from __future__ import annotations

import gc
import random
import re
import socket
import ssl
import threading
import time
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, PrivateFormat

from sse_client import (
    CertificateRejected,
    ConnectingEvent,
    ConnectionFailed,
    ConnectionLost,
    EventSource,
    ReadyState,
    ReconnectPolicy,
    ResponseRejected,
)
from sse_client.testing import EventStreamServer, Exchange, event, hold, raw, wait_for

from .phases import PHASES
from .raw_server import RawServer
from .support import AT_ONCE, LATER, TIMEOUT, Follower, assert_nothing_raised
from .test_delivery import CUTTINGS, ENCODINGS, FRAMINGS

requests = pytest.importorskip("requests")

import urllib3  # noqa: E402 - behind the check for requests
from requests.adapters import BaseAdapter, HTTPAdapter  # noqa: E402

from sse_client.requests_bridge import RequestsConnector  # noqa: E402

SOON = 2.0  # seconds; the promise is 0.1, on a machine that is not busy with other things
MOMENTS = 200
THREE_TIMES = ReconnectPolicy(reconnection_time=0.001, jitter=0.0, max_attempts=3)


@pytest.fixture(autouse=True)
def only_our_authority(authority: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make requests trust the tests' authority, whatever the environment has named."""
    path = tmp_path / "bundle.pem"
    authority.cert_pem.write_to_path(str(path))
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(path))
    for name in ("HTTP_PROXY", "ALL_PROXY", "http_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def session() -> Iterator[Any]:
    with requests.Session() as opened:
        yield opened


@pytest.fixture(params=PHASES)
def phase(request: pytest.FixtureRequest, server_context: ssl.SSLContext) -> Any:
    """Each phase in turn, as a context manager that makes its server."""
    return PHASES[request.param](server_context)


def follow(session: Any, url: Any, reconnect: Any = None, **options: Any) -> EventSource:
    return EventSource(RequestsConnector(session, url, **options), reconnect=reconnect)


def data_of(source: EventSource) -> list[str]:
    with source:
        return [item.data for item in source]


# Stops


def test_close_ends_the_loop_in_every_phase(phase: Any, session: Any) -> None:
    """The loop ends quietly and at once, close() does not block, and no request is made afterwards."""
    with phase as here, Follower(follow(session, here.url, LATER)) as follower:
        here.arrived()
        if here.last_item:
            follower.wait_for(here.last_item)
        requests_made = here.requests()
        before = time.perf_counter()
        follower.source.close()
        returned_after = time.perf_counter() - before
        seconds = follower.close_and_time() + returned_after
        assert_nothing_raised(follower)
        assert follower.source.ready_state is ReadyState.CLOSED
        assert returned_after < SOON
        assert seconds < SOON
        assert here.requests() == requests_made
        print(f"the loop ended {seconds:.6f} s after close()")


@pytest.mark.filterwarnings("ignore:unclosed <ssl.SSLSocket:ResourceWarning")  # see test_close_at_random_moments
def test_reconnect_makes_a_new_attempt_at_once_in_every_phase(phase: Any, session: Any) -> None:
    """Another attempt begins at once, whatever the one before was waiting for; the loop goes on."""
    again = threading.Event()
    attempts: list[float] = []

    with phase as here:

        def url() -> str:
            attempts.append(time.perf_counter())
            if len(attempts) == 2:
                again.set()
            return here.url

        with Follower(follow(session, url, LATER)) as follower:
            here.arrived()
            if here.last_item:
                follower.wait_for(here.last_item)
            follower.source.reconnect()
            assert again.wait(TIMEOUT), (follower.items, follower.error)
        assert_nothing_raised(follower)
    gc.collect()


# The ssl module itself leaves a socket to the collector if a reset arrives as its handshake is about to begin.
@pytest.mark.filterwarnings("ignore:unclosed <ssl.SSLSocket:ResourceWarning")
@pytest.mark.parametrize("tls", [False, True], ids=["plain", "TLS"])
def test_close_at_random_moments(tls: bool, server_context: ssl.SSLContext, session: Any) -> None:
    """Whatever the source is doing when another thread closes it, its loop ends at once, and the session goes on."""
    choice = random.Random(f"sse_client bridge {tls}")
    never = threading.Event()
    taken = []

    def reply(exchange: Exchange) -> None:
        kind = choice.randrange(5)
        if kind == 0:
            exchange.hold()
        elif kind == 1:
            exchange.respond(503, b"busy", {"Retry-After": "0"})
        elif kind == 2:
            exchange.run(*(event(str(n)) for n in range(choice.randrange(20))), hold())
        elif kind == 3:
            exchange.send_head(framing=choice.choice(FRAMINGS[:2]), encoding=choice.choice(ENCODINGS))
            exchange.run(event("a"))
        else:
            exchange.drop()

    with EventStreamServer(ssl_context=server_context if tls else None) as server:
        server.handler = reply
        for _ in range(MOMENTS):
            with Follower(follow(session, server.url, AT_ONCE)) as follower:
                never.wait(choice.random() ** 2 * 0.03)
                taken.append(follower.close_and_time())
                requests_made = len(server.requests)
                assert_nothing_raised(follower)
            # What was on its way when the source was closed may still be read, and nothing after that.
            assert len(server.requests) <= requests_made + 1
        server.handler = lambda exchange: exchange.respond(200, b"fine")
        assert session.get(server.url, timeout=TIMEOUT).content == b"fine"
    print(f"loops ended after {sorted(taken)[len(taken) // 2]:.6f} s (median), {max(taken):.6f} s (worst)")
    assert max(taken) < SOON


def test_close_does_not_meet_other_requests_of_the_session(server: EventStreamServer) -> None:
    """A connection that has gone back to the pool, and carries a request of the program's, is not cut by close()."""
    answered = threading.Event()
    with requests.Session() as session:
        server.stream(event("a"), framing="length")

        def answer(exchange: Exchange) -> None:
            exchange.wait_for(answered)
            exchange.respond(200, b"fine")

        server.reply(answer)
        source = follow(session, server.url, LATER)
        loop = iter(source)
        assert next(loop).data == "a"  # all of the body has been read, and the loop waits in the program
        got: list[Any] = []
        other = threading.Thread(target=lambda: got.append(session.get(server.url, timeout=TIMEOUT).content))
        other.start()
        assert [request.connection for request in server.wait_for_requests(2)] == [1, 1]
        closer = threading.Thread(target=source.close)
        closer.start()
        closer.join(TIMEOUT)
        answered.set()
        other.join(TIMEOUT)
        assert got == [b"fine"]
        assert next(loop, None) is None


def test_close_between_the_sessions_own_retries(server: EventStreamServer) -> None:
    """What cannot be cut short is the session's own pause; when it is over, no request is made any more."""
    with requests.Session() as session:
        retry = urllib3.Retry(total=5, backoff_factor=0.2, status_forcelist=[503])
        session.mount("http://", HTTPAdapter(max_retries=retry))
        server.handler = lambda exchange: exchange.respond(503)
        with Follower(follow(session, server.url, LATER)) as follower:
            made = len(server.wait_for_requests(2))  # the pause before the third is 0.4 s
            assert follower.close_and_time() < SOON
        assert_nothing_raised(follower)
        assert len(server.requests) == made


# Over an adapter that shows its socket to nobody


class Wrapper(BaseAdapter):
    """Not an HTTPAdapter, though it uses one."""

    def __init__(self) -> None:
        super().__init__()
        self._inner = HTTPAdapter()

    def send(self, *args: Any, **kwargs: Any) -> Any:
        return self._inner.send(*args, **kwargs)

    def close(self) -> None:
        self._inner.close()


@pytest.mark.needs("shutdown", "nothing else ends a wait in a socket that is shown to nobody")
def test_closing_over_another_adapter(server: EventStreamServer, session: Any) -> None:
    """There, an open stream is closed at once; an attempt without a response ends when its time-out is up."""
    session.mount("http://", Wrapper())
    server.stream(event("a"), hold())
    with Follower(follow(session, server.url, LATER)) as follower:
        follower.wait_for("MessageEvent")
        assert follower.close_and_time() < SOON
    assert_nothing_raised(follower)
    server.silence()
    with Follower(follow(session, server.url, LATER, response_timeout=0.5)) as follower:
        server.wait_for_requests(2)
        assert 0.2 < follower.close_and_time() < SOON
    assert_nothing_raised(follower)


def test_time_outs_over_another_adapter(server: EventStreamServer, session: Any) -> None:
    """There, the time-out of the response is that of the stream as well, and the error says so."""
    session.mount("http://", Wrapper())
    server.stream(event("a"), hold())
    with pytest.raises(ConnectionLost, match=r"no byte within response_timeout=0\.2 s"):
        data_of(follow(session, server.url, response_timeout=0.2))


# Prompt


@pytest.mark.parametrize("cutting", CUTTINGS, ids=lambda cutting: cutting.__name__)
@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("framing", FRAMINGS)
def test_events_are_in_hand_before_the_next_are_sent(
    server: EventStreamServer, session: Any, framing: Any, encoding: Any, cutting: Any
) -> None:
    """The server sends the next events only after the test has the ones before, and nobody waits for the other."""
    steps = cutting()
    words = [threading.Event() for _ in steps]
    script: list[Any] = []
    for step, word in zip(steps, words):
        script += [*map(raw, step.pieces), wait_for(word, TIMEOUT)]
    server.stream(*script, framing=framing, encoding=encoding)
    with follow(session, server.url, idle_timeout=TIMEOUT) as source:
        events = iter(source)
        for step, word in zip(steps, words):
            assert [next(events).data for _ in step.expected] == step.expected
            word.set()
        assert next(events, None) is None


# Nothing lost, nothing twice


@pytest.mark.parametrize(("framing", "encoding"), [("chunked", None), ("close", None), ("chunked", "gzip")])
def test_200_drops_lose_and_repeat_nothing(
    server: EventStreamServer, session: Any, framing: Any, encoding: Any
) -> None:
    """The exact sequence arrives over 200 connections that are cut at random bytes."""
    choice = random.Random("sse_client bridge drops")
    count = 2000
    cuts = [choice.randrange(250) for _ in range(200)]
    server.serve_log(count, cuts=cuts, framing=framing, encoding=encoding)
    assert data_of(follow(session, server.url, AT_ONCE)) == [str(n) for n in range(1, count + 1)]
    assert len(server.requests) > 100


# The connections of the session


def test_a_connection_read_to_its_end_goes_back(server: EventStreamServer, session: Any) -> None:
    """The session's pool gets the connection back at the end of the stream, and the next request goes over it."""
    for framing in ("length", "chunked"):
        server.stream(event("a"), framing=framing)  # type: ignore[arg-type] # one of them at a time
    server.respond(200, b"x")
    assert data_of(follow(session, server.url)) == ["a"]
    assert data_of(follow(session, server.url)) == ["a"]
    session.get(server.url, timeout=TIMEOUT)
    assert [request.connection for request in server.requests] == [1, 1, 1]


@pytest.mark.parametrize("leave", ["break", "close"])
def test_a_connection_left_before_its_end_is_closed(server: EventStreamServer, session: Any, leave: str) -> None:
    """Leaving the stream ends its connection, and the session goes on with another."""
    server.stream(event("a"), hold())
    server.respond(200, b"x")
    source = follow(session, server.url, LATER)
    for _ in source:
        if leave == "close":
            source.close()
        else:
            break
    server.wait_until_disconnected(TIMEOUT)
    assert session.get(server.url, timeout=TIMEOUT).content == b"x"
    assert [request.connection for request in server.requests] == [1, 2]


def test_a_pool_with_one_connection_that_blocks(server: EventStreamServer) -> None:
    """Attempts that fail, are redirected or interrupted use up none of the places in a session's blocking pool."""
    with requests.Session() as session:
        session.mount("http://", HTTPAdapter(pool_maxsize=1, pool_block=True))
        for _ in range(5):
            server.hang_up()
            server.redirect("/elsewhere")
            server.respond(503, b"busy")
            server.stream(event("a"), hold())
            with Follower(follow(session, server.url, AT_ONCE)) as follower:
                follower.wait_for("MessageEvent")
            assert_nothing_raised(follower)
        server.respond(200, b"fine")
        assert session.get(server.url, timeout=TIMEOUT).content == b"fine"


def test_an_endless_body_of_a_redirect_is_not_read(server: EventStreamServer, session: Any) -> None:
    """A redirect is followed when its head has come, though requests would read its body to the end."""
    server.stream(raw(b"moved"), hold(), status=302, headers={"Location": "/new"})
    server.stream(event("a"))
    assert data_of(follow(session, server.url, response_timeout=TIMEOUT, idle_timeout=TIMEOUT)) == ["a"]
    assert [request.path for request in server.requests] == ["/", "/new"]


def test_cookies_of_a_login_and_of_a_redirect_are_sent(server: EventStreamServer, session: Any) -> None:
    """What a redirect sets is kept in the session, and sent from then on."""
    server.redirect("/new", headers={"Set-Cookie": "login=1; Path=/"})
    server.stream(event("a"))
    server.respond(200)
    assert data_of(follow(session, server.url)) == ["a"]
    session.get(server.url, timeout=TIMEOUT)
    assert [request.headers.get("Cookie") for request in server.requests] == [None, "login=1", "login=1"]


@pytest.mark.parametrize(
    "attributes",
    ["Max-Age", "Max-Age=x", "Version=x", "Version=1; Port", 'a="; b', "Expires", "Expires=" + " " * 4000, "Domain"],
)
def test_a_cookie_whose_attributes_make_no_sense(server: EventStreamServer, session: Any, attributes: str) -> None:
    """A wrong attribute is left out before http.cookiejar meets it: all cookies are kept, and nothing is warned of."""
    cookies = [("Set-Cookie", "a=1; Path=/"), *[("Set-Cookie", f"b=2; {attributes}")] * 12, ("Set-Cookie2", "c=3")]
    server.stream(event("a"), headers=cookies)
    began = time.process_time()
    assert data_of(follow(session, server.url)) == ["a"]
    assert time.process_time() - began < 0.5
    assert session.cookies.get_dict() == {"a": "1", "b": "2"}


@pytest.mark.parametrize("trusted", [True, False])
def test_what_follows_to_another_origin(server: EventStreamServer, session: Any, trusted: bool) -> None:
    """To an origin that is named as trusted goes all that is the session's; to any other nothing."""
    session.headers["X-Session"] = "1"
    session.auth = ("me", "s3cret")
    with EventStreamServer() as elsewhere:
        origins = [elsewhere.url.rstrip("/")] if trusted else []
        server.redirect(elsewhere.url)
        elsewhere.stream(event("a"))
        assert data_of(follow(session, server.url, headers={"X-Own": "2"}, trusted_origins=origins)) == ["a"]
        (request,) = elsewhere.requests
    names = ("X-Session", "X-Own", "Authorization")
    assert [name in request.headers for name in names] == [trusted] * 3
    assert all(name in server.requests[0].headers for name in names)


def test_what_a_session_may_be_answered(server: EventStreamServer, session: Any) -> None:
    """Types, and addresses without TLS, are a matter of the connector's arguments as they are of a source's."""
    server.stream(event("a"), content_type="text/plain")
    server.stream(event("b"), content_type="text/plain")
    assert data_of(follow(session, server.url, content_types=["text/plain"])) == ["a"]
    with pytest.raises(ResponseRejected, match="content_types= allows others"):
        data_of(follow(session, server.url))
    with pytest.raises(ValueError, match="https_only is set"):
        follow(session, server.url, https_only=True)


@pytest.mark.parametrize("parameters", ["; charset", ";charset;", "; charset; x=y", "; charset="])
def test_a_charset_without_a_value(server: EventStreamServer, session: Any, parameters: str) -> None:
    """A Content-Type that some versions of requests cannot read is that of any event stream."""
    server.stream(event("a"), content_type=f"text/event-stream{parameters}")
    assert data_of(follow(session, server.url)) == ["a"]


@pytest.mark.parametrize("id_", ["\x1c7", "\x0b7", "\x0c 7", "\x1f", "\x857", "\u20287", "\x01", "7\x0b"])
def test_ids_that_begin_with_control_characters(server: EventStreamServer, session: Any, id_: str) -> None:
    """What requests takes for an attempt to forge a header comes back to the server, as over this package's pools."""
    with EventStreamServer() as elsewhere:
        server.stream(event("a", id=id_))
        server.redirect(elsewhere.url)
        elsewhere.stream(event("b"))
        assert data_of(follow(session, server.url, AT_ONCE)) == ["a", "b"]
        for request in (*server.requests[1:], *elsewhere.requests):
            assert request.headers["Last-Event-ID"] == id_


def test_retries_of_the_session(server: EventStreamServer) -> None:
    """A session that tries again by itself does so inside one attempt."""
    with requests.Session() as session:
        retry = urllib3.Retry(total=3, backoff_factor=0, status_forcelist=[503], raise_on_status=False)
        session.mount("http://", HTTPAdapter(max_retries=retry))
        server.respond(503)
        server.hang_up()
        server.stream(event("a"))
        assert data_of(follow(session, server.url)) == ["a"]
        for _ in range(4):
            server.respond(503)
        with pytest.raises(ResponseRejected, match="503"):
            data_of(follow(session, server.url))
        assert len(server.requests) == 7


def test_a_proxy_of_the_session(session: Any) -> None:
    """The session's proxy is asked, with its login; the host itself is not looked up."""
    with EventStreamServer(host_names=["no-such-host.invalid"]) as server:
        session.proxies = {"http": server.url.replace("//", "//me:pw@")}
        server.stream(event("a"))
        assert data_of(follow(session, "http://no-such-host.invalid/stream")) == ["a"]
        (request,) = server.requests
    assert request.target == "http://no-such-host.invalid/stream"
    assert request.headers["Proxy-Authorization"] == "Basic bWU6cHc="


def test_a_proxy_that_refuses_a_tunnel(server: EventStreamServer, session: Any) -> None:
    """The answer of a proxy that makes no tunnel is a rejection, as without requests; its login is not shown."""
    session.proxies = {"https": server.url.replace("//", "//me:s3cret@")}
    server.respond(407)
    with pytest.raises(ResponseRejected, match=r"the proxy .* answered 407") as raised:
        data_of(follow(session, "https://no-such-host.invalid/stream", AT_ONCE))
    assert "s3cret" not in str(raised.value)


def test_certificates(server_context: ssl.SSLContext, session: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The authorities that the session trusts are those that count; others end the iteration."""
    with EventStreamServer(ssl_context=server_context) as server:
        server.stream(event("a"))
        assert data_of(follow(session, server.url)) == ["a"]
        monkeypatch.delenv("REQUESTS_CA_BUNDLE")
        monkeypatch.delenv("CURL_CA_BUNDLE", raising=False)
        with requests.Session() as another, pytest.raises(CertificateRejected, match="certificate is not valid"):
            data_of(follow(another, server.url, AT_ONCE))


# What is wrong with the session is raised, and what is wrong with the network is retried


GARBAGE = "-----BEGIN CERTIFICATE-----\ngarbage\n-----END CERTIFICATE-----\n"


@pytest.fixture
def files(tmp_path: Path, authority: Any) -> dict[str, str]:
    """Files that hold no certificate, or not what belongs to it."""
    texts = {"empty": "", "words": "garbage", "garbage": GARBAGE, "without a key": authority.cert_pem.bytes().decode()}
    for name, text in texts.items():
        (tmp_path / name).write_text(text)
    (tmp_path / "directory").mkdir()
    key = ec.generate_private_key(ec.SECP256R1()).private_bytes(
        Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"password")
    )
    (tmp_path / "encrypted").write_bytes(authority.cert_pem.bytes() + key)
    return {path.name: str(path) for path in tmp_path.iterdir()}


@pytest.mark.parametrize(
    ("setting", "name"),
    [("verify", "empty"), ("verify", "words"), ("verify", "garbage"), ("verify", "nosuch")]
    + [("cert", name) for name in ("empty", "words", "without a key", "encrypted", "directory", "nosuch")],
)
def test_a_certificate_file_that_cannot_be_loaded(
    server_context: ssl.SSLContext,
    session: Any,
    files: dict[str, str],
    setting: str,
    name: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It ends the iteration at once, with the path; it would be the same again."""
    path = files.get(name, name)
    session.verify = files["bundle.pem"]
    setattr(session, setting, path)
    for variable in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):  # they would win over session.verify
        monkeypatch.delenv(variable, raising=False)
    seen: list[Any] = []
    with EventStreamServer(ssl_context=server_context) as server:
        source = follow(session, server.url + "?t=s3cret", THREE_TIMES)
        with pytest.raises(OSError, match=re.escape(path)) as raised:
            seen.extend(source.lifecycle())
        assert server.requests == []
    assert [type(item) for item in seen] == [ConnectingEvent]
    assert "s3cret" not in "".join(traceback.format_exception_only(raised.type, raised.value))


def test_a_handshake_that_fails_is_retried(session: Any, tmp_path: Path) -> None:
    """What fails in the handshake itself is a failed attempt: the next one may meet a server that is well again."""

    def serve(connected: socket.socket) -> None:
        connected.recv(4096)
        connected.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    session.verify = str(tmp_path / "bundle.pem")
    with RawServer(serve) as plain:
        with Follower(follow(session, plain.url.replace("http:", "https:"), THREE_TIMES)) as follower:
            follower.join()
        assert plain.accepted == 3
    assert isinstance(follower.error, ConnectionFailed)
    assert "the TLS handshake failed" in str(follower.error)


def test_a_head_that_requests_refuses_is_retried(server: EventStreamServer, session: Any) -> None:
    """A header of the server's that is wrong is not taken for one of the session's."""
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n"
    server.reply(lambda exchange: exchange.write_raw(head))
    server.stream(event("a"))
    assert data_of(follow(session, server.url, AT_ONCE)) == ["a"]


def test_a_header_of_an_auth_that_cannot_be_sent(server: EventStreamServer, session: Any) -> None:
    """A token with the line break of its file, which requests lets through, ends the iteration and is not shown."""

    def auth(prepared: Any) -> Any:
        prepared.headers["Authorization"] = "Bearer s3cret\n"
        return prepared

    session.auth = auth
    with pytest.raises(requests.exceptions.InvalidHeader, match="a header cannot be sent") as raised:
        data_of(follow(session, server.url, THREE_TIMES))
    assert "s3cret" not in "".join(traceback.format_exception_only(raised.type, raised.value))
    assert raised.value.__cause__ is None
    assert raised.value.__suppress_context__
    assert server.requests == []


# Time


@pytest.mark.parametrize("framing", FRAMINGS)
@pytest.mark.parametrize("encoding", [None, "gzip"])
def test_the_head_and_the_stream_have_time_outs_of_their_own(
    server: EventStreamServer, session: Any, framing: Any, encoding: Any
) -> None:
    """A head is waited for as long as response_timeout says, and a byte of the stream as idle_timeout says."""
    server.stream(event("a"), hold(), framing=framing, encoding=encoding)
    before = time.perf_counter()
    with pytest.raises(ConnectionLost, match=r"no byte within idle_timeout=0\.3 s"):
        data_of(follow(session, server.url, response_timeout=60.0, idle_timeout=0.3))
    assert 0.3 <= time.perf_counter() - before < TIMEOUT
    server.silence()
    with pytest.raises(ConnectionFailed, match=r"no response within response_timeout=0\.2 s"):
        data_of(follow(session, server.url, response_timeout=0.2, idle_timeout=60.0))


def test_the_time_out_of_a_stream_is_not_left_on_the_connection(server: EventStreamServer, session: Any) -> None:
    """A connection that goes back to the pool does not take the stream's idle_timeout along."""
    go = threading.Event()
    server.stream(event("a"), framing="length")

    def late(exchange: Exchange) -> None:
        exchange.pause(0.4)
        exchange.respond(200, b"late")
        go.set()

    server.reply(late)
    assert data_of(follow(session, server.url, idle_timeout=0.1)) == ["a"]
    assert session.get(server.url, timeout=TIMEOUT).content == b"late"
    assert [request.connection for request in server.requests] == [1, 1]


def test_a_session_used_by_many_threads_at_once(server: EventStreamServer) -> None:
    """Streams and other requests share a session: closing some streams disturbs none of the rest."""

    def answer(exchange: Exchange) -> None:
        if exchange.request.path == "/stream":
            exchange.run(event("a"), hold())
        else:
            exchange.respond(200, b"fine")

    server.handler = answer
    errors: list[Exception] = []
    stop = threading.Event()

    def ask() -> None:
        try:
            while not stop.is_set():
                assert session.get(server.url, timeout=TIMEOUT).content == b"fine"
        except Exception as error:  # noqa: BLE001 - whatever it is, the test is to fail with it
            errors.append(error)

    with requests.Session() as session:
        session.mount("http://", HTTPAdapter(pool_maxsize=20))
        askers = [threading.Thread(target=ask) for _ in range(3)]
        for thread in askers:
            thread.start()
        try:
            for _ in range(30):
                with Follower(follow(session, server.url + "stream", AT_ONCE)) as follower:
                    follower.wait_for("MessageEvent")
                assert_nothing_raised(follower)
        finally:
            stop.set()
            for thread in askers:
                thread.join(TIMEOUT)
    assert errors == []


def test_policy_and_retry_after_hold(server: EventStreamServer, session: Any) -> None:
    """What a server asks for by Retry-After is waited for, as without requests."""
    server.respond(503, headers={"Retry-After": "1"})
    server.stream(event("a"))
    policy = ReconnectPolicy(reconnection_time=0.001, jitter=0.0, min_server_delay=0.001)
    assert data_of(follow(session, server.url, policy)) == ["a"]
    first, second = server.requests[:2]
    assert 0.9 <= second.time - first.time < TIMEOUT
