"""Every block of the README runs here, with a local server in the place of https://example.com."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from sse_client.testing import EventStreamServer, Exchange, event, retry

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = [
    pytest.param(language, code, id=f"line {README.count(chr(10), 0, match.start()) + 1}")
    for match in re.finditer(r"^```(\w*)\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)
    for language, code in [match.groups()]
]
INSTALLING = "python3 -m venv .venv"


def answer(exchange: Exchange) -> None:
    """Three events, then a clean end; whoever has them all is told to stop."""
    if exchange.request.headers.get("Last-Event-ID") == "3":
        exchange.respond(204)
    elif exchange.request.method == "POST":
        token = '{"choices": [{"delta": {"content": "Hello"}}]}'
        exchange.run(event(token), event("[DONE]"), event("not for the reader"))
    else:
        exchange.run(
            retry(0.01),
            event('{"build": 1}', id="1"),
            event('{"symbol": "ACME", "price": 3.5}', type="price-update", id="2"),
            event('{"build": 2}', id="3"),
        )


@pytest.fixture
def server() -> Iterator[EventStreamServer]:
    with EventStreamServer() as running:
        running.handler = answer
        yield running


@pytest.mark.parametrize(("language", "code"), [block for block in BLOCKS if block.values[0] == "python"])
def test_python(
    language: str, code: str, server: EventStreamServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every Python block of the README runs as it stands."""
    monkeypatch.chdir(tmp_path)
    code = code.replace("https://example.com", server.url.rstrip("/"))
    exec(compile(code, "README.md", "exec", dont_inherit=True), {"__name__": "__readme__"})


def shell_lines() -> Iterator[str]:
    for block in BLOCKS:
        if block.values[0] == "sh":
            yield from str(block.values[1]).splitlines()


@pytest.mark.parametrize("line", [line for line in shell_lines() if line.startswith("sse-client ")])
def test_commands(line: str, server: EventStreamServer) -> None:
    """Every call of sse-client in the README works."""
    arguments = shlex.split(line.replace("https://example.com", server.url.rstrip("/")))[1:]
    done = subprocess.run(
        [sys.executable, "-m", "sse_client", *arguments], capture_output=True, timeout=60, check=False, cwd=ROOT
    )
    assert done.returncode == 0, done.stderr
    assert b"build" in done.stdout


def test_installing() -> None:
    """The README has two commands for a fresh clone; CI runs the one for the tests exactly as it stands there."""
    demo, tests = [line for line in shell_lines() if line.startswith(INSTALLING)]
    assert demo.endswith("/sse-client --demo")
    assert tests in (ROOT / ".ci" / "run").read_text(encoding="utf-8").splitlines()


def test_no_other_blocks() -> None:
    """Every block of the README is of a kind that is run here, and every shell line is one of those above."""
    assert {block.values[0] for block in BLOCKS} == {"python", "sh"}
    assert all(line.startswith(("sse-client ", INSTALLING, ".venv/bin/")) for line in shell_lines())


def test_tests_that_are_named_exist() -> None:
    """Every test that the README names, as the holder of a promise or in the fault matrix, exists."""
    for path in re.findall(r"`(tests/[\w/]+\.py)`", README):
        assert (ROOT / path).is_file(), path
    for path in re.findall(r"\]\((tests/[^)]+)\)", README):
        assert (ROOT / path).exists(), path
