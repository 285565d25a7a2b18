"""Connections over urllib3: one checked HTTP response as bytes that arrive on time.

Rules of this file: urllib3's exceptions, and the socket's, end here; they go on only as
the ``__cause__`` of ours.
"""

from __future__ import annotations

import http.client
import re
import socket
import ssl
from typing import NamedTuple, Optional

import urllib3
from urllib3 import PoolManager as PoolManager  # noqa: PLC0414 - exported, for the annotations of others
from urllib3 import exceptions as urllib3_errors

from .connector import Connector
from .cookies import Cookies
from .errors import CertificateRejected, ConnectionFailed, ConnectionLost, EventSourceError, ResponseRejected
from .exchange import Answer, Exchange
from .heads import HeadCutOff
from .http_request import Request, RequestOptions
from .http_response import joined_headers, status_text
from .interrupt import Interrupter
from .pools import CurrentAttempt, make_pool
from .proxies import Proxy, check_proxy, environment_proxy

__all__: list[str] = []

_READ_SIZE = 64 * 1024
_FOREIGN_ERRORS = (urllib3_errors.HTTPError, http.client.HTTPException, OSError, ValueError)
_REFUSED_TUNNEL = re.compile(r"Tunnel connection failed: (\d{3})")


class Timeouts(NamedTuple):
    """How long to wait, in seconds, None for ever: for a connection, for the head of a response, for each byte."""

    connect: Optional[float]
    response: Optional[float]
    idle: Optional[float]


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
            for key in manager.pools.keys():
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
        # The time-out of a response cannot be changed in every state of it, so one serves for both waits.
        timeouts = timeouts._replace(response=timeouts.idle)
        super().__init__(options, timeouts, proxy=None, trust_env=False, ssl_context=None)
        self._pool = pool

    def connection(self) -> Urllib3Connection:
        """See `Connector.connection`."""
        return PoolConnection(self._options, self._timeouts, self._cookies, Interrupter(), self)

    def pool_for(self, proxy: Optional[Proxy]) -> PoolManager:  # noqa: ARG002 - the pool knows its own proxy
        """Return the application's pool."""
        return self._pool


class Urllib3Connection(Exchange):
    """One attempt over urllib3; see `Connection` and `Exchange` for what each method promises."""

    def __init__(
        self,
        options: RequestOptions,
        timeouts: Timeouts,
        cookies: Cookies,
        interrupter: Interrupter,
        connector: Urllib3Connector,
    ) -> None:
        super().__init__(options)
        self._timeouts = timeouts
        self._cookies = cookies
        self._interrupter = interrupter
        self._connector = connector
        self._proxy: Optional[Proxy] = None
        self._response: Optional[urllib3.BaseHTTPResponse] = None

    def _send(self, request: Request) -> Answer:
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
            self._opened(response)
        except _FOREIGN_ERRORS as error:
            raise self._failure(error) from _without_connections(error)
        self._cookies.store(request.url, response.headers.items())
        return Answer(response.status, joined_headers(response.headers.items()))

    def _opened(self, response: urllib3.BaseHTTPResponse) -> None:  # noqa: ARG002 - for subclasses
        self._interrupter.set_timeout(self._timeouts.idle)

    def read(self) -> bytes:
        """See `Connection.read`."""
        assert self._response is not None
        try:
            return self._response.read1(_READ_SIZE, decode_content=True)
        except _FOREIGN_ERRORS as error:
            raise ConnectionLost(self._why_lost(error), url=self._url) from _without_connections(error)

    def _limit_waiting(self, seconds: float) -> None:
        self._interrupter.set_timeout(seconds)

    def _discard(self) -> None:
        if self._response is not None:
            self._response.close()
            self._response.release_conn()  # closed as it is: a pool of the application's may count its connections
            self._response = None

    def interrupt(self) -> None:
        """See `Connection.interrupt`."""
        self._interrupter.interrupt()

    def release(self) -> None:
        """See `Connection.release`. A response that was read to its end has gone back to the pool by itself."""
        self._discard()
        self._interrupter.release()

    def _failure(self, error: Exception) -> EventSourceError:
        cause = _innermost(error)
        through = "" if self._proxy is None else f" through the proxy {self._proxy.url}"
        if isinstance(cause, (ssl.SSLCertVerificationError, ssl.CertificateError)):
            whose = "proxy" if isinstance(error, urllib3_errors.ProxyError) else "server"
            detail = getattr(cause, "verify_message", "") or str(cause)
            return CertificateRejected(f"the {whose}'s certificate is not valid: {detail}{through}", url=self._url)
        refused = _REFUSED_TUNNEL.search(str(cause)) if isinstance(cause, OSError) else None
        if refused and self._proxy is not None:
            status = int(refused[1])
            reason = f"the proxy {self._proxy.url} answered {status_text(status)}"
            return ResponseRejected(reason, url=self._url, status=status, headers={})
        return ConnectionFailed(self._why_failed(error, cause) + through, url=self._url)

    def _why_failed(self, error: Exception, cause: BaseException) -> str:
        if isinstance(error, urllib3_errors.ProxyError):
            if _is_timeout(error.original_error):
                return _timed_out("no connection to the proxy", self._timeouts.connect, cause)
            return f"the proxy cannot be reached ({_words(cause)}): no connection"
        if isinstance(error, urllib3_errors.NameResolutionError):
            return "the host name could not be resolved"
        if isinstance(error, urllib3_errors.NewConnectionError):
            return f"no connection: {_words(cause)}"
        if isinstance(error, urllib3_errors.ConnectTimeoutError):
            return _timed_out("no connection", self._timeouts.connect, cause)
        if isinstance(error, urllib3_errors.ReadTimeoutError):
            in_tunnel = self._proxy is not None and str(error.url) == self._proxy.url
            limit = self._timeouts.connect if in_tunnel else self._timeouts.response
            return _timed_out("no response", limit, cause)
        if isinstance(error, urllib3_errors.EmptyPoolError):
            return "no connection: all of the pool's are in use"
        if isinstance(cause, http.client.RemoteDisconnected):
            return "the server closed the connection without a response"
        if isinstance(cause, HeadCutOff):
            return "the server broke off in the middle of its answer"
        if isinstance(cause, http.client.HTTPException):
            return f"the response is garbled ({type(cause).__name__})"
        if isinstance(cause, ssl.SSLError):
            return f"the TLS handshake failed: {_words(cause)}"
        return f"no response: {_words(cause)}"

    def _why_lost(self, error: Exception) -> str:
        cause = _innermost(error)
        if isinstance(error, urllib3_errors.ReadTimeoutError):
            return _timed_out("no byte", self._timeouts.idle, cause)
        if isinstance(error, urllib3_errors.DecodeError):
            return "the stream's content encoding is broken"
        if isinstance(cause, (http.client.IncompleteRead, urllib3_errors.IncompleteRead)):
            return "the stream was cut off in the middle of its framing"
        return f"the connection broke: {_words(cause)}"


class PoolConnection(Urllib3Connection):
    """One attempt over the application's pool. Its socket is not known before there is a response."""

    def _opened(self, response: urllib3.BaseHTTPResponse) -> None:
        sock = getattr(response.connection, "sock", None)
        if sock is not None:
            self._interrupter.watch(sock)
            super()._opened(response)
        elif self._interrupter.interrupted:
            raise ConnectionAbortedError("interrupted")

    def interrupt(self) -> None:
        """See `Connection.interrupt`. Before there is a response, it takes effect when one arrives or time is up."""
        super().interrupt()
        response = self._response
        if response is not None:
            try:
                response.shutdown()
            except (OSError, RuntimeError, ValueError):
                pass  # released or closed meanwhile


def _timed_out(what: str, limit: Optional[float], cause: BaseException) -> str:
    # A time-out with an error number is the system's: its keep-alive probes, its own limit on connecting.
    if limit is None or getattr(cause, "errno", None):
        return f"{what}: {_words(cause)}"
    return f"{what} within {limit:g} s"


def _is_timeout(error: Exception) -> bool:
    # A NewConnectionError is a ConnectTimeoutError to urllib3, for reasons of its history.
    is_timeout = isinstance(error, (urllib3_errors.TimeoutError, socket.timeout))
    return is_timeout and not isinstance(error, urllib3_errors.NewConnectionError)


def _innermost(error: BaseException) -> BaseException:
    while True:
        inner = error.__cause__ or next((arg for arg in error.args if isinstance(arg, BaseException)), None)
        if inner is None:
            return error
        error = inner


def _without_connections(error: BaseException) -> BaseException:
    """Return one of urllib3's errors without the pools and connections that it, and its causes, keep alive."""
    link: Optional[BaseException] = error
    while link is not None:
        for name in ("pool", "conn"):
            if name in vars(link):
                vars(link)[name] = None
        link = link.__cause__ or link.__context__
    return error


def _words(error: BaseException) -> str:
    # strerror, since str() of a foreign error may quote what must not be shown.
    return str(getattr(error, "strerror", None) or type(error).__name__).lower()


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
