from __future__ import annotations

import gc
import inspect
import logging
import math
import random
import threading
import time
import weakref
from typing import Any, Callable

import pytest

from sse_client import (
    CommentEvent,
    ConnectingEvent,
    Connection,
    ConnectionFailed,
    ConnectionLost,
    Connector,
    ErrorEvent,
    EventSource,
    EventTooLarge,
    LifecycleEvent,
    MessageEvent,
    OpenEvent,
    ReadyState,
    ReconnectPolicy,
    ResponseHead,
    ResponseRejected,
    StreamEnded,
)
from sse_client.testing import ScriptedConnector, comment, drop, event, hold, raw, signal
from tests.unit.interruption import interrupted_at

URL = "http://scripted.test/"
EXACT = ReconnectPolicy(jitter=0)
UNTIL_OPEN = ReconnectPolicy(jitter=0, until_open=True)
CAUGHT_UP = 10.0


@pytest.fixture
def connector() -> ScriptedConnector:
    return ScriptedConnector()


def source_for(connector: ScriptedConnector, **settings: Any) -> EventSource:
    settings.setdefault("reconnect", EXACT)
    return EventSource(connector, **settings)


def data(source: EventSource) -> list[str]:
    return [message.data for message in source]


class RealTime(ScriptedConnector):
    """A script whose waits take their time; ``waiting`` is called when one begins."""

    def __init__(self, waiting: Callable[[], object] = lambda: None) -> None:
        super().__init__()
        self._waiting = waiting

    def real_delay(self, delay: float) -> float:
        super().real_delay(delay)
        self._waiting()
        return delay


# What is handed over


def test_events(connector: ScriptedConnector) -> None:
    """A loop over a source gets every event of the stream, with its type, data, last event ID and origin."""
    connector.stream(event("a", type="x", id="1"), event("b"))
    connector.end()
    assert list(source_for(connector)) == [
        MessageEvent("x", "a", "1", "http://scripted.test"),
        MessageEvent("message", "b", "1", "http://scripted.test"),
    ]


def test_lifecycle(connector: ScriptedConnector) -> None:
    """lifecycle() yields attempts, openings, events and losses in their order, with delay and attempt."""
    connector.stream(event("a"))
    connector.fail()
    connector.fail()
    connector.stream(event("b"), drop())
    connector.end()
    lost = "the connection was dropped in the middle of the response"
    refused = "the connection was refused"

    def told(item: LifecycleEvent) -> object:
        if isinstance(item, ErrorEvent):
            return item.error.reason, item.delay, item.attempt, item.requested
        return item.attempt if isinstance(item, ConnectingEvent) else getattr(item, "data", "open")

    assert [told(item) for item in source_for(connector).lifecycle()] == [
        1,
        "open",
        "a",
        ("the server ended the stream", 3.0, 0, False),
        1,
        (refused, 3.0, 1, False),
        2,
        (refused, 6.0, 2, False),
        3,
        "open",
        "b",
        (lost, 3.0, 0, False),
        1,
    ]
    assert connector.delays == [3.0, 3.0, 6.0, 3.0]


def test_open_event(connector: ScriptedConnector) -> None:
    """A ConnectingEvent carries the address, an OpenEvent that of the response and its headers."""
    connector.stream(headers={"X-Node": "7"})
    connector.end()
    connecting, opened, *_ = source_for(connector).lifecycle()
    assert connecting == ConnectingEvent(URL, 1)
    assert isinstance(opened, OpenEvent)
    assert (opened.url, opened.headers["x-node"]) == (URL, "7")


def test_comments_where_asked_for(connector: ScriptedConnector) -> None:
    """Comments are seen by lifecycle(comments=True), in their place, and by nobody else."""
    script = (comment("one"), event("a"), comment("two"))
    connector.stream(*script)
    connector.end()
    with_comments = [
        it for it in source_for(connector).lifecycle(comments=True) if isinstance(it, (CommentEvent, MessageEvent))
    ]
    assert [type(it) for it in with_comments] == [CommentEvent, MessageEvent, CommentEvent]
    connector.stream(*script)
    connector.end()
    assert not [it for it in source_for(connector).lifecycle() if isinstance(it, CommentEvent)]


# Where to go on from


def test_resuming(connector: ScriptedConnector) -> None:
    """Each attempt asks from the last event ID of the events handed over before."""
    connector.stream(event("a", id="1"), event("b", id="2"), drop())
    connector.fail()
    connector.stream(event("c", id="3"))
    connector.end()
    source = source_for(connector, last_event_id="0")
    assert data(source) == ["a", "b", "c"]
    assert connector.last_event_ids == ["0", "2", "2", "3"]
    assert source.last_event_id == "3"


def test_last_event_id_moves_with_each_event(connector: ScriptedConnector) -> None:
    """source.last_event_id is that of the event in hand, not of one that is parsed but not handed over."""
    connector.stream(raw(b"id: 1\ndata: a\n\nid: 2\ndata: b\n\n"))
    connector.end()
    source = source_for(connector)
    assert [source.last_event_id for _ in source] == ["1", "2"]


def test_id_without_data(connector: ScriptedConnector) -> None:
    """A block that carries only an ID moves the last event ID once the events before it are handed over."""
    connector.stream(raw(b"id: 1\ndata: a\n\nid: 2\n\n"), drop())
    connector.end()
    source = source_for(connector)
    assert [(message.data, source.last_event_id) for message in source] == [("a", "1")]
    assert connector.last_event_ids == ["", "2"]


def test_empty_id_clears(connector: ScriptedConnector) -> None:
    """An empty id field clears the last event ID."""
    connector.stream(event("a", id="1"), raw(b"id\ndata: b\n\n"))
    connector.end()
    assert data(source_for(connector)) == ["a", "b"]
    assert connector.last_event_ids == ["", ""]


@pytest.mark.parametrize("end", [[drop()], []], ids=["cut", "clean"])
@pytest.mark.parametrize(
    "line", [b"data: b\n", b"data: b", b"retry: 99"], ids=["a line", "half a line", "half a retry"]
)
def test_unfinished_block(connector: ScriptedConnector, end: list[Any], line: bytes) -> None:
    """A block that the end of a connection leaves unfinished counts for nothing: no event, no ID, no retry."""
    connector.stream(event("a", id="1"), raw(b"id: 2\nevent: x\n" + line), *end)
    connector.stream(event("c"))
    connector.end()
    source = source_for(connector)
    events = list(source)
    assert connector.last_event_ids == ["", "1", "1"]
    assert connector.delays == [3.0, 3.0]
    assert [(it.type, it.data, it.last_event_id) for it in events] == [("message", "a", "1"), ("message", "c", "1")]


def test_leaving_a_loop(connector: ScriptedConnector) -> None:
    """Leaving the loop gives the connection back; a later loop goes on after the last event handed over."""
    connector.stream(raw(b"id: 1\ndata: a\n\nid: 2\ndata: b\n\n"))
    connector.stream(event("b", id="2"))
    connector.end()
    source = source_for(connector)
    for _ in source:
        break
    assert connector.open_connections == 0
    assert source.ready_state is ReadyState.CONNECTING
    assert data(source) == ["b"]
    assert connector.last_event_ids == ["", "1", "2"]


# When to come back


def test_reconnection_time(connector: ScriptedConnector) -> None:
    """A retry field sets the reconnection time for this connection and those that follow."""
    connector.stream(raw(b"retry: 1500\n"), drop())
    connector.fail()
    connector.end()
    assert data(source_for(connector)) == []
    assert connector.delays == [1.5, 3.0]


def test_the_count_goes_back_at_the_first_event(connector: ScriptedConnector) -> None:
    """A connection that is cut off before any event counts as a failure; one that delivers an event starts anew."""
    connector.fail()
    connector.stream(comment("hello"), drop())
    connector.stream(event("a"), drop())
    connector.fail()
    connector.fail()
    connector.end()
    assert data(source_for(connector)) == ["a"]
    assert connector.delays == [3.0, 6.0, 3.0, 3.0, 6.0]


def test_the_count_goes_back_after_a_connection_that_lasted(connector: ScriptedConnector) -> None:
    """A connection that was open for `steady_after` worked, though without an event; one that never opened failed."""
    connector.fail()
    for _ in range(3):
        connector.stream(comment("hello"), drop())
    connector.fail()
    connector.fail()
    connector.end()
    source = source_for(connector, reconnect=ReconnectPolicy(jitter=0, steady_after=0, max_attempts=3))
    attempts = [item.attempt for item in source.lifecycle() if isinstance(item, ErrorEvent)]
    assert attempts == [1, 0, 0, 0, 1, 2]
    assert connector.delays == [3.0, 3.0, 3.0, 3.0, 3.0, 6.0]


def test_the_count_goes_back_when_the_last_event_id_moves(connector: ScriptedConnector) -> None:
    """A connection that only moved the last event ID worked, whatever ended it."""
    connector.fail()
    connector.fail()
    connector.stream(raw(b"id: 7\nretry: 1000\n\n"), drop())
    connector.stream(raw(b"id: 7\n\n"), drop())
    connector.end()
    source = source_for(connector)
    attempts = [item.attempt for item in source.lifecycle() if isinstance(item, ErrorEvent)]
    assert attempts == [1, 2, 0, 1]
    assert connector.delays == [3.0, 6.0, 1.0, 1.0]


def test_a_clean_end_after_anything(connector: ScriptedConnector) -> None:
    """A response that the server ends cleanly after a heartbeat is no failure, and hides none; an empty one fails."""
    connector.stream(raw(b"retry: 100\n"), comment("ping"))
    connector.fail()
    connector.fail()
    connector.stream(comment("ping"))
    connector.fail()
    connector.stream()
    connector.end()
    source = source_for(connector)
    attempts = [item.attempt for item in source.lifecycle() if isinstance(item, ErrorEvent)]
    assert attempts == [0, 1, 2, 0, 3, 4]
    assert connector.delays == [0.1, 0.1, 0.2, 0.1, 0.4, 0.8]


def test_a_quiet_stream(connector: ScriptedConnector) -> None:
    """Silence for idle_timeout, before the head or after it, is never backed off from, nor a warning."""
    for _ in range(3):
        connector.fail(ConnectionFailed("no response for 300 s", url=URL, parameter="idle_timeout"))
    connector.fail()
    connector.fail(ConnectionFailed("no response for 5 s", url=URL, parameter="response_timeout"))
    connector.end()
    assert data(source_for(connector, reconnect=ReconnectPolicy(jitter=0, max_attempts=3))) == []
    assert connector.delays == [3.0, 3.0, 3.0, 3.0, 6.0]


@pytest.mark.parametrize(
    ("steps", "reason"),
    [
        ((), "the server ended the stream after 0 bytes without an event"),
        ((raw(b'{"error": "x"}'),), "the server ended the stream after 14 bytes without an event"),
        ((event("a"),), "the server ended the stream"),
        ((raw(b"id: 1\n\n"),), "the server ended the stream"),
    ],
    ids=["empty", "no event", "an event", "an ID"],
)
def test_reason_of_an_end(connector: ScriptedConnector, steps: Any, reason: str) -> None:
    """The reason of an end without any event says how many bytes arrived."""
    connector.stream(*steps)
    connector.end()
    reasons = [it.error.reason for it in source_for(connector).lifecycle() if isinstance(it, ErrorEvent)]
    assert reasons == [reason]


def test_an_unfinished_event_is_accepted_where_asked_for(connector: ScriptedConnector) -> None:
    """With accept_unfinished, the last event of a clean end counts without its blank line; after a cut it does not."""
    connector.stream(raw(b"data: a\n\nid: 1\ndata: b"))
    connector.stream(raw(b"data: c\n"), drop())
    connector.stream(raw(b"data: d\r"))
    connector.end()
    source = source_for(connector, accept_unfinished=True)
    assert [(message.data, message.last_event_id) for message in source] == [("a", ""), ("b", "1"), ("d", "1")]
    assert connector.last_event_ids == ["", "1", "1", "1"]


def test_no_unfinished_event_after_an_interruption() -> None:
    """A read that an interruption ended is not the end of the stream, whatever it returns."""

    class Interrupted(Connection):
        def __init__(self) -> None:
            self.chunks = [b"data: a\n\ndata: b", b""]

        def open(self, last_event_id: str) -> ResponseHead:
            return ResponseHead(URL, "http://scripted.test", 200, {})

        def read(self) -> bytes:
            if len(self.chunks) == 1:
                source.reconnect()
            return self.chunks.pop(0)

        def interrupt(self) -> None:
            pass

        def release(self) -> None:
            pass

    class Once(Connector):
        def __init__(self) -> None:
            self.connections = [Interrupted()]

        def connection(self) -> Connection:
            return self.connections.pop()

    source = EventSource(Once(), reconnect=EXACT, accept_unfinished=True)
    iterator = iter(source)
    assert next(iterator).data == "a"
    with pytest.raises(IndexError):
        next(iterator)


def test_what_a_clean_end_drops_is_logged(connector: ScriptedConnector, caplog: pytest.LogCaptureFixture) -> None:
    """A DEBUG line says how many bytes of an unfinished event were dropped; a finished one makes none."""
    connector.stream(raw("id: 1\nevent: x\ndata: é\ndata: b".encode()))
    connector.stream(event("a"))
    connector.end()
    with caplog.at_level(logging.DEBUG, logger="sse_client"):
        assert data(source_for(connector)) == ["a"]
    lines = [record.getMessage() for record in caplog.records if record.levelno == logging.DEBUG]
    assert lines == [f"{URL}: dropped the last 11 bytes, which no blank line ended"]


@pytest.mark.parametrize(
    ("body", "shown"),
    [
        (b'{"error": "no"}', '\'{"error": "no"}\''),
        (b": ping\ndata: a\n\nDATA: " + b"x" * 1000 + b"\nmore\n", repr("DATA: " + "x" * 94)),
        (b"id: 1\nretry: soon\nevent\n\n", None),
    ],
    ids=["bare JSON", "a long line", "fields only"],
)
def test_a_line_that_is_no_field(
    connector: ScriptedConnector, caplog: pytest.LogCaptureFixture, body: bytes, shown: str | None
) -> None:
    """A DEBUG line shows the first line of a connection that is no field, cut short; the others are not shown."""
    connector.stream(raw(body))
    connector.end()
    with caplog.at_level(logging.DEBUG, logger="sse_client"):
        list(source_for(connector))
    lines = [record.getMessage() for record in caplog.records if "is no field" in record.getMessage()]
    assert lines == ([f"{URL}: a line of the stream is no field: {shown}"] if shown else [])


def test_retry_after(connector: ScriptedConnector) -> None:
    """Retry-After is a minimum for one delay."""
    connector.respond(503, headers={"Retry-After": "40"})
    connector.fail()
    connector.end()
    assert data(source_for(connector)) == []
    assert connector.delays == [40.0, 6.0]


def test_jitter_comes_from_the_random_module(connector: ScriptedConnector) -> None:
    """The jitter is the next number of `random.random`, so that random.seed() determines every delay."""
    connector.fail()
    connector.fail()
    connector.end()
    state = random.getstate()
    try:
        random.seed(7)
        assert data(source_for(connector, reconnect=ReconnectPolicy())) == []
        random.seed(7)
        assert connector.delays == [3.0 + 1.5 * random.random(), 6.0 + 3.0 * random.random()]
    finally:
        random.setstate(state)


# How it ends


def test_no_content(connector: ScriptedConnector) -> None:
    """A 204 ends the iteration quietly, and the source is closed."""
    connector.end()
    source = source_for(connector)
    assert list(source.lifecycle()) == [ConnectingEvent(URL, 1)]
    assert source.ready_state is ReadyState.CLOSED


def test_rejection(connector: ScriptedConnector) -> None:
    """A response that is no event stream is shown as an ErrorEvent without a delay, then raised."""
    connector.respond(404, b"no such stream")
    source = source_for(connector)
    lifecycle = source.lifecycle()
    _, shown = next(lifecycle), next(lifecycle)
    assert isinstance(shown, ErrorEvent)
    assert shown.delay is None
    with pytest.raises(ResponseRejected) as raised:
        next(lifecycle)
    assert raised.value is shown.error
    assert (raised.value.status, raised.value.body) == (404, b"no such stream")
    assert source.ready_state is ReadyState.CLOSED


def test_max_attempts(connector: ScriptedConnector) -> None:
    """The last error is raised once max_attempts in a row have brought no event."""
    connector.stream(event("a"), drop())
    for _ in range(3):
        connector.fail()
    received = []
    with pytest.raises(ConnectionFailed, match="refused"):
        for message in source_for(connector, reconnect=ReconnectPolicy(jitter=0, max_attempts=3)):
            received.append(message.data)
    assert received == ["a"]
    assert connector.delays == [3.0, 3.0, 6.0]


def test_no_reconnecting(connector: ScriptedConnector) -> None:
    """Without reconnecting, the end of the stream ends the iteration quietly."""
    connector.stream(event("a"))
    assert data(source_for(connector, reconnect=None)) == ["a"]


def test_no_reconnecting_after_a_loss(connector: ScriptedConnector) -> None:
    """Without reconnecting, a loss is raised, after the events before it."""
    connector.stream(event("a"), drop())
    source = source_for(connector, reconnect=None)
    iterator = iter(source)
    assert next(iterator).data == "a"
    with pytest.raises(ConnectionLost):
        next(iterator)


def test_no_second_request_without_reconnecting(connector: ScriptedConnector) -> None:
    """Without reconnecting, one source makes one request: a second loop is refused."""
    connector.stream(event("a"), event("b"))
    source = source_for(connector, reconnect=None)
    for _ in source:
        break
    with pytest.raises(RuntimeError, match="make another one"):
        next(iter(source))


def test_until_open(connector: ScriptedConnector) -> None:
    """With until_open, what fails before a stream is tried again; its clean end ends the iteration quietly."""
    connector.fail()
    connector.respond(503)
    connector.stream(event("a"))
    source = source_for(connector, reconnect=UNTIL_OPEN)
    seen = [type(it).__name__ for it in source.lifecycle() if not isinstance(it, ConnectingEvent)]
    assert seen == ["ErrorEvent", "ErrorEvent", "OpenEvent", "MessageEvent"]
    assert source.ready_state is ReadyState.CLOSED


@pytest.mark.parametrize("steps", [(event("a"), drop()), (drop(),)], ids=["after an event", "before any event"])
def test_a_loss_after_until_open(connector: ScriptedConnector, steps: Any) -> None:
    """With until_open, the loss of the stream is raised, whether or not it had brought an event."""
    connector.fail()
    connector.stream(*steps)
    with pytest.raises(ConnectionLost, match="dropped"):
        list(source_for(connector, reconnect=UNTIL_OPEN))
    assert connector.delays == [3.0]


def test_event_too_large(connector: ScriptedConnector) -> None:
    """An event beyond max_event_size ends the stream with an error that names the limit, after the events before it."""
    connector.stream(raw(b"data: a\n\ndata: " + b"x" * 100 + b"\n\n"))
    iterator = iter(source_for(connector, max_event_size=50))
    assert next(iterator).data == "a"
    with pytest.raises(EventTooLarge, match="max_event_size=50") as raised:
        next(iterator)
    assert raised.value.url == URL


def test_errors_of_the_connector_pass(connector: ScriptedConnector) -> None:
    """An exception that is not this package's passes through, and the connection is given back."""
    with pytest.raises(AssertionError, match="unexpected attempt"):
        list(source_for(connector))


# Stopping


def test_close_in_the_loop(connector: ScriptedConnector) -> None:
    """close() in the loop's own body frees the connection at once; the loop ends, though more events have arrived."""
    connector.stream(event("a"), event("b"), hold())
    source = source_for(connector)
    received = []
    for message in source:
        received.append(message.data)
        source.close()
        assert connector.open_connections == 0
    assert received == ["a"]
    assert source.ready_state is ReadyState.CLOSED
    assert connector.closed


class Blunt(Connector, Connection):
    """A connector whose connection is itself: it opens, whatever has been said to it, and has nothing to read."""

    def __init__(self, *, close: str) -> None:
        self.source = EventSource(self, reconnect=EXACT)
        self._close = close
        self._interrupted = False
        self.interrupted_before_open = False

    def connection(self) -> Connection:
        if self._close == "before":
            self.source.close()
        return self

    def open(self, last_event_id: str) -> ResponseHead:
        self.interrupted_before_open = self._interrupted
        self.source.close()
        return ResponseHead(URL, "http://scripted.test", 200, {})

    def interrupt(self) -> None:
        self._interrupted = True

    def read(self) -> bytes:
        return b""

    def release(self) -> None:
        pass

    def close(self) -> None:
        pass


def test_close_while_an_attempt_begins() -> None:
    """A signal handler that calls close() between the look at `closed` and the attempt interrupts that attempt."""
    connector = Blunt(close="before")
    assert list(connector.source) == []
    assert connector.interrupted_before_open


def test_close_while_a_connection_opens() -> None:
    """A connection that opens although the source has been closed meanwhile is not shown any more."""
    connector = Blunt(close="in open")
    assert list(connector.source.lifecycle()) == [ConnectingEvent("", 1)]
    assert not connector.interrupted_before_open


def test_close_before_the_loop(connector: ScriptedConnector) -> None:
    """A closed source makes no request."""
    source = source_for(connector)
    source.close()
    assert list(source) == []
    assert connector.last_event_ids == []


def test_close_twice(connector: ScriptedConnector) -> None:
    """close() may be called again."""
    source = source_for(connector)
    source.close()
    source.close()
    assert source.ready_state is ReadyState.CLOSED


def test_close_from_another_thread(connector: ScriptedConnector) -> None:
    """close() from another thread ends a loop that waits on a silent stream."""
    waiting = threading.Event()
    connector.stream(event("a"), signal(waiting), hold())
    source = source_for(connector)
    closer = threading.Thread(target=lambda: waiting.wait(CAUGHT_UP) and source.close())
    closer.start()
    assert data(source) == ["a"]
    closer.join(CAUGHT_UP)
    assert connector.open_connections == 0


def test_events_that_have_arrived_are_not_handed_over_after_close(connector: ScriptedConnector) -> None:
    """After close() by another thread the loop gets none of the events that came in the same chunk."""
    connector.stream(raw(b"data: a\n\ndata: b\n\n"))
    source = source_for(connector)
    received = []
    for message in source:
        received.append(message.data)
        closer = threading.Thread(target=source.close)
        closer.start()
        closer.join(CAUGHT_UP)
    assert received == ["a"]


def test_context_manager(connector: ScriptedConnector) -> None:
    """Leaving the with block closes the source, also by an exception."""
    connector.stream(event("a"), hold())
    with pytest.raises(ZeroDivisionError), source_for(connector) as source:
        for _ in source:
            raise ZeroDivisionError
    assert source.ready_state is ReadyState.CLOSED
    assert connector.open_connections == 0


def test_suspended_loop_is_freed_by_close(connector: ScriptedConnector) -> None:
    """close() frees the connection of an iterator that is still referred to and stands between two events."""
    connector.stream(event("a"), hold())
    source = source_for(connector)
    iterator = iter(source)
    assert next(iterator).data == "a"
    source.close()
    assert connector.open_connections == 0
    assert list(iterator) == []


def test_source_is_freed_without_the_garbage_collector(connector: ScriptedConnector) -> None:
    """A source that is left and forgotten is freed at once: there are no reference cycles."""
    connector.stream(event("a"), drop())
    connector.stream(event("b"), hold())
    gc.collect()
    gc.disable()
    try:
        source = source_for(connector)
        for message in source:
            if message.data == "b":
                break
        forgotten = weakref.ref(source)
        del source
        assert forgotten() is None
    finally:
        gc.enable()


def test_errors_as_values_hold_no_frames(connector: ScriptedConnector) -> None:
    """An error that is kept as a value keeps no stack frame alive, and so no socket."""
    connector.stream(event("a"), drop())
    connector.end()
    kept = [it.error for it in source_for(connector).lifecycle() if isinstance(it, ErrorEvent)]
    assert [error.__traceback__ for error in kept] == [None]


def test_close_while_other_threads_begin_loops(connector: ScriptedConnector) -> None:
    """close() in the loop's thread never raises, however many threads make iterators meanwhile."""
    connector.stream(event("a"))
    connector.end()
    source = source_for(connector)
    over = threading.Event()

    def iterate() -> None:
        kept = []
        while not over.is_set():
            kept.append(iter(source))

    thread = threading.Thread(target=iterate)
    thread.start()
    try:
        for _ in source:
            for _ in range(200):
                source.close()
    finally:
        over.set()
        thread.join(CAUGHT_UP)


# One loop at a time


def test_two_loops(connector: ScriptedConnector) -> None:
    """A second loop over a source that is being iterated over is refused, and the first goes on."""
    connector.stream(event("a"), event("b"))
    connector.end()
    source = source_for(connector)
    first = iter(source)
    assert next(first).data == "a"
    with pytest.raises(RuntimeError, match="iterated over already"):
        next(iter(source))
    assert [message.data for message in first] == ["b"]


# reconnect()


def test_reconnect(connector: ScriptedConnector) -> None:
    """reconnect() drops the connection after the events that have arrived, and connects again without a delay."""
    connector.stream(raw(b"id: 1\ndata: a\n\nid: 2\ndata: b\n\n"), hold())
    connector.stream(event("c"))
    connector.end()
    source = source_for(connector)
    seen = []
    for it in source.lifecycle():
        if isinstance(it, MessageEvent):
            seen.append(it.data)
            if it.data == "a":
                source.reconnect()
        elif isinstance(it, ErrorEvent):
            seen.append((it.error.reason, it.delay, it.requested))
    assert seen == ["a", "b", ("reconnect() was called", 0.0, True), "c", ("the server ended the stream", 3.0, False)]
    assert connector.last_event_ids == ["", "2", "2"]


def test_reconnect_with_until_open(connector: ScriptedConnector) -> None:
    """reconnect() is the program's own wish: it makes another connection also where a loss would be the end."""
    connector.stream(event("a"), hold())
    connector.fail()
    connector.stream(event("b"), event("c"))
    connector.stream(event("d"))
    source = source_for(connector, reconnect=UNTIL_OPEN)
    seen = []
    for message in source:
        seen.append(message.data)
        if message.data in "ac":  # while the connection is silent, and as it comes to its end
            source.reconnect()
    assert seen == ["a", "b", "c", "d"]
    assert connector.delays == [0.0, 3.0, 0.0]


def test_reconnect_from_another_thread(connector: ScriptedConnector) -> None:
    """reconnect() from another thread wakes a loop that waits on a silent stream."""
    waiting = threading.Event()
    connector.stream(event("a"), signal(waiting), hold())
    connector.stream(event("b"))
    connector.end()
    source = source_for(connector)
    caller = threading.Thread(target=lambda: waiting.wait(CAUGHT_UP) and source.reconnect())
    caller.start()
    assert data(source) == ["a", "b"]
    caller.join(CAUGHT_UP)


@pytest.mark.parametrize("ask", ["reconnect", "pause"])
def test_the_attempt_that_was_asked_for_is_not_interrupted(ask: str) -> None:
    """The loop may go on between any two lines of reconnect() and pause(): they never interrupt a later attempt."""

    class Noting(RealTime):
        """Notes how many of its connections are interrupted."""

        interrupts = 0

        def connection(self) -> Connection:
            connection = super().connection()
            interrupt = connection.interrupt

            def note() -> None:
                self.interrupts += 1
                interrupt()

            connection.interrupt = note  # type: ignore[method-assign]
            return connection

    def run_the_loop_at(moment: int) -> str:
        waiting, opened = threading.Event(), threading.Event()
        connector = Noting(waiting=waiting.set)
        connector.fail()
        connector.stream(event("a"), signal(opened), hold())
        source = source_for(connector)
        loop = threading.Thread(target=lambda: list(source))
        loop.start()
        assert waiting.wait(CAUGHT_UP)

        def let_the_loop_run() -> None:
            if ask == "pause":
                source.resume()
            opened.wait(0.1)

        where = interrupted_at(moment, getattr(source, ask), let_the_loop_run, "loop.py")
        source.resume()
        assert opened.wait(CAUGHT_UP), where
        interrupts = connector.interrupts
        source.close()
        loop.join(CAUGHT_UP)
        assert interrupts == 0, where
        return where

    moment = 1
    while run_the_loop_at(moment):
        moment += 1
    assert moment > 5


def test_reconnect_cuts_a_wait_short() -> None:
    """reconnect() while the loop waits for its next attempt ends the wait."""
    callers: list[threading.Timer] = []

    def call_soon() -> None:
        callers.append(threading.Timer(0.01, source.reconnect))
        callers[-1].start()

    connector = RealTime(waiting=call_soon)
    connector.fail()
    connector.stream(event("a"), hold())
    source = source_for(connector, reconnect=ReconnectPolicy(reconnection_time=1000.0, max_delay=1000.0))
    assert next(iter(source)).data == "a"
    for caller in callers:
        caller.join(CAUGHT_UP)
    assert connector.delays[0] >= 1000


@pytest.mark.parametrize("asked", [b"9" * 30, b"9" * 400], ids=["a long time", "beyond any number"])
def test_a_wait_that_no_system_can_hold(asked: bytes) -> None:
    """A server that asks for longer than a system call can wait is obeyed where the policy lets it."""
    callers: list[threading.Timer] = []

    def call_soon() -> None:
        callers.append(threading.Timer(0.01, source.reconnect))
        callers[-1].start()

    connector = RealTime(waiting=call_soon)
    connector.stream(raw(b"retry: " + asked + b"\n\n"), event("a"))
    connector.stream(event("b"), hold())
    source = source_for(connector, reconnect=ReconnectPolicy(jitter=0, max_server_delay=1e300))
    iterator = iter(source)
    assert [next(iterator).data for _ in range(2)] == ["a", "b"]
    for caller in callers:
        caller.join(CAUGHT_UP)
    assert connector.delays[0] >= 1e26


def test_reconnect_sets_the_count_back(connector: ScriptedConnector) -> None:
    """After reconnect() the delays begin anew, whether it dropped a connection or cut a wait short."""
    connector.fail()
    connector.fail()
    connector.fail()
    connector.stream(comment("ping"), hold())
    connector.fail()
    connector.end()
    source = source_for(connector)
    seen = []
    for item in source.lifecycle():
        if isinstance(item, ErrorEvent):
            seen.append((item.delay, item.attempt))
            if item.attempt == 2:
                source.reconnect()
        elif isinstance(item, OpenEvent):
            source.reconnect()
    assert seen == [(3.0, 1), (6.0, 2), (3.0, 1), (0.0, 0), (3.0, 1)]


def test_reconnect_is_no_warning(connector: ScriptedConnector, caplog: pytest.LogCaptureFixture) -> None:
    """What the program asked for is logged as information."""
    connector.stream(event("a"), hold())
    connector.end()
    source = source_for(connector)
    with caplog.at_level(logging.INFO, logger="sse_client"):
        for _ in source:
            source.reconnect()
    assert [record.levelname for record in caplog.records if "reconnect() was called" in record.getMessage()] == [
        "INFO"
    ]


# pause() and resume()


def resume_soon(source: EventSource) -> threading.Timer:
    timer = threading.Timer(0.02, source.resume)
    timer.start()
    return timer


def test_pause_and_resume(connector: ScriptedConnector) -> None:
    """pause() drops the connection after the events that have arrived; resume() goes on from there, at once."""
    connector.stream(raw(b"id: 1\ndata: a\n\nid: 2\ndata: b\n\n"), hold())
    connector.stream(event("c", id="3"))
    connector.end()
    source = source_for(connector)
    seen: list[object] = []
    timers = []
    for item in source.lifecycle():
        if isinstance(item, MessageEvent):
            seen.append(item.data)
            if item.data == "a":
                source.pause()
        elif isinstance(item, ErrorEvent):
            seen.append((item.error.reason, item.delay, item.requested))
            if source.is_paused:
                assert connector.open_connections == 0
                assert source.next_attempt_in is None
                assert repr(source).startswith(f"<EventSource {URL} PAUSED ")
                timers.append(resume_soon(source))
    assert seen == ["a", "b", ("pause() was called", math.inf, True), "c", ("the server ended the stream", 3.0, False)]
    assert connector.last_event_ids == ["", "2", "3"]
    assert connector.delays == [3.0]
    timers[0].join(CAUGHT_UP)


def test_pause_before_a_loop(connector: ScriptedConnector) -> None:
    """A source that is paused before its loop connects when it is resumed, and not before."""
    connector.stream(event("a"))
    connector.end()
    source = source_for(connector)
    source.pause()
    source.reconnect()
    timer = resume_soon(source)
    assert data(source) == ["a"]
    timer.join(CAUGHT_UP)
    assert not source.is_paused


def test_pause_in_a_wait() -> None:
    """A pause in the wait for the next attempt outlasts that wait."""
    connector = RealTime()
    connector.fail()
    connector.stream(event("a"), hold())
    source = source_for(connector, reconnect=ReconnectPolicy(reconnection_time=0.001, jitter=0))
    timers = []
    for item in source.lifecycle():
        if isinstance(item, ErrorEvent):
            source.pause()
            paused = time.monotonic()
            timers.append(resume_soon(source))
        elif isinstance(item, MessageEvent):
            break
    assert time.monotonic() - paused >= 0.015
    timers[0].join(CAUGHT_UP)


def test_close_while_paused(connector: ScriptedConnector) -> None:
    """close() from another thread ends a paused loop at once and quietly."""
    connector.stream(event("a"), hold())
    source = source_for(connector)
    closer = threading.Timer(0.02, source.close)
    received = []
    for message in source:
        received.append(message.data)
        source.pause()
        closer.start()
    assert received == ["a"]
    assert source.ready_state is ReadyState.CLOSED
    closer.join(CAUGHT_UP)


def test_pause_and_resume_from_another_thread(connector: ScriptedConnector) -> None:
    """A loop that waits on a silent stream can be paused and resumed from another thread; nothing is lost."""
    waiting = threading.Event()
    connector.stream(event("a", id="1"), signal(waiting), hold())
    connector.stream(event("b", id="2"))
    connector.end()
    source = source_for(connector)

    def pause_and_resume() -> None:
        assert waiting.wait(CAUGHT_UP)
        source.pause()
        source.resume()

    caller = threading.Thread(target=pause_and_resume)
    caller.start()
    assert data(source) == ["a", "b"]
    caller.join(CAUGHT_UP)
    assert connector.last_event_ids == ["", "1", "2"]


def test_resume_without_a_pause(connector: ScriptedConnector) -> None:
    """resume() without a pause leaves the connection alone."""
    connector.stream(event("a"), event("b"))
    connector.end()
    source = source_for(connector)
    received = []
    for message in source:
        received.append(message.data)
        source.resume()
    assert received == ["a", "b"]
    assert connector.delays == [3.0]


def test_pause_without_a_policy(connector: ScriptedConnector) -> None:
    """A source that does not reconnect cannot be paused."""
    source = source_for(connector, reconnect=None)
    for method in (source.pause, source.resume):
        with pytest.raises(RuntimeError, match="does not reconnect"):
            method()


def test_reconnect_without_a_policy(connector: ScriptedConnector) -> None:
    """reconnect() of a source that does not reconnect is an error: its request may not be safe to repeat."""
    with pytest.raises(RuntimeError, match="does not reconnect"):
        source_for(connector, reconnect=None).reconnect()


def test_reconnect_without_a_loop(connector: ScriptedConnector) -> None:
    """reconnect() without a loop, and after close(), does nothing."""
    source = source_for(connector)
    source.reconnect()
    connector.stream(event("a"))
    connector.end()
    assert data(source) == ["a"]
    source.close()
    source.reconnect()
    assert list(source) == []


# Signal handlers


class Log(Connector):
    """Events numbered up to 4, from the last event ID on, one a read, over connections that end after two; then 204."""

    def __init__(self) -> None:
        self.open_connections = 0
        self.requests = 0

    def connection(self) -> Connection:
        return LogConnection(self)

    def real_delay(self, delay: float) -> float:
        return 0.0


class LogConnection(Connection):
    def __init__(self, log: Log) -> None:
        self._log = log
        self._last = 0
        self._end = 0
        self._interrupted = False

    def open(self, last_event_id: str) -> ResponseHead:
        self._log.open_connections += 1
        if self._interrupted:
            raise ConnectionFailed("interrupted", url=URL)
        self._log.requests += 1
        self._last = int(last_event_id or 0)
        self._end = min(self._last + 2, 4)
        return ResponseHead(URL, "http://scripted.test", 204 if self._last == 4 else 200, {})

    def read(self) -> bytes:
        if self._interrupted:
            raise ConnectionLost("interrupted", url=URL)
        if self._last == self._end:
            return b""
        self._last += 1
        return b"id: %d\ndata: %d\n\n" % (self._last, self._last)

    def interrupt(self) -> None:
        self._interrupted = True

    def release(self) -> None:
        self._log.open_connections -= 1


@pytest.mark.parametrize("ask", ["close", "reconnect", "pause and resume"])
def test_signal_handlers_at_any_moment(ask: str) -> None:
    """A signal handler may use the source between any two lines of its loop: nothing locks, is lost or comes twice."""

    def interrupt_at(moment: int) -> str:
        log = Log()
        source = EventSource(log, reconnect=EXACT)
        received: list[str] = []
        requests = 0

        def handle() -> None:
            nonlocal requests
            requests = log.requests
            if ask == "close":
                source.close()
            elif ask == "reconnect":
                source.reconnect()
            else:
                source.pause()
                source.resume()

        files = ("source.py", "loop.py", "control.py")
        where = interrupted_at(moment, lambda: received.extend(data(source)), handle, *files)
        if ask == "close" and where:
            assert source.ready_state is ReadyState.CLOSED, where
            assert log.requests == requests, where
        else:
            assert received == ["1", "2", "3", "4"], where
        assert not log.open_connections, where
        return where

    moment = 1
    while interrupt_at(moment):
        moment += 1
    assert moment > 100


# How it stands


def test_ready_states(connector: ScriptedConnector) -> None:
    """The ready state follows the connection."""
    connector.stream(event("a"))
    connector.end()
    source = source_for(connector)
    states = [source.ready_state]
    states += [source.ready_state for _ in source.lifecycle()]
    states += [source.ready_state]
    expected = ["CONNECTING", "CONNECTING", "OPEN", "OPEN", "CONNECTING", "CONNECTING", "CLOSED"]
    assert [f"{state}" for state in states] == expected


def test_next_attempt_in() -> None:
    """next_attempt_in counts down in a wait, and is None otherwise."""
    connector = RealTime()
    connector.fail()
    connector.end()
    source = source_for(connector, reconnect=ReconnectPolicy(reconnection_time=1000.0, max_delay=1000.0, jitter=0))
    assert source.next_attempt_in is None
    counted = []
    for item in source.lifecycle():
        counted.append(source.next_attempt_in)
        if isinstance(item, ErrorEvent):
            counted.append(source.next_attempt_in)
            source.reconnect()
    assert (counted[0], counted[3]) == (None, None)
    assert 990 < counted[2] < counted[1] <= 1000
    assert source.next_attempt_in is None


def test_last_activity(connector: ScriptedConnector) -> None:
    """last_activity is when the last byte arrived, on the monotonic clock; a comment counts."""
    connector.stream(event("a"), comment("ping"))
    connector.end()
    source = source_for(connector)
    assert source.last_activity is None
    times = [time.monotonic()]
    for _ in source.lifecycle(comments=True):
        if source.last_activity is not None:
            times.append(source.last_activity)
    times.append(time.monotonic())
    assert times == sorted(times)
    assert len(set(times[1:-1])) >= 3


@pytest.mark.parametrize("reconnect", [EXACT, None], ids=["reconnecting", "one request"])
def test_reconnection_time_can_be_read(connector: ScriptedConnector, reconnect: Any) -> None:
    """source.reconnection_time is what the stream's last retry field asked for, also when the loop is over."""
    connector.stream(raw(b"retry: 2500\n\n"), event("a"))
    if reconnect:
        connector.end()
    source = source_for(connector, reconnect=reconnect)
    assert source.reconnection_time is None
    assert data(source) == ["a"]
    assert source.reconnection_time == 2.5


def test_repr(connector: ScriptedConnector) -> None:
    """The repr of a source shows its address, state and position, and no secret."""
    assert repr(source_for(connector, last_event_id="7")) == f"<EventSource {URL} CONNECTING last_event_id='7'>"
    shown = repr(EventSource("http://me:s3cret@scripted.test/a?token=s3cret"))
    assert shown.startswith("<EventSource http://scripted.test/a")
    assert "s3cret" not in shown


def test_log(connector: ScriptedConnector, caplog: pytest.LogCaptureFixture) -> None:
    """A lost connection is a warning with reason and delay; opening and a clean end are information."""
    connector.stream(event("a"), drop())
    connector.stream()
    connector.end()
    with caplog.at_level(logging.INFO, logger="sse_client"):
        list(source_for(connector))
    assert [(record.levelname, record.getMessage()) for record in caplog.records if "again" in record.getMessage()] == [
        ("WARNING", caplog.records[1].getMessage()),
        ("INFO", f"the server ended the stream after 0 bytes without an event ({URL}); again in 3.0 s"),
    ]
    assert caplog.records[0].getMessage() == f"open: {URL}"
    assert caplog.records[1].getMessage().endswith("; again in 3.0 s")


# Arguments


@pytest.mark.parametrize(
    ("settings", "error", "message"),
    [
        ({"url": "example.com"}, ValueError, "url must start with http:// or https://"),
        ({"url": None}, TypeError, "url must be a str or a function"),
        ({"headers": {"a": 1}}, TypeError, "headers must map str to str"),
        ({"method": "G T"}, ValueError, "method must be"),
        ({"body": 7}, TypeError, "body must be"),
        ({"last_event_id": "a\n"}, ValueError, "last_event_id must not contain"),
        ({"reconnect": True}, TypeError, "reconnect must be a ReconnectPolicy or None, not bool"),
        ({"connect_timeout": 0}, ValueError, "connect_timeout must be"),
        ({"response_timeout": "1"}, TypeError, "response_timeout must be"),
        ({"idle_timeout": float("nan")}, ValueError, "idle_timeout must be"),
        ({"max_event_size": 0}, ValueError, "max_event_size must be"),
    ],
)
def test_wrong_arguments(settings: dict[str, Any], error: type[Exception], message: str) -> None:
    """A wrong argument fails at construction, by name."""
    with pytest.raises(error, match=message):
        EventSource(settings.pop("url", URL), **settings)


@pytest.mark.parametrize(
    "settings",
    [{"headers": {"a": "1"}}, {"method": "POST"}, {"body": b""}, {"json": None}, {"idle_timeout": 1.0}],
    ids=lambda settings: next(iter(settings)),
)
def test_request_settings_along_with_a_connector(connector: ScriptedConnector, settings: dict[str, Any]) -> None:
    """What a connector would ignore is refused along with one."""
    with pytest.raises(TypeError, match=f"{next(iter(settings))} cannot be given along with a Connector"):
        EventSource(connector, **settings)


@pytest.mark.parametrize(("method", "reconnects"), [("GET", True), ("HEAD", True), ("POST", False), ("REPORT", False)])
def test_reconnecting_by_method(method: str, reconnects: bool) -> None:
    """By default only GET and HEAD, which are safe to repeat, are repeated."""
    source = EventSource(URL, method=method)
    if reconnects:
        source.reconnect()
    else:
        with pytest.raises(RuntimeError, match="does not reconnect"):
            source.reconnect()


def test_defaults_in_help() -> None:
    """What help() shows as the default of an argument are words, and not an address in memory."""
    parameters = inspect.signature(EventSource).parameters
    assert [str(parameters[name].default) for name in ("json", "reconnect")] == ["<no JSON>", "<by method>"]


def test_ended_streams_are_losses() -> None:
    """A clean end is seen as a kind of lost connection, so that one except clause covers both."""
    assert issubclass(StreamEnded, ConnectionLost)
