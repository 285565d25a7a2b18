"""The repetition tells which test failed, and how often."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from .repeat import main

SUITE = """
import os, pathlib, time

def test_good():
    pass

def test_flaky():
    state = pathlib.Path(__file__).with_name("state")
    runs = len(state.read_text()) if state.exists() else 0
    state.write_text("x" * (runs + 1))
    assert runs != 1, "the second run fails"

def test_that_ends_the_run():
    if os.environ.get("END_THE_RUN"):
        os._exit(7)
"""


@pytest.fixture
def suite(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The arguments for a suite of which one test fails in the second run."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    monkeypatch.delenv("PYTEST_ADDOPTS", raising=False)  # options of the run that this test is in
    (tmp_path / "pytest.ini").write_text("[pytest]", encoding="utf-8")
    (tmp_path / "test_suite.py").write_text(SUITE, encoding="utf-8")
    return [str(tmp_path / "test_suite.py"), "-p", "no:cacheprovider", "-c", str(tmp_path / "pytest.ini")]


def test_the_test_that_failed_is_named(suite: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One failure in two runs is told with its run, its output and its count."""
    assert main(["--times", "2", "--load", "1", *suite]) == 1
    *runs, count = capsys.readouterr().out.splitlines()
    assert re.fullmatch(r"run 1 of 2, \d+ s: passed", runs[0])
    assert re.fullmatch(r"run 2 of 2, \d+ s: \S*test_suite.py::test_flaky \(.*run-2-\w+\.log\)", runs[1])
    assert re.fullmatch(r"1 of 2: \S*test_suite.py::test_flaky", count)
    (log,) = tmp_path.glob("run-2-*.log")
    assert "the second run fails" in log.read_text(encoding="utf-8")


def test_a_run_that_was_ended(
    suite: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A run that ends before its summary is a failure with the exit code."""
    monkeypatch.setenv("END_THE_RUN", "1")
    assert main(["--times", "1", "--load", "0", *suite]) == 1
    assert capsys.readouterr().out.splitlines()[-1] == "1 of 1: ended with code 7"


def test_all_is_well(suite: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """Without a failure the exit code is 0."""
    assert main(["--times", "1", "--load", "0", *suite]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 1
