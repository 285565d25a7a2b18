"""A loop that is running when the program forks: the child's copy touches nothing of the parent's connection."""

from __future__ import annotations

import os
import threading

import pytest

from sse_client.testing import EventStreamServer, Exchange, event

from .support import TIMEOUT, child

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system knows no fork")

PROGRAM = """
import os, sys, warnings
from sse_client import EventSource

warnings.simplefilter("ignore")
source = EventSource(sys.argv[1], idle_timeout=20)
unused = EventSource(sys.argv[1])
events = iter(source)
print(next(events).data, flush=True)
pid = os.fork()
if not pid:
    for attempt in (lambda: next(events), lambda: next(iter(source)), source.reconnect, source.pause, source.resume):
        try:
            print("child got", attempt(), flush=True)
        except (RuntimeError, StopIteration) as error:
            print("child", type(error).__name__, "after os.fork()" in str(error), flush=True)
    source.close()
    source.close()
    del events, source
    if sys.argv[2] == "use another":
        print("child", next(iter(unused)).data, flush=True)
    print("child is over", flush=True)
    os._exit(0)
os.waitpid(pid, 0)
print("parent", next(events).data, flush=True)
print("parent", next(events).data, flush=True)
"""


@pytest.mark.parametrize("kind", ["server", "tls_server"])
def test_the_copy_of_a_loop_raises_and_the_loop_goes_on(kind: str, request: pytest.FixtureRequest) -> None:
    """In the child every use of the source raises and close() does nothing; the parent gets all its events."""
    server: EventStreamServer = request.getfixturevalue(kind)
    over = threading.Event()

    def serve(exchange: Exchange) -> None:
        exchange.send_head()
        exchange.run(event("1"), event("2"))
        exchange.wait_for(over)
        exchange.run(event("3"))

    server.reply(serve)
    with child(PROGRAM, server.url, "") as running:
        running.wait_for("child is over")
        over.set()
        assert running.process.wait(TIMEOUT) == 0
        running.wait_for("(end of output)")
    raised = ["child RuntimeError True"] * 5
    assert running.lines[:-1] == ["1", *raised, "child is over", "parent 2", "parent 3"]
    assert len(server.requests) == 1


def test_a_source_that_was_not_in_use_can_be_used_in_the_child(server: EventStreamServer) -> None:
    """A source whose loop was not running when the program forked works in the child."""
    over = threading.Event()

    def serve(exchange: Exchange) -> None:
        exchange.send_head()
        exchange.run(event("1"))
        exchange.wait_for(over)
        exchange.run(event("2"), event("3"))

    server.reply(serve)
    server.stream(event("mine"))
    with child(PROGRAM, server.url, "use another") as running:
        running.wait_for("child is over")
        over.set()
        assert running.process.wait(TIMEOUT) == 0
        assert "child mine" in running.lines
        running.wait_for("parent 3")
