"""Running the programs of this folder as users do: in a process of their own, their output read line by line."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.integration.support import ROOT, TIMEOUT, Child

HERE = Path(__file__).resolve().parent


@contextmanager
def program(*command: str, python: str = sys.executable, **environment: str) -> Iterator[Child]:
    """Run a Python program of this folder, or code that uses one, and read what it prints."""
    process = subprocess.Popen(
        [python, "-u", *command],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        cwd=HERE,
        env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
    )
    running = Child(process)
    try:
        yield running
    finally:
        running.end()
        assert process.stdin is not None
        process.stdin.close()


def tell(running: Child, line: str) -> None:
    assert running.process.stdin is not None
    running.process.stdin.write(line + "\n")
    running.process.stdin.flush()


def ended(running: Child) -> int:
    code = running.process.wait(TIMEOUT)
    running.wait_for("(end of output)")
    return code
