"""The phases in which a source can be when somebody wants it to stop, each with a server that keeps it there."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Callable, NamedTuple, Optional

from sse_client.testing import EventStreamServer, Exchange, comment, event, hold, raw, signal

from .proxy_server import HTTPProxy, SOCKS5Proxy
from .raw_server import FullBacklog, RawServer
from .support import TIMEOUT


class Phase(NamedTuple):
    """A server, and how to know that its client has come to the phase.

    Attributes:
        url: Where the client shall go.
        arrived: Waits until the server knows that the client is there.
        last_item: The class of the last thing that the client's lifecycle yields on its way there, or None.
        requests: How many requests have been made.
        proxy: The proxy to go through, or None.
    """

    url: str
    arrived: Callable[[], None]
    last_item: Optional[str]
    requests: Callable[[], int]
    proxy: Optional[str] = None


def _nothing() -> None:
    pass


def _of(server: EventStreamServer, reached: Callable[[], Any], last_item: Optional[str] = None) -> Phase:
    return Phase(server.url, lambda: (reached(), None)[1], last_item, lambda: len(server.requests))


@contextmanager
def _connecting(_: ssl.SSLContext) -> Iterator[Phase]:
    with FullBacklog() as backlog:
        yield Phase(backlog.url, backlog.wait_until_somebody_connects, None, lambda: 0)


@contextmanager
def _handshake(_: ssl.SSLContext) -> Iterator[Phase]:
    hello = threading.Event()

    def serve(connected: socket.socket) -> None:
        connected.recv(4096)
        hello.set()
        while connected.recv(4096):
            pass

    with RawServer(serve) as server:

        def arrived() -> None:
            assert hello.wait(TIMEOUT)

        yield Phase(server.url.replace("http:", "https:"), arrived, None, lambda: 0)


def _silent(tls: bool) -> Any:
    @contextmanager
    def phase(context: ssl.SSLContext) -> Iterator[Phase]:
        with EventStreamServer(ssl_context=context if tls else None) as server:
            server.silence()
            yield _of(server, lambda: server.wait_for_requests(1, TIMEOUT))

    return phase


def _sent(data: bytes, *, tls: bool = False) -> Any:
    """The server sends these bytes of the head, and no more."""

    @contextmanager
    def phase(context: ssl.SSLContext) -> Iterator[Phase]:
        sent = threading.Event()

        def reply(exchange: Exchange) -> None:
            exchange.write_raw(data)
            sent.set()
            exchange.hold()

        with EventStreamServer(ssl_context=context if tls else None) as server:
            server.reply(reply)

            def arrived() -> None:
                assert sent.wait(TIMEOUT)

            yield _of(server, arrived)

    return phase


def _open(*steps: Any, tls: bool = False, last_item: str = "MessageEvent", **options: Any) -> Any:
    @contextmanager
    def phase(context: ssl.SSLContext) -> Iterator[Phase]:
        sent = threading.Event()
        with EventStreamServer(ssl_context=context if tls else None) as server:
            server.stream(*steps, signal(sent), hold(), **options)

            def arrived() -> None:
                assert sent.wait(TIMEOUT)

            yield _of(server, arrived, last_item)

    return phase


@contextmanager
def _rejected_body(_: ssl.SSLContext) -> Iterator[Phase]:
    """A response is rejected, and its body does not come to an end."""
    sent = threading.Event()
    with EventStreamServer() as server:
        server.stream(raw(b"sorry"), signal(sent), hold(), status=404)

        def arrived() -> None:
            assert sent.wait(TIMEOUT)

        yield _of(server, arrived)


def _waiting(prepare: Callable[[EventStreamServer], None]) -> Any:
    @contextmanager
    def phase(_: ssl.SSLContext) -> Iterator[Phase]:
        with EventStreamServer() as server:
            prepare(server)
            yield _of(server, lambda: server.wait_for_requests(1, TIMEOUT), "ErrorEvent")

    return phase


@contextmanager
def _refused(_: ssl.SSLContext) -> Iterator[Phase]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    yield Phase(f"http://127.0.0.1:{port}/", _nothing, "ErrorEvent", lambda: 0)


_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"

PHASES: dict[str, Any] = {
    "connecting": _connecting,
    "TLS handshake": _handshake,
    "accepted and silent": _silent(tls=False),
    "accepted and silent, TLS": _silent(tls=True),
    "half a status line": _sent(b"HTTP/1.1 2"),
    "half a head": _sent(b"HTTP/1.1 200 OK\r\nContent-Ty"),
    "half a head, TLS": _sent(b"HTTP/1.1 200 OK\r\nContent-Ty", tls=True),
    "open, no byte yet": _open(last_item="OpenEvent"),
    "open, chunked": _open(event("a")),
    "open, close-delimited": _open(event("a"), framing="close"),
    "open, Content-Length": _open(event("a"), framing="length"),
    "open, chunked, gzip": _open(event("a"), encoding="gzip"),
    "open, close-delimited, gzip": _open(event("a"), framing="close", encoding="gzip"),
    "open, chunked, TLS": _open(event("a"), tls=True),
    "open, close-delimited, TLS": _open(event("a"), tls=True, framing="close"),
    "open, close-delimited, TLS, gzip": _open(event("a"), tls=True, framing="close", encoding="gzip"),
    "half an event": _open(event("a"), raw(b"data: b\nid: 2")),
    "a comment": _open(event("a"), comment("still here")),
    "half a chunk": _sent(_HEAD + b"20\r\ndata: a"),
    "half a chunk size": _sent(_HEAD + b"9\r\ndata: a\n\n\r\n2"),
    "the body of a rejection": _rejected_body,
    "waiting after 503": _waiting(lambda server: server.respond(503)),
    "waiting after Retry-After": _waiting(lambda server: server.respond(429, headers={"Retry-After": "3000"})),
    "waiting after the end": _waiting(lambda server: server.stream(event("a"))),
    "waiting after a cut": _waiting(lambda server: server.stream(event("a"), cut_after=3)),
    "waiting after refused": _refused,
}


def _silent_proxy(scheme: str, answer: bytes, target: str) -> Any:
    """The proxy answers with these bytes, and no more."""

    @contextmanager
    def phase(_: ssl.SSLContext) -> Iterator[Phase]:
        answered = threading.Event()

        def serve(connected: socket.socket) -> None:
            connected.recv(4096)
            connected.sendall(answer)
            answered.set()
            while connected.recv(4096):
                pass

        def arrived() -> None:
            assert answered.wait(TIMEOUT)

        with RawServer(serve) as proxy:
            yield Phase(target, arrived, None, lambda: 0, f"{scheme}://127.0.0.1:{proxy.port}")

    return phase


@contextmanager
def _connecting_to_a_proxy(_: ssl.SSLContext) -> Iterator[Phase]:
    with FullBacklog() as backlog:
        yield Phase("http://127.0.0.1:1/", backlog.wait_until_somebody_connects, None, lambda: 0, backlog.url)


def _through(proxy_class: Any, *, proxy_tls: bool = False, tls: bool = False) -> Any:
    """The stream is open, and silent, at the other end of the proxy."""

    @contextmanager
    def phase(context: ssl.SSLContext) -> Iterator[Phase]:
        proxy = proxy_class(ssl_context=context) if proxy_tls else proxy_class()
        with EventStreamServer(ssl_context=context if tls else None) as server, proxy:
            server.stream(event("a"), hold())
            yield Phase(server.url, _nothing, "MessageEvent", lambda: len(server.requests), proxy.url)

    return phase


PROXY_PHASES: dict[str, Any] = {
    "connecting to a proxy": _connecting_to_a_proxy,
    "TLS handshake with a proxy": _silent_proxy("https", b"", "https://127.0.0.1:1/"),
    "a silent proxy": _silent_proxy("http", b"", "http://127.0.0.1:1/"),
    "CONNECT": _silent_proxy("http", b"", "https://127.0.0.1:1/"),
    "CONNECT, half an answer": _silent_proxy("http", b"HTTP/1.1 200 Conn", "https://127.0.0.1:1/"),
    "TLS handshake in a tunnel": _silent_proxy("http", b"HTTP/1.1 200 OK\r\n\r\n", "https://127.0.0.1:1/"),
    "SOCKS": _silent_proxy("socks5", b"", "http://127.0.0.1:1/"),
    "SOCKS, half an answer": _silent_proxy("socks5", b"\x05", "http://127.0.0.1:1/"),
    "open, in a tunnel": _through(HTTPProxy, tls=True),
    "open, TLS in TLS": _through(HTTPProxy, proxy_tls=True, tls=True),
    "open, through SOCKS": _through(SOCKS5Proxy),
    "open, TLS through SOCKS": _through(SOCKS5Proxy, tls=True),
}
