"""Relaying a stream into Redis: the backlog of a stream, and an event alone, beside what one would write by hand."""

from __future__ import annotations

import importlib.util
import shutil
import tempfile
import threading
import time
from pathlib import Path
from typing import Any, Callable

from sse_client import EventSource, iter_events
from tests.conformance.shapes import ticks

from .report import Report, interleaved, median, microseconds, percent, ratio, run_alone, spread
from .server import server

EVENTS = 50_000
BATCH = 1_000
ALONE = 100
SECONDS = 40.0
OURS = "RedisRelay"
FLOOR = "pipelined XADD"
NAIVE = "a loop with XADD"

Sample = Callable[[], float]


def run(report: Report, seconds: float = SECONDS) -> None:
    """Measure, and report."""
    report.title("Relaying into Redis")
    missing = [name for name in ("redis", "pytest") if importlib.util.find_spec(name) is None]
    missing += [name for name in ("redis-server",) if shutil.which(name) is None]
    if missing:
        report.note(f"left out: needs {' and '.join(missing)}")
        return
    from tests.real.redis_server import redis_server  # noqa: PLC0415 - needs pytest, as no other part does

    with tempfile.TemporaryDirectory() as folder, redis_server(Path(folder), "--appendonly", "no") as database:
        client = database.client()
        with client, server() as url:
            _backlog(report, client, url, seconds)
            _alone(report, client, url)


def _backlog(report: Report, client: Any, url: str, seconds: float) -> None:
    report.note("A backlog of ticks, time by the clock; Redis keeps nothing on disk:")
    samples = interleaved(
        {
            OURS: _emptying(client, lambda: _relay(client, f"{url}/flood/blocks/ticks/{EVENTS}") / EVENTS),
            FLOOR: _emptying(client, _pipelined(client)),
            NAIVE: _emptying(client, lambda: _by_hand(client, f"{url}/flood/blocks/ticks/{BATCH}", BATCH) / BATCH),
        },
        seconds=seconds,
    )
    report.table("what", "an event", "events/s", "spread", "ours takes", "bar")
    for name, values in samples.items():
        words = ""
        if name == OURS:
            words = report.bar("relay, events/s", 1 / median(values), least=20_000)
        elif name == FLOOR:
            words = report.bar("relay, times the floor", ratio(samples, OURS, FLOOR), most=2.0)
        value = f"{ratio(samples, OURS, name):.2f} x"
        report.row(
            name, microseconds(median(values)), f"{1 / median(values):,.0f}", percent(spread(values)), value, words
        )


def _alone(report: Report, client: Any, url: str) -> None:
    report.note("An event alone, from the server's send to the hands of a program that waits in XREAD:")
    report.table("what", "median")
    follow = f"{url}/drip/chunked/{ALONE}/20"
    for name, relay in ((OURS, _relay), (NAIVE, lambda client, url: _by_hand(client, url, ALONE))):
        report.row(name, f"{_latency(client, lambda relay=relay: relay(client, follow)) * 1e3:.2f} ms")


def _emptying(client: Any, sample: Sample) -> Sample:
    def emptied() -> float:
        client.flushall()
        return sample()

    return emptied


def _relay(client: Any, url: str) -> float:
    """Relay until the server ends the stream; return the seconds."""
    from sse_client.redis_relay import RedisRelay  # noqa: PLC0415 - needs redis, as no other part does

    start = time.perf_counter()
    relay = RedisRelay(client, "ticks", on_error=lambda _event: relay.stop())
    relay.run(lambda last_event_id: EventSource(url, last_event_id=last_event_id))
    return time.perf_counter() - start


def _by_hand(client: Any, url: str, events: int) -> float:
    """Do it as a first attempt would: one XADD an event."""
    start = time.perf_counter()
    with EventSource(url) as source:
        for number, event in enumerate(source, 1):
            client.xadd("ticks", {"type": event.type, "data": event.data, "id": event.last_event_id})
            if number == events:
                break
    return time.perf_counter() - start


def _pipelined(client: Any) -> Sample:
    """The floor: events that are in memory already, a thousand XADDs a round trip."""
    events = list(iter_events([ticks(EVENTS)], origin="http://127.0.0.1:50000"))

    def sample() -> float:
        start = time.perf_counter()
        for first in range(0, EVENTS, BATCH):
            pipeline = client.pipeline(transaction=False)
            for event in events[first : first + BATCH]:
                fields = {"type": event.type, "data": event.data, "id": event.last_event_id, "origin": event.origin}
                pipeline.xadd("ticks", fields)
            pipeline.execute()
        return (time.perf_counter() - start) / EVENTS

    return sample


def _latency(client: Any, relay: Callable[[], float]) -> float:
    client.flushall()
    taken: list[float] = []

    def read() -> None:
        last = "0"
        while len(taken) < ALONE:
            for _, entries in client.xread({"ticks": last}, block=1000):
                now = time.monotonic_ns()
                for last, fields in entries:  # noqa: B007 - the last one is where to go on
                    taken.append((now - int(fields[b"data"])) / 1e9)

    thread = threading.Thread(target=read)
    thread.start()
    relay()
    thread.join()
    return median(taken)


if __name__ == "__main__":
    run_alone(run)
