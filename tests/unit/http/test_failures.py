"""What urllib3, http.client and the system raise, in this package's words; none of theirs that may be secret."""

from __future__ import annotations

import http.client
import socket
import ssl
import traceback
from typing import Any, Optional

import pytest
from urllib3 import exceptions
from urllib3.util.ssl_match_hostname import CertificateError

from sse_client._http.coding import CodingError
from sse_client._http.failures import (
    CertificateFileError,
    Circumstances,
    Timeouts,
    is_of_a_file,
    is_stale,
    lone_cause,
    reading_failed,
    request_failed,
    root_cause,
    sanitized_cause,
)
from sse_client._http.interrupt import Limit, TimedOut
from sse_client._http.proxies import Proxy, check_proxy
from sse_client._http.socket_file import HeadCutOff
from sse_client.errors import CertificateRejected, ConnectionFailed, EventSourceError, ResponseRejected

POOL: Any = None
URL = "http://example.com/"
PROXY = check_proxy("http://user:s3cret@proxy.example:3128")
IDLE = Limit(300.0, "idle_timeout")
TIMEOUTS = Timeouts(Limit(10.0, "connect_timeout"), Limit(60.0, "response_timeout"), IDLE)


def caused(error: Exception, cause: BaseException) -> Exception:
    error.__cause__ = cause
    return error


def failure_of(error: Exception, proxy: Optional[Proxy] = None) -> EventSourceError:
    return request_failed(error, Circumstances(URL, TIMEOUTS, proxy))


def certificate_error(message: str) -> ssl.SSLCertVerificationError:
    error = ssl.SSLCertVerificationError(1, "certificate verify failed")
    error.verify_message = message
    return error


@pytest.mark.parametrize(
    ("error", "reason", "parameter"),
    [
        (
            exceptions.NameResolutionError("h", POOL, socket.gaierror(-2, "s3cret")),
            "the host name could not be resolved",
            None,
        ),
        (
            exceptions.ConnectTimeoutError(POOL, "s3cret"),
            "no connection within connect_timeout=10 s",
            "connect_timeout",
        ),
        (
            exceptions.ReadTimeoutError(POOL, "/?s3cret", "s3cret"),
            "no response within response_timeout=60 s",
            "response_timeout",
        ),
        (
            caused(exceptions.ReadTimeoutError(POOL, "", ""), TimedOut("idle_timeout", 7.0)),
            "no response within idle_timeout=7 s",
            "idle_timeout",
        ),
        (
            caused(exceptions.ReadTimeoutError(POOL, "", ""), TimedOut("", 30.0)),
            "the head of the response was not complete 30 s after its first byte",
            None,
        ),
        (
            caused(exceptions.ReadTimeoutError(POOL, "", ""), TimeoutError(110, "Connection timed out")),
            "no response: connection timed out",
            None,
        ),
        (
            caused(exceptions.NewConnectionError(POOL, "s3cret"), ConnectionRefusedError(111, "Connection refused")),
            "no connection: connection refused",
            None,
        ),
        (exceptions.EmptyPoolError(POOL, "s3cret"), "no connection: all connections of the pool are in use", None),
        (
            exceptions.ProtocolError("Connection aborted.", http.client.RemoteDisconnected("s3cret")),
            "the server closed the connection without a response",
            None,
        ),
        (
            exceptions.ProtocolError("Connection aborted.", HeadCutOff()),
            "the server broke off in the middle of its answer",
            None,
        ),
        (
            exceptions.ProtocolError("Connection aborted.", ConnectionResetError(104, "Reset")),
            "no response: reset",
            None,
        ),
        (http.client.BadStatusLine("s3cret"), "the response is garbled (BadStatusLine)", None),
        (exceptions.SSLError(ssl.SSLError(1, "Wrong version")), "the TLS handshake failed: wrong version", None),
        (exceptions.LocationParseError("s3cret"), "no response: locationparseerror", None),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else "",
)
def test_failures(error: Exception, reason: str, parameter: Optional[str]) -> None:
    """Each way not to get a response has its own words, and names the limit that was up."""
    failure = failure_of(error)
    assert type(failure) is ConnectionFailed
    assert (failure.reason, failure.parameter) == (reason, parameter)


@pytest.mark.parametrize(
    ("error", "detail"),
    [
        (exceptions.SSLError(certificate_error("certificate has expired")), "certificate has expired"),
        (exceptions.SSLError(CertificateError("hostname 'a' doesn't match 'b'")), "hostname 'a' doesn't match 'b'"),
        (exceptions.SSLError("Fingerprints did not match"), "Fingerprints did not match"),
    ],
    ids=["OpenSSL", "name", "fingerprint"],
)
def test_certificates(error: Exception, detail: str) -> None:
    """A certificate that is not valid is an error of its own with the reason, whoever has checked it."""
    failure = failure_of(error)
    assert type(failure) is CertificateRejected
    assert detail in failure.reason
    assert "the server's certificate" in failure.reason
    assert "the proxy's certificate" in failure_of(exceptions.ProxyError("no", error), PROXY).reason


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (
            exceptions.ProxyError("no", caused(exceptions.NewConnectionError(POOL, ""), OSError(111, "Refused"))),
            "the proxy cannot be reached (refused): no connection",
        ),
        (
            exceptions.ProxyError("no", exceptions.ConnectTimeoutError(POOL, "")),
            "no connection to the proxy within connect_timeout=10 s",
        ),
        (exceptions.ReadTimeoutError(POOL, "", ""), "no response within response_timeout=60 s"),
    ],
    ids=["refused", "silent", "behind"],
)
def test_failures_through_a_proxy(error: Exception, reason: str) -> None:
    """A failure behind a proxy names the proxy, without its credentials."""
    assert failure_of(error, PROXY).reason == f"{reason} through the proxy http://proxy.example:3128"


@pytest.mark.parametrize("status", [407, 403, 503])
def test_refused_tunnels(status: int) -> None:
    """A proxy that refuses the tunnel has answered: its status decides about another attempt."""
    failure = failure_of(exceptions.ProxyError("no", OSError(f"Tunnel connection failed: {status} s3cret")), PROXY)
    assert isinstance(failure, ResponseRejected)
    assert failure.status == status
    assert failure.reason.startswith(f"the proxy http://proxy.example:3128 answered {status} ")
    assert "s3cret" not in str(failure)


@pytest.mark.parametrize(
    ("error", "reason", "parameter"),
    [
        (TimedOut("idle_timeout", 5.0), "no byte within idle_timeout=5 s", "idle_timeout"),
        (exceptions.ReadTimeoutError(POOL, "", "s3cret"), "no byte within idle_timeout=300 s", "idle_timeout"),
        (TimeoutError(110, "Connection timed out"), "the connection broke: connection timed out", None),
        (exceptions.DecodeError("s3cret"), "the stream's content encoding is broken", None),
        (CodingError("s3cret"), "the stream's content encoding is broken", None),
        (http.client.IncompleteRead(b"s3cret"), "the stream was cut off in the middle of its framing", None),
        (
            exceptions.ProtocolError("s3cret", http.client.IncompleteRead(b"s3cret")),
            "the stream was cut off in the middle of its framing",
            None,
        ),
        (ConnectionResetError(104, "Reset"), "the connection broke: reset", None),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else "",
)
def test_losses(error: Exception, reason: str, parameter: Optional[str]) -> None:
    """Each way to lose an open stream has its own words."""
    lost = reading_failed(error, URL, IDLE)
    assert (lost.reason, lost.parameter) == (reason, parameter)


@pytest.mark.parametrize(
    ("error", "stale"),
    [
        (exceptions.ProtocolError("", http.client.RemoteDisconnected("")), True),
        (exceptions.ProtocolError("", BrokenPipeError(32, "")), True),
        (ConnectionResetError(104, ""), True),
        (exceptions.ProtocolError("", HeadCutOff()), False),
        (ConnectionRefusedError(111, ""), False),
        (exceptions.ReadTimeoutError(POOL, "", ""), False),
    ],
)
def test_stale_connections(error: Exception, stale: bool) -> None:
    """Only what an end before the first byte looks like may be one that the server had closed meanwhile."""
    assert is_stale(error) is stale


def test_causes_hold_no_connections() -> None:
    """An error of urllib3's that becomes a cause lets go of its pool and connection."""
    pool, conn = object(), object()
    error = caused(exceptions.ReadTimeoutError(pool, "", ""), exceptions.NewConnectionError(conn, ""))  # type: ignore[arg-type]
    assert sanitized_cause(error) is error
    assert vars(error)["pool"] is None
    assert vars(error.__cause__)["conn"] is None


def test_a_lone_cause() -> None:
    """Of what a loss is made of, a traceback shows urllib3's error alone, which quotes those before it."""
    error = caused(exceptions.ProtocolError("cut off"), http.client.IncompleteRead(b""))
    error.__context__ = error.__cause__
    shown = traceback.format_exception(type(error), lone_cause(error), None)
    assert "IncompleteRead" not in "".join(shown)
    assert isinstance(error.__context__, http.client.IncompleteRead), "the way to it is needed to free its frames"


def test_a_ring_of_causes() -> None:
    """Errors that are each other's cause have a root all the same."""
    one, two = ValueError("one"), ValueError("two")
    one.__cause__, two.__cause__ = two, one
    assert root_cause(one) in (one, two)


@pytest.mark.parametrize(
    ("error", "of_a_file"),
    [
        (CertificateFileError("no such file"), True),
        (FileNotFoundError(2, "No such file", "/etc/bundle.pem"), True),
        (ssl.SSLError(1, "wrong version number"), False),
        (ConnectionRefusedError(111, "Connection refused"), False),
    ],
)
def test_a_file_is_told_from_the_network(error: Exception, of_a_file: bool) -> None:
    """What is wrong with a file on this machine is not tried again."""
    assert is_of_a_file(root_cause(exceptions.SSLError(error))) is of_a_file
