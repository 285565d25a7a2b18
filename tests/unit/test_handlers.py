"""Handlers: which are called for which event, what one that fails does, and none after close()."""

from __future__ import annotations

import logging
import pickle
import threading
import time
from typing import Any, Callable, Optional

import pytest

from sse_client._handlers import CloseEvent, HandlerErrorEvent
from sse_client.dispatch_queue import DispatchQueue
from sse_client.errors import ConnectionFailed, EventSourceError, StreamEnded
from sse_client.events import CommentEvent, MessageEvent, OpenEvent, ReadyState
from sse_client.listener import Listener
from sse_client.source import EventSource
from sse_client.testing import ScriptedConnector, comment, event, hold, raw, signal, wait_for

from .listeners import LIMIT, run, scripted

# Registering ---------------------------------------------------------------------------


def test_handlers_get_the_events_of_their_type() -> None:
    """Each kind of handler is called for what it is for, in the order of the stream."""
    listener = scripted(event("1"), event("2", type="tick", id="7"), comment("still here"), event("3", type="odd"))
    seen: list[Any] = []

    @listener.on("tick")
    def tick(tick_event: MessageEvent) -> None:
        seen.append(("tick", tick_event.data))

    listener.on("message", lambda it: seen.append(("message", it.data)))
    listener.on_event(lambda it: seen.append(("event", it.data)))
    listener.on_unhandled(lambda it: seen.append(("unhandled", it.data)))
    listener.on_connecting(lambda it: seen.append(("connecting", it.attempt)))
    listener.on_open(lambda it: seen.append(type(it)))
    listener.on_error(lambda it: seen.append((type(it.error), it.delay is not None)))
    listener.on_comment(seen.append)
    listener.on_close(seen.append)
    run(listener)
    assert seen == [
        ("connecting", 1),
        OpenEvent,
        ("message", "1"),
        ("event", "1"),
        ("tick", "2"),
        ("event", "2"),
        CommentEvent("still here"),
        ("unhandled", "3"),
        ("event", "3"),
        (StreamEnded, True),
        ("connecting", 1),
        CloseEvent(None),
    ]
    assert (listener.last_event_id, listener.ready_state, listener.error) == ("7", ReadyState.CLOSED, None)


def test_decorators_and_calls_return_the_function_itself() -> None:
    """Registering leaves the function as it is, by decorator or by call."""
    listener = scripted()

    def handler(_: object) -> None: ...

    assert listener.on("a", handler) is handler
    assert listener.on("a")(handler) is handler
    for register in (
        listener.on_connecting,
        listener.on_event,
        listener.on_unhandled,
        listener.on_open,
        listener.on_error,
        listener.on_comment,
        listener.on_close,
        listener.on_handler_error,
    ):
        assert register(handler) is handler
    listener.close()


def test_several_handlers_are_called_in_order_and_those_of_the_type_first() -> None:
    """The order is that of the registration, and on_event comes after on; one registered twice is called twice."""
    listener = scripted(event("x"))
    seen: list[str] = []
    handlers: list[Any] = [lambda _, name=name: seen.append(name) for name in "abc"]
    listener.on_event(handlers[2])
    for handler in (handlers[0], handlers[1], handlers[0]):
        listener.on("message", handler)
    run(listener)
    assert seen == ["a", "b", "a", "c"]


def test_a_type_is_never_mistaken_for_something_else() -> None:
    """Whatever type a server invents, only its own handlers and those for every event are called."""
    listener = scripted(event("1", type="open"), event("2", type="<class 'OpenEvent'>"), event("3", type="any event"))
    seen: list[str] = []
    listener.on_open(lambda it: seen.append(it.url))
    listener.on("3", lambda it: seen.append(it.data))
    listener.on_unhandled(lambda it: seen.append(it.data))
    run(listener)
    assert seen == ["http://scripted.test/", "1", "2", "3"]


def test_off_removes_a_handler_from_everything() -> None:
    """A removed handler is not called any more, wherever it was registered; the others are."""
    listener = scripted(event("a"), event("b", type="t"))
    seen: list[Any] = []

    class Window:
        def show(self, it: Any) -> None:
            seen.append(it)

    window = Window()
    listener.on("t", window.show)
    listener.on_open(window.show)
    listener.on_event(lambda it: seen.append(it.data))
    listener.on_unhandled(lambda it: seen.append("unhandled " + it.data))
    assert listener.off(window.show) is True
    assert listener.off(window.show) is False
    run(listener)
    assert seen == ["unhandled a", "a", "unhandled b", "b"]


def test_handlers_may_be_added_and_removed_by_handlers() -> None:
    """A change inside a handler takes effect with the next event."""
    listener = scripted(event("1"), event("2"), event("3"))
    seen: list[Any] = []

    def later(it: MessageEvent) -> None:
        seen.append(("later", it.data))

    @listener.on("message")
    def first(it: MessageEvent) -> None:
        seen.append(("first", it.data))
        if it.data == "1":
            listener.on("message", later)
        else:
            listener.off(later)
            listener.off(first)

    run(listener)
    assert seen == [("first", "1"), ("first", "2"), ("later", "2")]


def test_handlers_may_be_added_by_another_thread_while_events_arrive() -> None:
    """A handler added while the listener runs gets the events from then on."""
    arrived, go_on = threading.Event(), threading.Event()
    listener = scripted(event("1"), signal(arrived), wait_for(go_on, LIMIT), event("2"))
    seen: list[str] = []
    listener.start()
    assert arrived.wait(LIMIT)
    listener.on_event(lambda it: seen.append(it.data))
    go_on.set()
    assert listener.join(LIMIT)
    assert seen == ["2"]


def test_many_types_of_a_hostile_server_are_not_remembered() -> None:
    """Types without a handler of their own leave no trace in the listener."""
    listener = scripted(*[event("x", type=f"t{number}") for number in range(500)])
    listener.on_event(lambda _: None)
    before = len(listener._handlers)
    run(listener)
    assert len(listener._handlers) == before


def test_wrong_registrations_are_refused_at_the_call() -> None:
    """Each mistake raises at the call that makes it, says what is expected, and leaves nothing registered."""
    listener = scripted(event("x", type="a"))
    wrong: list[tuple[Callable[[], object], type[Exception], str]] = [
        (lambda: listener.on(print), TypeError, "type must be a str"),  # type: ignore[call-overload]
        (lambda: listener.on(""), ValueError, '"message"'),
        (lambda: listener.on("a", "b"), TypeError, "must be callable, not str"),  # type: ignore[call-overload]
        (lambda: listener.on("a")(3), TypeError, "must be callable, not int"),  # type: ignore[type-var]
        (lambda: listener.on_event(None), TypeError, "must be callable, not NoneType"),  # type: ignore[type-var]
    ]
    for call, error, words in wrong:
        with pytest.raises(error, match=words):
            call()
    run(listener)


# Exceptions in handlers ----------------------------------------------------------------


def test_an_exception_in_a_handler_is_logged_and_handed_on_and_ends_nothing(caplog: pytest.LogCaptureFixture) -> None:
    """The next handler and the next event come all the same."""
    listener = scripted(event("1"), event("2"))
    seen: list[str] = []
    failures: list[HandlerErrorEvent] = []

    @listener.on("message")
    def broken(it: MessageEvent) -> None:
        raise LookupError("no " + it.data)

    listener.on("message", lambda it: seen.append(it.data))
    listener.on_handler_error(failures.append)
    run(listener)
    assert seen == ["1", "2"]
    assert [str(failure.error) for failure in failures] == ["no 1", "no 2"]
    assert [failure.event.data for failure in failures if isinstance(failure.event, MessageEvent)] == ["1", "2"]
    assert failures[0].handler is broken
    records = [record for record in caplog.records if record.levelno >= logging.ERROR]
    assert [record.name for record in records] == ["sse_client", "sse_client"]
    assert "broken" in records[0].getMessage()
    assert "LookupError: no 1" in caplog.text
    assert "in broken" in caplog.text


@pytest.mark.parametrize("register", ["on_open", "on_error", "on_close", "on_comment", "on_unhandled"])
def test_an_exception_in_any_kind_of_handler_ends_nothing(register: str, caplog: pytest.LogCaptureFixture) -> None:
    """Handlers of every kind may fail, and the stream goes to its end."""
    listener = scripted(comment("c"), event("1"))
    seen: list[object] = []
    getattr(listener, register)(lambda _: 1 / 0)
    listener.on_event(seen.append)
    listener.on_close(seen.append)
    run(listener)
    assert [type(it) for it in seen] == [MessageEvent, CloseEvent]
    assert "ZeroDivisionError" in caplog.text


def test_an_exception_in_on_handler_error_is_only_logged(caplog: pytest.LogCaptureFixture) -> None:
    """A broken handler for broken handlers does not call itself."""
    listener = scripted(event("1"))
    calls: list[object] = []

    @listener.on_handler_error
    def broken_too(it: object) -> None:
        calls.append(it)
        raise OSError("second")

    listener.on_event(lambda _: 1 / 0)
    run(listener)
    assert len(calls) == 1
    assert "OSError: second" in caplog.text


# None after close ----------------------------------------------------------------------


@pytest.fixture
def long_grace(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let close() wait long for a running handler, so that a needless wait for one is seen."""
    monkeypatch.setattr("sse_client._handlers._GRACE", 3 * LIMIT)


@pytest.mark.usefixtures("long_grace")
def test_close_in_a_handler_ends_everything_at_once() -> None:
    """After close() in a handler neither the next handler nor the next event nor on_close is called."""
    listener = scripted(raw(b"data: 1\n\ndata: 2\n\n"), hold(), end=False)
    seen: list[Any] = []

    @listener.on_event
    def first(it: MessageEvent) -> None:
        listener.close()
        seen.append(it.data)
        listener.close()

    listener.on_event(seen.append)
    listener.on_close(seen.append)
    listener.on_error(seen.append)
    run(listener)
    assert seen == ["1"]
    assert listener.error is None
    assert listener.ready_state is ReadyState.CLOSED


def test_close_from_another_thread_does_not_wait_for_a_slow_handler() -> None:
    """close() returns at once while a handler runs; that one ends, and no other begins."""
    entered, release = threading.Event(), threading.Event()
    listener = scripted(raw(b"data: 1\n\ndata: 2\n\n"), end=False)
    seen: list[Any] = []

    @listener.on_event
    def slow(it: MessageEvent) -> None:
        seen.append(it.data)
        entered.set()
        assert release.wait(LIMIT)

    listener.on_event(lambda _: seen.append("second handler"))
    listener.on_close(seen.append)
    listener.on_handler_error(seen.append)
    listener.start()
    assert entered.wait(LIMIT)
    began = time.monotonic()
    listener.close()
    assert time.monotonic() - began < 1.0
    listener.close()
    release.set()
    assert listener.join(LIMIT)
    assert seen == ["1"]


@pytest.mark.usefixtures("long_grace")
def test_close_gives_a_handler_that_is_just_beginning_its_moment() -> None:
    """A handler that close() came too late for has begun, and ended if it is quick, before close() returns."""
    listener = scripted(event("x"), end=False)
    begun = threading.Event()
    ended_before: list[bool] = []
    closed = threading.Event()

    class Late:
        """Stands for the time between the decision to call a handler and its first line."""

        def __call__(self, _: object) -> None:
            begun.set()
            while not listener._closed:
                threading.Event().wait(0.001)
            ended_before.append(not closed.is_set())

    listener.on_event(Late())
    listener.start()
    assert begun.wait(LIMIT)
    before = time.monotonic()
    listener.close()
    closed.set()
    assert time.monotonic() - before < LIMIT, "the end of the handler has not woken close()"
    assert listener.join(LIMIT)
    assert ended_before == [True]


def test_nobody_hears_of_a_handler_error_after_close() -> None:
    """on_handler_error is a handler too: a handler that fails after close() is only logged."""
    listener = scripted(event("x"), end=False)
    seen: list[object] = []

    @listener.on_event
    def fail(_: MessageEvent) -> None:
        listener.close()
        raise LookupError

    listener.on_handler_error(seen.append)
    run(listener)
    assert seen == []


def test_two_handlers_in_two_threads_may_both_close() -> None:
    """Handlers that run at the same time and all close do not wait for each other for ever."""
    queue = DispatchQueue()
    connector = ScriptedConnector()
    connector.stream(event("1"), event("2"))
    connector.end()
    listener = Listener(EventSource(connector), dispatch=queue)
    together = threading.Barrier(2, timeout=LIMIT)
    listener.on_event(lambda _: (together.wait(), listener.close()))
    run(listener)
    threads = [threading.Thread(target=queue.run_pending, args=(1,)) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(LIMIT)
        assert not thread.is_alive()
    assert not together.broken
    assert listener._running == []


# Values --------------------------------------------------------------------------------


def test_events_of_the_listener_are_plain_values() -> None:
    """CloseEvent and HandlerErrorEvent compare, print and pickle by their fields."""
    error = ConnectionFailed("refused", url="http://x/")
    assert CloseEvent(None) == CloseEvent(None) != CloseEvent(error)
    assert repr(CloseEvent(None)) == "CloseEvent(error=None)"
    copy = pickle.loads(pickle.dumps(CloseEvent(error)))
    assert isinstance(copy.error, EventSourceError)
    failure: Optional[HandlerErrorEvent] = HandlerErrorEvent(LookupError(), MessageEvent(), print)
    assert failure is not None
    assert failure.handler is print


def test_the_end_is_told_in_a_few_words() -> None:
    """A status bar can show the end, whatever it was: quiet, an error of the stream, an error of the program."""
    error = ConnectionFailed("the server at the other end of the line refused", url="http://x/")
    assert CloseEvent(None).summary == "the stream is over"
    assert CloseEvent(error).summary == error.summary
    assert CloseEvent(KeyError("s3cret")).summary == "KeyError"
