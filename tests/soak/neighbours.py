"""``python -m tests.soak.neighbours [COUNT]``: an application's own requests, over connections that streams use too.

A small pool hands each connection on at once: from a stream that has ended, that somebody
closes or reconnects at that moment, or whose time is up, to a request of the application's.
Whatever meets that request was meant for the stream.
"""

from __future__ import annotations

import argparse
import logging
import random
import socket
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Callable

import requests
import urllib3
from requests.adapters import HTTPAdapter

from sse_client import EventSource, EventSourceError
from sse_client.requests_bridge import RequestsConnector
from tests.integration.raw_server import RawServer, read_head
from tests.integration.support import AT_ONCE

STREAMS = 1
NEIGHBOURS = 2
CONNECTIONS = 1  # so that it is handed on at once
TIMEOUT = 20.0  # seconds; a request that takes as long has been harmed

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
CHUNK = b"9\r\ndata: a\n\n\r\n"
ENDING = (
    HEAD + b"Content-Length: 9\r\n\r\ndata: a\n\n",
    HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + CHUNK * 2 + b"0\r\n\r\n",
    b"HTTP/1.1 503 Busy\r\nContent-Length: 4\r\n\r\nbusy",
)
STAYING = (b"", HEAD, HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + CHUNK)


def serve(connected: socket.socket) -> None:
    """Answer ``/N`` with N, and ``/stream`` with one that ends, or, one time in four, with one that does not."""
    choice = random.Random(connected.getpeername()[1])
    pause = threading.Event()
    while head := read_head(connected):
        target = head.split(b" ")[1]
        if target == b"/stream" and choice.random() < 0.25:
            connected.sendall(choice.choice(STAYING))
            connected.recv(4096)
            return
        if target == b"/stream":
            connected.sendall(choice.choice(ENDING))
        else:
            pause.wait(0.002)  # so that a connection that is in use is mostly in a request
            connected.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(target), target))


@contextmanager
def over_a_pool(url: str) -> Iterator[tuple[Callable[[str], bytes], Callable[..., EventSource]]]:
    pool = urllib3.PoolManager(maxsize=CONNECTIONS, block=True)

    def get(target: str) -> bytes:
        return pool.request("GET", url + target, retries=False, timeout=TIMEOUT).data

    yield get, lambda **timeouts: EventSource(f"{url}stream", pool=pool, reconnect=AT_ONCE, **timeouts)
    pool.clear()


@contextmanager
def over_a_session(url: str) -> Iterator[tuple[Callable[[str], bytes], Callable[..., EventSource]]]:
    with requests.Session() as session:
        session.trust_env = False
        session.mount("http://", HTTPAdapter(pool_maxsize=CONNECTIONS, pool_block=True))
        yield (
            lambda target: session.get(url + target, timeout=TIMEOUT).content,
            lambda **timeouts: EventSource(RequestsConnector(session, f"{url}stream", **timeouts), reconnect=AT_ONCE),
        )


WAYS: dict[str, Any] = {"pool": over_a_pool, "session": over_a_session}


def run(way: str, count: int, seed: str = "sse_client neighbours") -> tuple[list[str], int]:
    """Make so many requests beside streams; return how those have failed that have, and how often streams were met."""
    harmed: list[str] = []
    numbers = iter(range(count))
    lock = threading.Lock()
    over = threading.Event()
    met = 0

    def neighbour(get: Callable[[str], bytes]) -> None:
        pause = threading.Event()
        while True:
            pause.wait(0.001)  # otherwise the streams would seldom get a connection
            with lock:
                number = next(numbers, None)
            if number is None:
                return
            try:
                answer = get(str(number))
                if answer != b"/%d" % number:
                    harmed.append(f"{number}: {answer!r}")
            except Exception as error:  # noqa: BLE001 - whatever it is, it is what is looked for
                harmed.append(f"{number}: {error!r}")

    def stream(make: Callable[..., EventSource], choice: random.Random) -> None:
        nonlocal met
        pause = threading.Event()
        while not over.is_set():
            limit = choice.choice([0.01, 0.05])
            source = make(response_timeout=limit, idle_timeout=limit)
            in_body = threading.Event()
            meddler = threading.Thread(target=meddle, args=(source, in_body, choice.random()))
            meddler.start()
            try:
                for _ in source:
                    # The last event comes with the end, so its connection may serve another already.
                    in_body.set()
                    pause.wait(choice.random() * 0.004)
            except EventSourceError:
                pass
            meddler.join()
            met += 1

    def meddle(source: EventSource, in_body: threading.Event, luck: float) -> None:
        choice = random.Random(luck)
        pause = threading.Event()
        for act in (*[source.reconnect] * choice.randrange(4), source.close):
            in_body.wait(choice.choice([0.005, 0.5]))
            in_body.clear()
            pause.wait(choice.random() * 0.002)
            act()

    with RawServer(serve) as server, WAYS[way](server.url) as (get, make):
        neighbours = [threading.Thread(target=neighbour, args=(get,)) for _ in range(NEIGHBOURS)]
        streams = [
            threading.Thread(target=stream, args=(make, random.Random(f"{seed} {number}"))) for number in range(STREAMS)
        ]
        for thread in (*neighbours, *streams):
            thread.start()
        for thread in neighbours:
            thread.join()
        over.set()
        for thread in streams:
            thread.join()
    return harmed, met


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.soak.neighbours", description=__doc__)
    parser.add_argument("count", nargs="?", type=int, default=10_000, metavar="COUNT", help="10,000 by default")
    options = parser.parse_args()
    logging.disable(logging.CRITICAL)
    all_harmed = 0
    for way in WAYS:
        began = time.monotonic()
        harmed, met = run(way, options.count)
        print(f"{way}: {len(harmed)} of {options.count} harmed, beside {met} streams, {time.monotonic() - began:.0f} s")
        print("\n".join(harmed[:20]))
        all_harmed += len(harmed)
    return int(all_harmed > 0)


if __name__ == "__main__":
    sys.exit(main())
