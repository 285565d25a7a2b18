"""`Market`: ticks in order, each connection served on time from where the client is, then ended."""

from __future__ import annotations

import json
from random import Random
from typing import Any, Optional

import pytest

from sse_client import EventStreamParser
from sse_client.cli.demo import RECONNECTION_TIME, Market, Tick
from sse_client.testing import RequestHeaders, Step


class FakeClock:
    """Time that passes when it is waited for."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class FakeExchange:
    """Writes down what a handler does with an exchange."""

    def __init__(self, clock: FakeClock, last_event_id: Optional[str] = None) -> None:
        self.request = self
        self.headers = RequestHeaders([] if last_event_id is None else [("Last-Event-ID", last_event_id)])
        self.status: Optional[int] = None
        self.body = b""
        self.end: Optional[str] = None
        self.sent: list[tuple[float, bytes]] = []
        self._clock = clock

    def send_head(self, status: int = 200, headers: Any = None) -> None:
        assert headers == {"Cache-Control": "no-store"}
        self.status = status

    def respond(self, status: int, body: bytes) -> None:
        self.status = status
        self.end = "respond"

    def send(self, data: bytes) -> None:
        assert self.end is None
        self.sent.append((self._clock.now, data))
        self.body += data

    def run(self, *steps: Step) -> None:
        for step in steps:
            step.play(self)  # type: ignore[arg-type]

    def pause(self, seconds: float) -> None:
        assert seconds >= 0
        self._clock.now += seconds

    def drop(self) -> None:
        self.end = "drop"

    def reset(self) -> None:
        self.end = "reset"


def served(market: Market, clock: FakeClock, last_event_id: Optional[str] = None) -> FakeExchange:
    """One exchange, served to its end."""
    exchange = FakeExchange(clock, last_event_id)
    market.serve(exchange)  # type: ignore[arg-type]
    return exchange


def test_ticks_are_numbered_in_order_and_of_every_type() -> None:
    """Ticks have the numbers 1, 2, 3 …, rising times, all three types and prices that fit together."""
    market = Market(Random(1), FakeClock())
    ticks = [market.tick(n) for n in range(1, 301)]
    assert [tick.number for tick in ticks] == [json.loads(tick.data)["number"] for tick in ticks] == list(range(1, 301))
    assert all(before.time < after.time for before, after in zip(ticks, ticks[1:]))
    assert {tick.type for tick in ticks} == {"price", "trade", "news"}
    prices: dict[str, float] = {}
    for tick in ticks:
        data = json.loads(tick.data)
        if tick.type == "price" and data["symbol"] in prices:
            assert data["price"] == pytest.approx(prices[data["symbol"]] + data["change"])
        if "price" in data:
            prices[data["symbol"]] = data["price"]


def test_a_tick_stays_the_same() -> None:
    """Asking for a tick again, or for a later one first, changes nothing."""
    market, other = Market(Random(2), FakeClock()), Market(Random(2), FakeClock())
    late = market.tick(50)
    assert [market.tick(n) for n in range(1, 51)] == [other.tick(n) for n in range(1, 51)]
    assert market.tick(50) is late


def test_a_tick_is_an_event_with_type_and_id() -> None:
    """On the wire a tick is one event, whose ID is its number."""
    tick = Tick(7, 0.0, "news", '{"number": 7}')
    (event,) = EventStreamParser().feed(tick.encoded())
    assert (event.type, event.data, event.last_event_id) == ("news", '{"number": 7}', "7")


def test_each_tick_is_sent_at_its_time() -> None:
    """A client that is there gets each tick when it happens."""
    clock = FakeClock()
    market = Market(Random(3), clock)
    exchange = served(market, clock)
    ticks = [(when, data) for when, data in exchange.sent if data.startswith(b"event:")][:-1]  # the last is cut
    assert len(ticks) >= 4
    for number, (when, data) in enumerate(ticks, start=1):
        assert when == pytest.approx(market.tick(number).time)
        assert data == market.tick(number).encoded()


def test_connections_end_in_every_way_and_nothing_is_lost() -> None:
    """Followed over eight connections, cut in events and between them, the numbers go on."""
    clock = FakeClock()
    market = Market(Random(4), clock)
    last_event_id = ""
    numbers: list[int] = []
    ends = []
    for _ in range(8):
        exchange = served(market, clock, last_event_id or None)
        parser = EventStreamParser(last_event_id=last_event_id)
        numbers += [event.json()["number"] for event in parser.feed(exchange.body)]
        last_event_id = parser.last_event_id
        assert parser.reconnection_time == RECONNECTION_TIME
        assert exchange.status == 200
        in_an_event = not exchange.body.endswith(b"\n\n") and not exchange.body.endswith(b": heartbeat\n")
        assert in_an_event == (exchange.end is not None)
        ends.append(exchange.end)
        clock.now += 0.6  # what the client is away
    assert ends == ["drop", None, "reset", "drop"] * 2
    assert numbers == list(range(1, len(numbers) + 1))
    assert len(numbers) > 80


def test_there_are_heartbeats() -> None:
    """Every twelfth event is followed by a comment."""
    clock = FakeClock()
    market = Market(Random(5), clock)
    served(market, clock)
    body = served(market, clock, "5").body
    assert b": heartbeat\n" in body
    before, _ = body.split(b": heartbeat\n", 1)
    assert before.endswith(market.tick(12).encoded())


@pytest.mark.parametrize("last_event_id", ["x", "-1", "1.0", "1000000", "9" * 6000, "²"])
def test_an_unknown_tick_is_refused(last_event_id: str) -> None:
    """A client that asks from where no tick has been gets a 400, and costs nothing."""
    clock = FakeClock()
    market = Market(Random(6), clock)
    market.tick(20)
    exchange = served(market, clock, last_event_id)
    assert (exchange.status, exchange.end) == (400, "respond")
