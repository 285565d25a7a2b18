"""Hostile heads, cookies and redirects take bounded time and memory, and let the other threads of a program run.

Each case is played to a client in a child process, over this package's pools and over a session of requests. The limits
are generous: they catch what grows faster than the bytes that arrive, or without bound. What is measured is processor
time, which a busy machine does not change.
"""

from __future__ import annotations

import re
import socket
import sys
from collections.abc import Iterator
from typing import Callable

import pytest

from .raw_server import RawServer, read_head
from .support import child

KIB = 1024
MIB = 1024 * KIB
LINE = 60 * KIB  # what a line of a head may be long
CPU_LIMIT = 3.0  # seconds for one case
FREEZE_LIMIT = 0.4  # seconds for which no other thread of the child runs
MEMORY_LIMIT = 48 * MIB

CLIENT = """
import gc, logging, sys, threading, time
import requests
from sse_client import EventSource, EventSourceError
from sse_client.requests_bridge import RequestsConnector

url, way, count = sys.argv[1:]
logging.disable(logging.CRITICAL)


def memory():
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) * 1024 for line in status if line.startswith("VmHWM"))


longest = 0.0
over = threading.Event()


def watch():
    global longest
    last = time.process_time()
    while not over.wait(0.002):
        now = time.process_time()
        longest = max(longest, now - last)
        last = now


def attempt(url):
    limits = {"connect_timeout": 5.0, "response_timeout": 2.0, "idle_timeout": 2.0}
    target = url if way == "pools" else RequestsConnector(requests.Session(), url, **limits)
    source = EventSource(target, reconnect=None, max_event_size=100_000, **(limits if way == "pools" else {}))
    try:
        with source:
            for _ in range(2):
                for event in source:
                    print("event", len(event.data))
                return "ended"
    except EventSourceError as error:
        return type(error).__name__


attempt("http://127.0.0.1:1/")  # what is imported late is not the server's doing
for case in range(int(count)):
    gc.collect()
    with open("/proc/self/clear_refs", "w") as high_water_mark:
        high_water_mark.write("5")
    longest = 0.0
    over.clear()
    watcher = threading.Thread(target=watch)
    before, began = memory(), time.process_time()
    watcher.start()
    outcome = attempt(f"{url}{case}")
    over.set()
    watcher.join()
    print("case", case, outcome, time.process_time() - began, longest, memory() - before)
"""

OK = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
EVENT = b"\r\ndata: a\n\n"
FOUND = b"HTTP/1.1 302 Found\r\nContent-Length: 0\r\n"


def once(head: bytes) -> Callable[[], Iterator[bytes]]:
    return lambda: iter([head])


def endless(head: bytes, piece: bytes) -> Callable[[], Iterator[bytes]]:
    """The head, and the piece again and again."""

    def pieces() -> Iterator[bytes]:
        yield head
        big = piece * max(1, 64 * KIB // len(piece))
        for _ in range(3000):
            yield big

    return pieces


def filled(before: bytes, piece: bytes, after: bytes = b"", room: int = LINE) -> bytes:
    """A line that is as long as it may be, filled with a piece."""
    return before + piece * ((room - len(before) - len(after)) // len(piece)) + after + b"\r\n"


FILLINGS = {
    "blanks": b" ",
    "tabs": b"\t ",
    "commas": b",",
    "semicolons": b";",
    "quotes": b'"',
    "backslashes": b"\\",
    "equals signs": b"=",
    "digits": b"9",
    "percents": b"%",
    "Latin-1": b"\xfc",
    "UTF-8": "ü".encode(),
    "colons": b":",
    "types": b"a/b,",
    "brackets": b"[",
}
FIELDS = {
    "Content-Type": b"Content-Type: text/event-stream;",
    "Content-Encoding": b"Content-Encoding: ",
    "Transfer-Encoding": b"Transfer-Encoding: ",
    "Retry-After": b"Retry-After: ",
    "Set-Cookie": b"Set-Cookie: a=b;",
    "X": b"X: x",
}
FOLDED = b"".join(b"X-%d: a" % n + b" " * 600 + b"\r\n" + b" \t" * 300 + b"b\r\n" for n in range(40))
EXPIRES = b"".join(b"Set-Cookie: a%d=1; Expires=" % n + b" " * 600 + b"\r\n" for n in range(90))
LOCATIONS = {
    "dots": b"../",
    "slashes": b"/",
    "blanks": b"/ ",
    "at signs": b"//a@",
    "brackets": b"//[",
    "percents": b"/%",
    "Latin-1": b"//\xfc",
    "UTF-8": "//ü".encode(),
    "UTF-8 labels": b"//" + "ü.".encode(),
    "digits": b"//9",
    "colons": b"//a:",
    "question marks": b"?",
    "hashes": b"#",
    "schemes": b"a:",
}

HEADS: dict[str, Callable[[], Iterator[bytes]]] = {
    "folded lines": once(OK + FOLDED + EVENT),
    "a status line without end": endless(b"HTTP/1.1 200 ", b"O"),
    "fields without end": endless(OK, b"A: b\r\n"),
    "a line without end": endless(OK + b"A: ", b"b"),
    "blanks without end": endless(OK + b"A: ", b" "),
    "carriage returns": once(OK + filled(b"A: ", b"\ra:b") + EVENT),
    "carriage returns without end": endless(OK + b"A: ", b"\r"),
    "interim responses without end": endless(b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
    "interim heads without end": endless(b"HTTP/1.1 103 Early Hints\r\n", b"Link: <a>\r\n"),
    **{
        f"{field} of {name}": once(OK + filled(line, filling) + EVENT)
        for field, line in FIELDS.items()
        for name, filling in FILLINGS.items()
    },
    **{
        f"a charset of {name}": once(
            b"HTTP/1.1 404 No\r\nContent-Length: 1\r\n" + filled(b"Content-Type: a/b;charset", filling) + b"\r\nx"
        )
        for name, filling in FILLINGS.items()
    },
}
COOKIES = {
    "blank Expires": once(OK + EXPIRES + EVENT),
    "cookies without end": endless(OK, b"Set-Cookie: a=b\r\n"),
    **{
        f"cookies of {name}": once(
            OK + b"".join(filled(b"Set-Cookie: a%d=1;" % n, filling, room=4000) for n in range(15)) + EVENT
        )
        for name, filling in FILLINGS.items()
    },
    **{
        f"dates of {name}": once(
            OK + b"".join(filled(b"Set-Cookie: a%d=1; Expires=" % n, filling, room=4000) for n in range(15)) + EVENT
        )
        for name, filling in FILLINGS.items()
    },
}
REDIRECTS = {
    "a ring": once(FOUND + b"Location: ?\r\n\r\n"),
    "a ring of cookies": once(FOUND + b"Location: ?\r\n" + EXPIRES + b"\r\n"),
    "a ring of folded lines": once(FOUND + b"Location: ?\r\n" + FOLDED + b"\r\n"),
    **{
        f"a Location of {name}": once(FOUND + filled(b"Location: ", filling) + b"\r\n")
        for name, filling in LOCATIONS.items()
    },
}
GROUPS = {"heads": HEADS, "cookies": COOKIES, "redirects": REDIRECTS}
OURS = {"ended", "ConnectionFailed", "ConnectionLost", "ResponseRejected", "EventTooLarge"}


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the memory is read from /proc")
@pytest.mark.parametrize("way", ["pools", "session"])
@pytest.mark.parametrize("group", GROUPS)
def test_hostile_heads(group: str, way: str) -> None:
    """Whatever a head holds, and however much of it there is, the attempt ends soon, with an outcome of ours."""
    cases = GROUPS[group]
    names = list(cases)

    def serve(connected: socket.socket) -> None:
        while (asked := re.match(b"GET /([0-9]+)[ ?]", read_head(connected))) is not None:
            for piece in cases[names[int(asked[1])]]():
                connected.sendall(piece)
            if group != "redirects":
                return

    with RawServer(serve) as server, child(CLIENT, server.url, way, str(len(cases)), covered=False) as client:
        for number in range(len(cases)):
            client.wait_for(f"case {number} ")
        results = [line.split() for line in client.lines if line.startswith("case ")]
    wrong = [
        (names[int(number)], outcome, cpu, freeze, memory)
        for _, number, outcome, cpu, freeze, memory in results
        if outcome not in OURS or float(freeze) > FREEZE_LIMIT or float(cpu) > CPU_LIMIT or int(memory) > MEMORY_LIMIT
    ]
    assert wrong == []
