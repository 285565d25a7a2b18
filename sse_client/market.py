"""The server's side of the demo: a market whose ticks are numbered, and whose connections do not last.

Rules of this file: it is a handler for `sse_client.testing.EventStreamServer`, and knows
nothing of the client.
"""

from __future__ import annotations

import itertools
import json
import threading
import time
from collections.abc import Iterator
from random import Random
from typing import Any, Callable, NamedTuple

from .testing import Exchange, comment, encode_event, retry

__all__: list[str] = []

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
