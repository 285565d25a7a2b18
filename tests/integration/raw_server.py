"""Servers below HTTP: a function of the socket, and one whose queue of connections is full."""

from __future__ import annotations

import contextlib
import selectors
import socket
import threading
import time
from types import TracebackType
from typing import Callable, Optional

from .support import TIMEOUT


class RawServer:
    """Accepts on the loopback interface and gives each connection to ``serve`` in a thread of its own.

    Attributes:
        port: Where it listens.
        accepted: How many connections there have been.
        closing: Set when it closes; for functions that wait.
    """

    def __init__(self, serve: Callable[[socket.socket], None], *, port: int = 0) -> None:
        self._serve = serve
        self._listener = socket.create_server(("127.0.0.1", port))
        self._woken, self._waker = socket.socketpair()
        self._threads: list[threading.Thread] = []
        self._sockets: list[socket.socket] = []
        self._lock = threading.Lock()
        self.closing = threading.Event()
        self.accepted = 0
        self.port: int = self._listener.getsockname()[1]
        self.errors: list[BaseException] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/"

    def __enter__(self) -> RawServer:
        self._start(self._accept)
        return self

    def __exit__(
        self,
        exception_type: Optional[type[BaseException]],
        exception: Optional[BaseException],
        traceback: Optional[TracebackType],
    ) -> None:
        self.closing.set()
        self._waker.close()
        with self._lock:
            sockets = list(self._sockets)
        for connected in sockets:
            with contextlib.suppress(OSError):
                connected.shutdown(socket.SHUT_RDWR)
        for thread in list(self._threads):
            thread.join(TIMEOUT)
        if exception is None and self.errors:
            raise self.errors[0]

    def _start(self, target: Callable[..., None], *arguments: object) -> None:
        thread = threading.Thread(target=target, args=arguments, name="raw-server", daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        with self._listener, self._woken, selectors.DefaultSelector() as selector:
            selector.register(self._listener, selectors.EVENT_READ)
            selector.register(self._woken, selectors.EVENT_READ)
            while True:
                selector.select()
                if self.closing.is_set():
                    return
                connected, _ = self._listener.accept()
                connected.settimeout(TIMEOUT)
                with self._lock:
                    self._sockets.append(connected)
                    self.accepted += 1
                self._start(self._serve_one, connected)

    def _serve_one(self, connected: socket.socket) -> None:
        with connected:
            try:
                self._serve(connected)
            except OSError:
                pass  # the client has gone
            except BaseException as error:  # noqa: BLE001 - raised when it closes
                self.errors.append(error)
            finally:
                with self._lock:
                    self._sockets.remove(connected)


def read_head(connected: socket.socket) -> bytes:
    """Read up to the blank line that ends the head of a request."""
    head = b""
    while b"\r\n\r\n" not in head:
        piece = connected.recv(4096)
        if not piece:
            break
        head += piece
    return head


class FullBacklog:
    """A listener that accepts nobody, with its queue filled: who connects now waits for an answer."""

    def __init__(self) -> None:
        self._listener = socket.socket()
        self._queued: list[socket.socket] = []

    def __enter__(self) -> FullBacklog:
        self._listener.bind(("127.0.0.1", 0))
        self._listener.listen(0)
        self.port: int = self._listener.getsockname()[1]
        for _ in range(16):
            waiting = socket.socket()
            waiting.settimeout(0.1)
            self._queued.append(waiting)
            try:
                waiting.connect(("127.0.0.1", self.port))
            except OSError:
                waiting.close()
                return self
        raise AssertionError("the queue does not fill")

    def __exit__(self, *_: object) -> None:
        for waiting in self._queued:
            waiting.close()
        self._listener.close()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/"

    def wait_until_somebody_connects(self) -> None:
        """Wait until the system shows a connection to here in the state SYN-SENT."""
        target = f"0100007F:{self.port:04X}"
        deadline = time.monotonic() + TIMEOUT
        pause = threading.Event()
        while time.monotonic() < deadline:
            with open("/proc/net/tcp") as table:
                rows = [line.split() for line in table][1:]
            if any(row[2] == target and row[3] == "02" for row in rows):
                return
            pause.wait(0.01)
        raise AssertionError("nobody is connecting")
