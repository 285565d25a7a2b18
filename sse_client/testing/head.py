"""`Head`: all that is said of a response before its body, and how the body is carried.

Rules of this file: values and functions of values; nothing is sent from here.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Literal, Optional, Union, cast

__all__ = ["BodyEncoder", "Encoding", "Framing", "Head", "HeaderFields", "as_body", "header_pairs"]

Framing = Literal["chunked", "close", "length"]
Encoding = Literal["gzip", "deflate"]
HeaderFields = Union[Mapping[str, str], Iterable[tuple[str, str]]]


@dataclass(frozen=True)
class Head:
    """The head of a response, and how its body is carried. What each field means is said at `Exchange.send_head`.

    Raises:
        ValueError: A field is not one of the values that it may have.
    """

    status: int = 200
    headers: tuple[tuple[str, str], ...] = ()
    content_type: Optional[str] = "text/event-stream"
    framing: Framing = "chunked"
    encoding: Optional[Encoding] = None
    cut_after: Optional[int] = None
    keep_alive: bool = True
    content_length: Optional[int] = None

    def __post_init__(self) -> None:
        if self.framing not in ("chunked", "close", "length"):
            raise ValueError(f"framing must be 'chunked', 'close' or 'length', not {self.framing!r}")
        if self.encoding not in (None, "gzip", "deflate"):
            raise ValueError(f"encoding must be None, 'gzip' or 'deflate', not {self.encoding!r}")

    def has_body(self, method: str) -> bool:
        """Whether a body follows, in answer to a request of this method."""
        return method != "HEAD" and self.status >= 200 and self.status not in (204, 304)

    def encoded(self, *, keeps_alive: bool) -> bytes:
        """Return the status line and the headers: those given, and those that the other fields make."""
        made: dict[str, str] = {}
        if self.content_type is not None:
            made["Content-Type"] = self.content_type
        if self.encoding is not None:
            made["Content-Encoding"] = self.encoding
        if self.content_length is not None:
            made["Content-Length"] = str(self.content_length)
        elif self.framing == "chunked" and self.status not in (204, 304):
            made["Transfer-Encoding"] = "chunked"
        if not keeps_alive:
            made["Connection"] = "close"
        replaced = {name.lower() for name, _ in self.headers}
        lines = [f"HTTP/1.1 {int(self.status)} {_phrase(self.status)}"]
        lines += [f"{name}: {value}" for name, value in made.items() if name.lower() not in replaced]
        lines += [f"{name}: {value}" for name, value in self.headers]
        return "\r\n".join([*lines, "", ""]).encode("utf-8")


class BodyEncoder:
    """The encoding of one body: what goes in comes out at once."""

    def __init__(self, encoding: Optional[Encoding]) -> None:
        self._compressor = zlib.compressobj(wbits=31 if encoding == "gzip" else 15) if encoding else None

    def encode(self, data: bytes) -> bytes:
        """Return ``data``, encoded and flushed."""
        if self._compressor is None:
            return data
        return self._compressor.compress(data) + self._compressor.flush(zlib.Z_SYNC_FLUSH)

    def finish(self) -> bytes:
        """Return the bytes that end the body."""
        return b"" if self._compressor is None else self._compressor.flush()


def header_pairs(headers: HeaderFields) -> tuple[tuple[str, str], ...]:
    """Return header fields as pairs of name and value, which can be used more than once."""
    return tuple(cast("Mapping[str, str]", headers).items() if isinstance(headers, Mapping) else headers)


def as_body(body: Union[bytes, str]) -> bytes:
    """Return a body as bytes; a str becomes UTF-8.

    Raises:
        TypeError: It is neither.
    """
    if isinstance(body, str):
        return body.encode("utf-8")
    if not isinstance(body, (bytes, bytearray, memoryview)):
        raise TypeError(f"body must be bytes or a str, not {type(body).__name__}")
    return bytes(body)


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Unknown"
