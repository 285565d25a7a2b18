"""How time grows with the size of one event, and how much memory an event needs."""

from __future__ import annotations

import gc
import math
import time
import tracemalloc
from collections.abc import Iterable, Sequence
from itertools import chain, repeat
from typing import Any, Callable

from tests.conformance.shapes import KIB, MIB, comments, cut, data_lines, one_line

from .parse import parse
from .peers import MISSING, PARSERS
from .report import Report, TooSlow, run_alone, time_limit

CHUNK = KIB
LIMIT = 4.0
"""Seconds that a parser may take for one point."""

Stream = Callable[[], Iterable[bytes]]


def _line(size: int) -> Stream:
    return lambda: cut(one_line(size), CHUNK)


def _data_lines(count: int) -> Stream:
    return lambda: cut(data_lines(count), CHUNK)


def _comments(count: int) -> Stream:
    def stream() -> Iterable[bytes]:
        block = cut(comments(1000)[: -len(b"data: end\n\n")], CHUNK)
        return chain(chain.from_iterable(repeat(block, count // 1000)), [b"data: end\n\n"])

    return stream


GROWTHS: dict[str, tuple[Sequence[int], Callable[[int], Stream]]] = {
    "one line, 1 to 16 MiB": ([MIB, 2 * MIB, 4 * MIB, 8 * MIB, 16 * MIB], _line),
    "1,000 to 1,000,000 data lines": ([10**3, 10**4, 10**5, 10**6], _data_lines),
    "10,000 to 10,000,000 comments": ([10**4, 10**5, 10**6, 10**7], _comments),
}


def exponent(sizes: Sequence[int], seconds: Sequence[float]) -> float:
    """The slope of the line through the logarithms: 1 is linear, 2 is quadratic."""
    x = [math.log(size) for size in sizes]
    y = [math.log(second) for second in seconds]
    x_mean, y_mean = sum(x) / len(x), sum(y) / len(y)
    return sum((a - x_mean) * (b - y_mean) for a, b in zip(x, y)) / sum((a - x_mean) ** 2 for a in x)


def fastest(parser: Callable[[Iterable[bytes]], Iterable[Any]], stream: Stream, rounds: int) -> float:
    """The least CPU time that one event took."""
    result = math.inf
    for _ in range(rounds):
        chunks = stream()
        start = time.process_time()
        for _event in parser(chunks):
            pass
        taken = time.process_time() - start
        result = min(result, taken)
        if taken > 1.0:  # long enough to be exact
            break
    return result


def peak(parser: Callable[[Iterable[bytes]], Iterable[Any]], chunks: list[bytes]) -> float:
    """The most memory that was in use for an event, as a multiple of the bytes of its data."""
    tracemalloc.start()
    try:
        events = [event for event in parser(chunks) if event.data]
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    return most / len(events[0].data)


def run(report: Report, rounds: int = 3) -> None:
    """Measure, and report."""
    report.title("Growth: CPU for one event, in chunks of 1 KiB")
    for name, why in MISSING.items():
        report.note(f"{name} is left out: {why}")
    parsers: dict[str, Callable[[Iterable[bytes]], Iterable[Any]]] = {"sse_client": parse, **PARSERS}
    for about, (sizes, make) in GROWTHS.items():
        report.note(f"{about}:")
        report.table("parser", "exponent", "largest", "bar")
        for name, parser in parsers.items():
            seconds: list[float] = []
            why = ""
            for size in sizes:
                try:
                    with time_limit(math.inf if name == "sse_client" else LIMIT):
                        seconds.append(fastest(parser, make(size), rounds))
                except TooSlow as error:
                    why = f"{size:,}: {error}"
                    break
                except Exception as error:  # noqa: BLE001 - whatever a peer raises, it does not count, and is named
                    why = f"{size:,}: {type(error).__name__}: {error}"
                    break
            slope = exponent(sizes[: len(seconds)], seconds) if len(seconds) > 1 else math.nan
            words = report.bar(f"growth, {about}", slope, most=1.15) if name == "sse_client" else ""
            report.row(name, f"{slope:.2f}", why or f"{seconds[-1] * 1000:.0f} ms", words)

    report.title("Memory: the peak for one event, as a multiple of its size")
    report.table("event", *parsers, "bar")
    for about, stream in {"one line of 4 MiB": one_line(4 * MIB), "200,000 data lines": data_lines(200_000)}.items():
        for size in (KIB, 64 * KIB):
            cells: list[str] = []
            words = ""
            for name, parser in parsers.items():
                gc.collect()
                try:
                    with time_limit(math.inf if name == "sse_client" else LIMIT):
                        value = peak(parser, cut(stream, size))
                except TooSlow as error:
                    cells.append(str(error))
                    continue
                except Exception as error:  # noqa: BLE001 - whatever a peer raises, it does not count, and is named
                    cells.append(type(error).__name__)
                    continue
                cells.append(f"{value:.2f} x")
                if name == "sse_client":
                    words = report.bar(f"memory, {about}, chunks of {size // KIB} KiB", value, most=2.3)
            report.row(f"{about}, chunks of {size // KIB} KiB", *cells, words)


if __name__ == "__main__":
    run_alone(run)
