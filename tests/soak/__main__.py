"""The soak: a numbered stream, a server that fails at random and is killed now and then, and nothing may be lost."""

from __future__ import annotations

import argparse
import collections
import logging
import random
import subprocess
import sys
import threading
import time
from typing import Optional

from sse_client import ErrorEvent, EventSource, MessageEvent, OpenEvent, ReconnectPolicy

from .measure import Held, grown, held

ROOM = 8 * 2**20


class Server:
    """The server's process, which can be killed and started again on the same port."""

    def __init__(self, count: int, seed: str) -> None:
        self._count = count
        self._seed = seed
        self._process: Optional[subprocess.Popen[str]] = None
        self.starts = 0
        self.port = 0

    def start(self) -> None:
        self.starts += 1
        arguments = [str(self.port), str(self._count), f"{self._seed}/{self.starts}"]
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.soak.server", *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        assert self._process.stdout is not None
        self.port = int(self._process.stdout.readline())

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            self._process = None


def restart_now_and_then(server: Server, over: threading.Event, choice: random.Random) -> None:
    while not over.wait(choice.uniform(3, 15)):
        server.kill()
        over.wait(choice.uniform(0, 0.5))
        server.start()


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=30.0, help="how long at most (%(default)g)")
    parser.add_argument("--events", type=int, default=1_000_000, help="how many at most (%(default)d)")
    parser.add_argument("--seed", default="sse_client")
    arguments = parser.parse_args()
    logging.disable(logging.CRITICAL)  # thousands of losses are the point here
    server = Server(arguments.events, arguments.seed)
    server.start()
    over = threading.Event()
    restarter = threading.Thread(
        target=restart_now_and_then, args=(server, over, random.Random(f"{arguments.seed} restarts")), daemon=True
    )
    restarter.start()
    policy = ReconnectPolicy(reconnection_time=0.001, max_delay=0.05, jitter=0, min_server_delay=0.001)
    source = EventSource(
        f"http://127.0.0.1:{server.port}/", reconnect=policy, response_timeout=5.0, idle_timeout=1.0, trust_env=False
    )
    began = time.monotonic()
    end = began + arguments.minutes * 60
    last = lost = repeated = wrong = connections = 0
    errors: collections.Counter[str] = collections.Counter()
    odd: list[str] = []
    first: Optional[Held] = None
    highest, next_look = 0, began + 10
    with source:
        for item in source.lifecycle():
            if isinstance(item, MessageEvent):
                number = int(item.last_event_id)
                is_wrong = item.data != f"event {number}" + "\nmore" * (number % 3)
                repeated += number <= last
                lost += max(0, number - last - 1)
                wrong += is_wrong
                if (is_wrong or number != last + 1) and len(odd) < 10:
                    odd.append(f"after {last} came {item!r}")
                last = max(last, number)
            elif isinstance(item, OpenEvent):
                connections += 1
            elif isinstance(item, ErrorEvent):
                errors[f"{type(item.error).__name__}: {item.error.reason}"] += 1
            now = time.monotonic()
            if now >= next_look:
                next_look = now + 10
                now_held = held()
                first = first or now_held
                highest = max(highest, now_held.memory)
                print(f"{now - began:6.0f} s  {last} events  {connections} connections  {now_held}", flush=True)
            if now >= end:
                break
    over.set()
    restarter.join()
    server.kill()
    after = held()
    print(f"events {last}, connections {connections}, servers {server.starts}")
    for text in odd:
        print(text)
    print(f"lost {lost}, repeated {repeated}, wrong {wrong}")
    print(f"after 10 s: {first}; at the end: {after}; highest {highest / 2**20:.1f} MiB")
    for text, times in errors.most_common():
        print(f"{times:8} x {text}")
    # The restarter's thread and the pipes of the server's process are gone by now.
    said = grown(first, after, memory=ROOM) if first is not None else []
    print("\n".join(said) or "nothing has grown")
    return 1 if lost or repeated or wrong or said else 0


if __name__ == "__main__":
    sys.exit(main())
