from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest

from sse_client import DispatchQueue, EventSource, Listener, MessageEvent, PositionFile, ReconnectPolicy
from sse_client._loop.progress import Progress
from sse_client.testing import ScriptedConnector, drop, event, hold, raw, signal, wait_for

EXACT = ReconnectPolicy(jitter=0)
LIMIT = 10.0


class Memory:
    """A position that remembers what was written to it."""

    def __init__(self, last_event_id: str = "") -> None:
        self.written = [last_event_id]

    def read(self) -> str:
        return self.written[-1]

    def write(self, last_event_id: str) -> None:
        self.written.append(last_event_id)


class Full(Memory):
    def write(self, last_event_id: str) -> None:
        raise OSError("no space left on device")


@pytest.fixture
def connector() -> ScriptedConnector:
    return ScriptedConnector()


def numbered(first: int, last: int) -> list[Any]:
    return [event(str(number), id=str(number)) for number in range(first, last + 1)]


def follow(connector: ScriptedConnector, position: Any, **settings: Any) -> EventSource:
    settings.setdefault("reconnect", EXACT)
    return EventSource(connector, position=position, **settings)


# In a loop


def test_a_run_goes_on_where_the_last_one_stopped(connector: ScriptedConnector, tmp_path: Path) -> None:
    """A source begins from its position and writes how far its loop has asked to go on, at the latest at its end."""
    connector.stream(*numbered(1, 50))
    connector.end()
    assert len(list(follow(connector, PositionFile(tmp_path / "position")))) == 50
    connector.end()
    assert list(follow(connector, PositionFile(tmp_path / "position"))) == []
    assert connector.last_event_ids == ["", "50", "50"]


def test_an_event_counts_when_the_next_one_is_asked_for(connector: ScriptedConnector) -> None:
    """While an event is in hand, the position is that of the event before it."""
    connector.stream(*numbered(1, 3))
    connector.end()
    position = Memory()
    assert [(message.data, position.read()) for message in follow(connector, position)] == [
        ("1", ""),
        ("2", "1"),
        ("3", "2"),
    ]
    assert position.read() == "3"


@pytest.mark.parametrize("way", ["break", "raise", "close"])
def test_an_event_in_hand_when_the_loop_is_left(connector: ScriptedConnector, way: str) -> None:
    """An event in hand when the loop is left comes again; all before it are written down, however many at once."""
    connector.stream(*numbered(1, 100))
    position = Memory()
    with follow(connector, position) as source:
        try:
            for message in source:
                if message.data == "60":
                    if way == "raise":
                        raise ZeroDivisionError
                    if way == "break":
                        break
                    source.close()
        except ZeroDivisionError:
            pass
    assert position.read() == "59"


def test_a_fast_stream_is_not_slowed(connector: ScriptedConnector) -> None:
    """Of many events at once few are written, and the last one is."""
    connector.stream(raw(b"".join(b"id: %d\ndata: x\n\n" % number for number in range(1, 20_001))))
    connector.end()
    position = Memory()
    assert len(list(follow(connector, position))) == 20_000
    assert position.read() == "20000"
    assert len(position.written) < 200


def test_an_id_without_an_event(connector: ScriptedConnector) -> None:
    """A block that only moves the last event ID moves the position too; an empty ID clears it."""
    position = Memory("7")
    connector.stream(event("a", id="8"), raw(b"id: 9\n\n"))
    connector.stream(raw(b"id\n\n"))
    connector.end()
    assert len(list(follow(connector, position))) == 1
    assert position.written == ["7", "8", "9", ""]


def test_the_position_is_written_before_a_wait(connector: ScriptedConnector) -> None:
    """When a connection is lost, what was dealt with is written before the wait for the next one."""
    position = Memory()
    seen = []

    class Watched(ScriptedConnector):
        def connection(self) -> Any:
            seen.append(position.read())
            return super().connection()

    connector = Watched()
    connector.stream(*numbered(1, 100), drop())
    connector.end()
    list(follow(connector, position))
    assert seen == ["", "100"]


def test_a_first_run(connector: ScriptedConnector) -> None:
    """Where the position is empty, last_event_id says where to begin; a second loop goes on from the first."""
    connector.stream(event("a", id="6"), hold())
    connector.end()
    position = Memory()
    source = follow(connector, position, last_event_id="5")
    assert position.written == [""]
    assert next(iter(source)).data == "a"
    assert list(source) == []
    assert connector.last_event_ids == ["5", "6"]


def test_a_position_that_cannot_be_written(connector: ScriptedConnector) -> None:
    """What a position raises ends the iteration; close() raises nothing all the same."""
    connector.stream(*numbered(1, 2))
    with pytest.raises(OSError, match="no space"):
        list(follow(connector, Full()))
    connector.stream(*numbered(1, 100))
    with pytest.raises(OSError, match="no space"), follow(connector, Full()) as source:
        for _ in source:
            pass


def test_a_position_that_holds_no_id(connector: ScriptedConnector) -> None:
    """A position that cannot be sent is refused before any request."""
    with pytest.raises(ValueError, match="last_event_id must not contain"):
        list(follow(connector, Memory("a\nb")))
    assert connector.last_event_ids == []


@pytest.mark.parametrize("position", ["builds.position", 7, object()])
def test_what_is_no_position(position: Any) -> None:
    """A position has read and write; a path alone is a mistake that is told at construction."""
    with pytest.raises(TypeError, match="position must have the methods read and write"):
        EventSource("http://a.test/", position=position)


# In a listener


def test_handlers_that_have_returned(connector: ScriptedConnector) -> None:
    """A listener writes the position of an event when all its handlers have returned."""
    connector.stream(*numbered(1, 3))
    connector.end()
    position = Memory()
    listener = Listener(follow(connector, position))
    seen = []
    for _ in range(2):
        listener.on_event(lambda message: seen.append((message.data, position.read())))
    listener.start()
    assert listener.join(LIMIT)
    assert seen == [("1", ""), ("1", ""), ("2", "1"), ("2", "1"), ("3", "2"), ("3", "2")]
    assert position.read() == "3"


@pytest.mark.parametrize("dispatched", [False, True], ids=["on its thread", "in a queue"])
def test_a_handler_that_raises(connector: ScriptedConnector, dispatched: bool) -> None:
    """Where a handler raised, the position stays before that event."""
    connector.stream(*numbered(1, 5))
    connector.end()
    position = Memory()
    queue = DispatchQueue()
    listener = Listener(follow(connector, position), dispatch=queue if dispatched else None)
    handled = []

    @listener.on_event
    def handle(message: MessageEvent) -> None:
        if message.data == "3":
            raise ValueError("no")
        handled.append(message.data)

    listener.start()
    assert listener.join(LIMIT)
    queue.run_pending()
    assert handled == ["1", "2", "4", "5"]
    assert position.read() == "2"


def test_handlers_in_a_queue(connector: ScriptedConnector) -> None:
    """With a queue, the position moves when the handlers have run, also after the loop has ended."""
    connector.stream(*numbered(1, 50), raw(b"id: 51\n\n"))
    connector.end()
    position = Memory()
    queue = DispatchQueue()
    listener = Listener(follow(connector, position), dispatch=queue)
    listener.on_event(lambda _: None)
    listener.start()
    assert listener.join(LIMIT)
    assert position.read() == ""
    queue.run_pending(max_events=1)
    assert position.read() == "1"
    queue.run_pending(max_events=100, max_seconds=LIMIT)
    assert position.read() == "51"


def test_events_that_a_queue_drops(connector: ScriptedConnector) -> None:
    """An event that was dropped to make room for a later one counts as dealt with when the later one is."""
    connector.stream(*numbered(1, 50))
    connector.end()
    position = Memory()
    queue = DispatchQueue(2, keep="latest")
    listener = Listener(follow(connector, position), dispatch=queue)
    listener.on_event(lambda _: None)
    listener.start()
    assert listener.join(LIMIT)
    queue.run_pending(max_seconds=LIMIT)
    assert position.read() == "50"


def test_an_event_without_handlers(connector: ScriptedConnector) -> None:
    """An event for which there is no handler is passed, once those before it have been dealt with."""
    connector.stream(event("1", type="a", id="1"), event("2", type="b", id="2"))
    connector.end()
    position = Memory()
    queue = DispatchQueue()
    listener = Listener(follow(connector, position), dispatch=queue)
    listener.on("a", lambda _: None)
    listener.start()
    assert listener.join(LIMIT)
    assert position.read() == ""
    queue.run_pending()
    assert position.read() == "2"


@pytest.mark.parametrize("handlers", [1, 2])
def test_a_handler_that_closes(connector: ScriptedConnector, handlers: int) -> None:
    """An event whose handler closes the listener is dealt with if that was its last handler."""
    connector.stream(*numbered(1, 5))
    position = Memory()
    listener = Listener(follow(connector, position))
    for _ in range(handlers):
        listener.on_event(lambda message: listener.close() if message.data == "3" else None)
    listener.start()
    assert listener.join(LIMIT)
    assert position.read() == ("3" if handlers == 1 else "2")


def test_closing_leaves_what_waits(connector: ScriptedConnector) -> None:
    """What still waits in a queue when the listener is closed is not passed."""
    waiting = threading.Event()
    connector.stream(*numbered(1, 5), signal(waiting), hold())
    position = Memory()
    queue = DispatchQueue()
    listener = Listener(follow(connector, position), dispatch=queue)
    listener.on_event(lambda _: None)
    listener.start()
    assert waiting.wait(LIMIT)
    queue.run_pending(max_events=2)
    listener.close()
    assert listener.join(LIMIT)
    queue.run_pending()
    assert position.read() == "2"


def test_a_queue_whose_position_cannot_be_written(connector: ScriptedConnector) -> None:
    """A position that fails where handlers run ends the listener, with the error, at the next event."""
    first = threading.Event()
    second = threading.Event()
    connector.stream(event("1", id="1"), signal(first), wait_for(second), event("2", id="2"), hold())
    queue = DispatchQueue()
    listener = Listener(follow(connector, Full()), dispatch=queue)
    listener.on_event(lambda _: None)
    listener.start()
    assert first.wait(LIMIT)
    queue.run_pending()
    second.set()
    assert listener.join(LIMIT)
    assert isinstance(listener.error, OSError)


def test_a_position_that_fails_after_the_loop(connector: ScriptedConnector, caplog: pytest.LogCaptureFixture) -> None:
    """When the loop has ended, a position that fails is logged."""
    connector.stream(event("1", id="1"))
    connector.end()
    queue = DispatchQueue()
    listener = Listener(follow(connector, Full()), dispatch=queue)
    listener.on_event(lambda _: None)
    listener.start()
    assert listener.join(LIMIT)
    queue.run_pending()
    assert "the position could not be written: no space left on device" in caplog.text


def test_tickets() -> None:
    """The position passes an ID once every event handed on before it has been finished or dropped."""
    position = Memory()
    progress = Progress(position)
    progress.read()
    first = progress.hand_on()
    progress.passed("1")
    second = progress.hand_on()
    progress.passed("2")
    progress.passed("2b")
    progress.flush()
    assert position.written == [""]
    progress.finish(first)
    assert position.written == ["", "1"]
    progress.finish(second)
    assert position.written == ["", "1", "2b"]
