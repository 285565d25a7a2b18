"""The command line without a network: arguments, what is printed for what, JSON."""

from __future__ import annotations

import io
import json
import logging
from typing import Any, Optional

import pytest

from sse_client import (
    ConnectionFailed,
    EventSource,
    EventTooLarge,
    MessageEvent,
    ReconnectPolicy,
    ResponseRejected,
    __version__,
)
from sse_client.cli import follow, json_line, main
from sse_client.terminal import Terminal
from sse_client.testing import ScriptedConnector, comment, drop, event, hold

EXACT = ReconnectPolicy(jitter=0.0)


class Screen(io.StringIO):
    """Memory that says it is a terminal."""

    def isatty(self) -> bool:
        return True


def followed(
    connector: ScriptedConnector, *, limit: Optional[int] = None, **options: Any
) -> tuple[list[str], list[str]]:
    """What `follow` prints to its two streams, in lines."""
    out, err = io.StringIO(), io.StringIO()
    source = EventSource(connector, reconnect=EXACT, **options)
    with source:
        follow(source, Terminal(out), Terminal(err), to_text=lambda event: event.data, limit=limit)
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
    assert err == [
        "connected to http://scripted.test/",
        "disconnected: the connection was dropped in the middle of the response; again in 3.0 s",
        "connected to http://scripted.test/",
        "disconnected: the server ended the stream; again in 3.0 s",
    ]


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


def test_limit_stops_at_once() -> None:
    """After the Nth event nothing is printed any more, and the connection is given back."""
    connector = ScriptedConnector()
    connector.stream(event("1"), event("2"), event("3"), hold())
    out, _ = followed(connector, limit=2)
    assert out == ["1", "2"]
    assert connector.open_connections == 0


def test_a_hostile_server_cannot_steer_a_terminal() -> None:
    """Escape sequences in the data show on a terminal as what they are; in a pipe they pass."""
    hostile = "\x1b]0;owned\x07 \x9b2J\tok"
    for stream, expected in ((Screen(), "␛]0;owned␇ \ufffd2J\tok\n"), (io.StringIO(), hostile + "\n")):
        connector = ScriptedConnector()
        connector.stream(event(hostile))
        source = EventSource(connector, reconnect=None)
        follow(source, Terminal(stream), Terminal(None), to_text=lambda event: event.data)
        assert stream.getvalue() == expected


def test_json_is_one_line_with_all_fields() -> None:
    """An event as JSON has its four fields and keeps every character, unescaped where that is safe."""
    event = MessageEvent("price", 'a\n"ü東😀\x00', "7", "https://example.com")
    assert json_line(event) == (
        '{"type": "price", "data": "a\\n\\"ü東😀\\u0000", "last_event_id": "7", "origin": "https://example.com"}'
    )


def test_json_is_one_line_to_everyone_and_safe_on_a_terminal() -> None:
    """Whatever the data, the JSON is one line by anybody's rules, holds no control character, and decodes to it."""
    data = "".join(map(chr, [*range(0x100), 0x2028, 0x2029]))
    text = json_line(MessageEvent(data=data))
    assert len(text.splitlines()) == 1
    assert Terminal(Screen()).safe(text) == text
    assert json.loads(text)["data"] == data


# Arguments


def usage_error(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """What the command says, on stderr alone, to wrong arguments."""
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("usage: sse-client")
    return err.splitlines()[-1]


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ([], "a URL is required"),
        (["example.com"], "url must start with http:// or https://"),
        (["ftp://example.com/"], "url must start with http:// or https://"),
        (["http://"], "url must name a host"),
        (["http://a.test:port/"], "url is malformed"),
        (["http://a.test/", "-H", "X: a\nb"], "'X'"),
        (["http://a.test/", "-H", "no name: x"], "'no name'"),
        (["http://a.test/", "-H", ": x"], "''"),
        (["http://a.test/", "-H", "Last-Event-ID: 5"], "Last-Event-ID"),
        (["http://a.test/", "--last-event-id", "a\nb"], "last_event_id"),
        (["http://a.test/", "--limit", "0"], "'0'"),
        (["http://a.test/", "--limit", "many"], "'many'"),
        (["http://a.test/", "--seconds", "3"], "--seconds is for --demo"),
        (["http://a.test/", "--js"], "--js"),  # no abbreviations: they would break when an option is added
        (["--demo", "http://a.test/"], "--demo goes with"),
        (["--demo", "--json"], "--demo goes with"),
        (["--demo", "-H", "A: b"], "--demo goes with"),
        (["--demo", "--no-reconnect"], "--demo goes with"),
        (["--demo", "--seconds", "0"], "'0'"),
        (["--demo", "--seconds", "nan"], "'nan'"),
        (["--demo", "--seconds", "inf"], "'inf'"),
        (["--demo", "--seconds", "soon"], "'soon'"),
    ],
)
def test_wrong_usage_is_named(capsys: pytest.CaptureFixture[str], arguments: list[str], named: str) -> None:
    """A wrong argument ends the command with code 2 and a message that names it."""
    assert named in usage_error(capsys, *arguments)


@pytest.mark.parametrize("value", ["Bearer s3cret", "Authorization: s3cret\r\nX: y"])
def test_a_header_that_is_refused_is_not_shown(capsys: pytest.CaptureFixture[str], value: str) -> None:
    """What may be a token does not appear in the message."""
    assert "s3cret" not in usage_error(capsys, "http://a.test/", "-H", value)


def test_version_and_help(capsys: pytest.CaptureFixture[str]) -> None:
    """--version prints the version; --help every option, the exit codes and an example, within 80 columns."""
    for option in ("--version", "--help"):
        with pytest.raises(SystemExit) as caught:
            main([option])
        assert caught.value.code == 0
    version, help_text = capsys.readouterr().out.split("\n", 1)
    assert version == f"sse-client {__version__}"
    for text in ("--json", "-H", "--last-event-id", "--limit", "--no-reconnect", "--no-color", "-v", "--demo"):
        assert text in help_text
    assert "exit codes:\n  0 " in help_text
    assert all(f"\n  {code}  " in help_text for code in ("1  ", "2  ", "130"))
    assert max(map(len, help_text.splitlines())) <= 80


# From the arguments to the end, with a source that is scripted


class Scripted:
    """Stands in for `EventSource`: what it was made with, and the connector that it reads."""

    def __init__(self) -> None:
        self.connector = ScriptedConnector()
        self.url = ""
        self.options: dict[str, Any] = {}

    def __call__(self, url: str, **options: Any) -> EventSource:
        self.url, self.options = url, options
        return EventSource(self.connector, last_event_id=options["last_event_id"])


@pytest.fixture
def scripted(monkeypatch: pytest.MonkeyPatch) -> Scripted:
    """The command follows a script instead of a URL."""
    script = Scripted()
    monkeypatch.setattr("sse_client.cli.EventSource", script)
    return script


def test_options_reach_the_source(scripted: Scripted) -> None:
    """URL, headers, last event ID and --no-reconnect are what the source is made with."""
    scripted.connector.end()
    arguments = ["http://a.test/", "-H", "X-Key:  a:b ", "-H", "Accept: c", "-H", "accept: d", "--last-event-id", "5"]
    assert main([*arguments, "--no-reconnect"]) == 0
    assert scripted.url == "http://a.test/"
    assert scripted.options == {
        "headers": {"X-Key": "a:b", "Accept": "c, d"},
        "last_event_id": "5",
        "reconnect": None,
    }
    scripted.connector.end()
    assert main(["http://a.test/"]) == 0
    assert scripted.options == {"headers": {}, "last_event_id": ""}


def test_limit_reaches_the_loop(scripted: Scripted, capsys: pytest.CaptureFixture[str]) -> None:
    """--limit 1 prints one event, and ends with 0."""
    scripted.connector.stream(event("1"), event("2"), hold())
    assert main(["http://a.test/", "--limit", "1"]) == 0
    assert capsys.readouterr().out == "1\n"
    assert scripted.connector.closed


def test_a_stream_that_fails_is_code_1_and_its_reason(scripted: Scripted, capsys: pytest.CaptureFixture[str]) -> None:
    """The error's text is on stderr, and the code is 1; the body of a response is shown with -v only."""
    error = ResponseRejected(
        "status 404", url="http://a.test/", status=404, headers={}, body=b"no such \x1b[2J stream\n"
    )
    scripted.connector.fail(error)
    assert main(["http://a.test/"]) == 1
    assert capsys.readouterr() == ("", "sse-client: status 404 (http://a.test/)\n")
    scripted.connector.fail(error)
    assert main(["-v", "http://a.test/"]) == 1
    assert capsys.readouterr().err.endswith("sse-client: status 404 (http://a.test/)\nno such \x1b[2J stream\n")
    scripted.connector.fail(EventTooLarge(url="http://a.test/", limit=5))
    assert main(["-v", "http://a.test/"]) == 1
    assert capsys.readouterr().err.endswith("max_event_size=5 bytes (http://a.test/)\n")


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
        assert len([line for line in err.splitlines() if line.startswith("disconnected: ")]) == 1


def test_the_demo_is_started_for_as_long_as_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    """--demo takes 10 seconds, or as many as --seconds says; its code is the command's."""
    calls: list[float] = []

    def run_demo(seconds: float, out: Terminal) -> int:
        assert isinstance(out, Terminal)
        calls.append(seconds)
        return 1

    monkeypatch.setattr("sse_client.cli.run_demo", run_demo)
    assert main(["--demo"]) == 1
    assert main(["--demo", "--seconds", "2.5", "--no-color", "-v"]) == 1
    assert calls == [10.0, 2.5]
