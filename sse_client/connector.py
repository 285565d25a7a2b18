"""What an `EventSource` needs from whatever delivers bytes of a stream, or events.

`EventSource` knows nothing of HTTP. It asks a `Connector` for one `Connection` after the
other; each is one attempt, opened once, read to its end and released. What a connection
reads is the bytes of an event stream, which the source parses, or events, where what
arrives is made of messages and not of bytes. The package has connectors over urllib3,
over a ``requests.Session``, over a WebSocket and over a script; yours can be the next.

Rules of this file: two abstract classes and the value between them. Of a connection, the
*reading thread* calls everything but `Connection.interrupt`, which is for other threads:
they only wake the reader, and the reader releases.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Union

from .events import CommentEvent, MessageEvent

__all__ = ["Connection", "Connector", "ResponseHead"]


@dataclass(frozen=True)
class ResponseHead:
    """What is known of a response before its body is read.

    Attributes:
        url: Where the response came from, after redirects, as it may be shown: without user
            name, password and fragment, and with ``?...`` for a query.
        origin: Scheme, host and port of that address, as the standard writes an origin.
        status: 200 (101 from a WebSocket), or 204 for "stop, and do not come back".
            Anything else has been raised as a `ResponseRejected`.
        headers: The headers, names in lower case; repeated fields joined with ``", "``.
            Left out of ``repr()``, since they may hold cookies.
    """

    url: str
    origin: str
    status: int
    headers: Mapping[str, str] = field(repr=False, hash=False)


class Connection(ABC):
    """One attempt to reach an event stream, and what arrives over it."""

    @abstractmethod
    def open(self, last_event_id: str) -> ResponseHead:
        """Connect, ask for the stream from ``last_event_id`` on, and check the response. Blocks.

        Called once. After it has raised, only `release` is called.

        Raises:
            ConnectionFailed: No response arrived.
            ResponseRejected: A response arrived that is neither an event stream nor a 204.
        """

    @abstractmethod
    def read(self) -> Union[bytes, Sequence[Union[MessageEvent, CommentEvent]]]:
        """Wait for something, and return what has arrived: bytes of the stream, or events. Empty at the clean end.

        Never waits for more once there is something to return. Bytes may be cut anywhere.
        Events are handed over as they are: each has the last event ID of the stream at
        this event (that of `open`, if it has none of its own), and the connection bounds their
        size, since ``max_event_size`` is the parser's. A `CommentEvent` stands for a sign
        of life without a message. One connection reads either bytes or events.

        Raises:
            ConnectionLost: The stream broke.
        """

    def is_ready(self) -> bool:
        """Return False if `read` would wait; True if it would not, or if that is not known. Does not block.

        The loop asks before it waits, to write a position that it has not written yet.
        """
        return True

    @abstractmethod
    def interrupt(self) -> None:
        """Make `open` or `read` end at once, whatever it is doing, with any result or error.

        May be called from any thread, at any time, more than once; does not block and
        does not raise. An `open` that starts later must fail without sending a request.
        """

    @abstractmethod
    def release(self) -> None:
        """Give back what the connection holds. Called once, at the end, by the reading thread."""


class Connector(ABC):
    """Where the connections of one `EventSource` come from.

    Attributes:
        is_repeatable: Whether what it asks for may be asked again without harm. If not, an
            `EventSource` does not reconnect unless it is told to.
        url: Where the stream comes from, as it may be shown: without user name, password and
            fragment, and with ``?...`` for a query. ``""`` if that is not known before an attempt.
    """

    is_repeatable: bool = True
    url: str = ""

    @abstractmethod
    def connection(self) -> Connection:
        """Return the connection for the next attempt, not yet opened. Does not block."""

    def real_delay(self, delay: float) -> float:
        """Return how many seconds a wait of ``delay`` seconds before the next attempt really takes: all of them.

        Called once for each wait. Overridden where time is not real, so that tests of
        reconnecting take none.
        """
        return delay

    def close(self) -> None:  # noqa: B027 - empty on purpose: most connectors hold nothing between attempts
        """Give back what is kept between connections. Called when a loop ends, and by `EventSource.close`."""
