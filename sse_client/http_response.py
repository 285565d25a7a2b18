"""What an answer means: an event stream, "stop", a redirect, or a rejection.

The rules are those of the HTML Living Standard, section 9.2.3 (status and type), and
RFC 9110, sections 10.2.3 (``Retry-After``) and 15.4 (redirects).

Rules of this file: functions of values; the time of day is passed in.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import timezone
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Optional

__all__: list[str] = []

MAX_REDIRECTS = 10
MAX_REJECTED_BODY = 64 * 1024

_FOLD = r"[ \t]*[\r\n]+[ \t]*"
_REDIRECTS = frozenset({301, 302, 303, 307, 308})


def joined_headers(items: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Return header fields with their names in lower case, repeated ones joined (RFC 9110, section 5.3)."""
    headers: dict[str, str] = {}
    for given_name, given_value in items:
        name, value = given_name.lower(), unfolded(given_value)
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
    return headers


def unfolded(value: str) -> str:
    """Return a header value that was folded over several lines as one line (RFC 9112, section 5.2)."""
    return re.sub(_FOLD, " ", value)


def is_redirect(status: int) -> bool:
    """Whether the status sends the client elsewhere."""
    return status in _REDIRECTS


def why_rejected(status: int, headers: Mapping[str, str]) -> Optional[str]:
    """Return why a response is neither an event stream nor a 204, or None if it is one of them."""
    if status == HTTPStatus.NO_CONTENT:
        return None
    if status == HTTPStatus.PROXY_AUTHENTICATION_REQUIRED:
        return f"the proxy wants a login ({status_text(status)})"
    if status != HTTPStatus.OK:
        return f"the server answered {status_text(status)}"
    if "," in headers.get("content-encoding", ""):
        # Before 2.6, urllib3 unpacks such a body without a bound; and no stream needs it.
        return "the response is encoded more than once"
    given = headers.get("content-type")
    if given is None:
        return "the response has no Content-Type; an event stream has text/event-stream"
    if given.partition(";")[0].strip().lower() != "text/event-stream":
        return f"the response is of type {given[:100]!r}, not text/event-stream"
    return None


def status_text(status: int) -> str:
    """Return a status with its phrase: ``"404 Not Found"``."""
    try:
        return f"{status} {HTTPStatus(status).phrase}"
    except ValueError:
        return str(status)


def retry_after(headers: Mapping[str, str], *, now: float) -> Optional[float]:
    """Return the seconds that ``Retry-After`` asks for, or None if it asks for nothing intelligible.

    Args:
        headers: The response's, names in lower case.
        now: The time of day, in seconds since the epoch, for the form that is a date.
    """
    value = headers.get("retry-after", "").strip()
    if value.isascii() and value.isdigit():
        return float(value)
    try:
        date = parsedate_to_datetime(value)
    except (TypeError, ValueError, IndexError, OverflowError):  # it raises each of them, by version and input
        return None
    if date.tzinfo is None:
        date = date.replace(tzinfo=timezone.utc)
    return max(0.0, date.timestamp() - now)
