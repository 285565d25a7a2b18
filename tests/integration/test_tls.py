"""TLS: who is believed, who is not and why, and what is tried again."""

from __future__ import annotations

import pickle
import socket
import ssl
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any, Optional

import pytest
import trustme
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from sse_client import (
    CertificateRejected,
    ConnectingEvent,
    ConnectionFailed,
    ErrorEvent,
    EventSource,
    EventSourceError,
    LifecycleEvent,
    ReconnectPolicy,
)
from sse_client.testing import EventStreamServer, drop, event

from .raw_server import RawServer
from .support import AT_ONCE, data_of


@pytest.fixture
def client_context(authority: trustme.CA) -> ssl.SSLContext:
    """The client's side of TLS, which trusts the authority of the tests."""
    context = ssl.create_default_context()
    authority.configure_trust(context)
    return context


def server_side(certificate: trustme.LeafCert) -> ssl.SSLContext:
    """The server's side of TLS, with this certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificate.configure_cert(context)
    return context


def failure_of(url: str, **settings: Any) -> tuple[EventSourceError, int]:
    """The error that ends a source which would come back at once, and how many attempts were seen to fail before."""
    settings.setdefault("reconnect", ReconnectPolicy(reconnection_time=0.001, jitter=0, max_attempts=3))
    seen: list[LifecycleEvent] = []
    with EventSource(url, **settings) as source, pytest.raises(EventSourceError) as caught:
        for item in source.lifecycle():
            seen.append(item)
    assert [type(item) for item in seen[::2]] == [ConnectingEvent] * (len(seen) // 2)
    assert [type(item) for item in seen[1::2]] == [ErrorEvent] * (len(seen) // 2)
    return caught.value, len(seen) // 2


def test_a_private_authority(server_context: ssl.SSLContext, client_context: ssl.SSLContext) -> None:
    """With its authority in ssl_context, a server of one's own is believed, on every connection."""
    with EventStreamServer(ssl_context=server_context) as server:
        server.stream(event("a", id="1"), drop())
        server.stream(event("b", id="2"))
        assert data_of(EventSource(server.url, ssl_context=client_context, reconnect=AT_ONCE)) == ["a", "b"]


def test_an_authority_in_the_environment(tls_server: EventStreamServer) -> None:
    """SSL_CERT_FILE counts, as everywhere in Python."""
    tls_server.stream(event("a"))
    assert data_of(EventSource(tls_server.url, reconnect=None)) == ["a"]


def test_an_unknown_authority(server_context: ssl.SSLContext) -> None:
    """By default a certificate of an unknown authority is refused, at once and for good; no request is sent."""
    with EventStreamServer(ssl_context=server_context) as server:
        error, seen = failure_of(server.url)
        assert server.requests == []
    assert isinstance(error, CertificateRejected)
    assert "unable to get local issuer certificate" in str(error)
    assert seen == 1
    assert str(pickle.loads(pickle.dumps(error))) == str(error)


def test_an_unknown_authority_says_where_authorities_come_from(
    server_context: ssl.SSLContext, authority: trustme.CA, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where no authority that is trusted has issued the certificate, the error says which ones are trusted."""
    other = tmp_path / "other.pem"
    trustme.CA().cert_pem.write_to_path(str(other))
    monkeypatch.setenv("SSL_CERT_FILE", str(other))
    with EventStreamServer(ssl_context=server_context) as server:
        error, _ = failure_of(server.url)
        assert isinstance(error, CertificateRejected)
        assert str(other) in error.reason
        assert "ssl_context=" in error.reason
        error, _ = failure_of(server.url, ssl_context=ssl.create_default_context(cafile=str(other)))
        assert "those of its ssl_context" in error.reason


def test_a_wrong_host(authority: trustme.CA, client_context: ssl.SSLContext) -> None:
    """A certificate for another host is refused, and the error says for which host it is not."""
    with EventStreamServer(ssl_context=server_side(authority.issue_cert("other.test"))) as server:
        error, seen = failure_of(server.url, ssl_context=client_context)
        named, _ = failure_of(f"https://localhost:{server.port}/", ssl_context=client_context)
        assert server.requests == []
    assert isinstance(error, CertificateRejected)
    assert "not valid for '127.0.0.1'" in str(error)
    assert "not valid for 'localhost'" in str(named)
    assert seen == 1


def test_an_expired_certificate(authority: trustme.CA, client_context: ssl.SSLContext) -> None:
    """An expired certificate is refused, and the error says so."""
    expired = authority.issue_cert("127.0.0.1", not_after=datetime(2020, 1, 1, tzinfo=timezone.utc))
    with EventStreamServer(ssl_context=server_side(expired)) as server:
        error, seen = failure_of(server.url, ssl_context=client_context)
    assert isinstance(error, CertificateRejected)
    assert "certificate has expired" in str(error)
    assert seen == 1


def test_an_expired_certificate_is_waited_out_by_a_patient_policy(
    authority: trustme.CA, server_context: ssl.SSLContext, client_context: ssl.SSLContext
) -> None:
    """A follower with a patient policy gets its events when the certificate has been renewed."""
    expired = authority.issue_cert("127.0.0.1", not_after=datetime(2020, 1, 1, tzinfo=timezone.utc))
    patient = ReconnectPolicy.patient(reconnection_time=0.001, max_delay=0.001, jitter=0)
    with (
        EventStreamServer(ssl_context=server_side(expired)) as stale,
        EventStreamServer(ssl_context=server_context) as new,
    ):
        new.stream(event("a"))
        urls = iter([stale.url, stale.url, new.url, new.url])
        with EventSource(lambda: next(urls), ssl_context=client_context, reconnect=patient) as source:
            seen = [type(getattr(item, "error", item)).__name__ for item in source.lifecycle()]
    assert [name for name in seen if name != "ConnectingEvent"] == [
        "CertificateRejected",
        "CertificateRejected",
        "OpenEvent",
        "MessageEvent",
        "StreamEnded",
    ]


def test_a_certificate_of_the_future(authority: trustme.CA, client_context: ssl.SSLContext) -> None:
    """A certificate that is not valid yet, the sign of a wrong clock, is refused with these words."""
    early = authority.issue_cert(
        "127.0.0.1",
        not_before=datetime.now(timezone.utc) + timedelta(days=1),
        not_after=datetime.now(timezone.utc) + timedelta(days=2),
    )
    with EventStreamServer(ssl_context=server_side(early)) as server:
        error, _ = failure_of(server.url, ssl_context=client_context)
    assert isinstance(error, CertificateRejected)
    assert "not yet valid" in str(error)


def test_a_self_signed_certificate(tmp_path: Path) -> None:
    """A self-signed certificate is refused, and the error says so."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(timezone.utc)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    path = tmp_path / "self-signed.pem"
    path.write_bytes(
        key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()) + certificate.public_bytes(Encoding.PEM)
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(path)
    with EventStreamServer(ssl_context=context) as server:
        error, seen = failure_of(server.url)
    assert isinstance(error, CertificateRejected)
    assert "self" in str(error)
    assert "signed" in str(error)
    assert seen == 1


def test_a_client_certificate(
    authority: trustme.CA, server_context: ssl.SSLContext, client_context: ssl.SSLContext
) -> None:
    """With a certificate in ssl_context, a server that wants one is satisfied; without it, there is an error."""
    strict = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(strict)
    authority.configure_trust(strict)
    strict.verify_mode = ssl.CERT_REQUIRED
    with EventStreamServer(ssl_context=strict) as server:
        error, seen = failure_of(server.url, ssl_context=client_context)
        assert isinstance(error, ConnectionFailed)
        assert seen == 3
        assert "TLS" in str(error)
        assert server.requests == []
        authority.issue_cert("client@example.test").configure_cert(client_context)
        server.stream(event("a"))
        assert data_of(EventSource(server.url, ssl_context=client_context, reconnect=None)) == ["a"]


def test_a_pinned_version(server_context: ssl.SSLContext, client_context: ssl.SSLContext) -> None:
    """An ssl_context that knows only a version that the server does not have is a failure with the reason."""
    old = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    old.maximum_version = ssl.TLSVersion.TLSv1_2
    client_context.minimum_version = ssl.TLSVersion.TLSv1_3
    with RawServer(lambda connected: handshake(old, connected)) as server:
        error, seen = failure_of(server.url.replace("http:", "https:"), ssl_context=client_context)
    assert isinstance(error, ConnectionFailed)
    assert "TLS handshake" in str(error)
    assert seen == 3


def handshake(context: ssl.SSLContext, connected: socket.socket) -> None:
    """Do the server's side of a handshake that fails."""
    try:
        context.wrap_socket(connected, server_side=True).close()
    except ssl.SSLError:
        pass


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (None, "TLS handshake|closed the connection|reset"),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", "TLS handshake"),
        (b"\x15\x03\x03\x00\x02\x02\x28", "TLS handshake"),
        (b"\x16\x03\x03\x00\x05garbage that is no handshake", "TLS handshake"),
    ],
    ids=["hung up", "plain HTTP", "an alert", "garbage"],
)
def test_a_broken_handshake(answer: Optional[bytes], words: str) -> None:
    """A handshake that breaks says that TLS failed, and is tried again."""

    def serve(connected: socket.socket) -> None:
        connected.recv(4096)
        if answer is not None:
            connected.sendall(answer)
            connected.shutdown(socket.SHUT_WR)
            connected.recv(4096)

    with RawServer(serve) as server:
        error, seen = failure_of(server.url.replace("http:", "https:"))
        assert server.accepted == 3
    assert isinstance(error, ConnectionFailed)
    assert any(word in error.reason for word in words.split("|")), error.reason
    assert seen == 3


def test_a_handshake_that_breaks_once(server_context: ssl.SSLContext, client_context: ssl.SSLContext) -> None:
    """After a broken handshake the next attempt gets the stream."""
    with EventStreamServer(ssl_context=server_context) as server:
        server.stream(event("a"))
        real_url, seen = server.url, []
        with RawServer(lambda connected: None) as broken:
            urls = iter([broken.url.replace("http:", "https:"), real_url, real_url])
            source = EventSource(lambda: next(urls), ssl_context=client_context, reconnect=AT_ONCE)
            with source:
                seen = [type(item).__name__ for item in source.lifecycle()]
    assert seen[:5] == ["ConnectingEvent", "ErrorEvent", "ConnectingEvent", "OpenEvent", "MessageEvent"]


def test_a_stream_cut_without_a_farewell_is_a_loss(
    server_context: ssl.SSLContext, client_context: ssl.SSLContext
) -> None:
    """Whoever cuts a TLS connection cannot pass the cut off as the end of the stream: the next request resumes."""
    with EventStreamServer(ssl_context=server_context) as server:
        server.stream(event("a", id="1"), drop(), framing="close")
        server.stream(event("b", id="2"))
        assert data_of(EventSource(server.url, ssl_context=client_context, reconnect=AT_ONCE)) == ["a", "b"]
        assert [request.headers.get("Last-Event-ID") for request in server.requests] == [None, "1", "2"]


@pytest.mark.parametrize("value", [True, "/etc/ssl/ca.pem", ssl])
def test_what_is_no_context(value: Any) -> None:
    """What is given as for requests' verify= is refused with the type that is wanted."""
    with pytest.raises(TypeError, match=r"ssl_context must be an ssl\.SSLContext"):
        EventSource("https://example.test/", ssl_context=value)


@pytest.mark.filterwarnings("ignore::urllib3.exceptions.InsecureRequestWarning")
def test_without_verification_because_the_user_says_so(server_context: ssl.SSLContext) -> None:
    """Whoever switches the check off in a context of their own gets what they asked for."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    with EventStreamServer(ssl_context=server_context) as server:
        server.stream(event("a"))
        assert data_of(EventSource(server.url, ssl_context=context, reconnect=None)) == ["a"]


def test_a_redirect_to_a_server_that_is_not_believed(server: EventStreamServer, server_context: ssl.SSLContext) -> None:
    """The check holds for the target of a redirect, too, and the error names it."""
    with EventStreamServer(ssl_context=server_context) as target:
        server.redirect(target.url)
        error, seen = failure_of(server.url)
        assert isinstance(error, CertificateRejected)
        assert error.url == target.url
        assert seen == 1
        assert target.requests == []
