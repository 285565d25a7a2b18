"""How one thread ends what another is blocked in: by shutting the socket down.

Closing a socket under a blocked reader is undefined at best. Shutting it down is safe:
connecting, a TLS handshake, waiting for a response and reading a body all end at once.
So other threads only wake the reader, and the reader closes what it opened.

Rules of this file: sockets and a lock; nothing of HTTP.
"""

from __future__ import annotations

import errno
import os
import selectors
import socket
import threading
from typing import Any, Optional

from urllib3 import exceptions as urllib3_errors

_IN_PROGRESS = {errno.EINPROGRESS, errno.EWOULDBLOCK, errno.EAGAIN, errno.EINTR, 10035}  # 10035: Windows


class Interrupter:
    """Watches over the socket of one attempt. `interrupt` is for any thread, the rest for the reading one.

    It keeps a duplicate of the descriptor, because the original changes hands: TLS takes
    the socket's away, http.client closes its own while the response reads on. Shutting
    down works on the connection, whichever descriptor it is asked through.
    """

    def __init__(self) -> None:
        self._lock = threading.RLock()  # its own thread may come again: a signal handler that interrupts it
        # Guarded by the lock:
        self._handle: Optional[socket.socket] = None
        self._interrupted = False
        self._process = os.getpid()
        # For the reading thread:
        self._watched: Any = None

    def watch(self, sock: Any) -> None:
        """Watch this socket from now on, instead of any other.

        Raises:
            ConnectionAbortedError: There has been an interrupt.
        """
        if sock is self._watched:
            return
        handle = socket.socket(fileno=socket.dup(sock.fileno()))
        with self._lock:
            old, self._handle = self._handle, handle
            self._watched = sock
            interrupted = self._interrupted
        if old is not None:
            old.close()
        if interrupted:
            raise ConnectionAbortedError(errno.ECONNABORTED, "interrupted")

    def connect(self, sock: socket.socket, address: Any, timeout: Optional[float]) -> None:
        """Connect a new socket, watching it. Leaves the time-out set on it.

        Raises:
            OSError: It could not be connected, in time or at all, or was interrupted.
        """
        self.watch(sock)
        sock.settimeout(0)
        with self._lock:
            # Under the lock: an interrupt finds a socket that is connecting, which can be shut
            # down, or it came before, and then nothing is started.
            if self._interrupted:
                raise ConnectionAbortedError(errno.ECONNABORTED, "interrupted")
            result = sock.connect_ex(address)
        if result in _IN_PROGRESS:
            with selectors.DefaultSelector() as selector:
                selector.register(sock, selectors.EVENT_WRITE)
                if not selector.select(timeout):
                    raise socket.timeout("timed out")
            result = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if result:
            raise OSError(result, os.strerror(result))
        sock.settimeout(timeout)

    def set_timeout(self, seconds: Optional[float]) -> None:
        """Give the watched socket, if there is one, another time-out for each wait."""
        if self._watched is not None:
            try:
                self._watched.settimeout(seconds)
            except OSError:
                pass  # closed, since all of its response has been read: nobody will wait for it

    @property
    def interrupted(self) -> bool:
        """Whether `interrupt` has been called."""
        return self._interrupted

    def interrupt(self) -> None:
        """Shut the watched socket down, and every one that is watched later. Any thread; never blocks or raises."""
        with self._lock:
            self._interrupted = True
            # The child of a fork has the same connection, and it is the parent's.
            if self._handle is not None and self._process == os.getpid():
                try:
                    # Both directions: on Windows, the reading one alone does not wake a reader.
                    self._handle.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass  # not connected any more: nothing waits for it

    def release(self) -> None:
        """Stop watching."""
        with self._lock:
            handle, self._handle = self._handle, None
        self._watched = None
        if handle is not None:
            handle.close()


def connect(connection: Any, interrupter: Interrupter) -> socket.socket:
    """Connect as ``HTTPConnection._new_conn`` does, which shows its socket to nobody until it is connected.

    Raises:
        urllib3.exceptions.NewConnectionError, ConnectTimeoutError: As that does.
    """
    try:
        found = socket.getaddrinfo(connection._dns_host.strip("[]"), connection.port, 0, socket.SOCK_STREAM)
    except (socket.gaierror, UnicodeError) as failure:
        raise urllib3_errors.NameResolutionError(connection.host, connection, failure) from failure  # type: ignore[arg-type]
    last: Exception = OSError("the host name has no address")
    for family, kind, protocol, _, address in found:
        sock = None
        try:
            sock = socket.socket(family, kind, protocol)
            for option in connection.socket_options or ():
                sock.setsockopt(*option)
            if connection.source_address:
                sock.bind(connection.source_address)
            interrupter.connect(sock, address, connection.timeout)
        except OSError as failure:
            if sock is not None:
                sock.close()
            last = failure.with_traceback(None)  # whose frame is this one: a cycle
        else:
            return sock
    if isinstance(last, socket.timeout):
        raise urllib3_errors.ConnectTimeoutError(connection, "timed out") from last
    raise urllib3_errors.NewConnectionError(connection, str(last)) from last
