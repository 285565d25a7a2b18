"""The server of the soak, in a process of its own: numbered events, and faults at random."""

from __future__ import annotations

import random
import sys
import threading

from sse_client.testing import EventStreamServer, Exchange, ExchangeEnded, encode_event

FAULTS = {"cut": 30, "reset": 25, "garbage": 15, "end": 12, "hang up": 6, "503": 6, "empty": 5, "stall": 1}


class Faulty:
    """A handler that serves the events after the Last-Event-ID, for a while."""

    def __init__(self, count: int, seed: str) -> None:
        self.count = count
        self._choice = random.Random(seed)
        self._lock = threading.Lock()

    def __call__(self, exchange: Exchange) -> None:
        have = int(exchange.request.headers.get("Last-Event-ID", "0"))
        if have == self.count:
            exchange.respond(204)
            return
        with self._lock:
            choice = random.Random(self._choice.random())
        fault = choice.choices(list(FAULTS), list(FAULTS.values()))[0]
        if fault == "hang up":
            exchange.drop()
        elif fault == "503":
            exchange.respond(503, b"not now", {"Connection": choice.choice(["close", "keep-alive"])})
        else:
            self._stream(exchange, have, fault, choice)

    def _stream(self, exchange: Exchange, have: int, fault: str, choice: random.Random) -> None:
        many = 0 if fault == "empty" else choice.choice((1, 10, 50, 300))
        body = b"".join(
            encode_event(f"event {n}" + "\nmore" * (n % 3), id=str(n), type=("message", "tick")[n % 2])
            for n in range(have + 1, min(have + many, self.count) + 1)
        )
        if fault in ("cut", "reset", "garbage", "stall"):
            body = body[: choice.randrange(len(body) + 1)]
        framing = "chunked" if fault == "garbage" else choice.choice(("chunked", "close"))
        exchange.send_head(framing=framing, encoding=choice.choice((None, None, "gzip", "deflate")))
        if fault == "empty":
            exchange.send(b": nothing\n\n")
        while body:
            size = choice.choice((1, 50, 4000, 70_000))
            exchange.send(body[:size])
            body = body[size:]
        if fault == "garbage":
            # Broken framing. (A whole chunk of garbage would be what the server has to say.)
            exchange.write_raw(choice.choice((b"zz\r\n", b"\x00\xff" * 50, b"ffff\r\n", b"-1\r\n\r\n")))
        elif fault == "cut":
            exchange.drop()
        elif fault == "reset":
            exchange.reset()
        elif fault == "stall":
            exchange.hold()


def main() -> None:
    port, count, seed = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
    handler = Faulty(count, seed)

    def serve(exchange: Exchange) -> None:
        try:
            handler(exchange)
        except ExchangeEnded:
            pass

    server = EventStreamServer(port=port)
    server.handler = serve  # before it listens: without a handler it tells its clients to stop
    with server:
        print(server.port, flush=True)
        sys.stdin.read()  # until the soak is over


if __name__ == "__main__":
    main()
