"""The servers that the integration tests talk to."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest
import trustme

from sse_client.testing import EventStreamServer


@pytest.fixture
def server() -> Iterator[EventStreamServer]:
    """A running server; the test fails if one of its scripts has failed."""
    with EventStreamServer() as running:
        yield running


@pytest.fixture
def second_server() -> Iterator[EventStreamServer]:
    """Another one: another port, so another origin."""
    with EventStreamServer() as running:
        yield running


@pytest.fixture(scope="session")
def authority() -> trustme.CA:
    """A certificate authority that nobody trusts yet."""
    return trustme.CA()


@pytest.fixture(scope="session")
def server_context(authority: trustme.CA) -> ssl.SSLContext:
    """The server's side of TLS, with a certificate for 127.0.0.1 and localhost."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1", "localhost").configure_cert(context)
    return context


@pytest.fixture
def trusted(authority: trustme.CA, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make this process and its children trust the authority."""
    path = tmp_path / "authority.pem"
    authority.cert_pem.write_to_path(str(path))
    monkeypatch.setenv("SSL_CERT_FILE", str(path))


@pytest.fixture
def tls_server(server_context: ssl.SSLContext, trusted: None) -> Iterator[EventStreamServer]:
    """A running server with TLS, whose certificate is trusted."""
    with EventStreamServer(ssl_context=server_context) as running:
        yield running
