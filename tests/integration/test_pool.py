"""Over the application's own pool: a plain one, one with a limit, a Unix domain socket; and over IPv6."""

from __future__ import annotations

import contextlib
import os
import socket
import ssl
import threading
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import requests
import trustme
import urllib3
from requests.adapters import HTTPAdapter
from urllib3 import exceptions as urllib3_errors
from urllib3.connection import HTTPConnection

from sse_client import ConnectionFailed, ConnectionLost, EventSource, EventSourceError, MessageEvent, ReconnectPolicy
from sse_client.requests_bridge import RequestsConnector
from sse_client.testing import EventStreamServer, drop, event, hold, raw
from tests.unit.interruption import interrupted_at

from .proxy_server import HTTPProxy
from .raw_server import RawServer, read_head
from .support import AT_ONCE, LATER, TIMEOUT, Follower, assert_nothing_raised, data_of


@pytest.fixture
def pool() -> Any:
    """The application's pool, closed by the application."""
    manager = urllib3.PoolManager()
    yield manager
    manager.clear()


def test_the_stream_and_its_resumption(server: EventStreamServer, pool: urllib3.PoolManager) -> None:
    """A pool of the application's carries the stream over drops."""
    server.serve_log(500, cuts=[100, 1000, 300])
    assert data_of(EventSource(server.url, pool=pool, reconnect=AT_ONCE)) == [str(n) for n in range(1, 501)]


def test_the_pool_is_used_and_not_closed(server: EventStreamServer, pool: urllib3.PoolManager) -> None:
    """The source uses a connection that the application had open, and leaves it open for the application."""
    assert pool.request("GET", server.url).status == 204
    server.stream(event("a"))
    with EventSource(server.url, pool=pool, reconnect=AT_ONCE) as source:
        assert [item.data for item in source] == ["a"]
    assert {request.connection for request in server.requests} == {1}
    assert pool.request("GET", server.url).status == 204


@pytest.mark.parametrize("framing", ["chunked", "close", "length"])
def test_close(server: EventStreamServer, pool: urllib3.PoolManager, framing: Any) -> None:
    """close() ends a silent stream at once, whatever its framing, and the application's pool goes on working."""
    server.stream(event("a"), hold(), framing=framing)
    with Follower(EventSource(server.url, pool=pool)) as follower:
        follower.wait_for("MessageEvent")
        assert follower.close_and_time() < 0.1
    assert_nothing_raised(follower)
    server.wait_until_disconnected(TIMEOUT)
    assert pool.request("GET", server.url).status == 204


def test_close_of_a_tls_stream(server_context: ssl.SSLContext, authority: trustme.CA) -> None:
    """close() ends a silent stream over TLS at once."""
    context = ssl.create_default_context()
    authority.configure_trust(context)
    pool = urllib3.PoolManager(ssl_context=context)
    with EventStreamServer(ssl_context=server_context) as server:
        for framing in ("chunked", "close"):
            server.stream(event("a"), hold(), framing=framing)
            with Follower(EventSource(server.url, pool=pool)) as follower:
                follower.wait_for("MessageEvent")
                assert follower.close_and_time() < 0.1
            assert_nothing_raised(follower)
    pool.clear()


def test_timeouts(server: EventStreamServer, pool: urllib3.PoolManager) -> None:
    """The time-outs hold over the application's pool, before the head and after it."""
    server.stream(event("a", id="1"), hold())
    server.stream(event("b", id="2"), hold(), framing="close")
    server.silence()
    source = EventSource(server.url, pool=pool, response_timeout=0.25, idle_timeout=0.15, reconnect=AT_ONCE)
    with Follower(source) as follower:
        follower.join()
    assert_nothing_raised(follower)
    assert follower.data == ["a", "b"]
    errors = [item.error for item in follower.seen("ErrorEvent")]
    assert [type(error) for error in errors] == [ConnectionLost, ConnectionLost, ConnectionFailed]
    assert [str(error).partition(" (")[0] for error in errors] == ["no byte within idle_timeout=0.15 s"] * 2 + [
        "no response within response_timeout=0.25 s"
    ]


# A pool that hands out so many connections and no more


@pytest.mark.parametrize(
    "first", ["break", "redirect", "renewed 401", "rejected", "cut", "idle", "garbage", "end", "reconnect()"]
)
def test_a_blocking_pool_gets_its_connection_back(server: EventStreamServer, first: str) -> None:
    """However a connection ends, a pool that hands out one and no more has it again for the next attempt."""
    pool = urllib3.PoolManager(block=True, maxsize=1)
    {
        "break": lambda: server.stream(event("a"), event("lost"), hold()),
        "redirect": lambda: server.redirect("/b"),
        "renewed 401": lambda: server.respond(401, b"no"),
        "rejected": lambda: server.respond(503, b"sorry", {"Connection": "close"}),
        "cut": lambda: server.stream(event("a"), drop()),
        "idle": lambda: server.stream(event("a"), hold()),
        "garbage": lambda: server.stream(raw(b"no gzip at all"), hold(), headers={"Content-Encoding": "gzip"}),
        "end": lambda: server.stream(event("a")),
        "reconnect()": lambda: server.stream(event("a"), hold()),
    }[first]()
    server.stream(event("b"))
    received: list[str] = []

    def follow(source: EventSource) -> None:
        for item in source:
            received.append(item.data)
            if first == "reconnect()" and item.data == "a":
                source.reconnect()
            elif first == "break":
                break
        received.extend(item.data for item in source)

    source = EventSource(server.url, pool=pool, reconnect=AT_ONCE, idle_timeout=0.3, headers=dict)
    with closing(source):
        follower = threading.Thread(target=follow, args=(source,), name="blocking-pool", daemon=True)
        follower.start()
        follower.join(5)
        ended = not follower.is_alive()
    if not ended:
        pool.clear()  # which wakes whoever waits for a connection
    follower.join(TIMEOUT)
    assert ended, "the next attempt waits for a connection that never comes back"
    assert received[-1] == "b"
    assert len(pool.pools.keys()) == 1
    assert pool.request("GET", server.url, timeout=TIMEOUT).status == 204
    pool.clear()


class NotingPool(urllib3.HTTPConnectionPool):
    """A pool that notes that it is asked for a connection."""

    asked = threading.Event()

    def _get_conn(self, timeout: Any = None) -> Any:
        self.asked.set()
        return super()._get_conn(timeout)


@pytest.mark.parametrize("library", ["urllib3", "requests"])
@pytest.mark.parametrize("limit", [TIMEOUT, None])
def test_close_while_a_blocking_pool_is_busy(server: EventStreamServer, library: str, limit: Any) -> None:
    """Where the application has the one connection itself, close() ends the wait for it, and takes none away."""
    server.respond(200, b"fine")
    server.respond(200, b"fine")
    source: Any
    if library == "urllib3":
        pool: Any = urllib3.PoolManager(block=True, maxsize=1)
        pool.pool_classes_by_scheme = {"http": NotingPool}
        busy = pool.request("GET", server.url, preload_content=False)
        source = EventSource(server.url, pool=pool, connect_timeout=limit)
    else:
        requests = pytest.importorskip("requests")
        bridge = pytest.importorskip("sse_client.requests_bridge")
        session = requests.Session()
        session.trust_env = False
        session.mount("http://", requests.adapters.HTTPAdapter(pool_block=True, pool_maxsize=1))
        session.get_adapter(server.url).poolmanager.pool_classes_by_scheme = {"http": NotingPool}
        busy = session.get(server.url, stream=True).raw
        source = EventSource(bridge.RequestsConnector(session, server.url, connect_timeout=limit))
    NotingPool.asked.clear()
    with Follower(source) as follower:
        assert NotingPool.asked.wait(TIMEOUT)
        assert follower.close_and_time() < 0.1
    assert_nothing_raised(follower)
    assert busy.read() == b"fine"
    assert len(server.requests) == 1
    shared = busy._pool
    assert shared.request("GET", "/", timeout=TIMEOUT, pool_timeout=TIMEOUT).data == b"fine"
    assert [request.connection for request in server.requests] == [1, 1]
    assert shared.pool.qsize() == 1
    shared.close()


def test_a_stream_waits_for_a_blocking_pool(server: EventStreamServer) -> None:
    """The stream comes when the application gives its connection back; if it does not, connect_timeout says so."""
    server.respond(200, b"fine")
    server.stream(event("a"))
    pool: Any = urllib3.PoolManager(block=True, maxsize=1)
    pool.pool_classes_by_scheme = {"http": NotingPool}
    busy = pool.request("GET", server.url, preload_content=False)
    error = failure_of(server.url, pool=pool, connect_timeout=0.12)
    assert error.reason == "no connection: all connections of the pool are in use"
    NotingPool.asked.clear()
    with Follower(EventSource(server.url, pool=pool, reconnect=None)) as follower:
        assert NotingPool.asked.wait(TIMEOUT)
        busy.read()
        follower.join()
    assert_nothing_raised(follower)
    assert follower.data == ["a"]
    pool.connection_from_url(server.url).close()


# What urllib3 reports that is none of our limits


class BrokenPool(urllib3.PoolManager):
    """A pool whose requests, or the reads of whose responses, end with an error."""

    def __init__(self, *, request: Any = None, read: Any = None) -> None:
        super().__init__()
        self._request_error = request
        self._read_error = read

    def urlopen(self, *args: Any, **settings: Any) -> Any:
        if self._request_error is not None:
            raise self._request_error from TimeoutError(110, "Connection timed out")
        response = super().urlopen(*args, **settings)

        def read1(*_: Any, **__: Any) -> bytes:
            raise self._read_error from TimeoutError(110, "Connection timed out")

        response.read1 = read1
        return response


def failure_of(url: str, **settings: Any) -> EventSourceError:
    """The error of one stream."""
    with EventSource(url, reconnect=None, **settings) as source, pytest.raises(EventSourceError) as caught:
        list(source)
    return caught.value


@pytest.mark.parametrize("limit", [None, 300.0])
def test_a_dead_peer_noticed_by_keep_alive(server: EventStreamServer, limit: Any) -> None:
    """Where the system, and not our limit, gives a connection up, it is lost, and the text does not blame the limit."""
    server.stream(event("a"), hold())
    error_of_urllib3 = urllib3_errors.ReadTimeoutError(None, None, "Read timed out.")  # type: ignore[arg-type]
    pool = BrokenPool(read=error_of_urllib3)
    error = failure_of(server.url, pool=pool, idle_timeout=limit)
    assert isinstance(error, ConnectionLost)
    assert "300" not in error.reason
    pool.clear()


@pytest.mark.parametrize("limit", [None, 300.0])
@pytest.mark.parametrize("kind", ["connect", "read"])
def test_a_connection_that_the_system_gives_up(limit: Any, kind: str) -> None:
    """So it is for connecting and for waiting for the response."""
    made: Any = {
        "connect": urllib3_errors.ConnectTimeoutError(None, "timed out"),  # type: ignore[arg-type]
        "read": urllib3_errors.ReadTimeoutError(None, None, "Read timed out."),  # type: ignore[arg-type]
    }[kind]
    error = failure_of(
        "http://127.0.0.1:1/",
        pool=BrokenPool(request=made),
        connect_timeout=limit,
        response_timeout=limit,
        idle_timeout=limit,
    )
    assert isinstance(error, ConnectionFailed)
    assert "300" not in error.reason


# A proxy of the application's


def test_a_proxy_manager(server: EventStreamServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """A ProxyManager is a pool, too; the environment's proxy is not used besides."""
    server.stream(event("a"))
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    with HTTPProxy() as proxy:
        pool = urllib3.ProxyManager(proxy.url)
        assert data_of(EventSource(server.url, pool=pool, reconnect=None)) == ["a"]
        assert len(proxy.asked) == 1
        pool.clear()


def test_the_environment_does_not_count_with_a_pool(
    server: EventStreamServer, pool: urllib3.PoolManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A plain pool goes straight, whatever the environment says."""
    server.stream(event("a"))
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    assert data_of(EventSource(server.url, pool=pool, reconnect=None)) == ["a"]


def test_what_does_not_go_with_a_pool(pool: urllib3.PoolManager) -> None:
    """A pool has its own proxy and its own TLS: giving them besides is refused, and so is what is no pool."""
    with pytest.raises(TypeError, match="along with a pool"):
        EventSource("http://127.0.0.1:1/", pool=pool, proxy="http://127.0.0.1:2")
    with pytest.raises(TypeError, match="along with a pool"):
        EventSource("http://127.0.0.1:1/", pool=pool, ssl_context=ssl.create_default_context())
    not_a_pool: Any = urllib3.HTTPConnectionPool("127.0.0.1")
    with pytest.raises(TypeError, match="PoolManager"):
        EventSource("http://127.0.0.1:1/", pool=not_a_pool)


# A Unix domain socket, as the README shows it


class UnixConnection(HTTPConnection):
    """A connection to a Unix domain socket."""

    def __init__(self, *args: Any, path: str, **settings: Any) -> None:
        super().__init__(*args, **settings)
        self.path = path

    def _new_conn(self) -> socket.socket:
        connected = socket.socket(socket.AF_UNIX)
        connected.settimeout(self.timeout)
        connected.connect(self.path)
        return connected


class UnixPool(urllib3.HTTPConnectionPool):
    """A pool of them."""

    ConnectionCls: Any = UnixConnection


@pytest.mark.skipif(not hasattr(socket, "AF_UNIX"), reason="there are no Unix domain sockets here")
def test_a_unix_domain_socket(tmp_path: Path) -> None:
    """A stream over a Unix domain socket comes, resumes, and is closed at once."""
    path = str(tmp_path / "socket")
    if len(path) > 100:
        path = os.path.relpath(path)
    seen = []

    def serve(connected: socket.socket) -> None:
        head = read_head(connected)
        seen.append(head)
        number = len(seen)
        connected.sendall(
            b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\nid: %d\ndata: %d\n\n" % (number, number)
        )
        if number == 2:
            connected.recv(1)

    server = RawServer(serve)
    server._listener.close()
    server._listener = socket.socket(socket.AF_UNIX)
    server._listener.bind(path)
    server._listener.listen()
    pool = urllib3.PoolManager()
    pool.pool_classes_by_scheme = {"http": partial(UnixPool, path=path)}  # type: ignore[dict-item]
    with server, Follower(EventSource("http://localhost/events", pool=pool, reconnect=AT_ONCE)) as follower:
        follower.wait_for("MessageEvent", 2)
        assert follower.close_and_time() < 0.1
    assert_nothing_raised(follower)
    assert follower.data == ["1", "2"]
    assert follower.seen("MessageEvent")[0].origin == "http://localhost"
    assert b"Last-Event-ID: 1\r\n" in seen[1]
    pool.clear()


# IPv6


def has_ipv6() -> bool:
    """Whether this machine has the IPv6 loopback address."""
    try:
        with socket.create_server(("::1", 0), family=socket.AF_INET6):
            return True
    except OSError:
        return False


needs_ipv6 = pytest.mark.skipif(not has_ipv6(), reason="there is no IPv6 here")


@needs_ipv6
def test_an_ipv6_address() -> None:
    """The address in brackets works, is the origin of the events, and is resumed from."""
    with EventStreamServer(host="::1") as server:
        server.stream(event("a", id="1"), drop())
        server.stream(event("b", id="2"))
        with EventSource(server.url, reconnect=AT_ONCE) as source:
            events = list(source)
        origin = f"http://[::1]:{server.port}"
        assert events == [MessageEvent("message", "a", "1", origin), MessageEvent("message", "b", "2", origin)]
        assert {request.headers["Host"] for request in server.requests} == {f"[::1]:{server.port}"}


@needs_ipv6
def test_cookies_of_an_ipv6_address() -> None:
    """Cookies come back there, too."""
    with EventStreamServer(host="::1") as server:
        server.stream(event("a"), headers={"Set-Cookie": "node=7; Path=/"})
        data_of(EventSource(server.url, reconnect=AT_ONCE))
        assert server.requests[1].headers["Cookie"] == "node=7"


@needs_ipv6
def test_a_name_with_an_address_that_nobody_listens_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a name with two addresses the second is tried when the first refuses."""
    real = socket.getaddrinfo
    with EventStreamServer() as server:
        server.stream(event("a"))

        def both(host: str, port: int, *args: Any) -> Any:
            return [*real("::1", port, *args), *real("127.0.0.1", port, *args)]

        monkeypatch.setattr(socket, "getaddrinfo", both)
        assert data_of(EventSource(f"http://localhost:{server.port}/", reconnect=None)) == ["a"]


def test_nothing_is_left_when_a_pool_fails(server: EventStreamServer, pool: urllib3.PoolManager) -> None:
    """A source over a pool that cannot connect can be closed while it waits."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with Follower(EventSource(f"http://127.0.0.1:{port}/", pool=pool, reconnect=LATER)) as follower:
        follower.wait_for("ErrorEvent")
        assert follower.close_and_time() < 0.1
    assert_nothing_raised(follower)


@pytest.mark.parametrize("setting", ["ca_certs", "cert_file"])
def test_a_certificate_file_that_cannot_be_loaded(setting: str, server_context: ssl.SSLContext) -> None:
    """A file of the pool's that is missing, or holds no certificate, is raised: another attempt is no help."""
    with EventStreamServer(ssl_context=server_context) as server:
        for file in ("no/such.pem", __file__):
            settings: Any = {setting: file}
            once = ReconnectPolicy(max_attempts=1)
            with urllib3.PoolManager(**settings) as pool, EventSource(server.url, pool=pool, reconnect=once) as source:
                with pytest.raises(OSError, match="a certificate file of the pool cannot be loaded: ") as caught:
                    list(source)
                assert not isinstance(caught.value, EventSourceError)


# Where Ctrl-C ends the release itself, the pair of sockets that wakes the loop is closed by the garbage collector.
@pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning")
@pytest.mark.parametrize("way", ["pool", "session"])
def test_ctrl_c_leaves_a_pool_that_blocks_whole(way: str, event_stream_server: EventStreamServer) -> None:
    """Wherever Ctrl-C ends a request and the reading of its response, the application's pool gets its place back."""

    def press_ctrl_c() -> None:
        raise KeyboardInterrupt

    def loop(source: EventSource) -> None:
        with contextlib.suppress(KeyboardInterrupt):
            events = iter(source)
            try:
                next(events)
            finally:
                events.close()

    def places_after(moment: int) -> tuple[str, int]:
        event_stream_server.stream(event("a"), drop())
        if way == "pool":
            manager = urllib3.PoolManager(maxsize=1, block=True)
            source = EventSource(event_stream_server.url, pool=manager)
        else:
            session = requests.Session()
            adapter = HTTPAdapter(pool_connections=1, pool_maxsize=1, pool_block=True)
            session.mount("http://", adapter)
            manager = adapter.poolmanager
            source = EventSource(RequestsConnector(session, event_stream_server.url))
        where = interrupted_at(moment, partial(loop, source), press_ctrl_c, "transport.py")
        places = [manager.pools.get(key).pool.qsize() for key in manager.pools.keys()]  # noqa: SIM118 - no dict
        manager.clear()
        return where, min(places, default=1)

    moment, lost = 1, []
    while (found := places_after(moment))[0]:
        lost += [found] if found[1] != 1 else []
        moment += 1
    assert moment > 20
    assert lost == []
