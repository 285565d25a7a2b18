"""Every exception that this package raises on purpose.

The tree::

    EventSourceError
    ├── ConnectionFailed    no response arrived: look-up, refused, time-out, broken handshake
    ├── ConnectionLost      an open stream broke: reset, truncated, idle for too long
    │   └── StreamEnded     the server ended the stream cleanly: normal, and not a failure
    ├── CertificateRejected the server is not, or cannot be shown to be, who it should be
    ├── ResponseRejected    a response arrived, and it is not an event stream
    └── EventTooLarge       one event outgrew ``max_event_size``

The same classes are used in two ways. A loss that will be retried is a *value*: it is
seen in an `ErrorEvent` and in the log, and the iteration goes on. One that ends the
stream is *raised* out of the iteration. A wrong argument is neither: it is a
`ValueError` or `TypeError` at the call that passed it.

Rules of this file: an error holds plain values only (no response, socket or thread), so
that it can be pickled, kept and sent elsewhere; a URL in an error has been through
`str` of a `sse_client._http.url.Url`; what urllib3 or the socket raised is the ``__cause__``.
"""

from __future__ import annotations

import codecs
import json
import re
import traceback
from collections.abc import Iterator, Mapping
from http import HTTPStatus
from typing import Any, Optional

__all__ = [
    "CertificateRejected",
    "ConnectionFailed",
    "ConnectionLost",
    "EventSourceError",
    "EventTooLarge",
    "ResponseRejected",
    "StreamEnded",
]


_TIMED_OUT = {
    "connect_timeout": "connecting timed out",
    "response_timeout": "no answer in time",
    "idle_timeout": "nothing arrived for a while",
}

_CHARSET = r";\s*charset\s*=\s*[\"']?([^\s\"';,]+)"  # linear: two neighbours never match the same character
# Python's decoders that are for no charset. That of Punycode takes 3 s for a body of 64 KiB.
_NO_CHARSETS = frozenset({"idna", "punycode", "raw-unicode-escape", "unicode-escape"})


class EventSourceError(Exception):
    """Anything that kept an event stream from going on.

    Attributes:
        url: The address concerned, as it may be shown: without user name, password and
            fragment, and with ``?...`` for a query.
        reason: What happened, as a phrase without the address.
        parameter: The name of the setting whose limit was reached, such as
            ``"idle_timeout"`` or ``"max_event_size"``; None if it was something else.
    """

    _SUMMARY = "the stream failed"

    url: str
    reason: str
    parameter: Optional[str]

    def __init__(self, reason: str, *, url: str, parameter: Optional[str] = None) -> None:
        super().__init__(reason)
        self.url = url
        self.reason = reason
        self.parameter = parameter

    @property
    def summary(self) -> str:
        """What happened in a few words, for a status bar: neither address nor details."""
        return _TIMED_OUT.get(self.parameter or "", self._SUMMARY)

    def __str__(self) -> str:
        return f"{self.reason} ({self.url})" if self.url else self.reason

    def __reduce__(self) -> tuple[Any, ...]:
        # Exception's own recipe calls the class with ``args``, which leaves the keywords out.
        return _bare, (type(self), self.args), self.__dict__


def chain_of(error: Optional[BaseException]) -> Iterator[BaseException]:
    """Yield an error, its cause or else its context, and so on; each once, though the chain may be a ring."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__ or error.__context__


def without_locals(error: Optional[BaseException]) -> Optional[BaseException]:
    """Return an error whose traceback keeps no local variables alive: connections, buffers."""
    for link in chain_of(error):
        traceback.clear_frames(link.__traceback__)
    return error


def _bare(error_class: type[EventSourceError], args: tuple[Any, ...]) -> EventSourceError:
    return error_class.__new__(error_class, *args)


class ConnectionFailed(EventSourceError):
    """No response arrived: the name was not found, or the server refused, broke off or kept silent.

    Retried, unless there is no reconnecting or its attempts are used up. Its ``parameter``
    is the time-out that was up, if one was: ``"connect_timeout"``, ``"response_timeout"``, or
    ``"idle_timeout"`` for a server that has the request and says nothing.
    """

    _SUMMARY = "cannot connect"


class ConnectionLost(EventSourceError):
    """A stream that was open broke: reset, cut off, garbled, or silent for ``idle_timeout``.

    Retried, unless there is no reconnecting (with `ReconnectPolicy.until_open`, none after a
    stream has opened) or its attempts are used up. Its ``parameter`` is ``"idle_timeout"`` if the stream was silent.
    """

    _SUMMARY = "connection lost"


class StreamEnded(ConnectionLost):
    """The server ended the stream cleanly.

    Normal: servers and proxies do so to balance load or to end a long poll. Always seen
    as a value; raised only when the attempts of the reconnect policy are used up.
    """

    _SUMMARY = "the server ended the stream"


class CertificateRejected(EventSourceError):
    """The server's certificate is not valid: expired, for another host, or of an unknown authority.

    Not retried unless `ReconnectPolicy.retry_certificates` is set: it would be the same again,
    and somebody should look.
    """

    _SUMMARY = "certificate not valid"


class ResponseRejected(EventSourceError):
    """A response arrived that is not an event stream.

    Its status is neither 200 nor 204, its type is not ``text/event-stream``, or it
    redirects to where no client should go. Retried only for the statuses that the
    reconnect policy names (`ReconnectPolicy.retry_statuses`).

    Attributes:
        status: The status code.
        headers: The response's headers, names in lower case; fields sent more than once
            are joined with ``", "``. Not part of the text of the error.
        body: At most the first 64 KiB of the body: APIs explain themselves there. Not
            part of the text of the error.
        retry_after: What the ``Retry-After`` header asked for, in seconds from the
            moment of the response, or None (RFC 9110, section 10.2.3).
    """

    status: int
    headers: Mapping[str, str]
    body: bytes
    retry_after: Optional[float]

    def __init__(
        self,
        reason: str,
        *,
        url: str,
        status: int,
        headers: Mapping[str, str],
        body: bytes = b"",
        retry_after: Optional[float] = None,
        parameter: Optional[str] = None,
    ) -> None:
        super().__init__(reason, url=url, parameter=parameter)
        self.status = status
        self.headers = dict(headers)
        self.body = body
        self.retry_after = retry_after

    @property
    def summary(self) -> str:
        """The status with its name, such as "503 Service Unavailable"; after a success, that it is no event stream."""
        if HTTPStatus.OK <= self.status < HTTPStatus.MULTIPLE_CHOICES:
            return "not an event stream"
        try:
            return f"{self.status} {HTTPStatus(self.status).phrase}"
        except ValueError:
            return f"status {self.status}"

    @property
    def text(self) -> str:
        """The `body` as text, by the charset of its Content-Type or else as UTF-8, errors replaced.

        Written by whoever answered: escape it before it goes to a page or a terminal. May be
        cut at 64 KiB.
        """
        charset = re.search(_CHARSET, self.headers.get("content-type", ""), re.IGNORECASE)
        try:
            codec = codecs.lookup(charset[1] if charset else "utf-8")
            return self.body.decode("utf-8" if codec.name in _NO_CHARSETS else codec.name, "replace")
        except (LookupError, ValueError, Warning):  # a charset that Python does not know, or knows as something else
            return self.body.decode("utf-8", "replace")

    def json(self) -> Any:
        """Return the `text` decoded as JSON.

        Raises:
            json.JSONDecodeError: The text is not JSON. (It is a `ValueError`.)
        """
        return json.loads(self.text)


class EventTooLarge(EventSourceError):
    """One event outgrew the limit on its size. Never retried: the next connection would meet it again.

    Attributes:
        limit: The limit that was in force, in bytes.
        parameter: The name of the setting: ``"max_event_size"``.
    """

    _SUMMARY = "event too large"

    limit: int

    def __init__(self, *, url: str, limit: int, parameter: str = "max_event_size") -> None:
        super().__init__(f"an event is larger than {parameter}={limit} bytes", url=url, parameter=parameter)
        self.limit = limit
