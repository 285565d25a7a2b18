"""A program that is monkey-patched by gevent: the listener is a greenlet then, and everything else holds."""

from __future__ import annotations

import threading

import pytest

from sse_client.testing import EventStreamServer, Exchange, event, hold

from .support import child

pytest.importorskip("gevent", reason="needs the package gevent")

CODE = """
import sys
from gevent import monkey
monkey.patch_all()
import threading, time
import gevent
from sse_client.dispatch_queue import DispatchQueue
from sse_client.listener import Listener
from sse_client.source import EventSource

queue = DispatchQueue(2)
listeners = [Listener(EventSource(sys.argv[1]), dispatch=dispatch) for dispatch in (None, gevent.spawn, queue)]
arrived = [threading.Event() for _ in listeners]
for listener, event in zip(listeners, arrived):
    listener.on_event(lambda _, event=event: event.set())
    listener.start(wait=10)
print("open", *[listener.ready_state.name for listener in listeners], flush=True)
ticks = 0
while not all(event.is_set() for event in arrived):
    ticks += 1
    queue.run_pending()
    time.sleep(0.01)
print("arrived", ticks > 3, flush=True)
began = time.perf_counter()
for listener in listeners:
    listener.close()
print("joined", *[listener.join(5) for listener in listeners], time.perf_counter() - began < 2, flush=True)

unanswered = Listener(EventSource(sys.argv[1]))
unanswered.start()
time.sleep(0.1)
unanswered.close()
print("unanswered", unanswered.join(5), flush=True)

running = Listener(EventSource(sys.argv[1]))
running.start(wait=10)
print("leaving", flush=True)
"""


def test_listeners_work_in_a_program_patched_by_gevent(server: EventStreamServer) -> None:
    """Other greenlets run while a listener waits, events arrive in each dispatch mode, and closing is prompt."""
    go_on = threading.Event()

    def stream(exchange: Exchange) -> None:
        exchange.send_head()
        exchange.wait_for(go_on)
        exchange.run(event("x"), hold())

    for _ in range(3):
        server.reply(stream)
    server.silence()
    server.stream(hold())
    with child(CODE, server.url, stderr=-2) as process:
        process.wait_for("open OPEN OPEN OPEN")
        threading.Event().wait(0.1)  # the other greenlets of the child run meanwhile; see its ticks
        go_on.set()
        process.wait_for("arrived True")
        process.wait_for("joined True True True True")
        process.wait_for("unanswered True")
        process.wait_for("leaving")
        assert process.process.wait(10) == 0
        process.wait_for("(end of output)")
        assert len(process.lines) == 6, process.lines
