"""Redirects are followed as far as is safe, and carry nothing of the user's to another origin."""

from __future__ import annotations

from typing import Any, Optional

import pytest

from sse_client import EventSource, OpenEvent, ResponseRejected
from sse_client.testing import EventStreamServer, event

from .support import AT_ONCE, data_of

STATUSES = (301, 302, 303, 307, 308)
SECRET_HEADERS = {
    "Authorization": "Bearer s3cret",
    "Cookie": "s3cret",
    "X-API-Key": "s3cret",
    "Accept": "*/*;s3cret",
}


def rejection_of(source: EventSource) -> ResponseRejected:
    with source, pytest.raises(ResponseRejected) as caught:
        list(source)
    return caught.value


@pytest.mark.parametrize("status", STATUSES)
def test_every_redirect_is_followed(server: EventStreamServer, status: int) -> None:
    """The stream is read from where the redirect leads; on the same origin with all the headers."""
    server.redirect("/there?query=2", status=status)
    server.stream(event("a"))
    with EventSource(server.url + "here?query=1", headers=SECRET_HEADERS, last_event_id="7") as source:
        _, opened, first = [next(life) for life in [source.lifecycle()] for _ in range(3)]
    assert isinstance(opened, OpenEvent)
    assert opened.url == server.url + "there?..."
    assert getattr(first, "data", None) == "a"
    here, there = server.requests
    assert (here.target, there.target) == ("/here?query=1", "/there?query=2")
    for request in (here, there):
        assert {name: request.headers[name] for name in SECRET_HEADERS} == SECRET_HEADERS
        assert request.headers["Last-Event-ID"] == "7"


@pytest.mark.parametrize("status", STATUSES)
def test_another_origin_gets_none_of_the_users_headers(
    server: EventStreamServer, second_server: EventStreamServer, status: int
) -> None:
    """Across origins every header of the user's is dropped; the package's own stay, and so does the last event ID."""
    server.redirect(second_server.url + "there", status=status)
    second_server.stream(event("a"))
    url = server.url.replace("//", "//user:s3cret@")
    headers = {name: value for name, value in SECRET_HEADERS.items() if name != "Authorization"}
    with EventSource(url, headers=headers, last_event_id="7", reconnect=None) as source:
        events = list(source)
    assert [(item.data, item.origin) for item in events] == [("a", second_server.url.rstrip("/"))]
    assert server.requests[0].headers["Authorization"].startswith("Basic ")
    (request,) = second_server.requests
    assert "s3cret" not in repr(dict(request.headers))
    assert "Authorization" not in request.headers
    assert request.headers["Accept"] == "text/event-stream"
    assert request.headers["Last-Event-ID"] == "7"


def test_headers_do_not_come_back_on_the_way_back(server: EventStreamServer, second_server: EventStreamServer) -> None:
    """A detour over another origin has lost the user's headers for good, also back at the first one."""
    server.redirect(second_server.url)
    second_server.redirect(server.url + "back")
    server.stream(event("a"))
    with EventSource(server.url, headers=SECRET_HEADERS, reconnect=None) as source:
        assert [item.data for item in source] == ["a"]
    assert server.requests[0].headers["X-API-Key"] == "s3cret"
    assert "s3cret" not in repr(dict(server.requests[1].headers))


def test_another_host_of_the_same_machine_is_another_origin(server: EventStreamServer) -> None:
    """The host counts by its name, and not by where it leads."""
    server.redirect(server.url.replace("127.0.0.1", "localhost"))
    server.stream(event("a"))
    with EventSource(server.url, headers=SECRET_HEADERS, reconnect=None) as source:
        assert [item.data for item in source] == ["a"]
    assert "s3cret" not in repr(dict(server.requests[1].headers))


def test_from_https_to_http(tls_server: EventStreamServer, server: EventStreamServer) -> None:
    """A redirect away from TLS crosses origins: nothing of the user's goes along."""
    tls_server.redirect(server.url)
    server.stream(event("a"))
    with EventSource(tls_server.url, headers=SECRET_HEADERS, reconnect=None) as source:
        assert [item.origin for item in source] == [server.url.rstrip("/")]
    assert tls_server.requests[0].headers["X-API-Key"] == "s3cret"
    assert "s3cret" not in repr(dict(server.requests[0].headers))


def test_the_next_attempt_starts_from_the_first_url(
    server: EventStreamServer, second_server: EventStreamServer
) -> None:
    """Where a redirect led is forgotten at the next attempt, which has the user's headers again."""
    for n in (1, 2):
        server.redirect(second_server.url, status=301)
        second_server.stream(event(str(n), id=str(n)))
    assert data_of(EventSource(server.url, headers=SECRET_HEADERS, reconnect=AT_ONCE)) == ["1", "2"]
    assert [request.headers.get("X-API-Key") for request in server.requests] == ["s3cret"] * 3
    assert [request.headers.get("Last-Event-ID") for request in server.requests] == [None, "1", "2"]
    assert len(second_server.requests) == 2


@pytest.mark.parametrize(
    ("location", "target"),
    [
        ("/b", "/b"),
        ("b", "/a/b"),
        ("../b?x=1#fragment", "/b?x=1"),
        ("?x=1", "/a/stream?x=1"),
        ("//127.0.0.1:{port}/b", "/b"),
        ("http://127.0.0.1:{port}/b", "/b"),
        ("HTTP://127.0.0.1:{port}/b", "/b"),
        ("/with space", "/with%20space"),
        ("/é?é=✓", "/%C3%A9?%C3%A9=%E2%9C%93"),
    ],
)
def test_a_relative_location(server: EventStreamServer, location: str, target: str) -> None:
    """A Location is resolved against the URL that sent it."""
    server.redirect(location.format(port=server.port))
    server.stream(event("a"))
    with EventSource(server.url + "a/stream", reconnect=None) as source:
        assert [item.data for item in source] == ["a"]
    assert server.requests[1].target == target


@pytest.mark.parametrize(
    ("method", "status", "then", "body"),
    [
        ("POST", 301, "GET", b""),
        ("POST", 302, "GET", b""),
        ("POST", 303, "GET", b""),
        ("POST", 307, "POST", b"{}"),
        ("POST", 308, "POST", b"{}"),
        ("PUT", 301, "PUT", b"{}"),
        ("PUT", 302, "PUT", b"{}"),
        ("PUT", 303, "GET", b""),
        ("PUT", 307, "PUT", b"{}"),
    ],
)
def test_what_becomes_of_the_method(
    server: EventStreamServer, method: str, status: int, then: str, body: bytes
) -> None:
    """301 and 302 make a POST a GET, 303 everything; 307 and 308 nothing. A GET has no body and no type."""
    server.redirect("/b", status=status)
    server.stream(event("a"))
    with EventSource(server.url, method=method, json={}, headers={"X-Own": "1"}) as source:
        assert [item.data for item in source] == ["a"]
    request = server.requests[1]
    assert (request.method, request.body) == (then, body)
    assert request.headers.get("Content-Type") == ("application/json" if body else None)
    assert request.headers["X-Own"] == "1"


def test_a_body_does_not_go_to_another_origin(server: EventStreamServer, second_server: EventStreamServer) -> None:
    """A redirect that would send the body elsewhere is refused."""
    server.redirect(second_server.url, status=307)
    error = rejection_of(EventSource(server.url, method="POST", body=b"s3cret"))
    assert error.status == 307
    assert second_server.requests == []


def test_ten_redirects_are_followed_and_no_more(server: EventStreamServer) -> None:
    """Ten in a row lead to the stream; the eleventh ends it, with an error that says so."""
    for n in range(10):
        server.redirect(f"/{n}")
    server.stream(event("a"))
    with EventSource(server.url, reconnect=None) as source:
        assert [item.data for item in source] == ["a"]
    for n in range(20):
        server.redirect(f"/{n}")
    error = rejection_of(EventSource(server.url, reconnect=AT_ONCE))
    assert "10 redirects" in str(error)
    assert len(server.requests) == 11 + 11


@pytest.mark.parametrize(
    "location",
    [
        "file:///etc/passwd",
        "ftp://127.0.0.1/",
        "data:text/event-stream,data:x",
        "javascript:1",
        "https://",
        "http://[::1",
        "http://127.0.0.1:99999/",
        "",
        None,
    ],
)
def test_redirects_to_where_no_stream_can_be(server: EventStreamServer, location: Optional[str]) -> None:
    """A redirect without a usable Location ends the stream with an error that carries the status."""
    if location is None:
        server.respond(302)
    else:
        server.redirect(location)
    error = rejection_of(EventSource(server.url, reconnect=AT_ONCE))
    assert error.status == 302
    assert "redirect" in str(error)
    assert len(server.requests) == 1


def test_a_redirect_to_a_refusing_server_is_retried_from_the_first(server: EventStreamServer) -> None:
    """Where a redirect leads may be down: that is a failed attempt like any other."""
    with EventStreamServer() as short_lived:
        gone = short_lived.url
    server.redirect(gone)
    server.stream(event("a"))
    assert data_of(EventSource(server.url, reconnect=AT_ONCE)) == ["a"]


def test_a_status_after_a_redirect(server: EventStreamServer) -> None:
    """What the final address answers counts, and the error names that address."""
    server.redirect("/b?s3cret")
    server.respond(404, b"gone")
    error = rejection_of(EventSource(server.url))
    assert (error.status, error.body, error.url) == (404, b"gone", server.url + "b?...")


@pytest.mark.parametrize("close", [False, True], ids=["kept alive", "closed"])
def test_redirects_over_connections_of_both_kinds(server: EventStreamServer, close: Any) -> None:
    """Whether the redirecting server keeps the connection or ends it makes no difference."""
    headers = {"Connection": "close"} if close else {}
    for _ in range(3):
        server.redirect("/b", headers=headers)
        server.stream(event("a"))
    assert data_of(EventSource(server.url, reconnect=AT_ONCE)) == ["a"] * 3


def test_headers_follow_to_trusted_origins(server: EventStreamServer, second_server: EventStreamServer) -> None:
    """Where the user has named the other origin, headers and login go along; Host is that of the new address."""
    server.redirect(second_server.url)
    second_server.stream(event("a"))
    settings: Any = {"headers": SECRET_HEADERS, "trusted_origins": [second_server.url.rstrip("/")]}
    with EventSource(server.url, reconnect=None, **settings) as source:
        assert [item.data for item in source] == ["a"]
    (request,) = second_server.requests
    assert {name: request.headers[name] for name in SECRET_HEADERS} == SECRET_HEADERS
    assert request.headers["Host"] == f"127.0.0.1:{second_server.port}"


@pytest.mark.parametrize("status", [401, 403])
def test_a_login_that_was_left_behind(server: EventStreamServer, second_server: EventStreamServer, status: int) -> None:
    """A server that misses the headers which a redirect left behind is no riddle: the error says where they are."""
    server.redirect(second_server.url)
    second_server.respond(status)
    error = rejection_of(EventSource(server.url, headers=SECRET_HEADERS))
    assert error.status == status
    assert "after a redirect to another origin, where your headers are not sent (see trusted_origins)" in str(error)
    assert "s3cret" not in str(error)


def test_https_only(tls_server: EventStreamServer, server: EventStreamServer) -> None:
    """With https_only, the last event ID does not leave TLS, and no http address is taken."""
    tls_server.redirect(server.url)
    error = rejection_of(EventSource(tls_server.url, https_only=True, last_event_id="7"))
    assert f"a redirect to {server.url}, which https_only forbids (status 302)" in str(error)
    assert server.requests == []
    with pytest.raises(ValueError, match="https_only"):
        EventSource(server.url, https_only=True)


HOSTS_OF_TWO_READINGS = [
    "http://127.0.0.1:{port}\\.good.example/",
    "http://good.example\\@127.0.0.1:{port}/",
    "http://127%2e0%2e0%2e1:{port}/",
    "http://127.1:{port}/",
    "http://0x7f.1:{port}/",
    "http://0x7f000001:{port}/",
    "http://017700000001:{port}/",
    "http://\uff11\uff12\uff17.0.0.1:{port}/",
    "http://127\u30020\u30020\u30021:{port}/",
    "http://good.example@x@127.0.0.1:{port}/",
    "http:///127.0.0.1:{port}/",
    "http:/\\127.0.0.1:{port}/",
    "///127.0.0.1:{port}/",
    "/\\127.0.0.1:{port}/",
]


@pytest.mark.parametrize("location", HOSTS_OF_TWO_READINGS)
def test_an_address_that_parsers_read_differently(
    server: EventStreamServer, second_server: EventStreamServer, location: str
) -> None:
    """What is checked and shown is what is connected to: an address that could be two is neither."""
    address = location.format(port=second_server.port)
    if address.startswith("http"):
        with pytest.raises(ValueError, match=r"^url "):
            EventSource(address)
    server.redirect(address)
    assert "a redirect to where no stream can be: url " in str(rejection_of(EventSource(server.url)))
    assert second_server.requests == []
