"""`Listener`: a thread that is started, closed and joined, and an end that is never silent."""

from __future__ import annotations

import logging
import math
import threading
import time
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Callable

import pytest

import sse_client.listener
from sse_client._handlers import CloseEvent, HandlerErrorEvent
from sse_client.dispatch_queue import DispatchQueue
from sse_client.errors import ConnectionFailed, ResponseRejected
from sse_client.events import CommentEvent, ConnectingEvent, ErrorEvent, MessageEvent, OpenEvent, ReadyState
from sse_client.listener import Listener
from sse_client.reconnect import ReconnectPolicy
from sse_client.source import EventSource
from sse_client.testing import ScriptedConnector, comment, event, hold

from .interruption import interrupted_at
from .listeners import LIMIT, run, scripted

CLOSING = (
    "listener.py",
    "_handlers.py",
    "dispatch_queue.py",
    "source.py",
    "loop.py",
    "control.py",
)  # what close() runs through


class ManualDispatch:
    """Calls wait here until the test runs them: any toolkit's main loop."""

    def __init__(self) -> None:
        self.calls: deque[Any] = deque()

    def __call__(self, callback: Callable[..., object], *args: Any) -> None:
        self.calls.append((callback, args))

    def run(self, count: int = -1) -> int:
        done = 0
        while self.calls and done != count:
            callback, args = self.calls.popleft()
            callback(*args)
            done += 1
        return done


# The end -------------------------------------------------------------------------------


def rejected_listener() -> Listener:
    connector = ScriptedConnector()
    connector.respond(404, b"nothing here")
    return Listener(EventSource(connector))


def test_a_fatal_error_goes_to_on_error_and_to_on_close(caplog: pytest.LogCaptureFixture) -> None:
    """on_error hears that there will be no further attempt, then on_close what ended the stream, once."""
    listener = rejected_listener()
    seen: list[Any] = []
    listener.on_error(seen.append)
    listener.on_close(seen.append)
    run(listener)
    assert [type(it) for it in seen] == [ErrorEvent, CloseEvent]
    assert seen[0].delay is None
    assert isinstance(seen[1].error, ResponseRejected)
    assert listener.error is seen[1].error
    assert not [record for record in caplog.records if record.levelno >= logging.ERROR]


def test_a_fatal_error_that_nobody_hears_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    """Without on_close and on_error, the end is logged at ERROR."""
    run(rejected_listener())
    assert [record.levelname for record in caplog.records if record.name == "sse_client"] == ["ERROR"]
    assert "404" in caplog.text


@pytest.mark.parametrize("register", ["on_close", "on_error"])
def test_one_who_hears_is_enough(register: str, caplog: pytest.LogCaptureFixture) -> None:
    """With either on_close or on_error, nothing is logged at ERROR."""
    listener = rejected_listener()
    getattr(listener, register)(lambda _: None)
    run(listener)
    assert not [record for record in caplog.records if record.levelno >= logging.ERROR]


def test_an_error_of_the_program_ends_the_listener_and_is_always_logged(caplog: pytest.LogCaptureFixture) -> None:
    """What is not an EventSourceError, such as two loops over one source, is logged with its traceback too."""
    connector = ScriptedConnector()
    connector.stream(hold())
    source = EventSource(connector)
    loop = source.lifecycle()
    assert isinstance(next(loop), ConnectingEvent)
    listener = Listener(source)
    seen: list[CloseEvent] = []
    listener.on_close(seen.append)
    run(listener)
    loop.close()
    assert isinstance(seen[0].error, RuntimeError)
    assert "iterated over already" in caplog.text
    assert "Traceback" in caplog.text


def test_an_error_that_is_kept_does_not_keep_what_it_came_from() -> None:
    """The frames of a kept error hold nothing any more, so a connection or a buffer can go."""
    listener = rejected_listener()
    run(listener)
    assert listener.error is not None
    traceback = listener.error.__traceback__
    assert traceback is not None
    while traceback is not None:
        assert not [it for it in traceback.tb_frame.f_locals.values() if "Connection" in type(it).__name__]
        traceback = traceback.tb_next


@pytest.mark.parametrize("exception", [SystemExit(3), KeyboardInterrupt(), GeneratorExit()])
def test_a_base_exception_in_a_handler_ends_the_listener_and_is_reported(
    exception: BaseException, caplog: pytest.LogCaptureFixture
) -> None:
    """SystemExit and its like end the thread: logged, kept as the error, and told to on_close."""
    listener = scripted(event("1"), event("2"), end=False)
    seen: list[Any] = []

    @listener.on_event
    def leave(it: MessageEvent) -> None:
        seen.append(it.data)
        raise exception

    listener.on_close(seen.append)
    run(listener)
    assert seen == ["1", CloseEvent(exception)]
    assert listener.error is exception
    assert listener.ready_state is ReadyState.CLOSED
    assert type(exception).__name__ in caplog.text
    assert "in leave" in caplog.text


def test_a_base_exception_in_on_close_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    """There is no thread any more that it could end, so it is only logged."""
    listener = scripted()

    @listener.on_close
    def leave(_: CloseEvent) -> None:
        raise SystemExit(4)

    run(listener)
    assert "SystemExit while on_close was called" in caplog.text


def test_an_error_that_is_its_own_cause_ends_the_listener() -> None:
    """A chain of causes that is a ring does not hold up the thread: on_close is called, and it ends."""

    def headers() -> dict[str, str]:
        try:
            raise KeyError("token")
        except KeyError as error:
            raise error from error

    listener = Listener(EventSource("http://127.0.0.1:9/", headers=headers))
    seen: list[CloseEvent] = []
    listener.on_close(seen.append)
    run(listener)
    assert isinstance(listener.error, KeyError)
    assert [it.error for it in seen] == [listener.error]


def test_the_source_is_closed_at_the_end() -> None:
    """A stream that is over gives back what its connector keeps between connections."""
    connector = ScriptedConnector()
    connector.end()
    run(Listener(EventSource(connector)))
    assert connector.closed


# The first event -----------------------------------------------------------------------


def warnings_in(caplog: pytest.LogCaptureFixture) -> list[tuple[str, str]]:
    return [(record.name, record.getMessage()) for record in caplog.records if record.levelno >= logging.WARNING]


@pytest.mark.parametrize("dispatched", [False, True])
def test_without_any_handler_for_events_the_first_one_is_warned_of(
    dispatched: bool, caplog: pytest.LogCaptureFixture
) -> None:
    """Events that nobody can ever have are not lost in silence: one warning, whatever else is handled."""
    connector = ScriptedConnector()
    connector.stream(event("1"), event("2", type="t"))
    connector.stream(event("3"))
    connector.end()
    dispatch = ManualDispatch()
    listener = Listener(EventSource(connector), dispatch=dispatch if dispatched else None)
    seen: list[object] = []
    for register in (listener.on_open, listener.on_error, listener.on_comment, listener.on_close):
        register(seen.append)
    run(listener)
    dispatch.run()
    assert [type(it) for it in seen] == [OpenEvent, ErrorEvent] * 2 + [CloseEvent]
    text = "an event arrived, and this Listener has no handler for events: register handlers before start()"
    assert warnings_in(caplog) == [("sse_client", text)]


@pytest.mark.parametrize("register", ["on", "on_event", "on_unhandled"])
def test_with_any_handler_for_events_none_is_warned_of(register: str, caplog: pytest.LogCaptureFixture) -> None:
    """One handler, be it for another type or soon removed, shows that somebody knows about handlers."""
    listener = scripted(event("1"), event("2"), event("3"))

    def handler(_: MessageEvent) -> None:
        listener.off(handler)

    getattr(listener, register)(*(["never"] if register == "on" else []), handler)
    run(listener)
    assert warnings_in(caplog) == []


def test_a_listener_that_gets_no_event_is_not_warned(caplog: pytest.LogCaptureFixture) -> None:
    """Without an event there is nothing to lose."""
    run(scripted(comment("c")))
    assert warnings_in(caplog) == []


# start, join, with ---------------------------------------------------------------------


def test_start_returns_at_once_and_the_thread_is_a_daemon() -> None:
    """start() does not wait for the connection, and its thread does not keep the interpreter alive."""
    connector = ScriptedConnector()
    connector.silence()
    listener = Listener(EventSource(connector))
    assert not listener.is_alive()
    assert listener.join(0) is True
    listener.start()
    assert listener.is_alive()
    assert listener.ready_state is ReadyState.CONNECTING
    assert [thread.daemon for thread in threading.enumerate() if thread.name == "sse-client-listener"] == [True]
    assert listener.join(0.01) is False
    listener.close()
    assert listener.join(LIMIT)
    assert not listener.is_alive()


def test_start_can_wait_until_the_stream_is_open() -> None:
    """start(wait=...) returns once the stream is open, also after attempts that failed."""
    connector = ScriptedConnector()
    connector.fail()
    connector.respond(503)
    connector.stream(hold())
    listener = Listener(EventSource(connector))
    listener.start(wait=LIMIT)
    assert listener.ready_state is ReadyState.OPEN
    listener.close()
    assert listener.join(LIMIT)


def test_start_raises_what_ended_the_stream() -> None:
    """start(wait=...) raises a fatal error, and leaves nothing running."""
    listener = rejected_listener()
    with pytest.raises(ResponseRejected, match="404"):
        listener.start(wait=LIMIT)
    assert listener.join(LIMIT)
    assert "closed" in repr(listener)


class SlowConnector(ScriptedConnector):
    """Its waits between attempts take their time."""

    def real_delay(self, delay: float) -> float:
        return delay


def test_start_raises_the_last_trouble_when_the_time_is_over() -> None:
    """start(wait=...) raises what went wrong last if it was not open in time, and closes."""
    connector = SlowConnector()
    connector.fail(ConnectionFailed("refused", url="http://x/"))
    listener = Listener(EventSource(connector))
    with pytest.raises(ConnectionFailed, match="refused"):
        listener.start(wait=0.2)
    assert listener.join(LIMIT)


def test_start_raises_a_time_out_if_nothing_else_went_wrong() -> None:
    """start(wait=...) says how long it has waited for a server that does not answer, and closes."""
    connector = ScriptedConnector()
    connector.silence()
    listener = Listener(EventSource(connector))
    with pytest.raises(TimeoutError, match=r"not opened within 0\.1 s"):
        listener.start(wait=0.1)
    assert listener.join(LIMIT)


def test_start_returns_when_the_listener_is_closed_meanwhile() -> None:
    """start(wait=...) in one thread and close() in another: both return quietly."""
    connector = SlowConnector()
    connector.fail()
    listener = Listener(EventSource(connector))
    listener.on_error(lambda _: listener.close())
    listener.start(wait=LIMIT)
    assert listener.join(LIMIT)


def test_start_returns_when_the_stream_is_over_quietly() -> None:
    """start(wait=...) is not an error when the server says that there is nothing to come."""
    connector = ScriptedConnector()
    connector.end()
    listener = Listener(EventSource(connector))
    listener.start(wait=LIMIT)
    assert listener.join(LIMIT)
    assert listener.error is None


def test_comments_can_only_be_asked_for_before_the_start() -> None:
    """on_comment on a running listener says that it comes too late."""
    listener = scripted(hold(), end=False)
    with listener, pytest.raises(RuntimeError, match="before start"):
        listener.on_comment(print)


def test_a_copy_in_a_child_process_says_so_before_all_else(monkeypatch: pytest.MonkeyPatch) -> None:
    """After a fork, registering says what is wrong, without the lock, which may be held for ever."""
    listener = scripted(hold(), end=False)
    with ThreadPoolExecutor(1) as other, listener, monkeypatch.context() as patch, listener._lock:
        patch.setattr("sse_client.listener.os.getpid", lambda: -1)
        for use in (listener.on_comment, listener.on_event, listener.off):
            assert "copies no threads" in str(other.submit(use, print).exception(LIMIT))


def test_a_child_process_is_warned_of_running_listeners_only(caplog: pytest.LogCaptureFixture) -> None:
    """What was new, or had ended, before a fork can be ignored: no log line."""
    run(scripted())
    new = scripted()
    sse_client.listener._warn_the_child()
    assert warnings_in(caplog) == []
    with scripted(hold(), end=False):
        sse_client.listener._warn_the_child()
    assert "in post_worker_init" in caplog.text
    new.close()


def test_starting_twice_or_after_close_is_an_error() -> None:
    """A listener is for one run: the second start says so, and how to go on from the last event."""
    listener = scripted(hold())
    listener.start()
    with pytest.raises(RuntimeError, match=r"started already.*make a new one.*last_event_id="):
        listener.start()
    listener.close()
    with pytest.raises(RuntimeError, match=r"has been closed.*make a new one.*last_event_id="):
        listener.start()
    assert listener.join(LIMIT)
    unused = scripted()
    unused.close()
    with pytest.raises(RuntimeError, match="has been closed"):
        unused.start()


def test_a_thread_that_cannot_be_had_leaves_the_listener_unstarted(monkeypatch: pytest.MonkeyPatch) -> None:
    """When the system has no more threads, start() raises, and can be called again later."""
    listener = scripted()

    def fail(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", fail)
        with pytest.raises(RuntimeError, match="new thread"):
            listener.start()
    assert listener.join(0)
    run(listener)


def test_a_start_that_ctrl_c_interrupts_does_not_forget_its_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    """A KeyboardInterrupt while the thread is being started leaves a listener that can be closed and joined."""
    listener = scripted(hold(), end=False)
    start = threading.Thread.start

    def interrupted(thread: threading.Thread) -> None:
        start(thread)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", interrupted)
        with pytest.raises(KeyboardInterrupt):
            listener.start()
    assert listener.is_alive()
    assert listener.join(0.01) is False
    listener.close()
    assert listener.join(LIMIT)


def test_ctrl_c_while_start_waits_closes(monkeypatch: pytest.MonkeyPatch) -> None:
    """A KeyboardInterrupt out of start(wait=...) leaves nothing running either."""
    listener = scripted(hold(), end=False)

    def interrupted(_: float) -> bool:
        raise KeyboardInterrupt

    monkeypatch.setattr(listener._settled, "wait", interrupted)
    with pytest.raises(KeyboardInterrupt):
        listener.start(wait=LIMIT)
    assert listener.join(LIMIT)


def test_a_signal_handler_may_close_at_any_moment_of_start() -> None:
    """Wherever in start(wait=...) its own thread runs a handler that calls close(), it returns, and the thread ends."""

    def close_at(moment: int) -> str:
        connector = ScriptedConnector()
        connector.silence()
        listener = Listener(EventSource(connector), dispatch=DispatchQueue())

        def start() -> None:
            try:
                listener.start(wait=0.005)
            except TimeoutError:
                pass  # the handler came too late
            except RuntimeError as error:
                if "has been closed" not in str(error):  # the handler came first of all
                    raise

        where = interrupted_at(moment, start, listener.close, *CLOSING, "threading.py")
        listener.close()
        assert listener.join(LIMIT)
        return where

    moments = []
    while where := close_at(len(moments) + 1):
        moments.append(where)
    assert len(moments) > 50
    assert any(it.startswith("threading.py") for it in moments)


def test_the_with_block_starts_closes_and_joins() -> None:
    """After the block the thread has ended; an exception in the block goes on."""
    listener = scripted(hold())
    with listener as entered:
        assert entered is listener
        assert listener.is_alive()
    assert not listener.is_alive()
    listener = scripted(hold())
    with pytest.raises(LookupError), listener:
        raise LookupError
    assert not listener.is_alive()


def test_the_with_block_does_not_wait_for_ever(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A handler that does not return holds the block up for a limited time only, and that is logged."""
    monkeypatch.setattr("sse_client.listener._EXIT_TIMEOUT", 0.05)
    release, entered = threading.Event(), threading.Event()
    listener = scripted(event("x"))
    listener.on_event(lambda _: (entered.set(), release.wait(LIMIT)))
    with listener:
        assert entered.wait(LIMIT)
    assert "still in a handler" in caplog.text
    release.set()
    assert listener.join(LIMIT)


def test_join_from_the_own_thread_raises() -> None:
    """join() in a handler would wait for itself, so it raises; close() there does not join."""
    listener = scripted(event("x"), hold(), end=False)
    failures: list[HandlerErrorEvent] = []
    listener.on_handler_error(failures.append)
    listener.on_event(lambda _: listener.join())
    listener.on_event(lambda _: listener.close())
    run(listener)
    assert isinstance(failures[0].error, RuntimeError)
    assert "own thread" in str(failures[0].error)


def test_a_with_block_may_be_left_on_the_own_thread() -> None:
    """Leaving the block in a handler closes and does not lock up."""
    listener = scripted(event("x"), hold(), end=False)
    left = threading.Event()
    listener.on_event(lambda _: (listener.__exit__(None, None, None), left.set()))
    run(listener)
    assert left.is_set()


# close ---------------------------------------------------------------------------------


def test_a_base_exception_after_close_is_still_logged(caplog: pytest.LogCaptureFixture) -> None:
    """SystemExit after close() changes nothing, but is not swallowed without a word."""
    listener = scripted(event("x"), end=False)

    @listener.on_event
    def leave(_: MessageEvent) -> None:
        listener.close()
        raise SystemExit(5)

    run(listener)
    assert listener.error is None
    assert "SystemExit" in caplog.text


def test_close_before_start_and_twice_is_quiet() -> None:
    """close() is fine at any time and closes the source."""
    connector = ScriptedConnector()
    listener = Listener(EventSource(connector))
    listener.close()
    listener.close()
    assert connector.closed
    assert listener.ready_state is ReadyState.CLOSED


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + LIMIT
    while not condition():
        assert time.monotonic() < deadline
        threading.Event().wait(0.001)


# pause, resume, reconnect --------------------------------------------------------------


def test_a_listener_can_be_paused_and_goes_on_where_it_was() -> None:
    """pause() drops the connection, and resume() makes another from the last event ID on; handlers see each step."""
    connector = ScriptedConnector()
    connector.stream(event("1", id="1"), hold())
    connector.stream(event("2", id="2"), hold())
    connector.stream(event("3", id="3"))
    connector.end()
    listener = Listener(EventSource(connector, reconnect=ReconnectPolicy(jitter=0)))
    seen: list[Any] = []
    listener.on_connecting(lambda it: seen.append(("connecting", it.attempt)))
    listener.on_open(lambda _: seen.append("open"))
    listener.on_event(lambda it: seen.append(it.data))
    listener.on_error(lambda it: seen.append((it.delay, it.requested)))
    listener.start()
    wait_until(lambda: seen[-1:] == ["1"])
    assert (listener.is_paused, listener.next_attempt_in) == (False, None)
    assert listener.last_activity is not None
    assert 0 <= time.monotonic() - listener.last_activity < LIMIT
    listener.pause()
    wait_until(lambda: connector.open_connections == 0 and seen[-1] == (math.inf, True))
    assert (listener.is_paused, listener.ready_state, listener.next_attempt_in) == (True, ReadyState.CONNECTING, None)
    listener.resume()
    wait_until(lambda: seen[-1:] == ["2"])
    listener.reconnect()
    assert listener.join(LIMIT)
    assert seen == [
        *(("connecting", 1), "open", "1", (math.inf, True)),
        *(("connecting", 1), "open", "2", (0.0, True)),
        *(("connecting", 1), "open", "3", (3.0, False), ("connecting", 1)),
    ]
    assert connector.last_event_ids == ["", "1", "2", "3"]


def test_a_listener_counts_down_to_its_next_attempt() -> None:
    """next_attempt_in is what is left of the delay, and None while there is no wait."""
    connector = SlowConnector()
    connector.fail()
    listener = Listener(EventSource(connector, reconnect=ReconnectPolicy(reconnection_time=60, jitter=0)))
    listener.start()
    wait_until(lambda: listener.next_attempt_in is not None)
    assert 50 < (listener.next_attempt_in or 0) <= 60
    listener.close()
    assert listener.join(LIMIT)
    assert listener.next_attempt_in is None


# dispatch ------------------------------------------------------------------------------


def test_dispatch_says_where_handlers_run() -> None:
    """With dispatch every handler runs where it brings the call, on_close included, in order."""
    dispatch = ManualDispatch()
    connector = ScriptedConnector()
    connector.stream(comment("c"), event("1"), event("2", type="t"))
    connector.end()
    listener = Listener(EventSource(connector), dispatch=dispatch)
    seen: list[Any] = []
    for register in (listener.on_event, listener.on_open, listener.on_error, listener.on_comment, listener.on_close):
        register(lambda it: seen.append((type(it), threading.get_ident())))
    run(listener)
    assert seen == []
    assert dispatch.run() == 6
    kinds = [OpenEvent, CommentEvent, MessageEvent, MessageEvent, ErrorEvent, CloseEvent]
    assert seen == [(kind, threading.get_ident()) for kind in kinds]


def test_what_nobody_handles_is_not_dispatched() -> None:
    """Events without a handler do not trouble the other thread."""
    dispatch = ManualDispatch()
    connector = ScriptedConnector()
    connector.stream(event("1"), event("2", type="t"))
    connector.end()
    listener = Listener(EventSource(connector), dispatch=dispatch)
    listener.on("t", lambda _: None)
    run(listener)
    assert len(dispatch.calls) == 1


@pytest.mark.parametrize("make", [ManualDispatch, DispatchQueue])
def test_nothing_that_is_queued_starts_after_close(make: Callable[[], Any]) -> None:
    """Whatever still waits to be run when close() returns is not run, on_close included."""
    dispatch = make()
    connector = ScriptedConnector()
    connector.stream(*[event(str(number)) for number in range(5)])
    connector.end()
    listener = Listener(EventSource(connector), dispatch=dispatch)
    seen: list[Any] = []
    listener.on_event(seen.append)
    listener.on_close(seen.append)
    run(listener)
    run_pending = dispatch.run_pending if isinstance(dispatch, DispatchQueue) else dispatch.run
    run_pending(2)
    assert len(seen) == 2
    listener.close()
    run_pending()
    assert len(seen) == 2


def test_close_empties_the_queue_of_its_own_calls_only() -> None:
    """Two listeners on one queue: closing one leaves what the other has brought."""
    queue = DispatchQueue()
    seen: list[str] = []
    listeners = []
    for name in ("a", "b"):
        connector = ScriptedConnector()
        connector.stream(event(name), event(name))
        connector.end()
        listener = Listener(EventSource(connector), dispatch=queue)
        listener.on_event(lambda it: seen.append(it.data))
        run(listener)
        listeners.append(listener)
    assert len(queue) == 4
    listeners[0].close()
    assert len(queue) == 2
    queue.run_pending()
    assert seen == ["b", "b"]


def test_close_frees_a_thread_that_is_blocked_by_a_full_queue() -> None:
    """The thread that runs the queue can close the listener that waits for room in it."""
    queue = DispatchQueue(1)
    connector = ScriptedConnector()
    connector.stream(*[event(str(number)) for number in range(5)])
    listener = Listener(EventSource(connector), dispatch=queue)
    seen: list[object] = []
    listener.on_event(seen.append)
    listener.start()
    wait_until(lambda: len(queue) == 1)
    assert listener.join(0.05) is False
    listener.close()
    assert listener.join(LIMIT)
    assert queue.run_pending() == 0
    assert seen == []


def test_a_queue_that_keeps_the_latest_per_type_goes_by_the_type_of_event() -> None:
    """Of each type, and of each kind of news about the connection, only the last waits; on_close is never lost."""
    queue = DispatchQueue(keep="latest_per_type")
    connector = ScriptedConnector()
    for _ in range(2):
        connector.stream(*[event(str(number), type=kind) for number in range(5) for kind in ("a", "b")])
    connector.end()
    listener = Listener(EventSource(connector), dispatch=queue)
    seen: list[Any] = []
    listener.on_event(lambda it: seen.append((it.type, it.data)))
    for register in (listener.on_open, listener.on_error, listener.on_close):
        register(lambda it: seen.append(type(it)))
    run(listener)
    queue.run_pending()
    assert seen == [OpenEvent, ("a", "4"), ("b", "4"), ErrorEvent, CloseEvent]
    assert queue.dropped == 2 * 12 - 4


def test_a_dispatch_that_raises_ends_the_listener_and_is_reported(caplog: pytest.LogCaptureFixture) -> None:
    """Without a way to the handlers there is no sense in going on; it is logged with its traceback."""

    def dispatch(callback: Callable[..., object], *args: Any) -> None:
        raise RuntimeError("the main loop is gone")

    connector = ScriptedConnector()
    connector.stream(event("1"))
    listener = Listener(EventSource(connector), dispatch=dispatch)
    listener.on_event(print)
    listener.on_close(print)
    run(listener)
    assert "the main loop is gone" in str(listener.error)
    assert "in dispatch" in caplog.text
    assert "while on_close was called" in caplog.text


def test_a_base_exception_in_a_dispatched_handler_goes_to_who_runs_it() -> None:
    """SystemExit on the main loop's thread is the main loop's: it goes through, and the listener goes on."""
    dispatch = ManualDispatch()
    connector = ScriptedConnector()
    connector.stream(event("1"), hold())
    listener = Listener(EventSource(connector), dispatch=dispatch)

    @listener.on_event
    def leave(_: MessageEvent) -> None:
        raise SystemExit(6)

    listener.start()
    wait_until(lambda: len(dispatch.calls) == 1)
    with pytest.raises(SystemExit):
        dispatch.run()
    assert listener.is_alive()
    assert listener._running == []
    listener.close()
    assert listener.join(LIMIT)


# Wrong use -----------------------------------------------------------------------------


def test_wrong_use_is_refused_at_the_call() -> None:
    """Each mistake raises at the call that makes it, and says what is expected."""
    listener = scripted()
    source = EventSource(ScriptedConnector())
    wrong: list[tuple[Callable[[], object], type[Exception], str]] = [
        (lambda: Listener("http://x/"), TypeError, r"source must be an EventSource, not str"),  # type: ignore[arg-type]
        (lambda: Listener(source, dispatch=3), TypeError, "dispatch must be a function"),  # type: ignore[arg-type]
        (lambda: Listener(source, dispach=print), TypeError, "dispach"),  # type: ignore[call-arg]
        (lambda: listener.start(5), TypeError, "positional"),  # type: ignore[misc]
        (lambda: listener.start(wait="5"), TypeError, "wait must be a number"),  # type: ignore[arg-type]
        (lambda: listener.start(wait=0), ValueError, "wait must be"),
    ]
    for call, error, words in wrong:
        with pytest.raises(error, match=words):
            call()
    assert not listener.is_alive()
    run(listener)


def test_a_listener_shows_how_it_stands() -> None:
    """repr() tells whether it is new, running, ended or closed."""
    listener = scripted()
    assert repr(listener).startswith("<Listener new to <EventSource")
    run(listener)
    assert "ended" in repr(listener)
    listener.close()
    assert "closed" in repr(listener)


def test_a_source_that_does_not_reconnect_ends_quietly() -> None:
    """The end of the one stream without reconnecting is a quiet end: on_close without an error."""
    connector = ScriptedConnector()
    connector.stream(event("1"))
    listener = Listener(EventSource(connector, reconnect=None))
    seen: list[Any] = []
    listener.on_close(seen.append)
    run(listener)
    assert seen == [CloseEvent(None)]


def test_attempts_that_are_used_up_end_the_stream_with_their_error() -> None:
    """The last error of a policy with max_attempts is what on_close gets."""
    connector = ScriptedConnector()
    connector.fail()
    connector.fail()
    listener = Listener(EventSource(connector, reconnect=ReconnectPolicy(max_attempts=2)))
    seen: list[Any] = []
    listener.on_error(lambda it: seen.append(it.delay is None))
    listener.on_close(lambda it: seen.append(type(it.error)))
    run(listener)
    assert seen == [False, True, ConnectionFailed]
