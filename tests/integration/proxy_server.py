"""Small proxies of the tests' own: HTTP with CONNECT and a login, over TLS too, and SOCKS5."""

from __future__ import annotations

import contextlib
import selectors
import socket
import ssl
import threading
from abc import ABC, abstractmethod
from types import TracebackType
from typing import Any, NamedTuple, Optional
from urllib.parse import urlsplit

from .raw_server import RawServer, read_head
from .support import TIMEOUT


class Asked(NamedTuple):
    """What a client has asked a proxy for: the first line of the request (for SOCKS, made up), and its headers.

    The lines are the headers as they came.
    """

    line: str
    headers: dict[str, str]
    lines: tuple[str, ...] = ()


class _Proxy(ABC):
    """What the two have in common: a server, what was asked, and carrying bytes to and fro.

    Attributes:
        asked: The requests, in order.
    """

    scheme = ""

    def __init__(self, ssl_context: Optional[ssl.SSLContext] = None, port: int = 0) -> None:
        self.asked: list[Asked] = []
        self._ssl_context = ssl_context
        self._server = RawServer(self._welcome, port=port)

    def __enter__(self) -> Any:
        self._server.__enter__()
        return self

    def __exit__(
        self,
        exception_type: Optional[type[BaseException]],
        exception: Optional[BaseException],
        traceback: Optional[TracebackType],
    ) -> None:
        self._server.__exit__(exception_type, exception, traceback)

    @property
    def address(self) -> str:
        """Host and port."""
        return f"127.0.0.1:{self._server.port}"

    @property
    def url(self) -> str:
        return f"{self.scheme}://{self.address}"

    @property
    def closing(self) -> threading.Event:
        return self._server.closing

    def _welcome(self, connected: socket.socket) -> None:
        if self._ssl_context is None:
            self._serve(connected)
            return
        with contextlib.suppress(ssl.SSLError), self._ssl_context.wrap_socket(connected, server_side=True) as secured:
            self._serve(secured)

    @abstractmethod
    def _serve(self, connected: socket.socket) -> None:
        """Serve one client."""

    def _carry(self, client: socket.socket, target: socket.socket) -> None:
        """Carry bytes both ways until one side ends."""
        with selectors.DefaultSelector() as selector:
            selector.register(client, selectors.EVENT_READ, target)
            selector.register(target, selectors.EVENT_READ, client)
            while not self.closing.is_set():
                for key, _ in selector.select(0.05):
                    readable: Any = key.fileobj
                    data = readable.recv(65536)
                    while isinstance(readable, ssl.SSLSocket) and readable.pending():
                        data += readable.recv(65536)
                    if not data:
                        return
                    key.data.sendall(data)


class HTTPProxy(_Proxy):
    """Forwards requests, and opens tunnels for CONNECT.

    Args:
        login: The value of Proxy-Authorization without which the answer is a 407.
        refuse_with: A status that every request gets instead.
        silent: Whether it reads requests and never answers.
        ssl_context: The proxy's own side of TLS.
        port_of: Which port of the loopback interface stands for which host; others are looked up.
        port: The port to listen on; 0 takes a free one.
    """

    def __init__(
        self,
        *,
        login: Optional[str] = None,
        refuse_with: Optional[int] = None,
        silent: bool = False,
        ssl_context: Optional[ssl.SSLContext] = None,
        port_of: Optional[dict[str, int]] = None,
        port: int = 0,
    ) -> None:
        super().__init__(ssl_context, port)
        self.scheme = "http" if ssl_context is None else "https"
        self._login = login
        self._refuse_with = refuse_with
        self._silent = silent
        self._port_of = port_of or {}

    def _serve(self, connected: socket.socket) -> None:
        first, *lines = read_head(connected).decode("latin-1").rstrip("\r\n").split("\r\n")
        if not first:
            return
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        self.asked.append(Asked(first, headers, tuple(lines)))
        if self._silent:
            while connected.recv(4096):
                pass
            return
        status = self._refuse_with
        if self._login is not None and headers.get("proxy-authorization") != self._login:
            status = 407
        if status is not None:
            body = b"says the proxy"
            connected.sendall(
                b"HTTP/1.1 %d No\r\nProxy-Authenticate: Basic\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s"
                % (status, len(body), body)
            )
            return
        method, target, _ = first.split(" ")
        parts = urlsplit(f"//{target}" if method == "CONNECT" else target)
        host = parts.hostname or ""
        address = ("127.0.0.1", self._port_of[host]) if host in self._port_of else (host, parts.port or 80)
        with socket.create_connection(address, TIMEOUT) as onward:
            if method == "CONNECT":
                connected.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
            else:
                kept = [line for line in lines if not line.lower().startswith(("proxy-", "connection:"))]
                path = parts._replace(scheme="", netloc="").geturl() or "/"
                head = [f"{method} {path} HTTP/1.1", *kept, "Via: 1.1 test", "Connection: close", "", ""]
                onward.sendall("\r\n".join(head).encode("latin-1"))
            self._carry(connected, onward)


class SOCKS5Proxy(_Proxy):
    """Speaks SOCKS5 (RFC 1928), with a login (RFC 1929) if told to.

    Args:
        login: User and password, without which nobody gets through.
        refuse_with: A reply code that every request gets instead of a connection.
    """

    scheme = "socks5"

    def __init__(self, *, login: Optional[tuple[str, str]] = None, refuse_with: int = 0) -> None:
        super().__init__()
        self._login = login
        self._refuse_with = refuse_with
        self.logins: list[tuple[str, str]] = []

    def _serve(self, connected: socket.socket) -> None:
        _version, count = _exactly(connected, 2)
        methods = _exactly(connected, count)
        wanted = 0 if self._login is None else 2
        if wanted not in methods:
            connected.sendall(b"\x05\xff")
            return
        connected.sendall(bytes([5, wanted]))
        if self._login is not None:
            _exactly(connected, 1)
            login = (_short_string(connected), _short_string(connected))
            self.logins.append(login)
            connected.sendall(b"\x01\x00" if login == self._login else b"\x01\x01")
            if login != self._login:
                return
        _version, _command, _reserved, kind = _exactly(connected, 4)
        if kind == 3:
            host = _short_string(connected)
        else:
            family, size = (socket.AF_INET, 4) if kind == 1 else (socket.AF_INET6, 16)
            host = socket.inet_ntop(family, _exactly(connected, size))
        port = int.from_bytes(_exactly(connected, 2), "big")
        self.asked.append(Asked(f"{'name' if kind == 3 else 'address'} {host}:{port}", {}))
        if self._refuse_with:
            connected.sendall(bytes([5, self._refuse_with, 0, 1]) + bytes(6))
            return
        with socket.create_connection((host, port), TIMEOUT) as onward:
            connected.sendall(b"\x05\x00\x00\x01" + bytes(6))
            self._carry(connected, onward)


def _exactly(connected: socket.socket, count: int) -> bytes:
    data = b""
    while len(data) < count:
        piece = connected.recv(count - len(data))
        if not piece:
            raise ConnectionError("the client has gone")
        data += piece
    return data


def _short_string(connected: socket.socket) -> str:
    return _exactly(connected, _exactly(connected, 1)[0]).decode()
