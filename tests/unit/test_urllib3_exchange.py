"""What urllib3 and the system say, in this package's words; all else needs sockets: tests/integration."""

from __future__ import annotations

import http.client
import socket
import ssl
import traceback
from typing import Any

import pytest
from urllib3 import exceptions

from sse_client._http.attempt import Answer
from sse_client._http.failures import Timeouts, Urllib3Exchange, is_of_a_file, lone_cause, without_connections
from sse_client._http.interrupt import Interrupter
from sse_client._http.message import Request, RequestOptions
from sse_client._http.proxies import Proxy, check_proxy
from sse_client.errors import CertificateRejected, ConnectionFailed, EventSourceError, ResponseRejected

POOL: Any = None
OPTIONS = RequestOptions("http://example.com/")
PROXY = check_proxy("http://user:s3cret@proxy.example:3128")


def caused(error: Exception, cause: BaseException) -> Exception:
    error.__cause__ = cause
    return error


def certificate_error(message: str) -> ssl.SSLCertVerificationError:
    error = ssl.SSLCertVerificationError(1, "certificate verify failed")
    error.verify_message = message
    return error


class Unsent(Urllib3Exchange):
    def _send(self, request: Request) -> Answer:
        raise AssertionError("nothing is sent")


def connection(proxy: Proxy | None = None) -> Urllib3Exchange:
    made = Unsent(OPTIONS, Timeouts(connect=10.0, response=60.0, idle=300.0), Interrupter())
    made._proxy = proxy
    return made


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (
            exceptions.NameResolutionError("h", POOL, socket.gaierror(-2, "s3cret")),
            "the host name could not be resolved",
        ),
        (exceptions.ConnectTimeoutError(POOL, "s3cret"), "no connection within connect_timeout=10 s"),
        (exceptions.ReadTimeoutError(POOL, "/?s3cret", "s3cret"), "no response within response_timeout=60 s"),
        (
            caused(exceptions.ReadTimeoutError(POOL, "", ""), TimeoutError(110, "Connection timed out")),
            "no response: connection timed out",
        ),
        (
            caused(exceptions.NewConnectionError(POOL, "s3cret"), ConnectionRefusedError(111, "Connection refused")),
            "no connection: connection refused",
        ),
        (
            exceptions.ProtocolError("Connection aborted.", http.client.RemoteDisconnected("s3cret")),
            "the server closed the connection without a response",
        ),
        (exceptions.ProtocolError("Connection aborted.", ConnectionResetError(104, "Reset")), "no response: reset"),
        (http.client.BadStatusLine("s3cret"), "the response is garbled (BadStatusLine)"),
        (http.client.LineTooLong("s3cret"), "the response is garbled (LineTooLong)"),
        (exceptions.SSLError(ssl.SSLError(1, "Wrong version")), "the TLS handshake failed: wrong version"),
        (exceptions.LocationParseError("s3cret"), "no response: locationparseerror"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else "",
)
def test_failures(error: Exception, reason: str) -> None:
    """Each way not to get a response has its own words, and none quotes what may be secret."""
    failure = connection()._failure(error)
    assert type(failure) is ConnectionFailed
    assert failure.reason == reason


@pytest.mark.parametrize("message", ["certificate has expired", "Hostname mismatch", "self-signed certificate"])
def test_certificates(message: str) -> None:
    """A certificate that is not valid is an error of its own, which gives the reason."""
    failure = connection()._failure(exceptions.SSLError(certificate_error(message)))
    assert type(failure) is CertificateRejected
    assert failure.reason == f"the server's certificate is not valid: {message}"


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
        (
            exceptions.ReadTimeoutError(POOL, "http://proxy.example:3128", ""),
            "no response within connect_timeout=10 s",
        ),
    ],
    ids=["refused", "silent", "behind", "in the tunnel"],
)
def test_failures_through_a_proxy(error: Exception, reason: str) -> None:
    """A failure behind a proxy names the proxy, without its credentials."""
    failure = connection(PROXY)._failure(error)
    assert failure.reason == f"{reason} through the proxy http://proxy.example:3128"


@pytest.mark.parametrize("status", [407, 403, 503])
def test_refused_tunnels(status: int) -> None:
    """A proxy that refuses the tunnel has answered: its status decides about another attempt."""
    error = exceptions.ProxyError("no", OSError(f"Tunnel connection failed: {status} s3cret"))
    failure: EventSourceError = connection(PROXY)._failure(error)
    assert isinstance(failure, ResponseRejected)
    assert failure.status == status
    assert failure.reason.startswith(f"the proxy http://proxy.example:3128 answered {status} ")
    assert "s3cret" not in str(failure)


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (exceptions.ReadTimeoutError(POOL, "", "s3cret"), "no byte within idle_timeout=300 s"),
        (exceptions.DecodeError("s3cret"), "the stream's content encoding is broken"),
        (
            exceptions.ProtocolError("s3cret", http.client.IncompleteRead(b"s3cret")),
            "the stream was cut off in the middle of its framing",
        ),
        (exceptions.ProtocolError("s3cret", ConnectionResetError(104, "Reset")), "the connection broke: reset"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else "",
)
def test_losses(error: Exception, reason: str) -> None:
    """Each way to lose an open stream has its own words."""
    assert connection()._why_lost(error) == reason


def test_causes_hold_no_connections() -> None:
    """An error of urllib3's that becomes a cause lets go of its pool and connection."""
    pool, conn = object(), object()
    error = caused(exceptions.ReadTimeoutError(pool, "", ""), exceptions.NewConnectionError(conn, ""))  # type: ignore[arg-type]
    assert without_connections(error) is error
    assert vars(error)["pool"] is None
    assert vars(error.__cause__)["conn"] is None


def test_a_lone_cause() -> None:
    """Of what a loss is made of, a traceback shows urllib3's error alone, which quotes those before it."""
    error = caused(exceptions.ProtocolError("cut off"), http.client.IncompleteRead(b""))
    error.__context__ = error.__cause__
    shown = traceback.format_exception(type(error), lone_cause(error), None)
    assert "IncompleteRead" not in "".join(shown)
    assert isinstance(error.__context__, http.client.IncompleteRead), "the way to it is needed to free its frames"


def test_a_certificate_file_that_cannot_be_loaded_is_told_from_a_handshake() -> None:
    """What `ssl_wrap_socket` raises itself is about a file; what is raised further down is not."""

    def raised_by(function: Any) -> Exception:
        with pytest.raises(ssl.SSLError) as caught:
            function()
        error = caught.value
        error.__traceback__ = error.__traceback__ and error.__traceback__.tb_next
        return error

    def ssl_wrap_socket() -> None:
        raise ssl.SSLError

    def do_handshake() -> None:
        raise ssl.SSLError

    assert is_of_a_file(raised_by(ssl_wrap_socket))
    assert not is_of_a_file(raised_by(do_handshake))
    assert not is_of_a_file(ssl.SSLError())
