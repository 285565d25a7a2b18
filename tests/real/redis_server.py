"""A Redis of the tests' own, and relays that run in threads of the test."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Callable, Optional

import pytest

from sse_client import EventSource, ReconnectPolicy
from tests.integration.support import Child

from .software import Program, free_port, needs, running

SOON = ReconnectPolicy(reconnection_time=0.02, max_delay=0.1, jitter=0.0, min_server_delay=0.001)
"""Comes back soon, to Redis and to the server."""

PATIENCE = 60.0  # seconds for what takes one on a machine with nothing else to do, such as the start of a process


def redis_py() -> Any:
    """The package redis, or a skip that names it."""
    return pytest.importorskip("redis", reason="needs the package redis (redis-py)")


class RedisServer:
    """A Redis on a port of its own that can be stopped, killed and halted."""

    def __init__(self, program: Program) -> None:
        self.program = program
        self.port = program.port

    def client(self, **settings: Any) -> Any:
        """A new client."""
        return redis_py().Redis(port=self.port, **settings)

    @contextmanager
    def halted(self) -> Iterator[None]:
        """Take its processor away: it accepts connections and answers nothing."""
        self.program.signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self.program.signal(signal.SIGCONT)


@contextmanager
def redis_server(folder: Path, *options: str) -> Iterator[RedisServer]:
    """Run a Redis that keeps every write in a file, and waits for the disk."""
    path = needs("redis-server", "redis-server")
    port = free_port()
    arguments = [path, "--port", str(port), "--bind", "127.0.0.1", "--dir", str(folder), "--save", ""]
    arguments += ["--appendonly", "yes", "--appendfsync", "always", *options]
    with running(arguments, port, folder / "redis.log") as program:
        yield RedisServer(program)


class Running:
    """A relay in a thread of the test."""

    def __init__(self, relay: Any, follow: Callable[[str], EventSource]) -> None:
        self.relay = relay
        self.error: Optional[BaseException] = None
        self._follow = follow
        self._thread = threading.Thread(target=self._run, name="relay", daemon=True)

    def _run(self) -> None:
        try:
            self.relay.run(self._follow)
        except BaseException as error:  # noqa: BLE001 - for the test to look at
            self.error = error

    def __enter__(self) -> Running:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> float:
        """Stop the relay; return the seconds until it had stopped."""
        began = time.monotonic()
        self.relay.stop()
        self.join()
        return time.monotonic() - began

    def join(self) -> None:
        """Wait until the relay has ended by itself."""
        self._thread.join(PATIENCE)
        assert not self._thread.is_alive(), "the relay does not end"


def wait_until(condition: Callable[[], Any], what: str = "it", timeout: float = PATIENCE) -> Any:
    """Wait until the condition holds; return what it returned."""
    pause = threading.Event()
    deadline = time.monotonic() + timeout
    while not (result := condition()):
        assert time.monotonic() < deadline, f"{what} has not happened within {timeout:g} s"
        pause.wait(0.01)
    return result


def wait_for_line(process: Child, text: str, count: int = 1) -> None:
    """Wait until a process has printed so many lines that begin with ``text``."""

    def printed() -> bool:
        return sum(line.startswith(text) for line in process.lines) >= count

    wait_until(printed, f"the line {text!r}")
