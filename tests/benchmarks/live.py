"""CPU per event of a live stream: each event is sent alone, and the client is waiting for it."""

from __future__ import annotations

import os
import resource
import socket
import ssl
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, Callable, NamedTuple
from unittest.mock import patch
from urllib.parse import urlsplit

import urllib3

from tests.conformance.shapes import KIB

from .end_to_end import ours, taking, working
from .latency import delays
from .peers import CLIENTS, MISSING
from .report import Report, interleaved, median, microseconds, percent, ratio, run_alone, spread
from .server import server

OURS = "sse_client"
BARE = "a bare urllib3 read1 loop"
FLOOR = "a raw socket"
LAUNCHDARKLY = "launchdarkly-eventsource"
REQUESTS_SSE = "requests-sse"

SECONDS = 12.0
"""For one stream."""

WARM_UP = 20


class Stream(NamedTuple):
    """What is measured: a stream, and the bars: our share of what these clients take.

    Half a millisecond apart, every event finds the client asleep and the processor's caches cold, which is the life
    of a stream. Events 0.05 ms apart find them warm, and on a busy machine some find the client still at work: then
    the column "waits" shows less than one wait an event, and the figures are those of a small backlog.
    """

    about: str
    framing: str
    pause: float  # milliseconds
    events: int
    bars: dict[str, float]
    encrypted: bool = False


STREAMS = (
    Stream("chunked, 0.05 ms apart", "chunked", 0.05, 1000, {LAUNCHDARKLY: 1.0, BARE: 1.0}),
    Stream("chunked", "chunked", 0.5, 200, {LAUNCHDARKLY: 1.0, BARE: 1.0}),
    Stream("delimited by the connection", "close", 0.5, 200, {}),
    Stream("gzip", "gzip", 0.5, 200, {REQUESTS_SSE: 1.05}),
    Stream("chunked, over TLS", "chunked", 0.5, 200, {}, encrypted=True),
)


def bare(url: str) -> Iterator[None]:
    """Read with urllib3, and count the ends of events instead of parsing."""
    with urllib3.PoolManager() as pool, closing(pool.request("GET", url, preload_content=False)) as response:
        while chunk := response.read1(64 * KIB, decode_content=True):
            for _ in range(chunk.count(b"\n\n")):
                yield


def raw_socket(url: str) -> Iterator[None]:
    """Receive, and count the ends of events; of a compressed stream, take each piece for an event."""
    address = urlsplit(url)
    with socket.create_connection((address.hostname, address.port)) as plain, _encrypted(plain, url) as connected:
        connected.sendall(b"GET %s HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n" % address.path.encode())
        piece = connected.recv(64 * KIB)
        is_compressed = b"Content-Encoding" in piece
        while piece:
            for _ in range(1 if is_compressed else piece.count(b"\n\n")):
                yield
            piece = connected.recv(64 * KIB)


@contextmanager
def _encrypted(plain: socket.socket, url: str) -> Iterator[socket.socket]:
    if not url.startswith("https:"):
        yield plain
        return
    with ssl.create_default_context().wrap_socket(plain, server_hostname="127.0.0.1") as encrypted:
        yield encrypted


@contextmanager
def certificate() -> Iterator[Path]:
    """Give a folder with a certificate for 127.0.0.1. Meanwhile the environment makes every client trust it."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "trustme", "--quiet", "--dir", folder, "--identities", "127.0.0.1"]
        subprocess.run(command, check=True)  # a process, so that what it imports does not weigh on the clients
        authority = str(Path(folder, "client.pem"))
        with patch.dict(os.environ, SSL_CERT_FILE=authority, REQUESTS_CA_BUNDLE=authority):
            yield Path(folder)


def prompt(client: Callable[[str], Iterator[Any]], url: str) -> Callable[[], float]:
    """A sample that fails if the client holds events back: several at once cost less each."""

    def sample() -> float:
        delay = median(delays(client, url))
        if delay > 0.003:  # the pause between two events
            raise ValueError(f"holds events back for {delay * 1000:.0f} ms")
        return delay

    return sample


def waiting(sample: Callable[[], float], events: int, waits: list[float]) -> Callable[[], float]:
    """The same sample, which also adds to ``waits`` how often this process waited for an event."""

    def counted() -> float:
        before = resource.getrusage(resource.RUSAGE_SELF).ru_nvcsw
        value = sample()
        waits.append((resource.getrusage(resource.RUSAGE_SELF).ru_nvcsw - before) / events)
        return value

    return counted


def run(report: Report, streams: Sequence[Stream] = STREAMS, seconds: float = SECONDS, least: int = 5) -> None:
    """Measure, and report."""
    report.title("Live: CPU per event, each sent alone")
    for name in (LAUNCHDARKLY, REQUESTS_SSE):
        if name in MISSING:
            report.note(f"{name} is left out: {MISSING[name]}")
    peers = {name: CLIENTS[name] for name in (LAUNCHDARKLY, REQUESTS_SSE) if name in CLIENTS}
    with certificate() as folder, server() as plain, server(folder) as encrypted:
        for stream in streams:
            address = f"{encrypted if stream.encrypted else plain}/drip/{stream.framing}"
            _, wrong = working({name: prompt(client, f"{address}/60/3") for name, client in peers.items()})
            clients: dict[str, Callable[[str], Iterator[Any]]] = {OURS: ours, BARE: bare, FLOOR: raw_socket}
            clients.update((name, client) for name, client in peers.items() if name not in wrong)
            # Twice as many are sent as are taken: the raw socket counts two compressed ones that come at once as one.
            url = f"{address}/{2 * (WARM_UP + stream.events)}/{stream.pause}"
            waits: dict[str, list[float]] = {name: [] for name in clients}
            samples = interleaved(
                {
                    name: waiting(
                        taking(client, url, stream.events, warm_up=WARM_UP), WARM_UP + stream.events, waits[name]
                    )
                    for name, client in clients.items()
                },
                seconds=seconds,
                least=least,
            )
            report.note(f"{stream.about}, {len(samples[OURS])} rounds:")
            report.table("client", "median", "minimum", "spread", "waits", "ours takes", "by minima", "bar")
            for name, values in samples.items():
                value = ratio(samples, OURS, name)
                words = ""
                if name != OURS:
                    words = report.compare("live", stream.about, name, value, most=stream.bars.get(name))
                report.row(
                    name,
                    microseconds(median(values)),
                    microseconds(min(values)),
                    percent(spread(values)),
                    f"{median(waits[name]):.2f}",
                    f"{value:.2f} x",
                    f"{min(samples[OURS]) / min(values):.2f} x",
                    words,
                )
            for name, why in wrong.items():
                report.row(name, "does not count", why, "", "", "", "", "")


if __name__ == "__main__":
    run_alone(run)
