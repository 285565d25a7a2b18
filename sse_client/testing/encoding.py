"""From events to the bytes of an event stream.

Rules of this file: pure functions; what a reader of the stream could not get back as it
was given is refused.
"""

from __future__ import annotations

import math
from typing import Optional

from sse_client.events import MessageEvent

__all__ = ["encode_comment", "encode_event", "encode_message", "encode_retry"]


def encode_event(
    data: str, *, type: Optional[str] = None, id: Optional[str] = None, retry: Optional[float] = None
) -> bytes:
    """Return the bytes of one event, with the blank line that ends it.

    Any thread may call it. It does not block.

    Args:
        data: The data. Every line break in it (LF, CR LF or CR) ends one data line and
            comes back as LF; all else comes back as it is.
        type: The type, or None for ``"message"``.
        id: The event's ID. ``""`` clears the last event ID of the stream; None leaves it.
        retry: The reconnection time in seconds, rounded to milliseconds, or None.

    Raises:
        ValueError: A value cannot be said in an event stream: a line break in ``type`` or
            ``id``, NUL in ``id``, an empty ``type``, a lone surrogate in any of them, a
            ``retry`` that is negative or not finite. The text names the argument.
        TypeError: A value is of the wrong type. The text names the argument.
    """
    fields: list[bytes] = []
    if type is not None:
        if type == "":
            raise ValueError('type must not be empty: a reader would make it "message"')
        fields.append(b"event: " + _one_line("type", type))
    if id is not None:
        value = _one_line("id", id)
        if b"\x00" in value:
            raise ValueError(f"id must not contain NUL, which makes readers ignore it: {id!r}")
        fields.append(b"id: " + value)
    if retry is not None:
        fields.append(encode_retry(retry).rstrip(b"\n"))
    fields.extend(b"data: " + line for line in _lines("data", data))
    return b"\n".join(fields) + b"\n\n"


def encode_message(event: MessageEvent) -> bytes:
    """Return the bytes of ``event``; an empty ``last_event_id`` sends no ID. Otherwise as `encode_event`."""
    return encode_event(
        event.data,
        type=None if event.type == "message" else event.type,
        id=event.last_event_id or None,
    )


def encode_comment(text: str) -> bytes:
    """Return ``text`` as a comment, a line of it for each line. Raises as `encode_event` does."""
    return b"".join(b":" + line + b"\n" for line in _lines("text", text))


def encode_retry(seconds: float) -> bytes:
    """Return the line that sets the reconnection time. Raises as `encode_event` does."""
    if not isinstance(seconds, (int, float)) or isinstance(seconds, bool):
        raise TypeError(f"retry must be a number (seconds), not {type(seconds).__name__}")
    if not math.isfinite(seconds) or seconds < 0:
        raise ValueError(f"retry must be a finite number of seconds, at least 0, not {seconds!r}")
    return b"retry: %d\n" % round(seconds * 1000)


def _one_line(name: str, value: str) -> bytes:
    encoded = _encoded(name, value)
    if b"\n" in encoded or b"\r" in encoded:
        raise ValueError(f"{name} must not contain a line break, which would end the field: {value!r}")
    return encoded


def _lines(name: str, value: str) -> list[bytes]:
    # Not splitlines(): of a str it cuts at U+2028, VT and more; of bytes it swallows the last line when empty.
    return _encoded(name, value).replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n")


def _encoded(name: str, value: str) -> bytes:
    if not isinstance(value, str):
        raise TypeError(f"{name} must be a str, not {type(value).__name__}")
    try:
        return value.encode("utf-8")
    except UnicodeEncodeError:
        raise ValueError(f"{name} must be encodable as UTF-8, without lone surrogates: {value!r}") from None
