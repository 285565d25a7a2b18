"""Server-Sent Events for synchronous Python: an event stream that keeps working.

Example::

    with EventSource("https://example.com/builds") as source:
        for event in source:
            print(event.type, event.data, event.last_event_id)
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
