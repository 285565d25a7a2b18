"""``sse-client --demo`` in a child process: live events, cuts that are survived, a count that is true."""

from __future__ import annotations

import io
import json
import os
import re

import pytest

from sse_client.cli.demo import run_demo
from sse_client.cli.terminal import Terminal
from sse_client.testing import Exchange, event, hold

from .command import command, environment, run, run_on_terminal
from .support import TIMEOUT


def numbers_in(out: str) -> list[int]:
    """The numbers of the ticks that were shown."""
    return [int(match.group(1)) for match in re.finditer(r"^ *(\d+)  (?:price|trade|news)", out, re.MULTILINE)]


def expected_summary(out: str) -> str:
    """The last line that belongs to what was shown."""
    reconnections = out.count("connected again, going on after")
    return f"✓ events {len(numbers_in(out))}, reconnections {reconnections}, lost 0, repeated 0"


def test_the_demo_survives_its_server() -> None:
    """In 3 s the connection is cut, the numbers go on without a gap or a repeat, and the summary says what was seen."""
    code, out, err = run("--demo", "--seconds", "3", timeout=TIMEOUT + 3)
    assert (code, err) == (0, "")
    first, *_, last = out.splitlines()
    assert re.fullmatch(r"sse-client demo: live events from a market on http://127\.0\.0\.1:\d+/", first)
    numbers = numbers_in(out)
    assert numbers == list(range(1, len(numbers) + 1))
    assert len(numbers) >= 8
    assert re.search(r"^   --  disconnected, again in 0\.[5-8] s$", out, re.MULTILINE)
    assert "   --  connected again, going on after " in out
    assert last == expected_summary(out)
    assert "\x1b" not in out


@pytest.mark.skipif(os.name != "posix", reason="Ctrl-C is sent as SIGINT")
def test_ctrl_c_ends_the_demo_with_its_summary() -> None:
    """Ctrl-C ends the demo sooner: summary, code 0, no traceback."""
    with command("--demo", "--seconds", "60") as running:
        running.wait_for("out", "    3  ")
        running.interrupt()
        assert running.end() == 0
    assert running.err == ""
    assert running.out.splitlines()[-1] == expected_summary(running.out)


@pytest.mark.skipif(not hasattr(os, "openpty"), reason="there are no pseudo-terminals here")
def test_the_demo_has_colours_on_a_terminal_unless_told_otherwise() -> None:
    """On a terminal the demo is coloured; with NO_COLOR it is plain."""
    code, shown = run_on_terminal("--demo", "--seconds", "0.7")
    assert code == 0
    assert "\x1b[1msse-client demo\x1b[0m" in shown
    assert "\x1b[32mconnected\x1b[0m" in shown
    code, plain = run_on_terminal("--demo", "--seconds", "0.7", env=environment(NO_COLOR="1"))
    assert code == 0
    assert "\x1b" not in plain
    assert plain.startswith("sse-client demo: ")


def test_a_reader_who_leaves_ends_the_demo() -> None:
    """`sse-client --demo | head -1` ends quietly, long before its time."""
    reading, writing = os.pipe()
    with command("--demo", "--seconds", "60", stdout=writing) as running:
        os.close(writing)
        os.read(reading, 1)
        os.close(reading)
        assert running.end() == 0
    assert running.err == ""


def test_a_demo_that_loses_an_event_admits_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """With a server that leaves a number out and sends another twice, the summary says so, and the code is 1."""

    class Forgetful:
        def __init__(self, random: object) -> None:
            pass

        def serve(self, exchange: Exchange) -> None:
            data = [json.dumps({"number": n, "symbol": "BIRCH", "text": "x"}) for n in (1, 3, 3)]
            exchange.run(*(event(text, type="news") for text in data), hold())

    monkeypatch.setattr("sse_client.cli.demo.Market", Forgetful)
    stream = io.StringIO()
    assert run_demo(0.5, Terminal(stream)) == 1
    assert stream.getvalue().splitlines()[-1] == "✗ events 3, reconnections 0, lost 1, repeated 1"


def test_the_demo_leaves_nothing_behind_in_process() -> None:
    """Called from Python, the demo ends in its time with code 0; no thread or socket is left (conftest looks)."""
    stream = io.StringIO()
    assert run_demo(0.5, Terminal(stream)) == 0
    assert stream.getvalue().splitlines()[-1] == expected_summary(stream.getvalue())


def test_ctrl_c_while_a_line_is_printed_ends_the_demo_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wherever Ctrl-C strikes, the demo closes what it has opened, and sums up."""

    def struck(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("sse_client.cli.demo.View.show", struck)
    stream = io.StringIO()
    assert run_demo(60.0, Terminal(stream)) == 1  # nothing came, so nothing is shown
    assert stream.getvalue().splitlines()[-1] == "✗ events 0, reconnections 0, lost 0, repeated 0"


def test_the_demo_needs_no_proxy() -> None:
    """On a machine that goes out through a proxy, the demo on loopback works all the same."""
    variables = dict.fromkeys(("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"), "http://127.0.0.1:9")
    code, out, _ = run("--demo", "--seconds", "1", env=environment(**variables))
    assert code == 0
    assert "   --  connected\n" in out
