"""Connections over urllib3: which pool a request goes through, and the request itself."""

from __future__ import annotations

import ssl
from typing import Optional

import urllib3
from urllib3 import PoolManager as PoolManager  # noqa: PLC0414 - exported, for the annotations of others
from urllib3.exceptions import LocationValueError
from urllib3.util import parse_url

from .connector import Connector
from .cookies import Cookies
from .errors import ConnectionFailed
from .exchange import Answer
from .http_request import Request, RequestOptions
from .http_response import joined_headers
from .interrupt import Interrupter
from .pools import CurrentAttempt, make_pool
from .proxies import Proxy, check_proxy, environment_proxy
from .twins import Interrupted, manager_twin
from .urllib3_exchange import FOREIGN_ERRORS, Timeouts, Urllib3Exchange, innermost, is_of_a_file, without_connections

__all__: list[str] = []


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

    def proxy_for(self, url: str) -> Optional[Proxy]:
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
        if not _is_usable(request.url):
            raise ConnectionFailed("the URL's host is not valid", url=self._url)
        self._proxy = self._connector.proxy_for(request.url)
        pool = self._connector.pool_for(self._proxy)
        headers = request.headers()
        cookie = self._cookies.header(request.url)
        if cookie and "cookie" not in {name.lower() for name in headers}:
            headers["Cookie"] = cookie
        try:
            self._response = response = pool.urlopen(
                request.method,
                request.url,
                body=request.body,
                headers=headers,
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
        return Answer(response.status, joined_headers(response.headers.items()))


def _is_usable(url: str) -> bool:
    # Asked beforehand: what urllib3 would raise in the request quotes, before 2.7, all of the URL.
    try:
        parse_url(url)
    except LocationValueError:
        return False
    return True


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
