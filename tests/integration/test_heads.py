from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from sse_client._http.raw_response import StreamResponse
from sse_client._http.socket_file import HeadCutOff
from tests.responses import stream_response

FINAL = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nContent-Length: 0\r\n\r\n"


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.settimeout(10)
        yield ours, theirs


def begun(pair: tuple[socket.socket, socket.socket], sent: bytes) -> StreamResponse:
    pair[1].sendall(sent)
    pair[1].shutdown(socket.SHUT_WR)
    response = stream_response(pair[0])
    try:
        response.begin()
    finally:
        response.close()
    return response


@pytest.mark.parametrize("interim", [100, 102, 103])
def test_interim_responses(pair: tuple[socket.socket, socket.socket], interim: int) -> None:
    """Interim responses are skipped, with their headers."""
    response = begun(pair, b"HTTP/1.1 %d Early\r\nContent-Type: a/b\r\nLink: </x>\r\n\r\n" % interim * 2 + FINAL)
    assert response.status == 200
    assert response.getheader("content-type") == "text/event-stream"
    assert response.getheader("link") is None


def test_interim_responses_without_end(pair: tuple[socket.socket, socket.socket]) -> None:
    """A server that sends nothing but interim responses is given up."""
    with pytest.raises(Exception, match="too many interim responses"):
        begun(pair, b"HTTP/1.1 103 Early Hints\r\n\r\n" * 1000)


def test_switching_protocols_is_final(pair: tuple[socket.socket, socket.socket]) -> None:
    """A 101 is not followed by another head."""
    assert begun(pair, b"HTTP/1.1 101 Switching\r\n\r\n" + FINAL).status == 101


@pytest.mark.parametrize("end", range(len(b"HTTP/1.1 200 OK\r\n"), len(FINAL) - 1))
def test_cut_off_heads(pair: tuple[socket.socket, socket.socket], end: int) -> None:
    """A head that the end of the connection cuts off is no answer."""
    with pytest.raises(HeadCutOff):
        begun(pair, FINAL[:end])


def test_odd_headers_are_not_reported(pair: tuple[socket.socket, socket.socket]) -> None:
    """What urllib3 would warn of, showing the whole URL, is gone from the parsed head."""
    response = begun(pair, b"HTTP/1.1 200 OK\r\nA: 1\r\nno colon\r\nB: 2\r\n\r\n")
    assert response.getheader("a") == "1"
    assert response.msg.defects == []
    assert response.msg.get_payload() == ""
