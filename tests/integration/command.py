"""The ``sse-client`` command in a child process, as a user runs it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, Optional

from sse_client.testing import EventStreamServer, drop, event, hold, retry

from .support import ROOT, TIMEOUT

COMMAND = [sys.executable, "-W", "error", "-m", "sse_client"]


def environment(**variables: str) -> dict[str, str]:
    """The environment of a child: ours, without what would change its output, and with ``variables``."""
    # PYTHONUNBUFFERED would hide a missing flush, PYTHONIOENCODING a wrong encoding.
    inherited = {
        name: value
        for name, value in os.environ.items()
        if name != "NO_COLOR" and not name.startswith("PYTHON") and not name.lower().endswith("_proxy")
    }
    return {**inherited, "PYTHONPATH": str(ROOT), "TERM": "xterm", **variables}


class Command:
    """A running command.

    Attributes:
        out: What it has written to stdout.
        err: What it has written to stderr.
    """

    out: str
    err: str

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self.out = ""
        self.err = ""
        self._process = process
        self._changed = threading.Condition()
        self._readers = []
        for name, pipe in (("out", process.stdout), ("err", process.stderr)):
            if pipe is not None:
                reader = threading.Thread(target=self._read, args=(name, pipe), name=f"command-{name}", daemon=True)
                self._readers.append(reader)
                reader.start()

    def _read(self, name: str, pipe: IO[bytes]) -> None:
        with pipe:
            for line in pipe:
                with self._changed:
                    setattr(self, name, getattr(self, name) + line.decode("utf-8"))
                    self._changed.notify_all()

    def wait_for(self, name: str, text: str) -> None:
        """Wait until ``text`` stands in ``out`` or ``err``."""
        with self._changed:
            arrived = self._changed.wait_for(lambda: text in getattr(self, name), TIMEOUT)
        assert arrived, f"{text!r} is not in {name}: {self.out!r}, {self.err!r}"

    def interrupt(self) -> None:
        """Send what Ctrl-C sends."""
        self._process.send_signal(signal.SIGINT)

    def terminate(self) -> None:
        """Send SIGTERM."""
        self._process.terminate()

    def kill(self) -> None:
        """End it with no chance to put anything down."""
        self._process.kill()

    def code(self) -> Optional[int]:
        """Return its exit code, or None while it runs."""
        return self._process.poll()

    def end(self, timeout: float = TIMEOUT) -> int:
        """Wait until it has ended by itself; return its exit code."""
        code = self._process.wait(timeout)
        for reader in self._readers:
            reader.join(TIMEOUT)
        return code


@contextmanager
def command(
    *arguments: str,
    stdin: int = subprocess.DEVNULL,
    stdout: Optional[int] = subprocess.PIPE,
    stderr: Optional[int] = subprocess.PIPE,
    env: Optional[dict[str, str]] = None,
) -> Iterator[Command]:
    """Run the command; end it at the end if it has not."""
    process = subprocess.Popen(
        [*COMMAND, *arguments], stdin=stdin, stdout=stdout, stderr=stderr, env=env or environment()
    )
    running = Command(process)
    try:
        yield running
    finally:
        process.kill()
        running.end()


def serve(server: EventStreamServer, phase: str) -> None:
    """Answer so that a command gets into a phase and stays there; each event has the ID 1."""
    if phase == "silent stream":
        server.stream(event("1", id="1"), hold())
    elif phase == "no response":
        server.silence()
    elif phase == "waiting":
        server.stream(retry(60.0), event("1", id="1"), drop())
    else:
        assert phase == "flood"
        server.handler = lambda exchange: exchange.run(*[event("x" * 100, id="1")] * 1_000_000)


def run(
    *arguments: str, timeout: float = TIMEOUT, env: Optional[dict[str, str]] = None, stdin: bytes = b""
) -> tuple[int, str, str]:
    """Run the command to its end; return its exit code and what it wrote to stdout and stderr."""
    with tempfile.TemporaryFile() as file:
        file.write(stdin)
        file.seek(0)
        with command(*arguments, env=env, stdin=file.fileno()) as running:
            code = running.end(timeout)
    return code, running.out, running.err


def run_on_terminal(*arguments: str, timeout: float = TIMEOUT, env: Optional[dict[str, str]] = None) -> tuple[int, str]:
    """Run the command to its end on a terminal; return its exit code and what the terminal got."""
    ours, theirs = os.openpty()
    try:
        with command(*arguments, stdout=theirs, stderr=theirs, env=env) as running:
            os.close(theirs)
            shown = threading.Thread(target=_read_terminal, args=(ours, pieces := bytearray()), daemon=True)
            shown.start()
            code = running.end(timeout)
        shown.join(TIMEOUT)
    finally:
        os.close(ours)
    return code, pieces.decode("utf-8").replace("\r\n", "\n")


def _read_terminal(descriptor: int, pieces: bytearray) -> None:
    try:
        while piece := os.read(descriptor, 65536):
            pieces += piece
    except OSError:
        pass  # EIO: how Linux says that nobody has the terminal open any more
