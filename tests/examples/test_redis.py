"""The relay and the workers of this folder, around a real Redis."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from sse_client.testing import EventStreamServer, event, hold
from tests.integration.support import Child
from tests.real.redis_server import redis_py, redis_server, wait_for_line, wait_until

from .support import ended, program


@pytest.fixture
def redis_url(tmp_path: Path) -> Iterator[str]:
    """The address of a Redis of the test's own."""
    redis_py()
    with redis_server(tmp_path) as database:
        yield f"redis://127.0.0.1:{database.port}/0"


def test_builds_are_handled_once_on_many_machines(server: EventStreamServer, redis_url: str) -> None:
    """Of two relays one follows, and the other goes on when it is stopped; two workers share the events."""
    builds = [event(json.dumps({"name": f"build {number}"}), id=str(number)) for number in range(1, 61)]
    server.stream(*builds[:30], hold())
    server.stream(*builds[30:], hold())
    with ExitStack() as machines:

        def start(*command: str) -> Child:
            return machines.enter_context(program(*command))

        def handled() -> list[int]:
            return [int(line.split()[1]) for worker in workers for line in worker.lines if line.startswith("builder-")]

        first = start("redis_relay.py", server.url, redis_url)
        wait_for_line(first, "following from ''")
        second = start("redis_relay.py", server.url, redis_url)
        wait_for_line(second, "standing by")
        workers = [start("redis_worker.py", redis_url, f"builder-{number}") for number in (1, 2)]
        wait_until(lambda: len(handled()) == 30, "the first half")
        first.process.terminate()
        assert ended(first) == 0
        wait_for_line(second, "following from '30'")
        wait_until(lambda: len(handled()) == 60, "the second half")
        assert sorted(handled()) == list(range(1, 61))
        workers[0].interrupt()
        second.interrupt()
        assert (ended(workers[0]), ended(second)) == (0, 0)
