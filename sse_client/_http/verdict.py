"""What a response means: is it an event stream, a redirect, something to retry, or why is it none of these.

Sources: RFC 9110 (statuses, ``Retry-After``, content codings), RFC 9112 (transfer codings), the
Fetch Standard ("extract a MIME type").

Rules of this file: functions of values. Patterns match bytes from the network, so none may backtrack.
"""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Iterator
from datetime import timezone
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Optional

from .headers import NAME_PATTERN, Headers

MAX_REDIRECTS = 10
MAX_REJECTED_BODY = 64 * 1024

EVENT_STREAM = "text/event-stream"

_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_REGISTERED_STATUSES = frozenset(
    {
        *range(100, 105),
        *range(200, 209),
        226,
        *range(300, 309),
        *range(400, 419),
        *range(421, 427),
        428,
        429,
        431,
        451,
        *range(500, 509),
        510,
        511,
    }
)
_MAX_DATE = 100  # characters
_SECONDS = re.compile(r"[0-9]+(\.[0-9]*)?")
_MEDIA_TYPE = re.compile(f"{NAME_PATTERN}/{NAME_PATTERN}")
# Each alternative begins with another character, and none can fail once it has begun.
_LIST_PIECE = re.compile(r'"(?:[^"\\]|\\.)*"?|[^",]+|,', re.DOTALL)
# IANA's registry, identity aside.
_CODINGS = frozenset(
    {
        "aes128gcm",
        "br",
        "compress",
        "dcb",
        "dcz",
        "deflate",
        "exi",
        "gzip",
        "pack200-gzip",
        "x-compress",
        "x-gzip",
        "zstd",
    }
)
_CURES = {
    "br": "pip install brotli",
    "zstd": "pip install 'urllib3[zstd]'",
}


def effective_status(status: int) -> int:
    """Return the status itself if it is registered, otherwise the x00 of its class (RFC 9110, section 15).

    So 520 to 530, which proxies make up, count as 500.
    """
    return status if status in _REGISTERED_STATUSES else status // 100 * 100


def is_redirect(status: int) -> bool:
    """Whether the status sends the client elsewhere."""
    return status in _REDIRECTS


def status_text(status: int) -> str:
    """Return a status with its phrase: ``"404 Not Found"``."""
    try:
        return f"{status} {HTTPStatus(status).phrase}"
    except ValueError:
        return str(status)


def rejection_reason(
    status: int,
    headers: Headers,
    *,
    content_types: Optional[Collection[str]] = (EVENT_STREAM,),
    any_success: bool = False,
    codings: Optional[Collection[str]] = None,
) -> Optional[str]:
    """Return why a response is neither an event stream nor a 204, or None if it is one of them.

    Args:
        status: The response's status.
        headers: Its headers.
        content_types: The types of an event stream, in lower case, ``""`` for none at all; or None for any.
        any_success: Whether every status of success will do, as for the answer to a POST, and not 200 only.
        codings: The content codings that can be undone; or None if the body arrives decoded.
    """
    if status == HTTPStatus.NO_CONTENT:
        return None
    if status == HTTPStatus.PROXY_AUTHENTICATION_REQUIRED:
        return f"the proxy wants a login ({status_text(status)})"
    if status != HTTPStatus.OK and not (any_success and 200 <= status <= 299):
        return f"the server answered {status_text(status)}"
    reason = None if codings is None else _why_undecodable(headers, codings)
    if reason is None and content_types is not None:
        reason = _why_of_another_type(headers.get("content-type"), content_types)
    if reason is not None and status != HTTPStatus.OK:
        return f"the server answered {status_text(status)}: {reason}"
    return reason


def _why_of_another_type(given: Optional[str], wanted: Collection[str]) -> Optional[str]:
    if media_type(given or "") in wanted:
        return None
    types = " or ".join(sorted(filter(None, wanted))) or "without one"
    if given is None:
        return f"the response has no Content-Type, not {types}; content_types= allows others"
    return f"the response is of type {given[:100]!r}, not {types}; content_types= allows others"


def media_type(value: str) -> str:
    """Return the media type that a ``Content-Type`` names, without parameters and in lower case, or ``""``.

    Of several, as when a server and a framework both add one, the last valid one counts.
    """
    found = ""
    for member in _members(value):
        candidate = member.partition(";")[0].strip(" \t").lower()
        if candidate != "*/*" and _MEDIA_TYPE.fullmatch(candidate):
            found = candidate
    return found


def _members(value: str) -> Iterator[str]:
    """Yield the members of a list: what stands between commas, those in quoted strings aside."""
    member: list[str] = []
    for piece in _LIST_PIECE.findall(value):
        if piece == ",":
            yield "".join(member)
            member = []
        else:
            member.append(piece)
    yield "".join(member)


def _why_undecodable(headers: Headers, codings: Collection[str]) -> Optional[str]:
    transfer = headers.get("transfer-encoding", "chunked").strip(" \t").lower()
    if transfer not in ("chunked", "identity", ""):
        what = f"the response has the transfer coding {transfer[:100]!r}, which cannot be undone"
        return f"{what}: have the server send it chunked only, and compress by Content-Encoding"
    named = [member.strip(" \t").lower() for member in headers.get("content-encoding", "").split(",")]
    # Servers send unregistered ones, such as none or utf-8, to keep proxies from compressing: such a body is plain.
    real = [coding for coding in named if coding in _CODINGS]
    if real and len(named) > 1:
        # Before 2.6, urllib3 unpacks such a body without a bound; and no stream needs it.
        return "the response is encoded more than once: have the server use one content coding"
    if real and real[0] not in codings:
        cure = f"{_CURES[real[0]]}, or " if real[0] in _CURES else ""
        return f"the response is encoded as {real[0]!r}, which cannot be undone: {cure}have the server send it plain"
    return None


def retry_after(headers: Headers, *, now: float) -> Optional[float]:
    """Return the seconds that ``Retry-After`` asks for, or None if it asks for nothing intelligible.

    A fraction is rounded up. A date is measured against the response's own ``Date``, so that a clock that is wrong
    here does not matter.

    Args:
        headers: The response's.
        now: The time of day, in seconds since the epoch, for a date in a response without one.
    """
    value = headers.get("retry-after", "").strip(" \t")
    if _SECONDS.fullmatch(value):
        seconds = float(value)
        return seconds if math.isinf(seconds) else float(math.ceil(seconds))
    date = _timestamp(value)
    if date is None:
        return None
    sent = _timestamp(headers.get("date", ""))
    return max(0.0, date - (now if sent is None else sent))


def _timestamp(value: str) -> Optional[float]:
    if len(value) > _MAX_DATE:
        return None
    try:
        date = parsedate_to_datetime(value)
        return (date if date.tzinfo is not None else date.replace(tzinfo=timezone.utc)).timestamp()
    except (TypeError, ValueError, IndexError, OverflowError):  # it raises each of them, by version and input
        return None
