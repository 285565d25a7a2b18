"""Over a connection that the application has used before, all is as over a new one, and nothing is left on it."""

from __future__ import annotations

import gc
import logging
import socket
import ssl
import weakref
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import trustme
import urllib3
from urllib3.connection import HTTPConnection

from sse_client import ConnectionFailed, ConnectionLost, ErrorEvent, EventSource, ReconnectPolicy
from sse_client.testing import EventStreamServer, Exchange, comment, event, hold

from .proxy_server import HTTPProxy
from .support import AT_ONCE, LATER, TIMEOUT, Follower, assert_nothing_raised, data_of

TWICE = ReconnectPolicy(reconnection_time=0.001, max_delay=0.001, jitter=0.0, max_attempts=2)
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n"


class PoolApplication:
    """A program with a pool of its own."""

    def __init__(self, authority: str, proxy: Any) -> None:
        settings = {"ca_certs": authority}
        self.pool: Any = urllib3.ProxyManager(proxy, **settings) if proxy else urllib3.PoolManager(**settings)

    def get(self, url: str) -> bytes:
        return self.pool.request("GET", url, timeout=TIMEOUT, retries=False).data

    def source(self, url: str, reconnect: Any, **options: Any) -> EventSource:
        return EventSource(url, pool=self.pool, reconnect=reconnect, **options)

    def close(self) -> None:
        self.pool.clear()


class SessionApplication:
    """A program with a session of its own."""

    def __init__(self, authority: str, proxy: Any) -> None:
        requests = pytest.importorskip("requests")
        self.session = requests.Session()
        self.session.trust_env = False
        self.session.proxies = {"http": proxy, "https": proxy} if proxy else {}
        self.session.verify = authority

    def get(self, url: str) -> bytes:
        return self.session.get(url, timeout=TIMEOUT).content

    def source(self, url: str, reconnect: Any, **options: Any) -> EventSource:
        bridge = pytest.importorskip("sse_client.requests_bridge")
        return EventSource(bridge.RequestsConnector(self.session, url, **options), reconnect=reconnect)

    def close(self) -> None:
        self.session.close()


@pytest.fixture
def bundle(authority: trustme.CA, tmp_path: Path) -> str:
    """The file of the tests' authority."""
    path = tmp_path / "bundle.pem"
    authority.cert_pem.write_to_path(str(path))
    return str(path)


@pytest.fixture(params=["plain", "TLS", "tunnel"])
def way(request: pytest.FixtureRequest) -> Any:
    return request.param


@pytest.fixture
def warm_server(way: str, server_context: ssl.SSLContext) -> Iterator[EventStreamServer]:
    with EventStreamServer(ssl_context=None if way == "plain" else server_context) as running:
        running.respond(200, b"logged in")
        yield running


@pytest.fixture(params=[PoolApplication, SessionApplication])
def application(request: pytest.FixtureRequest, way: str, warm_server: EventStreamServer, bundle: str) -> Iterator[Any]:
    """A program that has asked the server for something already, and goes on using its connections afterwards."""
    with ExitStack() as started:
        proxy = started.enter_context(HTTPProxy()).url if way == "tunnel" else None
        made = request.param(bundle, proxy)
        started.callback(made.close)
        assert made.get(warm_server.url) == b"logged in"
        yield made


def over_one_connection(server: EventStreamServer) -> bool:
    return {request.connection for request in server.requests} == {1}


def test_a_stream(warm_server: EventStreamServer, application: Any) -> None:
    """A stream comes over the connection that is there, and the application uses the same again."""
    warm_server.stream(event("a"))
    warm_server.respond(200, b"logged out")
    assert data_of(application.source(warm_server.url, None)) == ["a"]
    assert application.get(warm_server.url) == b"logged out"
    assert over_one_connection(warm_server)


def test_a_head_that_is_cut_off(warm_server: EventStreamServer, application: Any) -> None:
    """A server that dies in the middle of its answer has not answered: another attempt follows."""

    def cut(exchange: Exchange) -> None:
        exchange.write_raw(b"HTTP/1.1 200 OK\r\nServer: x\r\n")
        exchange.drop()

    warm_server.reply(cut)
    warm_server.stream(event("a"))
    with application.source(warm_server.url, AT_ONCE) as source:
        items = list(source.lifecycle())
    first = items[1]
    assert isinstance(first, ErrorEvent)
    assert first.error.reason.startswith("the server broke off in the middle of its answer")
    assert [type(item).__name__ for item in items[2:5]] == ["ConnectingEvent", "OpenEvent", "MessageEvent"]
    assert [request.connection for request in warm_server.requests[:2]] == [1, 1]


def test_early_hints(warm_server: EventStreamServer, application: Any) -> None:
    """A 103 is no answer; the one after it is."""
    answer = b"HTTP/1.1 103 Early Hints\r\nLink: </s.css>\r\n\r\n" + HEAD + b"\r\ndata: a\n\n"
    warm_server.reply(lambda exchange: exchange.write_raw(answer))
    assert data_of(application.source(warm_server.url, None)) == ["a"]
    assert over_one_connection(warm_server)


def test_no_query_is_logged(warm_server: EventStreamServer, application: Any, caplog: pytest.LogCaptureFixture) -> None:
    """Of an odd head urllib3 would warn, and show the whole URL."""
    caplog.set_level(logging.INFO)
    warm_server.reply(lambda exchange: exchange.write_raw(HEAD + b"no header\r\n\r\ndata: a\n\n"))
    assert data_of(application.source(warm_server.url + "?token=s3cret", None)) == ["a"]
    assert over_one_connection(warm_server)
    assert "s3cret" not in caplog.text


@pytest.mark.parametrize("phase", ["before the head", "in the head", "open"])
def test_close(warm_server: EventStreamServer, application: Any, phase: str) -> None:
    """close() ends the loop at once, whatever it waits for, and the application goes on."""
    warm_server.reply(
        {
            "before the head": lambda exchange: exchange.hold(),
            "in the head": lambda exchange: (exchange.write_raw(HEAD), exchange.hold()),
            "open": lambda exchange: exchange.run(event("a"), hold()),
        }[phase]
    )
    warm_server.respond(200, b"fine")
    with Follower(application.source(warm_server.url, LATER)) as follower:
        warm_server.wait_for_requests(2)
        if phase == "open":
            follower.wait_for("MessageEvent")
        assert follower.close_and_time() < 0.1
    assert_nothing_raised(follower)
    assert over_one_connection(warm_server)
    assert application.get(warm_server.url) == b"fine"


def test_time_outs(warm_server: EventStreamServer, application: Any) -> None:
    """The limits are those of the stream, and the application's next request has its own again."""
    warm_server.reply(lambda exchange: exchange.run(comment("a"), hold()))
    with pytest.raises(ConnectionLost, match=r"no byte within idle_timeout=0\.1 s"):
        data_of(application.source(warm_server.url, None, idle_timeout=0.1))
    warm_server.respond(200)
    application.get(warm_server.url)
    warm_server.silence()
    with pytest.raises(ConnectionFailed, match=r"no response within response_timeout=0\.1 s"):
        data_of(application.source(warm_server.url, None, response_timeout=0.1))


def test_the_application_gets_its_own_responses_again(warm_server: EventStreamServer, application: Any) -> None:
    """Where a stream has been, the application's next request is as if there had been none."""
    warm_server.stream(event("a"))
    warm_server.reply(lambda exchange: exchange.write_raw(b"HTTP/1.1 103 Early Hints\r\n\r\n"))
    assert data_of(application.source(warm_server.url, None)) == ["a"]
    if isinstance(application, PoolApplication):
        assert application.pool.request("GET", warm_server.url, retries=False).status == 103
    else:
        assert application.session.get(warm_server.url, timeout=TIMEOUT).status_code == 103
    assert over_one_connection(warm_server)


# What fails leaves no connection, and so no socket, to the garbage collector


def refusing(_: ssl.SSLContext) -> Any:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return None, f"http://127.0.0.1:{listener.getsockname()[1]}/"


def answering(handler: Any, *, tls: bool = False) -> Any:
    def start(context: ssl.SSLContext) -> Any:
        server = EventStreamServer(ssl_context=context if tls else None)
        server.handler = handler
        server.start()
        return server, server.url

    return start


FAILURES: dict[str, Any] = {
    "refused": refusing,
    "silent": answering(lambda exchange: exchange.hold()),
    "silent, TLS": answering(lambda exchange: exchange.hold(), tls=True),
    "idle": answering(lambda exchange: exchange.run(comment("a"), hold())),
    "idle, TLS": answering(lambda exchange: exchange.run(comment("a"), hold()), tls=True),
    "no answer": answering(lambda exchange: exchange.drop()),
    "no answer, TLS": answering(lambda exchange: exchange.drop(), tls=True),
    "half a head": answering(lambda exchange: (exchange.write_raw(HEAD), exchange.drop())),
}


@pytest.fixture
def connections(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Weak references to all of urllib3's connections that are made in the test."""
    made: list[Any] = []
    initialize = HTTPConnection.__init__

    def noted(self: Any, *args: Any, **kwargs: Any) -> None:
        made.append(weakref.ref(self))
        initialize(self, *args, **kwargs)

    monkeypatch.setattr(HTTPConnection, "__init__", noted)
    return made


@pytest.mark.parametrize("kind", [PoolApplication, SessionApplication])
@pytest.mark.parametrize("name", FAILURES)
def test_failures_leave_nothing_to_the_collector(
    kind: Any, name: str, server_context: ssl.SSLContext, bundle: str, connections: list[Any]
) -> None:
    """Whatever has failed, the connections that it was tried with are gone when the loop is over."""
    application = kind(bundle, None)
    server, url = FAILURES[name](server_context)
    logging.getLogger("sse_client").disabled = True  # pytest keeps what is logged, errors and all
    gc.collect()
    gc.disable()
    try:
        with pytest.raises((ConnectionFailed, ConnectionLost)):
            # A quiet stream is no failure, so attempts that end so are not counted.
            data_of(application.source(url, None if "idle" in name else TWICE, response_timeout=0.1, idle_timeout=0.1))
        application.close()
        assert [made() for made in connections] == [None] * len(connections)
        assert connections
    finally:
        gc.enable()
        if server is not None:
            server.close()
