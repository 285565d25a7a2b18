"""Chunked bodies, byte for byte over a pair of sockets: what has arrived, when, and how it fails."""

from __future__ import annotations

import http.client
import socket
import subprocess
import sys
from collections.abc import Iterator
from typing import Optional

import pytest

from sse_client._http.socket_file import BUFFER_SIZE
from tests.responses import stream_response

HEAD = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
TIMEOUT = 10.0


class Wire:
    """A response whose bytes the test sends."""

    def __init__(self, head: bytes = HEAD, method: str = "GET") -> None:
        ours, self.server = socket.socketpair()
        with ours:  # the response's file keeps it open
            ours.settimeout(TIMEOUT)
            self.server.sendall(head)
            self.response = stream_response(ours, method=method)
            self.response.begin()

    def send(self, data: bytes) -> None:
        self.server.sendall(data)

    def end(self) -> None:
        self.server.close()

    def read(self, n: int = BUFFER_SIZE) -> bytes:
        return self.response.read1(n)

    def read_all(self, n: int = BUFFER_SIZE) -> list[bytes]:
        """Read up to the end."""
        return list(iter(lambda: self.read(n), b""))


@pytest.fixture
def wire() -> Iterator[Wire]:
    """A response that has its head."""
    made = Wire()
    yield made
    made.response.close()
    made.end()


def body_of(framed: bytes, n: int = BUFFER_SIZE) -> tuple[bytes, Optional[Exception]]:
    """Return what a body gives when it comes whole, and how it ends."""
    wire = Wire()
    wire.send(framed)
    wire.end()
    read = b""
    try:
        while piece := wire.read(n):
            read += piece
    except Exception as error:  # noqa: BLE001 - the tests look at which it is
        return read, error
    finally:
        wire.response.close()
    return read, None


def test_all_that_has_arrived_comes_at_once(wire: Wire) -> None:
    """One read gives all the whole chunks that have arrived."""
    wire.send(b"1\r\na\r\n2\r\nbc\r\n3\r\ndef\r\n")
    assert wire.read() == b"abcdef"
    wire.send(b"1\r\ng\r\n1\r\nh\r\n0\r\n\r\n")
    assert wire.read_all() == [b"gh"]


def test_a_slow_chunk_is_handed_over_as_it_comes(wire: Wire) -> None:
    """Inside a chunk, what has arrived is returned without waiting for the chunk's end."""
    wire.send(b"a\r\n01")
    assert wire.read() == b"01"
    wire.send(b"234")
    assert wire.read() == b"234"
    wire.send(b"56789\r\n1\r\nx\r\n")
    assert wire.read() == b"56789x"


def test_whole_chunks_do_not_wait_for_the_one_after_them(wire: Wire) -> None:
    """What is whole is returned at once, also if the next chunk has begun."""
    wire.send(b"1\r\na\r\n5\r\nbc")
    assert wire.read() == b"abc"
    wire.send(b"def\r\n")
    assert wire.read() == b"def"


@pytest.mark.parametrize("cut", range(1, 20))
def test_the_framing_may_be_cut_anywhere(wire: Wire, cut: int) -> None:
    """Wherever the bytes of the framing are cut, the body is the same."""
    framed = b"3\r\nabc\r\n4\r\ndefg\r\n0\r\n\r\n"
    wire.send(framed[:cut])
    wire.response.fp.peek()  # waits until they are there
    read = b""
    if cut > 3:  # otherwise there is nothing to return yet, and a read would wait
        read = wire.read()
    wire.send(framed[cut:])
    assert read + b"".join(wire.read_all()) == b"abcdefg"


@pytest.mark.parametrize(
    "framed",
    [
        b'3;name=value\r\nabc\r\n3 ; x="1"\r\ndef\r\n0\r\n\r\n',
        b"3\r\nabc\r\n3;x\r\ndef\r\n0;last\r\n\r\n",
        b"3\r\nabc\r\n3\r\ndef\r\n0\r\nTrailer: 1\r\nOther: 2\r\n\r\n",
        b"003\r\nabc\r\n0003\r\ndef\r\n000\r\n\r\n",
        b"6\r\nabcdef\r\n0\r\n\r\n",
    ],
    ids=["extensions", "last with an extension", "trailers", "leading zeros", "one"],
)
@pytest.mark.parametrize("n", [1, 2, 5, BUFFER_SIZE, -1])
def test_every_form_of_a_body(framed: bytes, n: int) -> None:
    """Extensions, trailers and odd spellings change nothing, however much is asked for at a time."""
    assert body_of(framed, n) == (b"abcdef", None)


def test_hexadecimal_sizes() -> None:
    """Sizes are hexadecimal, in either case."""
    assert body_of(b"1A\r\n" + b"x" * 26 + b"\r\n1f\r\n" + b"y" * 31 + b"\r\n0\r\n\r\n") == (
        b"x" * 26 + b"y" * 31,
        None,
    )


def test_line_endings_inside_a_chunk_are_data() -> None:
    """A chunk may hold what looks like framing."""
    assert body_of(b"c\r\n0\r\n\r\n2\r\nab\r\n\r\n3\r\n\r\n\n\r\n0\r\n\r\n") == (
        b"0\r\n\r\n2\r\nab\r\n" + b"\r\n\n",
        None,
    )


@pytest.mark.parametrize("size", [1, 100, BUFFER_SIZE - 5, BUFFER_SIZE, BUFFER_SIZE + 1, 3 * BUFFER_SIZE])
def test_chunks_around_the_size_of_the_buffer(size: int) -> None:
    """Chunks smaller and larger than the buffer give their bytes."""
    data = bytes(range(256)) * (size // 256 + 1)
    framed = b"".join(b"%x\r\n%s\r\n" % (size, data[:size]) for _ in range(3)) + b"0\r\n\r\n"
    wire = Wire()
    sent = 0
    read = b""
    while len(read) < 3 * size:
        if sent < len(framed):
            wire.send(framed[sent : sent + 10_000])
            sent += 10_000
        read += wire.read()
    assert read == data[:size] * 3
    while sent < len(framed):
        wire.send(framed[sent : sent + 10_000])
        sent += 10_000
    assert wire.read() == b""
    wire.response.close()
    wire.end()


@pytest.mark.parametrize(
    "framed",
    [
        b"3\r\nabc\r\nzz\r\ndef\r\n0\r\n\r\n",
        b"3\r\nabc\r\n-3\r\ndef\r\n0\r\n\r\n",
        b"3\r\nabc\r\n\r\ndef\r\n0\r\n\r\n",
        b"3\r\nabc3\r\ndef\r\n0\r\n\r\n",
        b"3\r\nabc\r\n;x\r\ndef\r\n0\r\n\r\n",
    ],
    ids=["no number", "negative", "no size", "no line ending", "only an extension"],
)
def test_broken_framing_is_an_error(framed: bytes) -> None:
    """What comes before broken framing is handed over, then reading fails: it is not a clean end."""
    read, error = body_of(framed)
    assert read == b"abc"
    assert isinstance(error, http.client.HTTPException)


@pytest.mark.parametrize("end", range(len(b"3\r\nabc\r\n4\r\ndefg\r\n0") + 1))
def test_a_body_that_is_cut_off_is_an_error(end: int) -> None:
    """A connection that ends before the last chunk gives what had come, then an error, wherever it ends."""
    read, error = body_of(b"3\r\nabc\r\n4\r\ndefg\r\n0"[:end])
    assert b"abcdefg".startswith(read)
    assert len(read) >= 3 or end < 6
    if end < len(b"3\r\nabc\r\n4\r\ndefg\r\n0"):
        assert isinstance(error, http.client.IncompleteRead)


def test_a_small_read_gives_no_more_than_it_asked_for(wire: Wire) -> None:
    """With an ``n`` below the size of the buffer, a read is at most ``n`` bytes."""
    wire.send(b"3\r\nabc\r\n3\r\ndef\r\n0\r\n\r\n")
    assert wire.read_all(2) == [b"ab", b"cd", b"ef"]


def test_reads_of_all_sizes_can_take_turns(wire: Wire) -> None:
    """Small reads, large ones and http.client's own leave each other the framing as they need it."""
    wire.send(b"3\r\nabc\r\n3\r\ndef\r\n3\r\nghi\r\n3\r\njkl\r\n0\r\n\r\n")
    assert wire.read(2) == b"ab"
    assert wire.response.read(5) == b"cdefg"
    assert wire.read() == b"hijkl"
    assert wire.read() == b""
    assert wire.read() == b""


def test_the_end_releases_the_connection(wire: Wire) -> None:
    """After the last chunk the response is closed, and what follows on the connection is left alone."""
    wire.send(b"1\r\na\r\n0\r\n\r\n")
    assert wire.read_all() == [b"a"]
    assert wire.response.isclosed()


def test_other_framings_are_untouched() -> None:
    """Bodies with a length or to the end of the connection are read as http.client does, also if they look chunked."""
    wire = Wire(b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n")
    wire.send(b"1\r\na\r\n")
    assert b"".join(wire.read_all()) == b"1\r\na\r\n"
    wire.end()
    wire = Wire(b"HTTP/1.1 200 OK\r\n\r\n")
    wire.send(b"1\r\na\r\n")
    assert wire.read() == b"1\r\na\r\n"
    wire.end()
    assert wire.read() == b""
    wire.response.close()


def test_the_answer_to_head_has_no_body() -> None:
    """To a HEAD request nothing is read, whatever the head says."""
    wire = Wire(method="HEAD")
    assert wire.read() == b""
    wire.response.close()
    wire.end()


def test_a_response_that_cannot_be_made_leaves_no_noise() -> None:
    """In Python's development mode, a response that an interrupt keeps from being made is freed without a message."""
    program = """
import socket
import subprocess
import sys
from sse_client._http.interrupt import Interrupted, Interrupter, Limit
from sse_client._http.raw_response import StreamResponse

interrupter = Interrupter()
interrupter.interrupt()
ours, theirs = socket.socketpair()
with ours, theirs:
    try:
        StreamResponse(ours, interrupter=interrupter, limit=Limit(1.0, "idle_timeout"))
    except Interrupted:
        print("interrupted")
interrupter.release()
"""
    command = [sys.executable, "-X", "dev", "-c", program]
    done = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT, check=True)
    assert (done.stdout, done.stderr) == ("interrupted\n", "")
