"""A host with several addresses, some of them dead: as RFC 8305 says, over every way, and within `connect_timeout`."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from sse_client import ConnectionFailed, EventSourceError
from sse_client.testing import EventStreamServer, event, hold

from .proxy_server import HTTPProxy, SOCKS5Proxy
from .raw_server import FullBacklog, RawServer, read_head
from .support import LATER, TIMEOUT, Follower, assert_nothing_raised, data_of
from .ways import WAYS

DELAY = 0.25  # seconds until the next address is tried beside the one before
SOON = 2.0  # seconds; far less than the 10 of `connect_timeout`
PORT = 4711  # of the URL; where the addresses lead is up to the test


@pytest.fixture(params=WAYS)
def way(request: pytest.FixtureRequest) -> Any:
    """Each way in turn to get connections."""
    return WAYS[request.param]


@pytest.fixture
def server() -> Iterator[EventStreamServer]:
    with EventStreamServer(host_names=["stream.test"]) as running:
        yield running


@pytest.fixture
def black_hole() -> Iterator[int]:
    """A port that answers no attempt to connect."""
    with FullBacklog() as backlog:
        yield backlog.port


@pytest.fixture
def dead() -> int:
    """A port that refuses."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
    return port


@pytest.fixture
def resolve(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Make the names that end in ``.test`` have these ports of the loopback interface as their addresses."""
    real = socket.getaddrinfo

    def lead_to(*ports: int) -> None:
        def found(host: Any, *args: Any, **kwargs: Any) -> Any:
            if not str(host).endswith(".test"):
                return real(host, *args, **kwargs)
            return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port)) for port in ports]

        monkeypatch.setattr(socket, "getaddrinfo", found)

    return lead_to


URL = f"http://stream.test:{PORT}/"


def follow(way: Any, url: str = URL, proxy: Any = None, **options: Any) -> float:
    """Follow a stream of one event; return the seconds that it took."""
    before = time.perf_counter()
    with way(url, None, proxy, **options) as source:
        assert data_of(source) == ["a"]
    return time.perf_counter() - before


def failure_of(way: Any, url: str = URL, proxy: Any = None, **options: Any) -> tuple[EventSourceError, float]:
    before = time.perf_counter()
    with way(url, None, proxy, **options) as source, pytest.raises(EventSourceError) as caught:
        list(source)
    return caught.value, time.perf_counter() - before


def test_refusing_addresses_cost_no_time(server: EventStreamServer, way: Any, resolve: Any, dead: int) -> None:
    """After a failure the next address is tried at once."""
    resolve(*[dead] * 10, server.port)
    server.stream(event("a"))
    assert follow(way) < 10 * DELAY


def test_a_black_hole_costs_a_quarter_of_a_second(
    server: EventStreamServer, way: Any, resolve: Any, black_hole: int
) -> None:
    """An address that does not answer is not waited for: the next one is tried beside it, and wins."""
    resolve(black_hole, server.port)
    server.stream(event("a"))
    assert DELAY * 0.9 < follow(way) < SOON


def test_all_kinds_of_addresses(server: EventStreamServer, way: Any, resolve: Any, black_hole: int, dead: int) -> None:
    """A refusal lets the next one begin at once, beside what does not answer."""
    resolve(black_hole, dead, black_hole, dead, server.port)
    server.stream(event("a"))
    assert 2 * DELAY * 0.9 < follow(way) < SOON


def test_the_first_to_connect_wins(server: EventStreamServer, way: Any, resolve: Any) -> None:
    """One connection is made, and no other beside it."""
    with RawServer(lambda connected: None) as other:
        resolve(server.port, other.port)
        server.stream(event("a"))
        follow(way)
        assert other.accepted == 0


def test_no_address_answers(way: Any, resolve: Any, black_hole: int, dead: int) -> None:
    """`connect_timeout` is for all addresses together, and what has failed first does not count."""
    resolve(dead, *[black_hole] * 8, dead)
    error, seconds = failure_of(way, connect_timeout=0.4)
    assert isinstance(error, ConnectionFailed)
    assert error.parameter == "connect_timeout"
    assert 0.3 < seconds < SOON


def test_all_addresses_refuse(way: Any, resolve: Any, dead: int) -> None:
    """Where all have refused, that is the reason, at once."""
    resolve(*[dead] * 3)
    error, seconds = failure_of(way)
    assert isinstance(error, ConnectionFailed)
    assert error.reason == "no connection: connection refused"
    assert seconds < SOON


@pytest.mark.parametrize("scheme", ["http", "socks5"])
def test_the_addresses_of_a_proxy(
    server: EventStreamServer, way: Any, resolve: Any, black_hole: int, dead: int, scheme: str
) -> None:
    """A proxy's addresses are treated alike."""
    with HTTPProxy() if scheme == "http" else SOCKS5Proxy() as proxy:
        port = int(proxy.url.rpartition(":")[2])
        resolve(dead, black_hole, port)
        server.stream(event("a"))
        seconds = follow(way, server.url, f"{scheme}://proxy.test:{PORT}")
    assert DELAY * 0.9 < seconds < SOON


def test_one_limit_for_addresses_proxy_and_tls(way: Any, resolve: Any, black_hole: int) -> None:
    """What each step takes is taken from the next one's."""

    def serve(connected: socket.socket) -> None:
        read_head(connected)
        threading.Event().wait(0.6)  # the CONNECT alone is not too slow
        connected.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        while connected.recv(4096):  # the handshake never ends
            pass

    with RawServer(serve) as proxy:
        resolve(black_hole, proxy.port)
        error, seconds = failure_of(way, "https://127.0.0.1:1/", f"http://proxy.test:{PORT}", connect_timeout=1.0)
    assert isinstance(error, ConnectionFailed)
    assert error.parameter == "connect_timeout"
    assert 0.9 < seconds < 1.6


@pytest.mark.parametrize("proxied", [False, True], ids=["", "to a SOCKS proxy"])
def test_close_in_the_middle(way: Any, resolve: Any, black_hole: int, proxied: bool) -> None:
    """close() ends all attempts at once, and leaves no descriptor (as nothing here does)."""
    resolve(*[black_hole] * 5)
    proxy = f"socks5://proxy.test:{PORT}" if proxied else None
    with way(URL, LATER, proxy) as source, Follower(source) as follower:
        threading.Event().wait(DELAY * 1.5)  # two are under way
        assert follower.close_and_time() < DELAY
        assert_nothing_raised(follower)


def test_families_take_turns(server: EventStreamServer, way: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """With dead IPv6 addresses in front, the first IPv4 address is the second to be tried."""
    with ExitStack() as started:
        try:
            six = started.enter_context(socket.create_server(("::1", 0), family=socket.AF_INET6, backlog=0))
        except OSError:
            pytest.skip("there is no IPv6 here")
        for _ in range(8):  # fill the queue: a black hole
            waiting = started.enter_context(socket.socket(socket.AF_INET6))
            waiting.settimeout(0)
            waiting.connect_ex(six.getsockname())
        found = [(socket.AF_INET6, socket.SOCK_STREAM, 6, "", six.getsockname())] * 4
        found.append((socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", server.port)))  # type: ignore[arg-type]
        monkeypatch.setattr(socket, "getaddrinfo", lambda *args, **kwargs: found)
        server.stream(event("a"))
        assert follow(way) < 3 * DELAY


def test_the_connection_that_won_is_closed_as_any(
    server: EventStreamServer, way: Any, resolve: Any, black_hole: int
) -> None:
    """What is open behind the race ends with close()."""
    resolve(black_hole, server.port)
    server.stream(event("a"), hold())
    with way(URL, LATER, None) as source, Follower(source) as follower:
        follower.wait_for("MessageEvent")
        assert follower.close_and_time() < SOON
        assert_nothing_raised(follower)
    server.wait_until_disconnected(TIMEOUT)
