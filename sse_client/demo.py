"""``sse-client --demo``: a real server that cuts its connections, followed by the real client before your eyes."""

from __future__ import annotations

import random
import threading
from typing import Any

from .errors import ConnectionLost
from .events import ErrorEvent, LifecycleEvent, MessageEvent, OpenEvent
from .market import Market
from .source import EventSource
from .tally import Tally
from .terminal import Terminal
from .testing import EventStreamServer

__all__: list[str] = []

_TYPE_STYLES = {"price": ("cyan",), "trade": (), "news": ("bold",)}


def run_demo(seconds: float, out: Terminal) -> int:
    """Show an event stream that survives its connections. Blocks for ``seconds``, or until Ctrl-C.

    Returns:
        The exit code: 0 if events came, none was lost and none came twice; else 1.

    Raises:
        OSError: There is no port to be had on the loopback interface, or nobody reads the output.
    """
    view = View(out)
    with EventStreamServer() as server:
        server.handler = Market(random.Random()).serve  # noqa: S311 - prices, not secrets
        view.begin(server.url, seconds)
        with EventSource(server.url, trust_env=False) as source:  # a proxy knows no loopback of ours
            alarm = threading.Timer(seconds, source.close)
            alarm.daemon = True
            alarm.start()
            try:
                for event in source.lifecycle(comments=True):
                    view.show(event)
            except KeyboardInterrupt:
                pass
            finally:
                alarm.cancel()
                alarm.join()
    view.finish()
    return 0 if view.is_good else 1


class View:
    """What the demo shows, a line for everything that happens.

    Args:
        out: Where to.

    Attributes:
        tally: What has been counted.
        reconnections: How many connections have opened after the first.
    """

    tally: Tally
    reconnections: int

    def __init__(self, out: Terminal) -> None:
        self.tally = Tally()
        self.reconnections = 0
        self._out = out
        self._connected_before = False
        fancy = out.can_show("▲▼✓✗")
        self._up, self._down = ("▲", "▼") if fancy else ("+", "-")
        self._good, self._bad = ("✓", "✗") if fancy else ("*", "!")

    @property
    def is_good(self) -> bool:
        """Whether events came, none was lost and none came twice."""
        return self.tally.events > 0 and self.tally.is_exact

    def begin(self, url: str, seconds: float) -> None:
        """Say what this is."""
        self._out.line(f"{self._out.paint('sse-client demo', 'bold')}: live events from a market on {url}")
        self._out.line(
            self._out.paint(f"Its server cuts the connection now and then. {seconds:g} seconds, or Ctrl-C.", "dim")
        )
        self._out.line()

    def show(self, event: LifecycleEvent) -> None:
        """Show one thing that happened, and count it."""
        if isinstance(event, MessageEvent):
            tick = event.json()
            self.tally.add(tick["number"])
            self._row(event.type, tick)
        elif isinstance(event, OpenEvent):
            text = "connected"
            if self._connected_before:
                self.reconnections += 1
                text = f"connected again, going on after {self.tally.last}"
            self._connected_before = True
            self._note(text, "green")
        elif isinstance(event, ErrorEvent):
            again = "" if event.delay is None else f", again in {event.delay:.1f} s"
            state = "disconnected" if isinstance(event.error, ConnectionLost) else "not connected"
            self._note(state + again, "yellow")
            self._out.line(self._out.paint(f"       {event.error.reason}", "dim"))
        else:
            self._note(event.text.strip(), "dim")

    def finish(self) -> None:
        """Show what has been counted."""
        tally = self.tally
        sign, style = (self._good, "green") if self.is_good else (self._bad, "red")
        text = (
            f"events {tally.events}, reconnections {self.reconnections}, lost {tally.lost}, repeated {tally.repeated}"
        )
        self._out.line()
        self._out.line(f"{self._out.paint(sign, style)} {self._out.paint(text, 'bold')}")

    def _row(self, kind: str, tick: dict[str, Any]) -> None:
        paint = self._out.paint
        start = [paint(f"{tick['number']:>5}", "dim"), paint(f"{kind:<5}", *_TYPE_STYLES[kind]), f"{tick['symbol']:<5}"]
        if kind == "news":
            rest = [paint(tick["text"], "bold")]
        elif kind == "trade":
            rest = [f"{tick['price']:>8.2f}", paint(f"{tick['shares']:>7} shares", "dim")]
        else:
            rest = [f"{tick['price']:>8.2f}", self._change(tick["change"])]
        self._out.line("  ".join(start + rest))

    def _change(self, change: float) -> str:
        sign, style = "=", "dim"
        if change > 0:
            sign, style = self._up, "green"
        elif change < 0:
            sign, style = self._down, "red"
        return self._out.paint(f"{sign} {abs(change):5.2f}", style)

    def _note(self, text: str, style: str) -> None:
        self._out.line(f"   --  {self._out.paint(text, style)}")
