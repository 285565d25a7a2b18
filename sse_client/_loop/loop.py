"""The loop of an `EventSource`: connect, parse, hand over, lose, wait, and again.

Rules of this file: one generator holds the loop, and it alone opens, reads and releases
connections. Other threads and signal handlers ask for something (`Control`) and interrupt
the connection. Nothing here knows HTTP.
"""

from __future__ import annotations

import math
import random
import threading
import time
import weakref
from collections.abc import Generator
from functools import partial
from http import HTTPStatus
from typing import Any, Callable, Optional

from sse_client._logging import log as _log
from sse_client.connector import Connection, Connector, ResponseHead
from sse_client.errors import ConnectionLost, EventSourceError, EventTooLarge, StreamEnded, chain_of
from sse_client.events import (
    CommentEvent,
    ConnectingEvent,
    ErrorEvent,
    LifecycleEvent,
    MessageEvent,
    OpenEvent,
    ReadyState,
)
from sse_client.parser import EventStreamParser
from sse_client.reconnect import Ending, Failures, ReconnectPolicy, is_quiet

from .control import Ask, Control
from .progress import Progress


class Loop:
    """One stream, followed by one iteration after the other; all that an `EventSource` does.

    Args:
        connector: Where the connections come from.
        policy: When to come back; None for one connection only.
        last_event_id: Where to go on from, if the position says nothing.
        max_event_size: The most that one event may hold.
        accepts_unfinished: Whether to hand over an event whose blank line is missing at a clean end.
        progress: Where to begin from and to write how far the program has got, or None.

    Attributes:
        last_event_id: That of the event handed over last, or of a later block that only set the ID.
        reconnection_time: What the last ``retry`` field asked for, in seconds, or None.
        last_activity: When the last byte arrived, by the monotonic clock, or None.
        control: What the loop has been asked for.
    """

    def __init__(
        self,
        connector: Connector,
        policy: Optional[ReconnectPolicy],
        *,
        last_event_id: str,
        max_event_size: int,
        accepts_unfinished: bool,
        progress: Optional[Progress],
    ) -> None:
        # Settings, never changed.
        self.connector = connector
        self.policy = policy
        self.progress = progress
        self._max_event_size = max_event_size
        self._accepts_unfinished = accepts_unfinished

        # What the loop has found out. Written by the loop alone.
        self.last_event_id = last_event_id
        self.reconnection_time: Optional[float] = None
        self.last_activity: Optional[float] = None
        self._has_begun = False
        """Whether the position has been read."""
        self._failures = Failures()
        self._due: Optional[float] = None
        """When the next attempt is to be made, by the monotonic clock. None but before and in a wait."""

        # What the loop is asked for. Needs no lock.
        self.control = Control()

        # What the loop and the other threads share. Guarded by the lock, which its own thread
        # may take again: a signal handler may call close() at any moment.
        self._lock = threading.RLock()
        self._ready_state = ReadyState.CONNECTING
        self._is_running = False
        self._was_used = False
        self._thread = 0
        self._generator: Callable[[], Optional[Generator[LifecycleEvent, None, None]]] = _no_generator
        """The running loop, by a weak reference: it refers to this object."""
        self._connection: Optional[Connection] = None

    # For every thread -----------------------------------------------------------------------

    @property
    def ready_state(self) -> ReadyState:
        """How the stream stands."""
        return ReadyState.CLOSED if self.control.is_closed else self._ready_state

    @property
    def next_attempt_in(self) -> Optional[float]:
        """Seconds until the next attempt; None while there is no wait for one, or none that ends."""
        due = self._due
        if due is None or self.control.asked:
            return None
        return max(due - time.monotonic(), 0.0)

    def close(self) -> None:
        """End the loop for good. See `EventSource.close`."""
        self.control.ask(Ask.CLOSE)
        if self.control.is_copy:
            return  # without the lock: in the parent, another thread may hold it
        with self._lock:
            is_running = self._is_running
        self._interrupt()
        if not is_running:
            self.connector.close()
        elif self._thread == threading.get_ident():
            # This is the loop's own thread, so the loop stands at a yield and can be ended now,
            # unless this is a signal handler that interrupts it: then it ends by itself. (To
            # call close() on a generator that is running can crash Python 3.11 and 3.12.)
            generator: Any = self._generator()
            if generator is not None and not generator.gi_running:
                generator.close()

    def ask(self, what: Ask) -> None:
        """Ask for a new connection or for a pause, and drop the connection that there is.

        Raises:
            RuntimeError: See `EventSource.reconnect`.
        """
        self._check_may_come_back()
        # With the lock, which an attempt begins with too: the loop could begin the attempt that is
        # asked for between these two lines, and it would be that attempt that is interrupted.
        with self._lock:
            self.control.ask(what)
            self._interrupt()

    def resume(self) -> None:
        """Go on after a pause.

        Raises:
            RuntimeError: See `EventSource.reconnect`.
        """
        self._check_may_come_back()
        self.control.resume()

    def _interrupt(self) -> None:
        with self._lock:
            connection = self._connection
        if connection is not None:
            connection.interrupt()

    def _check_may_come_back(self) -> None:
        if self.policy is None:
            raise RuntimeError("this EventSource does not reconnect: pass reconnect=ReconnectPolicy() to allow it")
        self._check_process()

    def _check_process(self) -> None:
        if self.control.is_copy:
            raise RuntimeError(
                "the loop over this EventSource runs in the parent process, and so does its connection: "
                "after os.fork(), make another EventSource in the child"
            )

    # For the loop's thread ------------------------------------------------------------------

    def run(self, *wanted: type[LifecycleEvent]) -> Generator[Any, None, None]:
        """Return an iterator over what happens, as far as it is wanted. The loop begins with its first step."""
        # The generator cannot know itself, and close() has to find it.
        itself: list[weakref.ref[Generator[LifecycleEvent, None, None]]] = []
        generator = self._run(wanted, itself)
        itself.append(weakref.ref(generator))
        return generator

    def _run(
        self, wanted: tuple[type[LifecycleEvent], ...], itself: list[weakref.ref[Generator[LifecycleEvent, None, None]]]
    ) -> Generator[LifecycleEvent, None, None]:
        """Make one attempt after the other. Each ends in one of these ways:

        - `EventSource.close` was called: the iteration ends quietly;
        - the server answered 204, or the one stream of a source that does not reconnect, or
          not after a stream has opened, came to its clean end: likewise;
        - `EventSource.reconnect` was called: an `ErrorEvent` that says so; the next attempt at once;
        - `EventSource.pause` was called: likewise; the next attempt at `resume`;
        - an `EventSourceError` that the policy retries: an `ErrorEvent`; the next attempt after a delay;
        - one that it does not retry: an `ErrorEvent` without a delay, then the error is raised;
        - any other exception, such as one that the ``url`` or ``headers`` function raised: it is raised;
        - the loop is left, by ``break`` or by an exception in its body: `GeneratorExit` at a yield;
        - ``os.fork()`` was called at a yield: the copy in the child raises and touches nothing.

        The connection is released in every case but the last.
        """
        self._enter_loop(itself[0])
        try:
            self._begin_progress()
            while True:
                if self.progress is not None and not self.control.is_copy:
                    self.progress.flush()
                self.control.wait(self._time_left)
                connection = self._begin_attempt()
                if connection is None:
                    return
                attempt = _Attempt()
                try:
                    error = yield from self._follow(connection, attempt, wanted)
                except EventSourceError as failure:
                    error = _without_frames(failure)
                finally:
                    self._end_attempt(connection)
                if self.control.is_closed:
                    return
                if error is None:
                    self._set_ready_state(ReadyState.CLOSED)
                    return
                event = self._after(attempt, error)
                if event.delay is None:
                    self._set_ready_state(ReadyState.CLOSED)
                if ErrorEvent in wanted:
                    yield event
                if event.delay is None:
                    try:
                        raise error
                    finally:
                        del error, event  # its traceback has this frame: a cycle
        finally:
            self._leave_loop()

    def _time_left(self) -> float:
        """Return how many seconds there are until the next attempt is to be made, or the loop is to end."""
        asked = self.control.asked
        if Ask.CLOSE in asked or Ask.ABANDON in asked:
            return 0.0
        if Ask.PAUSE in asked:
            return math.inf
        if Ask.RECONNECT in asked or self._due is None:
            return 0.0
        return self._due - time.monotonic()

    def _begin_attempt(self) -> Optional[Connection]:
        self._check_process()
        with self._lock:
            if self.control.is_closed:
                return None
            if self.control.begin_attempt():
                self._failures = Failures()
            self._due = None
            self._connection = self.connector.connection()
            if self.control.asked:  # by a signal handler, meanwhile: the lock keeps out threads only
                self._connection.interrupt()
            return self._connection

    def _follow(
        self, connection: Connection, attempt: _Attempt, wanted: tuple[type[LifecycleEvent], ...]
    ) -> Generator[LifecycleEvent, None, Optional[EventSourceError]]:
        """Hand over what arrives over one connection; return how it ended, None for "do not come back"."""
        if ConnectingEvent in wanted:
            yield ConnectingEvent(self.connector.url, self._failures.count + 1)
            self._check_process()
        head = self._open(connection, attempt)
        if head is None:
            return None
        if OpenEvent in wanted:
            yield OpenEvent(head.url, head.headers)
        parser = EventStreamParser(
            last_event_id=self.last_event_id, origin=head.origin, max_event_size=self._max_event_size
        )
        asked, progress = self.control.asked, self.progress
        read = connection.read if progress is None else partial(_read, connection, progress)
        comments = CommentEvent in wanted
        events: Any
        is_over = False
        while not asked and not is_over:
            arrived = read()
            if not arrived:
                if asked:
                    break  # interrupted: not the end of the stream
                if not self._accepts_unfinished:
                    self._log_dropped(attempt, parser, head)
                    break
                is_over = True
                events, last_event_id = parser.finish(), parser.last_event_id
            elif isinstance(arrived, bytes):
                events, last_event_id = parser.feed(arrived, comments), parser.last_event_id
            else:
                messages = [event for event in arrived if isinstance(event, MessageEvent)]
                events = arrived if comments else messages
                last_event_id = messages[-1].last_event_id if messages else self.last_event_id
            self._note(attempt, len(arrived), parser, head)
            for event in events:
                if asked and (Ask.CLOSE in asked or Ask.ABANDON in asked):
                    break
                if comments and type(event) is not MessageEvent:
                    yield event
                    continue
                attempt.has_progressed = True
                self.last_event_id = event.last_event_id
                yield event
                if progress is not None and Ask.ABANDON not in asked:
                    progress.passed(event.last_event_id)
            else:
                if last_event_id != self.last_event_id:
                    attempt.has_progressed = True
                    self.last_event_id = last_event_id
                    if progress is not None:
                        progress.passed(last_event_id)
            if parser.error is not None:
                raise EventTooLarge(url=head.url, limit=parser.error.limit)
        self._check_process()
        is_last = self.policy is None or (self.policy.until_open and not asked)
        return None if is_last else StreamEnded(attempt.end(), url=head.url)

    def _open(self, connection: Connection, attempt: _Attempt) -> Optional[ResponseHead]:
        """Open a connection; return its head, or None if there is nothing to read and no reason to come back."""
        head = connection.open(self.last_event_id)
        self.last_activity = attempt.opened = time.monotonic()
        if head.status == HTTPStatus.NO_CONTENT:
            _log.info("%s answered 204: the stream is over", head.url)
            return None
        _log.info("open: %s", head.url)
        self._set_ready_state(ReadyState.OPEN)
        return None if self.control.is_closed else head

    def _note(self, attempt: _Attempt, received: int, parser: EventStreamParser, head: ResponseHead) -> None:
        """Note that bytes, or events, have arrived, and what the parser has found in them."""
        if received:
            self.last_activity = time.monotonic()
            attempt.received += received
        if parser.reconnection_time is not None:
            self.reconnection_time = parser.reconnection_time
        if parser.unknown_line is not None:
            self._log_unknown_line(attempt, parser, head)

    def _log_unknown_line(self, attempt: _Attempt, parser: EventStreamParser, head: ResponseHead) -> None:
        if parser.unknown_line is not None and not attempt.has_unknown_line:
            attempt.has_unknown_line = True
            _log.debug("%s: a line of the stream is no field: %r", head.url, parser.unknown_line)

    def _log_dropped(self, attempt: _Attempt, parser: EventStreamParser, head: ResponseHead) -> None:
        """Say what a clean end leaves unfinished. It counts for nothing: neither its ID nor its ``retry``."""
        if parser.unfinished_size:
            _log.debug("%s: dropped the last %d bytes, which no blank line ended", head.url, parser.unfinished_size)
        parser.finish()  # so that the last line is known too, whatever follows from it
        self._log_unknown_line(attempt, parser, head)

    def _after(self, attempt: _Attempt, error: EventSourceError) -> ErrorEvent:
        """Decide what follows an attempt that has ended: note when the next one is due, and return what to show."""
        asked = self.control.asked
        now = time.monotonic()
        delay: Optional[float] = None
        requested = bool(asked) and self.policy is not None
        if requested:
            self._failures = Failures()
            paused = Ask.PAUSE in asked
            delay = math.inf if paused else 0.0
            error = ConnectionLost(f"{'pause' if paused else 'reconnect'}() was called", url=error.url)
        elif self.policy is not None:
            seconds_open = None if attempt.opened is None else now - attempt.opened
            ending = Ending(error, attempt.has_progressed, attempt.received > 0, seconds_open)
            self._failures = self._failures.after(
                ending, steady_after=self.policy.steady_after, until_open=self.policy.until_open
            )
            sample = random.random()  # noqa: S311 - spreads clients in time, hides nothing
            delay = self.policy.delay(
                error, self._failures.attempt, reconnection_time=self.reconnection_time, sample=sample
            )
        if delay is not None:
            is_normal = requested or is_quiet(error) or isinstance(error, StreamEnded)
            again = "until resume()" if delay == math.inf else f"again in {delay:.1f} s"
            (_log.info if is_normal else _log.warning)("%s; %s", error, again)
            self._due = now + (delay if delay == math.inf else self.connector.real_delay(delay))
        return ErrorEvent(error, delay, self._failures.attempt, requested)

    def _enter_loop(self, itself: weakref.ref[Generator[LifecycleEvent, None, None]]) -> None:
        self._check_process()
        with self._lock:
            if self._is_running:
                raise RuntimeError("this EventSource is being iterated over already: leave that loop first")
            if self._was_used and self.policy is None:
                raise RuntimeError("an EventSource that does not reconnect is for one loop: make another one")
            self._is_running = self._was_used = True
            self._generator, self._thread = itself, threading.get_ident()
            self._failures = Failures()
            self._due = None
            self.control.begin_attempt()  # forget what reconnect() asked for without a loop
            self._ready_state = ReadyState.CONNECTING
            self.control.enter_loop()

    def _begin_progress(self) -> None:
        if self.progress is None:
            return
        if not self._has_begun:
            self.last_event_id = self.progress.read() or self.last_event_id
            self._has_begun = True
        self.progress.begin()

    def _leave_loop(self) -> None:
        self.control.leave_loop()
        if self.control.is_copy:
            return
        try:
            if self.progress is not None:
                self.progress.end()
        except Exception as error:  # noqa: BLE001 - close() raises nothing, and what ended the loop is more telling
            _log.error("the position could not be written: %s", error)
        self._due = None
        with self._lock:
            self._is_running = False
        self.connector.close()

    def _end_attempt(self, connection: Connection) -> None:
        if self.control.is_copy:
            return
        with self._lock:
            self._connection = None
        self._set_ready_state(ReadyState.CONNECTING)
        connection.release()

    def _set_ready_state(self, state: ReadyState) -> None:
        with self._lock:
            self._ready_state = state


class _Attempt:
    """What is known of one attempt so far."""

    def __init__(self) -> None:
        self.opened: Optional[float] = None
        """When the head arrived, by the monotonic clock; None before."""
        self.received = 0
        """How many bytes, or events of a connection that reads events, have arrived after the head."""
        self.has_progressed = False
        """Whether an event has been handed over, or the last event ID has moved."""
        self.has_unknown_line = False
        """Whether a line has arrived that is no field."""

    def end(self) -> str:
        """Return the reason of a clean end."""
        if self.has_progressed:
            return "the server ended the stream"
        return f"the server ended the stream after {self.received} bytes without an event"


def _read(connection: Connection, progress: Progress) -> Any:
    """Read from a connection; before a wait, write how far the program has got: the stream may be quiet for long."""
    if progress.is_behind and not connection.is_ready():
        progress.flush()
    return connection.read()


def _no_generator() -> None:
    """Return None, as a weak reference to a generator that is gone does."""


def _without_frames(error: BaseException) -> Any:
    """Return an error without the frames of its traceback, which would keep sockets and buffers alive."""
    for link in chain_of(error):
        link.__traceback__ = None
    return error
