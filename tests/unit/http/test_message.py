from __future__ import annotations

import pickle
import time
from typing import Any

import pytest

from sse_client._http.headers import Headers, check_headers
from sse_client._http.message import RedirectRefused, Request, RequestOptions
from sse_client._version import __version__

URL = "http://example.com/builds"
TOKEN = {"Authorization": "Bearer s3cret", "X-API-Key": "s3cret"}


def request_for(**settings: Any) -> Request:
    return RequestOptions(settings.pop("url", URL), **settings).request(settings.pop("last_event_id", ""))


def test_names_in_any_case() -> None:
    """Headers are found by a name in any case, and repeated ones are joined in order."""
    headers = Headers([("Accept", "a"), ("X-Y", "1"), ("x-y", "2")])
    assert (headers["accept"], headers["X-y"], headers.get("z"), "ACCEPT" in headers) == ("a", "1, 2", None, True)
    assert (list(headers), len(headers), 7 in headers) == (["Accept", "X-Y"], 2, False)
    with pytest.raises(KeyError, match="Z"):
        headers["Z"]


def test_many_fields_of_one_name() -> None:
    """Joining them takes time in proportion to their number."""
    began = time.process_time()
    assert len(Headers([("a", "b")] * 300_000)["A"]) == 900_000 - 2
    assert time.process_time() - began < 2.0


def test_headers_are_compared_without_case() -> None:
    """Headers equal each other and dicts with the same names, in any case, and values; equal ones hash alike."""
    headers = Headers({"X-A": "1", "B": "2"})
    assert headers == Headers([("b", "2"), ("x-a", "1")]) == {"x-a": "1", "B": "2"}
    assert headers != {"x-a": "1"}
    assert headers != {"x-a": "1", 2: "2"}
    assert headers != [("X-A", "1"), ("B", "2")]
    assert hash(headers) == hash(Headers([("b", "2"), ("x-a", "1")]))
    assert pickle.loads(pickle.dumps(headers)) == headers


def test_merged_headers() -> None:
    """The right values win under the left spelling, and neither side is changed."""
    left, right = Headers({"Accept": "a", "B": "b"}), Headers({"accept": "x", "C": "c"})
    assert list((left | right).items()) == [("Accept", "x"), ("B", "b"), ("C", "c")]
    assert (left, right) == ({"accept": "a", "b": "b"}, {"accept": "x", "c": "c"})
    assert left | {"b": "y"} == {"accept": "a", "b": "y"}


def test_headers_print_without_values() -> None:
    """The names of headers are shown, and no value."""
    headers = Headers({"Authorization": "s3cret", "X-Key": "s3cret"})
    assert repr(headers) == str(headers) == f"{headers}" == "<Headers: Authorization, X-Key>"
    assert repr(Headers()) == "<Headers: none>"


def test_default_headers() -> None:
    """A request asks for an event stream, fresh, and names this package."""
    assert request_for().headers() == {
        "Accept": "text/event-stream",
        "Cache-Control": "no-cache",
        "User-Agent": f"sse-client/{__version__}",
    }


def test_user_headers_win() -> None:
    """The user's headers replace the package's, whatever their case."""
    headers = request_for(headers={"accept": "a/b", "CACHE-CONTROL": "c", "user-agent": "d", "X-Own": "e"}).headers()
    assert headers == {"accept": "a/b", "CACHE-CONTROL": "c", "user-agent": "d", "X-Own": "e"}


def test_last_event_id() -> None:
    """The last event ID is sent as UTF-8, and not at all if it is empty."""
    options = RequestOptions(URL)
    assert options.request("✓ 7").headers()["Last-Event-ID"].encode("latin-1") == "✓ 7".encode()
    assert "Last-Event-ID" not in options.request("").headers()


def test_headers_are_utf_8() -> None:
    """A header value beyond ASCII is sent as UTF-8."""
    assert request_for(headers={"X-Name": "Zoë"}).headers()["X-Name"].encode("latin-1") == "Zoë".encode()


def test_credentials_of_the_url() -> None:
    """User and password of the URL are sent as Basic authentication, and are not in the request's URL."""
    request = request_for(url="http://user:pass@example.com/builds#top")
    assert request.url.address == URL
    assert request.headers()["Authorization"] == "Basic dXNlcjpwYXNz"


def test_own_authorization_wins() -> None:
    """The user's Authorization header wins over the credentials of the URL."""
    request = request_for(url="http://user:pass@example.com/", headers={"authorization": "Bearer t"})
    assert [value for name, value in request.headers().items() if name.lower() == "authorization"] == ["Bearer t"]


def test_a_request_shows_no_secret() -> None:
    """It prints without headers, body, query and last event ID."""
    options = RequestOptions(
        "https://user:s3cret@example.com/x?token=s3cret", headers={"X-Key": "s3cret"}, method="POST", body=b"s3cret"
    )
    assert repr(options.request("s3cret")) == "Request(method='POST', url=Url('https://example.com/x?...'))"


def test_functions_are_called_for_each_request() -> None:
    """Both url and headers may be functions; each request calls them anew."""
    urls = iter(["http://a.example/", "http://b.example/"])
    tokens = iter(["1", "2"])
    options = RequestOptions(lambda: next(urls), headers=lambda: {"X-Token": next(tokens)})
    assert [(r.url.address, r.user_headers["X-Token"]) for r in (options.request(""), options.request(""))] == [
        ("http://a.example/", "1"),
        ("http://b.example/", "2"),
    ]


def test_what_can_be_renewed() -> None:
    """A request can be made anew after a 401 if a function gives its URL or its headers."""
    assert not RequestOptions(URL, headers=TOKEN).is_renewable
    assert RequestOptions(URL, headers=lambda: TOKEN).is_renewable
    assert RequestOptions(lambda: URL).is_renewable


def test_functions_are_checked() -> None:
    """What the functions return is checked like what is passed."""
    with pytest.raises(ValueError, match="url must start with http"):
        RequestOptions(lambda: "ftp://a/").request("")
    with pytest.raises(TypeError, match="headers must be a mapping"):
        RequestOptions(URL, headers=lambda: [("a", "b")]).request("")  # type: ignore[arg-type, return-value]


def test_headers_are_copied() -> None:
    """Changing the mapping later does not change the requests."""
    headers = {"X-Token": "1"}
    options = RequestOptions(URL, headers=headers)
    headers["X-Token"] = "2\n"
    assert options.request("").user_headers == {"X-Token": "1"}


@pytest.mark.parametrize(
    ("headers", "error", "message"),
    [
        ("X-Token: 1", TypeError, "headers must be a mapping of str to str"),
        ([("X-Token", "1")], TypeError, "headers must be a mapping of str to str"),
        ({"X-Token": 1}, TypeError, r"headers must map str to str, not str to int \(header 'X-Token'\)"),
        ({b"X-Token": "1"}, TypeError, "headers must map str to str, not bytes to str"),
        ({"X Token": "1"}, ValueError, "'X Token' is not a header name"),
        ({"": "1"}, ValueError, "'' is not a header name"),
        ({"X-Token:": "1"}, ValueError, "'X-Token:' is not a header name"),
        ({"X-Token\n": "1"}, ValueError, "is not a header name"),
        ({"X-Tökén": "1"}, ValueError, "is not a header name"),
        ({"X-Token": "s3cret\r\nHost: evil"}, ValueError, "the value of 'X-Token' must not contain CR, LF or NUL"),
        ({"X-Token": "s3cret\0"}, ValueError, "the value of 'X-Token' must not contain CR, LF or NUL"),
        ({"X-Token": "s3cret\ud800"}, ValueError, "the value of 'X-Token' must be encodable as UTF-8"),
        ({"last-event-id": "7"}, ValueError, "pass it as last_event_id"),
        ({"X-Token": "s3cret", "x-token": "s3cret"}, ValueError, "'x-token' is there twice, in another case"),
    ],
)
def test_wrong_headers(headers: Any, error: type[Exception], message: str) -> None:
    """A header that cannot be sent is refused by name, and its value is not shown."""
    with pytest.raises(error, match=message) as raised:
        check_headers(headers)
    assert "s3cret" not in str(raised.value)


@pytest.mark.parametrize(
    ("settings", "body", "content_type"),
    [
        ({}, None, None),
        ({"body": b"\xff"}, b"\xff", None),
        ({"body": "é"}, "é".encode(), None),
        ({"body": ""}, b"", None),
        ({"json": {"a": [1, None]}}, b'{"a": [1, null]}', "application/json"),
        ({"json": None}, b"null", "application/json"),
        ({"json": 1, "headers": {"content-type": "a/b"}}, b"1", "a/b"),
    ],
)
def test_bodies(settings: dict[str, Any], body: bytes | None, content_type: str | None) -> None:
    """A body is sent as given, JSON with its type unless the user names another."""
    request = request_for(method="POST", **settings)
    assert request.body == body
    assert request.user_headers.get("Content-Type") == content_type


@pytest.mark.parametrize(
    ("settings", "error", "message"),
    [
        ({"method": b"GET"}, TypeError, "method must be a str, not bytes"),
        ({"method": "GET /"}, ValueError, "method must be an HTTP method such as 'GET' or 'POST', not 'GET /'"),
        ({"method": ""}, ValueError, "method must be an HTTP method"),
        ({"body": 7}, TypeError, "body must be bytes, a str or None, not int"),
        ({"body": b"", "json": 1}, TypeError, "body and json cannot both be given"),
        ({"body": b""}, ValueError, 'body cannot be sent with GET: pass method="POST"'),
        ({"json": None}, ValueError, 'json cannot be sent with GET: pass method="POST"'),
        ({"method": "head", "body": "a"}, ValueError, 'body cannot be sent with HEAD: pass method="POST"'),
        ({"json": object()}, TypeError, "json cannot be encoded: Object of type object"),
        ({"json": float("nan")}, ValueError, "json cannot be encoded: Out of range float"),
    ],
)
def test_wrong_settings(settings: dict[str, Any], error: type[Exception], message: str) -> None:
    """A wrong argument is refused by name when the options are made."""
    with pytest.raises(error, match=message):
        RequestOptions(URL, **settings)


@pytest.mark.parametrize("method", ["delete", "Get", "hEAD", "options", "post", "PUT"])
def test_methods_in_any_case(method: str) -> None:
    """The methods that fetch normalizes are sent in upper case."""
    assert request_for(method=method).method == method.upper()
    assert RequestOptions(URL, method=method).is_repeatable == (method in ("Get", "hEAD"))


@pytest.mark.parametrize("method", ["patch", "Report", "trace", "connect"])
def test_other_methods(method: str) -> None:
    """Any other method is sent as it is given: methods are case-sensitive."""
    assert request_for(method=method).method == method


@pytest.mark.parametrize(
    ("location", "url"),
    [
        ("http://example.com/new", "http://example.com/new"),
        ("/new?x=1#top", "http://example.com/new?x=1"),
        ("new", "http://example.com/new"),
        ("?page=2", "http://example.com/builds?page=2"),
        ("//example.com/new", "http://example.com/new"),
        ("/a b", "http://example.com/a%20b"),
        (" /new ", "http://example.com/new"),
        ("http://user:pass@example.com/new", "http://example.com/new"),
        ("/straße".encode().decode("latin-1"), "http://example.com/stra%C3%9Fe"),
        ("/stra\xdfe", "http://example.com/stra%C3%9Fe"),
    ],
)
def test_where_a_redirect_leads(location: str, url: str) -> None:
    """A Location is resolved against the request's URL; credentials and fragment in it are dropped."""
    assert request_for().redirected(302, location).url.address == url


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "PUT", "REPORT"])
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_method_after_a_redirect(method: str, status: int) -> None:
    """303 turns all but HEAD into GET without a body; 301 and 302 do so with POST; the rest goes on as it was."""
    headers = {"Content-Language": "en", "X-Own": "1"}
    request = request_for(method=method, body=None if method in ("GET", "HEAD") else b"x", headers=headers)
    redirected = request.redirected(status, "/new")
    if (method == "POST" and status in (301, 302)) or (method not in ("GET", "HEAD") and status == 303):
        assert (redirected.method, redirected.body, redirected.user_headers) == ("GET", None, {"X-Own": "1"})
    else:
        assert (redirected.method, redirected.body) == (method, request.body)
        assert redirected.user_headers["X-Own"] == "1"


@pytest.mark.parametrize(
    "location", ["http://other.example/", "https://example.com/", "http://example.com:8080/", "//other.example/x"]
)
def test_user_headers_stay_with_their_origin(location: str) -> None:
    """No header of the user's goes to another scheme, host or port; the last event ID does."""
    request = RequestOptions("http://u:p@example.com/", headers=TOKEN).request("7")
    headers = request.redirected(307, location).headers()
    assert set(headers) == {"Accept", "Cache-Control", "User-Agent", "Last-Event-ID"}


def test_user_headers_do_not_come_back() -> None:
    """Headers dropped on the way to another origin stay dropped on the way back."""
    request = request_for(headers=TOKEN).redirected(302, "http://other.example/").redirected(302, URL)
    assert request.user_headers == {}


@pytest.mark.parametrize(
    ("location", "message"),
    [
        (None, "without a Location"),
        ("", "without a Location"),
        ("file:///etc/passwd", "must start with http:// or https://, not with 'file'"),
        ("ftp://example.com/", "must start with http:// or https://, not with 'ftp'"),
        ("http://[::1/", "where no stream can be"),
        ("/new\x1c", "must not contain spaces or control characters"),
        ("\x0b/new", "must not contain spaces or control characters"),
    ],
)
def test_redirects_to_nowhere(location: str | None, message: str) -> None:
    """A redirect that leads nowhere, or away from HTTP, is refused."""
    with pytest.raises(RedirectRefused, match=message):
        request_for().redirected(302, location)


def test_body_stays_with_its_origin() -> None:
    """A redirect that would send the request body to another origin is refused."""
    with pytest.raises(RedirectRefused, match="body to another origin"):
        request_for(method="POST", body=b"s3cret").redirected(307, "http://other.example/")


TRUSTED = ["https://a.example", "http://b.example:81", "https://*.firebase.example", "https://*.nest.example:8443"]


@pytest.mark.parametrize(
    ("location", "trusted"),
    [
        ("https://a.example/x?y", True),
        ("https://A.example:443/", True),
        ("http://a.example/", False),
        ("https://a.example:444/", False),
        ("https://b.a.example/", False),
        ("http://b.example:81/", True),
        ("https://b.example:81/", False),
        ("https://s-1.firebase.example/", True),
        ("https://s.t.firebase.example/", True),
        ("https://firebase.example/", False),
        ("https://evilfirebase.example/", False),
        ("https://s.firebase.example:8443/", False),
        ("http://s.firebase.example/", False),
        ("https://s.nest.example:8443/", True),
        ("https://s.nest.example/", False),
        ("https://s.nest.example.evil.example:8443/", False),
    ],
)
@pytest.mark.parametrize("method", ["GET", "PUT"])
def test_trusted_origins(location: str, trusted: bool, method: str) -> None:
    """The user's headers and body go to the origins that the user names, Host aside, and to no other."""
    body = None if method == "GET" else b"x"
    request = request_for(trusted_origins=TRUSTED, headers={**TOKEN, "Host": "h"}, method=method, body=body)
    if body is not None and not trusted:
        with pytest.raises(RedirectRefused, match="trusted_origins"):
            request.redirected(307, location)
        return
    redirected = request.redirected(307, location)
    assert (redirected.is_trusted, redirected.body) == (trusted, body)
    assert redirected.user_headers == (TOKEN if trusted else {})
    back = redirected.redirected(307, "https://a.example/")
    assert (back.is_trusted, back.user_headers) == (redirected.is_trusted, redirected.user_headers)


@pytest.mark.parametrize("status", [401, 403])
def test_a_rejection_where_the_headers_have_not_gone(status: int) -> None:
    """It says that the redirect has left the headers behind, and what would let them follow."""
    request = request_for(headers=TOKEN)
    assert "trusted_origins" not in str(request.rejection_reason(status, Headers(), codings=()))
    redirected = request.redirected(302, "http://other.example/").redirected(302, "/there")
    reason = redirected.rejection_reason(status, Headers(), codings=())
    assert f"{status}" in str(reason)
    assert "to another origin, where your headers are not sent (see trusted_origins)" in str(reason)


def test_https_only() -> None:
    """Where the user wants https only, no other address is taken, from the user or from a redirect."""
    request = request_for(url="https://example.com/", https_only=True)
    assert request.redirected(302, "https://other.example/").url.scheme == "https"
    with pytest.raises(RedirectRefused, match=r"a redirect to http://other.example/\?\.\.\., which https_only forbids"):
        request.redirected(302, "http://other.example/?a")
    with pytest.raises(ValueError, match="url must start with https://, since https_only is set"):
        request_for(https_only=True)
    with pytest.raises(ValueError, match="url must start with https://, since https_only is set"):
        request_for(url=lambda: URL, https_only=True)


@pytest.mark.parametrize(
    ("settings", "error", "message"),
    [
        ({"content_types": "text/plain"}, TypeError, "content_types must be an iterable of media types"),
        ({"content_types": [None]}, TypeError, "content_types must hold media types of type str, not NoneType"),
        ({"content_types": ["text"]}, ValueError, "content_types must hold media types such as 'text/plain', or ''"),
        (
            {"trusted_origins": "https://a.example"},
            TypeError,
            "trusted_origins must be an iterable of origins",
        ),
        ({"trusted_origins": None}, TypeError, "trusted_origins must be an iterable of origins, not NoneType"),
        ({"trusted_origins": ["a.example"]}, ValueError, "trusted_origins: url must start with http:// or https://"),
        ({"trusted_origins": ["http://*.a.example"]}, ValueError, "trusted_origins: url is malformed: its host"),
        ({"trusted_origins": ["https://*.com"]}, ValueError, "must not hold all hosts of a top-level domain"),
        ({"trusted_origins": ["https://*"]}, ValueError, "trusted_origins: url is malformed: its host"),
        ({"trusted_origins": ["https://a.*.example"]}, ValueError, "trusted_origins: url is malformed: its host"),
        ({"trusted_origins": ["https://a.example/x"]}, ValueError, "must hold origins, without login, path and query"),
        ({"trusted_origins": ["https://u:s3cret@a.example"]}, ValueError, "must hold origins, without login"),
        ({"https_only": 1}, TypeError, "https_only must be True or False, not int"),
    ],
)
def test_wrong_rules(settings: dict[str, Any], error: type[Exception], message: str) -> None:
    """What a server may do is checked where it is given."""
    with pytest.raises(error, match=message) as raised:
        RequestOptions(URL, **settings)
    assert "s3cret" not in str(raised.value)


@pytest.mark.parametrize("name", ["host", "accept", "user-agent", "proxy-authorization", "CACHE-CONTROL"])
def test_names_that_libraries_add(name: str) -> None:
    """A field that urllib3 may add by itself is spelled as urllib3 spells it, so that there is one of it."""
    (sent,) = [given for given in request_for(headers={name: "x"}).headers() if given.lower() == name.lower()]
    assert sent == name.title()
