"""`Terminal`: what may reach a terminal, when there are colours, how lines are written."""

from __future__ import annotations

import io
import os
from typing import TextIO

import pytest

from sse_client.cli.terminal import Terminal

PLAIN_ENVIRONMENT = {"TERM": "xterm"}


class Screen(io.StringIO):
    """Memory that says it is a terminal."""

    def isatty(self) -> bool:
        return True


class EncodedScreen(io.TextIOWrapper):
    """The same with an encoding."""

    def isatty(self) -> bool:
        return True


def on_screen(**options: bool) -> Terminal:
    """A terminal in colour."""
    return Terminal(Screen(), environ=PLAIN_ENVIRONMENT, **options)


def test_control_characters_do_not_reach_a_terminal() -> None:
    """Every control character is replaced but LF and TAB, and nothing else is."""
    terminal = on_screen()
    for code in [*range(0x20), 0x7F, *range(0x80, 0xA0)]:
        shown = terminal.safe(f"a{chr(code)}b")
        if chr(code) in "\n\t":
            assert shown == f"a{chr(code)}b"
        else:
            assert len(shown) == 3
            assert shown[1].isprintable()
    assert terminal.safe("\x1b]0;owned\x07\r\x9b2J") == "␛]0;owned␇␍\ufffd2J"
    harmless = "Grüße, 東京 😀\u200d ~ \u00a0"
    assert terminal.safe(harmless) == harmless


def test_painted_text_is_safe_too() -> None:
    """Text to be painted cannot bring its own escape sequences, nor end ours."""
    assert on_screen().paint("\x1b[0m!", "red", "bold") == "\x1b[31;1m␛[0m!\x1b[0m"
    assert on_screen().paint("\x1b[2J") == "␛[2J"


def test_a_pipe_gets_text_unchanged_and_no_colour() -> None:
    """What is not a terminal gets what came, without colours."""
    pipe = Terminal(io.StringIO(), environ=PLAIN_ENVIRONMENT)
    assert pipe.safe("\x1b[2J\x00") == "\x1b[2J\x00"
    assert pipe.paint("text", "red") == "text"


@pytest.mark.parametrize(
    ("environ", "color", "expected"),
    [
        ({"TERM": "xterm"}, True, True),
        ({}, True, True),
        ({"TERM": "xterm"}, False, False),
        ({"TERM": "xterm", "NO_COLOR": "1"}, True, False),
        ({"TERM": "xterm", "NO_COLOR": ""}, True, True),  # no-color.org: "when present and not an empty string"
        ({"TERM": "dumb"}, True, False),
    ],
)
def test_who_has_a_say_in_colours(environ: dict[str, str], color: bool, expected: bool) -> None:
    """The program, NO_COLOR and TERM=dumb can each switch colours off; safety stays."""
    terminal = Terminal(Screen(), color=color, environ=environ)
    assert terminal.in_color is expected
    assert ("\x1b" in terminal.paint("x", "red")) is expected
    assert terminal.safe("\x1b") == "␛"


def test_a_pipe_is_utf_8_with_bare_line_feeds_whatever_the_locale() -> None:
    """In a pipe the bytes are UTF-8, and line feeds stay line feeds."""
    raw = io.BytesIO()
    terminal = Terminal(io.TextIOWrapper(raw, encoding="ascii", newline="\r\n"))
    terminal.line("Grüße\n東京")
    assert raw.getvalue() == "Grüße\n東京\n".encode()
    assert terminal.can_show("▲")


def test_a_poor_terminal_shows_what_it_can() -> None:
    """A character that a terminal's encoding lacks is no error, and can be asked about."""
    raw = io.BytesIO()
    terminal = Terminal(EncodedScreen(raw, encoding="ascii"))
    assert not terminal.can_show("▲")
    assert terminal.can_show("+")
    terminal.line("ü")
    assert raw.getvalue() == b"?\n"


def test_each_line_is_flushed() -> None:
    """A line is out when the call returns."""
    raw = io.BytesIO()
    stream: TextIO = io.TextIOWrapper(io.BufferedWriter(_Raw(raw)), encoding="utf-8")
    Terminal(stream).line("now")
    assert raw.getvalue() == b"now\n"


class _Raw(io.RawIOBase):
    """Writes through to memory."""

    def __init__(self, sink: io.BytesIO) -> None:
        super().__init__()
        self._sink = sink

    def writable(self) -> bool:
        return True

    def write(self, data: object) -> int:
        return self._sink.write(data)  # type: ignore[arg-type]


def test_nowhere_is_no_error() -> None:
    """Where there is no stdout at all, printing does nothing."""
    nowhere = Terminal(None)
    nowhere.line("x")
    nowhere.silence()
    assert not nowhere.is_terminal
    assert nowhere.can_show("▲")


def test_silencing_a_stream_that_works_changes_nothing() -> None:
    """A stream that can still be written is left as it is."""
    stream = io.StringIO()
    terminal = Terminal(stream)
    terminal.silence()
    terminal.line("still there")
    assert stream.getvalue() == "still there\n"


def test_what_a_broken_pipe_did_not_take_is_let_go() -> None:
    """After `silence`, a stream whose reader has gone can be flushed and closed without an error."""
    reading, writing = os.pipe()
    stream = open(writing, "w", encoding="utf-8")  # noqa: SIM115 - closing it is what is tested
    terminal = Terminal(stream)
    os.close(reading)
    with pytest.raises(BrokenPipeError):
        terminal.line("x")
    with pytest.raises(BrokenPipeError):
        stream.flush()
    terminal.silence()
    stream.flush()
    stream.close()


def test_a_descriptor_where_there_is_one() -> None:
    """A stream of the system's has its descriptor; memory and nowhere have none."""
    reading, writing = os.pipe()
    os.close(reading)
    with open(writing, "w", encoding="utf-8") as stream:
        assert Terminal(stream).descriptor == writing
    assert Terminal(io.StringIO()).descriptor is None
    assert Terminal(None).descriptor is None
