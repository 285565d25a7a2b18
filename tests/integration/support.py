"""What several test files need: a follower in a thread, a child process, and what is open in this process."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Optional

import pytest
import urllib3

from sse_client import EventSource, LifecycleEvent, MessageEvent, ReconnectPolicy

ROOT = Path(__file__).resolve().parents[2]
TIMEOUT = 10.0  # seconds after which anything that should happen is taken as not happening

AT_ONCE = ReconnectPolicy(reconnection_time=0.001, max_delay=0.001, jitter=0.0, min_server_delay=0.001)
"""Comes back without a wait worth the name."""

LATER = ReconnectPolicy(reconnection_time=60.0, jitter=0.0)
"""Comes back long after the test has failed."""


def open_descriptors() -> set[str]:
    """The descriptors that this process has open, each with what it is; nothing where there is no /proc."""
    found = set()
    try:
        numbers = os.listdir("/proc/self/fd")
    except OSError:
        return found
    for number in numbers:
        try:
            found.add(f"{number} {os.readlink(f'/proc/self/fd/{number}')}")
        except OSError:
            pass  # the descriptor of the listing itself
    return found


class Follower:
    """A thread that follows a source, and writes down all that happens.

    Attributes:
        items: What the lifecycle has yielded.
        error: What the loop has raised, or None.
        ended_at: When the loop was over, by `time.perf_counter`.
    """

    def __init__(self, source: EventSource, *, comments: bool = False) -> None:
        self.source = source
        self.items: list[LifecycleEvent] = []
        self.error: Optional[BaseException] = None
        self.ended_at: Optional[float] = None
        self._comments = comments
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._follow, name="follower", daemon=True)

    def __enter__(self) -> Follower:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.source.close()
        self.join()

    def _follow(self) -> None:
        try:
            for item in self.source.lifecycle(comments=self._comments):
                with self._changed:
                    self.items.append(item)
                    self._changed.notify_all()
        except BaseException as error:  # noqa: BLE001 - for the test to look at
            self.error = error
        finally:
            with self._changed:
                self.ended_at = time.perf_counter()
                self._changed.notify_all()

    def join(self) -> None:
        """Wait until the loop is over."""
        self._thread.join(TIMEOUT)
        assert not self._thread.is_alive(), "the loop does not end"

    def seen(self, kind: str) -> list[Any]:
        """The items of the class of this name."""
        with self._changed:
            return [item for item in self.items if type(item).__name__ == kind]

    @property
    def data(self) -> list[str]:
        """The data of the events."""
        return [event.data for event in self.seen("MessageEvent")]

    def wait_for(self, kind: str, count: int = 1) -> list[Any]:
        """Wait until so many items of the class of this name have come, and return them."""
        with self._changed:
            self._changed.wait_for(lambda: len(self.seen(kind)) >= count or self.ended_at is not None, TIMEOUT)
            items = self.seen(kind)
        assert len(items) >= count, f"{len(items)} x {kind}, not {count}; {self.items} {self.error!r}"
        return items

    def close_and_time(self) -> float:
        """Close the source, wait for the end of the loop, and return the seconds that it took."""
        before = time.perf_counter()
        self.source.close()
        self.join()
        assert self.ended_at is not None
        return self.ended_at - before


def assert_nothing_raised(follower: Follower) -> None:
    """Fail, showing the error, if the loop has raised one."""
    if follower.error is not None:
        raise AssertionError("the loop raised an error") from follower.error


class Child:
    """A Python process that runs ``code``, line by line read: each line that it prints is an item."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        self.lines: list[str] = []
        self._changed = threading.Condition()
        self._reader = threading.Thread(target=self._read, name="child-output", daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            with self._changed:
                self.lines.append(line.rstrip("\n"))
                self._changed.notify_all()
        with self._changed:
            self.lines.append("(end of output)")
            self._changed.notify_all()

    def wait_for(self, text: str, count: int = 1) -> None:
        """Wait until so many lines that begin with ``text`` have been printed."""

        def printed() -> bool:
            return sum(line.startswith(text) for line in self.lines) >= count

        with self._changed:
            self._changed.wait_for(lambda: printed() or "(end of output)" in self.lines, TIMEOUT)
            assert printed(), f"{text!r} x {count} is not in {self.lines}"

    def interrupt(self) -> float:
        """Send what Ctrl-C sends, once; wait for the end of the process, and return the seconds that it took.

        Python sees a signal late that arrives just before a system call. So a SIGURG follows after a while, which
        ends the call in a program that handles it, and does nothing in any other.
        """
        before = time.perf_counter()
        self.process.send_signal(signal.SIGINT)
        try:
            self.process.wait(1.0)
        except subprocess.TimeoutExpired:
            self.process.send_signal(signal.SIGURG)
            self.process.wait(TIMEOUT)
        return time.perf_counter() - before

    def end(self) -> None:
        """End the process without asking, and free what it holds here."""
        self.process.kill()
        self.process.wait(TIMEOUT)
        self._reader.join(TIMEOUT)
        for pipe in (self.process.stdout, self.process.stderr):
            if pipe is not None:
                pipe.close()


@contextmanager
def child(code: str, *arguments: str, stderr: Any = None, covered: bool = True) -> Iterator[Child]:
    """Run ``code`` in a Python process of its own, which can import what the tests can.

    Its coverage is measured where the tests' is, unless ``covered`` is false: that costs time and memory.
    """
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    if not covered:
        environment.pop("COVERAGE_PROCESS_START", None)
    process = subprocess.Popen(
        [sys.executable, "-u", "-c", code, *arguments],
        stdout=subprocess.PIPE,
        stderr=stderr,
        text=True,
        env=environment,
    )
    running = Child(process)
    try:
        yield running
    finally:
        running.end()


def data_of(source: EventSource) -> list[str]:
    """Follow the source to its end and return the data of its events."""
    with source:
        return [event.data for event in source]


def numbered(count: int, first: int = 1) -> list[MessageEvent]:
    """Events whose data and IDs are numbers."""
    return [MessageEvent(data=str(n), last_event_id=str(n)) for n in range(first, first + count)]


def python_that_imports(module: str, package: str) -> str:
    """Return a Python that has a module: this one, or the system's; skip the test if neither has it."""
    for python in (sys.executable, "/usr/bin/python3"):
        code = f"import sys; assert sys.version_info >= (3, 9); import {module}"
        if not Path(python).exists():
            continue
        if subprocess.run([python, "-c", code], stderr=subprocess.DEVNULL, check=False).returncode == 0:
            return python
    pytest.skip(f"needs the package {package}")


def path_with_urllib3(folder: Path) -> str:
    """Return a PYTHONPATH for another Python, on which are this package and urllib3, and nothing else."""
    (folder / "urllib3").symlink_to(Path(urllib3.__file__).parent)
    return f"{ROOT}:{folder}"
