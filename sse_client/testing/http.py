"""HTTP on the server's side: a TCP connection, and the requests that are read from it.

The thread of the connection reads, writes and closes; other threads only wake it.
"""

from __future__ import annotations

import contextlib
import socket
import ssl
import struct
import time
from collections.abc import Collection
from typing import NamedTuple, Optional

from sse_client._http.headers import Headers
from sse_client._http.url import is_address, parse_authority

__all__ = [
    "BadRequest",
    "ExchangeEnded",
    "RecordedRequest",
    "RequestHeaders",
    "ServerConnection",
    "is_for",
    "read_request",
]


class ExchangeEnded(Exception):
    """The client has gone, or the server is closing. Raised inside handlers, which may let it pass."""


class ServerConnection:
    """The server's end of one TCP connection, with TLS or without.

    Attributes:
        number: Which of the server's connections this is, from 1 on.
    """

    number: int

    def __init__(self, connected: socket.socket, number: int, ssl_context: Optional[ssl.SSLContext]) -> None:
        self.number = number
        connected.setblocking(True)
        connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if ssl_context is not None:
            # No handshake here: this is still the thread that accepts.
            connected = ssl_context.wrap_socket(connected, server_side=True, do_handshake_on_connect=False)
        self._socket = connected
        self._reader = connected.makefile("rb")

    def handshake(self) -> None:
        """Do the handshake of TLS, if this is TLS. Blocks. Raises ExchangeEnded if it fails."""
        if isinstance(self._socket, ssl.SSLSocket):
            try:
                self._socket.do_handshake()
            except (OSError, ValueError) as error:
                raise ExchangeEnded("the TLS handshake failed") from error

    def read_line(self) -> bytes:
        """Return the next line without its line end. Blocks. Raises ExchangeEnded at the end of the bytes."""
        try:
            line = self._reader.readline()
        except (OSError, ValueError) as error:
            raise ExchangeEnded("the client has gone") from error
        if not line.endswith(b"\n"):
            raise ExchangeEnded("the client has gone")
        return line.rstrip(b"\r\n")

    def read(self, size: int) -> bytes:
        """Return exactly ``size`` bytes. Blocks. Raises ExchangeEnded if they do not come."""
        try:
            data = self._reader.read(size)
        except (OSError, ValueError) as error:
            raise ExchangeEnded("the client has gone") from error
        if len(data) < size:
            raise ExchangeEnded("the client has gone")
        return data

    def write(self, data: bytes) -> None:
        """Send all of ``data``. Blocks while the client does not read. Raises ExchangeEnded if it has gone."""
        try:
            self._socket.sendall(data)
        except (OSError, ValueError) as error:
            raise ExchangeEnded("the client has gone") from error

    def wait_for_end(self) -> None:
        """Wait until the client ends the connection, whatever it sends before. Blocks; does not raise."""
        with contextlib.suppress(OSError, ValueError):
            while self._socket.recv(4096):
                pass

    def wake(self) -> None:
        """Make whatever the connection's thread waits for end at once. Any thread may call it; never raises."""
        with contextlib.suppress(OSError):
            # The plain socket's own: that of SSLSocket pulls the TLS state from under its reader.
            socket.socket.shutdown(self._socket, socket.SHUT_RDWR)

    def close(self, *, notify: bool = False, reset: bool = False) -> None:
        """End the connection; never raises, and may be called again.

        Args:
            notify: Send the close_notify of TLS first, as a server does at the end of a response.
            reset: With a TCP reset instead of the usual end.
        """
        with contextlib.suppress(OSError, ValueError):
            if reset:
                self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            elif notify and isinstance(self._socket, ssl.SSLSocket):
                self._socket.settimeout(0)  # the close_notify of the client is not waited for
                self._socket.unwrap()
        if not reset:
            self.wake()
        with contextlib.suppress(OSError):
            self._reader.close()
        self._socket.close()


class BadRequest(Exception):
    """What the client sent is not an HTTP/1 request."""


class RequestHeaders(Headers):
    """The headers of a request: names in any case, values of fields sent more than once joined with ``", "``.

    Values are decoded as UTF-8, or as Latin-1 where they are not UTF-8. ``repr()`` shows them, unlike that of the
    headers of a response: these are a test's own.
    """

    __slots__ = ()

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


def read_request(connection: ServerConnection) -> RecordedRequest:
    """Wait for the next request and read all of it. Blocks.

    Raises:
        ExchangeEnded: The client has gone instead.
        BadRequest: It is not HTTP/1.
    """
    parts = _decoded(connection.read_line()).split(" ")
    if len(parts) != 3 or not parts[2].startswith("HTTP/1."):
        raise BadRequest("the request line is not one of HTTP/1")
    method, target, version = parts
    pairs: list[tuple[str, str]] = []
    while True:
        line = connection.read_line()
        if not line:
            break
        name, colon, value = _decoded(line).partition(":")
        if not colon:
            raise BadRequest("a header has no colon")
        pairs.append((name, value.strip(" \t")))
    headers = RequestHeaders(pairs)
    body = _body(connection, headers)
    return RecordedRequest(method, target, version, headers, body, time.monotonic(), connection.number)


def is_for(request: RecordedRequest, names: Collection[str]) -> bool:
    """Whether a request is for an IP address, for localhost, for one of these names (in lower case), or for no host.

    A page in a browser can have any name lead to this machine, and read what comes from
    there as its own (DNS rebinding). It cannot do so with an address or with localhost.
    """
    try:
        host = parse_authority(request.headers.get("Host", "")).host.rstrip(".")
    except ValueError:
        return False
    return host in ("", "localhost", *names) or host.endswith(".localhost") or is_address(host)


def _body(connection: ServerConnection, headers: RequestHeaders) -> bytes:
    if headers.get("Transfer-Encoding", "").lower() == "chunked":
        chunks: list[bytes] = []
        while True:
            size = _number(connection.read_line().partition(b";")[0], base=16)
            if size == 0:
                while connection.read_line():  # trailers
                    pass
                return b"".join(chunks)
            chunks.append(connection.read(size))
            connection.read_line()
    length: Optional[str] = headers.get("Content-Length")
    return connection.read(_number(length.encode(), base=10)) if length is not None else b""


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
