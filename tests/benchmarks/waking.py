"""``python -m tests.benchmarks.waking``: how long after close() a loop ends, whatever it is waiting for.

Each phase, over each way to get a connection, with ``shutdown()`` taken away so that the waker
alone is what ends the wait: once with poll(), once with select() alone, as on Windows. The
program exits with 1 if, three times in a row, a loop takes longer than the 0.1 s that are promised.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import ssl
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import trustme

from sse_client import EventSource
from sse_client.fallback import WebSocketConnector
from tests.abilities import WITHOUT
from tests.integration.phases import PHASES, PROXY_PHASES
from tests.integration.support import LATER, ROOT, Follower, assert_nothing_raised
from tests.integration.test_websocket import PHASES as WEBSOCKET_PHASES
from tests.integration.ways import WAYS

PROMISED = 0.1  # seconds
ROUNDS = 3
WAITERS = {"poll": ["shutdown"], "select": ["shutdown", "poll"]}


def over_http(way: Any, phase: Any, context: ssl.SSLContext) -> float:
    with phase(context) as here, way(here.url, LATER, here.proxy) as source, Follower(source) as follower:
        here.arrived()
        if here.last_item:
            follower.wait_for(here.last_item)
        seconds = follower.close_and_time()
        assert_nothing_raised(follower)
        return seconds


def over_websocket(phase: Any) -> float:
    with phase() as (url, arrived, settings):
        item = settings.pop("item", "")
        source = EventSource(WebSocketConnector(url, **settings), reconnect=LATER)
        with Follower(source) as follower:
            arrived()
            if item:
                follower.wait_for(item)
            seconds = follower.close_and_time()
            assert_nothing_raised(follower)
            return seconds


@contextmanager
def trusted_context() -> Iterator[ssl.SSLContext]:
    """A server's side of TLS, which this process trusts."""
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    with tempfile.TemporaryDirectory() as folder:
        bundle = Path(folder) / "authority.pem"
        authority.cert_pem.write_to_path(str(bundle))
        os.environ["SSL_CERT_FILE"] = str(bundle)
        yield context


def measure() -> dict[str, dict[str, list[float]]]:
    """The seconds of each round, by phase and way."""
    results: dict[str, dict[str, list[float]]] = {}
    with trusted_context() as context:
        for name, phase in {**PHASES, **PROXY_PHASES}.items():
            results[name] = {
                way: [over_http(WAYS[way], phase, context) for _ in range(ROUNDS)]
                for way in WAYS
            }  # fmt: skip
        for name, phase in WEBSOCKET_PHASES.items():
            results[f"WebSocket: {name}"] = {"own pools": [over_websocket(phase) for _ in range(ROUNDS)]}
    return results


def measure_in_a_child(waiter: str) -> Any:
    command = [sys.executable, "-m", "tests.benchmarks.waking", *(f"--without={name}" for name in WAITERS[waiter])]
    return json.loads(subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, check=True).stdout)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.waking", description=__doc__)
    parser.add_argument("--without", action="append", choices=list(WITHOUT), help="measure here, and print JSON")
    options = parser.parse_args()
    logging.disable(logging.CRITICAL)
    if options.without:
        for ability in options.without:
            WITHOUT[ability]()
        print(json.dumps(measure()))
        return 0
    measured = {waiter: measure_in_a_child(waiter) for waiter in WAITERS}
    columns = [(waiter, way) for waiter in WAITERS for way in WAYS]
    print(f"Milliseconds from close() to the end of the loop, the best and the worst of {ROUNDS}, without shutdown()\n")
    print(f"{'':36}" + "".join(f"{f'{waiter}, {way}':>20}" for waiter, way in columns))
    late = 0
    for phase in measured["poll"]:
        row = f"{phase:36}"
        for waiter, way in columns:
            seconds = measured[waiter][phase].get(way)
            row += f"{'':>20}" if seconds is None else f"{min(seconds) * 1000:12.2f} {max(seconds) * 1000:7.2f}"
            late += seconds is not None and min(seconds) > PROMISED
        print(row)
    print(f"\n{late} later than {PROMISED:g} s")
    return int(late > 0)


if __name__ == "__main__":
    sys.exit(main())
