"""What http.client, urllib3 and the system raise, as errors of this package.

Every foreign error is turned into an `EventSourceError` here. It stays visible as the
``__cause__``, without the pools and connections that it holds. Its text is quoted only where
the text can hold no secret.

Rules of this file: functions of an error and of what the attempt knows; nothing is sent.
"""

from __future__ import annotations

import http.client
import re
import socket
import ssl
from typing import Callable, NamedTuple, Optional

from urllib3 import exceptions as urllib3_errors
from urllib3.util.ssl_match_hostname import CertificateError

from sse_client.errors import (
    CertificateRejected,
    ConnectionFailed,
    ConnectionLost,
    EventSourceError,
    ResponseRejected,
    chain_of,
)

from .authorities import lacks_issuer
from .coding import CodingError
from .interrupt import Limit, TimedOut
from .proxies import Proxy
from .socket_file import HeadCutOff, NotHTTP
from .verdict import status_text

FOREIGN_ERRORS = (urllib3_errors.HTTPError, http.client.HTTPException, OSError, ValueError)
"""All that a request over urllib3, or reading its response, raises for reasons of the network."""

USERS_ERRORS = (urllib3_errors.HTTPError, http.client.HTTPException, OSError)
"""What a ``url`` or ``headers`` function raises when the server that it asks is down; requests' errors are OSErrors."""

_REFUSED_TUNNEL = re.compile(r"Tunnel connection failed: ([0-9]{3})")

# What OpenSSL calls the faults that have a cause in the URL.
_TLS_HINTS = {
    "WRONG_VERSION_NUMBER": "the server does not speak TLS on this port; the URL may have to begin with http://",
    "HTTP_REQUEST": "the server does not speak TLS on this port; the URL may have to begin with http://",
    "TLSV1_ALERT_NO_APPLICATION_PROTOCOL": "the server does not offer HTTP/1.1, only HTTP/2 it seems",
}


class Timeouts(NamedTuple):
    """How long to wait: for a connection; for each piece of the head of a response; for each piece of its body."""

    connect: Limit
    head: Limit
    body: Limit


class CertificateFileError(Exception):
    """A file of certificates or keys cannot be loaded. Not an `OSError`: another attempt will not help."""


class Circumstances(NamedTuple):
    """What an attempt knows about a request that failed.

    Attributes:
        url: Where it went, in the form for showing.
        timeouts: How long each wait might take.
        proxy: The proxy that it went through.
        authorities: Returns where the trusted certificate authorities come from, for an error.
    """

    url: str
    timeouts: Timeouts
    proxy: Optional[Proxy]
    authorities: Optional[Callable[[], str]] = None

    @property
    def detour(self) -> str:
        """What to add to a reason: which proxy the request went through, if it went through one."""
        return "" if self.proxy is None else f" through the proxy {self.proxy.url}"


def request_failed(error: Exception, when: Circumstances) -> EventSourceError:
    """Return the error for a request to which no response arrived."""
    cause = root_cause(error)
    detail = _certificate_fault(cause)
    if detail is not None:
        whose = "proxy" if isinstance(error, urllib3_errors.ProxyError) else "server"
        reason = f"the {whose}'s certificate is not valid: {detail}{when.detour}"
        if when.authorities is not None and lacks_issuer(cause):
            reason += f"; {when.authorities()}"
        return CertificateRejected(reason, url=when.url)
    refused = _REFUSED_TUNNEL.match(str(cause)) if isinstance(cause, OSError) else None
    if refused and when.proxy is not None:
        status = int(refused[1])
        reason = f"the proxy {when.proxy.url} answered {status_text(status)}"
        return ResponseRejected(reason, url=when.url, status=status, headers={})
    if _is_timeout(error, cause):
        what, limit = _awaited(error, when.timeouts)
        return timed_out(what, cause, limit, when)
    return ConnectionFailed(_why_failed(error, cause) + when.detour, url=when.url)


def interrupted(url: str) -> ConnectionFailed:
    """Return the error for a request that was interrupted."""
    return ConnectionFailed("the attempt was interrupted", url=url)


def timed_out(what: str, cause: BaseException, limit: Limit, when: Circumstances) -> ConnectionFailed:
    """Return the error for a wait before the response that took too long; ``limit`` if the cause names none."""
    # With an error number, the system has raised it: for keep-alive probes, or its own limit on connecting.
    if getattr(cause, "errno", None) or (limit.seconds is None and not isinstance(cause, TimedOut)):
        return ConnectionFailed(f"{what}: {words(cause)}{when.detour}", url=when.url)
    if isinstance(cause, TimedOut):
        limit = Limit(cause.seconds, cause.parameter)
    if not limit.parameter:
        reason = f"the head of the response was not complete {limit.seconds:g} s after its first byte"
        return ConnectionFailed(reason + when.detour, url=when.url)
    reason = f"{what} within {limit.parameter}={limit.seconds:g} s{when.detour}"
    return ConnectionFailed(reason, url=when.url, parameter=limit.parameter)


def reading_failed(error: Exception, url: str, limit: Limit) -> ConnectionLost:
    """Return the error for a body that could not be read on."""
    cause = root_cause(error)
    if isinstance(cause, TimedOut):
        limit = Limit(cause.seconds, cause.parameter)
    if _is_timeout(error, cause) and limit.seconds is not None and not getattr(cause, "errno", None):
        reason = f"no byte within {limit.parameter}={limit.seconds:g} s"
        return ConnectionLost(reason, url=url, parameter=limit.parameter)
    if isinstance(error, urllib3_errors.DecodeError) or isinstance(cause, CodingError):
        return ConnectionLost("the stream's content encoding is broken", url=url)
    if isinstance(cause, (http.client.HTTPException, urllib3_errors.IncompleteRead)):
        return ConnectionLost("the stream was cut off in the middle of its framing", url=url)
    if isinstance(cause, ssl.SSLEOFError):
        return ConnectionLost("the stream was cut off: TLS ended without close_notify", url=url)
    return ConnectionLost(f"the connection broke: {words(cause)}", url=url)


def function_failed(error: Exception) -> ConnectionFailed:
    """Return the error for a ``url`` or ``headers`` function that raised one of `USERS_ERRORS`."""
    return ConnectionFailed(
        f"the function for the URL or the headers failed: {type(error).__name__}: {words(error)}", url=""
    )


def is_stale(error: Exception) -> bool:
    """Whether this is how a kept connection fails that the server had closed meanwhile (RFC 9112, section 9.3.1)."""
    stale = (http.client.RemoteDisconnected, ConnectionResetError, ConnectionAbortedError, BrokenPipeError)
    return isinstance(root_cause(error), stale)


def is_of_a_file(cause: BaseException) -> bool:
    """Whether an error at the end of a chain is about a file on this machine, rather than the network."""
    return isinstance(cause, CertificateFileError) or bool(getattr(cause, "filename", None))


def root_cause(error: BaseException) -> BaseException:
    """Return what a foreign error is about: the one that it was made from, and so on down."""
    inner: Optional[BaseException] = error
    seen: set[int] = set()  # it may be a ring
    while inner is not None and id(inner) not in seen:
        seen.add(id(inner))
        error = inner
        inner = error.__cause__ or next((arg for arg in error.args if isinstance(arg, BaseException)), None)
    return error


def sanitized_cause(error: BaseException) -> BaseException:
    """Return a foreign error without the pools and connections that it, and its causes, keep alive."""
    for link in chain_of(error):
        for name in ("pool", "conn"):
            if name in vars(link):
                vars(link)[name] = None
    return error


def lone_cause(error: BaseException) -> BaseException:
    """Return a `sanitized_cause` as all that a traceback shows of how an error came about.

    It quotes what http.client and the socket said before it. Its `root_cause` cannot be
    asked for after this.
    """
    sanitized_cause(error)
    error.__cause__ = None  # which also keeps tracebacks from showing its context
    return error


def words(error: BaseException) -> str:
    """Return a few words for an error that hold nothing secret: str() of a foreign error may quote anything."""
    return str(getattr(error, "strerror", None) or type(error).__name__).lower()


def _certificate_fault(cause: BaseException) -> Optional[str]:
    """Return what is wrong with a certificate, or None if that is not what the error is about.

    OpenSSL checks certificates, and where it was told not to, urllib3 does by itself: names
    (its CertificateError) and fingerprints (an SSLError of its own, with no other in it).
    """
    if isinstance(cause, ssl.SSLCertVerificationError):
        return str(getattr(cause, "verify_message", "") or cause)
    if isinstance(cause, (CertificateError, urllib3_errors.SSLError)):
        return str(cause)
    return None


def _awaited(error: Exception, timeouts: Timeouts) -> tuple[str, Limit]:
    if isinstance(error, urllib3_errors.ProxyError):
        return "no connection to the proxy", timeouts.connect
    if isinstance(error, urllib3_errors.ReadTimeoutError):
        return "no response", timeouts.head
    return "no connection", timeouts.connect


def _why_failed(error: Exception, cause: BaseException) -> str:
    if isinstance(cause, NotHTTP):
        return str(cause)
    if isinstance(error, urllib3_errors.ProxyError):
        return f"the proxy cannot be reached ({words(cause)}): no connection"
    if isinstance(error, urllib3_errors.NameResolutionError):
        return "the host name could not be resolved"
    if isinstance(error, urllib3_errors.NewConnectionError):
        return f"no connection: {words(cause)}"
    if isinstance(error, urllib3_errors.EmptyPoolError):
        return "no connection: all connections of the pool are in use"
    if isinstance(cause, http.client.RemoteDisconnected):
        return "the server closed the connection without a response"
    if isinstance(cause, HeadCutOff):
        return "the server broke off in the middle of its answer"
    if isinstance(cause, http.client.HTTPException):
        return f"the response is garbled ({type(cause).__name__})"
    if isinstance(cause, ssl.SSLError):
        return f"the TLS handshake failed: {_TLS_HINTS.get(getattr(cause, 'reason', ''), words(cause))}"
    return f"no response: {words(cause)}"


def _is_timeout(error: Exception, cause: BaseException) -> bool:
    if isinstance(cause, TimedOut):
        return True
    if isinstance(error, urllib3_errors.ProxyError):
        error = error.original_error
    elif not isinstance(error, urllib3_errors.HTTPError):
        return False  # raised by code of the application
    # A NewConnectionError is a time-out to urllib3, for reasons of its history.
    is_timeout = isinstance(error, (urllib3_errors.TimeoutError, socket.timeout))
    return is_timeout and not isinstance(error, urllib3_errors.NewConnectionError)
