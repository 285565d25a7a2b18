"""The command line without a network: what is printed for what, and the exit codes."""

from __future__ import annotations

import argparse
import io
import logging
from typing import Any, Optional

import pytest

from sse_client import ConnectionFailed, Connector, EventTooLarge, ReconnectPolicy, ResponseRejected
from sse_client.cli.follow import Following
from sse_client.cli.main import main
from sse_client.cli.options import make_parser, parse
from sse_client.cli.terminal import Terminal
from sse_client.testing import ScriptedConnector, comment, drop, event, hold

EXACT = ReconnectPolicy(jitter=0.0)


class Screen(io.StringIO):
    """Memory that says it is a terminal."""

    def isatty(self) -> bool:
        return True


def followed(
    connector: ScriptedConnector, *arguments: str, policy: Optional[ReconnectPolicy] = EXACT
) -> tuple[list[str], list[str]]:
    """What `Following` prints to its two streams, in lines."""
    out, err = io.StringIO(), io.StringIO()
    options = parse(make_parser(), ["http://a.test/", *arguments])
    assert Following(connector, policy, options, Terminal(out), Terminal(err)).run() == 0
    return out.getvalue().splitlines(), err.getvalue().splitlines()


# What is printed


def test_data_and_states_go_to_different_streams() -> None:
    """Data goes to one stream; connected and disconnected, with reason and delay, to the other."""
    connector = ScriptedConnector()
    connector.stream(comment("not shown"), event("one\ntwo", id="1"), drop())
    connector.stream(event("three"))
    connector.end()
    out, err = followed(connector)
    assert out == ["one", "two", "three"]
    over = err.pop()
    assert err == [
        "connected to http://scripted.test/",
        "disconnected: the connection was dropped in the middle of the response; again in 3.0 s",
        "connected to http://scripted.test/",
        "disconnected: the server ended the stream; again in 3.0 s",
    ]
    assert over == "the server says that the stream is over (status 204)"


def test_an_attempt_that_fails_is_not_called_a_disconnection() -> None:
    """A connection that never was is told apart, with the address."""
    connector = ScriptedConnector()
    connector.fail(ConnectionFailed("no connection", url="http://a.test/"))
    connector.respond(503, headers={"Retry-After": "7"})
    connector.end()
    _, err = followed(connector)
    assert err[0] == "not connected: no connection (http://a.test/); again in 3.0 s"
    assert err[1].startswith("not connected: ")
    assert "503" in err[1]
    assert err[1].endswith("; again in 7.0 s")


def test_a_204_at_once_is_told() -> None:
    """A stream that is over from the start says so, and is not just silent."""
    connector = ScriptedConnector()
    connector.end()
    assert followed(connector) == ([], ["the server says that the stream is over (status 204)"])


def test_the_end_of_the_only_connection_is_not_called_a_204() -> None:
    """Without reconnecting, the end of the stream is told as what it is."""
    connector = ScriptedConnector()
    connector.stream(event("1"))
    assert followed(connector, policy=None) == (
        ["1"],
        ["connected to http://scripted.test/", "the server ended the stream"],
    )


def test_limit_stops_at_once() -> None:
    """After the Nth event nothing is printed any more, of an end neither, and the connection is given back."""
    connector = ScriptedConnector()
    connector.stream(event("1"), event("2"), event("3"), hold())
    out, err = followed(connector, "--limit", "2")
    assert out == ["1", "2"]
    assert err == ["connected to http://scripted.test/"]
    assert connector.open_connections == 0


def test_a_hostile_server_cannot_steer_a_terminal() -> None:
    """Escape sequences in the data show on a terminal as what they are; in a pipe they pass."""
    hostile = "\x1b]0;owned\x07 \x9b2J\tok"
    for stream, expected in ((Screen(), "␛]0;owned␇ \ufffd2J\tok\n"), (io.StringIO(), hostile + "\n")):
        connector = ScriptedConnector()
        connector.stream(event(hostile))
        options = parse(make_parser(), ["http://a.test/", "-o", "data"])
        Following(connector, None, options, Terminal(stream), Terminal(None)).run()
        assert stream.getvalue() == expected


# From the arguments to the end, with a source that is scripted


class Scripted:
    """Stands in for the connector of a URL: the options that it was asked for with, and the script."""

    def __init__(self) -> None:
        self.connector = ScriptedConnector()
        self.options = argparse.Namespace()

    def __call__(self, options: argparse.Namespace) -> Connector:
        self.options = options
        return self.connector


@pytest.fixture
def scripted(monkeypatch: pytest.MonkeyPatch) -> Scripted:
    """The command follows a script instead of a URL."""
    script = Scripted()
    monkeypatch.setattr("sse_client.cli.main.make_stream", script)
    return script


def test_options_reach_the_connector(scripted: Scripted) -> None:
    """What the stream is asked for with is what the arguments say; it begins where they say."""
    scripted.connector.end()
    assert main(["http://a.test/", "-H", "X-Key: a", "--last-event-id", "5", "--no-reconnect"]) == 0
    assert (scripted.options.url, scripted.options.headers) == ("http://a.test/", ["X-Key: a"])
    assert scripted.connector.last_event_ids == ["5"]


def test_limit_reaches_the_loop(scripted: Scripted, capsys: pytest.CaptureFixture[str]) -> None:
    """--limit 1 prints one event, and ends with 0."""
    scripted.connector.stream(event("1"), event("2"), hold())
    assert main(["http://a.test/", "--limit", "1"]) == 0
    assert capsys.readouterr().out == "1\n"
    assert scripted.connector.closed


def failure(scripted: Scripted, capsys: pytest.CaptureFixture[str], error: Exception, *arguments: str) -> str:
    """What the command says on stderr when its stream fails, and that the code is 1, or 22 for a refusal."""
    scripted.connector.fail(error)
    assert main([*arguments, "http://a.test/"]) == (22 if isinstance(error, ResponseRejected) else 1)
    out, err = capsys.readouterr()
    assert out == ""
    return err


def rejected(body: bytes) -> ResponseRejected:
    """A response that is not an event stream."""
    return ResponseRejected("status 404", url="http://a.test/", status=404, headers={}, body=body)


def test_a_stream_that_fails_is_its_reason(scripted: Scripted, capsys: pytest.CaptureFixture[str]) -> None:
    """The error's text is on stderr."""
    text = failure(scripted, capsys, EventTooLarge(url="http://a.test/", limit=5))
    assert text == "sse-client: an event is larger than max_event_size=5 bytes (http://a.test/)\n"
    assert failure(scripted, capsys, rejected(b"")) == "sse-client: status 404 (http://a.test/)\n"


def test_what_a_rejected_response_says_is_shown(scripted: Scripted, capsys: pytest.CaptureFixture[str]) -> None:
    """A short body is shown whole, without empty lines around it and with plain ends of lines."""
    text = failure(scripted, capsys, rejected(b"\r\nno such\r\n\x1b[2J stream \xff\n\n"))
    assert text == "sse-client: status 404 (http://a.test/)\nno such\n\x1b[2J stream \ufffd\n"


def test_a_long_body_is_cut_unless_asked_for(scripted: Scripted, capsys: pytest.CaptureFixture[str]) -> None:
    """Of a long body some 300 characters are shown and how to see more; with -v all of it."""
    body = "é" * 298 + "\n" * 10 + "more"
    text = failure(scripted, capsys, rejected(("é" * 300).encode()))
    assert text.split("\n", 1)[1] == "é" * 300 + "\n"
    text = failure(scripted, capsys, rejected(body.encode()))
    assert text.split("\n", 1)[1] == "é" * 298 + " ... (more with -v)\n"
    assert failure(scripted, capsys, rejected(body.encode()), "-v").endswith(f"(http://a.test/)\n{body}\n")


def test_ctrl_c_is_code_130_and_quiet(scripted: Scripted, capsys: pytest.CaptureFixture[str]) -> None:
    """Ctrl-C prints nothing."""

    def interrupted() -> Any:
        raise KeyboardInterrupt

    scripted.connector.connection = interrupted  # type: ignore[method-assign]
    assert main(["http://a.test/"]) == 130
    assert capsys.readouterr() == ("", "")


def test_output_that_cannot_be_written_is_told(
    scripted: Scripted, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A full disk is code 1 with the system's reason; a reader who has gone is code 0 and quiet."""
    broken: list[OSError] = [OSError(28, "No space left on device"), BrokenPipeError(32, "Broken pipe")]

    class Broken(io.StringIO):
        def write(self, text: str) -> int:
            raise broken[0]

    monkeypatch.setattr("sys.stdout", Broken())
    for code, message in ((1, "sse-client: No space left on device\n"), (0, "")):
        scripted.connector.stream(event("x"), hold())
        assert main(["http://a.test/"]) == code
        assert capsys.readouterr().err == "connected to http://scripted.test/\n" + message
        broken.pop(0)


def test_verbose_logs_and_cleans_up(scripted: Scripted, capsys: pytest.CaptureFixture[str]) -> None:
    """-v shows the log on stderr; without it there are only states; the logger is as before afterwards."""
    logger = logging.getLogger("sse_client")
    before = (logger.level, list(logger.handlers))
    for arguments in (["-v"], []):
        scripted.connector.stream(event("x"), drop())
        scripted.connector.end()
        assert main([*arguments, "http://a.test/"]) == 0
        assert (logger.level, logger.handlers) == before
        out, err = capsys.readouterr()
        assert out == "x\n"
        assert (" sse_client WARNING: " in err) == (" sse_client INFO: " in err) == bool(arguments)
        assert ("\nconnected to " in f"\n{err}") != bool(arguments)
        told = [line for line in err.splitlines() if "the connection was dropped" in line]
        assert len(told) == 1, "each fact once"


def test_the_demo_is_started_for_as_long_as_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    """--demo takes 10 seconds, or as many as --seconds says; its code is the command's."""
    calls: list[float] = []

    def run_demo(seconds: float, out: Terminal) -> int:
        assert isinstance(out, Terminal)
        calls.append(seconds)
        return 1

    monkeypatch.setattr("sse_client.cli.main.run_demo", run_demo)
    assert main(["--demo"]) == 1
    assert main(["--demo", "--seconds", "2.5", "--no-color", "-v"]) == 1
    assert calls == [10.0, 2.5]
