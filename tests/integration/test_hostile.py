"""Hostile and broken servers: bounded memory, a clear error or a defined behaviour, no loop without a pause."""

from __future__ import annotations

import json
import os
import random
import threading
import zlib
from typing import Any, Callable, Optional

import pytest

from sse_client import (
    ConnectionFailed,
    ConnectionLost,
    ErrorEvent,
    EventSource,
    EventSourceError,
    EventTooLarge,
    MessageEvent,
    ReconnectPolicy,
    ResponseRejected,
)
from sse_client._http.chunks import ChunkedBody
from sse_client.testing import EventStreamServer, Exchange, ExchangeEnded, drop, event, hold, raw

from .support import AT_ONCE, LATER, TIMEOUT, Follower, assert_nothing_raised, child, data_of

MEGABYTE = 1024 * 1024
LIMIT = 4 * MEGABYTE
ROOM = 24 * MEGABYTE  # what a child may grow by: a few copies of the limit, and what Python itself needs

needs_proc = pytest.mark.skipif(not os.path.exists("/proc/self/status"), reason="memory is read from /proc")

FOLLOWING = """
import json, sys
from sse_client import EventSource, EventSourceError, ReconnectPolicy

def peak():
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmHWM")) * 1024

url, limit, events = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
policy = ReconnectPolicy(reconnection_time=0.01, max_delay=0.01, jitter=0, max_attempts=3)
before = peak()
seen, error = 0, None
try:
    with EventSource(url, reconnect=policy, max_event_size=limit) as source:
        for item in source.lifecycle(comments=True):
            seen += type(item).__name__ in ("MessageEvent", "CommentEvent")
            if seen >= events:
                break
except EventSourceError as caught:
    error = caught
print(json.dumps([type(error).__name__, str(error), seen, peak() - before]), flush=True)
"""


def followed_in_a_child(
    server: EventStreamServer, *, limit: int = LIMIT, events: int = 10**9
) -> tuple[str, str, int, int]:
    """Follow the server in a process of its own; return the error, its text, how much was seen, and the growth."""
    with child(FOLLOWING, server.url, str(limit), str(events), covered=False) as process:
        process.process.wait(60)
        process.wait_for("[")
        error, text, seen, growth = json.loads(process.lines[0])
    return error, text, seen, growth


def endless(piece: bytes, first: bytes = b"", **head: Any) -> Callable[[Exchange], None]:
    """A handler that sends a piece again and again: for ever, but for 2 GB."""

    def serve(exchange: Exchange) -> None:
        try:
            exchange.send_head(**head)
            exchange.send(first)
            for _ in range(2048 * MEGABYTE // len(piece)):
                exchange.send(piece)
        except ExchangeEnded:
            pass

    return serve


# Streams without an end to something


@needs_proc
@pytest.mark.parametrize(
    "piece",
    [
        b"x" * MEGABYTE,
        b"data: x\n" * (MEGABYTE // 8),
        b"data\n" * (MEGABYTE // 5),
        b"data: " + b"x" * MEGABYTE + b"\n",
        b":" + b"x" * MEGABYTE,
    ],
    ids=["a line", "data lines", "empty data lines", "long data lines", "a comment line"],
)
def test_an_endless_event(server: EventStreamServer, piece: bytes) -> None:
    """An event that never ends is an error that names the limit, and takes memory in proportion to it."""
    server.handler = endless(piece, first=b"data: a\n\n")
    error, text, seen, growth = followed_in_a_child(server)
    assert (error, seen) == ("EventTooLarge", 1)
    assert f"max_event_size={LIMIT}" in text
    assert growth < ROOM
    assert len(server.requests) == 1


@needs_proc
@pytest.mark.parametrize(
    "piece",
    [
        b": still here\n" * 10_000,
        b"\n" * MEGABYTE,
        b"id: 1\n" * 100_000,
        b"event: x\n" * 100_000,
        b"retry: 1\n" * 100_000,
        b"nonsense: x\n" * 100_000,
        b"id: 1\n\n" * 100_000,
        b"data: x\n\n" * 100_000,
    ],
    ids=["comments", "blank lines", "ids", "types", "retries", "unknown fields", "blocks of an id", "events"],
)
def test_endless_lines_that_mean_little(server: EventStreamServer, piece: bytes) -> None:
    """Lines without end that add up to nothing take no memory; an event behind 40 MB of them still arrives."""
    sent = 0

    def serve(exchange: Exchange) -> None:
        nonlocal sent
        try:
            while sent < 40 * MEGABYTE:
                exchange.send(piece)
                sent += len(piece)
            exchange.run(event("found"), hold())
        except ExchangeEnded:
            pass

    server.handler = serve
    wanted = 40 * MEGABYTE // len(piece) * piece.count(b"\n" if piece[:1] == b":" else b"data: x\n\n") + 1
    error, text, seen, growth = followed_in_a_child(server, events=wanted)
    assert error == "NoneType", text
    assert seen == wanted
    assert growth < ROOM


@needs_proc
def test_a_large_event_within_the_limit(server: EventStreamServer) -> None:
    """An event just below the limit is handed over, and takes a few times its size."""
    server.stream(raw(b"data: " + b"x" * (LIMIT - 100) + b"\n\n"), drop())
    server.respond(404)
    error, _, seen, growth = followed_in_a_child(server)
    assert (error, seen) == ("ResponseRejected", 1)
    assert growth < ROOM


def zipped_zeros(count: int, times: int = 1) -> bytes:
    """Zeros in gzip, in gzip, in gzip."""
    data = b""
    for layer in range(times):
        compressor = zlib.compressobj(1, wbits=31)
        if layer == 0:
            data = b"".join(compressor.compress(bytes(MEGABYTE)) for _ in range(count // MEGABYTE))
        else:
            data = compressor.compress(data)
        data += compressor.flush()
    return data


@needs_proc
def test_a_gzip_bomb(server: EventStreamServer) -> None:
    """Half a megabyte that unpacks to half a gigabyte ends at the limit, not at the end of the memory."""
    bomb = zipped_zeros(512 * MEGABYTE, 1)
    server.stream(raw(bomb), headers={"Content-Encoding": "gzip"})
    error, _, seen, growth = followed_in_a_child(server)
    assert (error, seen) == ("EventTooLarge", 0)
    # urllib3 before 2.6 unpacks as much as one read has brought: 64 KiB of deflate are 64 MiB at the most.
    assert growth < ROOM + 160 * MEGABYTE


@pytest.mark.parametrize("times", [2, 1000])
def test_more_than_one_encoding(server: EventStreamServer, times: int) -> None:
    """A body that is encoded more than once, and might unpack to any size, is not read at all."""
    server.stream(raw(b"data: a\n\n"), headers={"Content-Encoding": ", ".join(["gzip"] * times)})
    with pytest.raises(ResponseRejected, match="encoded more than once"):
        data_of(EventSource(server.url, reconnect=AT_ONCE))


@pytest.mark.parametrize("encoding", ["br", "zstd", "compress", "nonsense", "identity"])
def test_an_encoding_that_may_be_unknown(server: EventStreamServer, encoding: str) -> None:
    """A body in an encoding that was not asked for is read as it is, lost, or rejected with the coding's name."""
    server.stream(raw(b"data: a\n\n"), headers={"Content-Encoding": encoding})
    server.stream(event("b"))
    try:
        received = data_of(EventSource(server.url, reconnect=AT_ONCE))
    except ResponseRejected as error:
        received = [error.reason]
    assert received in (["b"], ["a", "b"]) or repr(encoding) in received[0]


def test_garbage_after_gzip(server: EventStreamServer) -> None:
    """What follows the end of the gzip stream brings no event; the events before it count, and the stream goes on."""
    packed = zlib.compressobj(wbits=31)
    body = packed.compress(b"id: 1\ndata: a\n\n") + packed.flush() + b"data: not in gzip\n\n"
    server.stream(raw(body), headers={"Content-Encoding": "gzip"})
    server.stream(event("b", id="2"))
    assert data_of(EventSource(server.url, reconnect=AT_ONCE)) == ["a", "b"]
    assert server.requests[1].headers["Last-Event-ID"] == "1"


@pytest.mark.parametrize("body", [b"\x1f\x8b", b"\x1f\x8b\x08\x00garbage", b"data: a\n\n", b"\x00" * 100])
def test_what_is_no_gzip(server: EventStreamServer, body: bytes) -> None:
    """A body that is not what its Content-Encoding says is a lost connection."""
    server.stream(raw(body), hold(), headers={"Content-Encoding": "gzip"})
    server.stream(event("b"))
    assert data_of(EventSource(server.url, reconnect=AT_ONCE, idle_timeout=0.3)) == ["b"]


# Fields


def test_an_id_too_large_for_a_header(server: EventStreamServer) -> None:
    """An ID of a megabyte is sent as it is; the 431 that it causes ends the stream: there is no loop."""
    long_id = "x" * MEGABYTE
    server.stream(event("a", id=long_id))
    server.respond(431)
    received = []
    with EventSource(server.url, reconnect=AT_ONCE) as source, pytest.raises(ResponseRejected, match="431"):
        for item in source:
            received.append(item.last_event_id)
    assert received == [long_id]
    assert len(server.requests) == 2


def test_an_id_at_which_servers_hang_up_backs_off(server: EventStreamServer) -> None:
    """A server that hangs up on the large header is not hammered: the delay doubles, as for every failure."""
    server.stream(event("a", id="x" * MEGABYTE))
    server.handler = Exchange.drop
    policy = ReconnectPolicy(reconnection_time=0.01, jitter=0, max_attempts=5)
    delays = []
    with EventSource(server.url, reconnect=policy) as source, pytest.raises(ConnectionFailed):
        for item in source.lifecycle():
            if isinstance(item, ErrorEvent) and item.delay:
                delays.append(item.delay)
    assert delays == pytest.approx([0.01, 0.01, 0.02, 0.04, 0.08])


IDS = ["\x01\x02\x7f", "é✓😀", "\x85\u2028\u2029", "a\x0b\x0cb", "\ufeff", "%0A", "\"'\\", ": :", "\ufffd", "-0"]


@pytest.mark.parametrize("id_", IDS)
def test_ids_of_any_characters(server: EventStreamServer, id_: str) -> None:
    """What an ID is made of comes back to the server unchanged."""
    server.stream(event("a", id=id_))
    server.stream(event("b"))
    assert data_of(EventSource(server.url, reconnect=AT_ONCE)) == ["a", "b"]
    assert [request.headers.get("Last-Event-ID") for request in server.requests[1:]] == [id_, id_]


def test_an_id_with_bytes_that_are_no_utf8(server: EventStreamServer) -> None:
    """Such bytes are read as U+FFFD, as everywhere in the stream, and that is sent back."""
    server.stream(raw(b"id: \xff\xfe\ndata: a\n\n"))
    assert data_of(EventSource(server.url, reconnect=AT_ONCE)) == ["a"]
    assert server.requests[1].headers["Last-Event-ID"] == "\ufffd\ufffd"


@pytest.mark.parametrize(
    ("value", "delay"),
    [
        (b"9" * 10_000, 3600.0),
        (b"0", 0.1),
        (b"0" * 10_000, 0.1),
        (b"99", 0.1),
        (b"-1", 3.0),
        (b"1e3", 3.0),
        (b"1.5", 3.0),
        (b"\xd9\xa3", 3.0),
        (b"", 3.0),
    ],
    ids=["10,000 digits", "0", "10,000 zeros", "99", "-1", "1e3", "1.5", "an Arabic 3", "nothing"],
)
def test_retry_fields(server: EventStreamServer, value: bytes, delay: float) -> None:
    """A retry field is kept between a tenth of a second and an hour; what is no number of digits is ignored."""
    server.stream(raw(b"retry: " + value + b"\ndata: a\n\n"))
    with EventSource(server.url, reconnect=ReconnectPolicy(jitter=0)) as source:
        delays = []
        for item in source.lifecycle():
            if isinstance(item, ErrorEvent):
                delays.append(item.delay)
                source.close()
    assert delays == [delay]


# Framing


def raw_reply(data: bytes) -> Callable[[Exchange], None]:
    """A handler that sends these bytes and ends the connection."""
    return lambda exchange: exchange.write_raw(data)


HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"
GOOD = b"f\r\nid: 1\ndata: a\n\n\r\n"


@pytest.mark.parametrize(
    "rest",
    [
        b"zz\r\ndata: b\n\n\r\n",
        b"\r\n\r\n",
        b"5\r\ndata: b\n\n\r\n",
        b"fffffffffffffffffffff\r\nid: 2\n",
        b"9" * 70_000,
        b"9;" + b"x" * 70_000,
        b"9 9\r\ndata: b\n\n\r\n",
        b"0\r\nTrailer: " + b"x" * 70_000 + b"\r\n\r\n",
        b"\x00\xff\r\n",
    ],
    ids=[
        "letters", "empty", "too small", "huge", "endless size", "endless extension", "two numbers",
        "endless trailer", "no text",
    ],
)  # fmt: skip
def test_wrong_chunk_sizes(server: EventStreamServer, rest: bytes) -> None:
    """Events before broken framing count, none comes out of it, and the stream goes on after a new request."""
    server.reply(raw_reply(CHUNKED + GOOD + rest))
    server.stream(event("c", id="3"))
    source = EventSource(server.url, reconnect=AT_ONCE, response_timeout=TIMEOUT, idle_timeout=TIMEOUT)
    assert data_of(source) == ["a", "c"]
    assert server.requests[1].headers["Last-Event-ID"] == "1"


@pytest.mark.parametrize("size", [b"-1", b"-5", b"-0", b"zz"])
def test_a_negative_chunk_size_ends_no_event(server: EventStreamServer, size: bytes) -> None:
    """A size that is none is broken framing: what follows it does not complete the event before it."""
    half = b"id: 1\ndata: half\n"
    server.reply(raw_reply(CHUNKED + b"%x\r\n%s\r\n" % (len(half), half) + size + b"\r\n\r\n"))
    server.stream(event("whole", id="1"))
    assert data_of(EventSource(server.url, reconnect=AT_ONCE)) == ["whole"]
    assert "Last-Event-ID" not in server.requests[1].headers


@pytest.mark.parametrize("rest", [b"-5\r\ndata: b\n\n\r\n", b"9\ndata: b\n\n\n", b"0x9\r\ndata: b\n\n\r\n"])
def test_chunk_sizes_that_are_only_almost_wrong(server: EventStreamServer, rest: bytes) -> None:
    """Sizes that http.client lets pass do no harm: what came before counts, and the stream goes on."""
    server.reply(raw_reply(CHUNKED + GOOD + rest))
    server.stream(event("c", id="3"))
    assert data_of(EventSource(server.url, reconnect=AT_ONCE)) in (["a", "c"], ["a", "b", "c"])


@pytest.mark.parametrize(
    "headers",
    [
        b"Content-Length: -1\r\n",
        b"Content-Length: abc\r\n",
        b"Content-Length: " + b"9" * 5000 + b"\r\n",
        b"Content-Length: 15\r\nContent-Length: 99\r\n",
        b"Content-Length: 15\r\nTransfer-Encoding: chunked\r\n",
        b"Transfer-Encoding: gzip\r\n",
        b"Transfer-Encoding: chunked, chunked\r\n",
        b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
        b"Content-Encoding:\r\n",
        b"Content-Type: text/html\r\n",
        b": no name\r\n",
        b"no colon\r\n",
        b"X: " + bytes(range(1, 10)) + b"\r\n",
        b" folded: from nothing\r\n",
    ],
)
def test_odd_headers(server: EventStreamServer, headers: bytes) -> None:
    """Heads that contradict themselves yield the event, or a documented error, and the next attempt gets the stream."""
    server.reply(raw_reply(HEAD + headers + b"\r\n" + b"id: 1\ndata: a\n\n"))
    server.stream(event("b"))
    types = (b"Content-Type: text/html\r\n", b" folded: from nothing\r\n")
    if headers in types:  # it has two, or one that goes on in the next line
        with EventSource(server.url) as source, pytest.raises(ResponseRejected, match="the response is of type"):
            list(source)
    elif headers.startswith(b"Transfer-Encoding: ") and headers != b"Transfer-Encoding: chunked\r\n":
        with EventSource(server.url) as source, pytest.raises(ResponseRejected, match="transfer coding"):
            list(source)
    else:
        assert data_of(EventSource(server.url, reconnect=AT_ONCE)) in (["b"], ["a", "b"])


def test_a_chunk_size_cut_anywhere() -> None:
    """Small chunks are read exactly, wherever a packet ends: in the middle of a chunk's size, say."""
    choice = random.Random("sse_client chunk sizes")
    bodies = [b":\n\n", b"data: a\n\n", b"data: " + b"b" * 82 + b"\n\n", b"x", b":" + b"c" * 260 + b"\n"]
    for _ in range(40):
        parts = [choice.choice(bodies) for _ in range(6)]
        stream = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in parts) + b"0\r\n\r\n"
        for cut in range(len(stream) + 1):
            body = ChunkedBody()
            received = body.feed(stream[:cut])
            if not body.has_ended:
                received += body.feed(stream[cut:])
            assert received == b"".join(parts), (parts, cut)
            assert body.has_ended


# Heads


@pytest.mark.parametrize(
    "head",
    [
        b"HTTP/1.1 200 OK\r\nX-Long: " + b"x" * 100_000 + b"\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"".join(b"X-%d: x\r\n" % n for n in range(10_000)) + b"\r\n",
        b"HTTP/1.1 200 " + b"O" * 100_000 + b"\r\n\r\n",
        b"garbage\r\n\r\n",
        b"\r\n\r\n",
        b"\x00" * 1000,
        b"HTTP/9.9 200 OK\r\n\r\n",
        b"HTTP/1.1 99 Low\r\n\r\n",
        b"HTTP/1.1 1000 High\r\n\r\n",
        b"HTTP/1.1 abc OK\r\n\r\n",
        b"SSH-2.0-OpenSSH_9.2\r\n",
    ],
    ids=[
        "a header of 100 KB", "10,000 headers", "a reason of 100 KB", "garbage", "blank lines", "zeros", "HTTP/9.9",
        "status 99", "status 1000", "no status", "SSH",
    ],
)  # fmt: skip
def test_broken_heads(server: EventStreamServer, head: bytes) -> None:
    """A head that is too large or no head at all is a failed attempt, which is tried again."""
    server.reply(raw_reply(head))
    server.stream(event("b"))
    errors = []
    with EventSource(server.url, reconnect=AT_ONCE) as source:
        for item in source.lifecycle():
            if isinstance(item, ErrorEvent):
                errors.append(item.error)
            elif isinstance(item, MessageEvent):
                break
    assert [type(error) for error in errors] == [ConnectionFailed]
    assert "garbled" in str(errors[0])


def test_interim_responses(server: EventStreamServer) -> None:
    """Interim responses (100, 102, 103) before the final one are passed over (RFC 9110, section 15.2)."""
    interim = b"".join(b"HTTP/1.1 %d Wait\r\nLink: </x>\r\n\r\n" % status for status in (100, 102, 103, 103))
    server.reply(raw_reply(interim + HEAD + b"\r\ndata: a\n\n"))
    assert data_of(EventSource(server.url, reconnect=None)) == ["a"]


@pytest.mark.parametrize("status", [100, 103])
def test_endless_interim_responses(server: EventStreamServer, status: int) -> None:
    """A server that sends interim responses for ever is given up."""

    def serve(exchange: Exchange) -> None:
        try:
            for _ in range(200_000):
                exchange.write_raw(b"HTTP/1.1 %d Wait\r\n\r\n" % status)
        except ExchangeEnded:
            return
        exchange.write_raw(HEAD + b"\r\ndata: never\n\n")

    server.handler = serve
    with EventSource(server.url, reconnect=None) as source, pytest.raises(EventSourceError):
        list(source)


@pytest.mark.parametrize("status", [404, 503])
@pytest.mark.parametrize("body", [b"", b"sorry"])
def test_a_rejection_that_closes_the_connection(server: EventStreamServer, status: int, body: bytes) -> None:
    """A rejection with ``Connection: close`` is what its status says, with its body."""
    head = b"HTTP/1.1 %d No\r\nContent-Length: %d\r\nConnection: close\r\n\r\n" % (status, len(body))
    server.reply(raw_reply(head + body))
    server.stream(event("a"))
    if status == 503:
        assert data_of(EventSource(server.url, reconnect=AT_ONCE)) == ["a"]
    else:
        with EventSource(server.url) as source, pytest.raises(ResponseRejected) as caught:
            list(source)
        assert caught.value.body == body


def test_a_rejection_with_an_endless_body(server: EventStreamServer) -> None:
    """Of the body of a rejection 64 KiB are kept."""
    server.handler = endless(b"x" * 1000, status=404)
    with EventSource(server.url) as source, pytest.raises(ResponseRejected) as caught:
        list(source)
    assert caught.value.body == b"x" * 65536


@needs_proc
def test_a_rejection_with_a_gzip_bomb(server: EventStreamServer) -> None:
    """So it is when they unpack to more."""
    server.stream(raw(zipped_zeros(512 * MEGABYTE)), status=404, headers={"Content-Encoding": "gzip"})
    error, _, _, growth = followed_in_a_child(server)
    assert error == "ResponseRejected"
    assert growth < ROOM + 96 * MEGABYTE


# Redirects


def test_1000_redirects(server: EventStreamServer) -> None:
    """Ten redirects are followed; the eleventh ends the stream."""
    server.handler = lambda exchange: exchange.respond(302, headers={"Location": f"/{len(server.requests)}"})
    with EventSource(server.url) as source, pytest.raises(ResponseRejected, match="more than 10 redirects"):
        list(source)
    assert len(server.requests) == 11


@pytest.mark.parametrize(
    "location",
    [
        "file:///etc/passwd", "ftp://127.0.0.1/", "data:text/event-stream,data: a", "javascript:alert(1)",
        "gopher://127.0.0.1/", "http://[::1", "http://host:99999/", "http://host:0/", "mailto:x@y",
        "http://\x01/", "unix:///tmp/socket", None,
    ],
)  # fmt: skip
def test_redirects_to_where_no_stream_can_be(server: EventStreamServer, location: Optional[str]) -> None:
    """A redirect away from HTTP, or to no address at all, ends the stream; nothing is opened."""
    server.respond(302, headers={} if location is None else {"Location": location})
    with EventSource(server.url) as source, pytest.raises(ResponseRejected, match="redirect") as caught:
        list(source)
    assert caught.value.status == 302
    assert len(server.requests) == 1


def test_a_redirect_with_secrets(server: EventStreamServer, caplog: pytest.LogCaptureFixture) -> None:
    """Credentials and query of a redirect's target are not shown, and credentials in it are not used."""
    caplog.set_level("INFO", "sse_client")
    server.redirect(server.url.replace("//", "//user:s3cret@") + "x?token=s3cret#s3cret")
    server.respond(404)
    with EventSource(server.url) as source, pytest.raises(ResponseRejected) as caught:
        list(source)
    assert "s3cret" not in caplog.text
    assert "s3cret" not in f"{caught.value} {caught.value!r} {caught.value.url}"
    assert "Authorization" not in server.requests[1].headers
    assert server.requests[1].target == "/x?token=s3cret"


# Changes of mind


@pytest.mark.parametrize(
    ("status", "content_type"), [(200, "text/html"), (200, None), (200, "application/json"), (206, "text/event-stream")]
)
def test_a_response_that_changes_on_reconnect(server: EventStreamServer, status: int, content_type: Any) -> None:
    """A stream that is something else after a reconnect (a login page, say) ends with an error, not in a loop."""
    server.stream(event("a", id="1"), drop())
    server.stream(raw(b"<html>data: no\n\n"), status=status, content_type=content_type)
    received = []
    with EventSource(server.url, reconnect=AT_ONCE) as source, pytest.raises(ResponseRejected) as caught:
        for item in source:
            received.append(item.data)
    assert received == ["a"]
    assert caught.value.status == status
    assert caught.value.body == b"<html>data: no\n\n"
    assert len(server.requests) == 2


def test_empty_streams_back_off(server: EventStreamServer) -> None:
    """A server whose streams end without a byte is asked ever more slowly."""
    for _ in range(6):
        server.stream()
    delays = []
    with EventSource(server.url, reconnect=ReconnectPolicy(reconnection_time=0.01, jitter=0)) as source:
        for item in source.lifecycle():
            if isinstance(item, ErrorEvent):
                delays.append(item.delay)
    assert delays == pytest.approx([0.01, 0.02, 0.04, 0.08, 0.16, 0.32])


def test_retry_0_does_not_spin(server: EventStreamServer) -> None:
    """A server whose streams say nothing but ``retry: 0`` is asked no sooner than min_server_delay says."""
    for _ in range(3):
        server.stream(raw(b"retry: 0\n\n"))
    delays = []
    with EventSource(server.url, reconnect=ReconnectPolicy(jitter=0)) as source:
        for item in source.lifecycle():
            if isinstance(item, ErrorEvent):
                delays.append(item.delay)
    assert delays == pytest.approx([0.1, 0.1, 0.1])


def test_a_dribble_is_cut_off_by_close_only(server: EventStreamServer) -> None:
    """A head that comes a byte at a time is given some time, and close() ends it at once."""
    started = threading.Event()

    def serve(exchange: Exchange) -> None:
        try:
            for _ in range(10_000):
                exchange.write_raw(b"H")
                started.set()
                exchange.pause(0.01)
        except ExchangeEnded:
            pass

    server.handler = serve
    with Follower(EventSource(server.url, reconnect=LATER)) as follower:
        assert started.wait(TIMEOUT)
        assert follower.close_and_time() < 0.1
    assert_nothing_raised(follower)


# Long-polling: a server or a proxy that ends the response after each batch


def test_long_polling(server: EventStreamServer) -> None:
    """With a response for each batch and ``retry: 100`` the delay stays, one connection serves all, nothing is lost."""
    batches, size = 12, 5

    def serve(exchange: Exchange) -> None:
        have = int(exchange.request.headers.get("Last-Event-ID", "0"))
        if have == batches * size:
            exchange.respond(204)
            return
        exchange.run(raw(b"retry: 100\n\n"), *(event(str(n), id=str(n)) for n in range(have + 1, have + size + 1)))

    server.handler = serve
    received, delays, attempts = [], [], []
    with EventSource(server.url, reconnect=ReconnectPolicy(jitter=0)) as source:
        for item in source.lifecycle():
            if isinstance(item, MessageEvent):
                received.append(int(item.data))
            elif isinstance(item, ErrorEvent):
                delays.append(item.delay)
                attempts.append(item.attempt)
    assert received == list(range(1, batches * size + 1))
    assert delays == pytest.approx([0.1] * batches)
    assert attempts == [0] * batches
    assert len(server.requests) == batches + 1
    assert {request.connection for request in server.requests} == {1}


@pytest.mark.parametrize("framing", ["length", "close"])
def test_long_polling_in_other_framings(server: EventStreamServer, framing: Any) -> None:
    """With a Content-Length the connection is used again, too; where it is closed, the stream goes on all the same."""
    for n in (1, 2, 3):
        server.stream(raw(b"retry: 100\n\n"), event(str(n), id=str(n)), framing=framing)
    assert data_of(EventSource(server.url, reconnect=ReconnectPolicy(jitter=0))) == ["1", "2", "3"]
    connections = [request.connection for request in server.requests]
    assert connections == ([1, 1, 1, 1] if framing == "length" else [1, 2, 3, 4])


def test_long_polling_with_empty_responses(server: EventStreamServer) -> None:
    """Responses that end cleanly and brought anything, were it only a comment, are no failures: nothing backs off."""
    for body in (b"id: 1\ndata: a\n\n", b"", b": nothing\n\n", b"", b"id: 2\ndata: b\n\n", b""):
        server.stream(raw(b"retry: 100\n\n" + body))
    delays = []
    with EventSource(server.url, reconnect=ReconnectPolicy(jitter=0)) as source:
        for item in source.lifecycle():
            if isinstance(item, ErrorEvent):
                delays.append(item.delay)
    assert delays == pytest.approx([0.1] * 6)


def test_too_large_after_many_reconnects_is_still_final(server: EventStreamServer) -> None:
    """An event beyond the limit ends the stream on whatever connection it comes."""
    server.stream(event("a", id="1"), drop())
    server.stream(raw(b"data: " + b"x" * 2000 + b"\n\n"))
    source = EventSource(server.url, reconnect=AT_ONCE, max_event_size=1000)
    with source, pytest.raises(EventTooLarge):
        list(source)
    assert len(server.requests) == 2


def test_a_loss_after_garbage_is_named(server: EventStreamServer) -> None:
    """Broken framing says so in its error, with reconnect=None too."""
    server.reply(raw_reply(CHUNKED + GOOD + b"zz\r\n"))
    with EventSource(server.url, reconnect=None) as source, pytest.raises(ConnectionLost) as caught:
        list(source)
    assert "framing" in caught.value.reason or "garbled" in caught.value.reason
