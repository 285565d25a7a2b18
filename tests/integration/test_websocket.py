"""`WebSocketConnector` against websockets' own server, and against servers below it."""

from __future__ import annotations

import logging
import socket
import ssl
import struct
import subprocess
import sys
import threading
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Callable, Optional

import pytest
import requests
import trustme
from websockets.sync.server import ServerConnection

from sse_client import (
    CertificateRejected,
    ConnectingEvent,
    ConnectionFailed,
    ConnectionLost,
    EventSource,
    EventTooLarge,
    Listener,
    MessageEvent,
    OpenEvent,
    ResponseRejected,
    StreamEnded,
)
from sse_client.fallback import WebSocketConnector, first_available

from .proxy_server import HTTPProxy, SOCKS5Proxy
from .raw_server import FullBacklog, RawServer, read_head
from .support import AT_ONCE, LATER, TIMEOUT, Follower, assert_nothing_raised, data_of
from .websocket_server import WebSocketServer, accept, hold, sends


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    """No environment of the machine's leads through a proxy."""
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.fixture
def client_context(authority: trustme.CA) -> ssl.SSLContext:
    """The client's side of TLS, which trusts the authority of the tests."""
    context = ssl.create_default_context()
    authority.configure_trust(context)
    return context


def once(url: str, **settings: Any) -> EventSource:
    """A source over one WebSocket, that does not come back."""
    return EventSource(WebSocketConnector(url, **settings), reconnect=None)


def sends_and_ends(*messages: Any, code: int = 1000) -> Callable[[ServerConnection], None]:
    def handler(connection: ServerConnection) -> None:
        for message in messages:
            connection.send(message)
        connection.close(code)

    return handler


def failure_of(source: EventSource) -> BaseException:
    with source, pytest.raises(Exception) as caught:  # noqa: PT011 - the caller looks
        list(source)
    return caught.value


# Frames


def test_text_frames_are_events() -> None:
    """Each text frame is an event of type message with exactly that data, whatever is in it and however it is cut."""
    texts = ["a", "", "two\nlines", "carriage\r\nreturn\r", "\ufeffmark", "äöü ✓ \U0001f600", "\0", "x" * 300_000]
    with WebSocketServer(sends_and_ends(*texts, ["in ", "three ", "frames"])) as server, once(server.url) as source:
        connecting, *items = source.lifecycle()
    assert connecting == ConnectingEvent(server.url, 1)
    assert isinstance(items[0], OpenEvent)
    assert items[0].url == server.url
    assert items[0].headers["upgrade"] == "websocket"
    origin = f"ws://127.0.0.1:{server.port}"
    assert items[1:] == [MessageEvent("message", text, "", origin) for text in [*texts, "in three frames"]]


def test_binary_frames_are_skipped(caplog: pytest.LogCaptureFixture) -> None:
    """A binary frame is no event; that is said once for a connection."""
    with WebSocketServer(sends_and_ends(b"1", "a", b"2", "b")) as server:
        assert data_of(once(server.url)) == ["a", "b"]
    assert [record.getMessage() for record in caplog.records] == [
        f"{server.url}: binary frames are skipped, only text frames become events"
    ]


def test_to_event() -> None:
    """A function makes the events of the frames, or none; the IDs that it gives are the source's."""

    def to_event(text: str) -> Optional[MessageEvent]:
        kind, _, data = text.partition(":")
        if kind == "ping":
            return None
        return MessageEvent(kind, data, data if kind == "id" else "")

    with WebSocketServer(sends_and_ends("x:1", "ping", "id:7", "y:2")) as server:
        source = EventSource(WebSocketConnector(server.url, to_event=to_event), reconnect=None, last_event_id="5")
        events = [(event.type, event.data, event.last_event_id, event.origin) for event in source]
    origin = f"ws://127.0.0.1:{server.port}"
    assert events == [("x", "1", "5", origin), ("id", "7", "7", origin), ("y", "2", "7", origin)]
    assert source.last_event_id == "7"


def test_what_to_event_raises_is_raised() -> None:
    """An error of the function's ends the iteration, after the events before it; so does what is no event."""

    def strict(text: str) -> MessageEvent:
        if text == "b":
            raise KeyError(text)
        return MessageEvent(data=text)

    def wrong(text: str) -> Any:
        return MessageEvent(data=text) if text == "a" else text

    for function, error in ((strict, KeyError), (wrong, TypeError)):
        received: list[Any] = []
        with WebSocketServer(sends_and_ends("a", "b")) as server, once(server.url, to_event=function) as source:
            steps = iter(source)
            received.append(next(steps).data)
            with pytest.raises(error):
                next(steps)
        assert received == ["a"]
    with WebSocketServer(sends_and_ends("a")) as server:
        bad = once(server.url, to_event=lambda text: MessageEvent(data=text, last_event_id="a\nb"))
        assert isinstance(failure_of(bad), ValueError)


def test_a_message_that_is_too_large() -> None:
    """A message above the limit ends the stream, packed or in fragments too; the events before it are handed over."""
    for message in ("x" * 2000, ["x" * 900, "x" * 900]):
        with WebSocketServer(sends("a", message)) as server:
            source = EventSource(WebSocketConnector(server.url, max_event_size=1000), reconnect=AT_ONCE)
            with Follower(source) as follower:
                follower.join()
        assert follower.data == ["a"]
        assert isinstance(follower.error, EventTooLarge)
        assert (follower.error.limit, follower.error.parameter) == (1000, "max_event_size")


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"\x81\x02\xff\xfe", "the server sent a text frame that is not UTF-8"),
        (b"\x83\x00", "the server sent what is not a WebSocket frame"),
        (b"\x80\x01a", "the server sent what is not a WebSocket frame"),
        (b"\x81\x05ab", "the connection ended without a close frame"),
        (b"", "the connection ended without a close frame"),
    ],
)
def test_broken_frames(data: bytes, reason: str) -> None:
    """What is no frame, or no text, or cut off, is a lost connection after the events before it."""

    def serve(connected: socket.socket) -> None:
        accept(connected)
        connected.sendall(b"\x81\x01a" + data)

    with RawServer(serve) as server, Follower(over(server, reconnect=LATER)) as follower:
        (lost,) = follower.wait_for("ErrorEvent")
    assert follower.data == ["a"]
    assert type(lost.error) is ConnectionLost
    assert lost.error.reason == reason


def over(server: Any, *, reconnect: Any = AT_ONCE, **settings: Any) -> EventSource:
    """A source over a WebSocket to a raw server."""
    return EventSource(WebSocketConnector(server.url.replace("http", "ws"), **settings), reconnect=reconnect)


# Ends and reconnecting


def test_it_comes_back_after_every_end() -> None:
    """A clean close is a StreamEnded, any other a ConnectionLost; each time the source comes back."""
    codes = iter([1000, 1001, 1011, 4000])

    def handler(connection: ServerConnection) -> None:
        connection.send("a")
        code = next(codes, None)
        if code is None:
            hold(connection)
        else:
            connection.close(code)

    with WebSocketServer(handler) as server:
        with Follower(EventSource(WebSocketConnector(server.url), reconnect=AT_ONCE)) as follower:
            follower.wait_for("MessageEvent", 5)
        assert_nothing_raised(follower)
    errors = [item.error for item in follower.seen("ErrorEvent")]
    assert [type(error) for error in errors] == [StreamEnded, StreamEnded, ConnectionLost, ConnectionLost]
    assert [error.reason for error in errors[2:]] == [
        "the server closed the WebSocket with code 1011",
        "the server closed the WebSocket with code 4000",
    ]
    assert len(follower.seen("OpenEvent")) == 5


def test_a_reset() -> None:
    """A connection that is reset is lost, and made again."""

    def serve(connected: socket.socket) -> None:
        accept(connected)
        connected.sendall(b"\x81\x01a")
        connected.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    with RawServer(serve) as server, Follower(over(server)) as follower:
        errors = follower.wait_for("ErrorEvent", 2)
    assert {type(item.error) for item in errors} == {ConnectionLost}
    assert_nothing_raised(follower)


def test_the_server_is_told_of_the_end() -> None:
    """Leaving the loop sends a close frame: the server sees a normal end."""
    codes = []
    ended = threading.Event()

    def handler(connection: ServerConnection) -> None:
        connection.send("a")
        hold(connection)
        codes.append(connection.close_code)
        ended.set()

    with WebSocketServer(handler) as server, once(server.url) as source:
        for _ in source:
            break
        assert ended.wait(TIMEOUT)
    assert codes == [1000]


def test_silence() -> None:
    """A WebSocket without a byte for idle_timeout is lost."""
    with WebSocketServer(hold, ping_interval=None) as server:
        with Follower(EventSource(WebSocketConnector(server.url, idle_timeout=0.1), reconnect=AT_ONCE)) as follower:
            lost = follower.wait_for("ErrorEvent", 2)[0].error
        assert_nothing_raised(follower)
    assert type(lost) is ConnectionLost
    assert lost.reason == "no byte within idle_timeout=0.1 s"
    assert lost.parameter == "idle_timeout"
    assert {item.attempt for item in follower.seen("ErrorEvent")} == {0}  # a quiet stream is not a failure


def test_pings_are_bytes() -> None:
    """A WebSocket over which nothing but pings come is alive; they are answered."""
    pongs = []

    def handler(connection: ServerConnection) -> None:
        for _ in range(8):
            threading.Event().wait(0.1)
            pongs.append(connection.ping())
        assert all(pong.wait(TIMEOUT) for pong in pongs)
        connection.send("a")
        hold(connection)

    with WebSocketServer(handler, ping_interval=None) as server:
        with Follower(EventSource(WebSocketConnector(server.url, idle_timeout=0.4), reconnect=LATER)) as follower:
            follower.wait_for("MessageEvent")
        assert_nothing_raised(follower)
    assert follower.seen("ErrorEvent") == []


def test_pings_are_comments() -> None:
    """Whoever wants comments is told of pings."""

    def handler(connection: ServerConnection) -> None:
        assert connection.ping().wait(TIMEOUT)
        connection.send("a")
        hold(connection)

    with WebSocketServer(handler, ping_interval=None) as server:
        source = EventSource(WebSocketConnector(server.url))
        with Follower(source, comments=True) as follower:
            follower.wait_for("MessageEvent")
    assert [item.text for item in follower.seen("CommentEvent")] == ["ping"]


def test_pause_and_resume() -> None:
    """A paused source has no WebSocket; it makes another one when it goes on."""
    with WebSocketServer(sends("a")) as server:
        with Follower(EventSource(WebSocketConnector(server.url))) as follower:
            follower.wait_for("MessageEvent")
            follower.source.pause()
            follower.wait_for("ErrorEvent")
            assert len(server.requests) == 1
            follower.source.resume()
            follower.wait_for("MessageEvent", 2)
        assert_nothing_raised(follower)


def test_close_over_tls(server_context: ssl.SSLContext, client_context: ssl.SSLContext) -> None:
    """close() ends the wait for a frame over TLS at once, too."""
    with WebSocketServer(sends("a"), ssl_context=server_context) as server:
        with Follower(EventSource(WebSocketConnector(server.url, ssl_context=client_context))) as follower:
            follower.wait_for("MessageEvent")
            assert follower.close_and_time() < 0.1
        assert_nothing_raised(follower)


def test_a_listener() -> None:
    """A Listener over a WebSocket calls its handlers."""
    seen: list[str] = []
    done = threading.Event()
    with WebSocketServer(sends("a", "b")) as server:
        listener = Listener(EventSource(WebSocketConnector(server.url)))

        @listener.on_event
        def note(event: MessageEvent) -> None:
            seen.append(event.data)
            if event.data == "b":
                done.set()

        with listener:
            assert done.wait(TIMEOUT)
    assert seen == ["a", "b"]


# The handshake


def test_what_is_asked_for() -> None:
    """The handshake has the user's headers and subprotocols, and the login of the URL."""
    with WebSocketServer(sends("a"), subprotocols=["b"]) as server:
        url = server.url.replace("//", "//user:pass@") + "?token=1"
        headers = {"origin": "https://example.com", "User-Agent": "mine", "Host": "example.com"}
        with once(url, headers=headers, subprotocols=["a", "b"]) as source:
            assert next(iter(source)).data == "a"
    (request,) = server.requests
    assert request.path == "/ws?token=1"
    assert request.headers["Authorization"] == "Basic dXNlcjpwYXNz"
    assert request.headers["Sec-WebSocket-Protocol"] == "a, b"
    assert [request.headers.get_all(name) for name in headers] == [["https://example.com"], ["mine"], ["example.com"]]
    assert "Last-Event-ID" not in request.headers


def test_functions_are_called_for_every_attempt() -> None:
    """The url and headers functions are called before every attempt."""
    numbers = iter(range(100))
    with WebSocketServer(sends_and_ends("a")) as server:
        connector = WebSocketConnector(
            lambda: f"{server.url}?{next(numbers)}", headers=lambda: {"X-Number": str(next(numbers))}
        )
        with Follower(EventSource(connector, reconnect=AT_ONCE)) as follower:
            follower.wait_for("MessageEvent", 2)
    seen = [(request.path, request.headers["X-Number"]) for request in server.requests[:2]]
    assert seen == [("/ws?0", "1"), ("/ws?2", "3")]


def test_a_second_chance_after_401() -> None:
    """With a headers function a 401 is followed by one more handshake at once; a second 401 is raised."""
    tokens = iter(["old", "new", "old", "old"])

    def check(connection: ServerConnection, request: Any) -> Any:
        return None if request.headers["X-Token"] == "new" else connection.respond(401, "who?")

    with WebSocketServer(sends_and_ends("a"), process_request=check) as server:
        assert data_of(once(server.url, headers=lambda: {"X-Token": next(tokens)})) == ["a"]
        error = failure_of(once(server.url, headers=lambda: {"X-Token": next(tokens)}))
        assert isinstance(error, ResponseRejected)
        assert error.status == 401
    assert list(tokens) == []


def test_the_server_of_the_tokens_is_down() -> None:
    """An OSError in the url or headers function is a failed attempt, and not one of a blocked WebSocket."""
    outcomes: Iterator[Any] = iter(
        [ConnectionError("down: s3cret"), requests.ConnectionError("down"), {"X-Token": "1"}]
    )

    def token() -> Any:
        outcome = next(outcomes)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    with WebSocketServer(sends("a")) as server:
        ways = first_available(WebSocketConnector(server.url, headers=token), "http://127.0.0.1:1/")
        with Follower(EventSource(ways, reconnect=AT_ONCE)) as follower:
            follower.wait_for("MessageEvent")
        assert_nothing_raised(follower)
    errors = [item.error for item in follower.seen("ErrorEvent")]
    assert [type(error) for error in errors] == [ConnectionFailed, ConnectionFailed]
    assert all("the function for the URL or the headers failed: ConnectionError" in error.reason for error in errors)
    assert isinstance(errors[1].__cause__, requests.ConnectionError)


def answers(data: bytes) -> Callable[[socket.socket], None]:
    def serve(connected: socket.socket) -> None:
        read_head(connected)
        connected.sendall(data)

    return serve


def test_a_rejected_handshake() -> None:
    """An answer other than 101 is a ResponseRejected with its status, headers and body; a redirect is not followed."""
    with RawServer(answers(b"HTTP/1.1 503 X\r\nRetry-After: 7\r\nContent-Length: 4\r\n\r\nbusy")) as server:
        error = failure_of(over(server, reconnect=None))
    assert isinstance(error, ResponseRejected)
    assert (error.status, error.retry_after, error.body, error.headers["content-length"]) == (503, 7.0, b"busy", "4")
    assert error.reason == "the server answered the WebSocket handshake with 503 Service Unavailable"
    with RawServer(answers(b"HTTP/1.1 302 Found\r\nLocation: /other\r\nContent-Length: 0\r\n\r\n")) as server:
        error = failure_of(over(server))
    assert isinstance(error, ResponseRejected)
    assert error.status == 302
    assert server.accepted == 1


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "the connection was closed without an answer to the handshake"),
        (b"HTTP/1.1 101 Swi", "the connection was closed without an answer to the handshake"),
        (b"SSH-2.0-OpenSSH\r\n", "the answer to the handshake is garbled (InvalidMessage)"),
        (b"HTTP/1.1 101 X\r\n\r\n", "the answer to the handshake is garbled (InvalidUpgrade)"),
        (
            b"HTTP/1.1 101 X\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: s3cret\r\n\r\n",
            "the answer to the handshake is garbled (InvalidHeaderValue)",
        ),
    ],
)
def test_no_handshake(data: bytes, reason: str) -> None:
    """What is no answer, or none to this handshake, is a failed attempt, which quotes nothing of it."""
    with RawServer(answers(data)) as server:
        error = failure_of(over(server, reconnect=None))
    assert isinstance(error, ConnectionFailed)
    assert error.reason == reason
    assert "s3cret" not in "".join(traceback.format_exception(type(error), error, error.__traceback__))


def test_no_answer_in_time() -> None:
    """All up to the answer, however slowly it drips, has connect_timeout."""

    def drip(connected: socket.socket) -> None:
        read_head(connected)
        for byte in b"HTTP/1.1 101 Switching Protocols and so on":
            connected.sendall(bytes([byte]))
            threading.Event().wait(0.05)

    with RawServer(drip) as server:
        error = failure_of(over(server, reconnect=None, connect_timeout=0.3))
    assert isinstance(error, ConnectionFailed)
    assert error.reason == "no answer to the handshake within connect_timeout=0.3 s"


def test_no_connection_in_time() -> None:
    """A server that accepts nobody is a failed attempt after connect_timeout."""
    with FullBacklog() as backlog:
        error = failure_of(over(backlog, reconnect=None, connect_timeout=0.2))
    assert isinstance(error, ConnectionFailed)
    assert error.reason == "no connection within connect_timeout=0.2 s"


def test_refused_and_unknown() -> None:
    """A refused connection and a name that is not found are failed attempts, and say so."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    error = failure_of(once(f"ws://127.0.0.1:{port}/"))
    assert str(error) == f"no connection: connection refused (ws://127.0.0.1:{port}/)"
    error = failure_of(once("ws://nowhere.invalid/"))
    assert str(error) == "the host name could not be resolved (ws://nowhere.invalid/)"


# TLS, proxies


def test_tls(server_context: ssl.SSLContext, client_context: ssl.SSLContext) -> None:
    """Over TLS events come as without; a certificate that nobody vouches for is final."""
    with WebSocketServer(sends_and_ends("a"), ssl_context=server_context) as server:
        assert data_of(once(server.url, ssl_context=client_context)) == ["a"]
        error = failure_of(EventSource(WebSocketConnector(server.url)))
    assert isinstance(error, CertificateRejected)
    assert str(error).endswith(f"({server.url})")
    assert len(server.requests) == 1


@pytest.mark.parametrize("secure", [False, True])
@pytest.mark.parametrize("make", [HTTPProxy, SOCKS5Proxy])
def test_a_proxy(make: Any, secure: bool, server_context: ssl.SSLContext, client_context: ssl.SSLContext) -> None:
    """A proxy leads to the server by a tunnel, for ws and wss, with its login."""
    login = {HTTPProxy: "Basic dXNlcjpwYXNz", SOCKS5Proxy: ("user", "pass")}[make]
    server_side = server_context if secure else None
    with WebSocketServer(sends_and_ends("a"), ssl_context=server_side) as server, make(login=login) as proxy:
        url = proxy.url.replace("//", "//user:pass@")
        assert data_of(once(server.url, proxy=url, ssl_context=client_context if secure else None)) == ["a"]
    assert proxy.asked[0].line.split(" ")[1].removesuffix(":") == f"127.0.0.1:{server.port}"


def test_a_proxy_over_tls(server_context: ssl.SSLContext, client_context: ssl.SSLContext) -> None:
    """A proxy that is spoken to over TLS leads to wss; for ws it cannot be used, which is said."""
    secure = WebSocketServer(sends_and_ends("a", "b"), ssl_context=server_context)
    with secure as server, HTTPProxy(ssl_context=server_context) as proxy:
        assert data_of(once(server.url, proxy=proxy.url, ssl_context=client_context)) == ["a", "b"]
        error = failure_of(once("ws://127.0.0.1:1/", proxy=proxy.url, ssl_context=client_context))
    assert isinstance(error, ValueError)
    assert proxy.address in str(error)


def test_the_environment(
    server_context: ssl.SSLContext, client_context: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    """HTTP_PROXY holds for ws, HTTPS_PROXY for wss, NO_PROXY for both, and none with trust_env=False."""
    secure = WebSocketServer(sends_and_ends("a"), ssl_context=server_context)
    with WebSocketServer(sends_and_ends("a")) as plain, secure, HTTPProxy() as one, HTTPProxy() as other:
        monkeypatch.setenv("http_proxy", one.url)
        monkeypatch.setenv("https_proxy", other.url)
        for no_proxy in ("other.test", "127.0.0.0/8"):
            monkeypatch.setenv("no_proxy", no_proxy)
            assert data_of(once(plain.url)) == ["a"]
            assert data_of(once(secure.url, ssl_context=client_context)) == ["a"]
        monkeypatch.delenv("no_proxy")
        assert data_of(once(plain.url, trust_env=False)) == ["a"]
    assert [asked.line.rpartition(" ")[0] for asked in one.asked] == [f"CONNECT 127.0.0.1:{plain.port}"]
    assert [asked.line.rpartition(" ")[0] for asked in other.asked] == [f"CONNECT 127.0.0.1:{secure.port}"]


def test_a_proxy_that_fails() -> None:
    """A proxy that refuses the tunnel, or cannot be reached, is named."""
    with HTTPProxy(refuse_with=407) as proxy:
        error = failure_of(once("ws://127.0.0.1:1/x?token=s3cret", proxy=proxy.url))
    assert isinstance(error, ResponseRejected)
    assert error.status == 407
    assert proxy.url in error.reason
    error = failure_of(once("ws://127.0.0.1:1/x?token=s3cret", proxy=proxy.url))
    assert isinstance(error, ConnectionFailed)
    assert proxy.url in error.reason
    with HTTPProxy(silent=True) as proxy:
        error = failure_of(once("ws://127.0.0.1:1/", proxy=proxy.url, connect_timeout=0.2))
    assert str(error).startswith(f"no connection within connect_timeout=0.2 s through the proxy {proxy.url}")


# close()


@contextmanager
def _backlog() -> Iterator[tuple[str, Callable[[], Any], dict[str, Any]]]:
    with FullBacklog() as backlog:
        yield backlog.url.replace("http", "ws"), backlog.wait_until_somebody_connects, {}


def _raw(sent: bytes, *, scheme: str = "ws", accepts: bool = False, item: str = "") -> Any:
    """A server that reads, sends this, and then does nothing."""

    @contextmanager
    def phase() -> Iterator[tuple[str, Callable[[], Any], dict[str, Any]]]:
        reached = threading.Event()

        def serve(connected: socket.socket) -> None:
            if accepts:
                accept(connected)
            else:
                connected.recv(4096)
            connected.sendall(sent)
            reached.set()
            while connected.recv(4096):
                pass

        with RawServer(serve) as server:
            yield server.url.replace("http", scheme), lambda: reached.wait(TIMEOUT), {"item": item}

    return phase


@contextmanager
def _tunnel() -> Iterator[tuple[str, Callable[[], Any], dict[str, Any]]]:
    with HTTPProxy(silent=True) as proxy:

        def asked() -> None:
            while not proxy.asked:
                threading.Event().wait(0.01)

        yield "wss://127.0.0.1:1/", asked, {"proxy": proxy.url}


@contextmanager
def _refused() -> Iterator[tuple[str, Callable[[], Any], dict[str, Any]]]:
    yield "ws://127.0.0.1:1/", lambda: None, {"item": "ErrorEvent"}


PHASES = {
    "connecting": _backlog,
    "TLS handshake": _raw(b"", scheme="wss"),
    "tunnel": _tunnel,
    "handshake": _raw(b""),
    "half an answer": _raw(b"HTTP/1.1 101 Swi"),
    "the body of a rejection": _raw(b"HTTP/1.1 404 X\r\nContent-Length: 9\r\n\r\nhal"),
    "open": _raw(b"", accepts=True, item="OpenEvent"),
    "after a frame": _raw(b"\x81\x01a", accepts=True, item="MessageEvent"),
    "half a frame": _raw(b"\x81\x01a\x81\x05ab", accepts=True, item="MessageEvent"),
    "waiting": _refused,
}


@pytest.mark.parametrize("phase", PHASES.values(), ids=PHASES.keys())
def test_close_in_every_phase(phase: Any) -> None:
    """close() from another thread ends the loop within 0.1 s, quietly, wherever it is."""
    with phase() as (url, arrived, settings):
        item = settings.pop("item", "")
        with Follower(EventSource(WebSocketConnector(url, **settings), reconnect=LATER)) as follower:
            arrived()
            if item:
                follower.wait_for(item)
            assert follower.close_and_time() < 0.1
        assert_nothing_raised(follower)


def test_reconnect_now() -> None:
    """reconnect() drops the WebSocket and makes another one."""
    with WebSocketServer(sends("a")) as server:
        with Follower(EventSource(WebSocketConnector(server.url), reconnect=LATER)) as follower:
            follower.wait_for("MessageEvent")
            follower.source.reconnect()
            follower.wait_for("MessageEvent", 2)
        assert_nothing_raised(follower)
    assert len(server.requests) == 2


# Secrets


def test_no_secret_is_shown(caplog: pytest.LogCaptureFixture) -> None:
    """No password, query, header or token of a WebSocket is in a log, a repr or an error, whatever happens."""
    caplog.set_level(logging.DEBUG)
    texts = []

    def follow(url: str, **settings: Any) -> None:
        connector = WebSocketConnector(url, headers={"X-Token": "s3cret"}, **settings)
        source = EventSource(connector, reconnect=None)
        with source:
            try:
                texts.extend(repr(item) for item in source.lifecycle())
            except Exception as error:  # noqa: BLE001 - any
                texts.append("".join(traceback.format_exception(type(error), error, error.__traceback__)))
        texts.extend([repr(connector), repr(source)])

    with WebSocketServer(sends_and_ends("a")) as server:
        secret = f"ws://user:s3cret@127.0.0.1:{server.port}/x?token=s3cret"
        follow(secret)
    follow(secret)
    follow(f"ws://user:s3cret@127.0.0.1:{server.port}/x?token=s3cret", proxy="http://user:s3cret@127.0.0.1:1")
    for data in (b"", b"nonsense\r\n\r\n", b"HTTP/1.1 404 X\r\nContent-Length: 0\r\n\r\n"):
        with RawServer(answers(data)) as raw:
            follow(f"ws://user:s3cret@127.0.0.1:{raw.port}/x?token=s3cret")
    with RawServer(lambda connected: None) as raw:
        follow(f"wss://user:s3cret@127.0.0.1:{raw.port}/x?token=s3cret")
    follow("ws://nowhere.invalid/x?token=s3cret")
    assert any("/x" in text for text in texts)
    assert "s3cret" not in "\n".join([*texts, caplog.text])


# Arguments


@pytest.mark.parametrize(
    ("url", "settings", "error", "message"),
    [
        ("http://a.test/", {}, ValueError, "url must start with ws:// or wss://"),
        ("user:s3cret@a.test", {}, ValueError, "url must start with ws:// or wss://"),
        ("ws:///x", {}, ValueError, "url must name a host after ws://"),
        ("wss://a.test:0/", {}, ValueError, "port"),
        (7, {}, TypeError, "url must be a str"),
        ("ws://a.test/", {"to_event": 7}, TypeError, "to_event"),
        ("ws://a.test/", {"headers": {"upgrade": "x"}}, ValueError, "'upgrade', which the handshake sets"),
        ("ws://a.test/", {"headers": {"Sec-WebSocket-Key": "x"}}, ValueError, "which the handshake sets"),
        ("ws://a.test/", {"headers": {"X": "✓"}}, ValueError, "must be ASCII"),
        ("ws://a.test/", {"headers": 7}, TypeError, "headers must be"),
        ("ws://a.test/", {"subprotocols": "chat"}, TypeError, "subprotocols"),
        ("ws://a.test/", {"subprotocols": ["a b"]}, ValueError, "subprotocol"),
        ("ws://a.test/", {"subprotocols": [7]}, TypeError, "subprotocol"),
        ("ws://a.test/", {"connect_timeout": 0}, ValueError, "connect_timeout"),
        ("ws://a.test/", {"idle_timeout": "1"}, TypeError, "idle_timeout"),
        ("ws://a.test/", {"max_event_size": 0}, ValueError, "max_event_size"),
        ("ws://a.test/", {"proxy": "ftp://x"}, ValueError, "proxy"),
        ("ws://a.test/", {"trust_env": 1}, TypeError, "trust_env"),
        ("ws://a.test/", {"ssl_context": True}, TypeError, "ssl_context"),
    ],
)
def test_wrong_arguments(url: Any, settings: dict[str, Any], error: type[Exception], message: str) -> None:
    """A wrong argument is refused where it is given, by name."""
    with pytest.raises(error, match=message) as caught:
        WebSocketConnector(url, **settings)
    assert "s3cret" not in str(caught.value)


def test_a_wrong_url_out_of_a_function() -> None:
    """What a function returns is checked as well, at the attempt."""
    assert isinstance(failure_of(once(lambda: "https://a.test/")), ValueError)
    assert isinstance(failure_of(once("ws://127.0.0.1:1/", headers=lambda: {"Upgrade": "x"})), ValueError)


@pytest.mark.parametrize("missing", ["websockets", "sse_client._http.handshake"])
def test_a_missing_package(missing: str) -> None:
    """Without websockets the import says which package is missing; the lack of another is not taken for that."""
    code = f"import sys; sys.modules[{missing!r}] = None; import sse_client.fallback"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    message = "ImportError: WebSocketConnector needs one package more: pip install 'websockets>=15'"
    assert (message in result.stderr) is (missing == "websockets")
    assert result.returncode == 1
