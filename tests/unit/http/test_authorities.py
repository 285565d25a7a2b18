"""Which authorities are trusted by default, and what an error says about them."""

from __future__ import annotations

import ssl
from typing import Any

import pytest

from sse_client._http.authorities import where_from
from sse_client._http.pools import Pools


@pytest.fixture
def no_choice(monkeypatch: pytest.MonkeyPatch) -> None:
    """An environment that names no authorities."""
    monkeypatch.delenv("SSL_CERT_FILE", raising=False)
    monkeypatch.delenv("SSL_CERT_DIR", raising=False)


def context_of(ssl_context: Any = None) -> Any:
    """The context of the pools that a source makes."""
    pools = Pools(proxy=None, trust_env=False, ssl_context=ssl_context, pool=None)
    return pools.manager_for(None).connection_pool_kw.get("ssl_context")


@pytest.mark.usefixtures("no_choice")
def test_truststore_is_used_where_it_is_installed() -> None:
    """With truststore installed and nothing else given, the operating system's authorities are trusted."""
    truststore = pytest.importorskip("truststore")
    assert isinstance(context_of(), truststore.SSLContext)


@pytest.mark.usefixtures("no_choice")
def test_without_truststore(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without truststore, urllib3 makes the context."""
    monkeypatch.setattr("sse_client._http.authorities.find_spec", lambda _: None)
    assert context_of() is None


def test_what_the_user_gives_wins(no_choice: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """An ssl_context, and authorities that the environment names, win over truststore."""
    own = ssl.create_default_context()
    assert context_of(own) is own
    monkeypatch.setenv("SSL_CERT_FILE", "authority.pem")
    assert context_of() is None


def test_a_context_without_authorities() -> None:
    """An ssl_context into which nothing has been loaded is said to be empty."""
    assert "no authorities are loaded" in where_from(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT))


@pytest.mark.parametrize("folder", ["missing", "empty"])
def test_no_authorities_on_this_machine(tmp_path: Any, monkeypatch: pytest.MonkeyPatch, folder: str) -> None:
    """Where OpenSSL's places hold nothing, the text says so, and what to do."""
    (tmp_path / "empty").mkdir()
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "missing.pem"))
    monkeypatch.setenv("SSL_CERT_DIR", str(tmp_path / folder))
    text = where_from(None)
    assert "no certificate authorities at all" in text
    assert "pip install truststore" in text
    assert "ssl_context=" in text
