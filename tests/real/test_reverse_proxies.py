"""Behind nginx and haproxy: buffering, compression, time-outs, a server that is away."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any

import pytest

from sse_client import (
    ConnectionLost,
    ErrorEvent,
    EventSource,
    MessageEvent,
    OpenEvent,
    ReconnectPolicy,
    ResponseRejected,
)
from sse_client.testing import EventStreamServer, Exchange, ExchangeEnded, event, hold, raw, wait_for
from tests.integration.support import AT_ONCE, Follower, assert_nothing_raised

from .nginx import nginx
from .software import Program, folder, free_port, needs, running

SOON = ReconnectPolicy(reconnection_time=0.02, max_delay=0.1, jitter=0.0)
PASS = """proxy_pass http://127.0.0.1:%d; proxy_http_version 1.1; proxy_set_header Connection "";"""
GZIP = "gzip on; gzip_types text/event-stream; gzip_proxied any; gzip_min_length 1; gzip_http_version 1.0;"


def one_by_one(url: str, server: EventStreamServer, count: int = 5, **settings: Any) -> list[Any]:
    """Let the server send an event only when the client has the one before it; return what the lifecycle yielded."""
    received = [threading.Event() for _ in range(count)]
    steps: list[Any] = []
    for number, seen in enumerate(received):
        steps += [event(str(number), id=str(number)), wait_for(seen)]
    server.stream(*steps, hold(), **settings.pop("stream", {}))
    items = []
    with EventSource(url, reconnect=AT_ONCE, **settings) as source:
        for item in source.lifecycle():
            items.append(item)
            assert not isinstance(item, ErrorEvent), item
            if isinstance(item, MessageEvent):
                received[int(item.data)].set()
                if int(item.data) == count - 1:
                    break
    return items


# nginx


def test_nginx_without_buffering(server: EventStreamServer) -> None:
    """With ``proxy_buffering off`` each event arrives before the next one is sent."""
    with nginx(f"location / {{ {PASS % server.port} proxy_buffering off; }}") as proxy:
        one_by_one(f"http://127.0.0.1:{proxy.port}/", server)


def test_nginx_with_buffering_told_off_by_a_header(server: EventStreamServer) -> None:
    """With buffering on, ``X-Accel-Buffering: no`` in the response does the same."""
    with nginx(f"location / {{ {PASS % server.port} proxy_buffering on; }}") as proxy:
        url = f"http://127.0.0.1:{proxy.port}/"
        one_by_one(url, server, stream={"headers": {"X-Accel-Buffering": "no"}})


def test_nginx_with_gzip(server: EventStreamServer) -> None:
    """Compressed by nginx without buffering, each event still arrives before the next one is sent."""
    with nginx(f"location / {{ {PASS % server.port} proxy_buffering off; {GZIP} }}") as proxy:
        url = f"http://127.0.0.1:{proxy.port}/"
        items = one_by_one(url, server, headers={"Accept-Encoding": "gzip"})
    assert next(item for item in items if isinstance(item, OpenEvent)).headers["content-encoding"] == "gzip"


@pytest.mark.parametrize("gzip", [False, True])
def test_nginx_with_buffering_long_polling(server: EventStreamServer, gzip: bool) -> None:
    """Behind a proxy that holds back, a server that ends each response after a batch loses nothing; the delay stays."""
    batches = 10

    def serve(exchange: Exchange) -> None:
        have = int(exchange.request.headers.get("Last-Event-ID", "0"))
        if have == batches * 3:
            exchange.respond(204)
            return
        exchange.run(raw(b"retry: 100\n\n"), *(event(str(n), id=str(n)) for n in range(have + 1, have + 4)))

    server.handler = serve
    with nginx(f"location / {{ {PASS % server.port} proxy_buffering on; {GZIP if gzip else ''} }}") as proxy:
        headers = {"Accept-Encoding": "gzip"} if gzip else {}
        with EventSource(
            f"http://127.0.0.1:{proxy.port}/", headers=headers, reconnect=ReconnectPolicy(jitter=0)
        ) as source:
            items = list(source.lifecycle())
    assert [item.data for item in items if isinstance(item, MessageEvent)] == [
        str(n) for n in range(1, batches * 3 + 1)
    ]
    assert [item.delay for item in items if isinstance(item, ErrorEvent)] == pytest.approx([0.1] * batches)


def test_nginx_with_its_server_away(server: EventStreamServer) -> None:
    """A 502 is tried again until the server is back; then the stream goes on after the last event."""
    server.stream(event("a", id="1"))
    seen: list[Any] = []
    with nginx(f"location / {{ {PASS % server.port} proxy_buffering off; }}") as proxy:
        source = EventSource(f"http://127.0.0.1:{proxy.port}/", reconnect=SOON)
        with closing(source):
            for item in source.lifecycle():
                seen.append(item)
                if isinstance(item, MessageEvent) and item.data == "a":
                    server.close()
                elif isinstance(item, ErrorEvent) and isinstance(item.error, ResponseRejected) and server_is_away(seen):
                    server.stream(event("b", id="2"))
                    server.start()
                elif isinstance(item, MessageEvent):
                    break
    assert [item.data for item in seen if isinstance(item, MessageEvent)] == ["a", "b"]
    assert server.requests[-1].headers["Last-Event-ID"] == "1"


def server_is_away(seen: list[Any]) -> bool:
    """Whether this is the third 502."""
    return sum(isinstance(item, ErrorEvent) and "502" in str(item.error) for item in seen) == 3


# haproxy

HAPROXY = """
defaults
    mode http
    retries 0
    timeout connect 1s
    timeout client 10s
    timeout server {silence}
frontend here
    bind 127.0.0.1:{port}
    default_backend there
backend there
    server one 127.0.0.1:{target}
"""


@contextmanager
def haproxy(target: int, silence: str = "300ms") -> Iterator[Program]:
    """Run haproxy with this ``timeout server`` before this port."""
    path = needs("haproxy", "haproxy")
    with folder() as here:
        port = free_port()
        (here / "haproxy.cfg").write_text(HAPROXY.format(port=port, target=target, silence=silence))
        with running([path, "-db", "-f", str(here / "haproxy.cfg")], port, here / "log") as program:
            yield program


@pytest.mark.parametrize("encoding", [None, "gzip"])
def test_haproxy_cuts_whatever_is_silent(server: EventStreamServer, encoding: Any) -> None:
    """Streams that haproxy cuts after 0.3 s of silence are lost connections; the sequence is exact all the same."""

    def serve(exchange: Exchange) -> None:
        have = int(exchange.request.headers.get("Last-Event-ID", "0"))
        if have == 30:
            exchange.respond(204)
            return
        exchange.send_head(encoding=encoding)
        exchange.run(*(event(str(n), id=str(n)) for n in range(have + 1, have + 6)))
        try:
            exchange.hold()
        except ExchangeEnded:
            pass

    server.handler = serve
    with haproxy(server.port) as proxy, EventSource(f"http://127.0.0.1:{proxy.port}/", reconnect=SOON) as source:
        items = list(source.lifecycle())
    assert [item.data for item in items if isinstance(item, MessageEvent)] == [str(n) for n in range(1, 31)]
    errors = [item.error for item in items if isinstance(item, ErrorEvent)]
    assert len(errors) == 6
    assert {type(error) for error in errors} == {ConnectionLost}


def test_haproxy_with_a_silent_server(server: EventStreamServer) -> None:
    """A server that does not answer in time is a 504 of haproxy's, which is tried again."""
    server.silence()
    server.stream(event("a"))
    with haproxy(server.port) as proxy, EventSource(f"http://127.0.0.1:{proxy.port}/", reconnect=SOON) as source:
        items = list(source.lifecycle())
    assert "504" in str(next(item.error for item in items if isinstance(item, ErrorEvent)))
    assert [item.data for item in items if isinstance(item, MessageEvent)] == ["a"]


def test_haproxy_with_its_server_away() -> None:
    """A 503 of haproxy's is tried again until there is a server."""
    away = EventStreamServer(port=free_port())
    with haproxy(away.port) as proxy:
        with Follower(EventSource(f"http://127.0.0.1:{proxy.port}/", reconnect=SOON)) as follower:
            follower.wait_for("ErrorEvent", 2)
            away.stream(event("a"), hold())
            with away:
                follower.wait_for("MessageEvent")
                follower.source.close()
                follower.join()
        assert_nothing_raised(follower)
    assert "503" in str(follower.seen("ErrorEvent")[0].error)
