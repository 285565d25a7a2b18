"""Cookies that a server sets come back on reconnects to the same origin, and go nowhere else."""

from __future__ import annotations

import ssl

import pytest
import trustme

from sse_client import EventSource, ResponseRejected
from sse_client.testing import EventStreamServer, RecordedRequest, drop, event

from .support import AT_ONCE, data_of


def cookies_of(requests: list[RecordedRequest]) -> list[object]:
    """The Cookie header of each request."""
    return [request.headers.get("Cookie") for request in requests]


def test_back_on_reconnects(server: EventStreamServer) -> None:
    """A load balancer's cookie comes back on every later request, its latest value."""
    server.stream(event("a", id="1"), drop(), headers={"Set-Cookie": "node=7; Path=/; HttpOnly"})
    server.stream(event("b", id="2"), headers=[("Set-Cookie", "node=8; Path=/"), ("Set-Cookie", "b=1")])
    assert data_of(EventSource(server.url, reconnect=AT_ONCE)) == ["a", "b"]
    assert cookies_of(server.requests)[:2] == [None, "node=7"]
    assert set(str(cookies_of(server.requests)[2]).split("; ")) == {"node=8", "b=1"}


def test_from_a_rejection(server: EventStreamServer) -> None:
    """A cookie that comes with a 503 counts."""
    server.respond(503, headers={"Set-Cookie": "node=7"})
    server.stream(event("a"))
    assert data_of(EventSource(server.url, reconnect=AT_ONCE)) == ["a"]
    assert cookies_of(server.requests) == [None, "node=7", "node=7"]


def test_from_a_redirect(server: EventStreamServer) -> None:
    """A cookie that comes with a redirect goes with the request that it asks for: a login that works like this."""
    server.redirect("/stream", headers={"Set-Cookie": "session=abc; Path=/"})
    server.stream(event("a"))
    assert data_of(EventSource(server.url, reconnect=None)) == ["a"]
    assert cookies_of(server.requests) == [None, "session=abc"]


def test_not_to_another_origin(server: EventStreamServer, second_server: EventStreamServer) -> None:
    """Neither the user's cookie nor one that was set goes to where a redirect leads: another port is another origin."""
    server.redirect(second_server.url, headers={"Set-Cookie": "session=abc; Path=/"})
    second_server.redirect(server.url, headers={"Set-Cookie": "other=1; Path=/"})
    server.stream(event("a"))
    source = EventSource(server.url, headers={"Cookie": "mine=1", "Authorization": "Bearer t"}, reconnect=None)
    assert data_of(source) == ["a"]
    assert cookies_of(second_server.requests) == [None]
    # Back at the first origin its own cookie is there; the user's headers, once dropped, stay dropped.
    assert cookies_of(server.requests) == ["mine=1", "session=abc"]
    assert "Authorization" not in second_server.requests[0].headers
    assert "Authorization" not in server.requests[1].headers


def test_not_from_https_to_http(
    server: EventStreamServer, server_context: ssl.SSLContext, authority: trustme.CA
) -> None:
    """A redirect from https to http takes nothing of the user's along, over several redirects in a row."""
    context = ssl.create_default_context()
    authority.configure_trust(context)
    with EventStreamServer(ssl_context=server_context) as secure:
        secure.redirect("/next", headers={"Set-Cookie": "session=abc; Path=/; Secure"})
        secure.redirect(server.url)
        server.redirect("/again")
        server.stream(event("a"))
        source = EventSource(
            secure.url.replace("//", "//user:pass@"), headers={"X-Key": "k"}, ssl_context=context, reconnect=None
        )
        assert data_of(source) == ["a"]
        assert [request.headers.get("X-Key") for request in secure.requests] == ["k", "k"]
        assert cookies_of(secure.requests) == [None, "session=abc"]
        assert all("Authorization" in request.headers for request in secure.requests)
    for request in server.requests:
        assert not {"X-Key", "Authorization", "Cookie"} & set(request.headers)


def test_the_users_own(server: EventStreamServer) -> None:
    """A Cookie header of the user's wins over what the server sets."""
    server.stream(event("a"), headers={"Set-Cookie": "node=7"})
    assert data_of(EventSource(server.url, headers={"cookie": "mine=1"}, reconnect=AT_ONCE)) == ["a"]
    assert cookies_of(server.requests) == ["mine=1", "mine=1"]


def test_not_in_another_source(server: EventStreamServer) -> None:
    """Each source has its own cookies."""
    for _ in range(2):
        server.stream(event("a"), headers={"Set-Cookie": "node=7"})
        assert data_of(EventSource(server.url, reconnect=None)) == ["a"]
    assert cookies_of(server.requests) == [None, None]


@pytest.mark.parametrize(
    "header",
    [
        b"a=1\r\n  folded; Path=/",
        b"\xff\xfe=\xfd",
        b"a=\x00\x01",
        b"a=" + b"x" * 60_000,
        b";" * 60_000,
        b"a=1; expires=01-Jan-" + b"9" * 5000 + b" 00:00:00 GMT",
    ],
)
def test_hostile_cookies(server: EventStreamServer, header: bytes) -> None:
    """Whatever a cookie is made of, the next request can be sent and the stream goes on."""
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nSet-Cookie: " + header + b"\r\n\r\ndata: a\n\n"
    server.reply(lambda exchange: exchange.write_raw(head))
    server.stream(event("b"))
    assert data_of(EventSource(server.url, reconnect=AT_ONCE)) == ["a", "b"]


def test_a_server_that_finds_its_own_cookies_too_long(server: EventStreamServer) -> None:
    """A 431 that its own cookies have caused ends the stream; it is no loop."""
    server.stream(event("a"), headers=[("Set-Cookie", f"c{n}={'x' * 1000}") for n in range(60)])
    server.respond(431)
    received = []
    with EventSource(server.url, reconnect=AT_ONCE) as source, pytest.raises(ResponseRejected, match="431"):
        for item in source:
            received.append(item.data)
    assert received == ["a"]
    assert len(server.requests) == 2
