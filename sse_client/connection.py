"""Connections over urllib3: one checked HTTP response as bytes that arrive on time.

Rules of this file: urllib3's exceptions, and the socket's, end here; they go on only as
the ``__cause__`` of ours.
"""

from __future__ import annotations

import http.client
import socket
import ssl
from functools import partial
from typing import Any, Optional

import urllib3
from urllib3 import connection as urllib3_connection
from urllib3 import exceptions as urllib3_errors

from .chunked import DrainingResponse
from .connector import Connector
from .errors import CertificateRejected, ConnectionFailed, ConnectionLost, EventSourceError
from .exchange import Answer, Exchange
from .http_request import Request, RequestOptions
from .http_response import joined_headers
from .interrupt import Interrupter

__all__: list[str] = []

_READ_SIZE = 64 * 1024
_FOREIGN_ERRORS = (urllib3_errors.HTTPError, http.client.HTTPException, OSError, ValueError)


class _Attempt:
    """The one thing that a pool, its connections and their connector share: who watches now."""

    interrupter = Interrupter()


class _WatchedHTTPConnection(urllib3_connection.HTTPConnection):
    """A connection whose socket the attempt's `Interrupter` knows, from before it connects."""

    response_class = DrainingResponse

    def __init__(self, *args: Any, attempt: _Attempt, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._attempt = attempt

    def _new_conn(self) -> socket.socket:
        # urllib3's own shows the socket to nobody until it is connected.
        try:
            found = socket.getaddrinfo(self._dns_host.strip("[]"), self.port, 0, socket.SOCK_STREAM)
        except (socket.gaierror, UnicodeError) as failure:
            raise urllib3_errors.NameResolutionError(self.host, self, failure) from failure  # type: ignore[arg-type]
        failures = []
        for family, kind, protocol, _, address in found:
            sock = socket.socket(family, kind, protocol)
            try:
                for option in self.socket_options or ():
                    sock.setsockopt(*option)
                if self.source_address:
                    sock.bind(self.source_address)
                self._attempt.interrupter.connect(sock, address, self.timeout)
            except OSError as failure:
                sock.close()
                failures.append(failure)
            else:
                return sock
        last = failures[-1]
        if isinstance(last, socket.timeout):
            raise urllib3_errors.ConnectTimeoutError(self, "timed out") from last
        raise urllib3_errors.NewConnectionError(self, str(last)) from last

    def request(self, *args: Any, **kwargs: Any) -> None:
        if self.sock is not None:  # one that was kept from an earlier attempt, or has just done its handshake
            self._attempt.interrupter.watch(self.sock)
        super().request(*args, **kwargs)

    def getresponse(self) -> Any:
        self._attempt.interrupter.watch(self.sock)
        return super().getresponse()


class _WatchedHTTPSConnection(_WatchedHTTPConnection, urllib3_connection.HTTPSConnection):
    pass


class _HTTPPool(urllib3.HTTPConnectionPool):
    ConnectionCls: Any = _WatchedHTTPConnection


class _HTTPSPool(urllib3.HTTPSConnectionPool):
    ConnectionCls: Any = _WatchedHTTPSConnection


class Urllib3Connector(Connector):
    """Connections of this package's own urllib3 pool. An `EventSource` makes one from a URL by itself.

    Args:
        options: What to ask for.
        connect_timeout: Seconds to wait for a connection, for each address of the host.
        response_timeout: Seconds to wait, after the request, for each piece of the response's head.
        idle_timeout: Seconds without a single byte after which a stream is given up.
    """

    def __init__(
        self,
        options: RequestOptions,
        *,
        connect_timeout: Optional[float],
        response_timeout: Optional[float],
        idle_timeout: Optional[float],
    ) -> None:
        self._options = options
        self._timeouts = (connect_timeout, response_timeout, idle_timeout)
        self._attempt = _Attempt()
        # One source has one connection at a time, so the pool keeps one to use again.
        self._pool = urllib3.PoolManager(num_pools=2, maxsize=1, socket_options=_socket_options())
        pools: dict[str, Any] = {
            "http": partial(_HTTPPool, attempt=self._attempt),
            "https": partial(_HTTPSPool, attempt=self._attempt),
        }
        self._pool.pool_classes_by_scheme = pools

    def connection(self) -> Urllib3Connection:
        """See `Connector.connection`."""
        self._attempt.interrupter = Interrupter()
        return Urllib3Connection(self._options, self._pool, self._attempt.interrupter, *self._timeouts)

    def close(self) -> None:
        """See `Connector.close`."""
        self._pool.clear()


class Urllib3Connection(Exchange):
    """One attempt over urllib3; see `Connection` and `Exchange` for what each method promises."""

    def __init__(
        self,
        options: RequestOptions,
        pool: urllib3.PoolManager,
        interrupter: Interrupter,
        connect_timeout: Optional[float],
        response_timeout: Optional[float],
        idle_timeout: Optional[float],
    ) -> None:
        super().__init__(options)
        self._pool = pool
        self._interrupter = interrupter
        self._connect_timeout = connect_timeout
        self._response_timeout = response_timeout
        self._idle_timeout = idle_timeout
        self._response: Optional[urllib3.BaseHTTPResponse] = None

    def _send(self, request: Request) -> Answer:
        try:
            self._response = response = self._pool.urlopen(
                request.method,
                request.url,
                body=request.body,
                headers=request.headers(),
                timeout=urllib3.Timeout(connect=self._connect_timeout, read=self._response_timeout),
                retries=False,
                redirect=False,
                preload_content=False,
            )
            self._interrupter.set_timeout(self._idle_timeout)
        except _FOREIGN_ERRORS as error:
            raise self._failure(error) from error
        return Answer(response.status, joined_headers(response.headers.items()))

    def read(self) -> bytes:
        """See `Connection.read`."""
        assert self._response is not None
        try:
            return self._response.read1(_READ_SIZE, decode_content=True)
        except _FOREIGN_ERRORS as error:
            raise ConnectionLost(self._why_lost(error), url=self._url) from error

    def _limit_waiting(self, seconds: float) -> None:
        self._interrupter.set_timeout(seconds)

    def _discard(self) -> None:
        if self._response is not None:
            self._response.close()
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
        if isinstance(cause, (ssl.SSLCertVerificationError, ssl.CertificateError)):
            detail = getattr(cause, "verify_message", "") or str(cause)
            return CertificateRejected(f"the server's certificate is not valid: {detail}", url=self._url)
        return ConnectionFailed(self._why_failed(error, cause), url=self._url)

    def _why_failed(self, error: Exception, cause: BaseException) -> str:
        if isinstance(error, urllib3_errors.NameResolutionError):
            return "the host name could not be resolved"
        if isinstance(error, urllib3_errors.ConnectTimeoutError):
            return f"no connection within {self._connect_timeout:g} s"
        if isinstance(error, urllib3_errors.ReadTimeoutError):
            return f"no response within {self._response_timeout:g} s"
        if isinstance(error, urllib3_errors.NewConnectionError):
            return f"no connection: {_words(cause)}"
        if isinstance(cause, http.client.RemoteDisconnected):
            return "the server closed the connection without a response"
        if isinstance(cause, http.client.HTTPException):
            return f"the response is garbled ({type(cause).__name__})"
        if isinstance(cause, ssl.SSLError):
            return f"the TLS handshake failed: {_words(cause)}"
        return f"no response: {_words(cause)}"

    def _why_lost(self, error: Exception) -> str:
        if isinstance(error, urllib3_errors.ReadTimeoutError):
            return f"no byte for {self._idle_timeout:g} s"
        if isinstance(error, urllib3_errors.DecodeError):
            return "the stream's content encoding is broken"
        cause = _innermost(error)
        if isinstance(cause, (http.client.IncompleteRead, urllib3_errors.IncompleteRead)):
            return "the stream was cut off in the middle of its framing"
        return f"the connection broke: {_words(cause)}"


def _innermost(error: BaseException) -> BaseException:
    while True:
        inner = error.__cause__ or next((arg for arg in error.args if isinstance(arg, BaseException)), None)
        if inner is None:
            return error
        error = inner


def _words(error: BaseException) -> str:
    # strerror, since str() of a foreign error may quote what must not be shown.
    return str(getattr(error, "strerror", None) or type(error).__name__).lower()


def _socket_options() -> list[tuple[int, int, int]]:
    """Return urllib3's options and TCP keep-alive: a dead peer is noticed after two minutes, if the platform can."""
    options: list[Any] = [*urllib3_connection.HTTPConnection.default_socket_options]
    options.append((socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1))
    for name, value in (("TCP_KEEPIDLE", 60), ("TCP_KEEPINTVL", 15), ("TCP_KEEPCNT", 4)):
        if hasattr(socket, name):
            options.append((socket.IPPROTO_TCP, getattr(socket, name), value))
    return options
