"""From the server's send to the event in the caller's hands, each event alone, in every framing."""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator
from typing import Any, Callable

import urllib3

from tests.conformance.shapes import KIB

from .end_to_end import ours
from .peers import CLIENTS, MISSING
from .report import Report, TooSlow, run_alone, time_limit
from .server import server

EVENTS = 60
PAUSE = 3  # milliseconds between two events
ROUNDS = 8
OURS = "sse_client"
BARE = "a bare urllib3 read1 loop"
FRAMINGS = {"chunked": "chunked", "close": "delimited by the connection", "gzip": "gzip"}


class Piece:
    """What the bare loop has for an event."""

    def __init__(self, data: str) -> None:
        self.data = data


def bare(url: str) -> Iterator[Piece]:
    """Take every read for whole events."""
    response = urllib3.request("GET", url, preload_content=False)
    while chunk := response.read1(64 * KIB, decode_content=True):
        for data in chunk.decode().replace("data: ", "").split():  # two, if the machine was busy
            yield Piece(data)


def delays(client: Callable[[str], Iterator[Any]], url: str) -> list[float]:
    """Seconds from the sending to the arrival of each event but the first ones."""
    result: list[float] = []
    source = client(url)
    with time_limit(10.0):
        for event in source:
            result.append((time.monotonic_ns() - int(event.data)) / 1e9)
            if len(result) == EVENTS:
                break
    source.close()  # type: ignore[attr-defined]
    if len(result) != EVENTS:
        raise ValueError(f"{len(result)} events of {EVENTS}")
    return result[5:]


def run(report: Report, rounds: int = ROUNDS) -> None:
    """Measure, and report."""
    report.title("Latency: from the server's send to the event in the caller's hands")
    for name, why in MISSING.items():
        report.note(f"{name} is left out: {why}")
    clients: dict[str, Callable[[str], Iterator[Any]]] = {OURS: ours, BARE: bare, **CLIENTS}
    with server() as url:
        for framing, about in FRAMINGS.items():
            samples: dict[str, list[float]] = {}
            wrong: dict[str, str] = {}
            names = list(clients)
            for _ in range(rounds):
                names.append(names.pop(0))
                for name in names:
                    if name in wrong:
                        continue
                    try:
                        samples.setdefault(name, []).extend(
                            delays(clients[name], f"{url}/drip/{framing}/{EVENTS}/{PAUSE}")
                        )
                    except TooSlow as error:
                        wrong[name] = str(error)
                    except Exception as error:  # noqa: BLE001 - whatever a peer raises, it does not count, and is named
                        wrong[name] = f"{type(error).__name__}: {error}"[:80]
            report.note(f"{about}:")
            report.table("client", "p50", "p99", "to the bare loop", "bar")
            base = statistics.median(samples[BARE])
            for name, values in samples.items():
                if name in wrong:
                    report.row(name, "does not count", wrong[name], "", "")
                    continue
                middle = statistics.median(values)
                words = ""
                if name != BARE:
                    words = report.compare("latency", about, name, middle / base, most=1.1 if name == OURS else None)
                report.row(
                    name,
                    f"{middle * 1e6:.0f} us",
                    f"{statistics.quantiles(values, n=100)[98] * 1e6:.0f} us",
                    f"{middle / base:.2f} x" + (" (held back)" if middle > PAUSE / 1000 else ""),
                    words,
                )


if __name__ == "__main__":
    run_alone(run)
