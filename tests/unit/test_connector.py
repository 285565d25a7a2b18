from __future__ import annotations

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
