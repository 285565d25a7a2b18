"""Every block of the README runs here, with a local server in the place of https://example.com."""

from __future__ import annotations

import base64
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

import sse_client.testing
from sse_client import ConnectionLost, EventSource, ReconnectPolicy, iter_events
from sse_client.testing import EventStreamServer, Exchange, ScriptedConnector, drop, event, hold, retry

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = [
    pytest.param(language, code, id=f"line {README.count(chr(10), 0, match.start()) + 1}")
    for match in re.finditer(r"^```(\w*)\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)
    for language, code in [match.groups()]
]
INSTALLING = "python3 -m venv .venv"

TOKEN = event('{"choices": [{"delta": {"content": "Hello"}}]}')
EMPTY = event('{"choices": [{"delta": {"content": null}}]}')
USAGE = event('{"choices": [], "usage": {"total_tokens": 7}}')


def answer(exchange: Exchange) -> None:
    """Three events, then a clean end; whoever has them all is told to stop."""
    if exchange.request.headers.get("Last-Event-ID") == "3":
        exchange.respond(204)
    elif exchange.request.method == "POST":
        exchange.run(TOKEN, USAGE, EMPTY, event("[DONE]"), event("not for the reader"))
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
    """Every Python block of the README runs as it stands; so do the tests that it holds."""
    monkeypatch.chdir(tmp_path)
    for name, value in run(code, server).items():
        if name.startswith("test_"):
            with EventStreamServer() as its_own:
                value(event_stream_server=its_own)


def run(code: str, server: EventStreamServer) -> dict[str, Any]:
    """Run a block with a local server; return the names it has made."""
    names: dict[str, Any] = {"__name__": "__readme__"}
    here = server.url.rstrip("/")
    code = code.replace("https://example.com", here).replace("wss://example.com", here.replace("http", "ws"))
    exec(compile(code, "README.md", "exec", dont_inherit=True), names)
    return names


def block_with(text: str) -> str:
    """The one Python block in which this stands."""
    (code,) = [str(code) for language, code in (block.values for block in BLOCKS) if text in str(code)]
    return code


def test_the_answer_of_a_language_model(server: EventStreamServer, capsys: pytest.CaptureFixture[str]) -> None:
    """The tokens are printed, with empty parts or without."""
    run(block_with("until_open=True"), server)
    assert capsys.readouterr().out == "Hello"


def test_a_language_model_that_says_no(server: EventStreamServer, capsys: pytest.CaptureFixture[str]) -> None:
    """A refusal is shown with what the server says, and with when to come back."""
    server.respond(402, b"no credit", headers={"Retry-After": "60"})
    run(block_with("until_open=True"), server)
    assert capsys.readouterr().out == "402 60.0 no credit\n"


def test_an_answer_that_breaks_off(server: EventStreamServer) -> None:
    """An error in the stream, its early end and its loss are noticed, and the question is sent once."""
    code = block_with("until_open=True")
    server.stream(TOKEN, event('{"error": "overloaded"}'), hold())
    with pytest.raises(RuntimeError, match="overloaded"):
        run(code, server)
    server.stream(TOKEN)
    with pytest.raises(RuntimeError, match=r"the answer ends before \[DONE\]"):
        run(code, server)
    server.stream(TOKEN, drop())
    with pytest.raises(ConnectionLost):
        run(code, server)
    assert len(server.requests) == 3


def test_a_patient_policy(server: EventStreamServer) -> None:
    """A maintenance page and a 404 are waited out by a patient policy, and are final by default."""
    connector = ScriptedConnector()
    connector.respond(200, b"<h1>Back soon</h1>", headers={"Content-Type": "text/html"})
    connector.respond(404)
    connector.stream(event("a"))
    connector.end()
    run(block_with("ReconnectPolicy.patient()"), server)
    source = EventSource(connector, reconnect=ReconnectPolicy.patient())
    assert [it.data for it in source] == ["a"]
    for status, content_type in ((200, "text/html"), (404, "text/event-stream")):
        connector.respond(status, headers={"Content-Type": content_type})
        with pytest.raises(sse_client.ResponseRejected):
            list(EventSource(connector))


def test_what_must_be_percent_encoded(server: EventStreamServer) -> None:
    """Quoted as the README says, any password arrives as it is."""
    server.respond(204)
    password = quote("p@ss:w/rd%41?#[é ]", safe="")
    list(EventSource(server.url.replace("http://", f"http://me:{password}@")))
    expected = "Basic " + base64.b64encode("me:p@ss:w/rd%41?#[é ]".encode()).decode()
    assert server.requests[0].headers["Authorization"] == expected


def test_lines_without_their_ends() -> None:
    """What iter_lines() brings has no event in it, as the README warns."""
    assert list(iter_events(b"data: a\n\ndata: b\n\n".split(b"\n"))) == []
    assert len(list(iter_events([b"data: a\n\ndata: b\n\n"]))) == 2


def test_the_steps_and_the_server_are_all_there() -> None:
    """The tables of steps and of the server's methods leave out nothing that sse_client.testing has."""
    section = README[README.index("\n## Testing") : README.index("\n## Reliability")]
    documented = set(re.findall(r"`(\w+)", "".join(re.findall(r"^\|.*", section, re.MULTILINE))))
    steps = {name for name in sse_client.testing.__all__ if name.islower()} - {"encode_event"}
    its_life = {"start", "close", "handler", "host", "port", "url"}
    methods = {name for name in dir(EventStreamServer) if not name.startswith("_")} - its_life
    assert (steps | methods) - documented == set()


def test_the_time_outs_are_those_of_the_event_source() -> None:
    """The table of time-outs has the defaults that the code has."""
    table = dict(re.findall(r"^\| `(\w+_timeout)` \| (\d+) s", README, re.MULTILINE))
    defaults = {k: v for k, v in (EventSource.__init__.__kwdefaults__ or {}).items() if k in table}
    assert set(table) == {"connect_timeout", "idle_timeout"}
    assert {name: float(seconds) for name, seconds in table.items()} == defaults


def shell_lines() -> Iterator[str]:
    for block in BLOCKS:
        if block.values[0] == "sh":
            yield from str(block.values[1]).splitlines()


@pytest.mark.parametrize("line", [line for line in shell_lines() if line.startswith("sse-client ")])
def test_commands(line: str, server: EventStreamServer, tmp_path: Path) -> None:
    """Every call of sse-client in the README works, up to where a shell takes over."""
    (tmp_path / "question.json").write_text("{}", encoding="utf-8")
    arguments = shlex.split(line.replace("https://example.com", server.url.rstrip("/")))[1:]
    end = next((index for index, word in enumerate(arguments) if word in ("|", ">>")), None)
    done = subprocess.run(
        [sys.executable, "-m", "sse_client", *arguments[:end]],
        capture_output=True,
        timeout=60,
        check=False,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == b"Hello" if "--until" in line else b"build" in done.stdout


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
