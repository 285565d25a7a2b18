"""The handlers of a `Listener`: which functions are called for which event, and none after `close`.

Rules of this file: knows events, and neither a source nor the thread that reads it.

How "no handler is started after `close` has returned" is kept: whoever runs handlers first
enters its thread in ``_running`` and then looks at ``_closed``, before each handler;
`close` first sets ``_closed`` and then looks at ``_running``. So one of the two sees the
other. The threads that `close` sees get a moment to leave: a handler that it came too late
for has that moment to begin, and one that has not returned by then has certainly begun.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Callable, Optional, TypeVar, Union, overload

from .events import CommentEvent, ErrorEvent, LifecycleEvent, MessageEvent, OpenEvent

__all__ = ["CloseEvent", "HandlerErrorEvent"]

_log = logging.getLogger("sse_client")

_GRACE = 0.05  # seconds that close() gives a handler that may be running

_ANY, _UNHANDLED = object(), object()  # keys of registrations, beside types and classes of event
_Handlers = Mapping[Any, tuple[Callable[[Any], object], ...]]

_Handler = TypeVar("_Handler", bound=Callable[..., object])
_OnMessage = TypeVar("_OnMessage", bound=Callable[[MessageEvent], object])
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
    """The part of a `Listener` that handlers are registered with, and that calls them."""

    def __init__(self) -> None:
        # Guarded by the lock, which may be taken again by its own thread: a signal handler
        # may call close(). The listener guards its own with it too.
        self._lock = threading.RLock()
        self._idle = threading.Condition(self._lock)
        self._registered: _Handlers = {}
        self._handlers: _Handlers = _compiled({})
        """What to call, by event type and by class of event. Made anew at each change, never changed."""
        self._closed = False
        """Set by close(): from then on no handler is begun."""

        # The threads that are running handlers, once for each run. Each enters and leaves by
        # itself, without the lock: a list's append and remove are whole.
        self._running: list[int] = []

    # What only the listener can tell ----------------------------------------------------

    def _check_process(self) -> None:
        """Raise a RuntimeError where the listener is a copy that can do nothing. Takes no lock."""

    def _check_not_started(self) -> None:
        """Raise a RuntimeError if it is settled already whether comments are skipped."""

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
        self._check_process()  # before the lock, which may be held for ever in a copy
        with self._lock:
            self._check_not_started()
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

    # Calling ----------------------------------------------------------------------------

    def _is_heard(self, kind: type) -> bool:
        """Whether there are handlers for this class of event; for `MessageEvent`, of any type."""
        handlers = self._handlers
        return bool(handlers.get(kind)) or (kind is MessageEvent and any(isinstance(key, str) for key in handlers))

    def _is_wanted(self, event: Union[LifecycleEvent, CloseEvent]) -> bool:
        """Whether there are handlers for this very event."""
        return bool(_handlers_for(event, self._handlers))

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

    def _wait_for_handlers(self) -> None:
        """Give the handlers that run in other threads their moment, once ``_closed`` is set."""
        own = threading.get_ident()
        with self._idle:
            self._idle.wait_for(lambda: all(thread == own for thread in self._running), _GRACE)

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
