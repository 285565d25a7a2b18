"""Server-Sent Events for synchronous Python: an event stream that keeps working.

Example::

    with EventSource("https://example.com/builds") as source:
        for event in source:
            print(event.type, event.data, event.last_event_id)

Following a stream
    `EventSource`                a stream as a loop: reconnects, resumes, can be closed from anywhere
    `Listener`                   a thread that reads an `EventSource` and calls handlers
    `DispatchQueue`              carries the calls of a `Listener` to the main loop of a window
    `ReconnectPolicy`            when to connect again, and after how long
    `PositionFile`               keeps in a file where a stream was, for the next run
    `Position`                   what else may keep it: `read` and `write`

What happens
    `MessageEvent`               an event: `data`, `type`, `last_event_id`, `json`
    `OpenEvent`                  the stream is open
    `ErrorEvent`                 the connection failed, broke or ended; `delay` until the next attempt
    `ConnectingEvent`            an attempt begins
    `CommentEvent`               a comment, as heartbeats are
    `CloseEvent`                 a `Listener` has ended
    `HandlerErrorEvent`          a handler of a `Listener` has raised
    `LifecycleEvent`             the type of all that `EventSource.lifecycle` yields
    `ReadyState`                 CONNECTING, OPEN or CLOSED

What goes wrong
    `EventSourceError`           the base of the others
    `ConnectionFailed`           no response: refused, time-out, name not found
    `ConnectionLost`             an open stream broke
    `StreamEnded`                the server ended the stream cleanly
    `ResponseRejected`           a response that is no event stream
    `CertificateRejected`        the server's certificate is not valid
    `EventTooLarge`              an event outgrew ``max_event_size``

Bytes from elsewhere, and other ways to get them
    `iter_events`                the events in chunks of bytes
    `EventStreamParser`          the same, fed by hand
    `DEFAULT_MAX_EVENT_SIZE`     64 MiB
    `Connector`                  where an `EventSource` gets its connections from; write your own
    `Connection`                 one attempt of a `Connector`
    `ResponseHead`               what opening a `Connection` returns

Modules to import by name: `sse_client.testing`, `sse_client.requests_bridge`, `sse_client.fallback`
and `sse_client.redis_relay`. Each begins with a chapter: ``python -m pydoc sse_client.testing``.
"""

from __future__ import annotations

from ._handlers import CloseEvent, HandlerErrorEvent
from ._version import __version__
from .connector import Connection, Connector, ResponseHead
from .dispatch_queue import DispatchQueue
from .errors import (
    CertificateRejected,
    ConnectionFailed,
    ConnectionLost,
    EventSourceError,
    EventTooLarge,
    ResponseRejected,
    StreamEnded,
)
from .events import CommentEvent, ConnectingEvent, ErrorEvent, LifecycleEvent, MessageEvent, OpenEvent, ReadyState
from .listener import Listener
from .parser import DEFAULT_MAX_EVENT_SIZE, EventStreamParser, iter_events
from .position import Position, PositionFile
from .reconnect import ReconnectPolicy
from .source import EventSource

__all__ = [
    "DEFAULT_MAX_EVENT_SIZE",
    "CertificateRejected",
    "CloseEvent",
    "CommentEvent",
    "ConnectingEvent",
    "Connection",
    "ConnectionFailed",
    "ConnectionLost",
    "Connector",
    "DispatchQueue",
    "ErrorEvent",
    "EventSource",
    "EventSourceError",
    "EventStreamParser",
    "EventTooLarge",
    "HandlerErrorEvent",
    "LifecycleEvent",
    "Listener",
    "MessageEvent",
    "OpenEvent",
    "Position",
    "PositionFile",
    "ReadyState",
    "ReconnectPolicy",
    "ResponseHead",
    "ResponseRejected",
    "StreamEnded",
    "__version__",
    "iter_events",
]
