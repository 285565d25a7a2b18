"""Which pool is made for which proxy, and with what settings."""

from __future__ import annotations

import socket
import ssl
import sys
from typing import Any

import pytest
import urllib3

from sse_client import EventSource
from sse_client._http.pools import Pools, make_manager, socket_options, without_certificate
from sse_client._http.proxies import Proxy, check_proxy
from sse_client._http.url import Url

URL = Url.parse("http://example.com/")


def proxy(url: str) -> Proxy:
    checked = check_proxy(url)
    assert checked is not None
    return checked


def pools(**settings: Any) -> Pools:
    return Pools(**{"proxy": None, "trust_env": False, "ssl_context": None, "pool": None, **settings})


def test_straight() -> None:
    """Without a proxy there is a plain pool, which keeps one connection to use again."""
    manager = make_manager(None, None)
    assert type(manager) is urllib3.PoolManager
    assert manager.connection_pool_kw["maxsize"] == 1


def test_an_http_proxy() -> None:
    """An HTTP proxy gets its login as a header of its own, if it has one."""
    manager = make_manager(proxy("http://user:pass@proxy.test:3128"), None)
    assert isinstance(manager, urllib3.ProxyManager)
    assert manager.proxy_headers == {"Proxy-Authorization": "Basic dXNlcjpwYXNz"}
    assert manager.proxy is not None
    assert (manager.proxy.host, manager.proxy.port, manager.proxy.auth) == ("proxy.test", 3128, None)
    without: Any = make_manager(proxy("http://proxy.test:3128"), None)
    assert not without.proxy_headers


def test_the_ssl_context_is_for_both() -> None:
    """The user's context checks the server, and a proxy that is reached over TLS."""
    context = ssl.create_default_context()
    manager: Any = make_manager(proxy("https://proxy.test"), context)
    assert manager.proxy_config.ssl_context is context
    assert manager.connection_from_url("https://stream.test/")._new_conn().ssl_context is context


@pytest.mark.parametrize("scheme", ["socks4", "socks4a", "socks5", "socks5h"])
def test_socks(scheme: str) -> None:
    """A SOCKS proxy gets user and password percent-decoded, whatever the version of urllib3."""
    pytest.importorskip("socks", reason="needs the package PySocks")
    manager = make_manager(proxy(f"{scheme}://us%40er:p%3Ass@proxy.test:1080"), None)
    options = manager.connection_pool_kw["_socks_options"]
    assert (options["username"], options["password"]) == ("us@er", "p:ss")
    assert options["rdns"] is scheme.endswith(("a", "h"))


def test_a_given_proxy_wins(monkeypatch: pytest.MonkeyPatch) -> None:
    """A proxy that is given serves all requests, whatever the environment says."""
    monkeypatch.setenv("HTTP_PROXY", "http://other.example:1")
    monkeypatch.setenv("NO_PROXY", "*")
    given = proxy("http://proxy.example:3128")
    assert pools(proxy=given, trust_env=True).proxy_for(URL) == given


@pytest.mark.parametrize("trusted", [True, False])
def test_the_environment(monkeypatch: pytest.MonkeyPatch, trusted: bool) -> None:
    """Without a proxy the environment decides, if it is trusted and the pool is not the application's."""
    for name in ("http_proxy", "HTTP_PROXY"):
        monkeypatch.setenv(name, "http://other.example:1")
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    found = pools(trust_env=trusted).proxy_for(URL)
    assert (found and found.url) == ("http://other.example:1" if trusted else None)
    assert pools(trust_env=trusted, pool=urllib3.PoolManager()).proxy_for(URL) is None


def test_managers_are_kept() -> None:
    """There is one for each proxy, and one for none; where the application has a pool, that one for all."""
    made = pools()
    one = proxy("http://proxy.example:3128")
    assert made.manager_for(None) is made.manager_for(None)
    assert made.manager_for(one) is made.manager_for(one)
    assert made.manager_for(None) is not made.manager_for(one)
    made.close()
    application = urllib3.PoolManager()
    assert pools(pool=application).manager_for(None) is application


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


# TCP keep-alive

NAMES = ("TCP_KEEPIDLE", "TCP_KEEPINTVL", "TCP_KEEPCNT", "TCP_KEEPALIVE")


@pytest.fixture
def with_names(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Let the socket module know these names of keep-alive alone, on this system."""

    def know(platform: str, **names: int) -> None:
        monkeypatch.setattr(sys, "platform", platform)
        for name in NAMES:
            monkeypatch.delattr(socket, name, raising=False)
        for name, number in names.items():
            monkeypatch.setattr(socket, name, number, raising=False)

    return know


def intervals() -> dict[int, int]:
    """The options of TCP, but for the one that urllib3 sets itself."""
    return {name: value for level, name, value in socket_options() if level == socket.IPPROTO_TCP and name != 1}


@pytest.mark.parametrize(
    ("platform", "names", "expected"),
    [
        ("linux", {"TCP_KEEPIDLE": 4, "TCP_KEEPINTVL": 5, "TCP_KEEPCNT": 6}, {4: 60, 5: 15, 6: 4}),
        ("darwin", {"TCP_KEEPALIVE": 99, "TCP_KEEPINTVL": 257, "TCP_KEEPCNT": 258}, {99: 60, 257: 15, 258: 4}),
        ("darwin", {"TCP_KEEPINTVL": 257, "TCP_KEEPCNT": 258}, {16: 60, 257: 15, 258: 4}),
        ("win32", {"TCP_KEEPIDLE": 3, "TCP_KEEPINTVL": 17, "TCP_KEEPCNT": 16}, {3: 60, 17: 15, 16: 4}),
        ("win32", {}, {}),
    ],
    ids=["Linux", "macOS", "macOS, Python 3.9", "Windows", "none"],
)
def test_keep_alive_by_platform(with_names: Any, platform: str, names: Any, expected: dict[int, int]) -> None:
    """Each system's names are used, those that Python does not know yet as well; what a system lacks is left out."""
    with_names(platform, **names)
    assert intervals() == expected
    assert (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1) in socket_options()


def test_keep_alive_on_a_connection() -> None:
    """The options are those of the package's own connections, beside urllib3's."""
    options = make_manager(None, None).connection_from_url(str(URL))._new_conn().socket_options
    assert (socket.IPPROTO_TCP, socket.TCP_NODELAY, 1) in options
    assert (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1) in options
    with socket.socket() as sock:
        for option in options:
            sock.setsockopt(*option)


# Contexts


def test_a_context_without_its_certificate() -> None:
    """What it verifies, and how, stays the same."""
    context = ssl.create_default_context()
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.check_hostname = False
    bare = without_certificate(context)
    assert bare is not context
    assert (bare.verify_mode, bare.check_hostname, bare.verify_flags) == (
        context.verify_mode,
        context.check_hostname,
        context.verify_flags,
    )
    assert bare.verify_mode is ssl.CERT_REQUIRED


@pytest.mark.parametrize("mode", [ssl.CERT_NONE, ssl.CERT_OPTIONAL])
def test_a_context_that_verifies_nothing(mode: ssl.VerifyMode) -> None:
    """A context that its user has told to verify nothing goes on so."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = mode
    if context.cert_store_stats()["x509_ca"]:
        assert without_certificate(context).verify_mode is mode


# Beside urllib3-future, which `pip install niquests` puts in the place of urllib3


@pytest.mark.parametrize("kind", ["url", "session", "websocket"])
def test_another_package_in_the_place_of_urllib3(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """At construction there is one clear error, which names it and a way out; not a close() that takes minutes."""
    requests = pytest.importorskip("requests")
    bridge = pytest.importorskip("sse_client.requests_bridge")
    fallback = pytest.importorskip("sse_client.fallback")
    makers: dict[str, Any] = {
        "url": lambda: EventSource("http://example.com/"),
        "session": lambda: bridge.RequestsConnector(requests.Session(), "http://example.com/"),
        "websocket": lambda: fallback.WebSocketConnector("ws://example.com/"),
    }

    class OfItsOwn:  # as urllib3-future's, which is not http.client's
        pass

    monkeypatch.setattr(urllib3.connection, "HTTPConnection", OfItsOwn)
    with pytest.raises(ImportError, match=r"urllib3-future.*niquests.*environment of its own") as caught:
        makers[kind]()
    assert caught.value.name == "urllib3"
