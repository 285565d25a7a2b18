from __future__ import annotations

import socket
import ssl
import sys
from typing import Any

import pytest
import urllib3

from sse_client._http.interrupt import Interrupter
from sse_client._http.proxies import Proxy, check_proxy
from sse_client._http.transport import CurrentAttempt, make_pool

URL = "http://stream.test/"


def proxy(url: str) -> Proxy:
    """The proxy of a URL."""
    checked = check_proxy(url)
    assert checked is not None
    return checked


def connection_of(pool: urllib3.PoolManager, url: str = URL) -> Any:
    """A connection of the pool, not yet connected."""
    return pool.connection_from_url(url)._new_conn()


def test_straight() -> None:
    """Without a proxy there is a plain pool, which keeps one connection to use again."""
    pool = make_pool(CurrentAttempt(), proxy=None, ssl_context=None)
    assert type(pool) is urllib3.PoolManager
    assert pool.connection_pool_kw["maxsize"] == 1


def test_tcp_keep_alive() -> None:
    """Keep-alive is switched on beside what urllib3 sets, with intervals where the platform has them."""
    options = connection_of(make_pool(CurrentAttempt(), proxy=None, ssl_context=None)).socket_options
    assert (socket.IPPROTO_TCP, socket.TCP_NODELAY, 1) in options
    assert (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1) in options
    if sys.platform == "linux":
        assert {option[1] for option in options} >= {socket.TCP_KEEPIDLE, socket.TCP_KEEPINTVL, socket.TCP_KEEPCNT}


def test_an_http_proxy() -> None:
    """An HTTP proxy gets its login as a header of its own."""
    pool = make_pool(CurrentAttempt(), proxy=proxy("http://user:pass@proxy.test:3128"), ssl_context=None)
    assert isinstance(pool, urllib3.ProxyManager)
    assert pool.proxy_headers == {"Proxy-Authorization": "Basic dXNlcjpwYXNz"}
    assert pool.proxy is not None
    assert (pool.proxy.host, pool.proxy.port, pool.proxy.auth) == ("proxy.test", 3128, None)


def test_a_proxy_without_a_login() -> None:
    """Without a login there is no such header."""
    pool: Any = make_pool(CurrentAttempt(), proxy=proxy("http://proxy.test:3128"), ssl_context=None)
    assert not pool.proxy_headers


def test_the_ssl_context_is_for_both() -> None:
    """The user's context checks the server, and a proxy that is reached over TLS."""
    context = ssl.create_default_context()
    pool: Any = make_pool(CurrentAttempt(), proxy=proxy("https://proxy.test"), ssl_context=context)
    assert pool.proxy_config.ssl_context is context
    assert connection_of(pool, "https://stream.test/").ssl_context is context


@pytest.mark.parametrize("scheme", ["socks4", "socks4a", "socks5", "socks5h"])
def test_socks(scheme: str) -> None:
    """A SOCKS proxy gets user and password percent-decoded, whatever the version of urllib3."""
    pytest.importorskip("socks", reason="needs the package PySocks")
    url = f"{scheme}://us%40er:p%3Ass@proxy.test:1080"
    pool = make_pool(CurrentAttempt(), proxy=proxy(url), ssl_context=None)
    options = pool.connection_pool_kw["_socks_options"]
    assert (options["username"], options["password"]) == ("us@er", "p:ss")
    assert options["rdns"] is scheme.endswith(("a", "h"))


def test_an_address_of_an_unsupported_family_is_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the system has no sockets of the first address's family, the next address is tried."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        found = [(9999, socket.SOCK_STREAM, 6, "", ("::1", port)), (2, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port))]
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_: found)
        connection = connection_of(make_pool(CurrentAttempt(), proxy=None, ssl_context=None))
        connection.timeout = 5.0
        attempt = connection._attempt
        attempt.interrupter = Interrupter()
        connected = connection._new_conn()
        assert connected.getpeername() == ("127.0.0.1", port)
        connected.close()
        attempt.interrupter.release()


def test_a_name_that_is_not_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """A name that the system does not know, or cannot encode, is the error that urllib3 has for it."""
    connection = connection_of(make_pool(CurrentAttempt(), proxy=None, ssl_context=None))
    for error in (socket.gaierror(-2, "unknown"), UnicodeError("label too long")):

        def fail(*_: Any, failure: Exception = error) -> None:
            raise failure

        monkeypatch.setattr(socket, "getaddrinfo", fail)
        with pytest.raises(urllib3.exceptions.NameResolutionError):
            connection._new_conn()


def test_an_interrupted_attempt_connects_to_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    """After an interrupt no address is connected to."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_: [(2, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port))] * 2)
        attempt = CurrentAttempt()
        attempt.interrupter = Interrupter()
        attempt.interrupter.interrupt()
        connection = connection_of(make_pool(attempt, proxy=None, ssl_context=None))
        with pytest.raises(urllib3.exceptions.NewConnectionError):
            connection._new_conn()
        listener.settimeout(0)
        with pytest.raises(BlockingIOError):
            listener.accept()
        attempt.interrupter.release()
