"""The negotiation with a SOCKS proxy: PySocks', over a connection made beforehand, with waits that can be interrupted.

Imported only where a SOCKS proxy is used: PySocks is an optional package.
"""

from __future__ import annotations

import selectors
import socket
from collections.abc import Mapping
from typing import Any

import socks as pysocks  # type: ignore[import-untyped]

from .interrupt import Deadline, Interrupter


class _Interruptible(socket.socket):
    """The base of PySocks' socket. It is connected already, and waits before each read.

    PySocks makes the socket blocking while it talks, so a read that finds nothing would not return.
    """

    interrupter: Interrupter
    deadline: Deadline

    def connect(self, address: Any) -> None:
        """Do nothing: the connection to the proxy has been made."""

    def recv_into(self, buffer: Any, nbytes: int = 0, flags: int = 0) -> int:
        # What a file made of the socket reads with.
        self.interrupter.wait(self, selectors.EVENT_READ, self.deadline)
        return socket.socket.recv_into(self, buffer, nbytes, flags)


class _ProxySocket(pysocks.socksocket, _Interruptible):  # type: ignore[misc]
    """PySocks' socket, with `_Interruptible` in place of the plain one."""


def negotiate(
    sock: socket.socket,
    options: Mapping[str, Any],
    destination: tuple[str, int],
    interrupter: Interrupter,
    deadline: Deadline,
) -> socket.socket:
    """Ask the proxy at the other end of ``sock`` for a connection to the destination; return its socket. Blocks.

    Closes the socket if that fails.

    Raises:
        OSError: As PySocks raises: the proxy refused, or the connection broke.
        Interrupted: There has been an interrupt.
        TimedOut: The deadline has passed.
    """
    timeout = sock.gettimeout()
    proxied = _ProxySocket(sock.family, sock.type, sock.proto, fileno=sock.detach())
    try:
        proxied.interrupter, proxied.deadline = interrupter, deadline
        interrupter.watch(proxied)
        proxied.set_proxy(
            options["socks_version"],
            options["proxy_host"],
            int(options["proxy_port"]),
            options["rdns"],
            options["username"],
            options["password"],
        )
        proxied.connect(destination)
        # From here on a plain socket will do: PySocks' own has overridden send(), recv() and more.
        connected = socket.socket(proxied.family, proxied.type, proxied.proto, fileno=proxied.detach())
    except BaseException:
        proxied.close()
        raise
    connected.settimeout(timeout)
    return connected
