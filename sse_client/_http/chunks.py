"""The chunked transfer coding (RFC 9112, section 7.1): framed bytes in, body bytes out.

Strict where leniency would let two readers see two bodies: a size is hexadecimal digits and
nothing else, and every line ends with CRLF. Trailing blanks are let pass, as section 7.1.1
asks of recipients ("bad whitespace"). The bytes before a fault are returned before the fault
is raised, so the outcome is the same however the bytes were cut.

Rules of this file: pure; no I/O.
"""

from __future__ import annotations

from http.client import HTTPException
from typing import Optional

MAX_SIZE_LINE = 4096  # bytes of a chunk's size and extensions

_HEXADECIMAL = b"0123456789ABCDEFabcdef"
_MAX_DIGITS = 15  # no chunk is larger than 2**60 bytes
_MAX_KNOWN_SIZES = 1024


class ChunkedBody:
    """Takes the chunks of one body apart.

    Attributes:
        has_ended: Whether the last chunk has come; trailers may follow, and `rest` begins them.
        fault: What is wrong with the framing after all that has been returned, or None.
        rest: Bytes that have come and are not used yet: a part of a line, or what follows the last chunk.
    """

    def __init__(self) -> None:
        self.has_ended = False
        self.rest = b""
        self.fault: Optional[HTTPException] = None
        self._left = 0  # bytes of the current chunk that are still to come
        self._at_line_end = False  # whether the CRLF behind a chunk comes next
        self._sizes: dict[bytes, int] = {}  # of the lines that have been checked; looking one up is cheaper

    def feed(self, data: bytes) -> bytes:
        """Take the next bytes and return the part of the body that is in them.

        Raises:
            HTTPException: The framing is wrong; everything before the fault has been returned.
        """
        if not self.rest and not self._left and not self._at_line_end:
            # A live stream is one whole chunk at a time.
            end = data.find(b"\r\n")
            size = self._sizes.get(data[:end]) if 0 < end <= _MAX_DIGITS else None
            if size and len(data) == end + size + 4 and data.endswith(b"\r\n"):
                return data[end + 2 : -2]
        return self._feed(data)

    def _feed(self, data: bytes) -> bytes:
        if self.fault is not None:
            raise self.fault
        data = self.rest + data
        left = self._left
        sizes = self._sizes
        pieces = []
        start = 0
        try:
            while True:
                if left:
                    piece = data[start : start + left]
                    if not piece:
                        break
                    pieces.append(piece)
                    start += len(piece)
                    left -= len(piece)
                    if left:
                        break
                    self._at_line_end = True
                if self._at_line_end:
                    end = start + 2
                    if data[start:end] != b"\r\n":
                        if not b"\r\n".startswith(data[start:end]):
                            raise HTTPException("a chunk does not end where its size says")
                        break
                    start = end
                    self._at_line_end = False
                while True:  # whole chunks, in a loop of their own: of a backlog, nearly all are
                    end = data.find(b"\r\n", start)
                    size = sizes.get(data[start:end]) if end >= 0 else None
                    if not size or data[end + 2 + size : end + 4 + size] != b"\r\n":
                        break
                    pieces.append(data[end + 2 : end + 2 + size])
                    start = end + 4 + size
                if end < 0:
                    if len(data) - start > MAX_SIZE_LINE:
                        raise HTTPException("the line with the size of a chunk is too long")
                    break
                left = self._size_of(data[start:end])
                start = end + 2
                if not left:
                    self.has_ended = True
                    break
        except HTTPException as fault:
            self.fault = fault.with_traceback(None)
            if not pieces:
                raise
        self._left = left
        self.rest = data[start:]
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def _size_of(self, line: bytes) -> int:
        """Return the size that a line gives.

        Raises:
            HTTPException: It gives none.
        """
        if len(line) > MAX_SIZE_LINE:
            raise HTTPException("the line with the size of a chunk is too long")
        digits = line.partition(b";")[0].rstrip(b" \t")
        if not digits or digits.translate(None, _HEXADECIMAL):
            raise HTTPException("the size of a chunk is not a hexadecimal number")
        if len(digits.lstrip(b"0")) > _MAX_DIGITS:
            raise HTTPException("a chunk is too large")
        size = int(digits, 16)
        if len(line) <= _MAX_DIGITS and len(self._sizes) < _MAX_KNOWN_SIZES:
            self._sizes[line] = size
        return size
