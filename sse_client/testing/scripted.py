"""A connector without a network: scripted replies, and waits that take no time."""

from __future__ import annotations

import threading
import time
from collections import deque
from typing import NamedTuple, Optional, Union

from sse_client._http.headers import Headers, response_headers
from sse_client._http.verdict import MAX_REJECTED_BODY, rejection_reason, retry_after
from sse_client._loop.control import WakeEvent
from sse_client.connector import Connection, Connector, ResponseHead
from sse_client.errors import ConnectionFailed, ConnectionLost, EventSourceError, ResponseRejected

from .head import HeaderFields, as_body, header_pairs
from .script import Stage, Step, StepLike, as_steps

__all__ = ["ScriptedConnector"]

_POLL_INTERVAL = 0.02  # seconds between two looks at whether the other of two things has happened
_URL = "http://scripted.test/"
_ORIGIN = "http://scripted.test"


class _Reply(NamedTuple):
    """What one attempt meets: an error, silence, or a response."""

    error: Optional[EventSourceError] = None
    silent: bool = False
    status: int = 200
    headers: Headers = Headers()
    body: bytes = b""
    steps: tuple[Step, ...] = ()


class ScriptedConnector(Connector):
    """Gives an `EventSource` scripted connections, without a network and without waiting.

    Each attempt to connect takes the next of the replies queued with `stream`, `respond`,
    `fail`, `silence` and `end`. An attempt for which there is none raises an
    AssertionError out of the iteration: queue `end` where the source is to be told to
    stop. Any thread may queue. None of the methods for tests blocks.

    Attributes:
        delays: The delays that were asked for between attempts, in seconds. None was waited.
        last_event_ids: The last event ID that each attempt asked from.
        open_connections: How many connections are opened and not released.
        closed: Whether what is kept between connections has been closed: a loop has ended.
    """

    delays: list[float]
    last_event_ids: list[str]
    open_connections: int
    closed: bool

    url = _URL

    def __init__(self) -> None:
        self.delays = []
        self.last_event_ids = []
        self.open_connections = 0
        self.closed = False
        self._replies: deque[_Reply] = deque()
        self._attempts = 0

    @property
    def remaining(self) -> int:
        """How many queued replies have not been used."""
        return len(self._replies)

    # What to answer

    def stream(
        self,
        *steps: StepLike,
        status: int = 200,
        headers: HeaderFields = (),
        content_type: Optional[str] = "text/event-stream",
    ) -> None:
        """Queue an event stream. Each step that sends bytes makes one chunk; `pause` takes no time.

        Args:
            steps: What happens after the head; a `MessageEvent` sends itself.
            status: The status code.
            headers: Headers to add; they win over ``content_type``.
            content_type: The Content-Type, or None for no such header.

        Raises:
            TypeError: A step is neither a step nor a `MessageEvent`.
            ValueError: Bytes follow a step after which none can be sent.
        """
        fields = Headers({} if content_type is None else {"content-type": content_type})
        fields |= response_headers(header_pairs(headers))
        self._replies.append(_Reply(status=status, headers=fields, steps=as_steps(steps)))

    def respond(self, status: int, body: Union[bytes, str] = b"", headers: HeaderFields = ()) -> None:
        """Queue a whole response, with no Content-Type unless ``headers`` has one.

        Raises:
            TypeError: ``body`` is neither bytes nor a str, which is UTF-8 then.
        """
        self._replies.append(_Reply(status=status, headers=response_headers(header_pairs(headers)), body=as_body(body)))

    def fail(self, error: Optional[EventSourceError] = None) -> None:
        """Queue an attempt that gets no response: it raises ``error``, or a `ConnectionFailed`."""
        self._replies.append(_Reply(error=error or ConnectionFailed("the connection was refused", url=_URL)))

    def silence(self) -> None:
        """Queue an attempt that gets no response and does not end until it is interrupted."""
        self._replies.append(_Reply(silent=True))

    def end(self) -> None:
        """Queue a 204: the server says stop, and the iteration ends."""
        self._replies.append(_Reply(status=204))

    # What an EventSource asks

    def connection(self) -> Connection:
        """Return the connection for the next attempt. For the source.

        Raises:
            AssertionError: The script has no further reply.
        """
        if not self._replies:
            raise AssertionError(f"an unexpected attempt to connect: all {self._attempts} scripted replies are used up")
        self._attempts += 1
        return _ScriptedConnection(self, self._replies.popleft())

    def real_delay(self, delay: float) -> float:
        """Write down ``delay`` and return 0: there is no wait. For the source."""
        self.delays.append(delay)
        return 0.0

    def close(self) -> None:
        """Write it down. For the source."""
        self.closed = True


class _ScriptedConnection(Connection, Stage):
    """One reply of a script, played step by step as it is read."""

    def __init__(self, connector: ScriptedConnector, reply: _Reply) -> None:
        self._connector = connector
        self._reply = reply
        self._interrupted = WakeEvent()
        # Touched by the reading thread only.
        self._opened = False
        self._steps = iter(reply.steps)
        self._arrived = b""
        self._loss: Optional[str] = None

    # The connection

    def open(self, last_event_id: str) -> ResponseHead:
        self._connector.last_event_ids.append(last_event_id)
        self._connector.open_connections += 1
        self._opened = True
        if self._reply.silent:
            self._interrupted.wait()
        if self._interrupted.is_set():
            raise ConnectionFailed("the attempt was interrupted", url=_URL)
        if self._reply.error is not None:
            raise self._reply.error
        status, headers, body = self._reply.status, self._reply.headers, self._reply.body
        reason = rejection_reason(status, headers)
        if reason is not None:
            raise ResponseRejected(
                reason,
                url=_URL,
                status=status,
                headers=headers,
                body=body[:MAX_REJECTED_BODY],
                retry_after=retry_after(headers, now=time.time()),
            )
        self._arrived = body
        return ResponseHead(_URL, _ORIGIN, status, headers)

    def read(self) -> bytes:
        while not self._arrived and not self._interrupted.is_set():
            step = next(self._steps, None)
            if step is None:
                break
            step.play(self)
        if self._interrupted.is_set():
            raise ConnectionLost("the connection was interrupted", url=_URL)
        if self._loss is not None:
            raise ConnectionLost(self._loss, url=_URL)
        arrived, self._arrived = self._arrived, b""
        return arrived

    def interrupt(self) -> None:
        self._interrupted.set()

    def release(self) -> None:
        if self._opened:
            self._connector.open_connections -= 1

    # The stage

    def send(self, data: bytes) -> None:
        self._arrived += data

    def pause(self, seconds: float) -> None:
        pass

    def wait_for(self, event: threading.Event, timeout: float) -> None:
        deadline = time.monotonic() + timeout
        while not event.wait(min(_POLL_INTERVAL, timeout)) and not self._interrupted.is_set():
            if time.monotonic() >= deadline:
                raise TimeoutError(f"a script waited for a threading.Event that was not set within {timeout} s")

    def drop(self) -> None:
        self._loss = "the connection was dropped in the middle of the response"

    def reset(self) -> None:
        self._loss = "the connection was reset"

    def hold(self) -> None:
        self._interrupted.wait()
