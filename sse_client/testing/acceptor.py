"""Who accepts the connections of an `EventStreamServer`, in which threads they are served, and how these end."""

from __future__ import annotations

import contextlib
import logging
import os
import selectors
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from typing import Callable, Optional

from .http import ExchangeEnded, ServerConnection

__all__ = ["Acceptor", "listen"]

_CLOSE_TIMEOUT = 10.0  # seconds that all threads together get to end

_logger = logging.getLogger("sse_client.testing")


def listen(host: str, port: int) -> socket.socket:
    """Return a socket that listens and does not block. Raises OSError if the port is taken."""
    listener = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM)
    try:
        if os.name == "posix":  # elsewhere it would let two servers share one port
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(128)
        listener.setblocking(False)
    except BaseException:
        listener.close()
        raise
    return listener


class Acceptor:
    """Accepts connections in one thread and serves each in a thread of its own.

    Args:
        listener: Where from; it is closed with the acceptor.
        ssl_context: The server's side of TLS, or None.
        serve_one: Serves one request of a connection; returns whether there may be another.
        numbers: The numbers of the connections.
        changed: The lock of what is shared, which is notified when a connection has ended.

    Attributes:
        closing: Set when the acceptor closes.
        connections: Those that are open, by number. Shared, under the lock.
    """

    def __init__(
        self,
        listener: socket.socket,
        ssl_context: Optional[ssl.SSLContext],
        serve_one: Callable[[ServerConnection, threading.Event], bool],
        numbers: Iterator[int],
        changed: threading.Condition,
    ) -> None:
        self.closing: threading.Event = threading.Event()
        self.connections: dict[int, ServerConnection] = {}
        self._listener = listener
        self._ssl_context = ssl_context
        self._serve_one = serve_one
        self._numbers = numbers
        self._changed = changed
        self._threads: list[threading.Thread] = []
        self._errors: list[BaseException] = []
        self._woken, self._waker = socket.socketpair()
        self._thread = threading.Thread(target=self._accept, name="event-stream-server", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """End every connection at once, and every thread. Blocks for as long as that takes.

        Raises:
            BaseException: What serving raised, the first of several.
            RuntimeError: A handler has not returned within 10 seconds.
        """
        self.closing.set()
        self._waker.close()  # which the acceptor sees as readable
        deadline = time.monotonic() + _CLOSE_TIMEOUT
        self._thread.join(_CLOSE_TIMEOUT)
        with self._changed:
            for connection in self.connections.values():
                connection.wake()
        stuck = 0
        for thread in self._threads:
            if thread is not threading.current_thread():
                thread.join(max(0.0, deadline - time.monotonic()))
                stuck += thread.is_alive()
        if self._errors:
            raise self._errors[0]
        if stuck:
            raise RuntimeError(f"{stuck} handlers have not returned within {_CLOSE_TIMEOUT:.0f} s of close()")

    def _accept(self) -> None:
        with self._listener, self._woken, selectors.DefaultSelector() as selector:
            selector.register(self._listener, selectors.EVENT_READ)
            selector.register(self._woken, selectors.EVENT_READ)
            while not self.closing.is_set():
                selector.select()
                with contextlib.suppress(OSError):  # the client has gone before it was accepted
                    self._serve_in_thread(self._listener.accept()[0])

    def _serve_in_thread(self, connected: socket.socket) -> None:
        try:
            connection = ServerConnection(connected, next(self._numbers), self._ssl_context)
        except OSError:
            connected.close()
            raise
        name = f"event-stream-server-{connection.number}"
        thread = threading.Thread(target=self._serve, args=(connection,), name=name, daemon=True)
        with self._changed:
            self.connections[connection.number] = connection
            self._threads = [other for other in self._threads if other.is_alive()]
            # Started under the lock: a thread that is not alive yet must not be taken for one that has ended.
            thread.start()
            self._threads.append(thread)

    def _serve(self, connection: ServerConnection) -> None:
        try:
            connection.handshake()
            while self._serve_one(connection, self.closing):
                pass
        except ExchangeEnded:
            pass
        except BaseException as error:  # what pytest.fail() raises in a handler is no Exception
            _logger.error("a handler of the test server failed", exc_info=error)
            with self._changed:
                self._errors.append(error)
        finally:
            connection.close()
            with self._changed:
                del self.connections[connection.number]
                self._changed.notify_all()
