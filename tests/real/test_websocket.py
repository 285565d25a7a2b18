"""A WebSocket and its fallback behind nginx, and through squid."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import trustme

from sse_client import EventSource
from sse_client.fallback import WebSocketConnector, first_available
from sse_client.testing import EventStreamServer, event, hold
from tests.integration.support import AT_ONCE, LATER, Follower, assert_nothing_raised, data_of
from tests.integration.websocket_server import WebSocketServer, sends

from .nginx import nginx
from .software import Program
from .test_forward_proxies import squid

FORWARDS = """location /ws {{ proxy_pass http://127.0.0.1:{there}; proxy_http_version 1.1;
    proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection "upgrade"; }}"""
STRIPS = "location /ws {{ proxy_pass http://127.0.0.1:{there}; proxy_http_version %s; }}"
EVENTS = """location /events {{ proxy_pass http://127.0.0.1:{server}; proxy_http_version 1.1;
    proxy_set_header Connection ""; proxy_buffering off; }}"""


@contextmanager
def before(way: str, there: WebSocketServer, server: EventStreamServer) -> Iterator[Program]:
    """Run an nginx before a WebSocket server and a server of event streams."""
    with nginx((way + EVENTS).format(there=there.port, server=server.port)) as proxy:
        yield proxy


def test_nginx_that_forwards_upgrades(server: EventStreamServer) -> None:
    """Behind an nginx that forwards upgrades the WebSocket is used; cut off, it comes back."""
    chosen: list[str] = []
    with WebSocketServer(lambda connection: connection.send("a")) as there, before(FORWARDS, there, server) as proxy:
        at = f"127.0.0.1:{proxy.port}"
        ways = first_available(
            WebSocketConnector(f"ws://{at}/ws"), f"http://{at}/events", on_choice=lambda url, _: chosen.append(url)
        )
        with Follower(EventSource(ways, reconnect=AT_ONCE)) as follower:
            follower.wait_for("MessageEvent", 3)
            assert follower.close_and_time() < 0.1
        assert_nothing_raised(follower)
    assert chosen == [f"ws://{at}/ws"]
    assert server.requests == []


@pytest.mark.parametrize(
    ("version", "answer"), [("1.0", "505 HTTP Version Not Supported"), ("1.1", "426 Upgrade Required")]
)
def test_nginx_that_strips_upgrades(version: str, answer: str, server: EventStreamServer) -> None:
    """Behind an nginx that does not forward upgrades the event stream is used, at once."""
    chosen: list[tuple[str, str]] = []
    server.stream(event("a", id="1"))
    server.stream(event("b", id="2"), hold())
    with WebSocketServer(sends("no")) as there, before(STRIPS % version, there, server) as proxy:
        at = f"127.0.0.1:{proxy.port}"
        ways = first_available(
            WebSocketConnector(f"ws://{at}/ws"),
            f"http://{at}/events",
            try_for=60.0,
            on_choice=lambda *choice: chosen.append(choice),
        )
        with Follower(EventSource(ways, reconnect=AT_ONCE)) as follower:
            follower.wait_for("MessageEvent", 2)
            assert follower.close_and_time() < 0.1
        assert_nothing_raised(follower)
    assert follower.data == ["a", "b"]
    assert server.requests[1].headers["Last-Event-ID"] == "1"
    ((url, reason),) = chosen
    assert url == f"http://{at}/events"
    assert reason.startswith(f"no WebSocket: the server answered the WebSocket handshake with {answer}")
    assert there.requests == []


@pytest.mark.parametrize("secure", [False, True])
def test_through_squid(secure: bool, server_context: ssl.SSLContext, authority: trustme.CA) -> None:
    """Through squid a WebSocket goes by a tunnel, plain and over TLS, with a login."""
    context = ssl.create_default_context()
    authority.configure_trust(context)
    running = WebSocketServer(sends("a"), ssl_context=server_context if secure else None)
    with squid(login=True) as proxy, running as there:
        connector = WebSocketConnector(
            there.url,
            proxy=f"http://user:secret@127.0.0.1:{proxy.port}",
            ssl_context=context if secure else None,
        )
        with Follower(EventSource(connector, reconnect=LATER)) as follower:
            follower.wait_for("MessageEvent")
            assert follower.close_and_time() < 0.1
        assert_nothing_raised(follower)


def test_squid_of_the_environment(server: EventStreamServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """The environment's proxy holds for both ways; a squid that opens no tunnel to that port blocks the WebSocket."""
    reasons: list[str] = []

    def follow(there: WebSocketServer) -> list[str]:
        ways = first_available(
            WebSocketConnector(there.url), server.url, on_choice=lambda _, reason: reasons.append(reason)
        )
        return data_of(EventSource(ways, reconnect=None))

    with WebSocketServer(lambda connection: connection.send("websocket")) as there:
        with squid(login=False) as proxy:
            monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{proxy.port}")
            assert follow(there) == ["websocket"]
            assert server.requests == []
        with squid(login=False, rules="http_access deny CONNECT\nhttp_access allow all") as proxy:
            monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{proxy.port}")
            server.stream(event("stream"))
            assert follow(there) == ["stream"]
    assert "Via" in server.requests[0].headers
    assert f"the proxy http://127.0.0.1:{proxy.port} answered 403 Forbidden" in reasons[1]
