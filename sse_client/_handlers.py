"""The handlers of a `Listener`: which functions are called for which event, and none after `close`.

Rules of this file: knows events, and neither a source nor the thread that reads it.

How "no handler is started after `close` has returned" is kept. Two threads meet:

    the one that delivers an event             the one that calls close()
    1. enters itself in ``_running``           a. sets ``_closed``
    2. looks at ``_closed``                    b. looks at ``_running``
    3. calls a handler; back to 2              c. waits until it is empty, ten times 5 ms at most
    4. leaves ``_running``, and wakes c        d. returns

The possible outcomes:

- 1 comes after b. Then 2 comes after a: no handler is called.
- 1 comes before b, 2 after a: no handler is called, and c ends at once.
- 2 comes before a. The handler has begun, or begins while c waits: 50 ms is long for a thread that only has to make
  one call. On a machine that is so busy that it is not, the waiting thread is delayed as well, after each of its ten
  waits. c ends when the handler returns, or when the time is up: a slow handler never blocks close().
- Both are one thread: a handler calls close(). c does not wait for the thread that it runs on.
- Two handlers call close() in two threads. Each waits for the other, and for 50 ms only.
- A signal handler calls close() in the delivering thread, between 2 and 3. Nothing can hold back the one handler
  that is just being called.
- A forked child: ``_running`` and the lock are as the parent's threads have left them. `Listener.close`
  touches neither there.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Callable, Optional, TypeVar, Union, overload

from ._logging import log as _log
from .errors import EventSourceError
from .events import CommentEvent, ConnectingEvent, ErrorEvent, LifecycleEvent, MessageEvent, OpenEvent

__all__ = ["CloseEvent", "HandlerErrorEvent"]


_GRACE = 0.05  # seconds that close() waits for handlers that run in other threads
_TURNS = 10  # waits that make up this time; after each, the threads that can run get their turns

_ANY, _UNHANDLED = object(), object()  # keys of registrations, beside types and classes of event
_Handlers = Mapping[Any, tuple[Callable[[Any], object], ...]]

_Handler = TypeVar("_Handler", bound=Callable[..., object])
_OnMessage = TypeVar("_OnMessage", bound=Callable[[MessageEvent], object])
_OnConnecting = TypeVar("_OnConnecting", bound=Callable[[ConnectingEvent], object])
_OnOpen = TypeVar("_OnOpen", bound=Callable[[OpenEvent], object])
_OnError = TypeVar("_OnError", bound=Callable[[ErrorEvent], object])
_OnComment = TypeVar("_OnComment", bound=Callable[[CommentEvent], object])
_OnClose = TypeVar("_OnClose", bound="Callable[[CloseEvent], object]")
_OnHandlerError = TypeVar("_OnHandlerError", bound="Callable[[HandlerErrorEvent], object]")


@dataclass(frozen=True)
class CloseEvent:
    """The stream has ended for good, without the listener having been closed.

    Attributes:
        error: What ended it; or None if it ended quietly: the server said that it is over
            (status 204), or a source that does not reconnect came to the end of its stream.
    """

    error: Optional[BaseException]

    @property
    def summary(self) -> str:
        """What ended the stream, in a few words, for a status bar."""
        if self.error is None:
            return "the stream is over"
        if isinstance(self.error, EventSourceError):
            return self.error.summary
        return type(self.error).__name__  # raised by the program: the text may be long, and may hold secrets


@dataclass(frozen=True)
class HandlerErrorEvent:
    """A handler has raised an exception.

    Attributes:
        error: The exception, with its traceback.
        event: What the handler had been called with.
        handler: The handler.
    """

    error: Exception
    event: Union[LifecycleEvent, CloseEvent]
    handler: Callable[..., object]


class Handlers:
    """The part of a `Listener` that handlers are registered with, and that calls them.

    A base class, since its methods are the listener's own, with their types and documentation.
    """

    def __init__(self) -> None:
        # Guarded by the lock, which may be taken again by its own thread: a signal handler
        # may call close(). The listener guards its own state with it too.
        self._lock = threading.RLock()
        self._idle = threading.Condition(self._lock)
        self._registered: _Handlers = {}
        self._handlers: _Handlers = _compiled({})
        """What to call, by event type and by class of event. Replaced at each change, never changed."""
        self._closed = False
        """Set by close() and never reset."""

        # The threads that run handlers, once for each run. Each enters and leaves by itself,
        # without the lock: a list's append and remove are atomic.
        self._running: list[int] = []

    def _check_process(self) -> None:
        """Raise a RuntimeError in a process in which nothing can come of it. Takes no lock. For subclasses."""

    def _check_not_started(self) -> None:
        """Raise a RuntimeError if comments can be asked for no more. Called with the lock. For subclasses."""

    # Registering ------------------------------------------------------------------------

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
        """Call ``function`` with every `MessageEvent`, whatever its type; return it.

        The one handler of those who like to look at ``event.type`` themselves. Can be used as
        a decorator.

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

    def on_connecting(self, function: _OnConnecting) -> _OnConnecting:
        """Call ``function`` with a `ConnectingEvent` whenever an attempt to connect begins; return it.

        Can be used as a decorator.

        Raises:
            TypeError: ``function`` is not callable.
        """
        return self._register(ConnectingEvent, function)

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

        The listener skips comments unless it has such a handler when it starts. Can be used
        as a decorator.

        Raises:
            TypeError: ``function`` is not callable.
            RuntimeError: The listener has been started.
        """
        return self._register(CommentEvent, function)

    def on_close(self, function: _OnClose) -> _OnClose:
        """Call ``function`` once with a `CloseEvent` if the stream ends for good by itself; return it.

        The listener calls nothing after it, and never calls it after `close`. Can be used as a
        decorator.

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
        """Remove a handler from all that it is registered for; return whether it was registered.

        It takes effect with the next event: an event that is being delivered in another
        thread may still reach the handler.
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
        self._check_process()  # before the lock, which another thread of the parent may have held
        with self._lock:
            if key is CommentEvent:
                self._check_not_started()
            self._registered = {**self._registered, key: (*self._registered.get(key, ()), function)}
            self._handlers = _compiled(self._registered)
        return function

    # Calling ----------------------------------------------------------------------------

    def _handles(self, kind: type) -> bool:
        """Whether there are handlers for this class of event; for `MessageEvent`, of any type."""
        handlers = self._handlers
        return bool(handlers.get(kind)) or (kind is MessageEvent and any(isinstance(key, str) for key in handlers))

    def _deliver(self, event: Union[LifecycleEvent, CloseEvent, HandlerErrorEvent], thread: int = 0) -> bool:
        """Call the handlers of an event, one after the other, until the listener is closed.

        Return whether all of them were called and none has raised. ``thread`` is the
        identifier of this thread, where the caller has it at hand.
        """
        is_handled = True
        running = self._running
        thread = thread or threading.get_ident()
        running.append(thread)  # step 1 at the top of the file
        try:
            for handler in handlers_of(event, self._handlers):
                if self._closed:
                    return False
                try:
                    handler(event)
                except Exception as error:  # noqa: BLE001 - a handler's, which must not end the stream
                    is_handled = False
                    self._handler_failed(error, event, handler)
        finally:
            running.remove(thread)
            if self._closed:
                with self._idle:
                    self._idle.notify_all()
        return is_handled

    def _wait_for_handlers(self) -> None:
        """Wait until no other thread runs handlers, 50 ms at most."""
        assert self._closed, "step a comes before b, at the top of the file"
        own = threading.get_ident()
        with self._idle:
            for _ in range(_TURNS):
                if self._idle.wait_for(lambda: all(thread == own for thread in self._running), _GRACE / _TURNS):
                    return

    def _handler_failed(self, error: Exception, event: Any, handler: Callable[..., object]) -> None:
        name = getattr(handler, "__qualname__", None) or _class_name(handler)
        _log.error("the handler %s raised %s", name, _class_name(error), exc_info=error)
        if not isinstance(event, HandlerErrorEvent):
            self._deliver(HandlerErrorEvent(error, event, handler))


def handlers_of(event: Any, handlers: _Handlers) -> tuple[Callable[[Any], object], ...]:
    """Return what to call for an event."""
    if type(event) is MessageEvent:
        return handlers.get(event.type) or handlers[MessageEvent]
    return handlers.get(type(event), ())


def _compiled(registered: _Handlers) -> _Handlers:
    """Return what to call: by type of `MessageEvent`, and by class for all other events.

    Under `MessageEvent` stands what to call for the types that have no handler of their own. So the
    result grows with the registrations only, whatever types a server invents.
    """
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
