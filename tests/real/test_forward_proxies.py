"""Through squid and tinyproxy, with and without a login."""

from __future__ import annotations

import ssl
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Callable

import pytest
import trustme

from sse_client import EventSource, ResponseRejected
from sse_client.testing import EventStreamServer, drop, event, hold
from tests.integration.support import AT_ONCE, Follower, assert_nothing_raised, data_of

from .software import Program, folder, free_port, needs, running

SQUID = """
http_port 127.0.0.1:{port}
pid_filename {here}/squid.pid
cache_log {here}/cache.log
access_log none
cache deny all
cache_mem 8 MB
memory_cache_shared off
coredump_dir {here}
shutdown_lifetime 0 seconds
pinger_enable off
{login}
"""
SQUID_LOGIN = """
auth_param basic program {helper} {here}/passwords
auth_param basic children 1
acl known proxy_auth REQUIRED
http_access allow known
http_access deny all
"""


@contextmanager
def squid(login: bool, *, rules: str = "http_access allow all") -> Iterator[Program]:
    """Run squid, which lets only ``user`` with ``secret`` through, or whom these rules let through."""
    path = needs("squid", "squid")
    helper = Path("/usr/lib/squid/basic_ncsa_auth")
    with folder() as here:
        port = free_port()
        if login:
            openssl = needs("openssl", "openssl")
            hashed = subprocess.run(
                [openssl, "passwd", "-apr1", "secret"], check=True, capture_output=True, text=True
            ).stdout.strip()
            (here / "passwords").write_text(f"user:{hashed}\n")
            rules = SQUID_LOGIN.format(helper=helper, here=here)
        (here / "squid.conf").write_text(SQUID.format(port=port, here=here, login=rules))
        with running([path, "-N", "-f", str(here / "squid.conf")], port, here / "log") as program:
            yield program


@contextmanager
def tinyproxy(login: bool) -> Iterator[Program]:
    """Run tinyproxy, which lets everybody or only ``user`` with ``secret`` through."""
    path = needs("tinyproxy", "tinyproxy")
    with folder() as here:
        port = free_port()
        (here / "tinyproxy.conf").write_text(
            f"Port {port}\nListen 127.0.0.1\nTimeout 60\nMaxClients 20\nAllow 127.0.0.1\n"
            f'LogFile "{here}/tinyproxy.log"\n' + ("BasicAuth user secret\n" if login else "")
        )
        with running([path, "-d", "-c", str(here / "tinyproxy.conf")], port, here / "log") as program:
            yield program


Start = Callable[[bool], Any]
both = pytest.mark.parametrize("start", [squid, tinyproxy])


@pytest.fixture
def client_context(authority: trustme.CA) -> ssl.SSLContext:
    """The client's side of TLS, which trusts the authority of the tests."""
    context = ssl.create_default_context()
    authority.configure_trust(context)
    return context


@both
def test_http_and_a_tunnel(
    start: Start, server: EventStreamServer, server_context: ssl.SSLContext, client_context: ssl.SSLContext
) -> None:
    """Over http and https streams come through and resume, each event in time, and close() ends them at once."""
    with start(False) as proxy, EventStreamServer(ssl_context=server_context) as secure:
        for target in (server, secure):
            target.stream(event("a", id="1"), drop())
            target.stream(event("b", id="2"), hold())
            source = EventSource(
                target.url, proxy=f"http://127.0.0.1:{proxy.port}", ssl_context=client_context, reconnect=AT_ONCE
            )
            with Follower(source) as follower:
                follower.wait_for("MessageEvent", 2)
                assert follower.close_and_time() < 0.1
            assert_nothing_raised(follower)
            assert follower.data == ["a", "b"]
            assert target.requests[1].headers["Last-Event-ID"] == "1"
        assert "Via" in server.requests[0].headers
        assert "Via" not in secure.requests[0].headers


@both
def test_login(
    start: Start, server: EventStreamServer, server_context: ssl.SSLContext, client_context: ssl.SSLContext
) -> None:
    """With the login both come through; without it, and with a wrong one, there is a rejection, once."""
    with start(True) as proxy, EventStreamServer(ssl_context=server_context) as secure:
        address = f"127.0.0.1:{proxy.port}"
        for target in (server, secure):
            target.stream(event("a"))
            source = EventSource(
                target.url, proxy=f"http://user:secret@{address}", ssl_context=client_context, reconnect=None
            )
            assert data_of(source) == ["a"]
            assert "Proxy-Authorization" not in target.requests[0].headers
            for wrong in ("", "user:wr0ng@"):
                source = EventSource(target.url, proxy=f"http://{wrong}{address}", ssl_context=client_context)
                with source, pytest.raises(ResponseRejected) as caught:
                    list(source)
                # tinyproxy before 1.11.2 answers a wrong login with the status that is for servers.
                assert caught.value.status in ((407,) if start is squid else (407, 401))
                assert "proxy" in caught.value.reason or caught.value.status == 401
                assert "wr0ng" not in f"{caught.value!r} {caught.value}"
            assert len(target.requests) == 1


@both
def test_environment(start: Start, server: EventStreamServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """HTTP_PROXY leads through the proxy, NO_PROXY past it."""
    server.handler = lambda exchange: exchange.run(event("a"))
    with start(False) as proxy:
        monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{proxy.port}")
        for no_proxy in ("other.test", "127.0.0.1", "127.0.0.0/8"):
            monkeypatch.setenv("NO_PROXY", no_proxy)
            assert data_of(EventSource(server.url, reconnect=None)) == ["a"]
    assert ["Via" in request.headers for request in server.requests] == [True, False, False]


@both
def test_a_target_that_is_away(start: Start) -> None:
    """A target that refuses connections is a status of the proxy's that is tried again, for http and in a tunnel."""
    with start(False) as proxy:
        for scheme in ("http", "https"):
            source = EventSource(
                f"{scheme}://127.0.0.1:{free_port()}/", proxy=f"http://127.0.0.1:{proxy.port}", reconnect=AT_ONCE
            )
            with Follower(source) as follower:
                errors = [item.error for item in follower.wait_for("ErrorEvent", 2)]
            assert_nothing_raised(follower)
            assert all(isinstance(error, ResponseRejected) and error.status in (500, 502, 503) for error in errors)
