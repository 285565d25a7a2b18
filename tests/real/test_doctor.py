"""``sse-client --doctor`` against real servers and proxies that have an illness, and against the same when well."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from random import Random
from typing import Any

import pytest
import urllib3

from sse_client.testing import EventStreamServer, Exchange, encode_event
from tests.integration.doctor import Report, Ticks, examined

from .nginx import nginx
from .software import Program
from .test_forward_proxies import squid
from .test_reverse_proxies import GZIP, PASS, haproxy

ASKS_NOT_TO_BUFFER = {"X-Accel-Buffering": "no", "Cache-Control": "no-transform"}


def assert_healthy(report: Report) -> None:
    """There is nothing to warn of."""
    assert report.complaints == {}
    assert report.code == 0


# nginx


def test_nginx_without_buffering(server: EventStreamServer) -> None:
    """Nothing to warn of, and nginx is told as the one who answers."""
    server.handler = Ticks(beat=5)
    with nginx(f"location / {{ {PASS % server.port} proxy_buffering off; }}") as proxy:
        report = examined(f"http://127.0.0.1:{proxy.port}/")
    assert_healthy(report)
    assert "Server: nginx" in report.about("headers")


def test_nginx_with_buffering(server: EventStreamServer) -> None:
    """Buffering alone holds nothing back from a client that reads as fast: no guess, no false alarm."""
    server.handler = Ticks(every=0.05, padding=200)
    with nginx(f"location / {{ {PASS % server.port} proxy_buffering on; }}") as proxy:
        assert_healthy(examined(f"http://127.0.0.1:{proxy.port}/"))


def test_nginx_that_compresses_what_it_has_buffered(server: EventStreamServer) -> None:
    """With gzip and buffering, browsers get nothing until the compressor is full; a header of the server's cures it."""
    server.handler = Ticks(every=0.05)
    with nginx(f"location / {{ {PASS % server.port} proxy_buffering on; {GZIP} }}") as proxy:
        url = f"http://127.0.0.1:{proxy.port}/"
        report = examined(url, seconds=8)
        assert set(report.complaints) == {"compression"}
        assert "with gzip, as browsers ask, nothing came in" in report.complaints["compression"]
        assert report.advises("proxy", "gzip off")
        assert report.advises("server", "X-Accel-Buffering: no")
        report = examined(url, "-H", "Accept-Encoding: gzip")
        assert "it is held back until there is an event, or a buffer is full" in report.complaints["answer"]
        assert report.advises("proxy", "proxy_buffering off")
        server.handler = Ticks(every=0.05, headers=ASKS_NOT_TO_BUFFER)
        assert_healthy(examined(url))


def test_nginx_that_compresses_a_fast_stream(server: EventStreamServer) -> None:
    """When the compressor fills up now and then, events come in lumps that end in the middle of one."""
    noise = Random(1)

    def serve(exchange: Exchange) -> None:
        exchange.send_head()
        for number in range(10_000):
            exchange.send(encode_event(f"{noise.getrandbits(8000):x}", id=str(number)))
            exchange.pause(0.04)

    server.handler = serve
    with nginx(f"location / {{ {PASS % server.port} proxy_buffering on; {GZIP} }}") as proxy:
        report = examined(f"http://127.0.0.1:{proxy.port}/", "-H", "Accept-Encoding: gzip", seconds=12)
    assert report.complaints["delivery"].startswith("events are held back: they come in lumps of about ")
    assert report.advises("proxy", "gzip off")


def test_nginx_that_compresses_without_buffering(server: EventStreamServer) -> None:
    """Compression that is flushed does no harm."""
    server.handler = Ticks(every=0.05)
    with nginx(f"location / {{ {PASS % server.port} proxy_buffering off; {GZIP} }}") as proxy:
        report = examined(f"http://127.0.0.1:{proxy.port}/", seconds=8)
    assert_healthy(report)
    assert "with gzip, as browsers ask, no sign of holding back" in report.about("compression")


# haproxy


def test_haproxy_with_a_short_time_out(server: EventStreamServer) -> None:
    """The silence after which the stream is cut each time is told, and what helps against it."""

    def serve(exchange: Exchange) -> None:
        have = int(exchange.request.headers.get("Last-Event-ID", "0"))
        exchange.send_head()
        exchange.send(b"".join(encode_event(str(n), id=str(n)) for n in range(have + 1, 4)))
        exchange.hold()

    server.handler = serve
    with haproxy(server.port, "2s") as proxy:
        report = examined(f"http://127.0.0.1:{proxy.port}/", seconds=10)
    assert report.code == 1
    assert re.search(r"each time [12]\.\d s after the last byte: a time-out on the way", report.complaints["end"])
    assert report.advises("proxy", "haproxy: timeout server")
    assert report.advises("server", "send a comment line")


# squid


def test_squid_in_between(server: EventStreamServer) -> None:
    """A forward proxy is told with who named it, and by its own headers; events come through on time."""
    server.handler = Ticks(beat=5)
    with squid(False) as proxy:
        report = examined(server.url, "-x", f"http://127.0.0.1:{proxy.port}")
    assert_healthy(report)
    assert report.about("proxy") == f"ok: http://127.0.0.1:{proxy.port}, given with -x"
    assert "Via: 1.1" in report.about("headers")
    assert "squid" in report.about("headers")


# nchan

LOCATIONS = """
location = /publish {
    nchan_publisher; nchan_channel_id one; nchan_message_buffer_length 1000; nchan_message_timeout 10m;
}
location = /with {
    nchan_subscriber eventsource; nchan_channel_id one; nchan_subscriber_first_message oldest;
}
location = /without {
    proxy_pass http://127.0.0.1:PORT/bare; proxy_buffering off;
    proxy_hide_header Content-Type; add_header Content-Type text/event-stream;
}
location = /bare {
    nchan_subscriber http-raw-stream; nchan_channel_id one; nchan_subscriber_first_message oldest;
    nchan_subscriber_http_raw_stream_separator "\\n\\n";
}
"""


@contextmanager
def publishing(channel: Program, prefix: str = "") -> Iterator[None]:
    """Publish a message every 50 ms."""
    is_over = threading.Event()

    def publish() -> None:
        number = 0
        with urllib3.PoolManager() as pool:
            while not is_over.wait(0.05):
                number += 1
                pool.request("POST", f"http://127.0.0.1:{channel.port}/publish", body=f"{prefix}{number}")

    thread = threading.Thread(target=publish, daemon=True)
    thread.start()
    try:
        yield
    finally:
        is_over.set()
        thread.join()


@pytest.fixture
def channel() -> Iterator[Any]:
    """A running nginx with a channel."""
    with nginx(LOCATIONS, nchan=True) as program:
        yield program


def test_nchan_with_ids(channel: Program) -> None:
    """A server that honours Last-Event-ID is well."""
    with publishing(channel):
        report = examined(f"http://127.0.0.1:{channel.port}/with")
    assert_healthy(report)
    assert "the server continued with" in report.about("going on")


def test_nchan_without_ids(channel: Program) -> None:
    """The same channel without IDs: that is told, and nothing else."""
    with publishing(channel, "data: "):
        report = examined(f"http://127.0.0.1:{channel.port}/without")
    assert set(report.complaints) == {"ids"}
    assert report.code == 1
