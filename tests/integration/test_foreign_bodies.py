"""`iter_events` over bodies that somebody else opened: which calls hold events back, on which framing. Measured.

The table in tests/examples/README.md is `table()`.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from typing import Any, Callable, NamedTuple

import pytest

from sse_client import iter_events
from sse_client.testing import EventStreamServer, Exchange, encode_event

from .support import ROOT, TIMEOUT

requests = pytest.importorskip("requests")
httpx = pytest.importorskip("httpx")

import urllib3  # noqa: E402 - behind the checks

HELD_AFTER = 0.4  # seconds after which an event that has been sent counts as held back
BUSY = TIMEOUT / 2  # the same, where it should not be: a busy machine may take long


class Framing(NamedTuple):
    """How the server sends the first two events, and then waits; in one piece for each string."""

    name: str
    framing: str = "chunked"
    encoding: Any = None
    whole_events: bool = True


FRAMINGS = {
    "a chunk an event": Framing("chunked"),
    "events across chunks": Framing("chunked", whole_events=False),
    "until the connection closes": Framing("close", "close"),
    "Content-Length": Framing("length", "length"),
    "chunked, gzip": Framing("gzip", encoding="gzip"),
    "until it closes, gzip": Framing("gzip, close", "close", "gzip"),
}


@contextmanager
def over_requests(url: str, read: Callable[[Any], Iterable[bytes]]) -> Iterator[Iterable[bytes]]:
    with requests.Session() as session, session.get(url, stream=True, timeout=TIMEOUT) as response:
        yield read(response)


@contextmanager
def over_httpx(url: str, read: Callable[[Any], Iterable[bytes]]) -> Iterator[Iterable[bytes]]:
    with httpx.Client(timeout=TIMEOUT, trust_env=False) as client, client.stream("GET", url) as response:
        yield read(response)


@contextmanager
def over_urllib3(url: str, read: Callable[[Any], Iterable[bytes]]) -> Iterator[Iterable[bytes]]:
    with urllib3.PoolManager(timeout=TIMEOUT) as pool:
        headers = {"Accept-Encoding": "gzip"}
        with closing(pool.request("GET", url, headers=headers, preload_content=False)) as response:
            yield read(response)


def read1(response: Any) -> Iterator[bytes]:
    return iter(lambda: response.read1(65536, decode_content=True), b"")


PROMPT, HELD, WRONG = "at once", "**held back**", "**wrong bytes**"
_PROMPT = (PROMPT,) * 6
_BY_CHUNKS = (PROMPT, PROMPT, HELD, HELD, PROMPT, HELD)

# What the call is, how it is made, and what becomes of events on each of the framings, in their order.
CALLS: dict[str, Any] = {
    "requests: `response.iter_content(None)`": (over_requests, lambda r: r.iter_content(None), _BY_CHUNKS),
    "requests: `response.iter_content(1024)`": (over_requests, lambda r: r.iter_content(1024), _BY_CHUNKS),
    "requests: `response.iter_content(1)`, slow": (over_requests, lambda r: r.iter_content(1), _PROMPT),
    'requests: `iter(lambda: response.raw.read1(65536, decode_content=True), b"")`': (
        over_requests,
        lambda r: read1(r.raw),
        _PROMPT,
    ),
    "httpx: `response.iter_bytes()`": (over_httpx, lambda r: r.iter_bytes(), _PROMPT),
    "httpx: `response.iter_bytes(1024)`": (over_httpx, lambda r: r.iter_bytes(1024), (HELD,) * 6),
    "httpx: `response.iter_raw()`": (
        over_httpx,
        lambda r: r.iter_raw(),
        (PROMPT, PROMPT, PROMPT, PROMPT, WRONG, WRONG),
    ),
    "urllib3: `response.stream()`": (over_urllib3, lambda r: r.stream(), (PROMPT, PROMPT, HELD, HELD, WRONG, HELD)),
    "urllib3: `response.stream(decode_content=True)`": (
        over_urllib3,
        lambda r: r.stream(decode_content=True),
        _BY_CHUNKS,
    ),
    "urllib3: `response.stream(1, decode_content=True)`, slow": (
        over_urllib3,
        lambda r: r.stream(1, decode_content=True),
        _PROMPT,
    ),
    'urllib3: `iter(lambda: response.read1(65536, decode_content=True), b"")`': (over_urllib3, read1, _PROMPT),
}


def outcome(server: EventStreamServer, call: str, framing: Framing) -> str:
    """Have two events sent, and look whether they are in hand while the server waits; then have it end."""
    go = threading.Event()
    events = [encode_event(f"event {n}", id=str(n)) for n in range(3)]
    first = events[0] + events[1]
    pieces = events[:2] if framing.whole_events else [first[:4], first[4:30], first[30:]]

    def reply(exchange: Exchange) -> None:
        length = sum(map(len, events)) if framing.framing == "length" else None
        exchange.send_head(framing=framing.framing, encoding=framing.encoding, content_length=length)  # type: ignore[arg-type]
        for piece in pieces:
            exchange.send(piece)
        exchange.wait_for(go, TIMEOUT)
        exchange.send(events[2])

    server.reply(reply)
    opener, read, expected = CALLS[call]
    prompt = expected[list(FRAMINGS.values()).index(framing)] == PROMPT
    patience = BUSY if prompt else HELD_AFTER
    received: queue.Queue[Any] = queue.Queue()

    def follow() -> None:
        try:
            with opener(server.url, read) as body:
                for item in iter_events(body):
                    received.put(item.data)
        except Exception as error:  # noqa: BLE001 - it is what the test is to see
            received.put(error)
        received.put(None)

    reader = threading.Thread(target=follow)
    reader.start()
    early: list[Any] = []
    try:
        while len(early) < 2:
            early.append(received.get(timeout=patience))
    except queue.Empty:
        pass
    go.set()
    reader.join(TIMEOUT)
    everything = [*early, *iter(received.get_nowait, None)] if None not in early else early
    if everything != ["event 0", "event 1", "event 2"]:
        return WRONG
    return PROMPT if early == ["event 0", "event 1"] else HELD


def table() -> str:
    """Return the table as tests/examples/README.md has it."""
    rows = [["", *FRAMINGS], ["---"] * (len(FRAMINGS) + 1)]
    rows += [[call, *expected] for call, (_, _, expected) in CALLS.items()]
    return "\n".join("| " + " | ".join(row) + " |" for row in rows)


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("framing", FRAMINGS)
def test_which_calls_hold_events_back(server: EventStreamServer, call: str, framing: str) -> None:
    """The table says what happens: to those who use it, and when a new version of a library changes it, to us."""
    expected = CALLS[call][2][list(FRAMINGS).index(framing)]
    assert outcome(server, call, FRAMINGS[framing]) == expected


def test_the_table() -> None:
    """The table has a column for each framing in every row, and for each library a call that is always right."""
    lines = table().splitlines()
    assert {line.count("|") for line in lines} == {len(FRAMINGS) + 2}
    for library in ("requests", "httpx", "urllib3"):
        assert any(line.startswith(f"| {library}") and "**" not in line for line in lines)
    assert table() in (ROOT / "tests" / "examples" / "README.md").read_text(encoding="utf-8")
