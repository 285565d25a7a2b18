"""`Listener`: a thread that reads a source and calls handlers.

Rules of this file: one thread reads; it alone touches the loop of the source. Where
handlers run is for `dispatch` to say. Nothing here knows HTTP.

How "no handler is started after `close` has returned" is kept: whoever runs handlers first
enters its thread in ``_running`` and then looks at ``_closed``, before each handler;
`close` first sets ``_closed`` and then looks at ``_running``. So one of the two sees the
other. The threads that `close` sees get a moment to leave: a handler that it came too late
for has that moment to begin, and one that has not returned by then has certainly begun.
"""

from __future__ import annotations

import logging
import os
import threading
import traceback
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Callable, Optional, TypeVar, Union, overload

from .arguments import check_timeout
from .dispatch_queue import DispatchQueue
from .errors import EventSourceError
from .events import CommentEvent, ErrorEvent, LifecycleEvent, MessageEvent, OpenEvent, ReadyState
from .source import EventSource
from .values import Value

__all__ = ["CloseEvent", "HandlerErrorEvent", "Listener"]

_log = logging.getLogger("sse_client")

_GRACE = 0.05  # seconds that close() gives a handler that may be running
_LIMIT_OF_EXIT = 2.0  # seconds that leaving the with block waits for the thread

_ANY, _UNHANDLED = object(), object()  # keys of registrations, beside types and classes of event
_Handlers = Mapping[Any, tuple[Callable[[Any], object], ...]]

_Handler = TypeVar("_Handler", bound=Callable[..., object])
_OnMessage = TypeVar("_OnMessage", bound=Callable[[MessageEvent], object])
_OnOpen = TypeVar("_OnOpen", bound=Callable[[OpenEvent], object])
_OnError = TypeVar("_OnError", bound=Callable[[ErrorEvent], object])
_OnComment = TypeVar("_OnComment", bound=Callable[[CommentEvent], object])
_OnClose = TypeVar("_OnClose", bound="Callable[[CloseEvent], object]")
_OnHandlerError = TypeVar("_OnHandlerError", bound="Callable[[HandlerErrorEvent], object]")


class CloseEvent(Value):
    """The stream has ended for good, without the listener having been closed.

    Attributes:
        error: What ended it; or None if it ended quietly: the server said that it is over
            (status 204), or a source that does not reconnect came to the end of its stream.
    """

    __slots__ = ("error",)
    __match_args__ = ("error",)

    error: Optional[BaseException]

    def __init__(self, error: Optional[BaseException]) -> None:
        self.error = error


class HandlerErrorEvent(Value):
    """A handler has raised an exception.

    Attributes:
        error: The exception, with its traceback.
        event: What the handler had been called with.
        handler: The handler.
    """

    __slots__ = ("error", "event", "handler")
    __match_args__ = ("error", "event", "handler")

    error: Exception
    event: Union[LifecycleEvent, CloseEvent]
    handler: Callable[..., object]

    def __init__(
        self, error: Exception, event: Union[LifecycleEvent, CloseEvent], handler: Callable[..., object]
    ) -> None:
        self.error = error
        self.event = event
        self.handler = handler


class Listener:
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

        # Settings, never changed.
        self._source = source
        self._dispatch = dispatch

        # Guarded by the lock, which may be taken again by its own thread: a signal handler
        # may call close().
        self._lock = threading.RLock()
        self._idle = threading.Condition(self._lock)
        self._registered: _Handlers = {}
        self._handlers: _Handlers = _compiled({})
        """What to call, by event type and by class of event. Made anew at each change, never changed."""
        self._closed = False
        self._thread: Optional[threading.Thread] = None
        self._process = 0
        """Where the listener was started; 0 before."""

        # The threads that are running handlers, once for each run. Each enters and leaves by
        # itself, without the lock: a list's append and remove are whole.
        self._running: list[int] = []

        # Written by the listener's thread.
        self._settled = threading.Event()
        """Set when the stream has first opened or has ended. By close() too."""
        self._trouble: Optional[EventSourceError] = None
        self._error: Optional[BaseException] = None

    # Handlers ---------------------------------------------------------------------------

    @overload
    def on(self, type: str) -> Callable[[_OnMessage], _OnMessage]: ...
    @overload
    def on(self, type: str, function: _OnMessage) -> _OnMessage: ...
    def on(self, type: str, function: Any = None) -> Any:
        """Call ``function`` with each `MessageEvent` of the type; return it. A decorator without ``function``.

        Several handlers of a type are called in the order of their registration, and before
        those of `on_event`. One registered twice is called twice.

        Args:
            type: The type of event. Events that the server has given no type are ``"message"``.
            function: The handler.

        Raises:
            TypeError, ValueError: An argument is wrong; the message names it.
        """
        if not isinstance(type, str):
            raise TypeError(f'type must be a str, not {_class_name(type)}: @listener.on("price-update")')
        if not type:
            raise ValueError('type must not be "": an event without a type has the type "message"')
        if function is None:
            return lambda function: self._register(type, function)
        return self._register(type, function)

    def on_event(self, function: _OnMessage) -> _OnMessage:
        """Call ``function`` with every `MessageEvent`, whatever its type; return it. Can be used as a decorator.

        Raises:
            TypeError: ``function`` is not callable.
        """
        return self._register(_ANY, function)

    def on_unhandled(self, function: _OnMessage) -> _OnMessage:
        """Call ``function`` with each `MessageEvent` for whose type no handler is registered by `on`; return it.

        Can be used as a decorator.

        Raises:
            TypeError: ``function`` is not callable.
        """
        return self._register(_UNHANDLED, function)

    def on_open(self, function: _OnOpen) -> _OnOpen:
        """Call ``function`` with an `OpenEvent` whenever a connection has opened; return it.

        Can be used as a decorator.

        Raises:
            TypeError: ``function`` is not callable.
        """
        return self._register(OpenEvent, function)

    def on_error(self, function: _OnError) -> _OnError:
        """Call ``function`` with an `ErrorEvent` whenever a connection fails, breaks or ends; return it.

        Its ``delay`` tells when the next attempt will be made; None says that there will be
        none, and then `on_close` follows. Can be used as a decorator.

        Raises:
            TypeError: ``function`` is not callable.
        """
        return self._register(ErrorEvent, function)

    def on_comment(self, function: _OnComment) -> _OnComment:
        """Call ``function`` with a `CommentEvent` for each comment in the stream; return it.

        Comments are skipped unless somebody wants them when the listener starts. Can be
        used as a decorator.

        Raises:
            TypeError: ``function`` is not callable.
            RuntimeError: The listener has been started.
        """
        with self._lock:
            if self._process:
                raise RuntimeError("on_comment is for before start(): the running listener skips comments")
            return self._register(CommentEvent, function)

    def on_close(self, function: _OnClose) -> _OnClose:
        """Call ``function`` once with a `CloseEvent` if the stream ends for good by itself; return it.

        That is the last thing a listener does. It is never called after `close`. Can be
        used as a decorator.

        Raises:
            TypeError: ``function`` is not callable.
        """
        return self._register(CloseEvent, function)

    def on_handler_error(self, function: _OnHandlerError) -> _OnHandlerError:
        """Call ``function`` with a `HandlerErrorEvent` for each exception in a handler; return it.

        It is called at once, where the handler was. An exception in it is only logged. Can
        be used as a decorator.

        Raises:
            TypeError: ``function`` is not callable.
        """
        return self._register(HandlerErrorEvent, function)

    def off(self, function: Callable[..., object]) -> bool:
        """Remove a handler from all that it is registered for; return whether it was.

        It takes effect with the next event: one that is being handed over in another thread
        may still reach the handler.
        """
        self._check_process()
        with self._lock:
            before = self._registered
            self._registered = {
                key: tuple(registered for registered in functions if registered != function)
                for key, functions in before.items()
            }
            self._handlers = _compiled(self._registered)
            return self._registered != before

    def _register(self, key: object, function: _Handler) -> _Handler:
        if not callable(function):
            raise TypeError(f"a handler must be callable, not {_class_name(function)}")
        self._check_process()
        with self._lock:
            self._registered = {**self._registered, key: (*self._registered.get(key, ()), function)}
            self._handlers = _compiled(self._registered)
        return function

    # Life -------------------------------------------------------------------------------

    def start(self, *, wait: Optional[float] = None) -> None:
        """Start the thread. Returns at once; with ``wait``, blocks until the stream is open.

        Also returns when the stream is over quietly, or `close` has been called, before it
        was open. When it raises, the listener is closed, and nothing is left running.

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
            except BaseException:  # no more threads to be had
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
        own = threading.get_ident()
        with self._idle:
            self._idle.wait_for(lambda: all(thread == own for thread in self._running), _GRACE)

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

    # The thread -------------------------------------------------------------------------

    def _run(self) -> None:
        self._end(self._read())

    def _read(self) -> Optional[BaseException]:
        """Read the stream to its end, for good; return what ended it, None for a quiet end."""
        direct = self._dispatch is None
        thread = threading.get_ident()
        try:
            for event in self._source.lifecycle(comments=CommentEvent in self._handlers):
                if type(event) is not MessageEvent:
                    self._note(event)
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

    def _end(self, error: Optional[BaseException]) -> None:
        unexpected = error is not None and not isinstance(error, EventSourceError)
        if unexpected:
            _log.error("the listener has ended with %s", _class_name(error), exc_info=error)
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
            _log.error("%s while on_close was called", _class_name(failure), exc_info=failure)

    def _is_closed(self) -> bool:
        return self._closed

    def _is_heard(self, key: object) -> bool:
        return bool(self._handlers.get(key))

    def _post(self, event: Union[LifecycleEvent, CloseEvent]) -> None:
        """Have an event delivered where the user wants it."""
        if not _handlers_for(event, self._handlers):
            return
        if isinstance(self._dispatch, DispatchQueue):
            key: Any = event.type if type(event) is MessageEvent else type(event)
            self._dispatch.put(self._deliver, (event,), type=key, cancelled=self._is_closed)
        elif self._dispatch is not None:
            self._dispatch(self._deliver, event)

    # Wherever handlers run --------------------------------------------------------------

    def _deliver(self, event: Union[LifecycleEvent, CloseEvent, HandlerErrorEvent], thread: int = 0) -> None:
        """Call the handlers for an event, for as long as the listener is not closed.

        ``thread`` is the identifier of this thread, where the caller has it at hand.
        """
        running = self._running
        thread = thread or threading.get_ident()
        running.append(thread)  # and only then looks at _closed; see the top of the file
        try:
            for handler in _handlers_for(event, self._handlers):
                if self._closed:
                    return
                try:
                    handler(event)
                except Exception as error:  # noqa: BLE001 - a handler's, which must not end the stream
                    self._handler_failed(error, event, handler)
        finally:
            running.remove(thread)
            if self._closed:
                with self._idle:
                    self._idle.notify_all()

    def _handler_failed(self, error: Exception, event: Any, handler: Callable[..., object]) -> None:
        name = getattr(handler, "__qualname__", None) or _class_name(handler)
        _log.error("the handler %s raised %s", name, _class_name(error), exc_info=error)
        if not isinstance(event, HandlerErrorEvent):
            self._deliver(HandlerErrorEvent(error, event, handler))


def _handlers_for(event: Any, handlers: _Handlers) -> tuple[Callable[[Any], object], ...]:
    if type(event) is MessageEvent:
        return handlers.get(event.type) or handlers[MessageEvent]
    return handlers.get(type(event), ())


def _compiled(registered: _Handlers) -> _Handlers:
    """Return what to call for each type of event that has handlers, and under a class, for the other events of it."""
    always = registered.get(_ANY, ())
    compiled: dict[Any, tuple[Callable[[Any], object], ...]] = {
        key: (*functions, *always) if isinstance(key, str) else functions
        for key, functions in registered.items()
        if functions and key not in (_ANY, _UNHANDLED)
    }
    compiled[MessageEvent] = (*registered.get(_UNHANDLED, ()), *always)
    return compiled


def _class_name(value: object) -> str:
    return type(value).__name__


def _without_locals(error: Optional[BaseException]) -> Optional[BaseException]:
    """Return an error that is kept, without what its traceback would keep alive: connections, buffers."""
    link = error
    while link is not None:
        traceback.clear_frames(link.__traceback__)
        link = link.__cause__ or link.__context__
    return error
