"""Events are handed over as soon as they have arrived: in every framing, encoding and cutting."""

from __future__ import annotations

import threading
from typing import Any, NamedTuple, Optional

import pytest

from sse_client import EventSource, MessageEvent
from sse_client.testing import EventStreamServer, Exchange, encode_event, event, raw, wait_for

from .support import TIMEOUT

FRAMINGS = ("chunked", "close", "length")
ENCODINGS = (None, "gzip", "deflate")


class Step(NamedTuple):
    """Pieces that the server sends, each by itself, and the data of the events that must have arrived then."""

    pieces: list[bytes]
    expected: list[str]


def one_each() -> list[Step]:
    return [Step([encode_event(f"event {n}", id=str(n))], [f"event {n}"]) for n in range(5)]


def many_each() -> list[Step]:
    steps = []
    for n in range(0, 12, 4):
        names = [f"event {m}" for m in range(n, n + 4)]
        steps.append(Step([b"".join(encode_event(name) for name in names)], names))
    return steps


def one_over_many() -> list[Step]:
    steps = []
    for name in ("first", "second\nline", "third"):
        encoded = encode_event(name, type="update", id=name[:3])
        steps.append(Step([encoded[i : i + 5] for i in range(0, len(encoded), 5)], [name]))
    return steps


def byte_by_byte() -> list[Step]:
    return [Step([bytes([byte]) for byte in encode_event(name)], [name]) for name in ("a", "✓")]


def with_half_of_the_next() -> list[Step]:
    return [
        Step([b"data: a\n\ndata: b\n"], ["a"]),
        Step([b"\ndata: c\n\n:"], ["b", "c"]),
        Step([b"comment\r\ndata: d\r\r\nda"], ["d"]),
        Step([b"ta: e\n\n"], ["e"]),
    ]


def large_then_small() -> list[Step]:
    large = "x" * 300_000
    return [Step([encode_event(large)], [large]), Step([encode_event("small")], ["small"])]


CUTTINGS = (one_each, many_each, one_over_many, byte_by_byte, with_half_of_the_next, large_then_small)


@pytest.mark.parametrize("cutting", CUTTINGS, ids=lambda cutting: cutting.__name__)
@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("framing", FRAMINGS)
def test_events_are_in_hand_before_the_next_are_sent(
    server: EventStreamServer, framing: Any, encoding: Any, cutting: Any
) -> None:
    """The server sends the next events only after the test has the ones before, and nobody waits for the other."""
    steps = cutting()
    words = [threading.Event() for _ in steps]
    script: list[Any] = []
    for step, word in zip(steps, words):
        script += [*map(raw, step.pieces), wait_for(word, TIMEOUT)]
    server.stream(*script, framing=framing, encoding=encoding)
    with EventSource(server.url, reconnect=None, idle_timeout=TIMEOUT) as source:
        events = iter(source)
        for step, word in zip(steps, words):
            assert [next(events).data for _ in step.expected] == step.expected
            word.set()
        assert next(events, None) is None


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


CHUNKED_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"

# The bytes of the connection, head and framing included: what is sent, then what must be there.
ON_THE_WIRE = {
    "the head with the first event": [(CHUNKED_HEAD + chunk(b"data: a\n\n"), ["a"])],
    "the head byte by byte": [*((bytes([byte]), []) for byte in CHUNKED_HEAD), (chunk(b"data: a\n\n"), ["a"])],
    "many chunks in one segment": [
        (CHUNKED_HEAD, []),
        (b"".join(chunk(b"data: %d\n\n" % n) for n in range(20)), [str(n) for n in range(20)]),
        (chunk(b"data: x\n\n"), ["x"]),
    ],
    "whole chunks and the beginning of another": [
        (CHUNKED_HEAD + chunk(b"data: a\n\n") + chunk(b"data: b\n\n") + b"12\r\ndata: c\n\nda", ["a", "b", "c"]),
        (b"ta: d\n\n\r\n", ["d"]),
    ],
    "a whole chunk without its line end": [
        (CHUNKED_HEAD + chunk(b"data: a\n\n")[:-2], ["a"]),
        (b"\r\n" + chunk(b"data: b\n\n")[:-1], ["b"]),
        (b"\n" + chunk(b"data: c\n\n"), ["c"]),
    ],
    "a chunk size cut in two": [
        (CHUNKED_HEAD + chunk(b"data: a\n\n") + b"1", ["a"]),
        (b"2\r", []),
        (b"\ndata: b\n\ndata: c\n\n\r\n", ["b", "c"]),
    ],
    "chunk extensions and upper case sizes": [
        (CHUNKED_HEAD + b"9;name=value\r\ndata: a\n\n\r\n", ["a"]),
        (b'0A ;q="1"\r\ndata: bb\n\n\r\n' + chunk(b"data: c\n\n"), ["bb", "c"]),
    ],
    "framing byte by byte": [
        (CHUNKED_HEAD, []),
        *((bytes([byte]), []) for byte in chunk(b"data: a\n\ndata: b\n\n")[:-2]),
        (b"\r\n", ["a", "b"]),
    ],
}


@pytest.mark.parametrize("name", ON_THE_WIRE)
def test_chunks_cut_anywhere_by_tcp_are_no_hindrance(server: EventStreamServer, name: str) -> None:
    """Where the segments of TCP cut the framing, events are in hand all the same before anything more is sent."""
    steps = [*ON_THE_WIRE[name], (b"0\r\n\r\n", [])]
    words = [threading.Event() for _ in steps]

    def play(exchange: Exchange) -> None:
        for (sent, expected), word in zip(steps, words):
            exchange.write_raw(sent)
            if expected:
                exchange.wait_for(word, TIMEOUT)

    server.reply(play)
    with EventSource(server.url, reconnect=None, idle_timeout=TIMEOUT) as source:
        events = iter(source)
        for (_, expected), word in zip(steps, words):
            assert [next(events).data for _ in expected] == expected
            word.set()
        assert next(events, None) is None


@pytest.mark.parametrize("encoding", [None, "gzip"])
def test_a_long_catching_up_is_exact(server: EventStreamServer, encoding: Any) -> None:
    """Ten thousand events in as many chunks, sent as fast as they go, arrive in order and unchanged."""
    count = 10_000
    server.stream(*(event(f"event {n} " + "é" * (n % 50)) for n in range(count)), encoding=encoding)
    with EventSource(server.url, reconnect=None) as source:
        received = [item.data for item in source]
    assert received == [f"event {n} " + "é" * (n % 50) for n in range(count)]


def test_fields_of_an_event(server: EventStreamServer) -> None:
    """An event has the type, the data, the ID and the origin of where it came from."""
    server.stream(event("✓\nb", type="Ünïcode", id="ïd"), framing="close")
    with EventSource(server.url, reconnect=None) as source:
        assert list(source) == [MessageEvent("Ünïcode", "✓\nb", "ïd", server.url.rstrip("/"))]


def test_what_is_sent_with_a_request(server: EventStreamServer) -> None:
    """The request asks for an event stream past all caches; no Last-Event-ID where there is none."""
    server.respond(204)
    with EventSource(server.url + "path?query=1") as source:
        assert list(source) == []
    (request,) = server.requests
    assert (request.method, request.target) == ("GET", "/path?query=1")
    assert request.headers["Accept"] == "text/event-stream"
    assert request.headers["Cache-Control"] == "no-cache"
    assert "Last-Event-ID" not in request.headers


def test_own_headers_win_and_arrive_as_utf_8(server: EventStreamServer) -> None:
    """The user's headers replace the package's own, whatever their case, and any text arrives as UTF-8."""
    server.respond(204)
    own = {"ACCEPT": "text/event-stream, application/json", "X-Name": "Zoë ✓"}
    with EventSource(server.url, headers=own, last_event_id="ïd ✓") as source:
        assert list(source) == []
    headers = server.requests[0].headers
    assert headers["Accept"] == own["ACCEPT"]
    assert headers["X-Name"] == own["X-Name"]
    assert headers["Last-Event-ID"] == "ïd ✓"


@pytest.mark.parametrize(
    ("arguments", "body", "content_type"),
    [
        ({"body": b"\x00raw"}, b"\x00raw", None),
        ({"body": "té"}, "té".encode(), None),
        ({"json": {"a": 1}}, b'{"a": 1}', "application/json"),
        ({"json": None}, b"null", "application/json"),
        ({"json": [], "headers": {"content-type": "application/x-own"}}, b"[]", "application/x-own"),
    ],
)
def test_a_post_sends_its_body_once(
    server: EventStreamServer, arguments: dict[str, Any], body: bytes, content_type: Optional[str]
) -> None:
    """A POST is one request and one stream to its end, with the body that was given."""
    server.stream(event("done"))
    with EventSource(server.url, method="POST", **arguments) as source:
        assert [item.data for item in source] == ["done"]
    (request,) = server.requests
    assert (request.method, request.body, request.headers.get("Content-Type")) == ("POST", body, content_type)


@pytest.mark.parametrize(
    "framing",
    [
        "chunked",
        "close",
        "length",
    ],
)
def test_head_has_no_stream(server: EventStreamServer, framing: Any) -> None:
    """The answer to a HEAD has no body, whatever its headers say: the stream ends at once."""
    server.stream(event("not sent"), framing=framing)
    with EventSource(server.url, method="HEAD", reconnect=None, idle_timeout=2.0) as source:
        assert list(source) == []
