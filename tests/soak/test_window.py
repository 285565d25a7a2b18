"""A window that loses its connection all the time, and whose buttons are pressed all the time, loses nothing."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tests.integration.support import ROOT


def test_a_window_keeps_the_exact_sequence(display: str) -> None:
    """Fifteen seconds of faults, pauses, resumes and reconnects, at some hundred times the speed of life."""
    pytest.importorskip("tkinter", reason="needs the package python3-tk")
    command = [sys.executable, "-m", "tests.soak.window", "--minutes", "0.25"]
    result = subprocess.run(
        command,
        cwd=ROOT,
        env={**os.environ, "DISPLAY": display},
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )
    print(result.stdout)
    assert result.returncode == 0, result.stdout + result.stderr
    assert "lost 0, repeated 0, wrong 0" in result.stdout
