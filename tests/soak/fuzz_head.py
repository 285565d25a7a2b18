"""Hostile heads, cookies, redirects, chunk framings and codings: no freeze, our errors only, the same however cut.

Each case is a chain of random responses, some of them redirects, which are mutated and played three times: whole, cut
around every line break, and cut at random or byte by byte. The cuts are made where the client reads, so that the
kernel cannot undo them.
"""

from __future__ import annotations

import argparse
import collections
import contextlib
import faulthandler
import gzip
import logging
import random
import re
import socket
import sys
import threading
import time
import traceback
import warnings
import zlib
from typing import Any, NamedTuple, Optional

import requests
import urllib3

from sse_client import EventSource, EventSourceError, MessageEvent
from sse_client.requests_bridge import RequestsConnector

from .fuzz_connection import STREAM, mutated, stay_at_home
from .measure import grown, held

FREEZE_LIMIT = 0.2  # seconds of processor time in which no other thread runs
TIME_LIMIT = 20.0  # seconds for one way of cutting, on a busy machine
MAX_RUN = 60 * 1024  # bytes of one run of characters
MAX_CUTS = 3000
LIMITS: dict[str, Any] = {"connect_timeout": 5.0, "response_timeout": 2.0, "idle_timeout": 2.0}
RECEIVE = socket.socket.recv  # without the cuts
WAYS = ("own pools", "own pools", "pool", "session")

RUNS = (b" ", b"\t", b" \t", b"\r", b"\n ", b"\r\n ", *(bytes([c]) for c in b',;"\\=9%/a0\xff'))
FIELDS = (
    b"Content-Type: text/event-stream",
    b"Content-Type: text/html",
    b"Content-Type: text/event-stream, text/html",
    b'Content-Type: text/html;a=",", text/event-stream',
    b"content-type:text/event-stream ; charset=utf-8",
    b"Content-Encoding: gzip",
    b"Content-Encoding: utf-8",
    b"Content-Encoding: deflate",
    b"Content-Encoding: br",
    b"Content-Encoding: zstd",
    b"Content-Encoding: gzip, gzip",
    b"Content-Length: 10",
    b"Content-Length: 10, 10",
    b"Transfer-Encoding: chunked",
    b"Transfer-Encoding: gzip, chunked",
    b"Transfer-Encoding: identity",
    b"Connection: close",
    b"Connection: keep-alive",
    b"Connection: upgrade",
    b"Retry-After: 1.5",
    b"Retry-After: Fri, 31 Dec 1999 23:59:59 GMT",
    b"Date: Fri, 31 Dec 1999 23:59:59 GMT",
    b"Set-Cookie: a=b",
    b"Set-Cookie: a=1; Max-Age",
    b"Set-Cookie: a=1; Max-Age=99999999999999999999",
    b"Set-Cookie: b=2; Expires=Fri, 31 Dec 1999 23:59:59 GMT",
    b"Set-Cookie: c=3; Path=/; Domain=127.0.0.1; Secure",
    b'Set-Cookie: d="4; Version=1; Port="1,2"',
    b"Set-Cookie: \xff\xfe=\x01",
    b"Set-Cookie2: e=5",
    b"X: a\rSet-Cookie: planted=1",
    b"X: a\r\n folded",
    b"X: a\r\n\tSet-Cookie: planted=2",
    b"X: a\nY: b",
)
BROKEN_FIELDS = (
    b"Content-Length: +10",
    b"Content-Length: 1_0",
    b"Content-Length: 10, 11",
    b"Content-Length: -1",
    b"Content-Length: 99999999999999999999",
    b"Transfer-Encoding : chunked",
    b"Transfer-Encoding:\x0bchunked",
    b"X: a\0b",
    b" X: a line that continues nothing",
    b"X : a",
    b"X",
    b": a",
    b"",
    b"\xff\xff: \xff",
)
LOCATIONS = (
    b"/%d",
    b"/%d",
    b"%d",
    b"?%d",
    b"#%d",
    b"//127.0.0.1:%%d/%d",
    b"http://127.0.0.1:%%d/%d",
    b"HTTP://localhost:%%d/%d",
    b"http://user:p@127.0.0.1:%%d/%d",
    b"http://127.1:%%d/%d",
    b"http://127.0.0.1\\@127.0.0.1:%%d/%d",
    b"http://127%%%%2e0.0.1:%%d/%d",
    b"http://[::1]:%%d/%d",
    b"https://127.0.0.1:%%d/%d",
    b"file:///%d",
    b"/\xc3\xa9 x%d",
    b"/\xff%d",
    b"///127.0.0.1:%%d/%d",
    b"\\\\127.0.0.1:%%d/%d",
)
STATUS_LINES = (
    *(b"HTTP/1.1 %d OK",) * 100,
    b"HTTP/1.0 %d OK",
    b"HTTP/1.1 %d",
    b"HTTP/1.1 %d ",
    b"HTTP/1.1  %d OK",
    b"HTTP/1.1\t%d OK",
    b"http/1.1 %d OK",
    b"HTTP/2 %d OK",
    b"HTTP/1.1 +%d OK",
    b"HTTP/1.1 %d0 OK",
    b"HTTP/1.1 %d O\rK",
    b"ICY %d OK",
    b"%d",
)
INTERIM = (b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\nSet-Cookie: early=1\r\n\r\n")
STATUSES = (*(200,) * 16, 204, 206, 304, 400, 401, 403, 404, 407, 429, 500, 503, 520, 599, 999, 101)
SIZES = (*(b"%x",) * 12, b"%X", b"0%x", b"+%x", b"0x%x", b" %x", b"%x ", b"%x;a=b", b"%x;\r\n", b"%x\0", b"", b"-%x")
CHUNK_ENDS = (*(b"\r\n",) * 12, b"\n", b"\r", b"", b"\r\n\r\n", b"xx")


def run(choice: random.Random) -> bytes:
    """A run of the same bytes; long ones are rare."""
    piece = choice.choice(RUNS)
    longest = choice.choice((10, 10, 100, 100, 5000, MAX_RUN))
    return piece * (choice.randrange(1, longest) // len(piece) + 1)


def chunks(body: bytes, choice: random.Random) -> bytes:
    """The body in chunks whose framing is wrong now and then."""
    is_strict = choice.random() < 0.8
    out = []
    while body:
        size = choice.choice((1, 7, 40, 1000))
        chunk, body = body[:size], body[size:]
        head = b"%x" if is_strict else choice.choice(SIZES)
        after_size, after_chunk = (b"\r\n" if is_strict else choice.choice(CHUNK_ENDS) for _ in range(2))
        out.append((head % len(chunk) if b"%" in head else head) + after_size + chunk + after_chunk)
    trailers = choice.choice((b"", b"", b"Trailer: x\r\n", b"Set-Cookie: trailer=1\r\n", run(choice)))
    return b"".join([*out, b"0\r\n", trailers, b"\r\n"])


def encoded(body: bytes, choice: random.Random) -> tuple[bytes, list[bytes]]:
    """The body in a coding, and the field that names it, or does not."""
    coding = choice.choice((None, None, None, b"gzip", b"deflate", b"bare", b"stored"))
    if coding is None:
        return body, []
    if coding == b"gzip":
        body = gzip.compress(body[: len(body) // 2]) + gzip.compress(body[len(body) // 2 :])
    elif coding == b"deflate":
        body = zlib.compress(body)
    else:
        packer = zlib.compressobj(level=0 if coding == b"stored" else 9, wbits=-15)
        body = b"\0\0\0\xff\xff" * choice.choice((0, 1, 1000)) + packer.compress(body) + packer.flush()
    name = coding if coding == b"gzip" else b"deflate"
    return body, [b"Content-Encoding: " + name] if choice.random() < 0.9 else []


def response(choice: random.Random, following: Optional[int]) -> bytes:
    """One response: a redirect to the one that follows, or one that ends the chain."""
    body = STREAM[: choice.randrange(len(STREAM) + 1)]
    status = choice.choice((301, 302, 303, 307, 308)) if following is not None else choice.choice(STATUSES)
    lines = [choice.choice(STATUS_LINES) % status]
    if following is not None:
        location = choice.choice(LOCATIONS)
        lines.append(b"Location: " + (location % following if b"%" in location else location))
        body = b"" if choice.random() < 0.8 else body
    elif choice.random() < 0.9:
        lines.append(b"Content-Type: text/event-stream")
    body, fields = encoded(body, choice)
    lines += fields
    framing = choice.choice(("chunked", "length", "close"))
    if framing == "chunked":
        lines.append(b"Transfer-Encoding: chunked")
        body = chunks(body, choice)
    elif framing == "length":
        lines.append(b"Content-Length: %d" % (len(body) + choice.choice((0, 0, 0, 0, 1, -1))))
    for _ in range(choice.choice((0, 0, 0, 0, 1, 1, 2, 5, 60))):
        field = choice.choice(FIELDS if choice.random() < 0.95 else BROKEN_FIELDS)
        if choice.random() < 0.2:
            at = choice.randrange(len(field) + 1)
            field = field[:at] + run(choice) + field[at:]
        lines.insert(choice.randrange(1, len(lines) + 1), field)
    interim = b"".join(choice.choice(INTERIM) for _ in range(choice.choice((*(0,) * 20, 1, 2, 40))))
    end = choice.choice((*(b"\r\n",) * 30, b"\n"))
    return interim + end.join([*lines, b"", b""]) + body


def cuts_of(data: bytes, choice: random.Random) -> list[list[int]]:
    """Three ways of cutting: none, around each line break, at random or everywhere."""
    around = sorted({at + by for at in (m.start() for m in re.finditer(b"[\r\n]", data)) for by in (0, 1)})
    anywhere = (
        list(range(1, len(data)))
        if len(data) < MAX_CUTS and choice.random() < 0.5
        else sorted({choice.randrange(len(data) + 1) for _ in range(choice.choice((1, 2, 10, 60)))})
    )
    return [[], around[:MAX_CUTS], anywhere]


class Case:
    """A chain of responses, by the number in the path that is asked for, each with three ways to cut it."""

    def __init__(self, seed: str, port: int) -> None:
        choice = random.Random(seed)
        redirects = choice.choice((0, 0, 0, 1, 1, 2, 4, 12))
        self.way = choice.choice(WAYS)
        self.answers: list[bytes] = []
        for number in range(redirects + 1):
            data = response(choice, number + 1 if number < redirects else None)
            data = data.replace(b"%d", b"%d" % port, 1)
            self.answers.append(mutated(data, choice) if choice.random() < 0.4 else data)
        self.cuts = [cuts_of(data, choice) for data in self.answers]


class Cutter:
    """Lets each ``recv`` of this process return no more than up to the next cut."""

    def __init__(self) -> None:
        self._ahead: collections.deque[int] = collections.deque()

    def load(self, data: bytes, cuts: list[int]) -> None:
        """Set the cuts of the bytes that are sent next."""
        edges = [0, *(cut for cut in cuts if 0 < cut < len(data)), len(data)]
        self._ahead = collections.deque(b - a for a, b in zip(edges, edges[1:]) if b > a)

    def install(self) -> None:
        """Replace what sockets read with."""
        for name in ("recv", "recv_into"):
            setattr(socket.socket, name, self._limited(name))

    def _limited(self, name: str) -> Any:
        real = getattr(socket.socket, name)

        def limited(sock: socket.socket, buffer_or_size: Any, *rest: Any) -> Any:
            if not self._ahead or sock.family != socket.AF_INET:  # the socket pair that wakes a reader is another
                return real(sock, buffer_or_size, *rest)
            if name == "recv":
                result = real(sock, min(buffer_or_size, self._ahead[0]), *rest)
            else:
                result = real(sock, memoryview(buffer_or_size)[: self._ahead[0]], *rest)
            count = result if isinstance(result, int) else len(result)
            if count and self._ahead:
                self._ahead[0] -= count
                if self._ahead[0] <= 0:
                    self._ahead.popleft()
            return result

        return limited


class Server(threading.Thread):
    """Answers each connection once, by the number in the path, and writes down what was asked."""

    def __init__(self, cutter: Cutter) -> None:
        super().__init__(name="fuzz-server", daemon=True)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._cutter = cutter
        self.port: int = self._listener.getsockname()[1]
        self.case: Optional[Case] = None
        self.way_to_cut = 0
        self.asked: list[bytes] = []
        self._threads: list[threading.Thread] = []

    def run(self) -> None:
        while True:
            connected, _ = self._listener.accept()
            if self.case is None:
                connected.close()
                self._listener.close()
                return
            thread = threading.Thread(target=self._serve_one, args=(connected, self.case), daemon=True)
            self._threads = [other for other in self._threads if other.is_alive()]
            self._threads.append(thread)
            thread.start()

    def settle(self) -> None:
        """Wait until no connection is served any more, so that what is held can be measured."""
        for thread in self._threads:
            thread.join(15)

    def _serve_one(self, connected: socket.socket, case: Case) -> None:
        with connected, contextlib.suppress(OSError):
            connected.settimeout(10)
            self._serve(connected, case)

    def _serve(self, connected: socket.socket, case: Case) -> None:
        head = b""
        while b"\r\n\r\n" not in head:
            piece = RECEIVE(connected, 65536)
            if not piece or piece.startswith(b"\x16"):  # a handshake of TLS
                return
            head += piece
        path, cookie, position = (
            re.search(pattern, head, re.IGNORECASE)
            for pattern in (rb"^[A-Z]+ (\S*)", rb"\r\nCookie: ([^\r\n]*)", rb"\r\nLast-Event-ID: ([^\r\n]*)")
        )
        asked = b" ".join(match[1] if match else b"-" for match in (path, cookie, position))
        if not self.asked or self.asked[-1] != asked:  # a request that is repeated on a new connection is the same one
            self.asked.append(asked)
        number = re.search(rb"([0-9]+)$", path[1] if path else b"")
        index = min(int(number[1][-3:]) if number else 0, len(case.answers) - 1)
        data = case.answers[index]
        self._cutter.load(data, case.cuts[index][self.way_to_cut])
        connected.sendall(data)
        connected.shutdown(socket.SHUT_WR)
        with contextlib.suppress(OSError):
            while RECEIVE(connected, 65536):
                pass

    def close(self) -> None:
        """End the thread."""
        self.case = None
        socket.create_connection(("127.0.0.1", self.port)).close()
        self.join(10)


class Watcher(threading.Thread):
    """Measures for how much processor time at most it does not get its turn."""

    def __init__(self) -> None:
        super().__init__(name="fuzz-watcher", daemon=True)
        self.longest = 0.0

    def run(self) -> None:
        last = time.process_time()
        waiting = threading.Event()
        while True:
            waiting.wait(0.005)
            now = time.process_time()
            self.longest = max(self.longest, now - last)
            last = now


class Outcome(NamedTuple):
    """All that a user, and the server, see of one attempt."""

    end: str
    events: list[tuple[str, str, str]]
    last_event_id: str
    asked: list[bytes]

    def agrees_with(self, other: Outcome) -> bool:
        """Whether they are the same. Of a coding that breaks, more or less comes out before the break."""
        if "content encoding is broken" in self.end:
            shorter, longer = sorted((self.events, other.events), key=len)
            return (self.end, self.asked, shorter) == (other.end, other.asked, longer[: len(shorter)])
        return self == other


def play(server: Server, case: Case, way_to_cut: int) -> Outcome:
    server.way_to_cut = way_to_cut
    server.asked = []
    url = f"http://127.0.0.1:{server.port}/0"
    settings: dict[str, Any] = {"reconnect": None, "max_event_size": 100_000}
    session, pool = requests.Session(), urllib3.PoolManager()
    if case.way == "session":
        session.trust_env = False
        source = EventSource(RequestsConnector(session, url, **LIMITS), **settings)
    else:
        source = EventSource(url, pool=pool if case.way == "pool" else None, trust_env=False, **LIMITS, **settings)
    events: list[tuple[str, str, str]] = []
    end = "ended"
    with source, session, pool:
        try:
            for item in source.lifecycle():
                if isinstance(item, MessageEvent):
                    events.append((item.type, item.data, item.last_event_id))
        except EventSourceError as error:
            end = f"{type(error).__name__}: {error}".replace(str(server.port), "PORT")
    return Outcome(end, events, source.last_event_id, list(server.asked))


def check(seed: str, server: Server, watcher: Watcher) -> tuple[str, list[str]]:
    """Play one case in three ways; return how it ended, and what is wrong, in words."""
    case = server.case = Case(seed, server.port)
    wrong: list[str] = []
    for _ in range(3):  # a difference that is only the order of a FIN and a request does not come three times
        outcomes = []
        for way_to_cut in range(3):
            watcher.longest = 0.0
            began = time.monotonic()
            outcomes.append(play(server, case, way_to_cut))
            if watcher.longest > FREEZE_LIMIT:
                wrong.append(f"no other thread ran for {watcher.longest:.2f} s (cut {way_to_cut})")
            if time.monotonic() - began > TIME_LIMIT:
                wrong.append(f"took {time.monotonic() - began:.1f} s (cut {way_to_cut})")
        differing = [outcome for outcome in outcomes if not outcome.agrees_with(outcomes[0])]
        if not differing:
            break
    else:
        wrong.append(f"it depends on the cuts:\n    {outcomes[0]}\n    {differing[0]}")
    return outcomes[0].end.partition(":")[0], wrong


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.soak.fuzz_head", description=__doc__)
    parser.add_argument("--minutes", type=float, default=10.0, help="how long (%(default)g)")
    parser.add_argument("--seed", default="sse_client", help="another one gives other responses")
    parser.add_argument("--only", help="try one case again: the seed that a failure has shown")
    arguments = parser.parse_args()
    warnings.simplefilter("error")
    logging.disable(logging.CRITICAL)
    cutter = Cutter()
    server, watcher = Server(cutter), Watcher()
    stay_at_home(server.port)
    cutter.install()
    server.start()
    watcher.start()
    ignored: list[str] = []
    sys.unraisablehook = lambda unraisable: ignored.append(f"ignored: {unraisable.exc_value!r}")
    end = time.monotonic() + arguments.minutes * 60
    outcomes: collections.Counter[str] = collections.Counter()
    failures = count = 0
    before = None
    while time.monotonic() < end and failures < 20:
        seed = arguments.only or f"{arguments.seed}:{count}"
        faulthandler.dump_traceback_later(120, exit=True)  # a hang ends the run, and shows where
        try:
            outcome, wrong = check(seed, server, watcher)
            outcomes[outcome] += 1
        except Exception as error:  # noqa: BLE001 - whatever it is, it is a finding
            wrong = ["".join(traceback.format_exception(type(error), error, error.__traceback__)[-3:])]
        wrong += ignored
        ignored.clear()
        for what in wrong:
            failures += 1
            case = Case(seed, server.port)
            print(f"{seed}: {what}\n    {case.way}: {[data[:2000] for data in case.answers]}", flush=True)
        count += 1
        if count == 300:
            server.settle()
            before = held()
        if arguments.only:
            break
    faulthandler.cancel_dump_traceback_later()
    server.settle()
    after = held()
    said = grown(before, after, memory=16 * 2**20) if before is not None else []
    server.close()
    print(f"{count} cases: {dict(outcomes)}, {failures} failures")
    print(f"after 300: {before}; at the end: {after}; " + ("; ".join(said) or "nothing has grown"))
    return 1 if failures or said else 0


if __name__ == "__main__":
    sys.exit(main())
