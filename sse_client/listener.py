"""`Listener`: a thread that reads a source and calls handlers.

Rules of this file: one thread reads; it alone touches the loop of the source. Where
handlers run is for `dispatch` to say. Nothing here knows HTTP.
"""

from __future__ import annotations

import logging
import os
import threading
import traceback
from types import TracebackType
from typing import Any, Callable, Optional, Union

from ._arguments import check_timeout
from ._handlers import CloseEvent, Handlers
from .dispatch_queue import DispatchQueue
from .errors import EventSourceError, chain_of
from .events import CommentEvent, ErrorEvent, LifecycleEvent, MessageEvent, OpenEvent, ReadyState
from .source import EventSource, WakeEvent

__all__ = ["Listener"]

_log = logging.getLogger("sse_client")

_LIMIT_OF_EXIT = 2.0  # seconds that leaving the with block waits for the thread


class Listener(Handlers):
    """Calls handlers for what an `EventSource` brings, while a daemon thread reads it.

    One thread reads and calls. Handlers see events in the order of the stream, one at a
    time, and a slow handler slows the reading down, and the server with it. With
    ``dispatch``, they are called where it brings them.

    Handlers are functions of one argument, the event. They can be added and removed at any
    time, from any thread, also by handlers; that takes effect with the next event. What
    they return is ignored. An exception in one is logged with its traceback, goes to the
    `on_handler_error` handlers, and keeps neither the other handlers nor the stream from
    going on. A `SystemExit` or its like ends the listener where it runs on the listener's
    own thread, and is logged; elsewhere it goes to whoever runs the dispatched calls.

    An event that comes when it has no handler is dropped. If there is none for any
    `MessageEvent` when the first one comes, a warning is logged, once.

    All methods and properties may be used from any thread and any handler. As a context
    manager it starts itself, and at the end closes itself and waits for the thread, up to
    2 seconds.

    A program can end while a listener runs: the thread does not hold it up. After
    ``os.fork()``, the thread is the parent's: in the child, a listener that was started
    before is dead. There, `close` and `is_alive` do nothing to the parent's connection, and
    all else raises a RuntimeError; make a new one. One that was not started can be started
    in the child.

    Args:
        source: What to read. It belongs to the listener from now on.
        dispatch: Where to run handlers: a function ``dispatch(callback, *args)`` that sees
            to it that ``callback(*args)`` is called, in this or another thread, now or
            later, in order and once, such as ``wx.CallAfter``, ``GLib.idle_add`` or
            ``loop.call_soon_threadsafe``; or a `DispatchQueue`. Called on the listener's
            thread; if it raises, the listener ends with that error. None runs handlers on
            the listener's thread.

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
        """Where the listener was started; 0 before."""

        # Written by the listener's thread.
        self._settled = WakeEvent()
        """Set when the stream has first opened or has ended. By close() too."""
        self._trouble: Optional[EventSourceError] = None
        self._error: Optional[BaseException] = None

    # Life -------------------------------------------------------------------------------

    def start(self, *, wait: Optional[float] = None) -> None:
        """Start the thread. Returns at once; with ``wait``, blocks until the stream is open.

        Also returns when the stream is over quietly, or `close` has been called, before it
        was open. When it raises while it waits, it has closed the listener, as `close` does:
        the thread ends at once, or when its handler returns; `join` waits for it.

        Args:
            wait: How many seconds the stream may take to open, attempts that fail included.

        Raises:
            RuntimeError: It has been started or closed before.
            EventSourceError: With ``wait``: the stream could not be opened; or not in time,
                and this was the last trouble.
            TimeoutError: With ``wait``: the stream has not opened in time.
            TypeError, ValueError: ``wait`` is wrong.
        """
        check_timeout("wait", wait)
        self._check_process()
        with self._lock:
            if self._closed:
                raise RuntimeError("this Listener has been closed: make another one")
            if self._process:
                raise RuntimeError("this Listener has been started already")
            thread = threading.Thread(target=self._run, name="sse-client-listener", daemon=True)
            self._thread, self._process = thread, os.getpid()
            try:
                thread.start()
            except Exception:  # no more threads to be had
                self._thread, self._process = None, 0
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
            error = self._trouble or TimeoutError(f"the stream has not opened within {wait:g} s")
        if error is not None and not self._closed:
            self.close()
            raise error

    def close(self) -> None:
        """End the listener for good: once this has returned, no handler is started, `on_close` included.

        Returns at once, never raises, may be called from any thread and any handler, and
        more than once. A handler that is running may finish. If one is, in another thread,
        close() gives it a twentieth of a second to do so, and then returns in any case. The
        thread ends within a tenth of a second, or when its handler returns; `join` waits
        for it.
        """
        if self._is_copy():
            # No lock either: the parent may have held it.
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
        """Wait until the thread has ended, ``timeout`` seconds at most; return whether it has. Blocks.

        Does not close: without `close`, the thread ends when the stream ends for good.
        True at once if the listener was never started.

        Raises:
            RuntimeError: This is the listener's own thread, which would wait for ever.
        """
        self._check_process()
        thread = self._thread
        if thread is None:
            return True
        if thread is threading.current_thread():
            raise RuntimeError("join() on the listener's own thread would wait for ever: call close() and return")
        thread.join(timeout)
        return not thread.is_alive()

    def is_alive(self) -> bool:
        """Whether the listener's thread is running."""
        thread = self._thread
        return thread is not None and not self._is_copy() and thread.is_alive()

    @property
    def ready_state(self) -> ReadyState:
        """How the stream stands now. CLOSED after `close` and when the stream has ended for good."""
        self._check_process()
        return self._source.ready_state

    @property
    def last_event_id(self) -> str:
        """The last event ID of the stream, as of what has been read: a queued event counts as handed over."""
        self._check_process()
        return self._source.last_event_id

    @property
    def error(self) -> Optional[BaseException]:
        """What ended the listener; None while it goes on, after a quiet end, and after `close`."""
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
        if self.is_alive() and self._thread is not threading.current_thread() and not self.join(_LIMIT_OF_EXIT):
            _log.warning("the thread of a closed Listener is still in a handler after %.0f s", _LIMIT_OF_EXIT)

    def __repr__(self) -> str:
        state = "closed" if self._closed else "running" if self.is_alive() else "ended" if self._process else "new"
        return f"<Listener {state} to {self._source!r}>"

    def _is_copy(self) -> bool:
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
        self._end(self._read())

    def _read(self) -> Optional[BaseException]:
        """Read the stream to its end, for good; return what ended it, None for a quiet end."""
        direct = self._dispatch is None
        thread = threading.get_ident()
        usual: Optional[type] = None  # MessageEvent, once the first has been noted; the others cost nothing more
        try:
            for event in self._source.lifecycle(comments=self._is_heard(CommentEvent)):
                if type(event) is not usual:
                    self._note(event)
                    if type(event) is MessageEvent:
                        usual = MessageEvent
                if direct:
                    self._deliver(event, thread)
                else:
                    self._post(event)
        except BaseException as error:  # noqa: BLE001 - reported by _end, whatever it is
            return error
        return None

    def _note(self, event: LifecycleEvent) -> None:
        if isinstance(event, OpenEvent):
            self._settled.set()
        elif isinstance(event, ErrorEvent):
            self._trouble = event.error
        elif isinstance(event, MessageEvent) and not self._is_heard(MessageEvent):
            _log.warning(
                "an event arrived, and this Listener has no handler for events: register handlers before start()"
            )

    def _end(self, error: Optional[BaseException]) -> None:
        unexpected = error is not None and not isinstance(error, EventSourceError)
        if unexpected:
            _log.error("the listener has ended with %s", type(error).__name__, exc_info=error)
        with self._lock:
            if not self._closed:
                self._error = _without_locals(error)
        self._source.close()
        self._settled.set()
        if self._closed:
            return
        if error is not None and not unexpected and not self._is_heard(CloseEvent) and not self._is_heard(ErrorEvent):
            _log.error("the stream has ended: %s", error)
        try:
            (self._deliver if self._dispatch is None else self._post)(CloseEvent(error))
        except BaseException as failure:  # noqa: BLE001 - there is nobody above to raise it to
            _log.error("%s while on_close was called", type(failure).__name__, exc_info=failure)

    def _is_closed(self) -> bool:
        return self._closed

    def _post(self, event: Union[LifecycleEvent, CloseEvent]) -> None:
        """Have an event delivered where the user wants it."""
        if not self._is_wanted(event):
            return
        if isinstance(self._dispatch, DispatchQueue):
            key: Any = event.type if type(event) is MessageEvent else type(event)
            self._dispatch.put(self._deliver, (event,), type=key, cancelled=self._is_closed)
        elif self._dispatch is not None:
            self._dispatch(self._deliver, event)


def _without_locals(error: Optional[BaseException]) -> Optional[BaseException]:
    """Return an error that is kept, without what its traceback would keep alive: connections, buffers."""
    for link in chain_of(error):
        traceback.clear_frames(link.__traceback__)
    return error
