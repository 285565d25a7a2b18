"""`ScriptedConnector`: a connection's life without a network, and no wait that takes time."""

from __future__ import annotations

import threading
import time
from typing import Any, Callable

import pytest

from sse_client.connector import Connection
from sse_client.errors import ConnectionFailed, ConnectionLost, ResponseRejected
from sse_client.events import MessageEvent
from sse_client.testing import ScriptedConnector, comment, drop, event, hold, pause, raw, reset, signal, wait_for
from sse_client.testing.script import StepLike


def read_all(connection: Connection) -> list[bytes]:
    """Read to the clean end."""
    chunks: list[bytes] = []
    for _ in range(100):
        chunk = connection.read()
        if not chunk:
            return chunks
        chunks.append(chunk)
    raise AssertionError("the stream has no end")


def interrupted_soon(connection: Connection, action: Callable[[], Any]) -> float:
    """Run ``action`` in a thread, interrupt the connection, and return how long it took to end after that."""
    outcomes: list[BaseException] = []

    def run() -> None:
        try:
            action()
        except (ConnectionLost, ConnectionFailed) as error:
            outcomes.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join(0.05)
    assert thread.is_alive(), "it must wait until it is interrupted"
    start = time.monotonic()
    connection.interrupt()
    thread.join(5)
    assert not thread.is_alive()
    assert len(outcomes) == 1
    return time.monotonic() - start


def test_a_stream_is_one_chunk_for_each_step() -> None:
    """The head arrives, then a chunk for each step that sends bytes, then the clean end."""
    connector = ScriptedConnector()
    connector.stream(event("a"), MessageEvent(data="b"), comment(), headers={"X-Y": "z"})
    connection = connector.connection()
    head = connection.open("7")
    assert (head.status, head.url, head.origin) == (200, "http://scripted.test/", "http://scripted.test")
    assert head.headers == {"content-type": "text/event-stream", "x-y": "z"}
    assert read_all(connection) == [b"data: a\n\n", b"data: b\n\n", b":\n"]
    assert connection.read() == b""
    connection.release()
    assert connector.last_event_ids == ["7"]


def test_waits_take_no_time_and_are_written_down() -> None:
    """A delay is written down and takes no real time; pause() takes none either."""
    connector = ScriptedConnector()
    connector.stream(pause(3600), event("a"))
    start = time.monotonic()
    assert connector.real_delay(3600.0) == connector.real_delay(0.5) == 0.0
    connection = connector.connection()
    connection.open("")
    assert read_all(connection) == [b"data: a\n\n"]
    assert time.monotonic() - start < 60
    assert connector.delays == [3600.0, 0.5]


@pytest.mark.parametrize("end", [drop(), reset()])
def test_a_break_is_a_connection_lost_after_what_came_before(end: StepLike) -> None:
    """What was sent before a drop or reset is read first; then ConnectionLost, and steps behind it were played."""
    connector = ScriptedConnector()
    told = threading.Event()
    connector.stream(raw(b"data: ha"), end, signal(told))
    connection = connector.connection()
    connection.open("")
    assert connection.read() == b"data: ha"
    with pytest.raises(ConnectionLost, match=r"(dropped|reset).*http://scripted.test/"):
        connection.read()
    assert told.is_set()


def test_a_failed_attempt_raises_in_open() -> None:
    """fail() makes one attempt fail, with the error given or a ConnectionFailed."""
    connector = ScriptedConnector()
    mine = ConnectionFailed("no such name", url="http://x.test/")
    connector.fail()
    connector.fail(mine)
    with pytest.raises(ConnectionFailed, match="refused"):
        connector.connection().open("")
    with pytest.raises(ConnectionFailed) as caught:
        connector.connection().open("1")
    assert caught.value is mine
    assert connector.last_event_ids == ["", "1"]


def test_a_response_that_is_no_stream_is_rejected() -> None:
    """respond() raises the ResponseRejected that a real response would, with its status, headers and body."""
    connector = ScriptedConnector()
    connector.respond(503, b"busy" * 20_000, {"Retry-After": "7"})
    with pytest.raises(ResponseRejected) as caught:
        connector.connection().open("")
    assert caught.value.status == 503
    assert caught.value.retry_after == 7.0
    assert caught.value.headers["retry-after"] == "7"
    assert caught.value.body == b"busy" * 16_384


def test_a_stream_of_another_type_is_rejected() -> None:
    """A 200 that is not text/event-stream is rejected."""
    connector = ScriptedConnector()
    connector.stream(event("a"), content_type="text/html")
    connector.stream(event("a"), content_type=None)
    for _ in range(2):
        with pytest.raises(ResponseRejected):
            connector.connection().open("")


def test_a_whole_response_can_be_a_stream() -> None:
    """respond() with status 200 and the right type is read as a stream."""
    connector = ScriptedConnector()
    connector.respond(200, b"data: a\n\n", [("Content-Type", "text/event-stream"), ("Vary", "a"), ("vary", "b")])
    connection = connector.connection()
    assert connection.open("").headers["vary"] == "a, b"
    assert read_all(connection) == [b"data: a\n\n"]


def test_the_end_is_a_204() -> None:
    """end() is the response that tells a source to stop."""
    connector = ScriptedConnector()
    connector.end()
    assert connector.connection().open("").status == 204


def test_an_attempt_too_many_fails_the_test() -> None:
    """When the script is used up, the next attempt is an AssertionError that says how many there were."""
    connector = ScriptedConnector()
    connector.end()
    assert connector.remaining == 1
    connector.connection()
    assert connector.remaining == 0
    with pytest.raises(AssertionError, match="unexpected attempt to connect: all 1 scripted replies are used up"):
        connector.connection()


def test_silence_lasts_until_it_is_interrupted() -> None:
    """silence() keeps open() waiting until interrupt() ends it, at once."""
    connector = ScriptedConnector()
    connector.silence()
    connection = connector.connection()
    assert interrupted_soon(connection, lambda: connection.open("")) < 1


@pytest.mark.parametrize("step", [hold(), wait_for(threading.Event(), timeout=60)])
def test_a_silent_stream_lasts_until_it_is_interrupted(step: StepLike) -> None:
    """hold() and wait_for() keep read() waiting until interrupt() ends it, at once."""
    connector = ScriptedConnector()
    connector.stream(step)
    connection = connector.connection()
    connection.open("")
    assert interrupted_soon(connection, connection.read) < 1


def test_an_interrupted_connection_does_not_open() -> None:
    """open() fails if interrupt() came first, as the contract of Connection asks."""
    connector = ScriptedConnector()
    connector.stream(event("a"))
    connection = connector.connection()
    connection.interrupt()
    with pytest.raises(ConnectionFailed, match="interrupted"):
        connection.open("")


def test_an_interrupted_stream_hands_out_nothing_more() -> None:
    """read() fails after interrupt(), even where the script has more to say."""
    connector = ScriptedConnector()
    connector.stream(event("a"), event("b"))
    connection = connector.connection()
    connection.open("")
    connection.read()
    connection.interrupt()
    with pytest.raises(ConnectionLost, match="interrupted"):
        connection.read()


def test_a_script_goes_on_when_the_test_says_so() -> None:
    """wait_for() ends when its event is set."""
    go = threading.Event()
    connector = ScriptedConnector()
    connector.stream(wait_for(go), event("a"))
    connection = connector.connection()
    connection.open("")
    go.set()
    assert connection.read() == b"data: a\n\n"


def test_a_script_does_not_wait_for_ever() -> None:
    """wait_for() raises TimeoutError when its event is not set in time."""
    connector = ScriptedConnector()
    connector.stream(wait_for(threading.Event(), timeout=0.01))
    connection = connector.connection()
    connection.open("")
    with pytest.raises(TimeoutError, match=r"within 0\.01 s"):
        connection.read()


def test_open_connections_are_counted() -> None:
    """open_connections counts what is opened and not released; a connection never opened does not count."""
    connector = ScriptedConnector()
    connector.end()
    connector.fail()
    connector.end()
    first, second, third = (connector.connection() for _ in range(3))
    first.open("")
    with pytest.raises(ConnectionFailed):
        second.open("")
    assert connector.open_connections == 2
    for connection in (first, second, third):
        connection.release()
    assert connector.open_connections == 0


def test_closing_is_written_down() -> None:
    """close() of the source reaches the connector."""
    connector = ScriptedConnector()
    assert not connector.closed
    connector.close()
    assert connector.closed


def test_a_wrong_script_is_refused_when_it_is_queued() -> None:
    """A script that cannot be played fails at the call that queues it, and is not queued."""
    connector = ScriptedConnector()
    with pytest.raises(ValueError, match="after drop"):
        connector.stream(drop(), event("a"))
    assert connector.remaining == 0
