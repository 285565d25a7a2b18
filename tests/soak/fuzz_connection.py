"""The connection against random responses: nothing but the documented errors, no hang, no leak."""

from __future__ import annotations

import argparse
import collections
import faulthandler
import gzip
import logging
import random
import socket
import struct
import sys
import threading
import time
import warnings
import zlib
from typing import Any, Optional

from sse_client import EventSource, EventSourceError

from .measure import grown, held

STREAM = b"retry: 1\nid: 1\ndata: a\n\n: hello\n\nevent: x\nid: \xe2\x9c\x93\ndata: b\ndata: c\n\n" * 3
TOKENS = (
    b"\r\n",
    b"\n",
    b"\r\n\r\n",
    b":",
    b";",
    b",",
    b" ",
    b"\t",
    b"\0",
    b"\xff",
    b"0\r\n\r\n",
    b"0",
    b"-1",
    b"ffffffffffff",
    b"+",
    b"chunked",
    b"gzip",
    b"deflate",
    b"br",
    b"zstd",
    b"identity",
    b"Transfer-Encoding: chunked\r\n",
    b"Content-Length: 5\r\n",
    b"Content-Length: 0\r\n",
    b"Content-Encoding: gzip\r\n",
    b"Content-Encoding: gzip, deflate\r\n",
    b"Connection: close\r\n",
    b"Connection: keep-alive\r\n",
    b"Set-Cookie: a=1; Path=/\r\n",
    b"Set-Cookie: \xff=;\r\n",
    b"Location: /x\r\n",
    b"Location: //\r\n",
    b"Location: http://[\r\n",
    b"Retry-After: 1\r\n",
    b"Retry-After: Thu, 99\r\n",
    b"HTTP/1.1 100 Continue\r\n\r\n",
    b"HTTP/1.1 200 OK\r\n",
    b"HTTP/1.0 200\r\n",
    b"Content-Type: text/event-stream\r\n",
    b"data: ",
    b"id: ",
    b"\x1f\x8b",
    b"9" * 30,
    b"x" * 9000,
    b"A: b\r\n" * 120,
)
STATUSES = (200,) * 12 + (204, 206, 301, 302, 303, 307, 308, 304, 400, 401, 404, 407, 408, 429, 500, 503, 101, 103, 999)


def noise(choice: random.Random) -> bytes:
    """Random bytes."""
    return bytes(choice.randrange(256) for _ in range(choice.randrange(300)))


def chunked(body: bytes, choice: random.Random) -> bytes:
    """The body in chunks of random sizes, with an extension now and then."""
    out = []
    while body:
        size = choice.choice((1, 7, 40, 1000))
        extension = choice.choice((b"", b"", b"", b";x=y"))
        out.append(b"%x%s\r\n%s\r\n" % (len(body[:size]), extension, body[:size]))
        body = body[size:]
    out.append(b"0\r\n" + choice.choice((b"", b"Trailer: x\r\n")) + b"\r\n")
    return b"".join(out)


def response_of(choice: random.Random) -> bytes:
    """A response that is valid but for what is done to it afterwards."""
    status = choice.choice(STATUSES)
    body = STREAM[: choice.randrange(len(STREAM) + 1)] if choice.random() < 0.8 else noise(choice)
    lines = [b"HTTP/1.%d %d Phrase" % (choice.choice((1, 1, 1, 0)), status)]
    if choice.random() < 0.95:
        lines.append(b"Content-Type: text/event-stream" + choice.choice((b"", b"; charset=utf-8")))
    if status in (301, 302, 303, 307, 308):
        lines.append(
            b"Location: " + choice.choice((b"/a", b"", b"?q", b"http://127.0.0.1/", b"file:///x", b"\xc3\xa9 x"))
        )
    encoding = choice.choice((None, None, "gzip", "deflate", "raw deflate", "gzip, gzip"))
    if encoding is not None:
        lines.append(b"Content-Encoding: " + encoding.replace("raw ", "").encode())
        if encoding == "raw deflate":
            packer = zlib.compressobj(wbits=-15)
            body = packer.compress(body) + packer.flush()
        elif encoding == "deflate":
            body = zlib.compress(body)
        else:
            for _ in encoding.split(","):
                body = gzip.compress(body)
    framing = choice.choice(("chunked", "length", "close", "both"))
    if framing in ("chunked", "both"):
        lines.append(b"Transfer-Encoding: chunked")
        body = chunked(body, choice)
    if framing in ("length", "both"):
        lines.append(b"Content-Length: %d" % (len(body) + choice.choice((0, 0, 0, 1, -1, 100))))
    return b"\r\n".join([*lines, b"", b""]) + body


def mutated(data: bytes, choice: random.Random) -> bytes:
    """The data with some things changed, put in, left out or doubled."""
    changed = bytearray(data)
    for _ in range(choice.choice((0, 0, 1, 1, 2, 3, 6))):
        at = choice.randrange(len(changed) + 1)
        kind = choice.randrange(5)
        if kind == 0 and at < len(changed):
            changed[at] = choice.randrange(256)
        elif kind == 1:
            changed[at:at] = choice.choice(TOKENS)
        elif kind == 2:
            del changed[at : at + choice.choice((1, 2, 10, 100))]
        elif kind == 3:
            changed[at:at] = changed[at : at + choice.choice((1, 10, 60))]
        elif choice.random() < 0.3:
            del changed[at:]
    return bytes(changed)


class Answer:
    """What the server says to every request at present: bytes, in pieces, and how the connection ends."""

    def __init__(self, seed: str) -> None:
        choice = random.Random(seed)
        self.data = mutated(response_of(choice), choice)
        self.cuts = sorted(choice.randrange(len(self.data) + 1) for _ in range(choice.choice((0, 0, 1, 3))))
        self.end = choice.choice(("fin",) * 30 + ("rst",) * 10 + ("hold",))


class Server(threading.Thread):
    """Gives each connection, one after the other, the present answer."""

    def __init__(self) -> None:
        super().__init__(name="fuzz-server", daemon=True)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.answer: Optional[Answer] = None

    def run(self) -> None:
        while True:
            connected, _ = self._listener.accept()
            with connected:
                answer = self.answer
                if answer is None:
                    break
                connected.settimeout(5)
                try:
                    self._serve(connected, answer)
                except OSError:
                    pass  # the client has had enough
        self._listener.close()

    def _serve(self, connected: socket.socket, answer: Answer) -> None:
        connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        head = b""
        while b"\r\n\r\n" not in head:
            piece = connected.recv(65536)
            if not piece:
                return
            head += piece
        for start, end in zip([0, *answer.cuts], [*answer.cuts, len(answer.data)]):
            connected.sendall(answer.data[start:end])
        if answer.end == "rst":
            connected.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        elif answer.end == "hold":
            connected.recv(1)

    def close(self) -> None:
        self.answer = None
        socket.create_connection(("127.0.0.1", self.port)).close()
        self.join(10)


def stay_at_home(port: int) -> None:
    """Let no redirect lead off this server."""
    real = socket.getaddrinfo

    def look_up(host: Any, asked: Any, *rest: Any) -> Any:
        if host not in ("127.0.0.1", "localhost") or asked != port:
            raise socket.gaierror(socket.EAI_NONAME, "not here")
        return real("127.0.0.1", port, *rest)

    socket.getaddrinfo = look_up  # type: ignore[assignment]


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.soak.fuzz_connection", description=__doc__)
    parser.add_argument("--minutes", type=float, default=10.0, help="how long (%(default)g)")
    parser.add_argument("--seed", default="sse_client", help="another one gives other responses")
    parser.add_argument("--only", help="try one response again: the seed that a failure has shown")
    arguments = parser.parse_args()
    warnings.simplefilter("error")
    logging.disable(logging.CRITICAL)
    server = Server()
    stay_at_home(server.port)
    server.start()
    end = time.monotonic() + arguments.minutes * 60
    outcomes: collections.Counter[str] = collections.Counter()
    failures: list[str] = []
    slowest = 0.0
    count = 0
    before = None
    while time.monotonic() < end and len(failures) < 20:
        seed = arguments.only or f"{arguments.seed}:{count}"
        server.answer = Answer(seed)
        faulthandler.dump_traceback_later(60, exit=True)  # a hang ends the run, and shows where
        started = time.monotonic()
        url = f"http://127.0.0.1:{server.port}/"
        source = EventSource(
            url,
            reconnect=None,
            response_timeout=0.3,
            idle_timeout=0.3,
            connect_timeout=5.0,
            max_event_size=4096,
            trust_env=False,
        )
        try:
            with source:
                for _ in source.lifecycle(comments=True):
                    pass
            outcomes["ended"] += 1
        except EventSourceError as error:
            outcomes[type(error).__name__] += 1
        except BaseException as error:  # noqa: BLE001 - whatever it is, it is a finding
            failures.append(f"{seed}: {error!r}\n    {server.answer.data!r}")
            print(failures[-1], flush=True)
            if isinstance(error, KeyboardInterrupt):
                break
        took = time.monotonic() - started
        if took > 7:
            failures.append(f"{seed}: took {took:.1f} s")
            print(failures[-1], flush=True)
        slowest = max(slowest, took)
        count += 1
        if count == 500:
            before = held()
        if arguments.only:
            break
    faulthandler.cancel_dump_traceback_later()
    after = held()
    said = grown(before, after, memory=8 * 2**20) if before is not None else []
    server.close()
    print(f"{count} responses: {dict(outcomes)}, slowest {slowest:.2f} s, {len(failures)} failures")
    print(f"after 500: {before}; at the end: {after}; " + ("; ".join(said) or "nothing has grown"))
    return 1 if failures or said else 0


if __name__ == "__main__":
    sys.exit(main())
