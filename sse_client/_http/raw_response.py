"""http.client's response over a `SocketFile`: strict heads, strict chunks, all bytes as they arrive.

Two things differ from http.client:

- **Heads.** http.client parses a checked copy of each head. Interim responses of every kind
  are skipped (http.client: only 100), up to a limit.
- **Bodies.** One read returns all that has arrived, over any number of chunks. With
  http.client a read yields one chunk, and costs microseconds more.

Rules of this file: one response; no urllib3, no events.
"""

from __future__ import annotations

import http.client
import io
from typing import Any, Callable, Optional

from .chunks import ChunkedBody
from .interrupt import Deadline, Interrupter, Limit
from .socket_file import SocketFile, read_all

MAX_INTERIM_RESPONSES = 20


class StreamResponse(http.client.HTTPResponse):
    """The ``response_class`` of the connections of an attempt.

    Args:
        sock: The socket of the connection.
        interrupter: What ends the waits.
        limit: How long each wait may take.
        deadline: See `SocketFile`; for the answer to a CONNECT.
        options: What http.client passes.
    """

    fp: Any = None  # where __init__ has raised, too: Python closes every file that it frees

    def __init__(
        self,
        sock: Any,
        *options: Any,
        interrupter: Interrupter,
        limit: Limit,
        deadline: Optional[Deadline] = None,
        **more: Any,
    ) -> None:
        self.file = SocketFile(sock, interrupter, limit, deadline)
        super().__init__(self.file, *options, **more)  # type: ignore[arg-type] # http.client calls makefile() only
        self._sock = sock
        self._chunks = ChunkedBody()
        self._ahead = b""  # what was read and not asked for
        self.is_whole = False
        """Whether the body has been read to its end, by `read1`."""

    def begin(self) -> None:
        """Read the head of the final response. Blocks."""
        for _ in range(MAX_INTERIM_RESPONSES + 1):
            head = self.file.read_head()
            status = int(head[9:12])
            if not 100 <= status < 200 or status == http.client.SWITCHING_PROTOCOLS:
                break
        else:
            raise http.client.HTTPException("too many interim responses")
        self.fp = io.BufferedReader(io.BytesIO(head))
        try:
            super().begin()
        finally:
            self.fp = self.file
        # urllib3 would log what is odd about the headers, and with it the URL, query and all.
        self.msg.defects.clear()
        self.msg.set_payload("")
        if not self.chunked and self.length is None and hasattr(self._sock, "suppress_ragged_eofs"):
            # Only close_notify (RFC 8446, section 6.1) tells the end of such a body from a cut. An
            # SSLSocket has this switch for it, and so has urllib3's SSLTransport (TLS in TLS).
            self._sock.suppress_ragged_eofs = False

    def read1(self, n: int = -1) -> bytes:
        """Wait for at least one byte of the body and return all that has arrived; ``b""`` at its end.

        Args:
            n: How many bytes to return at most; -1 for no limit.

        Raises:
            http.client.HTTPException: The body is cut off, or its framing is wrong.
            Interrupted, TimedOut, OSError: As `SocketFile.receive`.
        """
        if n == 0:
            return b""
        data, self._ahead = self._ahead or self.next_piece()(), b""
        if 0 < n < len(data):
            self._ahead = data[n:]
            data = data[:n]
        return data

    def read(self, amt: Optional[int] = None) -> bytes:
        """Return ``amt`` bytes of the body, fewer at its end; all of it for None. For readers that are not ours."""
        return read_all(self.read1, amt)

    def readinto(self, b: Any) -> int:
        """See `io.BufferedIOBase`."""
        data = self.read(len(b))
        b[: len(data)] = data
        return len(data)

    def next_piece(self) -> Callable[[], bytes]:
        """Return what reads the next piece of the body, as `read1` does with nothing left over: the cheapest way."""
        if self.length is not None:  # 0 to HEAD, and for statuses without a body, whatever else the head says
            return self._read_sized
        return self._read_chunks if self.chunked else self._read_to_end

    def _read_to_end(self) -> bytes:
        if self.fp is None:
            return b""
        return self.file.take() or self._end()

    def _read_sized(self) -> bytes:
        if self.fp is None:
            return b""
        assert self.length is not None
        data = self.file.take() if self.length else b""
        if self.length and not data:
            raise http.client.IncompleteRead(b"", self.length)
        if len(data) > self.length:
            self.file.held = data[self.length :]
            data = data[: self.length]
        self.length -= len(data)
        if not self.length:
            self._end()  # without another read: the connection can serve the next request
        return data

    def _read_chunks(self) -> bytes:
        if self.fp is None:
            return b""
        chunks = self._chunks
        while not chunks.has_ended:
            if chunks.fault is not None:
                raise chunks.fault
            received = self.file.take()
            if not received:
                raise http.client.IncompleteRead(b"")
            data = chunks.feed(received)
            if data:
                return data
        self.file.held = chunks.rest
        return self._end(is_whole=self.file.skip_trailers())

    def _end(self, *, is_whole: bool = True) -> bytes:
        self.is_whole = is_whole and not self.file.held
        self.close()
        return b""
