"""The reading end of a connection: bytes as they arrive, lines of heads, and waits that can be interrupted.

It is the file that http.client reads a response from. While it is open the socket does not
block; every wait is one of the `Interrupter`'s, and whatever may drip has a deadline. Heads
are read whole and checked here: http.client would take a cut-off head for a whole one,
split a line at a bare CR and stop at a line without a colon.

Rules of this file: bytes of one response; no urllib3, no events. What is wrong with the
bytes is an ``http.client.HTTPException``, as callers of http.client expect.
"""

from __future__ import annotations

import http.client
import io
import re
import selectors
import socket
import ssl
from typing import Any, Callable, Optional

from .interrupt import Deadline, Interrupted, Interrupter, Limit

BUFFER_SIZE = 64 * 1024  # bytes; recv() of more costs an mmap each time, of less saves nothing
MAX_HEAD_SIZE = 256 * 1024  # bytes
HEAD_TIME = 30.0  # seconds from the first byte of a head to its end
TRAILERS_TIME = 5.0  # seconds from the last chunk to the end of the trailers

_WOULD_BLOCK = (BlockingIOError, ssl.SSLWantReadError, socket.timeout)  # the last is what pyOpenSSL's socket says
_STATUS_LINE = re.compile(rb"HTTP/[0-9]\.[0-9] [1-9][0-9][0-9](?: [^\r\n]*)?")
_TOKEN = b"!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"  # RFC 9110, section 5.6.2
_CONTROLS_TO_SPACES = bytes.maketrans(b"\r\n\0", b"   ")


class HeadCutOff(http.client.HTTPException):
    """The connection ended in the middle of the head."""


class NotHTTP(http.client.BadStatusLine):
    """The first bytes of the answer are of another protocol, named by the text."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.text = text

    def __str__(self) -> str:
        return self.text


class SocketFile(io.BufferedIOBase):
    """The reading end of a connection, for the time of one response.

    While it is open, the socket does not block; `close` gives it its time-out back.

    Args:
        sock: The socket, plain or TLS.
        interrupter: What ends the waits.
        limit: How long each wait may take; see `limit_waits`.
        deadline: When the head must be complete, in place of `HEAD_TIME` after its first byte.

    Raises:
        Interrupted: There has been an interrupt.
        OSError: There are no more descriptors.
    """

    _keeps_open: Any = None
    """A file of the socket, since http.client closes a socket early. None before `__init__` is done."""

    def __init__(self, sock: Any, interrupter: Interrupter, limit: Limit, deadline: Optional[Deadline] = None) -> None:
        self._ready = interrupter.readiness(sock)  # first: it may raise, and nothing else is open yet
        self._wait = self._ready.wait
        self._interrupter = interrupter
        self._sock = sock
        self._recv = sock.recv
        # A TLS socket may hold bytes of the record that it has read; what is like one (TLS in TLS,
        # pyOpenSSL's) cannot say so, and is asked for bytes before it is waited for.
        is_tls = isinstance(sock, ssl.SSLSocket)
        self._pending: Any = sock.pending if is_tls else None
        self._waits_first = isinstance(sock, socket.socket) and not is_tls
        self.held = b""
        """Bytes that have been received and not been used."""
        self.deadline = deadline
        """When the bytes that are being read must all have come, or None."""
        self.limit_waits(limit)
        self._timeout = sock.gettimeout()
        self._keeps_open = sock.makefile("rb", buffering=0)
        sock.settimeout(0)

    def makefile(self, mode: str) -> SocketFile:  # noqa: ARG002 - http.client asks for "rb"
        """Return the file itself: http.client makes the file of a response from its socket."""
        return self

    def limit_waits(self, limit: Limit) -> None:
        """Set how long each later wait for bytes may take."""
        self._limit = limit
        self._wait_limit = self._ready.limit(limit.seconds)

    def close(self) -> None:
        """Stop reading. No interrupt touches the socket after this: it may serve another request."""
        if self.closed:
            return
        super().close()
        if self._keeps_open is None:
            return  # __init__ has raised: Python closes every file that it frees
        self._interrupter.leave()
        try:
            self._sock.settimeout(self._timeout)
        except OSError:
            pass  # the socket is closed
        self._keeps_open.close()

    def readable(self) -> bool:
        """See `io.IOBase`."""
        return True

    # Bytes ------------------------------------------------------------------------------

    def receive(self) -> bytes:
        """Wait for bytes that are not held yet and return them; ``b""`` at the end of the connection.

        Raises:
            Interrupted: There has been an interrupt.
            TimedOut: The limit of one wait was reached, or the `deadline`.
            OSError: The connection broke.
        """
        limit, wait_limit = self._limit, self._wait_limit
        if self.deadline is not None:
            remaining = self.deadline.remaining()
            if remaining is not None and (limit.seconds is None or remaining < limit.seconds):
                limit, wait_limit = self.deadline.limit, self._ready.limit(remaining)
        waits_first = self._waits_first or (self._pending is not None and not self._pending())
        if waits_first and not self._wait(wait_limit):
            raise limit.timed_out()
        while True:
            if self._interrupter.interrupted:
                raise Interrupted
            try:
                return self._recv(BUFFER_SIZE) or b""  # TLS in TLS says 0
            except _WOULD_BLOCK:
                if not self._wait(wait_limit):
                    raise limit.timed_out() from None
            except ssl.SSLWantWriteError:
                self._interrupter.wait(self._sock, selectors.EVENT_WRITE, Deadline(limit))

    def is_ready(self) -> bool:
        """Whether `take` would return at once: bytes are held or have arrived, or there has been an interrupt."""
        if self.held or (self._pending is not None and self._pending()):
            return True
        return bool(self._wait(self._ready.limit(0.0)))

    def take(self) -> bytes:
        """Return the bytes that are held already, and hold none; if there are none, wait as `receive` does."""
        held = self.held
        if not held:
            return self.receive()
        self.held = b""
        return held

    # What http.client and urllib3 call, for readers that are not this package's -----------

    def read1(self, size: int = -1) -> bytes:
        """See `io.BufferedIOBase`."""
        if size == 0:
            return b""  # and no wait: http.client asks for it at the end of a body with a Content-Length
        data = self.take()
        if 0 < size < len(data):
            self.held = data[size:]
            data = data[:size]
        return data

    def peek(self, size: int = 0) -> bytes:  # noqa: ARG002 - the size is a hint
        """See `io.BufferedReader`."""
        if not self.held:
            self.held = self.receive()
        return self.held

    def read(self, size: Optional[int] = -1) -> bytes:
        """See `io.BufferedIOBase`."""
        return read_all(self.read1, size)

    def readline(self, size: Optional[int] = -1) -> bytes:
        """See `io.IOBase`. The lines of a head must all have come by its deadline."""
        most = -1 if size is None else size
        pieces = []
        length = 0
        while True:
            data = self.take()
            end = data.find(b"\n") + 1 or len(data)
            if 0 <= most < length + end:
                end = most - length
            pieces.append(data[:end])
            length += end
            if end < len(data):
                self.held = data[end:]
            if not data or data[end - 1 : end] == b"\n" or length == most:
                return b"".join(pieces)

    # Heads ------------------------------------------------------------------------------

    def read_head(self) -> bytes:
        """Read one head and return a clean copy: no folded lines, no bare CR, only lines that are fields.

        The wait for its first byte may take as long as any wait; then the rest must follow.

        Raises:
            http.client.RemoteDisconnected: The connection ended before the head.
            http.client.HTTPException: The head is cut off, too large, too slow or not one of HTTP.
        """
        self.deadline = None
        try:
            self.held = self.take()
            if not self.held:
                raise http.client.RemoteDisconnected("the server closed the connection without a response")
            self.deadline = Deadline(Limit(HEAD_TIME, ""))
            self._check_protocol()
            return self._read_lines()
        finally:
            self.deadline = None

    def skip_trailers(self) -> bool:
        """Read up to the end of the trailers, but not for long; return whether it was found.

        The body is complete without them (RFC 9112, section 8), so what goes wrong is no fault of it.
        """
        self.deadline = Deadline(Limit(TRAILERS_TIME, ""))
        size = 0
        try:
            while size < MAX_HEAD_SIZE:
                line = self.readline(MAX_HEAD_SIZE)
                if line in (b"\r\n", b"\n"):
                    return True
                if not line.endswith(b"\n"):
                    break
                size += len(line)
        except OSError:
            pass
        finally:
            self.deadline = None
        return False

    def _check_protocol(self) -> None:
        data = self.take()
        while len(data) < 5 and b"HTTP/".startswith(data):
            more = self.receive()
            if not more:
                raise HeadCutOff
            data += more
        self.held = data
        if data.startswith(b"HTTP/"):
            return
        if data.startswith(b"\x15\x03"):  # a TLS alert (RFC 8446, section 5.1)
            raise NotHTTP("the server speaks TLS on this port: the URL has to begin with https://")
        if data[3:4] in (b"\4", b"\7") and data.startswith(b"\0"):  # frames: SETTINGS, GOAWAY (RFC 9113, section 4.1)
            raise NotHTTP("the server speaks HTTP/2 only")
        raise http.client.BadStatusLine(ascii(data[:20]))

    def _read_lines(self) -> bytes:
        lines: list[bytes] = []
        lengths: set[bytes] = set()
        size = 0
        while True:
            line = self.readline(MAX_HEAD_SIZE - size + 1)
            size += len(line)
            if size > MAX_HEAD_SIZE:
                raise http.client.HTTPException("the head is too large")
            if not line.endswith(b"\n"):
                raise HeadCutOff
            line = line[: -2 if line.endswith(b"\r\n") else -1]
            if not lines:
                if not _STATUS_LINE.fullmatch(line):
                    raise http.client.BadStatusLine(ascii(line[:20]))
                lines.append(line)
                continue
            if not line:
                break
            # "A recipient of such a bare CR MUST consider that element to be invalid or replace
            # each bare CR with SP" (RFC 9112, section 2.2); "CR, LF, or NUL" in values likewise
            # (RFC 9110, section 5.5).
            line = line.translate(_CONTROLS_TO_SPACES)
            if line[:1] in (b" ", b"\t"):
                # "replace each received obs-fold with one or more SP octets" (RFC 9112, section 5.2)
                if len(lines) > 1:
                    lines[-1] += b" " + line.strip(b" \t")
                continue
            name, colon, value = line.partition(b":")
            if not colon or not name or name.translate(None, _TOKEN):
                continue  # no field: what follows it counts all the same
            value = value.strip(b" \t")
            if name.lower() == b"content-length":
                lengths.update(number.strip(b" \t") for number in value.split(b","))
                if len(lengths) > 1 or not value.isdigit():
                    value = min(lengths, key=len)
            lines.append(name + b": " + value)
        if len(lengths) > 1 or any(not number.isdigit() or len(number) > 18 for number in lengths):
            # "the recipient MUST treat it as an unrecoverable error" (RFC 9112, section 6.3)
            raise http.client.HTTPException("the Content-Length is not a number")
        return b"\r\n".join([*lines, b"", b""])


def read_all(read1: Callable[[int], bytes], size: Optional[int]) -> bytes:
    """Return ``size`` bytes, fewer at the end; all there are for None or -1.

    Args:
        read1: Returns at least one byte and so many at most; ``b""`` at the end.
        size: How many.
    """
    pieces = []
    left = -1 if size is None else size
    while left:
        piece = read1(left)
        if not piece:
            break
        pieces.append(piece)
        left -= len(piece) if left > 0 else 0
    return b"".join(pieces)
