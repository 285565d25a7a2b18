"""Relays, Redis and the server are killed and halted at random: each event reaches the workers exactly once."""

from __future__ import annotations

import random
import signal
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.integration.support import Child, child

from .redis_server import PATIENCE, RedisServer, redis_py, redis_server, wait_for_line, wait_until

redis = redis_py()
EVENTS = 100_000
FAULTS = 2  # of each kind

SERVER = """
import sys, threading
from sse_client.testing import EventStreamServer

EVENTS = int(sys.argv[2])

def serve(exchange):
    position = int(exchange.request.headers.get("Last-Event-ID", "0"))
    exchange.send(b"retry: 50\\n\\n")
    while position < EVENTS:
        numbers = range(position + 1, min(position + 100, EVENTS) + 1)
        exchange.send(b"".join(b"id: %d\\ndata: %d\\n\\n" % (number, number) for number in numbers))
        position = numbers[-1]
        exchange.pause(0.008)
    exchange.hold()

server = EventStreamServer(port=int(sys.argv[1]))
server.handler = serve
with server:
    print("port", server.port)
    threading.Event().wait()
"""

RELAY = """
import redis, signal, sys
from sse_client import EventSource, ReconnectPolicy
from sse_client.redis_relay import RedisRelay

soon = ReconnectPolicy(reconnection_time=0.05, max_delay=0.2, min_server_delay=0.001)
relay = RedisRelay(
    redis.Redis(port=int(sys.argv[1])),
    "builds",
    lease=1.0,
    reconnect=soon,
    on_lead=lambda position: print("lead", position),
    on_standby=lambda: print("standby"),
)
signal.signal(signal.SIGTERM, lambda number, frame: relay.stop())
print("ready")
relay.run(lambda last_event_id: EventSource(sys.argv[2], last_event_id=last_event_id, reconnect=soon))
print("stopped")
"""

# The result of an entry and its acknowledgement are one transaction. After an error, and at the
# beginning, a worker reads what it has been given and has not acknowledged.
WORKER = """
import redis, sys, time
from redis.backoff import NoBackoff
from redis.retry import Retry
from sse_client.redis_relay import decode

client = redis.Redis(port=int(sys.argv[1]), retry=Retry(NoBackoff(), 0))
name = sys.argv[2]
start = "0"
while True:
    try:
        for _, entries in client.xreadgroup("workers", name, {"builds": start}, count=500, block=1000) or []:
            if not entries:
                start = ">"
                continue
            with client.pipeline() as transaction:
                transaction.rpush("done:" + name, *[decode(fields).data for _, fields in entries])
                transaction.xack("builds", "workers", *[entry_id for entry_id, _ in entries])
                transaction.execute()
    except redis.RedisError:
        start = "0"
        time.sleep(0.05)
"""

FIRST_OUT_OF_ORDER = """
for number, entry in ipairs(redis.call('XRANGE', KEYS[1], '-', '+')) do
  if entry[2][6] ~= tostring(number) then
    return {number, entry[2][5], entry[2][6]}
  end
end
"""


class World:
    """Three relays, a Redis, a server and three workers, and what can happen to them."""

    def __init__(self, processes: ExitStack, database: RedisServer) -> None:
        self._processes = processes
        self._database = database
        self._client = processes.enter_context(database.client())
        self._client.xgroup_create("builds", "workers", id="0", mkstream=True)
        self._port = 0
        self._server = self._start_server()
        self.relays = [self._start_relay() for _ in range(3)]
        for name in WORKERS:
            processes.enter_context(child(WORKER, str(database.port), name, covered=False))

    def _start_server(self) -> Child:
        server = self._processes.enter_context(child(SERVER, str(self._port), str(EVENTS), covered=False))
        wait_for_line(server, "port")
        self._port = int(server.lines[0].split()[1])
        return server

    def _start_relay(self) -> Child:
        url = f"http://127.0.0.1:{self._port}/"
        return self._processes.enter_context(child(RELAY, str(self._database.port), url))

    def ask(self, command: str, *arguments: Any) -> Any:
        """Ask Redis something, however long it takes to come back."""

        def reply() -> Any:
            try:
                return [getattr(self._client, command)(*arguments)]
            except redis.RedisError:
                return None

        return wait_until(reply, "an answer")[0]

    def leader(self) -> Child:
        """The relay that has the lease."""

        def found() -> Any:
            token = (self.ask("hget", "{builds}:relay", "leader") or b"").decode()
            return next((it for it in self.relays if f":{it.process.pid}:" in token), None)

        return wait_until(found, "a leader")

    def kill_leader(self) -> None:
        leader = self.leader()
        leader.process.kill()
        self.relays.remove(leader)
        self.relays.append(self._start_relay())

    def halt_leader(self) -> None:
        leader = self.leader()
        leader.process.send_signal(signal.SIGSTOP)
        wait_until(lambda: self.leader() is not leader, "another leader")
        times = leader.lines.count("standby")
        leader.process.send_signal(signal.SIGCONT)
        wait_until(lambda: leader.lines.count("standby") > times, "the end of its lead")

    def restart_redis(self) -> None:
        self._database.program.kill()
        self._database.program.start()

    def restart_server(self) -> None:
        self._server.process.kill()
        self._server.process.wait(PATIENCE)
        self._server = self._start_server()


WORKERS = ("anna", "berta", "carla")


@pytest.fixture
def database(tmp_path: Path) -> Iterator[RedisServer]:
    """A Redis that is killed and comes back with all that it has confirmed."""
    with redis_server(tmp_path) as server:
        yield server


@pytest.mark.timeout(600)
def test_each_event_reaches_the_workers_once_whatever_is_killed(database: RedisServer) -> None:
    """Eight faults in random order, and 100,000 events: in the stream in order, and each with one worker, once."""
    chance = random.Random(16)
    faults = ["kill_leader", "halt_leader", "restart_redis", "restart_server"] * FAULTS
    chance.shuffle(faults)
    with ExitStack() as processes:
        world = World(processes, database)
        for number, fault in enumerate(faults, 1):
            due = EVENTS * (number - chance.random()) / (len(faults) + 1)
            wait_until(lambda due=due: world.ask("xlen", "builds") >= due, f"the time for {fault}")
            getattr(world, fault)()
        done = [f"done:{name}" for name in WORKERS]
        wait_until(lambda: sum(world.ask("llen", key) for key in done) >= EVENTS, "the end of the work")
        assert world.ask("eval", FIRST_OUT_OF_ORDER, 1, "builds") is None
        assert world.ask("xlen", "builds") == EVENTS
        results = [[int(number) for number in world.ask("lrange", key, 0, -1)] for key in done]
        assert sorted(number for result in results for number in result) == list(range(1, EVENTS + 1))
        assert all(results), "a worker had nothing to do"
        for relay in world.relays:
            wait_for_line(relay, "ready")
            relay.process.send_signal(signal.SIGTERM)
        for relay in world.relays:
            wait_for_line(relay, "stopped")
            assert relay.process.wait(PATIENCE) == 0
