"""Through proxies: the one that was given, those of the environment, and none."""

from __future__ import annotations

import logging
import socket
import ssl
import sys
import threading
from contextlib import ExitStack
from typing import Any

import pytest
import requests
import trustme
import urllib3
import urllib3.contrib

from sse_client import (
    CertificateRejected,
    ConnectionFailed,
    ErrorEvent,
    EventSource,
    EventSourceError,
    MessageEvent,
    ReconnectPolicy,
    ResponseRejected,
)
from sse_client.requests_bridge import RequestsConnector
from sse_client.testing import EventStreamServer, drop, event, hold

from .proxy_server import HTTPProxy, SOCKS5Proxy
from .raw_server import FullBacklog, RawServer
from .support import AT_ONCE, LATER, TIMEOUT, Follower, assert_nothing_raised, data_of

USER, PASSWORD = "user", "pa:ss@wörd"
IN_A_URL = "user:pa%3Ass%40w%C3%B6rd"
BASIC = "Basic dXNlcjpwYTpzc0B3w7ZyZA=="


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Remove every variable that names a proxy."""
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy", "request_method"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.fixture
def client_context(authority: trustme.CA) -> ssl.SSLContext:
    """The client's side of TLS, which trusts the authority of the tests."""
    context = ssl.create_default_context()
    authority.configure_trust(context)
    return context


def with_login(url: str) -> str:
    """The same URL with user and password in it."""
    return url.replace("://", f"://{IN_A_URL}@")


def failure_of(url: str, **settings: Any) -> EventSourceError:
    """The error of one stream."""
    with EventSource(url, reconnect=None, **settings) as source, pytest.raises(EventSourceError) as caught:
        list(source)
    return caught.value


# HTTP


def test_plain_http(server: EventStreamServer) -> None:
    """A request through a proxy names the whole URL; the stream resumes through the proxy, too."""
    server.stream(event("a", id="1"), drop())
    server.stream(event("b", id="2"))
    with HTTPProxy() as proxy:
        assert data_of(EventSource(f"{server.url}stream?q=1", proxy=proxy.url, reconnect=AT_ONCE)) == ["a", "b"]
    assert [asked.line for asked in proxy.asked] == [f"GET {server.url}stream?q=1 HTTP/1.1"] * 3
    assert [request.headers.get("Last-Event-ID") for request in server.requests] == [None, "1", "2"]
    assert {request.headers["Via"] for request in server.requests} == {"1.1 test"}


def test_https_through_a_tunnel(server_context: ssl.SSLContext, client_context: ssl.SSLContext) -> None:
    """For https the proxy is asked for a tunnel, and sees nothing of the request."""
    with EventStreamServer(ssl_context=server_context) as server, HTTPProxy() as proxy:
        server.stream(event("a", id="1"), drop())
        server.stream(event("b", id="2"))
        source = EventSource(
            server.url, proxy=proxy.url, ssl_context=client_context, headers={"X-Key": "secret"}, reconnect=AT_ONCE
        )
        assert data_of(source) == ["a", "b"]
        assert {asked.line.rpartition(" ")[0] for asked in proxy.asked} == {f"CONNECT 127.0.0.1:{server.port}"}
        assert all("x-key" not in asked.headers for asked in proxy.asked)
        assert {request.headers["X-Key"] for request in server.requests} == {"secret"}


def test_login(server: EventStreamServer) -> None:
    """User and password in the proxy's URL log in, and go to the proxy only."""
    server.stream(event("a"))
    with HTTPProxy(login=BASIC) as proxy:
        assert data_of(EventSource(server.url, proxy=with_login(proxy.url), reconnect=None)) == ["a"]
    assert "Proxy-Authorization" not in server.requests[0].headers
    assert "Authorization" not in server.requests[0].headers


def test_login_for_a_tunnel(server_context: ssl.SSLContext, client_context: ssl.SSLContext) -> None:
    """So it is for a tunnel, and the server behind it never sees the login."""
    with EventStreamServer(ssl_context=server_context) as server, HTTPProxy(login=BASIC) as proxy:
        server.stream(event("a"))
        source = EventSource(server.url, proxy=with_login(proxy.url), ssl_context=client_context, reconnect=None)
        assert data_of(source) == ["a"]
        assert "Proxy-Authorization" not in server.requests[0].headers


@pytest.mark.parametrize("tls", [False, True])
def test_a_proxy_over_tls(tls: bool, server_context: ssl.SSLContext, client_context: ssl.SSLContext) -> None:
    """A proxy may itself be reached over TLS, for http and for https."""
    target = EventStreamServer(ssl_context=server_context if tls else None)
    with target as server, HTTPProxy(ssl_context=server_context, login=BASIC) as proxy:
        server.stream(event("a", id="1"), drop())
        server.stream(event("b"))
        source = EventSource(server.url, proxy=with_login(proxy.url), ssl_context=client_context, reconnect=AT_ONCE)
        assert data_of(source) == ["a", "b"]


# The proxy is at fault


@pytest.mark.parametrize("tls", [False, True])
def test_407(tls: bool) -> None:
    """A proxy that wants a login ends the stream with an error that says so, and is not asked again."""
    with HTTPProxy(login=BASIC) as proxy:
        url = f"{'https' if tls else 'http'}://127.0.0.1:1/"
        source = EventSource(url, proxy=proxy.url, reconnect=AT_ONCE)
        with source, pytest.raises(ResponseRejected, match=r"proxy.*407") as caught:
            list(source)
    assert caught.value.status == 407
    assert len(proxy.asked) == 1


@pytest.mark.parametrize("tls", [False, True])
def test_a_wrong_login(tls: bool) -> None:
    """A wrong password is not shown anywhere."""
    with HTTPProxy(login="Basic other") as proxy:
        error = failure_of(f"{'https' if tls else 'http'}://127.0.0.1:1/", proxy=with_login(proxy.url))
    shown = f"{error} {error!r} {error.__cause__!r} {error.__context__!r}"
    assert "proxy" in str(error)
    for secret in ("pa:ss", "pa%3A", BASIC):
        assert secret not in shown


@pytest.mark.parametrize(("status", "again"), [(403, False), (502, True), (503, True), (504, True)])
def test_a_refused_tunnel(status: int, again: bool) -> None:
    """A tunnel that is refused for good ends the stream; one that cannot be made now is asked for again."""
    with HTTPProxy(refuse_with=status) as proxy:
        policy = ReconnectPolicy(reconnection_time=0.001, jitter=0, max_attempts=3)
        source = EventSource("https://127.0.0.1:1/", proxy=proxy.url, reconnect=policy)
        with source, pytest.raises(ResponseRejected, match=f"proxy.*{status}") as caught:
            list(source)
    assert caught.value.status == status
    assert len(proxy.asked) == (3 if again else 1)


@pytest.mark.parametrize("tls", [False, True])
def test_a_proxy_that_refuses_connections(tls: bool) -> None:
    """The error says that it is the proxy which cannot be reached, and which one; it is tried again."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = f"127.0.0.1:{listener.getsockname()[1]}"
    source = EventSource(
        f"{'https' if tls else 'http'}://127.0.0.1:1/", proxy=f"http://{IN_A_URL}@{address}", reconnect=LATER
    )
    with Follower(source) as follower:
        error = follower.wait_for("ErrorEvent")[0].error
    assert_nothing_raised(follower)
    assert isinstance(error, ConnectionFailed)
    assert "proxy" in error.reason
    assert address in error.reason
    assert "refused" in error.reason
    assert "pa%3A" not in str(error)


def test_a_proxy_that_cannot_be_connected_to() -> None:
    """A proxy that does not take the connection is given up after connect_timeout, and named."""
    with FullBacklog() as backlog:
        error = failure_of("http://127.0.0.1:1/", proxy=backlog.url, connect_timeout=0.15)
    assert isinstance(error, ConnectionFailed)
    assert "proxy" in error.reason
    assert "0.15 s" in error.reason


@pytest.mark.parametrize("tls", [False, True])
def test_a_silent_proxy(tls: bool) -> None:
    """A proxy that takes the request and says nothing is given up, with the limit that was in force and its name."""
    with HTTPProxy(silent=True) as proxy:
        error = failure_of(
            f"{'https' if tls else 'http'}://127.0.0.1:1/",
            proxy=proxy.url,
            connect_timeout=0.2 if tls else 8.0,
            response_timeout=8.0 if tls else 0.2,
        )
    assert isinstance(error, ConnectionFailed)
    assert "proxy" in error.reason
    assert "0.2 s" in error.reason


def test_a_proxy_with_a_wrong_certificate(server_context: ssl.SSLContext) -> None:
    """A certificate of the proxy's that is not valid is fatal, and the error says that it is the proxy's."""
    with HTTPProxy(ssl_context=server_context) as proxy:
        error = failure_of("http://127.0.0.1:1/", proxy=proxy.url)
    assert isinstance(error, CertificateRejected)
    assert "the proxy's certificate" in error.reason


def test_a_server_with_a_wrong_certificate_behind_a_proxy(server_context: ssl.SSLContext) -> None:
    """Behind a tunnel it is the server's."""
    with EventStreamServer(ssl_context=server_context) as server, HTTPProxy() as proxy:
        error = failure_of(server.url, proxy=proxy.url)
    assert isinstance(error, CertificateRejected)
    assert "the server's certificate" in error.reason


@pytest.mark.parametrize("tls", [False, True])
def test_closing_while_a_proxy_is_silent(tls: bool) -> None:
    """close() ends an attempt that waits for a proxy, too."""
    with HTTPProxy(silent=True) as proxy:
        source = EventSource(f"{'https' if tls else 'http'}://127.0.0.1:1/", proxy=proxy.url)
        with Follower(source) as follower:
            wait = threading.Event()
            for _ in range(1000):
                if proxy.asked:
                    break
                wait.wait(0.01)
            assert proxy.asked
            assert follower.close_and_time() < 0.1
        assert_nothing_raised(follower)


def test_closing_a_stream_through_a_tunnel(server_context: ssl.SSLContext, client_context: ssl.SSLContext) -> None:
    """close() ends a stream that comes through a TLS proxy's tunnel, TLS in TLS, at once."""
    with EventStreamServer(ssl_context=server_context) as server, HTTPProxy(ssl_context=server_context) as proxy:
        server.stream(event("a"), hold())
        with Follower(EventSource(server.url, proxy=proxy.url, ssl_context=client_context)) as follower:
            follower.wait_for("MessageEvent")
            assert follower.close_and_time() < 0.1
        assert_nothing_raised(follower)
        server.wait_until_disconnected(TIMEOUT)


def test_the_login_is_in_no_log(server: EventStreamServer, caplog: pytest.LogCaptureFixture) -> None:
    """Nothing of the proxy's login gets into a log at any level, urllib3's own included."""
    caplog.set_level(logging.DEBUG)
    server.stream(event("a"))
    with HTTPProxy(login=BASIC) as proxy:
        source = EventSource(server.url, proxy=with_login(proxy.url), reconnect=None)
        assert PASSWORD not in repr(source)
        assert data_of(source) == ["a"]
    for secret in ("pa:ss", "pa%3A", BASIC.split()[1]):
        assert secret not in caplog.text


# Redirects


def test_redirects_take_the_same_proxy(server: EventStreamServer, second_server: EventStreamServer) -> None:
    """A redirect to another origin goes through the proxy, logged in, without the user's headers."""
    server.redirect(second_server.url)
    second_server.stream(event("a"))
    with HTTPProxy(login=BASIC) as proxy:
        source = EventSource(server.url, proxy=with_login(proxy.url), headers={"X-Key": "secret"}, reconnect=None)
        assert data_of(source) == ["a"]
        assert len(proxy.asked) == 2
    assert "X-Key" not in second_server.requests[0].headers


# The environment


def test_environment(server: EventStreamServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """By default the proxy is the one that the environment names, with its login."""
    server.stream(event("a"))
    with HTTPProxy(login=BASIC) as proxy:
        monkeypatch.setenv("HTTP_PROXY" if sys.platform != "win32" else "http_proxy", with_login(proxy.url))
        assert data_of(EventSource(server.url, reconnect=None)) == ["a"]
        assert len(proxy.asked) == 1


def test_environment_is_read_at_each_attempt(server: EventStreamServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """A program that runs for months follows a change of the environment at the next attempt."""
    server.stream(event("a", id="1"))
    server.stream(event("b", id="2"))
    with HTTPProxy() as proxy:
        with EventSource(server.url, reconnect=AT_ONCE) as source:
            for item in source:
                if item.data == "a":
                    monkeypatch.setenv("http_proxy", proxy.url)
        assert len(proxy.asked) == 2
        assert ["Via" in request.headers for request in server.requests] == [False, True, True]


def test_trust_env(server: EventStreamServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """trust_env=False ignores the environment."""
    server.stream(event("a"))
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    assert data_of(EventSource(server.url, trust_env=False, reconnect=None)) == ["a"]


def test_the_argument_wins_over_the_environment(server: EventStreamServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """proxy= wins over HTTP_PROXY and over NO_PROXY."""
    server.stream(event("a"))
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    monkeypatch.setenv("no_proxy", "*")
    with HTTPProxy() as proxy:
        assert data_of(EventSource(server.url, proxy=proxy.url, reconnect=None)) == ["a"]
        assert len(proxy.asked) == 1


@pytest.mark.parametrize("form", ["*", "127.0.0.1", "127.0.0.1:{port}", "other.test, 127.0.0.1", "127.0.0.0/8"])
def test_no_proxy(form: str, server: EventStreamServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Hosts that NO_PROXY names are reached without the proxy."""
    server.stream(event("a"))
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    monkeypatch.setenv("no_proxy", form.format(port=server.port))
    assert data_of(EventSource(server.url, reconnect=None)) == ["a"]


def test_no_proxy_counts_for_each_request_of_a_redirect(
    server: EventStreamServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A redirect from a host with a proxy to one without is followed straight."""
    server.stream(event("a"))
    with EventStreamServer(host_names=["outside.test"]) as outside:
        outside.redirect(server.url)
        with HTTPProxy(port_of={"outside.test": outside.port}) as proxy:
            monkeypatch.setenv("http_proxy", proxy.url)
            monkeypatch.setenv("no_proxy", "127.0.0.1")
            assert data_of(EventSource("http://outside.test/", reconnect=None)) == ["a"]
            assert [asked.line for asked in proxy.asked] == ["GET http://outside.test/ HTTP/1.1"]
    assert "Via" not in server.requests[0].headers


def test_the_name_is_looked_up_by_the_proxy() -> None:
    """Behind a proxy, the client looks no host name up: it may know none of them."""
    server = EventStreamServer(host_names=["inside.invalid"])
    server.stream(event("a"))
    with server, HTTPProxy(port_of={"inside.invalid": server.port}) as proxy:
        assert data_of(EventSource("http://inside.invalid/", proxy=proxy.url, reconnect=None)) == ["a"]


# SOCKS


def test_socks(server: EventStreamServer) -> None:
    """Through SOCKS5 the stream comes and resumes, and close() ends it at once."""
    pytest.importorskip("socks", reason="needs the package PySocks")
    server.stream(event("a", id="1"), drop())
    server.stream(event("b", id="2"), hold())
    with SOCKS5Proxy() as proxy:
        with Follower(EventSource(server.url, proxy=proxy.url, reconnect=AT_ONCE)) as follower:
            follower.wait_for("MessageEvent", 2)
            assert follower.close_and_time() < 0.1
        assert_nothing_raised(follower)
        assert follower.data == ["a", "b"]
    assert [asked.line for asked in proxy.asked] == [f"address 127.0.0.1:{server.port}"] * 2
    assert server.requests[1].headers["Last-Event-ID"] == "1"


def test_socks_over_tls(server_context: ssl.SSLContext, client_context: ssl.SSLContext) -> None:
    """TLS goes through SOCKS5 as well, and the certificate is checked."""
    pytest.importorskip("socks", reason="needs the package PySocks")
    with EventStreamServer(ssl_context=server_context) as server, SOCKS5Proxy() as proxy:
        server.stream(event("a"))
        assert data_of(EventSource(server.url, proxy=proxy.url, ssl_context=client_context, reconnect=None)) == ["a"]
        assert isinstance(failure_of(server.url, proxy=proxy.url), CertificateRejected)


def test_socks_looks_names_up_where_told(server: EventStreamServer) -> None:
    """With socks5h the proxy looks the name up, with socks5 the client does."""
    pytest.importorskip("socks", reason="needs the package PySocks")
    server.handler = lambda exchange: exchange.run(event("a"))
    url = f"http://localhost:{server.port}/"
    with SOCKS5Proxy() as proxy:
        for scheme in ("socks5h", "socks5", "SOCKS5H"):
            assert data_of(EventSource(url, proxy=f"{scheme}://{proxy.address}", reconnect=None)) == ["a"]
    assert [asked.line.split()[0] for asked in proxy.asked] == ["name", "address", "name"]


def test_socks_login(server: EventStreamServer) -> None:
    """User and password go to the SOCKS proxy, percent-decoded."""
    pytest.importorskip("socks", reason="needs the package PySocks")
    server.stream(event("a"))
    with SOCKS5Proxy(login=(USER, PASSWORD)) as proxy:
        assert data_of(EventSource(server.url, proxy=with_login(proxy.url), reconnect=None)) == ["a"]
    assert proxy.logins == [(USER, PASSWORD)]


def test_socks_failures(server: EventStreamServer) -> None:
    """A refused login, a refused connection and a proxy that is not there are failures that name the proxy."""
    pytest.importorskip("socks", reason="needs the package PySocks")
    with SOCKS5Proxy(login=("other", "login")) as proxy:
        errors = [failure_of(server.url, proxy=with_login(proxy.url)), failure_of(server.url, proxy=proxy.url)]
    with SOCKS5Proxy(refuse_with=5) as proxy:
        errors.append(failure_of(server.url, proxy=with_login(proxy.url)))
    errors.append(failure_of(server.url, proxy=with_login(proxy.url)))
    for error in errors:
        assert isinstance(error, ConnectionFailed)
        assert "proxy" in error.reason
        assert PASSWORD not in f"{error!r} {error.__cause__!r}"
        assert "pa%3A" not in f"{error!r} {error.__cause__!r}"
    assert server.requests == []


def test_closing_while_a_socks_proxy_is_silent() -> None:
    """close() ends an attempt that waits for what a SOCKS proxy has to say."""
    pytest.importorskip("socks", reason="needs the package PySocks")
    greeted = threading.Event()

    def serve(connected: socket.socket) -> None:
        connected.recv(4096)
        greeted.set()
        while connected.recv(4096):
            pass

    with RawServer(serve) as proxy:
        with Follower(EventSource("http://127.0.0.1:1/", proxy=f"socks5://127.0.0.1:{proxy.port}")) as follower:
            assert greeted.wait(TIMEOUT)
            assert follower.close_and_time() < 0.1
        assert_nothing_raised(follower)


def test_socks_from_the_environment(server: EventStreamServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """ALL_PROXY may name a SOCKS proxy."""
    pytest.importorskip("socks", reason="needs the package PySocks")
    server.stream(event("a"))
    with SOCKS5Proxy() as proxy:
        monkeypatch.setenv("all_proxy", proxy.url)
        assert data_of(EventSource(server.url, reconnect=None)) == ["a"]
        assert len(proxy.asked) == 1


def test_socks_without_its_package(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without PySocks the constructor says what to install."""
    monkeypatch.setitem(sys.modules, "socks", None)
    monkeypatch.delitem(sys.modules, "urllib3.contrib.socks", raising=False)
    monkeypatch.delattr(urllib3.contrib, "socks", raising=False)
    with pytest.raises(ImportError, match="pip install PySocks"):
        EventSource("http://127.0.0.1:1/", proxy="socks5://127.0.0.1:1")


def test_a_proxy_that_comes_back(server: EventStreamServer) -> None:
    """While the proxy is away attempts fail and back off; when it is there, the stream goes on."""
    server.stream(event("a"), hold())
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    policy = ReconnectPolicy(reconnection_time=0.05, max_delay=0.1, jitter=0)
    with ExitStack() as started, EventSource(server.url, proxy=f"http://127.0.0.1:{port}", reconnect=policy) as source:
        delays = []
        for item in source.lifecycle():
            if isinstance(item, ErrorEvent):
                delays.append(item.delay)
                if len(delays) == 3:
                    started.enter_context(HTTPProxy(port=port))
            elif isinstance(item, MessageEvent):
                break
    assert delays == [0.05, 0.1, 0.1]


@pytest.mark.parametrize("name", ["accept", "host", "user-agent", "cache-control", "proxy-authorization", "x-own"])
@pytest.mark.parametrize("way", ["own pools", "pool", "session"])
def test_each_header_goes_out_once(server: EventStreamServer, name: str, way: str) -> None:
    """The user's header replaces the one that a library adds, in any case; the login for a proxy is the proxy's."""
    server.stream(event("a"))
    headers = {name: "127.0.0.1" if name == "host" else "mine"}
    with HTTPProxy() as proxy:
        login = proxy.url.replace("//", "//user:secret@")
        if way == "own pools":
            source = EventSource(server.url, headers=headers, proxy=login, reconnect=None)
        elif way == "pool":
            pool = urllib3.ProxyManager(proxy.url, proxy_headers={"Proxy-Authorization": "Basic dXNlcjpzZWNyZXQ="})
            source = EventSource(server.url, headers=headers, pool=pool, reconnect=None)
        else:
            session = requests.Session()
            session.proxies = {"http": login}
            source = EventSource(RequestsConnector(session, server.url, headers=headers), reconnect=None)
        assert data_of(source) == ["a"]
        (asked,) = proxy.asked
    sent = [line.partition(": ")[2] for line in asked.lines if line.lower().startswith(f"{name}:")]
    assert sent == (["Basic dXNlcjpzZWNyZXQ="] if name == "proxy-authorization" else list(headers.values()))
