"""What one response over urllib3 is to its reader: bytes that arrive on time, and errors in our words.

Rules of this file: urllib3's exceptions, and the socket's, end here; they go on only as the
``__cause__`` of ours, without the pools and connections that they hold.
"""

from __future__ import annotations

import http.client
import re
import socket
import ssl
import traceback
from typing import NamedTuple, Optional

import urllib3
from urllib3 import exceptions as urllib3_errors

from sse_client.errors import (
    CertificateRejected,
    ConnectionFailed,
    ConnectionLost,
    EventSourceError,
    ResponseRejected,
    chain_of,
)

from .attempt import Exchange
from .interrupt import Interrupter
from .message import RequestOptions
from .proxies import Proxy
from .raw_response import HeadCutOff
from .verdict import status_text

FOREIGN_ERRORS = (urllib3_errors.HTTPError, http.client.HTTPException, OSError, ValueError)

_READ_SIZE = 64 * 1024
_REFUSED_TUNNEL = r"Tunnel connection failed: (\d{3})"


class Timeouts(NamedTuple):
    """How long to wait, in seconds, None for ever: for a connection, for the head of a response, for each byte."""

    connect: Optional[float]
    response: Optional[float]
    idle: Optional[float]


class Urllib3Exchange(Exchange):
    """An `Exchange` whose responses are urllib3's, whoever sends the requests.

    Args:
        options: What to ask for.
        timeouts: How long to wait.
        interrupter: What knows the socket.
    """

    def __init__(self, options: RequestOptions, timeouts: Timeouts, interrupter: Interrupter) -> None:
        super().__init__(options)
        self._codings = urllib3.HTTPResponse.CONTENT_DECODERS
        self._timeouts = timeouts
        self._interrupter = interrupter
        self._proxy: Optional[Proxy] = None
        self._response: Optional[urllib3.BaseHTTPResponse] = None
        self._idle_parameter = "idle_timeout"  # what the user calls timeouts.idle

    def read(self) -> bytes:
        """See `Connection.read`."""
        assert self._response is not None
        try:
            return self._response.read1(_READ_SIZE, decode_content=True)
        except FOREIGN_ERRORS as error:
            raise ConnectionLost(self._why_lost(error), url=self._url) from lone_cause(error)

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

    def _detour(self) -> str:
        return through(self._proxy)

    def _failure(self, error: Exception) -> EventSourceError:
        return failure_of(error, url=self._url, proxy=self._proxy, timeouts=self._timeouts)

    def _why_lost(self, error: Exception) -> str:
        cause = innermost(error)
        if isinstance(error, urllib3_errors.ReadTimeoutError):
            return timed_out("no byte", self._idle_parameter, self._timeouts.idle, cause)
        if isinstance(error, urllib3_errors.DecodeError):
            return "the stream's content encoding is broken"
        if isinstance(cause, (http.client.IncompleteRead, urllib3_errors.IncompleteRead)):
            return "the stream was cut off in the middle of its framing"
        return f"the connection broke: {_words(cause)}"


def failure_of(error: Exception, *, url: str, proxy: Optional[Proxy], timeouts: Timeouts) -> EventSourceError:
    """Return what urllib3 or the socket raised, before there was a response, in our words.

    Args:
        error: What was raised.
        url: The address, in the form for showing.
        proxy: The proxy that the request went through.
        timeouts: How long it was waited for.
    """
    cause = innermost(error)
    detour = through(proxy)
    if isinstance(cause, (ssl.SSLCertVerificationError, ssl.CertificateError)):
        whose = "proxy" if isinstance(error, urllib3_errors.ProxyError) else "server"
        detail = getattr(cause, "verify_message", "") or str(cause)
        return CertificateRejected(f"the {whose}'s certificate is not valid: {detail}{detour}", url=url)
    refused = re.search(_REFUSED_TUNNEL, str(cause)) if isinstance(cause, OSError) else None
    if refused and proxy is not None:
        status = int(refused[1])
        reason = f"the proxy {proxy.url} answered {status_text(status)}"
        return ResponseRejected(reason, url=url, status=status, headers={})
    return ConnectionFailed(_why_failed(error, cause, proxy, timeouts) + detour, url=url)


def loss_of(error: OSError, *, url: str, idle_timeout: Optional[float]) -> ConnectionLost:
    """Return what a socket that was read raised, in our words."""
    if isinstance(error, socket.timeout):
        reason = timed_out("no byte", "idle_timeout", idle_timeout, error)
        return ConnectionLost(reason, url=url, parameter="idle_timeout")
    return ConnectionLost(f"the connection broke: {_words(error)}", url=url)


def through(proxy: Optional[Proxy]) -> str:
    """Return what to add to the reason of a failure: the proxy, if there was one."""
    return "" if proxy is None else f" through the proxy {proxy.url}"


def _why_failed(error: Exception, cause: BaseException, proxy: Optional[Proxy], timeouts: Timeouts) -> str:
    if isinstance(error, urllib3_errors.ProxyError):
        if _is_timeout(error.original_error):
            return timed_out("no connection to the proxy", "connect_timeout", timeouts.connect, cause)
        return f"the proxy cannot be reached ({_words(cause)}): no connection"
    if isinstance(error, urllib3_errors.NameResolutionError):
        return "the host name could not be resolved"
    if isinstance(error, urllib3_errors.NewConnectionError):
        return f"no connection: {_words(cause)}"
    if isinstance(error, urllib3_errors.ConnectTimeoutError):
        return timed_out("no connection", "connect_timeout", timeouts.connect, cause)
    if isinstance(error, urllib3_errors.ReadTimeoutError):
        in_tunnel = proxy is not None and str(error.url) == proxy.url
        if in_tunnel:
            return timed_out("no response", "connect_timeout", timeouts.connect, cause)
        return timed_out("no response", "response_timeout", timeouts.response, cause)
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


def timed_out(what: str, parameter: str, limit: Optional[float], cause: BaseException) -> str:
    """Return what did not come, and which argument sets for how long it was waited for."""
    # A time-out with an error number is the system's: its keep-alive probes, its own limit on connecting.
    if limit is None or getattr(cause, "errno", None):
        return f"{what}: {_words(cause)}"
    return f"{what} within {parameter}={limit:g} s"


def _is_timeout(error: Exception) -> bool:
    # A NewConnectionError is a ConnectTimeoutError to urllib3, for reasons of its history.
    is_timeout = isinstance(error, (urllib3_errors.TimeoutError, socket.timeout))
    return is_timeout and not isinstance(error, urllib3_errors.NewConnectionError)


def innermost(error: BaseException) -> BaseException:
    """Return what an error of requests' or urllib3's is about: the one that it was made from, and so on down."""
    inner: Optional[BaseException] = error
    seen: set[int] = set()  # it may be a ring
    while inner is not None and id(inner) not in seen:
        seen.add(id(inner))
        error = inner
        inner = error.__cause__ or next((arg for arg in error.args if isinstance(arg, BaseException)), None)
    return error


def is_of_a_file(error: BaseException) -> bool:
    """Whether urllib3 could not load a certificate file. What a handshake raises comes from deeper down."""
    frames = [frame for frame, _ in traceback.walk_tb(error.__traceback__)]
    return bool(frames) and frames[-1].f_code.co_name == "ssl_wrap_socket"


def without_connections(error: BaseException) -> BaseException:
    """Return one of urllib3's errors without the pools and connections that it, and its causes, keep alive."""
    for link in chain_of(error):
        for name in ("pool", "conn"):
            if name in vars(link):
                vars(link)[name] = None
    return error


def lone_cause(error: BaseException) -> BaseException:
    """Return one of urllib3's errors `without_connections`, and as all that a traceback shows of how it came about.

    It quotes what http.client and the socket said before it. Its `innermost` cannot be asked
    for after this.
    """
    without_connections(error)
    error.__cause__ = None  # the context stays where it was, and is not shown any more
    return error


def _words(error: BaseException) -> str:
    # strerror, since str() of a foreign error may quote what must not be shown.
    return str(getattr(error, "strerror", None) or type(error).__name__).lower()
