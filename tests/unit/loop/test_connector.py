from __future__ import annotations

import pickle
from typing import Any

from sse_client import CommentEvent, Connection, Connector, EventSource, MessageEvent, ResponseHead


class CountingConnector(Connector):
    """What the least connector of a user's own looks like."""

    def __init__(self, *chunks: bytes) -> None:
        self.chunks = list(chunks)

    def connection(self) -> Connection:
        return CountingConnection(self.chunks)


class CountingConnection(Connection):
    def __init__(self, chunks: list[bytes]) -> None:
        self.chunks = chunks

    def open(self, last_event_id: str) -> ResponseHead:
        return ResponseHead("my://source", "my://source", 200 if self.chunks else 204, {})

    def read(self) -> bytes:
        return self.chunks.pop(0) if self.chunks else b""

    def interrupt(self) -> None:
        pass

    def release(self) -> None:
        pass


def test_a_head_shows_no_headers() -> None:
    """A head is a value, made by position or keyword, whose repr() leaves out what may be a cookie."""
    headers = {"set-cookie": "session=s3cret"}
    head = ResponseHead(url="http://a.test/x", origin="http://a.test", status=200, headers=headers)
    assert repr(head) == "ResponseHead(url='http://a.test/x', origin='http://a.test', status=200)"
    assert (head.url, head.origin, head.status, head.headers) == ("http://a.test/x", "http://a.test", 200, headers)
    assert head == ResponseHead("http://a.test/x", "http://a.test", 200, dict(headers))
    assert head != ResponseHead("http://a.test/x", "http://a.test", 200, {})
    assert len({head, pickle.loads(pickle.dumps(head))}) == 1


def test_a_connector_of_ones_own() -> None:
    """An EventSource follows whatever connector it is given, HTTP or not."""
    with EventSource(CountingConnector(b"data: a\n", b"\ndata: b\n\n"), reconnect=None) as source:
        assert list(source) == [
            MessageEvent("message", "a", "", "my://source"),
            MessageEvent("message", "b", "", "my://source"),
        ]


class MessageConnection(CountingConnection):
    """Hands over events in place of bytes."""

    def read(self) -> list[MessageEvent]:  # type: ignore[override]
        names = self.chunks.pop(0).decode() if self.chunks else ""
        return [MessageEvent("letter", name, f"id-{name}") for name in names]


def test_a_connection_that_hands_over_events() -> None:
    """Events that a connection hands over come out as they are, and the last event ID moves with each."""
    connector = CountingConnector(b"ab", b"c")
    connector.connection = lambda: MessageConnection(connector.chunks)  # type: ignore[method-assign]
    with EventSource(connector, reconnect=None) as source:
        seen = [(event, source.last_event_id) for event in source]
    assert seen == [(MessageEvent("letter", name, f"id-{name}"), f"id-{name}") for name in "abc"]
    assert source.last_event_id == "id-c"


class BeatingConnection(CountingConnection):
    """Hands over a sign of life before each message, and one alone at the end."""

    def read(self) -> Any:
        if not self.chunks:
            return ()
        name = self.chunks.pop(0).decode()
        return [CommentEvent("beat"), *([MessageEvent(data=name, last_event_id=name)] if name else [])]


def test_signs_of_life_among_events() -> None:
    """Comments that a connection hands over are for those who want comments; they move nothing."""
    for wanted in (False, True):
        connector = CountingConnector(b"a", b"")
        connector.connection = lambda: BeatingConnection(connector.chunks)  # type: ignore[method-assign] # noqa: B023
        with EventSource(connector, reconnect=None) as source:
            items = [item for item in source.lifecycle(comments=wanted) if type(item) in (CommentEvent, MessageEvent)]
        beat, message = CommentEvent("beat"), MessageEvent(data="a", last_event_id="a")
        assert items == ([beat, message, beat] if wanted else [message])
        assert source.last_event_id == "a"
        assert source.last_activity is not None


def test_the_connector_of_a_source() -> None:
    """A source shows its connector, the one that it was given or the one that it made for its URL."""
    connector = CountingConnector()
    assert EventSource(connector).connector is connector
    made = EventSource("http://127.0.0.1:1/", method="POST").connector
    assert isinstance(made, Connector)
    assert not made.is_repeatable


def test_time_is_real() -> None:
    """Unless a connector says otherwise, a delay takes its time."""
    assert CountingConnector().real_delay(1000.0) == 1000.0
