"""Content codings undone as the bytes arrive: gzip and deflate, within bounds.

Every byte that can be decoded from what has arrived is handed out at once; that is what a
server's flush is for. The output of one call is bounded, so a small input cannot become a
large allocation, and input that yields no output is counted.

Rules of this file: pure; other codings (br, zstd) are urllib3's business.
"""

from __future__ import annotations

import zlib
from typing import Any

MAX_OUTPUT = 256 * 1024  # bytes that one call returns at most
MAX_FRUITLESS_INPUT = 1024 * 1024  # bytes; no encoder holds back the output of as many


class CodingError(ValueError):
    """The body is not what its Content-Encoding says; the text says what is wrong."""


class Decoder:
    """Undoes one coding, of one body.

    Args:
        coding: ``"gzip"`` (or ``"x-gzip"``) or ``"deflate"``. The latter is zlib's format (RFC
            1950) or, as some servers have it, the bare one (RFC 1951).
    """

    def __init__(self, coding: str) -> None:
        assert coding in CODINGS
        self._is_gzip = coding != "deflate"
        self._decompressor: Any = None
        self._begun = b""  # what has come of the two bytes that tell zlib's format from the bare one
        self._pending = b""  # input that waits for room in the output
        self._is_full = False  # whether the last output had no room for more, which zlib may hold
        self._fruitless = 0
        self._finished = False

    @property
    def has_more(self) -> bool:
        """Whether there is output for another `decode` without new input."""
        return self._is_full or bool(self._pending)

    def decode(self, data: bytes) -> bytes:
        """Return what can be decoded now; ``b""`` means that more input is needed, unless `has_more`.

        Raises:
            CodingError: The input is not of this coding, or too much of it has yielded nothing.
        """
        self._fruitless += len(data)
        data = self._pending + data
        self._pending = b""
        decoded = b""
        try:
            while (data or self._is_full) and not decoded:
                self._is_full = False
                if self._decompressor is None:
                    data = self._begin(data)
                    if self._decompressor is None:
                        break
                decoded = self._decompressor.decompress(data, MAX_OUTPUT)
                data = self._decompressor.unconsumed_tail
                if self._decompressor.eof:
                    data = self._decompressor.unused_data
                    self._finished = True
                    self._decompressor = None
        except zlib.error as error:
            raise CodingError(str(error)) from None
        self._pending = data
        if decoded:
            self._fruitless = 0
            self._is_full = self._decompressor is not None and len(decoded) >= MAX_OUTPUT
        elif self._fruitless > MAX_FRUITLESS_INPUT:
            raise CodingError(f"more than {MAX_FRUITLESS_INPUT} bytes of it yield no output")
        return decoded

    def _begin(self, data: bytes) -> bytes:
        """Choose the decompressor; return the input for it."""
        if self._finished:
            # Members may follow each other (RFC 1952, section 2.2); anything else behind one is padding.
            if self._is_gzip and data[:1] == b"\x1f":
                self._decompressor = zlib.decompressobj(16 + zlib.MAX_WBITS)
                return data
            return b""
        if self._is_gzip:
            self._decompressor = zlib.decompressobj(16 + zlib.MAX_WBITS)
            return data
        data = self._begun + data
        self._begun = b""
        if len(data) < 2:
            self._begun = data
            return b""
        # The header of zlib's format is a multiple of 31, of method 8 (RFC 1950, section 2.2).
        is_zlib = data[0] & 0x0F == 8 and int.from_bytes(data[:2], "big") % 31 == 0
        self._decompressor = zlib.decompressobj(zlib.MAX_WBITS if is_zlib else -zlib.MAX_WBITS)
        return data


CODINGS = frozenset({"gzip", "x-gzip", "deflate"})
