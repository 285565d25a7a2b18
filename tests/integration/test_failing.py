"""What failed attempts are called, and what is tried again at once: over own pools, a pool and a session."""

from __future__ import annotations

import os
import socket
import ssl
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Callable

import pytest
import requests
import responses
import trustme
import urllib3
from requests.adapters import HTTPAdapter

from sse_client import (
    CertificateRejected,
    ConnectionFailed,
    ConnectionLost,
    ErrorEvent,
    EventSource,
    EventSourceError,
    ResponseRejected,
)
from sse_client.requests_bridge import RequestsConnector
from sse_client.testing import EventStreamServer, Exchange, event

from .proxy_server import HTTPProxy
from .raw_server import RawServer, read_head
from .support import AT_ONCE, data_of
from .ways import WAYS

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"


@pytest.fixture(params=WAYS)
def way(request: pytest.FixtureRequest) -> Any:
    """Each way in turn to get connections."""
    return WAYS[request.param]


def failure_of(source: EventSource) -> EventSourceError:
    with source, pytest.raises(EventSourceError) as caught:
        list(source)
    return caught.value


def failure_over(way: Any, url: str, **options: Any) -> EventSourceError:
    with way(url, None, None, **options) as source:
        return failure_of(source)


# Heads


def answering(head: bytes) -> Callable[[Exchange], None]:
    return lambda exchange: (exchange.write_raw(head), exchange.drop())[0]


def test_a_bare_cr_begins_no_field(server: EventStreamServer, way: Any) -> None:
    """RFC 9112, section 2.2: it is a space. Nothing can be planted with one in a value that a server passes on."""
    server.reply(answering(HEAD + b"X: 1\rSet-Cookie: planted=1\rContent-Encoding: planted\r\n\r\nid: 1\ndata: a\n\n"))
    server.stream(event("b"))
    with way(server.url, AT_ONCE, None) as source:
        for item in source.lifecycle():
            if type(item).__name__ == "OpenEvent":
                assert "set-cookie" not in item.headers
                assert item.headers.get("x", "").startswith("1 Set-Cookie") or item.headers.get("x") is None
            if getattr(item, "data", "") == "b":
                break
    assert all("Cookie" not in request.headers for request in server.requests)


def test_a_bare_cr_makes_no_event_stream(server: EventStreamServer, way: Any) -> None:
    """A type that is planted so is not believed."""
    server.reply(answering(b"HTTP/1.1 200 OK\r\nX: 1\rContent-Type: text/event-stream\r\n\r\ndata: a\n\n"))
    assert isinstance(failure_over(way, server.url), ResponseRejected)


# Lengths and framing


@pytest.mark.parametrize(
    ("headers", "body"),
    [
        (b"Content-Length: +9\r\n", b"data: a\n\n"),
        (b"Content-Length: 0x9\r\n", b"data: a\n\n"),
        (b"Content-Length: 9_0\r\n", b"data: a\n\n"),
        (b"Content-Length: 9, 10\r\n", b"data: a\n\n"),
        (b"Content-Length: 9\r\nContent-Length: 10\r\n", b"data: a\n\n"),
        (b"Content-Length: \xb2\r\n", b"data: a\n\n"),
        (b"Content-Length:\r\n", b"data: a\n\n"),
    ],
    ids=["sign", "hexadecimal", "underscore", "list", "two", "superscript", "none"],
)
def test_wrong_lengths(server: EventStreamServer, way: Any, headers: bytes, body: bytes) -> None:
    """RFC 9112, section 6.3: a Content-Length that is no number, or two, is an error that cannot be recovered from."""
    server.reply(answering(HEAD + headers + b"\r\n" + body))
    assert isinstance(failure_over(way, server.url), ConnectionFailed)


@pytest.mark.parametrize("length", [b"9", b"009", b"9, 9", b"9\r\nContent-Length: 9"])
def test_right_lengths(server: EventStreamServer, way: Any, length: bytes) -> None:
    """The same number again is that number."""
    server.reply(lambda exchange: exchange.write_raw(HEAD + b"Content-Length: %s\r\n\r\ndata: a\n\n" % length))
    with way(server.url, None, None) as source:
        assert data_of(source) == ["a"]


@pytest.mark.parametrize(
    "chunks",
    [
        b"+9\r\ndata: a\n\n\r\n",
        b"0x9\r\ndata: a\n\n\r\n",
        b"0_9\r\ndata: a\n\n\r\n",
        b" 9\r\ndata: a\n\n\r\n",
        b"9\ndata: a\n\n\r\n",
        b"9\r\ndata: a\n\nX\r\n",
        b"",
        b"9",
        b"9\r",
        b"9;x",
    ],
)
def test_wrong_chunks(server: EventStreamServer, way: Any, chunks: bytes) -> None:
    """A size is hexadecimal digits, each line ends with CRLF, and what is cut in the middle is a loss."""
    chunked = HEAD + b"Transfer-Encoding: chunked\r\n\r\n9\r\ndata: 1\n\n\r\n"
    server.reply(answering(chunked + chunks))
    with way(server.url, None, None) as source:
        received = []
        with pytest.raises(ConnectionLost, match="framing"):
            for item in source:
                received.append(item.data)
    assert received in (["1"], ["1", "a"])
    assert received == ["1"] or chunks.endswith(b"X\r\n")


# TLS


@contextmanager
def cut_tls(context: ssl.SSLContext, answer: bytes) -> Iterator[str]:
    """A server that answers, and closes the connection without TLS's farewell."""

    def serve(connected: socket.socket) -> None:
        secured = context.wrap_socket(connected, server_side=True, suppress_ragged_eofs=True)
        read_head(secured)
        secured.sendall(answer)
        os.close(secured.detach())

    with RawServer(serve) as server:
        yield server.url.replace("http:", "https:")


@pytest.mark.parametrize("proxied", [False, True], ids=["", "TLS in TLS"])
def test_tls_cut_off(server_context: ssl.SSLContext, trusted: None, way: Any, proxied: bool) -> None:
    """Only TLS's own farewell tells the end of a body that nothing else delimits from a cut."""
    answer = HEAD + b"Connection: close\r\n\r\ndata: a\n\n"
    received = []
    with ExitStack() as started:
        url = started.enter_context(cut_tls(server_context, answer))
        proxy = started.enter_context(HTTPProxy(ssl_context=server_context)).url if proxied else None
        source = started.enter_context(way(url, None, proxy))
        with pytest.raises(ConnectionLost):
            for item in source:
                received.append(item.data)
    assert received == ["a"]


@pytest.mark.parametrize(
    "framing",
    [b"Content-Length: 9\r\n\r\ndata: a\n\n", b"Transfer-Encoding: chunked\r\n\r\n9\r\ndata: a\n\n\r\n0\r\n\r\n"],
)
def test_tls_cut_off_after_the_end(server_context: ssl.SSLContext, trusted: None, way: Any, framing: bytes) -> None:
    """A body that says where it ends needs no farewell."""
    with cut_tls(server_context, HEAD + framing) as url, way(url, None, None) as source:
        assert data_of(source) == ["a"]


def test_http_to_a_tls_port(way: Any) -> None:
    """The error says that the port speaks TLS, where the server says so: it may as well just hang up."""

    def serve(connected: socket.socket) -> None:
        read_head(connected)
        connected.sendall(b"\x15\x03\x03\x00\x02\x02\x46")  # an alert: protocol_version

    with RawServer(serve) as server:
        error = failure_over(way, server.url)
    assert isinstance(error, ConnectionFailed)
    assert error.reason == "the server speaks TLS on this port: the URL has to begin with https://"


def test_https_to_an_http_port(server: EventStreamServer, way: Any) -> None:
    """The error says that the port does not."""
    error = failure_over(way, server.url.replace("http:", "https:"))
    assert isinstance(error, ConnectionFailed)
    assert "the server does not speak TLS on this port; the URL may have to begin with http://" in error.reason


def test_a_server_of_http2_alone(way: Any) -> None:
    """A server that begins to speak HTTP/2 is called one."""

    def serve(connected: socket.socket) -> None:
        read_head(connected)
        connected.sendall(b"\x00\x00\x12\x04\x00\x00\x00\x00\x00\x00\x03\x00\x00\x00\x80")
        connected.recv(4096)

    with RawServer(serve) as server:
        error = failure_over(way, server.url)
    assert isinstance(error, ConnectionFailed)
    assert "HTTP/2" in error.reason


def test_a_tls_server_of_http2_alone(authority: trustme.CA, trusted: None, way: Any) -> None:
    """One that refuses all other protocols in the handshake, too."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    context.set_alpn_protocols(["h2"])

    def serve(connected: socket.socket) -> None:
        with context.wrap_socket(connected, server_side=True) as secured:
            secured.sendall(b"\x00\x00\x12\x04\x00\x00\x00\x00\x00\x00\x03\x00\x00\x00\x80")
            secured.recv(4096)

    with RawServer(serve) as server:
        error = failure_over(way, server.url.replace("http:", "https:"))
    assert isinstance(error, ConnectionFailed)
    assert "HTTP/2" in error.reason


# Certificates that urllib3 itself rejects


def pool_for(authority: Path, **settings: Any) -> urllib3.PoolManager:
    return urllib3.PoolManager(ca_certs=str(authority), **settings)


class Mounted(HTTPAdapter):
    def __init__(self, **settings: Any) -> None:
        self.settings = settings
        super().__init__()

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs, **self.settings)


WRONG: dict[str, Any] = {
    "host": lambda: {"assert_hostname": "other.example"},
    "fingerprint": lambda: {"assert_fingerprint": "00" * 32},
    "context": lambda: {"ssl_context": unchecked(), "assert_hostname": "other.example"},
}


def unchecked() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.check_hostname = False
    return context


@pytest.mark.parametrize("kind", WRONG)
@pytest.mark.parametrize("library", ["pool", "session"])
def test_certificates_that_urllib3_rejects(
    kind: str, library: str, server_context: ssl.SSLContext, trusted: None
) -> None:
    """urllib3 checks some names and all fingerprints by itself; what it rejects is as final as what OpenSSL does."""
    settings = WRONG[kind]()
    with EventStreamServer(ssl_context=server_context) as server:
        if library == "pool":
            pool = urllib3.PoolManager(**settings)
            error = failure_of(EventSource(server.url, pool=pool, reconnect=AT_ONCE))
            pool.clear()
        else:
            with requests.Session() as session:
                session.trust_env = False
                session.verify = os.environ["SSL_CERT_FILE"]
                session.mount("https://", Mounted(**settings))
                error = failure_of(EventSource(RequestsConnector(session, server.url), reconnect=AT_ONCE))
        assert server.requests == []
    assert isinstance(error, CertificateRejected)


def test_a_context_that_leaves_names_to_urllib3(authority: trustme.CA, trusted: None) -> None:
    """A context with check_hostname=False checks no name, as its user says; with one of urllib3's checks, it does."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("other.example").configure_cert(context)
    with EventStreamServer(ssl_context=context) as server:
        server.stream(event("a"))
        strict = failure_of(EventSource(server.url, reconnect=AT_ONCE))
        assert isinstance(strict, CertificateRejected)
        assert server.requests == []


# Client certificates


@pytest.fixture
def client_files(authority: trustme.CA, tmp_path: Path) -> dict[str, str]:
    certificate = authority.issue_cert("client.example")
    files = {"cert_file": tmp_path / "client.pem", "key_file": tmp_path / "client.key"}
    certificate.cert_chain_pems[0].write_to_path(str(files["cert_file"]))
    certificate.private_key_pem.write_to_path(str(files["key_file"]))
    return {name: str(path) for name, path in files.items()}


@pytest.mark.parametrize("kind", ["ssl_context", "pool with files", "pool with a context", "session"])
def test_a_client_certificate_stays_behind(
    kind: str, authority: trustme.CA, client_files: dict[str, str], trusted: None
) -> None:
    """A redirect to another origin shows that one no certificate; the origin itself sees it again afterwards."""
    asking = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1", "localhost").configure_cert(asking)
    authority.configure_trust(asking)
    asking.verify_mode = ssl.CERT_OPTIONAL
    shown: list[tuple[str, bool]] = []

    def serve(name: str, answer: Callable[[], bytes]) -> Callable[[socket.socket], None]:
        def one(connected: socket.socket) -> None:
            with asking.wrap_socket(connected, server_side=True) as secured:
                read_head(secured)
                shown.append((name, bool(secured.getpeercert())))
                secured.sendall(answer())

        return one

    context = ssl.create_default_context()
    context.load_cert_chain(client_files["cert_file"], client_files["key_file"])
    closing = b"Connection: close\r\nContent-Length: "
    with RawServer(serve("other", lambda: HEAD + closing + b"9\r\n\r\ndata: a\n\n")) as other:
        found = b"HTTP/1.1 302 Found\r\nLocation: https://127.0.0.1:%d/\r\n" % other.port + closing + b"0\r\n\r\n"
        with RawServer(serve("first", lambda: found)) as first:
            url = first.url.replace("http:", "https:")
            pool = None
            if kind == "session":
                with requests.Session() as session:
                    session.trust_env = False
                    session.verify = os.environ["SSL_CERT_FILE"]
                    session.cert = (client_files["cert_file"], client_files["key_file"])
                    for _ in range(2):
                        assert data_of(EventSource(RequestsConnector(session, url), reconnect=None)) == ["a"]
            else:
                settings: dict[str, Any] = {"ssl_context": context}
                if kind.startswith("pool"):
                    pool = urllib3.PoolManager(**(client_files if kind == "pool with files" else settings))
                    settings = {"pool": pool}
                for _ in range(2):
                    assert data_of(EventSource(url, reconnect=None, **settings)) == ["a"]
            if pool is not None:
                pool.clear()
    assert shown == [("first", True), ("other", False)] * 2


# Kept connections that the server has closed meanwhile


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("library", ["own pools", "a pool", "a session"])
def test_a_kept_connection_that_is_closed(library: str, method: str) -> None:
    """A safe request is made again at once, and is no attempt of its own; a POST may have been carried out."""
    heads: list[bytes] = []

    def serve(connected: socket.socket) -> None:
        head = read_head(connected)
        while method == "POST" and not head.endswith(b"{}"):
            head += connected.recv(4096)
        heads.append(head)
        body = b"data: %d\n\n" % len(heads)
        connected.sendall(HEAD + b"Content-Length: %d\r\n\r\n" % len(body) + body)
        if len(heads) == 1:
            connected.recv(4096)  # and no answer: it is closed under the second request

    options: dict[str, Any] = {"method": method}
    if method == "POST":
        options["body"] = b"{}"
    with RawServer(serve) as server, WAYS[library](server.url, AT_ONCE, None, **options) as source:
        errors, received = [], []
        for item in source.lifecycle():
            if isinstance(item, ErrorEvent):
                errors.append(item.error)
            received += [item.data] if hasattr(item, "data") else []
            if len(received) == 2:
                break
    assert received == ["1", "2"]
    first, *others = (str(error) for error in errors)
    assert "stream ended" in first or "ended the stream" in first, first
    if method == "GET":
        assert others == []
    else:
        (lost,) = others
        assert "closed the connection without a response" in lost


# What belongs to an application: its functions, its retries, its mocks


@pytest.mark.parametrize("which", ["url", "headers"])
@pytest.mark.parametrize("failure", [ConnectionRefusedError(111, "Connection refused"), TimeoutError("s3cret")])
def test_a_function_whose_own_server_is_down(server: EventStreamServer, way: Any, which: str, failure: OSError) -> None:
    """An OSError out of the function for the URL or the headers is a failed attempt; its cause is chained."""
    calls: list[int] = []

    def function() -> Any:
        calls.append(1)
        if len(calls) == 1:
            raise failure
        return server.url if which == "url" else {"X-Token": "a"}

    server.stream(event("a"))
    options = {"headers": function} if which == "headers" else {}
    errors = []
    with way(function if which == "url" else server.url, AT_ONCE, None, **options) as source:
        for item in source.lifecycle():
            if isinstance(item, ErrorEvent):
                errors.append(item.error)
            if getattr(item, "data", "") == "a":
                break
    (error,) = errors
    assert isinstance(error, ConnectionFailed)
    assert error.reason.startswith(f"the function for the URL or the headers failed: {type(failure).__name__}")
    assert "s3cret" not in str(error)
    assert error.__cause__ is failure


@pytest.mark.parametrize("raises", [True, False])
def test_the_last_of_a_sessions_own_retries(server: EventStreamServer, raises: bool) -> None:
    """What a session has retried over and over is what the last response said, with its Retry-After."""
    server.handler = lambda exchange: exchange.respond(503, b"busy", {"Retry-After": "7"})
    retries = urllib3.Retry(
        2, status_forcelist=[503], backoff_factor=0, respect_retry_after_header=False, raise_on_status=raises
    )
    with requests.Session() as session:
        session.mount("http://", HTTPAdapter(max_retries=retries))
        error = failure_of(EventSource(RequestsConnector(session, server.url), reconnect=None))
    assert isinstance(error, ResponseRejected)
    assert (error.status, error.retry_after) == (503, 7.0)
    assert len(server.requests) == 3


def test_a_mock_without_a_match() -> None:
    """What the package `responses` says about a request that nothing was registered for is shown, secrets aside."""
    with responses.RequestsMock(assert_all_requests_are_fired=False), requests.Session() as session:
        error = failure_of(EventSource(RequestsConnector(session, "http://stream.test/?token=s3cret"), reconnect=None))
    assert isinstance(error, ConnectionFailed)
    assert "doesn't match any registered mock" in error.reason
    assert "s3cret" not in str(error)
