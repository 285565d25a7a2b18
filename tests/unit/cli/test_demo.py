"""The demo's `View`: a line for everything that happens, and a count that cannot be talked into anything."""

from __future__ import annotations

import io
import json
from typing import Any

from sse_client import CommentEvent, ConnectionFailed, ConnectionLost, ErrorEvent, EventSource, MessageEvent, OpenEvent
from sse_client.cli.demo import View
from sse_client.cli.terminal import Terminal
from sse_client.testing import ScriptedConnector, drop, event, raw, retry


class Screen(io.TextIOWrapper):
    """Memory that says it is a terminal."""

    def __init__(self, encoding: str = "utf-8") -> None:
        super().__init__(io.BytesIO(), encoding=encoding)

    def isatty(self) -> bool:
        return True

    @property
    def text(self) -> str:
        """What has been written."""
        assert isinstance(self.buffer, io.BytesIO)
        return self.buffer.getvalue().decode(self.encoding)


def tick(number: int, type: str = "price", **data: Any) -> MessageEvent:
    """An event of the market."""
    data = {"number": number, "symbol": "BIRCH", **({"price": 101.2, "change": 0.3} if type == "price" else {}), **data}
    return MessageEvent(type, json.dumps(data), str(number))


def shown(*events: Any) -> list[str]:
    """The lines that a view prints for these events, and at the end, in a pipe."""
    stream = io.StringIO()
    view = View(Terminal(stream))
    for item in events:
        view.show(item)
    view.finish()
    return stream.getvalue().splitlines()


def test_the_first_line_says_what_this_is_and_where() -> None:
    """The first line names the demo and the address, within 80 columns."""
    stream = io.StringIO()
    View(Terminal(stream)).begin("http://127.0.0.1:65535/", 10.0)
    first, second, *_ = stream.getvalue().splitlines()
    assert first == "sse-client demo: live events from a market on http://127.0.0.1:65535/"
    assert "10 seconds" in second
    assert "Ctrl-C" in second
    assert max(len(first), len(second)) <= 80


def test_columns_are_aligned() -> None:
    """Numbers end, and types, symbols and prices stand, in the same columns."""
    lines = shown(
        tick(1),
        tick(22, change=-1.25, price=9.5),
        tick(333, change=0.0),
        tick(4444, "trade", price=1234.5, shares=120),
        tick(5555, "news", text="opens an office"),
    )[:5]
    assert lines == [
        "    1  price  BIRCH    101.20  ▲  0.30",
        "   22  price  BIRCH      9.50  ▼  1.25",
        "  333  price  BIRCH    101.20  =  0.00",
        " 4444  trade  BIRCH   1234.50      120 shares",
        " 5555  news   BIRCH  opens an office",
    ]


def test_the_life_of_the_connection_is_told() -> None:
    """The user sees connected, heartbeats, disconnected with the real delay and the reason, and where it goes on."""
    lost = ConnectionLost("the stream was cut off", url="http://127.0.0.1:1/")
    opened = OpenEvent("http://127.0.0.1:1/", {})
    lines = shown(opened, tick(1), CommentEvent(" heartbeat"), ErrorEvent(lost, 0.5678, 0), opened, tick(2))
    assert [line for line in lines if "BIRCH" not in line] == [
        "   --  connected",
        "   --  heartbeat",
        "   --  disconnected, again in 0.6 s",
        "       the stream was cut off",
        "   --  connected again, going on after 1",
        "",
        "✓ events 2, reconnections 1, lost 0, repeated 0",
    ]


def test_no_delay_is_shown_where_there_is_no_further_attempt() -> None:
    """An error that ends the stream announces no attempt."""
    assert shown(ErrorEvent(ConnectionLost("over", url="http://127.0.0.1:1/"), None, 0))[0] == "   --  disconnected"


def test_a_demo_in_which_nothing_comes_is_no_success() -> None:
    """Without a single event nothing has been shown, and the summary does not look as if it had."""
    failed = ConnectionFailed("refused", url="http://127.0.0.1:1/")
    lines = shown(ErrorEvent(failed, 3.0, 1))
    assert lines[0] == "   --  not connected, again in 3.0 s"
    assert lines[-1] == "✗ events 0, reconnections 0, lost 0, repeated 0"


def test_the_summary_counts_what_is_lost_and_what_is_repeated() -> None:
    """A gap and a repeat are seen in the summary, which then has another sign."""
    assert shown(tick(1), tick(4), tick(4), tick(5))[-1] == "✗ events 4, reconnections 0, lost 2, repeated 1"


def test_a_server_that_forgets_is_found_out() -> None:
    """Followed by the real client, a server that leaves events out or sends them twice gets no clean count."""
    connector = ScriptedConnector()
    one, two, four = (event(tick(n).data, type="price", id=str(n)) for n in (1, 2, 4))
    connector.stream(retry(0.5), one, two, raw(b"data: {"), drop())
    connector.stream(two, four)
    connector.end()
    view = View(Terminal(io.StringIO()))
    for item in EventSource(connector).lifecycle():
        view.show(item)
    assert (view.tally.events, view.tally.lost, view.tally.repeated, view.reconnections) == (4, 1, 1, 1)
    assert not view.tally.is_exact


def test_a_terminal_gets_colours_and_the_summary_too() -> None:
    """On a terminal, rises are green, falls red, a clean count green, another one red."""
    screen = Screen()
    view = View(Terminal(screen, environ={}))
    view.show(tick(1))
    view.show(tick(2, change=-0.3))
    view.finish()
    view.show(tick(9))
    view.finish()
    assert "\x1b[32m▲  0.30\x1b[0m" in screen.text
    assert "\x1b[31m▼  0.30\x1b[0m" in screen.text
    assert "\x1b[32m✓\x1b[0m \x1b[1mevents 2," in screen.text
    assert "\x1b[31m✗\x1b[0m \x1b[1mevents 3," in screen.text


def test_a_terminal_without_the_signs_gets_others() -> None:
    """Where the encoding has no arrows, plus and minus stand for them, not question marks."""
    screen = Screen("latin-1")
    view = View(Terminal(screen, color=False))
    view.show(tick(1))
    view.show(tick(2, change=-0.3))
    view.finish()
    view.show(tick(2))
    view.finish()
    assert [" ".join(line.split()) for line in screen.text.splitlines()] == [
        "1 price BIRCH 101.20 + 0.30",
        "2 price BIRCH 101.20 - 0.30",
        "",
        "* events 2, reconnections 0, lost 0, repeated 0",
        "2 price BIRCH 101.20 + 0.30",
        "",
        "! events 3, reconnections 0, lost 0, repeated 1",
    ]
