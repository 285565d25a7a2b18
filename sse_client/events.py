"""What an event stream hands to its reader: five kinds of event and the ready state.

Rules of this file: plain values that compare, print and pickle by their fields. Nothing
here knows how an event came about.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any, Optional, Union

from .errors import EventSourceError

__all__ = ["CommentEvent", "ConnectingEvent", "ErrorEvent", "LifecycleEvent", "MessageEvent", "OpenEvent", "ReadyState"]


class ReadyState(IntEnum):
    """How an event source stands, with the numbers of the standard (HTML, section 9.2.2)."""

    CONNECTING = 0
    """Not connected, but not at its end: before the first attempt, in an attempt, or waiting for one."""
    OPEN = 1
    """Connected, and the response is an event stream."""
    CLOSED = 2
    """At its end: closed by the program, told to stop by the server, or failed for good."""

    # Python 3.11 made str() of an IntEnum its number, which tells a reader nothing.

    def __str__(self) -> str:
        return self.name

    def __format__(self, format_spec: str) -> str:
        return format(self.name, format_spec)


class MessageEvent:
    """One event of the stream (HTML Living Standard, sections 9.2.6 and 9.1).

    Treat it as read-only: it may be shared between handlers and threads. (It is written by
    hand, with slots and not frozen, because one is made per event: no other object is cheaper.)

    Attributes:
        type: The event's name: the value of its ``event`` field, or ``"message"``.
        data: Its data lines, joined with line feeds.
        last_event_id: The last event ID of the stream at this event: its own ``id``, or
            the one that an earlier event set. ``""`` if none ever was set.
        origin: Scheme, host and port of the address that the stream came from after
            redirects, such as ``"https://example.com"``; ``""`` from a bare parser.
    """

    __slots__ = ("type", "data", "last_event_id", "origin")
    __match_args__ = ("type", "data", "last_event_id", "origin")

    type: str
    data: str
    last_event_id: str
    origin: str

    def __init__(self, type: str = "message", data: str = "", last_event_id: str = "", origin: str = "") -> None:
        self.type = type
        self.data = data
        self.last_event_id = last_event_id
        self.origin = origin

    def _fields(self) -> tuple[str, str, str, str]:
        return self.type, self.data, self.last_event_id, self.origin

    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        return self._fields() == other._fields()

    def __hash__(self) -> int:
        return hash(self._fields())

    def __repr__(self) -> str:
        fields = ", ".join(f"{name}={value!r}" for name, value in zip(self.__slots__, self._fields()))
        return f"{type(self).__name__}({fields})"

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), self._fields()

    def json(self) -> Any:
        """Return the data decoded as JSON.

        Raises:
            json.JSONDecodeError: The data is not JSON. (It is a `ValueError`.)
        """
        return json.loads(self.data)


@dataclass(frozen=True)
class ConnectingEvent:
    """An attempt to connect begins.

    Attributes:
        url: The address as the source was given it, as it may be shown: without user name,
            password and fragment, and with ``?...`` for a query. ``""`` where a function gives it for each
            attempt, and where a `Connector` does not say.
        attempt: The number of the attempt: 1, and one more for each that has failed since
            a connection worked.
    """

    url: str
    attempt: int


@dataclass(frozen=True)
class OpenEvent:
    """A connection is open and is an event stream; events may follow.

    Attributes:
        url: The address that the stream comes from, after redirects, as it may be shown:
            without user name, password and fragment, and with ``?...`` for a query.
        headers: The response's headers, names in lower case; fields sent more than once
            are joined with ``", "``. Left out of ``repr()``, since they may hold cookies.
    """

    url: str
    headers: Mapping[str, str] = field(repr=False, hash=False)


@dataclass(frozen=True)
class ErrorEvent:
    """A connection failed, was lost or ended.

    Attributes:
        error: What happened. A `StreamEnded` is the clean end that servers and proxies
            make all the time.
        delay: Seconds until the next attempt, or None: there will be none.
            ``math.inf`` after `EventSource.pause`: none until `EventSource.resume`.
        attempt: How many attempts in a row have failed by now (see `ReconnectPolicy`); 0 if
            this one did not fail, since it delivered an event, say, or was open for long.
        requested: Whether the program asked for it, by `EventSource.reconnect` or
            `EventSource.pause`. Then nothing is wrong with the connection.
    """

    error: EventSourceError
    delay: Optional[float]
    attempt: int
    requested: bool = False


@dataclass(frozen=True)
class CommentEvent:
    """A comment line of the stream. Servers send them to keep a quiet connection alive.

    Attributes:
        text: What followed the colon, unchanged: a space after it is kept.
    """

    text: str


LifecycleEvent = Union[ConnectingEvent, OpenEvent, MessageEvent, ErrorEvent, CommentEvent]
"""All that `EventSource.lifecycle` yields."""
