"""Connections over urllib3: which pool a request goes through, and the request itself."""

from __future__ import annotations

import socket
import ssl
from functools import partial
from typing import Any, Optional

import urllib3
from urllib3 import PoolManager as PoolManager  # noqa: PLC0414 - exported, for the annotations of others
from urllib3 import connection as urllib3_connection
from urllib3 import exceptions as urllib3_errors

from sse_client.connector import Connector
from sse_client.errors import ConnectionFailed

from .attempt import Answer
from .cookies import Cookies
from .failures import FOREIGN_ERRORS, Timeouts, Urllib3Exchange, innermost, is_of_a_file, without_connections
from .headers import Headers, response_headers
from .interrupt import Interrupter, connect
from .message import Request, RequestOptions
from .proxies import Proxy, check_proxy, environment_proxy
from .raw_response import DrainingResponse
from .url import Url
from .watched import Interrupted, manager_twin


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


class Urllib3Connector(Connector):
    """Connections of this package's own urllib3 pools. An `EventSource` makes one from a URL by itself.

    Args:
        options: What to ask for.
        timeouts: How long to wait.
        proxy: The proxy for all requests, or None.
        trust_env: Whether, without a proxy, to use those that the environment names.
        ssl_context: What to check certificates with, or None for urllib3's default.
    """

    def __init__(
        self,
        options: RequestOptions,
        timeouts: Timeouts,
        *,
        proxy: Optional[Proxy],
        trust_env: bool,
        ssl_context: Optional[ssl.SSLContext],
    ) -> None:
        self.is_repeatable = options.is_repeatable
        self.url = options.shown_url
        self._options = options
        self._timeouts = timeouts
        self._proxy = proxy
        self._trust_env = trust_env
        self._ssl_context = ssl_context
        self._cookies = Cookies()
        self._attempt = CurrentAttempt()
        self._pools: dict[Optional[Proxy], PoolManager] = {}

    def connection(self) -> Urllib3Connection:
        """See `Connector.connection`."""
        self._attempt.interrupter = Interrupter()
        return Urllib3Connection(self._options, self._timeouts, self._cookies, self._attempt.interrupter, self)

    def close(self) -> None:
        """See `Connector.close`."""
        for manager in list(self._pools.values()):
            for key in manager.pools.keys():  # noqa: SIM118 - not a dict: iterating over it is refused
                pool = manager.pools.get(key)
                if pool is not None:
                    pool.close()
            manager.clear()

    def proxy_for(self, url: Url) -> Optional[Proxy]:
        """Return the proxy for a request to this URL. Raises ValueError if the environment names none that is one."""
        return self._proxy or (environment_proxy(url) if self._trust_env else None)

    def pool_for(self, proxy: Optional[Proxy]) -> PoolManager:
        """Return the pool of the connections that go through this proxy. Raises ImportError as `make_pool` does."""
        if proxy not in self._pools:
            self._pools[proxy] = make_pool(self._attempt, proxy=proxy, ssl_context=self._ssl_context)
        return self._pools[proxy]


class PoolConnector(Urllib3Connector):
    """Connections of a pool that the application already has, and keeps."""

    def __init__(self, options: RequestOptions, timeouts: Timeouts, pool: PoolManager) -> None:
        super().__init__(options, timeouts, proxy=None, trust_env=False, ssl_context=None)
        self._pool = pool

    def pool_for(self, proxy: Optional[Proxy]) -> PoolManager:  # noqa: ARG002 - the pool knows its own proxy
        """Return the application's pool, made to show its connections to the current attempt."""
        twin: PoolManager = manager_twin(self._pool, self._attempt.interrupter)
        return twin


class Urllib3Connection(Urllib3Exchange):
    """One attempt over urllib3; see `Connection` and `Exchange` for what each method promises."""

    def __init__(
        self,
        options: RequestOptions,
        timeouts: Timeouts,
        cookies: Cookies,
        interrupter: Interrupter,
        connector: Urllib3Connector,
    ) -> None:
        super().__init__(options, timeouts, interrupter)
        self._cookies = cookies
        self._connector = connector

    def _send(self, request: Request) -> Answer:
        self._proxy = self._connector.proxy_for(request.url)
        pool = self._connector.pool_for(self._proxy)
        headers = request.headers()
        cookie = self._cookies.header(request.url)
        if cookie:
            headers = Headers({"Cookie": cookie}) | headers
        try:
            self._response = response = pool.urlopen(
                request.method,
                request.url.address,
                body=request.body,
                headers=dict(headers),
                pool_timeout=self._timeouts.connect,
                timeout=urllib3.Timeout(connect=self._timeouts.connect, read=self._timeouts.response),
                retries=False,
                redirect=False,
                preload_content=False,
            )
            self._interrupter.set_timeout(self._timeouts.idle)
        except Interrupted:
            raise ConnectionFailed("the attempt was interrupted", url=self._url) from None
        except FOREIGN_ERRORS as error:
            cause = innermost(error)
            if is_of_a_file(cause):
                raise OSError(f"a certificate file of the pool's cannot be loaded: {cause}") from None
            raise self._failure(error) from without_connections(error)
        self._cookies.store(request.url, response.headers.items())
        return Answer(response.status, response_headers(response.headers.items()))


def make_connector(
    options: RequestOptions,
    *,
    connect_timeout: Optional[float],
    response_timeout: Optional[float],
    idle_timeout: Optional[float],
    proxy: Optional[str],
    trust_env: bool,
    ssl_context: Optional[ssl.SSLContext],
    pool: Optional[PoolManager],
) -> Connector:
    """Return the connector for the arguments of an `EventSource`.

    Raises:
        TypeError, ValueError: An argument is wrong; the message names it.
        ImportError: The proxy speaks SOCKS, and the package for that is not installed.
    """
    if ssl_context is not None and not isinstance(ssl_context, ssl.SSLContext):
        raise TypeError(f"ssl_context must be an ssl.SSLContext or None, not {type(ssl_context).__name__}")
    timeouts = Timeouts(connect_timeout, response_timeout, idle_timeout)
    if pool is not None:
        if not isinstance(pool, PoolManager):
            raise TypeError(f"pool must be a urllib3.PoolManager or None, not {type(pool).__name__}")
        if proxy is not None or ssl_context is not None:
            raise TypeError("proxy and ssl_context cannot be given along with a pool, which has its own")
        return PoolConnector(options, timeouts, pool)
    checked_proxy = check_proxy(proxy)
    connector = Urllib3Connector(options, timeouts, proxy=checked_proxy, trust_env=trust_env, ssl_context=ssl_context)
    if checked_proxy is not None:
        connector.pool_for(checked_proxy)  # a missing package is said now
    return connector
