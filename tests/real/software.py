"""Starting other people's programs: on a free port, with a folder of their own, ended by their pid."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Optional

import pytest

START = 20.0  # seconds that a program gets to listen


def needs(program: str, package: str) -> str:
    """Return the path of a program, or skip the test with the name of the package that brings it."""
    path = shutil.which(program, path=os.environ.get("PATH", "") + ":/usr/sbin:/usr/local/sbin")
    if path is None:
        pytest.skip(f"{program} is not installed: apt-get install {package}")
    return path


def free_port() -> int:
    """A port that nobody listens on at present."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


@contextmanager
def folder() -> Iterator[Path]:
    """An empty folder that any user may enter and write to: some programs leave root's account by themselves."""
    path = Path(tempfile.mkdtemp(prefix="sse-client-"))
    path.chmod(0o777)
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


class Program:
    """A program that listens on a port of the loopback interface."""

    def __init__(
        self, arguments: Sequence[str], port: int, log: Path, *, environment: Optional[dict[str, str]] = None
    ) -> None:
        self.port = port
        self._arguments = arguments
        self._log = log
        self._environment = {**os.environ, **(environment or {})}
        self._process: Optional[subprocess.Popen[bytes]] = None

    def start(self) -> None:
        """Start it and wait until it listens."""
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                self._arguments,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self._log.parent,
                env=self._environment,
                start_new_session=True,
            )
        deadline = time.monotonic() + START
        pause = threading.Event()
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
                return
            except OSError:
                pass
            if self._process.poll() is not None or time.monotonic() > deadline:
                said = self._log.read_text(errors="replace")[-3000:]
                self.stop()
                raise AssertionError(f"{self._arguments[0]} does not listen:\n{said}")
            pause.wait(0.02)

    def signal(self, number: int) -> None:
        """Send it a signal, while it runs."""
        assert self._process is not None
        self._process.send_signal(number)

    def kill(self) -> None:
        """End it as ``kill -9`` does, and wait for its end."""
        self.signal(signal.SIGKILL)
        self.stop()

    def stop(self) -> None:
        """End it, and wait for its end."""
        process, self._process = self._process, None
        if process is None:
            return
        process.terminate()
        try:
            process.wait(5)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(5)
        # Workers that have outlived it are in its session, and nobody else is.
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)


@contextmanager
def running(
    arguments: Sequence[str], port: int, log: Path, *, environment: Optional[dict[str, str]] = None
) -> Iterator[Program]:
    """Run a program for as long as the block lasts."""
    program = Program(arguments, port, log, environment=environment)
    try:
        program.start()
        yield program
    finally:
        program.stop()
