from __future__ import annotations

from typing import Any

import pytest
import urllib3

from sse_client import EventSource
from sse_client._http.message import RequestOptions
from sse_client._http.proxies import check_proxy
from sse_client._http.transport import Timeouts, Urllib3Connector
from sse_client._http.url import Url

TIMEOUTS = Timeouts(None, None, None)


def connector(**settings: Any) -> Urllib3Connector:
    options = RequestOptions("http://example.com/", method=settings.pop("method", "GET"))
    return Urllib3Connector(options, TIMEOUTS, **{"proxy": None, "trust_env": False, "ssl_context": None, **settings})


def test_given_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    """A proxy that is given serves all requests, whatever the environment says."""
    monkeypatch.setenv("HTTP_PROXY", "http://other.example:1")
    monkeypatch.setenv("NO_PROXY", "*")
    proxy = check_proxy("http://proxy.example:3128")
    assert connector(proxy=proxy, trust_env=True).proxy_for(Url.parse("http://example.com/")) == proxy


@pytest.mark.parametrize("trusted", [True, False])
def test_environment(monkeypatch: pytest.MonkeyPatch, trusted: bool) -> None:
    """Without a proxy the environment decides, if it is trusted."""
    for name in ("http_proxy", "HTTP_PROXY"):
        monkeypatch.setenv(name, "http://other.example:1")
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    proxy = connector(trust_env=trusted).proxy_for(Url.parse("http://example.com/"))
    assert (proxy and proxy.url) == ("http://other.example:1" if trusted else None)


def test_pools_are_kept() -> None:
    """There is one pool for each proxy, and one for none."""
    made = connector()
    proxy = check_proxy("http://proxy.example:3128")
    assert made.pool_for(None) is made.pool_for(None)
    assert made.pool_for(proxy) is made.pool_for(proxy)
    assert made.pool_for(None) is not made.pool_for(proxy)
    made.close()


@pytest.mark.parametrize(("method", "repeatable"), [("GET", True), ("HEAD", True), ("POST", False)])
def test_repeatable(method: str, repeatable: bool) -> None:
    """The connector says whether its request may be repeated without asking."""
    assert connector(method=method).is_repeatable is repeatable


@pytest.mark.parametrize(
    ("settings", "error", "message"),
    [
        ({"proxy": "proxy.example"}, ValueError, "proxy must be a URL such as http://host:port"),
        ({"proxy": 3128}, TypeError, "proxy must be a str or None, not int"),
        ({"ssl_context": True}, TypeError, "ssl_context must be an ssl.SSLContext or None, not bool"),
        ({"pool": "pool"}, TypeError, "pool must be a urllib3.PoolManager or None, not str"),
        ({"pool": urllib3.PoolManager(), "proxy": "http://p:1"}, TypeError, "cannot be given along with a pool"),
    ],
)
def test_wrong_arguments(settings: dict[str, Any], error: type[Exception], message: str) -> None:
    """A wrong argument about the transport fails at construction, by name."""
    with pytest.raises(error, match=message):
        EventSource("http://example.com/", **settings)
