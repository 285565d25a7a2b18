"""Two hundred streams, spread over three processes that stand for machines."""

from __future__ import annotations

import collections
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from sse_client.testing import EventStreamServer, Exchange, event, hold
from tests.integration.support import child

from .redis_server import RedisServer, redis_py, redis_server, wait_until

redis_py()
STREAMS = [f"stream-{number}" for number in range(200)]
CAPACITY = 100  # two machines can lead all
LEASE = 4.0

MACHINE = """
import redis, sys, threading
from sse_client import EventSource
from sse_client.redis_relay import RedisRelay

client, url, names = redis.Redis(port=int(sys.argv[1])), sys.argv[2], sys.argv[5:]
capacity = threading.Semaphore(int(sys.argv[3]))
for name in names:
    relay = RedisRelay(client, name, lease=float(sys.argv[4]), capacity=capacity)
    follow = lambda last_event_id, name=name: EventSource(url + name, last_event_id=last_event_id)
    threading.Thread(target=relay.run, args=(follow,), daemon=True).start()
threading.Event().wait()
"""


@pytest.fixture
def database(tmp_path: Path) -> Iterator[RedisServer]:
    """A Redis that keeps nothing: it is not killed here."""
    with redis_server(tmp_path, "--appendonly", "no") as server:
        yield server


def next_event(exchange: Exchange) -> None:
    """One event more than the client has."""
    number = str(int(exchange.request.headers.get("Last-Event-ID", "0")) + 1)
    exchange.run(event(number, id=number), hold())


@pytest.mark.timeout(300)
def test_streams_move_to_the_machines_that_are_left(database: RedisServer, server: EventStreamServer) -> None:
    """Three machines share 200 streams, none more than its capacity; when one dies, the others lead them all."""
    server.handler = next_event
    with database.client() as client, ExitStack() as machines:

        def ask(command: str, *arguments: str) -> list[Any]:
            with client.pipeline(transaction=False) as pipeline:
                for name in STREAMS:
                    getattr(pipeline, command)(*(argument.format(name) for argument in arguments))
                return list(pipeline.execute())

        def leaders() -> collections.Counter[int]:
            tokens = ask("hget", "{{{}}}:relay", "leader")
            return collections.Counter(int(token.decode().split(":")[1]) for token in tokens if token)

        arguments = [str(database.port), server.url, str(CAPACITY), str(LEASE), *STREAMS]
        processes = [machines.enter_context(child(MACHINE, *arguments, covered=False)).process for _ in range(3)]
        wait_until(lambda: sum(ask("xlen", "{}")) == len(STREAMS), "an event of each stream")
        led = leaders()
        assert sum(led.values()) == len(STREAMS)
        assert max(led.values()) <= CAPACITY
        victim = next(it for it in processes if it.pid == led.most_common(1)[0][0])
        survivors = {it.pid for it in processes if it is not victim}
        victim.kill()
        killed = time.monotonic()
        wait_until(lambda: sum(ask("xlen", "{}")) == len(STREAMS) + led[victim.pid], "the next event of those")
        print(f"taken over in {time.monotonic() - killed:.1f} s")
        assert leaders() == dict.fromkeys(survivors, CAPACITY)
