from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import sse_client

ROOT = Path(sse_client.__file__).parent.parent
PARTS = ("parse", "end_to_end", "live", "latency", "growth", "command", "relay", "footprint")


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "tests.benchmarks", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)


def test_help_names_the_parts() -> None:
    """--help has a line for each part that can be run alone, and says what it measures."""
    lines = [line.split() for line in run("--help").stdout.partition("\nparts:\n")[2].splitlines()]
    assert [line[0] for line in lines] == list(PARTS)
    assert all(len(line) > 3 for line in lines)


@pytest.mark.parametrize("arguments", [("nothing",), ("live", "nothing")])
def test_a_part_that_is_not_there(arguments: tuple[str, ...]) -> None:
    """Before anything is measured, the message names it and those that are."""
    result = run(*arguments)
    assert (result.returncode, result.stdout) == (2, "")
    assert "there is no part 'nothing'" in result.stderr
    assert ", ".join(PARTS) in result.stderr
