"""Servers that say nothing, or very little: each kind of silence has its own limit."""

from __future__ import annotations

import os
import ssl
import sys
import threading
import time
from typing import Any

import pytest
import requests

from sse_client import (
    ConnectionFailed,
    ConnectionLost,
    DispatchQueue,
    EventSource,
    EventSourceError,
    Listener,
    ReconnectPolicy,
)
from sse_client.requests_bridge import RequestsConnector
from sse_client.testing import EventStreamServer, Exchange, comment, drop, encode_event, event, hold, pause, raw, retry

from .phases import PHASES
from .raw_server import FullBacklog
from .support import AT_ONCE, LATER, Follower, data_of

SHORT = 0.15
LONG = 8.0


def failure_of(url: str, **limits: Any) -> tuple[EventSourceError, float]:
    """The error of the one stream at ``url``, and the seconds it took to come."""
    before = time.perf_counter()
    with EventSource(url, reconnect=None, **limits) as source, pytest.raises(EventSourceError) as caught:
        list(source)
    return caught.value, time.perf_counter() - before


def assert_after(seconds: float, limit: float = SHORT) -> None:
    """It came after the limit, and not after another one."""
    assert limit <= seconds < LONG / 2


def test_connect_timeout() -> None:
    """A server that does not take the connection is given up after connect_timeout, with an error that says so."""
    with FullBacklog() as backlog:
        error, seconds = failure_of(backlog.url, connect_timeout=SHORT, response_timeout=LONG, idle_timeout=LONG)
    assert isinstance(error, ConnectionFailed)
    assert "no connection within connect_timeout=0.15 s" in str(error)
    assert_after(seconds)


def test_connect_timeout_of_a_tls_handshake(server_context: ssl.SSLContext) -> None:
    """The handshake of TLS is part of connecting: a peer that is silent in it is given up after connect_timeout."""
    with PHASES["TLS handshake"](server_context) as here:
        error, seconds = failure_of(here.url, connect_timeout=SHORT, response_timeout=LONG, idle_timeout=LONG)
    assert isinstance(error, ConnectionFailed)
    assert_after(seconds)


@pytest.mark.parametrize(
    "name", ["accepted and silent", "accepted and silent, TLS", "half a status line", "half a head"]
)
def test_response_timeout(name: str, server_context: ssl.SSLContext, trusted: None) -> None:
    """A server that does not answer, or stops in its head, is given up after response_timeout."""
    with PHASES[name](server_context) as here:
        error, seconds = failure_of(here.url, connect_timeout=LONG, response_timeout=SHORT, idle_timeout=LONG)
    assert isinstance(error, ConnectionFailed)
    assert "no response within response_timeout=0.15 s" in str(error)
    assert_after(seconds)


@pytest.mark.parametrize(
    "name", [name for name in PHASES if name.startswith(("open", "half an event", "half a chunk"))]
)
def test_idle_timeout(name: str, server_context: ssl.SSLContext, trusted: None) -> None:
    """An open stream without a byte is given up after idle_timeout, in every framing and encoding."""
    with PHASES[name](server_context) as here:
        error, seconds = failure_of(here.url, connect_timeout=LONG, response_timeout=LONG, idle_timeout=SHORT)
    assert isinstance(error, ConnectionLost)
    assert "no byte within idle_timeout=0.15 s" in str(error)
    assert_after(seconds)


def test_an_idle_stream_is_made_again_and_resumes(server: EventStreamServer) -> None:
    """After idle_timeout the next connection goes on behind the last event."""
    server.stream(event("a", id="1"), hold())
    server.stream(event("b", id="2"))
    assert data_of(EventSource(server.url, reconnect=AT_ONCE, idle_timeout=SHORT)) == ["a", "b"]
    assert server.requests[1].headers["Last-Event-ID"] == "1"


@pytest.mark.parametrize("framing", ["chunked", "close", "length"])
@pytest.mark.parametrize("encoding", [None, "gzip"])
def test_comments_keep_a_stream_alive(server: EventStreamServer, framing: Any, encoding: Any) -> None:
    """Any byte counts: a stream of comments that drip in lives longer than idle_timeout."""
    drips = [step for _ in range(12) for step in (raw(b":"), pause(0.05))]
    server.stream(*drips, event("alive"), framing=framing, encoding=encoding)
    with EventSource(server.url, reconnect=None, idle_timeout=0.4) as source:
        before = time.perf_counter()
        # All the colons are one comment line, and so is what the event begins with.
        assert [item.data for item in source] == []
    assert time.perf_counter() - before > 0.5
    server.stream(comment(), pause(0.3), comment(), pause(0.3), event("alive"), framing=framing, encoding=encoding)
    with EventSource(server.url, reconnect=None, idle_timeout=0.5) as source:
        assert [item.data for item in source] == ["alive"]


def test_one_byte_at_a_time(server: EventStreamServer) -> None:
    """A response that comes byte by byte, head, framing and all, is a stream like any other."""
    body = b"".join(b"%x\r\n%b\r\n" % (len(it), it) for it in (encode_event("ä", id="1"), encode_event("b\nc")))
    response = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n" + body

    def drip(exchange: Exchange) -> None:
        for byte in response + b"0\r\n\r\n":
            exchange.write_raw(bytes([byte]))
            exchange.pause(0.001)

    server.reply(drip)
    with EventSource(server.url, reconnect=None) as source:
        assert [item.data for item in source] == ["ä", "b\nc"]


HUGE = (2.2e6, 1e10, 1e19, 1e300, sys.float_info.max, 10**300)  # past what poll(), threads and time_t can hold


@pytest.mark.parametrize("seconds", HUGE)
@pytest.mark.parametrize("over_requests", [False, True])
def test_limits_beyond_what_the_system_can_hold(
    server: EventStreamServer, tls_server: EventStreamServer, seconds: float, over_requests: bool
) -> None:
    """A limit, or a delay, of more years than the system can count is as good as none: nothing overflows."""
    limits: Any = {"connect_timeout": seconds, "response_timeout": seconds, "idle_timeout": seconds}
    policy = ReconnectPolicy(
        reconnection_time=0.001,
        max_delay=seconds,
        max_server_delay=seconds,
        steady_after=seconds,
        jitter=seconds,
    )
    for here in (server, tls_server):
        here.stream(event("a"))
        here.stream(event("b"), retry(1e15), drop())
        if over_requests:
            session = requests.Session()
            session.trust_env = False
            session.verify = os.environ["SSL_CERT_FILE"]
            target: Any = RequestsConnector(session, here.url, **limits)
            settings: Any = {}
        else:
            target, settings = here.url, limits
        # Without jitter at first, since this much of it is for ever.
        with EventSource(target, reconnect=AT_ONCE, **settings) as source:
            assert next(iter(source)).data == "a"
        with Follower(EventSource(target, reconnect=policy, **settings)) as follower:
            follower.wait_for("ErrorEvent")
            assert follower.data == ["b"]
            follower.source.close()
            follower.join()
        assert follower.error is None


@pytest.mark.parametrize("seconds", HUGE)
def test_waits_beyond_what_the_system_can_hold(server: EventStreamServer, seconds: float) -> None:
    """The same goes for what a program waits for itself."""
    server.stream(event("a"), hold())
    listener = Listener(EventSource(server.url))
    queue = DispatchQueue()
    assert queue.run_pending(max_seconds=seconds) == 0
    listener.start(wait=seconds)
    closer = threading.Timer(0.1, listener.close)
    closer.start()
    assert listener.join(seconds)
    closer.join()


def test_no_limits(server: EventStreamServer) -> None:
    """None switches a limit off: the stream waits, and still can be closed."""
    server.stream(pause(0.2), event("a"), hold())
    limits = {"connect_timeout": None, "response_timeout": None, "idle_timeout": None}
    with Follower(EventSource(server.url, reconnect=LATER, **limits)) as follower:  # type: ignore[arg-type]
        follower.wait_for("MessageEvent")
        assert follower.close_and_time() < LONG / 2
    assert follower.error is None


def test_the_limit_of_the_head_is_not_that_of_the_stream(server: EventStreamServer) -> None:
    """A quiet stream outlives a response_timeout, and with one a slow head outlives idle_timeout."""
    server.stream(event("a"), pause(0.3), event("b"))
    with EventSource(server.url, reconnect=None, response_timeout=0.1) as source:
        assert [item.data for item in source] == ["a", "b"]

    def slow_head(exchange: Exchange) -> None:
        exchange.pause(0.3)
        exchange.send(encode_event("c"))

    server.reply(slow_head)
    with EventSource(server.url, reconnect=None, response_timeout=10.0, idle_timeout=0.1) as source:
        assert [item.data for item in source] == ["c"]


def test_the_limits_hold_on_a_kept_connection(server: EventStreamServer) -> None:
    """A connection that is used again has the limits of each phase again: not the last one's."""
    server.stream(event("a"))

    def slow_head(exchange: Exchange) -> None:
        exchange.pause(0.4)
        exchange.run(event("b"), pause(0.4), event("c"))

    server.reply(slow_head)
    limits = {"connect_timeout": 0.1, "response_timeout": 2.0, "idle_timeout": 2.0}
    with EventSource(server.url, reconnect=AT_ONCE, **limits) as source:  # type: ignore[arg-type]
        assert [item.data for item in source] == ["a", "b", "c"]
    assert len({request.connection for request in server.requests}) == 1


def test_a_refused_connection_is_no_time_out() -> None:
    """The error of a refused connection says so, and not that nothing came in time."""
    with EventStreamServer() as server:
        gone = server.url
    error, seconds = failure_of(gone)
    assert isinstance(error, ConnectionFailed)
    assert "refused" in str(error)
    assert seconds < LONG
