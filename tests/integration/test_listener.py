"""`Listener` over real sockets: closing under a flood, and how a process with a listener ends or forks."""

from __future__ import annotations

import gc
import os
import queue
import random
import subprocess
import threading
import time
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Callable, Optional

import pytest

from sse_client.dispatch_queue import DispatchQueue
from sse_client.events import MessageEvent
from sse_client.listener import Listener
from sse_client.source import EventSource
from sse_client.testing import EventStreamServer, Exchange, event, hold

from .support import AT_ONCE, LATER, TIMEOUT, child

ROUNDS = 200
BLOCK = b"".join(b"event: tick\nid: %d\ndata: {}\n\n" % number for number in range(50))


def flood(exchange: Exchange) -> None:
    """Send events as fast as they are taken, until the client goes away."""
    exchange.send_head()
    while True:
        exchange.send(BLOCK)


class CallbackQueue:
    """What many programs have: a thread of their own that runs whatever callbacks are put into a queue."""

    def __init__(self) -> None:
        self._calls: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="callbacks", daemon=True)
        self._thread.start()

    def __call__(self, callback: Callable[..., object], *args: object) -> None:
        self._calls.put((callback, args))

    def _run(self) -> None:
        while True:
            callback, args = self._calls.get()
            if callback is None:
                return
            callback(*args)

    def end(self) -> None:
        """Run all that is waiting, and end the thread."""
        self._calls.put((None, ()))
        self._thread.join(TIMEOUT)
        assert not self._thread.is_alive()


class Pump:
    """A thread that runs a `DispatchQueue` again and again, as a main loop does."""

    def __init__(self) -> None:
        self.queue = DispatchQueue(100)
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="pump", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while not self._over.wait(0.0005):
            self.queue.run_pending()

    def end(self) -> None:
        self._over.set()
        self._thread.join(TIMEOUT)
        assert not self._thread.is_alive()


@contextmanager
def dispatching(mode: str) -> Iterator[Optional[Callable[..., object]]]:
    """Give the `dispatch` of a mode, and run what is left in it at the end."""
    if mode == "direct":
        yield None
    elif mode == "callback queue":
        callbacks = CallbackQueue()
        yield callbacks
        callbacks.end()
    else:
        pump = Pump()
        yield pump.queue
        pump.end()
        while pump.queue.run_pending():
            pass


class Round:
    """One listener that is closed under a flood, with handlers that know whether it has been."""

    def __init__(self, wanted: int) -> None:
        self.closed = False
        self.late: list[object] = []
        self.count = 0
        self.wanted = wanted
        self.enough = threading.Event()

    def first(self, it: object) -> None:
        if self.closed:
            self.late.append(it)
        self.count += 1
        if self.count >= self.wanted:
            self.enough.set()

    def second(self, it: object) -> None:
        if self.closed:
            self.late.append(it)

    def play(self, url: str, dispatch: Optional[Callable[..., object]], moment: float) -> float:
        """Listen, close after so many events and seconds, and return how long close() has taken."""
        listener = Listener(EventSource(url, reconnect=LATER), dispatch=dispatch)
        listener.on("tick", self.first)
        for register in (listener.on_event, listener.on_open, listener.on_error, listener.on_close):
            register(self.second)
        listener.start()
        assert self.enough.wait(TIMEOUT)
        threading.Event().wait(moment)
        before = time.perf_counter()
        listener.close()
        self.closed = True
        seconds = time.perf_counter() - before
        assert listener.join(TIMEOUT)
        return seconds


@pytest.mark.parametrize("mode", ["direct", "callback queue", "dispatch queue"])
def test_no_handler_starts_after_close_at_any_moment_of_a_flood(mode: str, server: EventStreamServer) -> None:
    """200 closes at random moments: no handler starts once close() has returned, and no thread is left."""
    server.handler = flood
    seed = random.Random(7)
    rounds = [Round(seed.randrange(1, 300)) for _ in range(ROUNDS)]
    seconds = []
    for one in rounds:
        with dispatching(mode) as dispatch:
            seconds.append(one.play(server.url, dispatch, seed.uniform(0, 0.003)))
    print(f"{mode}: {sum(it.count for it in rounds)} events, slowest close {max(seconds):.4f} s")
    assert sum(len(it.late) for it in rounds) == 0
    assert not [thread for thread in threading.enumerate() if thread.name == "sse-client-listener"]
    assert max(seconds) < 2.0


def test_the_thread_that_runs_the_queue_can_close_under_a_flood(server: EventStreamServer) -> None:
    """A main loop that closes between two runs of its queue sees no handler afterwards; the reader was blocked."""
    server.handler = flood
    for _ in range(20):
        waiting = DispatchQueue(10)
        listener = Listener(EventSource(server.url, reconnect=LATER), dispatch=waiting)
        seen: list[MessageEvent] = []
        listener.on_event(seen.append)
        listener.start()
        deadline = time.monotonic() + TIMEOUT
        while len(seen) < 50 and time.monotonic() < deadline:
            waiting.run_pending()
        listener.close()
        count = len(seen)
        assert count >= 50
        waiting.run_pending()
        assert len(seen) == count
        assert listener.join(TIMEOUT)
        assert len(waiting) == 0


def test_the_listener_goes_on_over_drops_and_resumes(server: EventStreamServer) -> None:
    """Handlers see every event of a log once and in order although the connection is cut again and again."""
    seed = random.Random(3)
    server.serve_log(200, cuts=[seed.randrange(400) for _ in range(20)])
    listener = Listener(EventSource(server.url, reconnect=AT_ONCE))
    seen: list[str] = []
    ends: list[object] = []
    opened: list[object] = []
    listener.on_event(lambda it: seen.append(it.data))
    listener.on_open(opened.append)
    listener.on_close(ends.append)
    listener.start()
    assert listener.join(TIMEOUT)
    assert seen == [str(number) for number in range(1, 201)]
    assert len(ends) == 1
    assert len(opened) == len(server.requests) - 1


def test_a_slow_handler_slows_the_server(server: EventStreamServer) -> None:
    """While a handler runs nothing is read, so that the server cannot send without end."""
    sent = 0
    stuck = threading.Event()

    def send(exchange: Exchange) -> None:
        nonlocal sent
        exchange.send_head()
        while True:
            exchange.send(BLOCK * 100)
            sent += 1

    server.handler = send
    listener = Listener(EventSource(server.url, reconnect=LATER))
    listener.on_event(lambda _: stuck.wait(TIMEOUT))
    listener.start(wait=TIMEOUT)
    before = -1
    deadline = time.monotonic() + TIMEOUT
    while sent != before:
        before = sent
        assert time.monotonic() < deadline
        stuck.wait(0.3)
    assert sent < 500
    listener.close()
    stuck.set()
    assert listener.join(TIMEOUT)


def test_closing_frees_the_connection_though_a_handler_keeps_the_thread(server: EventStreamServer) -> None:
    """The server sees the end of the connection at close(), also while a handler is still running."""
    server.stream(event("x"), hold())
    entered, release = threading.Event(), threading.Event()
    listener = Listener(EventSource(server.url, reconnect=LATER))
    listener.on_event(lambda _: (entered.set(), release.wait(TIMEOUT)))
    listener.start()
    assert entered.wait(TIMEOUT)
    listener.close()
    server.wait_until_disconnected()
    release.set()
    assert listener.join(TIMEOUT)


def test_a_listener_that_has_ended_can_be_forgotten(server: EventStreamServer) -> None:
    """Closed listeners leave no objects behind."""
    kept = []
    for _ in range(5):
        server.stream(event("x"), hold())
        with Listener(EventSource(server.url, reconnect=LATER)) as listener:
            kept.append(weakref.ref(listener))
    del listener
    gc.collect()
    assert [reference() for reference in kept] == [None] * 5


# In processes of their own -------------------------------------------------------------

BEGIN = """
import os, sys, threading, time, warnings
from sse_client.listener import Listener
from sse_client.source import EventSource
arrived = threading.Event()
listener = Listener(EventSource(sys.argv[1]))
listener.on_event(lambda event: arrived.set())
"""


@pytest.mark.parametrize("stream", ["silent", "flood"])
def test_the_interpreter_exits_promptly_with_a_listener_running(stream: str, server: EventStreamServer) -> None:
    """A program that forgets its listener ends at once, with its own exit code and no word on stderr."""
    if stream == "silent":
        server.stream(event("x"), hold())
    else:
        server.handler = flood
    code = BEGIN + "listener.start(); arrived.wait(10); print('leaving'); sys.exit(3)"
    with child(code, server.url, stderr=-2) as process:
        process.wait_for("leaving")
        before = time.perf_counter()
        assert process.process.wait(TIMEOUT) == 3
        assert time.perf_counter() - before < 5.0  # of which two may go to a busy machine, and to writing coverage
        process.wait_for("(end of output)")
        assert process.lines == ["leaving", "(end of output)"]


def test_system_exit_in_a_handler_ends_the_listener_not_the_program(server: EventStreamServer) -> None:
    """The thread ends, the log says so, on_close hears of it, and the program goes on."""
    server.stream(event("x"), hold())
    code = (
        BEGIN
        + """
listener.on_event(lambda event: sys.exit(9))
listener.on_close(lambda event: print("closed by", repr(event.error), flush=True))
listener.start()
print("ended", listener.join(10), listener.is_alive(), repr(listener.error))
sys.exit(4)
"""
    )
    with child(code, server.url, stderr=-2) as process:
        assert process.process.wait(TIMEOUT) == 4
        process.wait_for("(end of output)")
        assert "closed by SystemExit(9)" in process.lines
        assert "ended True False SystemExit(9)" in process.lines
        assert process.lines[0].endswith("the listener has ended with SystemExit")
    server.wait_until_disconnected()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs os.fork")
def test_after_a_fork_the_childs_copy_says_so_and_the_parents_goes_on(server: EventStreamServer) -> None:
    """The child says once, at WARNING, that its copy is dead. The copy raises when it is used; its close() and
    the child's end leave the parent's connection alone.
    """
    forked = threading.Event()

    def stream(exchange: Exchange) -> None:
        exchange.send_head()
        exchange.run(event("before"))
        exchange.wait_for(forked)
        exchange.run(event("after"), hold())

    server.reply(stream)
    code = (
        BEGIN
        + """
warnings.simplefilter("ignore", DeprecationWarning)
after = threading.Event()

@listener.on("message")
def show(event):
    print("got", event.data, flush=True)
    if event.data == "after":
        after.set()

fresh = Listener(EventSource(sys.argv[1]))
listener.start()
arrived.wait(10)
pid = os.fork()
if not pid:
    print("forked", flush=True)
    for use in (listener.start, listener.join, lambda: listener.on_event(print), lambda: listener.off(print),
                lambda: listener.ready_state, lambda: listener.last_event_id, lambda: listener.error):
        try:
            use()
        except RuntimeError as error:
            print("refused", error, flush=True)
    print("alive", listener.is_alive(), flush=True)
    with_block_left = listener.__exit__(None, None, None)
    listener.close()
    fresh.start(wait=10)
    fresh.close()
    print("fresh", fresh.join(10), flush=True)
    grandchild = os.fork()
    if grandchild:
        os.waitpid(grandchild, 0)
    sys.exit(0)
print("child", os.waitpid(pid, 0)[1], listener.is_alive(), flush=True)
after.wait(10)
"""
    )
    with child(code, server.url, stderr=subprocess.STDOUT) as process:
        server.wait_for_requests(1)
        server.stream(hold())
        process.wait_for("child")
        forked.set()
        process.wait_for("got after")
        assert sum("copies no threads" in line for line in process.lines) == 7
        warnings = [line for line in process.lines if line.startswith("a Listener")]
        assert len(warnings) == 1
        assert "dead in this child process" in warnings[0]
        assert "post_worker_init" in warnings[0]
        assert [line for line in process.lines if not line.startswith(("refused", "a Listener"))] == [
            "got before",
            "forked",
            "alive False",
            "fresh True",
            "child 0 True",
            "got after",
        ]
        assert len(server.requests) == 2
