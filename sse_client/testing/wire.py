"""The server's end of one TCP connection.

The thread of the connection reads, writes and closes; other threads only wake it.
"""

from __future__ import annotations

import contextlib
import socket
import ssl
import struct
from typing import Optional

__all__ = ["ExchangeEnded", "Wire"]


class ExchangeEnded(Exception):
    """The client has gone, or the server is closing. Raised inside handlers, which may let it pass."""


class Wire:
    """The server's end of one TCP connection, with TLS or without.

    Attributes:
        number: Which of the server's connections this is, from 1 on.
    """

    number: int

    def __init__(self, connected: socket.socket, number: int, ssl_context: Optional[ssl.SSLContext]) -> None:
        self.number = number
        connected.setblocking(True)
        connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if ssl_context is not None:
            # No handshake here: this is still the thread that accepts.
            connected = ssl_context.wrap_socket(connected, server_side=True, do_handshake_on_connect=False)
        self._socket = connected
        self._reader = connected.makefile("rb")

    def handshake(self) -> None:
        """Do the handshake of TLS, if this is TLS. Blocks. Raises ExchangeEnded if it fails."""
        if isinstance(self._socket, ssl.SSLSocket):
            try:
                self._socket.do_handshake()
            except (OSError, ValueError) as error:
                raise ExchangeEnded("the TLS handshake failed") from error

    def read_line(self) -> bytes:
        """Return the next line without its line end. Blocks. Raises ExchangeEnded at the end of the bytes."""
        try:
            line = self._reader.readline()
        except (OSError, ValueError) as error:
            raise ExchangeEnded("the client has gone") from error
        if not line.endswith(b"\n"):
            raise ExchangeEnded("the client has gone")
        return line.rstrip(b"\r\n")

    def read(self, size: int) -> bytes:
        """Return exactly ``size`` bytes. Blocks. Raises ExchangeEnded if they do not come."""
        try:
            data = self._reader.read(size)
        except (OSError, ValueError) as error:
            raise ExchangeEnded("the client has gone") from error
        if len(data) < size:
            raise ExchangeEnded("the client has gone")
        return data

    def write(self, data: bytes) -> None:
        """Send all of ``data``. Blocks while the client does not read. Raises ExchangeEnded if it has gone."""
        try:
            self._socket.sendall(data)
        except (OSError, ValueError) as error:
            raise ExchangeEnded("the client has gone") from error

    def wait_for_end(self) -> None:
        """Wait until the client ends the connection, whatever it sends before. Blocks; does not raise."""
        with contextlib.suppress(OSError, ValueError):
            while self._socket.recv(4096):
                pass

    def wake(self) -> None:
        """Make whatever the connection's thread waits for end at once. Any thread may call it; never raises."""
        with contextlib.suppress(OSError):
            # The plain socket's own: that of SSLSocket pulls the TLS state from under its reader.
            socket.socket.shutdown(self._socket, socket.SHUT_RDWR)

    def close(self, *, farewell: bool = False, reset: bool = False) -> None:
        """End the connection; never raises, and may be called again.

        Args:
            farewell: Say so in TLS too, as a server does that has said all.
            reset: With a TCP reset instead of the usual end.
        """
        with contextlib.suppress(OSError, ValueError):
            if reset:
                self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            elif farewell and isinstance(self._socket, ssl.SSLSocket):
                self._socket.settimeout(0)  # the client's own farewell is not waited for
                self._socket.unwrap()
        if not reset:
            self.wake()
        with contextlib.suppress(OSError):
            self._reader.close()
        self._socket.close()
