"""urllib3 pools whose sockets an `Interrupter` knows, straight, through a proxy, or over the user's own pool.

Rules of this file: it makes pools and the connection classes in them; requests are sent
elsewhere.
"""

from __future__ import annotations

import socket
import ssl
from functools import partial
from typing import Any, Optional

import urllib3
from urllib3 import connection as urllib3_connection
from urllib3 import exceptions as urllib3_errors

from .chunked import DrainingResponse
from .interrupt import Interrupter
from .proxies import Proxy

__all__: list[str] = []


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


class CurrentAttempt:
    """The one thing that a pool, its connections and their connector share: who watches now."""

    interrupter = Interrupter()


class _Watched(urllib3_connection.HTTPConnection):
    """A connection whose socket the attempt's `Interrupter` knows whenever it is waited for."""

    response_class = DrainingResponse

    def __init__(self, *args: Any, attempt: CurrentAttempt, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._attempt = attempt

    def request(self, *args: Any, **kwargs: Any) -> None:
        if self.sock is not None:  # one that was kept from an earlier attempt, or has just done its handshake
            self._attempt.interrupter.watch(self.sock)
        super().request(*args, **kwargs)

    def getresponse(self) -> Any:
        self._attempt.interrupter.watch(self.sock)
        return super().getresponse()


class _WatchedHTTPConnection(_Watched):
    """Known to the `Interrupter` from before it connects."""

    def _new_conn(self) -> socket.socket:
        return connect(self, self._attempt.interrupter)


class _WatchedHTTPSConnection(_WatchedHTTPConnection, urllib3_connection.HTTPSConnection):
    pass


class _HTTPPool(urllib3.HTTPConnectionPool):
    ConnectionCls: Any = _WatchedHTTPConnection


class _HTTPSPool(urllib3.HTTPSConnectionPool):
    ConnectionCls: Any = _WatchedHTTPSConnection


def make_pool(
    attempt: CurrentAttempt, *, proxy: Optional[Proxy], ssl_context: Optional[ssl.SSLContext]
) -> urllib3.PoolManager:
    """Return a pool for one source, which has one connection at a time and keeps one to use again.

    Raises:
        ImportError: The proxy speaks SOCKS, and the package for that is not installed.
    """
    settings: dict[str, Any] = {"num_pools": 4, "maxsize": 1, "socket_options": _socket_options()}
    if ssl_context is not None:
        settings["ssl_context"] = ssl_context
    classes: dict[str, Any] = {"http": _HTTPPool, "https": _HTTPSPool}
    manager: urllib3.PoolManager
    if proxy is None:
        manager = urllib3.PoolManager(**settings)
    elif proxy.is_socks:
        manager, classes = _socks(proxy, settings)
    else:
        headers = {"Proxy-Authorization": proxy.authorization} if proxy.authorization else None
        if ssl_context is not None and proxy.url.startswith("https"):
            settings["proxy_ssl_context"] = ssl_context
        manager = urllib3.ProxyManager(proxy.url, proxy_headers=headers, **settings)
    watched: dict[str, Any] = {scheme: partial(pool, attempt=attempt) for scheme, pool in classes.items()}
    manager.pool_classes_by_scheme = watched
    return manager


def _socks(proxy: Proxy, settings: dict[str, Any]) -> tuple[urllib3.PoolManager, dict[str, Any]]:
    try:
        import socks as pysocks  # type: ignore[import-untyped] # noqa: PLC0415 - an optional extra
        from urllib3.contrib import socks  # noqa: PLC0415 - an optional extra
    except ImportError as error:
        raise ImportError("a SOCKS proxy needs one package more: pip install PySocks") from error

    class WatchedSOCKSConnection(_Watched, socks.SOCKSConnection):
        """Known to the `Interrupter` while it speaks to the proxy, where urllib3's shows its socket to nobody."""

        def _new_conn(self) -> Any:
            given: Any = self._socks_options
            address = (given["proxy_host"], int(given["proxy_port"]))
            sock = None
            try:
                family = socket.getaddrinfo(*address, 0, socket.SOCK_STREAM)[0][0]
                sock = pysocks.socksocket(family)
                sock.set_proxy(given["socks_version"], *address, given["rdns"], given["username"], given["password"])
                for option in self.socket_options or ():
                    sock.setsockopt(*option)
                sock.settimeout(self.timeout)
                self._attempt.interrupter.watch(sock)
                sock.connect((self.host, self.port))
            except OSError as failure:
                if sock is not None:
                    sock.close()
                # What PySocks raises is an OSError, and has another that says more.
                cause = getattr(failure, "socket_err", None) or failure
                if isinstance(cause, socket.timeout):
                    raise urllib3_errors.ConnectTimeoutError(self, "timed out") from cause
                raise urllib3_errors.NewConnectionError(self, str(failure)) from cause
            return sock

    class WatchedSOCKSHTTPSConnection(WatchedSOCKSConnection, socks.SOCKSHTTPSConnection):
        pass

    class SOCKSPool(socks.SOCKSHTTPConnectionPool):
        ConnectionCls: Any = WatchedSOCKSConnection

    class SOCKSHTTPSPool(socks.SOCKSHTTPSConnectionPool):
        ConnectionCls: Any = WatchedSOCKSHTTPSConnection

    manager = socks.SOCKSProxyManager(proxy.url, username=proxy.user, password=proxy.password, **settings)
    return manager, {"http": SOCKSPool, "https": SOCKSHTTPSPool}


def _socket_options() -> list[tuple[int, int, int]]:
    """Return urllib3's options and TCP keep-alive: a dead peer is noticed after two minutes, if the platform can."""
    defaults: Any = urllib3_connection.HTTPConnection.default_socket_options
    options: list[Any] = [*defaults]
    options.append((socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1))
    for name, value in (("TCP_KEEPIDLE", 60), ("TCP_KEEPINTVL", 15), ("TCP_KEEPCNT", 4)):
        if hasattr(socket, name):
            options.append((socket.IPPROTO_TCP, getattr(socket, name), value))
    return options
