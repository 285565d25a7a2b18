"""Nothing is lost and nothing comes twice, wherever and however connections break."""

from __future__ import annotations

import random
import threading
from typing import Any

import pytest

from sse_client import ConnectionLost, EventSource, MessageEvent, ReconnectPolicy, StreamEnded
from sse_client.testing import (
    EventStreamServer,
    Exchange,
    ExchangeEnded,
    comment,
    drop,
    encode_event,
    event,
    raw,
    reset,
    wait_for,
)

from .support import AT_ONCE, TIMEOUT, Follower, assert_nothing_raised, data_of

DROPS = 200


class RaggedLog:
    """A handler that serves numbered events after the Last-Event-ID, and breaks its first replies at random bytes."""

    def __init__(self, count: int, choice: random.Random, framings: Any, encodings: Any, ends: Any) -> None:
        self.bodies = [encode_event(f"event {n}", id=str(n)) for n in range(1, count + 1)]
        self.count = count
        self.left = DROPS
        self.ends = {"fin": 0, "rst": 0}
        self._choice = choice
        self._choices = (framings, encodings, ends)

    def __call__(self, exchange: Exchange) -> None:
        have = int(exchange.request.headers.get("Last-Event-ID", "0"))
        if have == self.count:
            exchange.respond(204)
            return
        framing, encoding, end = (self._choice.choice(choices) for choices in self._choices)
        body = b"".join(self.bodies[have : have + 40])
        broken = self.left > 0
        length = 10**9 if framing == "length" else None
        if broken:
            self.left -= 1
            self.ends[end] += 1
            body = body[: self._choice.randrange(len(body))]
        elif framing == "length":
            framing, length = "chunked", None
        exchange.send_head(framing=framing, encoding=encoding, content_length=length)
        while body:
            size = self._choice.randrange(1, 100)
            exchange.send(body[:size])
            body = body[size:]
        if broken and end == "rst":
            exchange.reset()
        elif broken:
            exchange.drop()


ALL_ENDS = ("fin", "rst")
MIXES = {
    "chunked, FIN": (("chunked",), (None,), ("fin",)),
    "chunked, RST": (("chunked",), (None,), ("rst",)),
    "close-delimited, FIN": (("close",), (None,), ("fin",)),
    "close-delimited, RST": (("close",), (None,), ("rst",)),
    "Content-Length": (("length",), (None,), ALL_ENDS),
    "gzip": (("chunked", "close"), ("gzip",), ALL_ENDS),
    "any": (("chunked", "close", "length"), (None, "gzip", "deflate"), ALL_ENDS),
}


@pytest.mark.parametrize("mix", MIXES)
def test_200_connections_dropped_at_random_bytes_lose_and_repeat_nothing(server: EventStreamServer, mix: str) -> None:
    """The exact sequence arrives over 200 connections in a row, each broken after a random number of bytes."""
    choice = random.Random(f"sse_client {mix}")
    framings, encodings, ends = MIXES[mix]
    log = RaggedLog(DROPS * 20, choice, framings, encodings, ends)
    server.handler = log
    assert data_of(EventSource(server.url, reconnect=AT_ONCE)) == [f"event {n}" for n in range(1, log.count + 1)]
    assert log.left == 0
    assert set(ends) == {end for end, times in log.ends.items() if times}


@pytest.mark.parametrize(("encoding", "count"), [(None, 4000), ("gzip", 1500)])
def test_200_cuts_through_the_framing_lose_and_repeat_nothing(
    server: EventStreamServer, encoding: Any, count: int
) -> None:
    """The exact sequence arrives where it is encoded bytes that are cut, in the middle of a chunk."""
    choice = random.Random("sse_client cuts")
    server.serve_log(count, cuts=[choice.randrange(250) for _ in range(DROPS)], encoding=encoding)
    assert data_of(EventSource(server.url, reconnect=AT_ONCE)) == [str(n) for n in range(1, count + 1)]
    assert len(server.requests) == DROPS + 2  # those cut, the rest in one, and the 204


STREAM = (
    b"\xef\xbb\xbfretry: 1\n\n: comment\nid: 1\ndata: a\n\nevent: x\r\ndata: b\r\ndata:\r\nid: 2\r\n\r\n"
    b"id: 3\n\ndata: \xe2\x9c\x93\rid: 4\r\rid\n\ndata: e\nid: 5\n\n"
)
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"


def expected_after(count: int) -> list[MessageEvent]:
    """The events of the first bytes of STREAM, worked out by looking at it."""
    ends = [
        (STREAM.index(b"data: a\n\n") + 9, MessageEvent("message", "a", "1")),
        (STREAM.index(b"id: 2\r\n\r") + 8, MessageEvent("x", "b\n", "2")),
        (STREAM.index(b"id: 4\r\r") + 7, MessageEvent("message", "✓", "4")),
        (len(STREAM), MessageEvent("message", "e", "5")),
    ]
    return [item for end, item in ends if end <= count]


@pytest.mark.parametrize("framing", ["chunked", "close"])
def test_a_stream_cut_after_each_of_its_bytes(server: EventStreamServer, framing: str) -> None:
    """Wherever a stream is cut, the events that were whole are handed over, and asked for is what follows them."""
    ids = {0: None, 1: "1", 2: "2", 3: "4", 4: "5"}
    for count in range(len(STREAM) + 1):
        if framing == "chunked":
            body = HEAD + b"Transfer-Encoding: chunked\r\n\r\n%x\r\n" % len(STREAM) + STREAM[:count]
        else:
            body = HEAD + b"\r\n" + STREAM[:count]
        server.reply(lambda exchange, body=body: exchange.write_raw(body))
        server.respond(204)
        with EventSource(server.url, reconnect=AT_ONCE) as source:
            events = list(source)
        expected = expected_after(count)
        assert [(e.type, e.data, e.last_event_id) for e in events] == [
            (e.type, e.data, e.last_event_id) for e in expected
        ], count
        asked_from = server.requests[-1].headers.get("Last-Event-ID")
        block_of_only_an_id = STREAM.index(b"id: 3\n\n") + 7 <= count < STREAM.index(b"id: 4\r\r") + 7
        cleared = STREAM.index(b"\rid\n\n") + 5 <= count < len(STREAM)
        assert asked_from == ("3" if block_of_only_an_id else None if cleared else ids[len(expected)]), count


def test_a_head_cut_after_each_of_its_bytes(server: EventStreamServer) -> None:
    """A head that breaks off anywhere is a failed attempt, and the next attempt gets the stream."""
    head = HEAD + b"Connection: close\r\n\r\n"
    for count in range(len(head)):
        server.reply(lambda exchange, sent=head[:count]: exchange.write_raw(sent))
        server.stream(event("b"))
    with EventSource(server.url, reconnect=AT_ONCE) as source:
        received = [item.data for item in source]
    assert received == ["b"] * len(head)


def test_an_event_cut_off_counts_for_nothing(server: EventStreamServer) -> None:
    """A block that the end of the connection cuts off yields nothing: no event, no ID, no data later."""
    server.stream(event("a", id="1"), raw(b"id: 2\ndata: lost"), drop())
    server.stream(event("b", id="2"))
    assert data_of(EventSource(server.url, reconnect=AT_ONCE)) == ["a", "b"]
    assert [request.headers.get("Last-Event-ID") for request in server.requests] == [None, "1", "2"]


def test_an_id_survives_connections_that_bring_nothing(server: EventStreamServer) -> None:
    """The last event ID is kept over failures, rejections and empty streams."""
    server.stream(event("a", id="1"))
    server.hang_up()
    server.respond(503)
    server.stream(comment("nothing"), reset())
    server.stream(raw(b"data: b\n\n"))
    assert data_of(EventSource(server.url, reconnect=AT_ONCE)) == ["a", "b"]
    assert [request.headers.get("Last-Event-ID") for request in server.requests] == [None, *["1"] * 5]


def test_a_later_loop_goes_on_from_where_the_first_was_left(server: EventStreamServer) -> None:
    """Events that had arrived but were not handed over when the loop was left come again in the next loop."""
    server.serve_log(10)
    with EventSource(server.url, reconnect=AT_ONCE) as source:
        first = []
        for item in source:
            first.append(item.data)
            if len(first) == 4:
                break
        second = [item.data for item in source]
    assert first + second == [str(n) for n in range(1, 11)]


def test_a_stop_after_any_event_and_a_new_source_with_its_id(server: EventStreamServer) -> None:
    """Whoever stores `last_event_id` after each event goes on exactly there in another source."""
    server.serve_log(30, cuts=[50] * 10)
    received: list[str] = []
    last_event_id = ""
    while len(received) < 30:
        with EventSource(server.url, reconnect=AT_ONCE, last_event_id=last_event_id) as source:
            for item in source:
                received.append(item.data)
                last_event_id = source.last_event_id
                assert last_event_id == item.last_event_id
                if len(received) % 7 == 0:
                    break
    assert received == [str(n) for n in range(1, 31)]


def test_a_reset_after_the_client_has_read_is_a_loss_not_an_end(server: EventStreamServer) -> None:
    """A reset of a close-delimited stream is seen as a lost connection, its end as the end of the stream."""
    read = threading.Event()
    server.stream(event("a", id="1"), wait_for(read), reset(), framing="close")
    server.stream(event("b", id="2"), framing="close")
    source = EventSource(server.url, reconnect=AT_ONCE)
    with Follower(source) as follower:
        follower.wait_for("MessageEvent")
        read.set()
        follower.join()
    assert_nothing_raised(follower)
    assert [type(item.error) for item in follower.seen("ErrorEvent")] == [ConnectionLost, StreamEnded]


def test_reconnect_calls_at_random_moments_lose_and_repeat_nothing(server: EventStreamServer) -> None:
    """The exact sequence arrives while another thread keeps calling reconnect()."""
    count = 3000
    choice = random.Random("sse_client reconnect")

    def serve(exchange: Exchange) -> None:
        have = int(exchange.request.headers.get("Last-Event-ID", "0"))
        if have == count:
            exchange.respond(204)
            return
        try:
            for n in range(have + 1, count + 1):
                exchange.send(encode_event(str(n), id=str(n)))
                if n % 20 == 0:
                    exchange.pause(0.002)
        except ExchangeEnded:
            pass  # the client has reconnected

    server.handler = serve
    with Follower(EventSource(server.url, reconnect=AT_ONCE)) as follower:
        never = threading.Event()
        for _ in range(100):
            follower.source.reconnect()
            never.wait(choice.random() * 0.01)
        follower.join()
    assert_nothing_raised(follower)
    assert follower.data == [str(n) for n in range(1, count + 1)]
    assert len(server.requests) > 10


def test_waiting_takes_no_longer_than_told(server: EventStreamServer) -> None:
    """After a drop the server gets its next request after the reconnection time that the stream asked for."""
    server.stream(raw(b"retry: 120\n\n"), event("a"), drop())
    source = EventSource(server.url, reconnect=ReconnectPolicy(jitter=0))
    with source:
        assert [item.data for item in source] == ["a"]
    first, second = server.requests
    assert 0.12 <= second.time - first.time < TIMEOUT
