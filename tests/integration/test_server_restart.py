"""A server that is killed and comes back: the stream goes on."""

from __future__ import annotations

from contextlib import ExitStack

import pytest

from sse_client import ConnectionFailed, ConnectionLost, EventSource, ReconnectPolicy

from .support import Child, Follower, assert_nothing_raised, child

SERVER = """
import sys, threading
from sse_client.testing import EventStreamServer, encode_event

def serve(exchange):
    n = int(exchange.request.headers.get("Last-Event-ID", "0"))
    while True:
        n += 1
        exchange.send(encode_event(str(n), id=str(n)))
        exchange.pause(0.002)

server = EventStreamServer(port=int(sys.argv[1]))
server.handler = serve
with server:
    print(server.port)
    threading.Event().wait(60)  # until it is killed
"""


def port_of(process: Child) -> int:
    """The port that the server has printed."""
    process.wait_for("")
    return int(process.lines[0])


def test_a_killed_server_comes_back_on_the_same_port() -> None:
    """The stream goes on without a gap or a repeat; refused connections in between back off, doubling the delay."""
    policy = ReconnectPolicy(reconnection_time=0.02, max_delay=0.16, jitter=0.0, min_server_delay=0.001)
    with ExitStack() as servers:
        process = servers.enter_context(child(SERVER, "0"))
        port = port_of(process)
        with Follower(EventSource(f"http://127.0.0.1:{port}/", reconnect=policy)) as follower:
            for _ in range(3):
                follower.wait_for("MessageEvent", len(follower.data) + 20)
                before = len(follower.seen("ErrorEvent"))
                process.process.kill()
                lost, *refused = follower.wait_for("ErrorEvent", before + 6)[before:][:6]
                assert lost.attempt == 0
                assert isinstance(lost.error, ConnectionLost)
                assert all(isinstance(item.error, ConnectionFailed) for item in refused)
                assert [item.attempt for item in refused] == [1, 2, 3, 4, 5]
                assert [item.delay for item in refused] == pytest.approx([0.02, 0.04, 0.08, 0.16, 0.16])
                received = len(follower.data)
                process = servers.enter_context(child(SERVER, str(port)))
                follower.wait_for("MessageEvent", received + 20)
        assert_nothing_raised(follower)
    assert follower.data == [str(n) for n in range(1, len(follower.data) + 1)]
