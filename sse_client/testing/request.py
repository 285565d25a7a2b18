"""One request of a client, read and recorded."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple, Optional

from .wire import Wire

__all__ = ["BadRequest", "RecordedRequest", "RequestHeaders", "read_request"]


class BadRequest(Exception):
    """What the client sent is not an HTTP/1 request."""


class RequestHeaders(Mapping[str, str]):
    """The headers of a request: names in any case, values of fields sent more than once joined with ``", "``.

    Values are decoded as UTF-8, or as Latin-1 where they are not UTF-8.
    """

    def __init__(self, pairs: Iterable[tuple[str, str]]) -> None:
        self._names: dict[str, str] = {}
        self._values: dict[str, str] = {}
        for name, value in pairs:
            key = name.lower()
            self._names.setdefault(key, name)
            self._values[key] = f"{self._values[key]}, {value}" if key in self._values else value

    def __getitem__(self, name: str) -> str:
        try:
            return self._values[name.lower()]
        except KeyError:
            raise KeyError(name) from None

    def __iter__(self) -> Iterator[str]:
        return iter(self._names.values())

    def __len__(self) -> int:
        return len(self._names)

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and name.lower() in self._values

    def __repr__(self) -> str:
        return f"RequestHeaders({dict(self)!r})"


class RecordedRequest(NamedTuple):
    """A request as it arrived.

    Attributes:
        method: Its method, such as ``"GET"``.
        target: What it asked for: path and query, as they were sent.
        version: Its version of HTTP, such as ``"HTTP/1.1"``.
        headers: Its headers.
        body: Its body, or ``b""``.
        time: When it had arrived, by `time.monotonic`.
        connection: Which TCP connection it came over: the server's first is 1.
    """

    method: str
    target: str
    version: str
    headers: RequestHeaders
    body: bytes
    time: float
    connection: int

    @property
    def path(self) -> str:
        """The target without its query."""
        return self.target.partition("?")[0]


def read_request(wire: Wire) -> RecordedRequest:
    """Wait for the next request and read all of it. Blocks.

    Raises:
        ExchangeEnded: The client has gone instead.
        BadRequest: It is not HTTP/1.
    """
    parts = _decoded(wire.read_line()).split(" ")
    if len(parts) != 3 or not parts[2].startswith("HTTP/1."):
        raise BadRequest("the request line is not one of HTTP/1")
    method, target, version = parts
    pairs: list[tuple[str, str]] = []
    while True:
        line = wire.read_line()
        if not line:
            break
        name, colon, value = _decoded(line).partition(":")
        if not colon:
            raise BadRequest("a header has no colon")
        pairs.append((name, value.strip(" \t")))
    headers = RequestHeaders(pairs)
    return RecordedRequest(method, target, version, headers, _body(wire, headers), time.monotonic(), wire.number)


def _body(wire: Wire, headers: RequestHeaders) -> bytes:
    if headers.get("Transfer-Encoding", "").lower() == "chunked":
        chunks: list[bytes] = []
        while True:
            size = _number(wire.read_line().partition(b";")[0], base=16)
            if size == 0:
                while wire.read_line():  # trailers
                    pass
                return b"".join(chunks)
            chunks.append(wire.read(size))
            wire.read_line()
    length: Optional[str] = headers.get("Content-Length")
    return wire.read(_number(length.encode(), base=10)) if length is not None else b""


def _number(digits: bytes, *, base: int) -> int:
    try:
        return int(digits, base)
    except ValueError as error:
        raise BadRequest("the length of the body is not a number") from error


def _decoded(line: bytes) -> str:
    try:
        return line.decode("utf-8")
    except UnicodeDecodeError:
        return line.decode("latin-1")
