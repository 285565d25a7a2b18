"""A connector around another that sees what passes: bytes, moments, and when the loop has nothing left to do."""

from __future__ import annotations

import time
from collections.abc import Sequence
from http import HTTPStatus
from typing import Callable, Optional, Union

from sse_client.connector import Connection, Connector, ResponseHead
from sse_client.events import CommentEvent, MessageEvent


class Meter(Connector):
    """Passes on what another connector does, and looks on. Everything runs in the thread that reads.

    Args:
        inner: The connector.
        before_read: Called before each wait for bytes: all events that have come are handed over.
        tee: Called with the bytes of each read, before their events are handed over.

    Attributes:
        started: When the first attempt began, by `time.monotonic`; None before it.
        connections: How many have opened a stream.
        received: How many bytes have come, without framing and unpacked.
        arrived: When the last of them came, in seconds since the epoch.
    """

    started: Optional[float]
    connections: int
    received: int
    arrived: float

    def __init__(
        self,
        inner: Connector,
        *,
        before_read: Callable[[], None] = lambda: None,
        tee: Optional[Callable[[bytes], None]] = None,
    ) -> None:
        self.is_repeatable: bool = inner.is_repeatable
        self.url: str = inner.url
        self.started = None
        self.connections = 0
        self.received = 0
        self.arrived = 0.0
        self.before_read = before_read
        self.tee = tee
        self._inner = inner

    def connection(self) -> Connection:
        """See `Connector.connection`."""
        if self.started is None:
            self.started = time.monotonic()
        return _MeteredConnection(self._inner.connection(), self)

    def real_delay(self, delay: float) -> float:
        """See `Connector.real_delay`."""
        return self._inner.real_delay(delay)

    def close(self) -> None:
        """See `Connector.close`."""
        self._inner.close()


class _MeteredConnection(Connection):
    def __init__(self, inner: Connection, meter: Meter) -> None:
        self._inner = inner
        self._meter = meter

    def open(self, last_event_id: str) -> ResponseHead:
        """See `Connection.open`."""
        head = self._inner.open(last_event_id)
        self._meter.connections += head.status != HTTPStatus.NO_CONTENT
        return head

    def read(self) -> Union[bytes, Sequence[Union[MessageEvent, CommentEvent]]]:
        """See `Connection.read`."""
        meter = self._meter
        meter.before_read()
        arrived = self._inner.read()
        meter.arrived = time.time()
        if isinstance(arrived, bytes):
            meter.received += len(arrived)
            if meter.tee is not None:
                meter.tee(arrived)
        return arrived

    def is_ready(self) -> bool:
        """See `Connection.is_ready`."""
        return self._inner.is_ready()

    def interrupt(self) -> None:
        """See `Connection.interrupt`."""
        self._inner.interrupt()

    def release(self) -> None:
        """See `Connection.release`."""
        self._inner.release()
