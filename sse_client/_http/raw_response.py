"""An HTTP response whose head is the final one, and all there.

http.client takes the end of the connection for the end of a head: of a server that dies
while it answers, half the headers would be taken for the answer. And of the interim
responses (RFC 9110, section 15.2) it skips 100 alone, for ever.

Rules of this file: heads only; the body is read elsewhere.
"""

from __future__ import annotations

import http.client
import io
from typing import Any

BUFFER_SIZE = 64 * 1024
_MOST_INTERIM_RESPONSES = 20


class HeadCutOff(http.client.HTTPException):
    """The connection ended in the middle of the head."""


class WholeHeadResponse(http.client.HTTPResponse):
    """A response that fails if its head was cut off, and skips interim responses before it."""

    def __init__(self, sock: Any, *args: Any, **kwargs: Any) -> None:
        super().__init__(sock, *args, **kwargs)
        self.fp.close()
        self._heads = 0
        self.fp = self._lines = _LineFile(sock.makefile("rb", buffering=0), BUFFER_SIZE)

    def begin(self, **kwargs: Any) -> None:
        """Read the head of the final response."""
        super().begin(**kwargs)
        self._check_head()
        while 101 < self.status < 200:
            self.headers = None  # type: ignore[assignment] # what makes http.client read another head
            super().begin(**kwargs)
            self._check_head()

    def _read_status(self) -> Any:
        # What http.client calls for each head, those of the interim responses that it skips itself too.
        self._heads += 1
        if self._heads > _MOST_INTERIM_RESPONSES:
            raise http.client.HTTPException("too many interim responses")
        return super()._read_status()  # type: ignore[misc]

    def _check_head(self) -> None:
        if not self._lines.last_line:
            raise HeadCutOff
        # urllib3 would log what is odd about the headers, and with it the URL, query and all.
        self.msg.defects.clear()
        self.msg.set_payload("")


class _LineFile(io.BufferedReader):
    """A file that remembers the line that was read last."""

    last_line = b""

    def readline(self, size: Any = -1) -> bytes:
        self.last_line = line = super().readline(size)
        return line


class DrainingResponse(WholeHeadResponse):
    """The ``response_class`` for http.client's connections and, so, for urllib3's."""

    def read1(self, n: int = -1) -> bytes:
        """Wait for at least one byte and return what has arrived, ``n`` bytes at the most."""
        between_chunks = self.chunked and not self.chunk_left and self._method != "HEAD"  # type: ignore[attr-defined]
        if between_chunks and self.fp is not None and (n < 0 or n >= BUFFER_SIZE):
            chunks = self._take_whole_chunks()
            if chunks:
                return chunks
        return super().read1(n)

    def _take_whole_chunks(self) -> bytes:
        buffered = self.fp.peek()  # waits only if the buffer is empty, and then for one byte
        chunks = []
        taken = 0
        # http.client leaves the line ending behind a chunk to the next read; so it is here.
        start = 2 if self.chunk_left == 0 else 0
        while True:
            line_end = buffered.find(b"\r\n", start)
            if line_end < 0:
                break
            data = line_end + 2
            try:
                end = data + int(buffered[start:line_end], 16)
            except ValueError:
                break
            if end <= data or buffered[end : end + 2] != b"\r\n":
                break
            chunks.append(buffered[data:end])
            taken = start = end + 2
        if chunks:
            self.fp.read(taken)
            self.chunk_left = None  # http.client's sign for "before the size of a chunk"
        return b"".join(chunks)

    def _read_next_chunk_size(self) -> int:
        # http.client would take all that follows for the data of a chunk of negative size.
        size: int = super()._read_next_chunk_size()  # type: ignore[misc]
        if size < 0:
            raise ValueError("the size of a chunk is negative")
        return size
