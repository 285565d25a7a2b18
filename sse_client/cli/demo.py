"""``sse-client --demo``: a real server that cuts its connections, followed by the real client before your eyes."""

from __future__ import annotations

import itertools
import json
import random
import threading
import time
from collections.abc import Iterator
from random import Random
from typing import Any, Callable, NamedTuple

from sse_client.errors import ConnectionLost
from sse_client.events import CommentEvent, ErrorEvent, LifecycleEvent, MessageEvent, OpenEvent
from sse_client.source import EventSource
from sse_client.testing import EventStreamServer, Exchange, comment, encode_event, retry

from .terminal import Terminal


class Tally:
    """What has arrived of the numbers 1, 2, 3 and so on.

    Attributes:
        events: How many numbers have arrived, those repeated included.
        repeated: How many of them had arrived before.
        last: The highest that has arrived; 0 before the first.
    """

    events: int
    repeated: int
    last: int

    def __init__(self) -> None:
        self.events = 0
        self.repeated = 0
        self.last = 0
        self._missing: set[int] = set()

    def add(self, number: int) -> None:
        """Count one number that has arrived."""
        self.events += 1
        if number > self.last:
            self._missing.update(range(self.last + 1, number))
            self.last = number
        elif number in self._missing:
            self._missing.remove(number)
        else:
            self.repeated += 1

    @property
    def lost(self) -> int:
        """How many numbers below `last` have not arrived."""
        return len(self._missing)

    @property
    def is_exact(self) -> bool:
        """Whether each number up to `last` has arrived once."""
        return self.lost == 0 and self.repeated == 0


RECONNECTION_TIME = 0.5

_OPENING_PRICES = {"ALDER": 48.20, "BIRCH": 101.25, "CEDAR": 310.90, "MAPLE": 9.75}
_NEWS = (
    "plants a forest near Zürich",
    "is said to talk to a rival",
    "beats its forecast",
    "names a new head of research",
    "opens an office in 東京",
    "warns of a dry summer",
)
_TYPES = ("price", "trade", "news")
_WEIGHTS = (10, 5, 2)
_SHORTEST_GAP, _LONGEST_GAP = 0.08, 0.3
_HEARTBEAT_EVERY = 12


class Tick(NamedTuple):
    """One event of the market.

    Attributes:
        number: 1 for the first, and so on; its event ID too.
        time: When it happens, by the market's clock.
        type: ``"price"``, ``"trade"`` or ``"news"``.
        data: A JSON object that has the number too.
    """

    number: int
    time: float
    type: str
    data: str

    def encoded(self) -> bytes:
        """Return the tick as an event of a stream."""
        return encode_event(self.data, type=self.type, id=str(self.number))


class Market:
    """Ticks that go on whether or not anybody listens, and a handler that serves them.

    Args:
        random: Where prices and times come from.
        clock: What time it is, in seconds.
    """

    def __init__(self, random: Random, clock: Callable[[], float] = time.monotonic) -> None:
        self._random = random
        self._clock = clock
        self._lock = threading.Lock()  # each connection is served by a thread of its own
        self._prices = dict(_OPENING_PRICES)
        self._time = clock()
        self._ticks: list[Tick] = []
        # After how many seconds the next connection ends, and how.
        self._lives: Iterator[tuple[float, Callable[[Exchange, Tick], None]]] = itertools.cycle(
            ((1.2, _cut), (2.5, _end), (2.0, _reset), (3.0, _cut))
        )

    def tick(self, number: int) -> Tick:
        """Return the tick of this number, which may be one that is yet to happen. Any thread may call it."""
        with self._lock:
            while len(self._ticks) < number:
                self._ticks.append(self._next())
            return self._ticks[number - 1]

    def serve(self, exchange: Exchange) -> None:
        """Answer one request: what follows the tick that it names, each at its time, until the connection is cut."""
        last_event_id = exchange.request.headers.get("Last-Event-ID", "0")
        with self._lock:
            known = len(self._ticks)
            seconds, end = next(self._lives)
        try:
            position = int(last_event_id)
        except ValueError:
            position = -1
        if not 0 <= position <= known:
            exchange.respond(400, b"no such tick")
            return
        ends_at = self._clock() + seconds
        exchange.send_head(headers={"Cache-Control": "no-store"})
        exchange.run(retry(RECONNECTION_TIME))
        while True:
            tick = self.tick(position + 1)
            exchange.pause(max(0.0, min(tick.time, ends_at) - self._clock()))
            if ends_at <= tick.time:
                end(exchange, tick)
                return
            exchange.send(tick.encoded())
            position = tick.number
            if position % _HEARTBEAT_EVERY == 0:
                exchange.run(comment(" heartbeat"))

    def _next(self) -> Tick:
        number = len(self._ticks) + 1
        self._time += self._random.uniform(_SHORTEST_GAP, _LONGEST_GAP)
        symbol = self._random.choice(list(self._prices))
        kind = self._random.choices(_TYPES, _WEIGHTS)[0]
        data: dict[str, Any] = {"number": number, "symbol": symbol}
        if kind == "news":
            data["text"] = self._random.choice(_NEWS)
        elif kind == "trade":
            data.update(price=self._prices[symbol], shares=self._random.randrange(10, 2000, 10))
        else:
            before = self._prices[symbol]
            self._prices[symbol] = round(max(1.0, before * self._random.gauss(1.0, 0.004)), 2)
            data.update(price=self._prices[symbol], change=round(self._prices[symbol] - before, 2))
        return Tick(number, self._time, kind, json.dumps(data, ensure_ascii=False))


def _end(exchange: Exchange, tick: Tick) -> None:
    """End the response as it should be: the server completes it when its handler returns."""


def _cut(exchange: Exchange, tick: Tick) -> None:
    """Drop the connection in the middle of an event."""
    exchange.send(_half(tick))
    exchange.drop()


def _reset(exchange: Exchange, tick: Tick) -> None:
    """Break the connection off, in the middle of an event too."""
    exchange.send(_half(tick))
    exchange.reset()


def _half(tick: Tick) -> bytes:
    encoded = tick.encoded()
    return encoded[: len(encoded) // 2]


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
        elif isinstance(event, CommentEvent):
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
