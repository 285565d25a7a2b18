"""Requests as they are read and recorded: what the clients at hand do not send by themselves."""

from __future__ import annotations

import socket

import pytest

from sse_client.testing import EventStreamServer, RecordedRequest, RequestHeaders


def recorded(request: bytes) -> RecordedRequest:
    """The request as a server records it, sent byte by byte."""
    with EventStreamServer() as server:
        with socket.create_connection((server.host, server.port), timeout=10) as connection:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for byte in request:
                connection.send(bytes([byte]))
            assert connection.recv(100).startswith(b"HTTP/1.1 204 ")
        return server.requests[0]


def test_a_chunked_body_is_put_together() -> None:
    """The body of a request may come in chunks, with extensions and trailers."""
    request = recorded(
        b"POST / HTTP/1.1\r\nTransfer-Encoding: Chunked\r\n\r\n3;x=y\r\nabc\r\nA\r\n0123456789\r\n0\r\nT: 1\r\n\r\n"
    )
    assert request.body == b"abc0123456789"


def test_a_value_that_is_not_utf_8_is_latin_1() -> None:
    """Header values are UTF-8, or Latin-1 where they are not; white space around them is not theirs."""
    request = recorded(b"GET / HTTP/1.1\r\nA: \t\xc3\xa9 \r\nB:\xe9\r\n\r\n")
    assert dict(request.headers) == {"A": "é", "B": "é"}


def test_bare_line_feeds_end_lines_too() -> None:
    """A request typed by hand, with LF alone, is a request."""
    assert recorded(b"GET /x HTTP/1.1\nA: 1\n\n").headers["a"] == "1"


def test_headers_are_a_mapping_that_minds_no_case() -> None:
    """Names are found in any case, kept as first sent, and what is missing is a KeyError or the default."""
    headers = RequestHeaders([("Accept", "a"), ("X-Y", "1"), ("x-y", "2")])
    assert headers["ACCEPT"] == "a"
    assert headers.get("x-Y") == "1, 2"
    assert headers.get("z") is None
    assert list(headers) == ["Accept", "X-Y"]
    assert len(headers) == 2
    assert 1 not in headers  # type: ignore[comparison-overlap]
    assert repr(headers) == "RequestHeaders({'Accept': 'a', 'X-Y': '1, 2'})"
    with pytest.raises(KeyError, match="Zed"):
        headers["Zed"]
