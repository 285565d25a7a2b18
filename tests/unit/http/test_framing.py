"""The same bytes mean the same, however they are cut into packets: chunks, and codings, also wrong ones."""

from __future__ import annotations

import gzip
import random
import zlib
from collections.abc import Iterable, Iterator
from http.client import HTTPException
from typing import Callable

import pytest

from sse_client._http.chunks import MAX_SIZE_LINE, ChunkedBody
from sse_client._http.coding import MAX_OUTPUT, CodingError, Decoder

BODY = b"data: a\n\n"


def dechunked(pieces: Iterable[bytes]) -> tuple[bytes, str]:
    """Return the body of the chunks, and how it has ended."""
    body = ChunkedBody()
    received = b""
    try:
        for piece in pieces:
            received += body.feed(piece)
            if body.fault is not None:
                return received, str(body.fault)
            if body.has_ended:
                return received, "ended"
    except HTTPException as error:
        return received, str(error)
    return received, "cut"


def decoded(coding: str) -> Callable[[Iterable[bytes]], tuple[bytes, str]]:
    def decode(pieces: Iterable[bytes]) -> tuple[bytes, str]:
        decoder = Decoder(coding)
        received = b""
        try:
            for piece in pieces:
                output = decoder.decode(piece)
                while output or decoder.has_more:
                    received += output
                    assert len(output) <= MAX_OUTPUT
                    output = decoder.decode(b"")
        except CodingError:
            return received, "wrong"
        return received, "right"

    return decode


def cuttings(data: bytes, choice: random.Random) -> Iterator[list[bytes]]:
    yield [data[i : i + 1] for i in range(len(data))]
    for cut in range(len(data) + 1):
        yield [data[:cut], data[cut:]]
    for _ in range(5):
        cuts = sorted(choice.randrange(len(data) + 1) for _ in range(4))
        yield [data[start:end] for start, end in zip([0, *cuts], [*cuts, len(data)])]


def mutated(data: bytes, choice: random.Random) -> bytes:
    """The bytes with a few of them replaced, left out, or put in."""
    changed = bytearray(data)
    for _ in range(choice.randrange(1, 4)):
        at = choice.randrange(len(changed))
        kind = choice.randrange(3)
        if kind == 0:
            changed[at] = choice.choice(b"0123456789abcdefgxX+-_;= \t\r\n\0\xff")
        elif kind == 1:
            del changed[at]
        else:
            changed.insert(at, choice.choice(b"09afx+-_; \t\r\n"))
    return bytes(changed)


CHUNKS = b"9\r\n%s\r\n012 ; x=y\r\n%s\r\n1\r\n:\r\n0\r\n\r\n" % (BODY, BODY * 2)


def test_chunks_however_cut() -> None:
    """Right framing gives the body, wrong framing the same part of it and the same fault, in every cutting."""
    choice = random.Random("sse_client chunks")
    for framed in (CHUNKS, *(mutated(CHUNKS, choice) for _ in range(300))):
        whole = dechunked([framed])
        for pieces in cuttings(framed, choice):
            assert dechunked(piece for piece in pieces if piece) == whole, (framed, pieces)


def compressed(wbits: int) -> bytes:
    compressor = zlib.compressobj(wbits=wbits)
    data = b""
    for n in range(3):
        data += compressor.compress(b"data: %d\n\n" % n) + compressor.flush(zlib.Z_SYNC_FLUSH)
    return data + compressor.flush()


GZIP = compressed(16 + zlib.MAX_WBITS)


@pytest.mark.parametrize(
    ("coding", "data"),
    [
        ("gzip", GZIP),
        ("gzip", GZIP * 2),
        ("gzip", GZIP + b"\0" * 5),
        ("gzip", GZIP + b"garbage"),
        ("deflate", compressed(zlib.MAX_WBITS)),
        ("deflate", compressed(-zlib.MAX_WBITS)),
    ],
    ids=["gzip", "two members", "padded", "garbage behind", "zlib", "bare"],
)
def test_codings_however_cut(coding: str, data: bytes) -> None:
    """What is decoded, and whether the input is wrong, is the same in every cutting."""
    choice = random.Random("sse_client codings")
    decode = decoded(coding)
    received, how = decode([data])
    assert how == "right"
    assert received.startswith(b"data: 0\n\ndata: 1\n\ndata: 2\n\n")
    for pieces in cuttings(data, choice):
        assert decode(pieces) == (received, how), pieces
    for _ in range(50):
        broken = mutated(data, choice)
        whole = decode([broken])
        by_bytes = decode([broken[i : i + 1] for i in range(len(broken))])
        # zlib checks what it reads ahead, so a fault may come before output that is in hand already.
        assert by_bytes[1] == whole[1], broken
        assert by_bytes[0].startswith(whole[0]), broken


def test_a_bomb_comes_in_pieces() -> None:
    """However much a piece unpacks to, one call returns a bounded part of it, and all of it comes."""
    zeros = 50 * MAX_OUTPUT
    assert decoded("gzip")([gzip.compress(bytes(zeros))]) == (bytes(zeros), "right")


@pytest.mark.parametrize("size", [b"+9", b"-9", b"0x9", b"0_9", b" 9", b"", b";x", b"9 9", b"\xb2", b"g", b"9" * 16])
def test_wrong_sizes(size: bytes) -> None:
    """A size is hexadecimal digits and nothing else, and no larger than a chunk can be."""
    assert dechunked([b"1\r\n:\r\n" + size + b"\r\n" + BODY + b"\r\n"])[0] == b":"
    with pytest.raises(HTTPException):
        ChunkedBody().feed(size + b"\r\n" + BODY + b"\r\n")


@pytest.mark.parametrize("line", [b"9", b"09", b"0000000000000000000009", b"9;x", b"9 \t", b"9 ; a=b"])
def test_right_sizes(line: bytes) -> None:
    """Zeros in front, extensions, and blanks behind (RFC 9112, section 7.1.1) change nothing."""
    assert dechunked([line + b"\r\n" + BODY + b"\r\n0\r\n"]) == (BODY, "ended")


def test_a_size_line_without_end() -> None:
    """It is given up at its limit, however it is cut."""
    assert dechunked([b"9;"] + [b"x" * 100] * 1000)[1] != "cut"
    assert dechunked([b"9;" + b"x" * (MAX_SIZE_LINE + 1) + b"\r\n"])[1] != "cut"


@pytest.mark.parametrize("after", [b"X\r\n", b"\n", b"\rX", b"9\r\n"])
def test_a_chunk_ends_with_crlf(after: bytes) -> None:
    """What is in its place otherwise is a fault, after the chunk itself."""
    received, how = dechunked([b"9\r\n" + BODY + after])
    assert received == BODY
    assert how == "a chunk does not end where its size says"


def test_a_fault_stays() -> None:
    """After a fault nothing is taken any more."""
    body = ChunkedBody()
    for data in (b"zz\r\n", b"9\r\n" + BODY + b"\r\n"):
        with pytest.raises(HTTPException):
            body.feed(data)
