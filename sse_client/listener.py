"""`Listener`: a thread that reads a source and calls handlers.

Rules of this file: one thread reads, and only that thread touches the loop of the source.
`dispatch` decides on which thread handlers run. Nothing here knows HTTP.

What `start` and `close` may meet. Both take the lock, which a thread can take again:

- start() before close(): the thread runs, and its loop ends at once since the source is closed.
- close() before start(): start() raises.
- A signal handler calls close() inside start(), in the same thread. The thread is started
  nevertheless, and ends as in the first case.
- Ctrl-C inside start(): the thread may run or not. It is remembered, so that `join` and `close` work.
- close() while start(wait=...) waits: it is woken, and returns without an error.
- The stream ends by itself while close() runs: `_end` stores no error and calls no `on_close`, or
  has called it already.
- os.fork() while the thread runs: see `_warn_the_child`.
"""

from __future__ import annotations

import os
import threading
from types import TracebackType
from typing import Any, Callable, Optional, Union

from ._arguments import MAX_WAIT, check_timeout
from ._handlers import CloseEvent, Handlers, handlers_of
from ._logging import log as _log
from ._loop.control import WakeEvent
from .dispatch_queue import DispatchQueue
from .errors import EventSourceError, without_locals
from .events import CommentEvent, ErrorEvent, LifecycleEvent, MessageEvent, OpenEvent, ReadyState
from .source import EventSource

__all__ = ["Listener"]


_EXIT_TIMEOUT = 2.0  # seconds that leaving the with block waits for the thread

_HOW_TO_RESTART = (
    "to go on from its last event, make a new one: Listener(EventSource(url, last_event_id=listener.last_event_id))"
)

_running: set[Listener] = set()
"""The listeners whose threads run in this process."""


def _warn_the_child() -> None:
    """Say in a forked child that the listeners of its parent are dead there. Called by os.fork().

    The child has copies of the objects and not of the threads: without this line, a worker of a
    pre-forking server waits for events that nobody reads.
    """
    if _running:
        _running.clear()
        _log.warning(
            "a Listener that was running before os.fork() is dead in this child process, since no thread is copied: "
            "make and start one in the child if it needs events (with gunicorn, in post_worker_init)"
        )


if hasattr(os, "register_at_fork"):  # not on Windows, which knows no fork
    os.register_at_fork(after_in_child=_warn_the_child)


class Listener(Handlers):
    """Calls handlers for the events of an `EventSource`, which a daemon thread reads.

    The thread reads and calls the handlers in the order of the stream, one at a time. A
    slow handler slows the reading down, and so the server. With ``dispatch``, the handlers run
    on another thread, such as that of a main loop.

    Handlers are functions of one argument, the event. They can be added and removed at any
    time, from any thread, also by handlers. That takes effect with the next event. What
    they return is ignored. An exception in a handler is logged with its traceback, goes to
    the `on_handler_error` handlers, and stops neither the other handlers nor the stream. A
    `SystemExit` or its like ends the listener if it was raised on the listener's own thread,
    and is logged; elsewhere it goes to whoever runs the dispatched calls.

    An event for which there is no handler is dropped. If there is none for any
    `MessageEvent` when the first one comes, a warning is logged, once.

    The ``position`` of the source is written when all handlers of an event have returned, on
    the thread that ran them; an event that ``keep`` of the queue has dropped counts as dealt with.
    Where a handler raises, the position stays before that event for good: after a restart,
    the event and all later ones come again.

    All methods and properties may be used from any thread and any handler. As a context
    manager it starts itself, and at the end closes itself and waits for the thread, up to
    2 seconds.

    A program can end while a listener runs: the thread does not keep it alive. After
    ``os.fork()``, a listener that was running before is dead in the child, which logs that
    at WARNING. There, `close` and `is_alive` do nothing to the parent's connection, and all
    other methods raise a RuntimeError: make a new one. One that was not started can be
    started in the child.

    Args:
        source: What to read. The program must not iterate over it itself.
        dispatch: Where handlers run. None: on the listener's thread. A `DispatchQueue`: on the
            thread of a main loop. Or any function ``dispatch(callback, *args)`` that
            calls ``callback(*args)``, or has it called by another thread, once and in
            order. (One that posts every call to a main loop, such as
            ``loop.call_soon_threadsafe``, has no bound: a flood of events starves that loop.) It is
            called on the listener's thread; if it raises, the listener ends with that error.

    Raises:
        TypeError: An argument is of the wrong type.
    """

    def __init__(self, source: EventSource, *, dispatch: Optional[Callable[..., object]] = None) -> None:
        if not isinstance(source, EventSource):
            raise TypeError(f"source must be an EventSource, not {type(source).__name__}: Listener(EventSource(url))")
        if dispatch is not None and not callable(dispatch):
            raise TypeError(f"dispatch must be a function or None, not {type(dispatch).__name__}")
        super().__init__()

        # Settings, never changed.
        self._source = source
        self._dispatch = dispatch

        # Guarded by the lock.
        self._thread: Optional[threading.Thread] = None
        self._process = 0
        """The process in which the listener was started; 0 before."""

        # Written by the listener's thread.
        self._settled = WakeEvent()
        """Set when the stream has first opened or has ended. By close() too."""
        self._last_error: Optional[EventSourceError] = None
        self._error: Optional[BaseException] = None

    # Life -------------------------------------------------------------------------------

    def start(self, *, wait: Optional[float] = None) -> None:
        """Start the thread. Returns at once; with ``wait``, blocks until the stream is open.

        Also returns if the stream has ended quietly, or `close` has been called, before it
        was open. If it raises while it waits, it has closed the listener, as `close` does:
        the thread ends at once, or when its handler returns; `join` waits for it.

        Args:
            wait: How many seconds the stream may take to open, attempts that fail included.

        Raises:
            RuntimeError: It has been started or closed before: a listener is for one run.
            EventSourceError: With ``wait``: the stream could not be opened; or not in time,
                and this was the last error.
            TimeoutError: With ``wait``: the stream has not opened in time.
            TypeError, ValueError: ``wait`` is wrong.
        """
        check_timeout("wait", wait)
        self._check_process()
        with self._lock:
            if self._closed:
                raise RuntimeError(f"this Listener has been closed; {_HOW_TO_RESTART}")
            if self._process:
                raise RuntimeError(f"this Listener has been started already; {_HOW_TO_RESTART}")
            thread = threading.Thread(target=self._run, name="sse-client-listener", daemon=True)
            self._thread, self._process = thread, os.getpid()
            _running.add(self)
            try:
                thread.start()
            except Exception:  # the system has no more threads
                self._thread, self._process = None, 0
                _running.discard(self)
                raise
        if wait is not None:
            self._wait_until_open(wait)

    def _wait_until_open(self, wait: float) -> None:
        try:
            in_time = self._settled.wait(wait)
        except BaseException:
            self.close()
            raise
        error = self._error
        if not in_time:
            error = self._last_error or TimeoutError(f"the stream has not opened within {wait:g} s")
        if error is not None and not self._closed:
            self.close()
            raise error

    def close(self) -> None:
        """End the listener for good: once this has returned, no handler is started, `on_close` included.

        Returns at once, never raises, may be called from any thread and any handler, and
        more than once. Called in a handler, it also keeps the event from the handlers behind that
        one. A handler that is running may finish. If one is running in another thread, close()
        waits a twentieth of a second for it at most. The thread ends within a tenth of a second,
        or when its handler returns; `join` waits for it.
        """
        if self._is_copy():
            # Without the lock: a thread of the parent may have held it.
            self._closed = True
            return
        with self._lock:
            self._closed = True
        self._settled.set()
        self._source.close()
        if isinstance(self._dispatch, DispatchQueue):
            self._dispatch.discard_cancelled()
        self._wait_for_handlers()

    def join(self, timeout: Optional[float] = None) -> bool:
        """Block until the thread has ended, ``timeout`` seconds at most; return whether it has ended.

        Does not close the listener: without `close`, the thread ends when the stream ends for
        good. Returns True at once if the listener was never started.

        Raises:
            RuntimeError: This is the listener's own thread, which would wait for ever.
        """
        self._check_process()
        thread = self._thread
        if thread is None:
            return True
        if thread is threading.current_thread():
            raise RuntimeError("join() on the listener's own thread would wait for ever: call close() and return")
        thread.join(None if timeout is None else min(timeout, MAX_WAIT))
        return not thread.is_alive()

    def is_alive(self) -> bool:
        """Whether the listener's thread is running."""
        thread = self._thread
        return thread is not None and not self._is_copy() and thread.is_alive()

    # The source's own, from any thread ----------------------------------------------------

    @property
    def _own_source(self) -> EventSource:
        """The source, unless this is a copy in a child process, which must not touch it."""
        self._check_process()
        return self._source

    def pause(self) -> None:
        """Drop the connection and make none until `resume`; see `EventSource.pause`.

        Events that have arrived still go to their handlers, and an `ErrorEvent` whose delay is ``math.inf``.
        """
        self._own_source.pause()

    def resume(self) -> None:
        """Go on after `pause`: connect at once, from the last event ID on; see `EventSource.resume`."""
        self._own_source.resume()

    def reconnect(self) -> None:
        """Make a new connection now, or cut the wait for the next one short; see `EventSource.reconnect`."""
        self._own_source.reconnect()

    @property
    def is_paused(self) -> bool:
        """Whether `pause` has been called, and `resume` has not since then."""
        return self._own_source.is_paused

    @property
    def next_attempt_in(self) -> Optional[float]:
        """Seconds until the next attempt, for a countdown; None while none is waited for, and while paused."""
        return self._own_source.next_attempt_in

    @property
    def last_activity(self) -> Optional[float]:
        """When the last byte arrived, on the clock of ``time.monotonic()``; None before. For a health check."""
        return self._own_source.last_activity

    @property
    def ready_state(self) -> ReadyState:
        """The state of the stream. CLOSED after `close` and when the stream has ended for good."""
        return self._own_source.ready_state

    @property
    def last_event_id(self) -> str:
        """The last event ID that was read. With ``dispatch``, its event may still wait for its handlers."""
        return self._own_source.last_event_id

    @property
    def error(self) -> Optional[BaseException]:
        """The error that ended the listener; None while it runs, after a quiet end, and after `close`."""
        self._check_process()
        return self._error

    def __enter__(self) -> Listener:
        self.start()
        return self

    def __exit__(
        self,
        exception_type: Optional[type[BaseException]],
        exception: Optional[BaseException],
        traceback: Optional[TracebackType],
    ) -> None:
        self.close()
        if self.is_alive() and self._thread is not threading.current_thread() and not self.join(_EXIT_TIMEOUT):
            _log.warning("the thread of a closed Listener is still in a handler after %.0f s", _EXIT_TIMEOUT)

    def __repr__(self) -> str:
        state = "closed" if self._closed else "running" if self.is_alive() else "ended" if self._process else "new"
        return f"<Listener {state} to {self._source!r}>"

    def _is_copy(self) -> bool:
        """Whether this is what os.fork() has made of a listener that its parent has started."""
        return self._process not in (0, os.getpid())

    def _check_process(self) -> None:
        if self._is_copy():
            raise RuntimeError(
                f"this Listener was started in process {self._process}, and os.fork() copies no threads: "
                "make another one in the child process"
            )

    def _check_not_started(self) -> None:
        if self._process:
            raise RuntimeError("on_comment is for before start(): the running listener skips comments")

    # The thread -------------------------------------------------------------------------

    def _run(self) -> None:
        try:
            self._end(self._read())
        finally:
            _running.discard(self)

    def _read(self) -> Optional[BaseException]:
        """Read the stream to its end, for good; return what ended it, None for a quiet end."""
        assert threading.current_thread() is self._thread
        direct = self._dispatch is None
        thread = threading.get_ident()
        noted: Optional[type] = None  # MessageEvent, once the first has been noted; the others cost nothing more
        try:
            for event in self._source.lifecycle(comments=self._handles(CommentEvent)):
                if type(event) is not noted:
                    self._note(event)
                    if type(event) is MessageEvent:
                        noted = MessageEvent
                if not direct:
                    self._post(event)
                elif not self._deliver(event, thread):
                    self._not_handled(event)
                elif self._closed:
                    self._handled_last(event)
        except BaseException as error:  # noqa: BLE001 - _end reports it, whatever it is
            return error
        return None

    def _not_handled(self, event: LifecycleEvent) -> None:
        """Keep the position of the source before an event that a handler raised over."""
        if self._source.progress is not None and type(event) is MessageEvent:
            self._source.progress.stop()

    def _handled_last(self, event: LifecycleEvent) -> None:
        """Write down an event whose handler closed the listener: the loop that does so otherwise has ended."""
        if self._source.progress is not None and type(event) is MessageEvent:
            self._source.progress.passed(event.last_event_id)

    def _note(self, event: LifecycleEvent) -> None:
        """Store what `start` waits for, and warn if the first event has no handler."""
        if isinstance(event, OpenEvent):
            self._settled.set()
        elif isinstance(event, ErrorEvent):
            self._last_error = event.error
        elif isinstance(event, MessageEvent) and not self._handles(MessageEvent):
            _log.warning(
                "an event arrived, and this Listener has no handler for events: register handlers before start()"
            )

    def _end(self, error: Optional[BaseException]) -> None:
        """Close the source, and tell what ended the stream: to `on_close`, or else to the log."""
        unexpected = error is not None and not isinstance(error, EventSourceError)
        if unexpected:
            _log.error("the listener has ended with %s", type(error).__name__, exc_info=error)
        with self._lock:
            if not self._closed:
                self._error = without_locals(error)
        self._source.close()
        self._settled.set()
        if self._closed:
            return
        if error is not None and not unexpected and not self._handles(CloseEvent) and not self._handles(ErrorEvent):
            _log.error("the stream has ended: %s", error)
        try:
            (self._deliver if self._dispatch is None else self._post)(CloseEvent(error))
        except BaseException as failure:  # noqa: BLE001 - the thread ends here: nobody is above it
            _log.error("%s while on_close was called", type(failure).__name__, exc_info=failure)

    def _is_closed(self) -> bool:
        return self._closed

    def _post(self, event: Union[LifecycleEvent, CloseEvent]) -> None:
        """Hand an event to ``dispatch``, if it has handlers."""
        if not handlers_of(event, self._handlers):
            return
        deliver: Callable[..., object] = self._deliver
        args: tuple[Any, ...] = (event,)
        if self._source.progress is not None and type(event) is MessageEvent:
            deliver = self._deliver_and_tell
            args = (event, self._source.progress.hand_on())
        if isinstance(self._dispatch, DispatchQueue):
            key: Any = event.type if type(event) is MessageEvent else type(event)
            self._dispatch.put(deliver, args, type=key, cancelled=self._is_closed)
        elif self._dispatch is not None:
            self._dispatch(deliver, *args)

    def _deliver_and_tell(self, event: MessageEvent, ticket: int) -> None:
        """Call the handlers of an event and let the position pass it, if they have dealt with it."""
        progress = self._source.progress
        assert progress is not None
        is_handled = False
        try:
            is_handled = self._deliver(event)
        finally:
            if not is_handled:
                progress.stop()
        if is_handled:
            try:
                progress.finish(ticket)
            except Exception as error:  # noqa: BLE001 - the loop that would raise it has ended
                _log.error("the position could not be written: %s", error)
