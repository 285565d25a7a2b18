"""`first_available`: which way is taken, when it is decided, and what is never done."""

from __future__ import annotations

import logging
import socket
import struct
import threading
from typing import Any, Callable

import pytest
import requests

from sse_client import (
    Connection,
    ConnectionFailed,
    EventSource,
    Listener,
    MessageEvent,
    ReconnectPolicy,
    ResponseRejected,
    StreamEnded,
)
from sse_client.fallback import WebSocketConnector, first_available
from sse_client.requests_bridge import RequestsConnector
from sse_client.testing import EventStreamServer, ScriptedConnector, event
from sse_client.testing import hold as held

from .proxy_server import HTTPProxy
from .raw_server import FullBacklog, RawServer, read_head
from .support import AT_ONCE, LATER, TIMEOUT, Follower, assert_nothing_raised, data_of
from .websocket_server import WebSocketServer, accept, hold, sends, swallow

SOON = 0.3  # seconds that the WebSocket gets where it is blocked
AMPLE = 10.0  # seconds that it gets where it is not


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    """No environment of the machine's leads through a proxy."""
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


class Choices:
    """Writes down what `on_choice` is told."""

    def __init__(self) -> None:
        self.made: list[tuple[str, str]] = []

    def __call__(self, chosen: str, reason: str) -> None:
        self.made.append((chosen, reason))

    @property
    def urls(self) -> list[str]:
        return [chosen for chosen, _ in self.made]


@pytest.fixture
def choices() -> Choices:
    return Choices()


def websocket(server: Any, **settings: Any) -> WebSocketConnector:
    return WebSocketConnector(server.url.replace("http", "ws"), **settings)


# A WebSocket that works


def test_a_websocket_that_works(server: EventStreamServer, choices: Choices) -> None:
    """Where the WebSocket is open its frames are the events, and nobody asks for the event stream."""
    with WebSocketServer(sends("a", "b")) as there:
        ways = first_available(websocket(there), server.url, try_for=AMPLE, on_choice=choices)
        with Follower(EventSource(ways, reconnect=LATER)) as follower:
            follower.wait_for("MessageEvent", 2)
            assert follower.close_and_time() < 0.1
        assert_nothing_raised(follower)
    assert follower.data == ["a", "b"]
    assert choices.made == [(there.url, "the WebSocket is open, and a frame has come through")]
    assert server.requests == []


def test_a_server_that_has_nothing_to_say(server: EventStreamServer, choices: Choices) -> None:
    """A pong is a frame: a silent server is not blocked."""
    with WebSocketServer(hold, ping_interval=None) as there:
        ways = first_available(websocket(there), server.url, try_for=AMPLE, on_choice=choices)
        with Follower(EventSource(ways, reconnect=LATER)) as follower:
            follower.wait_for("OpenEvent")
    assert choices.urls == [there.url]


def test_the_choice_is_remembered(server: EventStreamServer, choices: Choices) -> None:
    """A WebSocket that has worked is not given up: it comes back by itself, and a rejection is raised."""
    refuse = threading.Event()

    def check(connection: Any, request: Any) -> Any:
        return connection.respond(404, "gone") if refuse.is_set() else None

    def handler(connection: Any) -> None:
        connection.send("a")
        if len(there.requests) == 2:
            refuse.set()

    with WebSocketServer(handler, process_request=check) as there:
        source = EventSource(first_available(websocket(there), server.url, on_choice=choices), reconnect=AT_ONCE)
        with Follower(source) as follower:
            follower.join()
    assert follower.data == ["a", "a"]
    assert isinstance(follower.error, ResponseRejected)
    assert follower.error.status == 404
    assert choices.urls == [there.url]
    assert server.requests == []


# Blocked


def answered(status: int, headers: bytes = b"") -> Callable[[socket.socket], None]:
    def serve(connected: socket.socket) -> None:
        read_head(connected)
        connected.sendall(b"HTTP/1.1 %d X\r\n%sContent-Length: 4\r\n\r\nsome" % (status, headers))

    return serve


def reset(connected: socket.socket) -> None:
    read_head(connected)
    connected.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def ended(connected: socket.socket) -> None:
    read_head(connected)


def silent(connected: socket.socket) -> None:
    while connected.recv(4096):
        pass


def garbled(connected: socket.socket) -> None:
    read_head(connected)
    connected.sendall(b"BLOCKED BY POLICY\r\n\r\n")


def accepted_and_ended(connected: socket.socket) -> None:
    accept(connected)


def accepted_and_garbled(connected: socket.socket) -> None:
    accept(connected)
    connected.sendall(b"\xff\xff")
    silent(connected)


BLOCKS = {
    "200": (answered(200), "200 OK"),
    "302": (answered(302, b"Location: /login\r\n"), "302 Found"),
    "400": (answered(400), "400 Bad Request"),
    "404": (answered(404), "404 Not Found"),
    "407": (answered(407), "407 Proxy Authentication Required"),
    "426": (answered(426), "426 Upgrade Required"),
    "502": (answered(502), "502 Bad Gateway"),
    "a reset": (reset, "connection reset"),
    "an end": (ended, "closed without an answer"),
    "no answer": (silent, f"no answer to the handshake within try_for={SOON:g} s"),
    "garbage": (garbled, "garbled (InvalidMessage)"),
    "101, and all is swallowed": (swallow, f"no frame came within try_for={SOON:g} s"),
    "101, and an end": (accepted_and_ended, "ended before any frame"),
    "101, and garbage": (accepted_and_garbled, "ended before any frame"),
}


@pytest.mark.parametrize(("serve", "reason"), BLOCKS.values(), ids=BLOCKS.keys())
def test_blocked(serve: Any, reason: str, server: EventStreamServer, choices: Choices) -> None:
    """What lets no WebSocket through leads to the event stream, in the same attempt, which is said with the reason."""
    server.stream(event("a"), held())
    with RawServer(serve) as proxy:
        ways = first_available(websocket(proxy), f"{server.url}?token=s3cret", try_for=SOON, on_choice=choices)
        with Follower(EventSource(ways, reconnect=LATER)) as follower:
            follower.wait_for("MessageEvent")
            assert follower.close_and_time() < 0.1
        assert_nothing_raised(follower)
    assert [type(item).__name__ for item in follower.items] == ["ConnectingEvent", "OpenEvent", "MessageEvent"]
    ((chosen, why),) = choices.made
    assert chosen == f"{server.url}?..."
    assert why.startswith("no WebSocket: ")
    assert reason in why
    assert proxy.accepted == 1


def test_blocked_in_the_tls_handshake(server: EventStreamServer, choices: Choices) -> None:
    """A TLS alert, a reset and silence in the TLS handshake are blocking."""

    def alert(connected: socket.socket) -> None:
        connected.recv(4096)
        connected.sendall(b"\x15\x03\x03\x00\x02\x02\x50")

    def cut(connected: socket.socket) -> None:
        connected.recv(10)
        connected.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    for serve in (alert, cut, silent):
        server.stream(event("a"))
        with RawServer(serve) as proxy:
            primary = WebSocketConnector(proxy.url.replace("http", "wss"))
            ways = first_available(primary, server.url, try_for=SOON, on_choice=choices)
            assert data_of(EventSource(ways, reconnect=None)) == ["a"]
    assert choices.urls == [server.url] * 3


def test_a_firewall_that_drops(server: EventStreamServer, choices: Choices) -> None:
    """No connection within try_for is blocking."""
    server.stream(event("a"))
    with FullBacklog() as backlog:
        ways = first_available(websocket(backlog), server.url, try_for=SOON, on_choice=choices)
        assert data_of(EventSource(ways, reconnect=None)) == ["a"]
    assert f"no connection within try_for={SOON:g} s" in choices.made[0][1]


def test_a_proxy_that_refuses_the_tunnel(server: EventStreamServer, choices: Choices) -> None:
    """A proxy that lets no tunnel through, or cuts it off, blocks."""
    with HTTPProxy(refuse_with=403) as refusing, RawServer(ended) as cutting:
        for proxy in (refusing.url, cutting.url):
            server.stream(event("a"))
            primary = WebSocketConnector("ws://127.0.0.1:1/", proxy=proxy)
            ways = first_available(primary, server.url, on_choice=choices)
            assert data_of(EventSource(ways, reconnect=None)) == ["a"]
    assert "answered 403 Forbidden" in choices.made[0][1]


# Not blocked


@pytest.mark.parametrize("status", [401, 403])
def test_a_refusal(status: int, server: EventStreamServer, choices: Choices) -> None:
    """401 and 403 are refusals: they are raised, and nobody asks for the event stream."""
    with RawServer(answered(status)) as refusing:
        source = EventSource(first_available(websocket(refusing), server.url, on_choice=choices))
        with source, pytest.raises(ResponseRejected) as caught:
            list(source)
    assert caught.value.status == status
    assert (server.requests, choices.made) == ([], [])


def test_a_server_that_is_away(server: EventStreamServer, choices: Choices) -> None:
    """A refused connection is not blocking: the WebSocket is tried again, and taken when it is there."""
    there = WebSocketServer(sends("a"))
    port = there.port
    with there:
        pass
    ways = first_available(WebSocketConnector(f"ws://127.0.0.1:{port}/ws"), server.url, on_choice=choices)
    with Follower(EventSource(ways, reconnect=AT_ONCE)) as follower:
        errors = follower.wait_for("ErrorEvent", 3)
        with WebSocketServer(sends("a"), port=port) as back:
            follower.wait_for("MessageEvent")
            follower.source.close()
            follower.join()
    assert_nothing_raised(follower)
    assert {str(item.error) for item in errors} == {
        f"no connection: connection refused (ws://127.0.0.1:{port}/ws)",
    }
    assert choices.urls == [back.url]
    assert server.requests == []


@pytest.mark.parametrize("refuse_with", [407, 502, 503, 504])
def test_a_proxy_that_says_why(refuse_with: int, server: EventStreamServer) -> None:
    """A proxy that wants a login, or says that the server is away, does not block."""
    with HTTPProxy(refuse_with=refuse_with) as proxy:
        primary = WebSocketConnector("ws://127.0.0.1:1/", proxy=proxy.url)
        source = EventSource(first_available(primary, server.url), reconnect=None)
        with source, pytest.raises(ResponseRejected) as caught:
            list(source)
    assert caught.value.status == refuse_with
    assert server.requests == []


def test_an_unknown_name(server: EventStreamServer) -> None:
    """A name that cannot be resolved is not blocking."""
    source = EventSource(first_available(WebSocketConnector("ws://nowhere.invalid/"), server.url), reconnect=None)
    with source, pytest.raises(ConnectionFailed, match="could not be resolved"):
        list(source)
    assert server.requests == []


def test_a_proxy_that_is_away(server: EventStreamServer) -> None:
    """A proxy that refuses the connection is not blocking."""
    primary = WebSocketConnector("ws://127.0.0.1:1/", proxy="http://127.0.0.1:1")
    source = EventSource(first_available(primary, server.url), reconnect=None)
    with source, pytest.raises(ConnectionFailed, match="the proxy cannot be reached"):
        list(source)
    assert server.requests == []


def test_an_interrupt_is_not_blocking(
    server: EventStreamServer, choices: Choices, caplog: pytest.LogCaptureFixture
) -> None:
    """reconnect() in the middle of a trial begins another attempt, with the WebSocket, and asks for nothing else."""
    caplog.set_level(logging.INFO)
    arrived = threading.Semaphore(0)

    def serve(connected: socket.socket) -> None:
        read_head(connected)
        arrived.release()
        silent(connected)

    with RawServer(serve) as proxy:
        ways = first_available(websocket(proxy), server.url, try_for=AMPLE, on_choice=choices)
        with Follower(EventSource(ways, reconnect=AT_ONCE)) as follower:
            for _ in range(2):
                assert arrived.acquire(timeout=TIMEOUT)
                follower.source.reconnect()
            assert arrived.acquire(timeout=TIMEOUT)
            assert follower.close_and_time() < 0.1
        assert_nothing_raised(follower)
    assert (server.requests, choices.made, follower.seen("OpenEvent")) == ([], [], [])
    assert "no WebSocket" not in caplog.text


def test_an_interrupt_between_the_ways() -> None:
    """close() after the trial and before the second way has begun keeps that from asking for anything."""

    class Closing(ScriptedConnector):
        def connection(self) -> Connection:
            source.close()
            return super().connection()

    scripted = Closing()
    scripted.silence()
    with RawServer(answered(404)) as proxy:
        source = EventSource(first_available(websocket(proxy), scripted))
        with Follower(source) as follower:
            follower.join()
        assert_nothing_raised(follower)


# Both blocked


def test_both_blocked(server: EventStreamServer, choices: Choices) -> None:
    """If neither way is open the error says both reasons; each attempt tries both, until one is open."""
    server.respond(503, b"busy", {"Connection": "close"})
    server.hang_up()
    server.stream(event("a"), held())
    with RawServer(answered(400)) as proxy:
        ways = first_available(websocket(proxy), server.url, on_choice=choices)
        with Follower(EventSource(ways, reconnect=AT_ONCE)) as follower:
            follower.wait_for("MessageEvent")
        assert_nothing_raised(follower)
        blocked = (
            f"the server answered the WebSocket handshake with 400 Bad Request ({proxy.url.replace('http', 'ws')})"
        )
    errors = [item.error for item in follower.seen("ErrorEvent")]
    assert [str(error) for error in errors] == [
        f"the server answered 503 Service Unavailable; before that, no WebSocket: {blocked} ({server.url})",
        f"the server closed the connection without a response; before that, no WebSocket: {blocked} ({server.url})",
    ]
    assert proxy.accepted == 3
    assert choices.urls == [server.url]


def test_a_fallback_that_is_final(server: EventStreamServer) -> None:
    """What is final of the second way is raised."""
    server.respond(404)
    with RawServer(answered(404)) as proxy:
        source = EventSource(first_available(websocket(proxy), server.url))
        with source, pytest.raises(ResponseRejected) as caught:
            list(source)
    assert caught.value.url == server.url


# Once it is decided


def test_a_fallback_is_remembered(server: EventStreamServer, choices: Choices) -> None:
    """Reconnects go by the event stream, from the last event ID; nobody tries the WebSocket, in a later loop too."""
    server.stream(event("a", id="1"))
    server.stream(event("b", id="2"))
    with RawServer(answered(404)) as proxy:
        source = EventSource(first_available(websocket(proxy), server.url, on_choice=choices), reconnect=AT_ONCE)
        assert [item.data for item in source] == ["a", "b"]
        server.stream(event("c", id="3"))
        assert [item.data for item in source] == ["c"]
        source.close()
    assert [request.headers.get("Last-Event-ID") for request in server.requests] == [None, "1", "2", "2", "3"]
    assert proxy.accepted == 1
    assert choices.urls == [server.url]


def switching(blocks: threading.Event) -> Callable[[Any, Any], Any]:
    def check(connection: Any, request: Any) -> Any:
        return connection.respond(404, "no WebSocket here") if blocks.is_set() else None

    return check


def test_the_first_way_is_tried_again(server: EventStreamServer, choices: Choices) -> None:
    """With retry_primary_after the WebSocket is tried again, at a reconnect and not before, and used if it opens."""
    blocks = threading.Event()
    blocks.set()
    cut = threading.Event()
    server.reply(lambda exchange: (exchange.run(event("a")), cut.wait(TIMEOUT)))
    with WebSocketServer(sends("b"), process_request=switching(blocks)) as there:
        ways = first_available(websocket(there), server.url, on_choice=choices, retry_primary_after=0.05)
        with Follower(EventSource(ways, reconnect=AT_ONCE)) as follower:
            follower.wait_for("MessageEvent")
            blocks.clear()
            threading.Event().wait(0.2)
            assert there.requests == []  # the stream is open: it stays where it is
            cut.set()
            follower.wait_for("MessageEvent", 2)
        assert_nothing_raised(follower)
    assert follower.data == ["a", "b"]
    assert choices.urls == [server.url, there.url]
    assert {type(item.error) for item in follower.seen("ErrorEvent")} <= {StreamEnded}


def test_a_vain_second_try(server: EventStreamServer, choices: Choices) -> None:
    """Whatever is wrong with the WebSocket when it is tried again, the event stream goes on, without a report."""
    statuses = iter([404, 401, 404])

    def check(connection: Any, request: Any) -> Any:
        return connection.respond(next(statuses), "no")

    for number in range(4):
        server.stream(event(str(number)))
    with WebSocketServer(hold, process_request=check) as there:
        ways = first_available(websocket(there), server.url, on_choice=choices, retry_primary_after=1e-9)
        with Follower(EventSource(ways, reconnect=AT_ONCE)) as follower:
            follower.wait_for("MessageEvent", 3)
            follower.join()
        assert_nothing_raised(follower)
    assert follower.data == ["0", "1", "2", "3"]
    assert {type(item.error) for item in follower.seen("ErrorEvent")} == {StreamEnded}
    assert choices.urls == [server.url]


def test_not_before_its_time(server: EventStreamServer) -> None:
    """Before retry_primary_after is up nobody tries the WebSocket again."""
    server.stream(event("a"))
    server.stream(event("b"))
    with RawServer(answered(404)) as proxy:
        source = EventSource(first_available(websocket(proxy), server.url, retry_primary_after=60), reconnect=AT_ONCE)
        assert data_of(source) == ["a", "b"]
    assert proxy.accepted == 1


# The ways


def test_ids_of_the_messages_carry_over(server: EventStreamServer) -> None:
    """With IDs in the frames themselves, and to_event, the event stream goes on after the last of them."""
    blocks = threading.Event()

    def to_event(text: str) -> MessageEvent:
        return MessageEvent(data=text, last_event_id=text)

    with WebSocketServer(lambda connection: connection.send("7"), process_request=switching(blocks)) as there:
        source = EventSource(WebSocketConnector(there.url, to_event=to_event), reconnect=None)
        assert data_of(source) == ["7"]
        blocks.set()
        server.stream(event("8", id="8"))
        ways = first_available(websocket(there, to_event=to_event), server.url)
        assert data_of(EventSource(ways, last_event_id=source.last_event_id, reconnect=None)) == ["8"]
    assert server.requests[0].headers["Last-Event-ID"] == "7"


def test_a_connector_as_the_second_way(server: EventStreamServer) -> None:
    """The second way may be a session's connector, or that of a source with options of its own."""
    with requests.Session() as session, RawServer(answered(404)) as proxy:
        for second in (
            RequestsConnector(session, server.url, headers={"X-Token": "1"}),
            EventSource(server.url, headers={"X-Token": "1"}).connector,
        ):
            server.stream(event("a"))
            assert data_of(EventSource(first_available(websocket(proxy), second), reconnect=None)) == ["a"]
    assert [request.headers["X-Token"] for request in server.requests] == ["1", "1"]


def test_a_second_way_that_is_not_repeatable(server: EventStreamServer) -> None:
    """What may not be repeated is not repeated, unless a policy says so."""
    second = EventSource(server.url, method="POST", body=b"x").connector
    ways = first_available(WebSocketConnector("ws://127.0.0.1:1/"), second)
    assert not ways.is_repeatable
    assert first_available(WebSocketConnector("ws://127.0.0.1:1/"), server.url).is_repeatable


def test_waiting_and_closing_are_the_ways_own() -> None:
    """Between attempts the connector in use waits, and all are closed at the end."""
    scripted = ScriptedConnector()
    scripted.stream(event("a", retry=1000.0))
    scripted.end()
    with RawServer(answered(404)) as proxy:
        source = EventSource(first_available(websocket(proxy), scripted), reconnect=ReconnectPolicy(jitter=0))
        assert data_of(source) == ["a"]
    assert scripted.delays == [1000.0]
    assert scripted.closed


def test_close_while_the_frames_are_swallowed(server: EventStreamServer) -> None:
    """close() ends the wait for the first frame at once, and no request follows."""
    arrived = threading.Event()

    def serve(connected: socket.socket) -> None:
        accept(connected)
        connected.recv(4096)
        arrived.set()
        silent(connected)

    with RawServer(serve) as proxy:
        ways = first_available(websocket(proxy), server.url, try_for=AMPLE)
        with Follower(EventSource(ways, reconnect=LATER)) as follower:
            assert arrived.wait(TIMEOUT)
            assert follower.close_and_time() < 0.1
        assert_nothing_raised(follower)
    assert server.requests == []


def test_close_while_the_second_way_opens(server: EventStreamServer) -> None:
    """close() reaches the second way in the same attempt."""
    server.silence()
    with RawServer(answered(404)) as proxy:
        with Follower(EventSource(first_available(websocket(proxy), server.url), reconnect=LATER)) as follower:
            server.wait_for_requests(1, TIMEOUT)
            assert follower.close_and_time() < 0.1
        assert_nothing_raised(follower)


def test_a_listener(server: EventStreamServer) -> None:
    """A Listener over two ways calls its handlers."""
    server.stream(event("a"), held())
    got = threading.Event()
    with RawServer(answered(404)) as proxy:
        listener = Listener(EventSource(first_available(websocket(proxy), server.url)))
        listener.on_event(lambda message: got.set())
        with listener:
            assert got.wait(TIMEOUT)


def test_what_on_choice_raises_is_raised(server: EventStreamServer) -> None:
    """An error in on_choice ends the iteration, as any error in a function of the user's."""
    with WebSocketServer(sends("a")) as there:

        def fail(chosen: str, reason: str) -> None:
            raise KeyError(chosen)

        source = EventSource(first_available(websocket(there), server.url, on_choice=fail))
        with source, pytest.raises(KeyError):
            list(source)


@pytest.mark.parametrize(
    ("primary", "fallback", "settings", "error", "message"),
    [
        ("ws://a.test/", "http://a.test/", {}, TypeError, "primary must be a WebSocketConnector, not str"),
        (None, "ws://a.test/", {}, ValueError, "url must start with http:// or https://"),
        (None, 7, {}, TypeError, "url must be a str"),
        (None, "http://a.test/", {"try_for": 0}, ValueError, "try_for"),
        (None, "http://a.test/", {"try_for": None}, TypeError, "try_for"),
        (None, "http://a.test/", {"on_choice": 7}, TypeError, "on_choice"),
        (None, "http://a.test/", {"retry_primary_after": -1}, ValueError, "retry_primary_after"),
    ],
)
def test_wrong_arguments(
    primary: Any, fallback: Any, settings: dict[str, Any], error: type[Exception], message: str
) -> None:
    """A wrong argument is refused where it is given, by name."""
    with pytest.raises(error, match=message):
        first_available(primary or WebSocketConnector("ws://a.test/"), fallback, **settings)
