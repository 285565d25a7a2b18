"""What the tests against real software share: fixtures of the integration tests, and an environment without a proxy."""

from __future__ import annotations

import pytest

from tests.integration.conftest import authority, second_server, server, server_context, tls_server, trusted

__all__ = ["authority", "second_server", "server", "server_context", "tls_server", "trusted"]


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Remove every variable that names a proxy."""
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
