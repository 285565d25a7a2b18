"""websockets' own server in a thread, and the answer to a handshake for servers below it."""

from __future__ import annotations

import base64
import gc
import hashlib
import logging
import os
import re
import socket
import ssl
import threading
from types import TracebackType
from typing import Any, Callable, Optional

from websockets.sync.server import ServerConnection, serve

from .raw_server import read_head
from .support import TIMEOUT

_KEY = rb"(?i)sec-websocket-key: *(\S+)"
_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


class WebSocketServer:
    """Accepts WebSockets on the loopback interface, and gives each to ``handler`` in a thread of its own.

    Attributes:
        port: Where it listens.
        requests: The handshakes that have succeeded.
        closing: Set when it closes; for handlers that wait.
    """

    def __init__(
        self,
        handler: Callable[[ServerConnection], None],
        *,
        port: int = 0,
        ssl_context: Optional[ssl.SSLContext] = None,
        **options: Any,
    ) -> None:
        self._handler = handler
        self.requests: list[Any] = []
        self.closing = threading.Event()
        self._connections: list[ServerConnection] = []
        self._server = serve(
            self._serve,
            "127.0.0.1",
            port,
            ssl=ssl_context,
            logger=logging.Logger("silent", logging.CRITICAL + 1),  # noqa: LOG001 - no configuration reaches it
            close_timeout=0.1,
            **options,
        )
        self.port: int = self._server.socket.getsockname()[1]
        scheme = "ws" if ssl_context is None else "wss"
        self.url = f"{scheme}://127.0.0.1:{self.port}/ws"
        self._thread = threading.Thread(target=self._server.serve_forever, name="websocket-server", daemon=True)

    def _serve(self, connection: ServerConnection) -> None:
        self._connections.append(connection)
        self.requests.append(connection.request)
        self._handler(connection)

    def __enter__(self) -> WebSocketServer:
        self._thread.start()
        return self

    def __exit__(
        self,
        exception_type: Optional[type[BaseException]],
        exception: Optional[BaseException],
        traceback: Optional[TracebackType],
    ) -> None:
        self.closing.set()
        self._server.shutdown()
        for connection in self._connections:
            connection.close(1001)
        self._thread.join(TIMEOUT)
        gc.collect()  # websockets leaves its selector to the garbage collector,
        for end in (self._server.shutdown_watcher, self._server.shutdown_notifier):
            if isinstance(end, int):  # and, until 16, a pipe open
                os.close(end)


def hold(connection: ServerConnection) -> None:
    """Keep a connection open until the other side goes."""
    for _ in connection:
        pass


def sends(*messages: Any) -> Callable[[ServerConnection], None]:
    """A handler that sends these and then keeps the connection open."""

    def handler(connection: ServerConnection) -> None:
        for message in messages:
            connection.send(message)
        hold(connection)

    return handler


def accept(connected: socket.socket) -> bytes:
    """Read a handshake, answer it with 101, and return it."""
    head = read_head(connected)
    found = re.search(_KEY, head)
    assert found, head
    key = base64.b64encode(hashlib.sha1(found[1] + _GUID).digest())
    connected.sendall(
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Accept: " + key + b"\r\n\r\n"
    )
    return head


def swallow(connected: socket.socket) -> None:
    """Answer a handshake with 101 and then swallow all frames, as some proxies do."""
    accept(connected)
    while connected.recv(4096):
        pass
