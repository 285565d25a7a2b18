from __future__ import annotations

import pickle
import threading

from sse_client import Connection, Connector, EventSource, MessageEvent, ResponseHead


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


def test_wait_ends_when_woken() -> None:
    """The default wait ends at once when it is woken."""
    woken = threading.Event()
    woken.set()
    CountingConnector().wait(1000.0, woken)


def test_wait_ends_in_time() -> None:
    """The default wait ends after the delay."""
    woken = threading.Event()
    CountingConnector().wait(0.001, woken)
    assert not woken.is_set()
