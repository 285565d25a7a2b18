"""CPU per event of the parsers alone: nine shapes of stream, in chunks of four sizes."""

from __future__ import annotations

import gc
import time
from collections.abc import Iterable
from typing import Any, Callable

from sse_client import EventStreamParser, MessageEvent
from tests.conformance.shapes import SHAPES, cut

from .peers import MISSING, PARSERS, plain
from .report import (
    Report,
    TooSlow,
    best,
    interleaved,
    median,
    microseconds,
    percent,
    ratio,
    run_alone,
    spread,
    time_limit,
)

OURS = "sse_client"
FLOOR = "floor"
SECONDS = 2.0
"""For one shape in one size of chunk."""

EVENTS = {
    "ticks": 2000,
    "llm": 2000,
    "logs": 500,
    "big": 20,
    "huge": 1,
    "manylines": 1,
    "heartbeats": 500,
    "crlf": 2000,
    "utf8": 2000,
}
LARGE_CHUNKS = {
    "ticks": 2.2,
    "llm": 1.9,
    "logs": 2.7,
    "manylines": 2.4,
    "big": 2.5,
    "huge": 1.4,
    "crlf": 1.8,
    "utf8": 1.8,
    "heartbeats": 2.1,
}
AN_EVENT_A_CHUNK = {"ticks": 1.8, "llm": 1.8, "logs": 1.9, "crlf": 1.5, "utf8": 1.2, "big": 3.0, "heartbeats": 1.0}
SMALL_CHUNKS = ("ticks", "llm", "logs", "big", "heartbeats", "crlf", "utf8")
KINDS = {
    "64 KiB": (65536, LARGE_CHUNKS),
    "4 KiB": (4096, LARGE_CHUNKS),
    "one event": (0, AN_EVENT_A_CHUNK),
    "64 B": (64, dict.fromkeys(SMALL_CHUNKS, 1.0)),
}


def parse(chunks: Iterable[bytes]) -> Iterable[Any]:
    """Our parser in the shape of the peers'."""
    feed = EventStreamParser().feed
    for chunk in chunks:
        yield from feed(chunk)


def consume(chunks: Iterable[bytes]) -> int:
    """The same as it is used: a loop over the events of each chunk."""
    feed = EventStreamParser().feed
    count = 0
    for chunk in chunks:
        for _ in feed(chunk):
            count += 1
    return count


def floor(chunks: Iterable[bytes], events: int) -> None:
    """Only decode, split into lines, and make the objects: less than any parser can do."""
    for chunk in chunks:
        chunk.decode("utf-8", "replace").split("\n")
    for _ in range(events):
        MessageEvent("message", "", "", "")


def counting(parser: Callable[[Iterable[bytes]], Iterable[Any]]) -> Callable[[Iterable[bytes]], int]:
    def count_events(chunks: Iterable[bytes]) -> int:
        count = 0
        for _ in parser(chunks):
            count += 1
        return count

    return count_events


def timed(function: Callable[..., Any], events: int, *arguments: Any) -> Callable[[], float]:
    """A sample: CPU seconds an event."""

    def sample() -> float:
        start = time.process_time()
        function(*arguments)
        return (time.process_time() - start) / events

    return sample


def correct_peers(chunks: list[bytes]) -> tuple[dict[str, Callable[[Iterable[bytes]], int]], dict[str, str]]:
    """The peers that give the right events, and why the others do not count."""
    expected = [plain(event) for event in parse(chunks)]
    right: dict[str, Callable[[Iterable[bytes]], int]] = {}
    wrong: dict[str, str] = {}
    for name, parser in PARSERS.items():
        try:
            with time_limit(3.0):
                given = [plain(event) for event in parser(chunks)]
        except TooSlow as error:
            wrong[name] = str(error)
        except Exception as error:  # noqa: BLE001 - whatever a peer raises, it does not count, and is named
            wrong[name] = f"{type(error).__name__}: {error}"
        else:
            if given == expected:
                right[name] = counting(parser)
            else:
                wrong[name] = f"wrong events ({len(given)} of {len(expected)})"
    return right, wrong


def run(report: Report, seconds: float = SECONDS) -> None:
    """Measure, and report."""
    report.title("Parsing: CPU per event")
    for name, why in MISSING.items():
        report.note(f"{name} is left out: {why}")
    for kind, (size, bars) in KINDS.items():
        report.note(f"In chunks of {kind}:" if size else "One event a chunk:")
        report.table("shape", "sse_client", "spread", "fastest peer", "takes", "ratio", "bar", "floor", "do not count")
        for name, least in bars.items():
            shape = SHAPES[name]
            blocks = shape.blocks(EVENTS[name] // (4 if size == 64 else 1))
            chunks = cut(b"".join(blocks), size) if size else blocks
            events = max(1, consume(chunks))
            peers, wrong = correct_peers(chunks)
            functions = {key: timed(function, events, chunks) for key, function in {OURS: consume, **peers}.items()}
            functions[FLOOR] = timed(floor, events, chunks, events)
            gc.collect()
            gc.disable()
            try:
                samples = interleaved(functions, seconds=seconds)
            finally:
                gc.enable()
            fastest = best(samples, list(peers), OURS)
            if fastest is None:
                report.row(name, microseconds(median(samples[OURS])), "", "none", "", "", "", "", "")
                continue
            value = ratio(samples, fastest, OURS)
            report.row(
                name,
                microseconds(median(samples[OURS])),
                percent(spread(samples[OURS])),
                fastest,
                microseconds(median(samples[fastest])),
                f"{value:.2f} x",
                report.compare("parsing", f"chunks of {kind}", f"{name}: {shape.about}", value, least=least),
                microseconds(median(samples[FLOOR])),
                "; ".join(f"{peer}: {why}" for peer, why in wrong.items()),
            )


if __name__ == "__main__":
    run_alone(run)
