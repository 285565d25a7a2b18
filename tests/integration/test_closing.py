"""close() and reconnect(): from any thread, a handler or a signal, in any phase, at any moment."""

from __future__ import annotations

import gc
import os
import random
import signal
import ssl
import statistics
import threading
import time
from typing import Any

import pytest

from sse_client import EventSource, EventSourceError, ReadyState
from sse_client.testing import EventStreamServer, Exchange, encode_event, event, hold

from .phases import PHASES
from .support import AT_ONCE, LATER, TIMEOUT, Follower, assert_nothing_raised, child

SOON = 2.0  # seconds; the promise is 0.1, on a machine that is not busy with other things
MOMENTS = 200


@pytest.fixture(params=PHASES)
def phase(request: pytest.FixtureRequest, server_context: ssl.SSLContext, trusted: None) -> Any:
    """Each phase in turn, as a context manager that makes its server."""
    return PHASES[request.param](server_context)


def test_close_from_another_thread_ends_the_loop_in_every_phase(phase: Any) -> None:
    """The loop ends quietly and at once, close() does not block, and no request is made afterwards."""
    with phase as here, Follower(EventSource(here.url, reconnect=LATER)) as follower:
        here.arrived()
        if here.last_item:
            follower.wait_for(here.last_item)
        requests = here.requests()
        before = time.perf_counter()
        follower.source.close()
        returned_after = time.perf_counter() - before
        seconds = follower.close_and_time() + returned_after
        assert_nothing_raised(follower)
        assert follower.source.ready_state is ReadyState.CLOSED
        assert returned_after < SOON
        assert seconds < SOON
        assert here.requests() == requests
        print(f"the loop ended {seconds:.6f} s after close()")


@pytest.mark.filterwarnings("ignore:unclosed <ssl.SSLSocket:ResourceWarning")  # see test_close_at_200_random_moments
def test_reconnect_makes_a_new_attempt_at_once_in_every_phase(phase: Any) -> None:
    """Another attempt begins at once, whatever the one before was waiting for; the loop goes on."""
    attempts: list[float] = []
    again = threading.Event()

    with phase as here:

        def url() -> str:
            attempts.append(time.perf_counter())
            if len(attempts) == 2:
                again.set()
            return here.url

        with Follower(EventSource(url, reconnect=LATER)) as follower:
            here.arrived()
            if here.last_item:
                follower.wait_for(here.last_item)
            assert len(attempts) == 1
            before = time.perf_counter()
            follower.source.reconnect()
            assert again.wait(TIMEOUT), (follower.items, follower.error)
            assert attempts[1] - before < SOON
        assert_nothing_raised(follower)
    gc.collect()


def test_close_from_a_signal_handler_ends_the_loop_in_every_phase(phase: Any) -> None:
    """A signal that interrupts the loop's own thread may call close(): the loop ends, and nothing hangs."""
    with phase as here, EventSource(here.url, reconnect=LATER) as source:
        reached, ended = threading.Event(), threading.Event()
        signal.signal(signal.SIGUSR1, lambda *_: source.close())

        def send() -> None:
            try:
                here.arrived()
                if here.last_item:
                    assert reached.wait(TIMEOUT)
            finally:
                # Again, since Python sees a signal late that comes just as a system call begins.
                for _ in range(20):
                    os.kill(os.getpid(), signal.SIGUSR1)
                    if ended.wait(0.1):
                        break

        sender = threading.Thread(target=send)
        sender.start()
        for item in source.lifecycle():
            if type(item).__name__ == here.last_item:
                reached.set()
        ended.set()
        sender.join(TIMEOUT)
        assert source.ready_state is ReadyState.CLOSED


EVERY_LINE = """
import faulthandler, sys, threading
from sse_client import EventSource, ReconnectPolicy
from sse_client.testing import EventStreamServer, drop, event

policy = ReconnectPolicy(reconnection_time=0.001, max_delay=0.001, jitter=0, min_server_delay=0.001)
ours = ("sse_client", "threading.py")

def run(server, moment):
    # The signal's handler, where the interpreter would run it: between two lines of the loop's thread.
    lines = 0
    source = EventSource(server.url, reconnect=policy)

    def trace(frame, kind, argument):
        nonlocal lines
        name = frame.f_code.co_filename
        if "testing" in name or not (f"sse_client{chr(47)}" in name or name.endswith("threading.py")):
            return None
        if kind == "line":
            lines += 1
            if lines == moment:
                sys.settrace(None)
                print("close at", name.rpartition("/")[2], frame.f_lineno, frame.f_code.co_name, file=sys.stderr)
                source.close()
        return trace

    server.respond(503)
    server.stream(event("a"), framing="close")
    server.stream(event("b"), drop())
    sys.settrace(trace)
    try:
        for item in source:
            pass
    finally:
        sys.settrace(None)
    source.close()
    return lines

with EventStreamServer() as server:
    total = run(server, -1)
    assert total > 500, total
first, step = int(sys.argv[1]), int(sys.argv[2])
for moment in range(first, total, step):
    faulthandler.dump_traceback_later(5, exit=True)
    with EventStreamServer() as server:
        run(server, moment)
    faulthandler.cancel_dump_traceback_later()
print("done", total)
"""


def test_close_from_a_signal_handler_between_any_two_lines() -> None:
    """Wherever in the loop a signal's handler calls close(), nothing is locked against it and the loop ends."""
    with child(EVERY_LINE, "1", "7") as process:  # every seventh: enough to fall into each lock
        assert process.process.wait(60) == 0
        process.wait_for("done")


def random_replies(choice: random.Random) -> Any:
    """A handler that does all that servers do to their clients, by chance."""

    def events(exchange: Exchange, framing: Any, encoding: Any) -> None:
        length = 10**6 if framing == "length" else None
        exchange.send_head(framing=framing, encoding=encoding, content_length=length)
        for n in range(choice.randrange(20)):
            exchange.send(encode_event(str(n), id=str(n)))
            if choice.random() < 0.3:
                exchange.pause(0.001)
        end = choice.randrange(4)
        if end == 0:
            exchange.hold()
        elif end == 1:
            exchange.reset()
        elif end == 2:
            exchange.drop()

    def handler(exchange: Exchange) -> None:
        kind = choice.randrange(8)
        if kind == 0:
            exchange.hold()
        elif kind == 1:
            exchange.write_raw(b"HTTP/1.1 200 OK\r\nContent-Type: text/eve")
            exchange.hold()
        elif kind == 2:
            exchange.respond(503, b"busy", {"Retry-After": "0"})
        elif kind == 3:
            exchange.respond(307, headers={"Location": "/elsewhere"})
        elif kind == 4:
            exchange.drop()
        else:
            events(exchange, choice.choice(["chunked", "close", "length"]), choice.choice([None, "gzip", "deflate"]))

    return handler


# CPython before 3.12 forgets the socket whose peer has gone just before the handshake; it goes with the garbage.
@pytest.mark.filterwarnings("ignore:unclosed <ssl.SSLSocket:ResourceWarning")
@pytest.mark.parametrize("tls", [False, True], ids=["plain", "TLS"])
def test_close_at_200_random_moments(
    tls: bool,
    server_context: ssl.SSLContext,
    trusted: None,
) -> None:
    """Whatever the source is doing when another thread closes it, its loop ends quietly and at once."""
    choice = random.Random(f"sse_client close {tls}")
    never = threading.Event()
    taken = []
    with EventStreamServer(ssl_context=server_context if tls else None) as server:
        server.handler = random_replies(random.Random(f"sse_client replies {tls}"))
        for moment in range(MOMENTS):
            # With its number: a busy server may still read the last request of the source before.
            numbered = {"X-Moment": str(moment)}
            with Follower(EventSource(server.url, headers=numbered, reconnect=AT_ONCE)) as follower:
                never.wait(choice.random() ** 2 * 0.06)
                taken.append(follower.close_and_time())
                requests = made_by(numbered, server)
                assert_redirects_at_most(follower)
            server.wait_until_disconnected(TIMEOUT)
            # What was on its way when the source was closed may still be read, and nothing after that.
            assert made_by(numbered, server) <= requests + 1
    gc.collect()
    taken.sort()
    print(f"loops ended after {statistics.median(taken):.6f} s (median), {taken[-1]:.6f} s (worst)")
    assert taken[-1] < SOON


def made_by(headers: dict[str, str], server: EventStreamServer) -> int:
    """How many requests with these headers the server has read."""
    return sum(headers.items() <= request.headers.items() for request in server.requests)


def assert_redirects_at_most(follower: Follower) -> None:
    """The random server may redirect eleven times in a row; nothing else ends the loop with an error."""
    if follower.error is not None:
        assert isinstance(follower.error, EventSourceError)
        assert "redirects" in str(follower.error)


def test_close_inside_the_body_of_the_loop(server: EventStreamServer) -> None:
    """The loop ends after the event in hand: none of those that have arrived with it follow, and the server sees it."""
    gone = threading.Event()

    def serve(exchange: Exchange) -> None:
        exchange.send(b"".join(encode_event(str(n)) for n in range(10)))
        exchange.hold()
        gone.set()

    server.reply(serve)
    source = EventSource(server.url, reconnect=LATER)
    received = []
    for item in source:
        received.append(item.data)
        if item.data == "3":
            source.close()
            assert source.ready_state is ReadyState.CLOSED
            assert gone.wait(TIMEOUT), "the connection is still open after close() in the loop's own thread"
    assert received == ["0", "1", "2", "3"]
    assert len(server.requests) == 1


@pytest.mark.needs("shutdown", "it is what tells the server, while the thread that reads is busy in the body")
def test_close_from_another_thread_while_the_body_runs(server: EventStreamServer) -> None:
    """The server sees the connection end at close(), and the loop ends when its body does, without another event."""
    gone, in_body, closed = threading.Event(), threading.Event(), threading.Event()

    def serve(exchange: Exchange) -> None:
        exchange.send(b"".join(encode_event(str(n)) for n in range(10)))
        exchange.hold()
        gone.set()

    server.reply(serve)
    source = EventSource(server.url, reconnect=LATER)

    def close() -> None:
        in_body.wait(TIMEOUT)
        source.close()
        closed.set()

    closer = threading.Thread(target=close)
    closer.start()
    received = []
    for item in source:
        received.append(item.data)
        in_body.set()
        assert closed.wait(TIMEOUT)
        assert gone.wait(TIMEOUT)
    closer.join(TIMEOUT)
    assert received == ["0"]
    assert len(server.requests) == 1


def test_close_before_the_first_step(server: EventStreamServer) -> None:
    """A source that was closed before its loop yields nothing and asks for nothing."""
    source = EventSource(server.url)
    source.close()
    assert list(source) == []
    loop = iter(EventSource(server.url))
    loop.close()
    source = EventSource(server.url)
    loop = iter(source)
    source.close()
    assert next(loop, None) is None
    assert server.requests == []


def test_close_twice_and_by_many_threads_at_once(server: EventStreamServer) -> None:
    """Any number of threads may close at the same time, and again: none of them fails."""
    server.stream(event("a"), hold())
    errors: list[BaseException] = []
    with Follower(EventSource(server.url)) as follower:
        follower.wait_for("MessageEvent")
        barrier = threading.Barrier(8)

        def close() -> None:
            try:
                barrier.wait(TIMEOUT)
                follower.source.close()
                follower.source.close()
            except BaseException as error:  # noqa: BLE001 - none is expected
                errors.append(error)

        threads = [threading.Thread(target=close) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(TIMEOUT)
        follower.join()
    assert errors == []
    assert_nothing_raised(follower)


@pytest.mark.parametrize("name", ["url", "headers"])
def test_close_from_the_users_functions(server: EventStreamServer, name: str) -> None:
    """A url or headers function may close the source: the loop ends without a request."""
    called = []

    def function() -> Any:
        called.append(name)
        source.close()
        return server.url if name == "url" else {}

    arguments: dict[str, Any] = {"url": server.url, "reconnect": LATER, name: function}
    source = EventSource(arguments.pop("url"), **arguments)
    assert list(source) == []
    assert called == [name]
    assert server.requests == []


def test_nothing_is_asked_for_after_close(server: EventStreamServer) -> None:
    """A closed source makes no request: not by iterating, not by reconnect()."""
    server.stream(event("a"), hold())
    with EventSource(server.url, reconnect=AT_ONCE) as source:
        assert next(iter(source)).data == "a"
    source.reconnect()
    assert list(source) == []
    assert list(source.lifecycle()) == []
    assert len(server.requests) == 1


def test_reconnect_hands_over_what_has_arrived_first(server: EventStreamServer) -> None:
    """Events that arrived together are all handed over before the new connection, which resumes behind the last."""

    def serve(exchange: Exchange) -> None:
        exchange.send(b"".join(encode_event(str(n), id=str(n)) for n in range(5)))
        exchange.hold()

    server.reply(serve)
    server.stream(event("5", id="5"))
    received = []
    with EventSource(server.url, reconnect=AT_ONCE) as source:
        for item in source:
            received.append(item.data)
            if item.data == "1":
                source.reconnect()
    assert received == ["0", "1", "2", "3", "4", "5"]
    assert server.requests[1].headers["Last-Event-ID"] == "4"


def test_reconnect_without_a_loop_does_nothing(server: EventStreamServer) -> None:
    """Before the first step, reconnect() makes no request, and the loop that comes later is as ever."""
    server.stream(event("a"))
    with EventSource(server.url, reconnect=AT_ONCE) as source:
        source.reconnect()
        assert server.requests == []
        assert [item.data for item in source] == ["a"]
    assert len(server.requests) == 2


def test_close_while_events_pour_in(server: EventStreamServer) -> None:
    """A source that is busy with a flood of events is closed as fast as a silent one."""

    def pour(exchange: Exchange) -> None:
        flood = b"".join(encode_event(str(n)) for n in range(1000))
        while True:
            exchange.send(flood)

    server.reply(pour)
    with Follower(EventSource(server.url, reconnect=LATER)) as follower:
        follower.wait_for("MessageEvent", 100)
        assert follower.close_and_time() < SOON
        received = len(follower.items)
    assert len(follower.items) == received
    assert_nothing_raised(follower)
