"""Positions across crashes, with real processes."""

from __future__ import annotations

import os
import random
import sqlite3
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from sse_client import EventSource
from sse_client.testing import EventStreamServer, Exchange, event, hold
from tests.examples.support import ended, program

from .support import TIMEOUT, Follower, assert_nothing_raised

KILLS = 200

# Forks the followers, since a new interpreter for each would take minutes.
FOLLOWERS = """
import os, random, signal, sys, threading
from sse_client import EventSource, PositionFile

url, position, output, kills = *sys.argv[1:4], int(sys.argv[4])
chance = random.Random(7)
never = threading.Event()
for _ in range(kills):
    handled = os.open(output, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    ready, tell = os.pipe()
    child = os.fork()
    if not child:
        with EventSource(url, position=PositionFile(position)) as source:
            os.write(handled, b"run\\n")
            for event in source:
                os.write(handled, event.data.encode() + b"\\n")
                os.write(tell, b".")
        os._exit(1)
    os.close(tell)
    if chance.random() < 0.9:  # the others are killed while they begin
        os.read(ready, 1)
    never.wait(chance.random() * 0.03)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    for descriptor in (handled, ready):
        os.close(descriptor)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system knows no fork")
def test_every_event_is_handled_whenever_the_program_is_killed(server: EventStreamServer, tmp_path: Path) -> None:
    """Killed with -9 at 200 moments, each run begins with an event that was handled before, or the one after it."""

    def serve(exchange: Exchange) -> None:
        number = int(exchange.request.headers.get("Last-Event-ID") or 0)
        exchange.send_head()
        while True:  # until the client is gone
            batch = range(number + 1, number + 1 + chance.choice([1, 1, 1, 2, 40]))
            exchange.run(*(event(str(n), id=str(n)) for n in batch))
            exchange.pause(0.001)
            number = batch[-1]

    chance = random.Random(5)
    server.handler = serve
    output = tmp_path / "handled"
    arguments = [server.url, str(tmp_path / "position"), str(output), str(KILLS)]
    subprocess.run([sys.executable, "-c", FOLLOWERS, *arguments], check=True, timeout=100)
    last, runs = 0, 0
    for run in output.read_text().split("run\n")[1:]:
        numbers = [int(line) for line in run.splitlines()]
        if numbers:
            assert numbers == list(range(numbers[0], numbers[-1] + 1))
            assert numbers[0] <= last + 1
            last, runs = max(last, numbers[-1]), runs + 1
    assert runs > KILLS / 4
    assert last > runs


def test_a_position_in_the_transaction_of_the_data(server: EventStreamServer, tmp_path: Path) -> None:
    """The example that keeps its position in its database has each event exactly once, after any number of kills."""
    chance = random.Random(3)
    server.serve_log(100_000)
    path = tmp_path / "builds.db"
    for _ in range(8):
        seen = rows(path)
        with program("exactly_once.py", server.url, str(path)) as running:
            while len(rows(path)) == len(seen):
                threading.Event().wait(0.01)
            threading.Event().wait(chance.random() * 0.1)
            running.process.kill()
            assert ended(running) != 0
    numbers = rows(path)
    assert len(numbers) >= 8
    assert numbers == list(range(1, len(numbers) + 1))


def rows(path: Path) -> list[int]:
    if not path.exists():
        return []
    database = sqlite3.connect(path, timeout=30)
    try:
        return [int(data) for (data,) in database.execute("SELECT data FROM builds ORDER BY rowid")]
    except sqlite3.OperationalError:  # the table is not there yet
        return []
    finally:
        database.close()


class Noted:
    """A position that tells when an ID is written."""

    def __init__(self, awaited: str) -> None:
        self.has_come = threading.Event()
        self._awaited = awaited

    def read(self) -> str:
        return ""

    def write(self, last_event_id: str) -> None:
        if last_event_id == self._awaited:
            self.has_come.set()


@pytest.mark.parametrize("encoding", [None, "gzip"])
def test_a_burst_and_then_silence(server: EventStreamServer, encoding: Any) -> None:
    """What a burst has left unwritten is written before the wait for the next byte, not when that comes."""
    server.stream(*(event("x", id=str(index)) for index in range(1, 501)), hold(), encoding=encoding)
    position = Noted("500")
    with Follower(EventSource(server.url, position=position)) as follower:
        assert position.has_come.wait(TIMEOUT)
    assert_nothing_raised(follower)
