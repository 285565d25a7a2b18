"""The chunked transfer coding (RFC 9112, section 7.1): framed bytes in, body bytes out.

Strict where leniency would let two readers see two bodies: a size is hexadecimal digits and
nothing else, and every line ends with CRLF. Trailing blanks are let pass, as section 7.1.1
asks of recipients ("bad whitespace"). What a fault follows is handed out before the fault
is raised, so the outcome is the same however the bytes were cut.

Rules of this file: pure; no I/O.
"""

from __future__ import annotations

from http.client import HTTPException
from typing import Optional

MAX_SIZE_LINE = 4096  # bytes of a chunk's size and extensions

_HEXADECIMAL = b"0123456789ABCDEFabcdef"
_MAX_DIGITS = 15  # no chunk is larger than 2**60 bytes


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

    def feed(self, data: bytes) -> bytes:
        """Take the next bytes and return the part of the body that is in them.

        Raises:
            HTTPException: The framing is wrong; everything before the fault has been returned.
        """
        if not self.rest and not self._left and not self._at_line_end:
            # A live stream is one whole chunk at a time.
            end = data.find(b"\r\n")
            if 0 < end <= _MAX_DIGITS and not data[:end].translate(None, _HEXADECIMAL):
                stop = end + 2 + int(data[:end], 16)
                if len(data) == stop + 2 and stop > end + 2 and data.endswith(b"\r\n"):
                    return data[end + 2 : stop]
        return self._feed(data)

    def _feed(self, data: bytes) -> bytes:
        if self.fault is not None:
            raise self.fault
        data = self.rest + data
        left = self._left
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
                end = data.find(b"\r\n", start)
                if end < 0:
                    if len(data) - start > MAX_SIZE_LINE:
                        raise HTTPException("the line with the size of a chunk is too long")
                    break
                line = data[start:end]
                if not line or len(line) > _MAX_DIGITS or line.translate(None, _HEXADECIMAL):
                    line = _without_extensions(line)
                left = int(line, 16)
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


def _without_extensions(line: bytes) -> bytes:
    """Return the digits of a size line, which are not all that it has.

    Raises:
        HTTPException: It does not begin with a size.
    """
    size = line.partition(b";")[0].rstrip(b" \t")
    if len(line) > MAX_SIZE_LINE:
        raise HTTPException("the line with the size of a chunk is too long")
    if not size or size.translate(None, _HEXADECIMAL):
        raise HTTPException("the size of a chunk is not a hexadecimal number")
    size = size.lstrip(b"0") or b"0"
    if len(size) > _MAX_DIGITS:
        raise HTTPException("a chunk is too large")
    return size
