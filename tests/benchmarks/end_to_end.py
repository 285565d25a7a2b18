"""CPU per event of whole clients over loopback HTTP, with a backlog to catch up with; and of a listener."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from itertools import islice
from typing import Any, Callable
from urllib.parse import urlsplit

import urllib3

from sse_client import EventSource, EventStreamParser, Listener, MessageEvent
from sse_client.testing import ScriptedConnector, raw
from tests.conformance.shapes import KIB, cut, ticks

from .peers import CLIENTS, MISSING
from .report import Report, TooSlow, interleaved, median, microseconds, percent, ratio, run_alone, spread, time_limit
from .server import server

EVENTS = 20_000
SECONDS = 8.0
OURS = "sse_client"
FLOOR = "a raw socket"
LISTENED = 100_000

BARS = {
    "chunked": ("chunked, one event a chunk", "launchdarkly-eventsource", 0.5),
    "close": ("delimited by the connection", "launchdarkly-eventsource", 0.5),
    "blocks": ("chunks of 64 KiB", "launchdarkly-eventsource", 0.5),
    "gzip": ("gzip", "sseclient-py", 0.6),
}


def ours(url: str) -> Iterator[MessageEvent]:
    """The loop that users write, with all that the package promises."""
    with EventSource(url) as source:
        yield from source


def read1_and_parser(url: str) -> Iterator[MessageEvent]:
    """A bare loop over urllib3 with our parser."""
    response = urllib3.request("GET", url, preload_content=False)
    feed = EventStreamParser().feed
    while chunk := response.read1(64 * KIB, decode_content=True):
        yield from feed(chunk)


def raw_socket(url: str) -> Iterator[None]:
    """Only receive; not one byte is looked at but to see the end of a stream."""
    address = urlsplit(url)
    with socket.create_connection((address.hostname, address.port)) as connected:
        connected.sendall(b"GET %s HTTP/1.1\r\nHost: localhost\r\n\r\n" % address.path.encode())
        while b"0\r\n\r\n" not in (connected.recv(64 * KIB) or b"0\r\n\r\n")[-5:]:
            pass
    yield from [None] * int(address.path.rpartition("/")[2])


def taking(client: Callable[[str], Iterator[Any]], url: str, events: int, *, warm_up: int = 0) -> Callable[[], float]:
    """A sample: the CPU seconds of this process for an event.

    Args:
        client: What is measured.
        url: The stream that it reads.
        events: How many events are measured.
        warm_up: How many events come before them. Without any, the connecting is measured too.
    """

    def sample() -> float:
        start = time.process_time()
        source = client(url)
        count = 0
        if warm_up:
            for _ in islice(source, warm_up):
                pass
            start = time.process_time()
        for _ in islice(source, events):
            count += 1
        taken = time.process_time() - start
        source.close()  # type: ignore[attr-defined]
        if count != events:
            raise ValueError(f"{count} events of {events}")
        return taken / events

    return sample


def working(clients: dict[str, Callable[[], float]]) -> tuple[dict[str, Callable[[], float]], dict[str, str]]:
    """The clients that get all events, and why the others do not count."""
    right: dict[str, Callable[[], float]] = {}
    wrong: dict[str, str] = {}
    for name, sample in clients.items():
        try:
            with time_limit(10.0):
                sample()
        except TooSlow as error:
            wrong[name] = str(error)
        except Exception as error:  # noqa: BLE001 - whatever a peer raises, it does not count, and is named
            wrong[name] = f"{type(error).__name__}: {error}"[:80]
        else:
            right[name] = sample
    return right, wrong


def run(report: Report, seconds: float = SECONDS) -> None:
    """Measure, and report."""
    report.title("End to end: CPU per event of a backlog")
    for name, why in MISSING.items():
        report.note(f"{name} is left out: {why}")
    clients = {OURS: ours, "urllib3 read1 + our parser": read1_and_parser, FLOOR: raw_socket, **CLIENTS}
    with server() as url:
        for framing, (about, peer, most) in BARS.items():
            address = f"{url}/flood/{framing}/ticks/{EVENTS}"
            right, wrong = working({name: taking(client, address, EVENTS) for name, client in clients.items()})
            samples = interleaved(right, seconds=seconds, least=3)
            report.note(f"{about}:")
            report.table("client", "CPU", "spread", "ours takes", "bar")
            for name in right:
                value = ratio(samples, OURS, name)
                words = ""
                if name not in {OURS, FLOOR}:
                    words = report.compare("end to end", about, name, value, most=most if name == peer else None)
                report.row(
                    name, microseconds(median(samples[name])), percent(spread(samples[name])), f"{value:.2f} x", words
                )
            for name, why in wrong.items():
                report.row(name, "does not count", why, "", "")
    _listener(report)


def _listener(report: Report) -> None:
    report.note("A listener with one handler, on top of the loop:")
    chunks = [raw(chunk) for chunk in cut(ticks(LISTENED), 64 * KIB)]

    def source() -> EventSource:
        connector = ScriptedConnector()
        connector.stream(*chunks)
        connector.end()
        return EventSource(connector)

    def loop() -> float:
        start = time.process_time()
        for _ in source():
            pass
        return (time.process_time() - start) / LISTENED

    def listener() -> float:
        start = time.process_time()
        listener = Listener(source())
        listener.on("price-update", lambda _event: None)
        listener.start()
        listener.join()
        return (time.process_time() - start) / LISTENED

    samples = interleaved({"loop": loop, "listener": listener}, seconds=5.0)
    more = [a - b for a, b in zip(samples["listener"], samples["loop"])]
    report.table("what", "CPU", "spread", "bar")
    for name, values in samples.items():
        report.row(name, microseconds(median(values)), percent(spread(values)), "")
    report.row(
        "the listener's part",
        microseconds(median(more)),
        "",
        report.bar("listener, us an event", median(more) * 1e6, most=0.4),
    )


if __name__ == "__main__":
    run_alone(run)
