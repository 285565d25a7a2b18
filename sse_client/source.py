"""`EventSource`: connect, parse, hand over, lose, wait, and again.

Rules of this file: one generator holds the loop, and it alone opens, reads and releases
connections. Every other thread may only set flags under the lock and wake it. Nothing
here knows HTTP.
"""

from __future__ import annotations

import logging
import math
import random
import ssl
import threading
import time
import weakref
from collections.abc import Generator
from http import HTTPStatus
from types import TracebackType
from typing import Any, Callable, Optional, Union

from ._arguments import NotGiven, check_last_event_id, check_size, check_timeout
from ._http.message import NO_JSON, HeadersOrFunction, RequestOptions, UrlOrFunction
from ._http.transport import PoolManager, make_connector
from .connector import Connection, Connector
from .errors import ConnectionLost, EventSourceError, EventTooLarge, StreamEnded, chain_of
from .events import CommentEvent, ErrorEvent, LifecycleEvent, MessageEvent, OpenEvent, ReadyState
from .parser import DEFAULT_MAX_EVENT_SIZE, EventStreamParser
from .reconnect import ReconnectPolicy

__all__ = ["EventSource"]


class WakeEvent(threading.Event):
    """A `threading.Event` for one waiting thread, safe against signal handlers at any moment.

    The standard one is made of a lock and a list of waiters. A handler that sets it locks
    up for ever if it comes while its own thread holds that lock, and with a lock that can be
    taken twice, it is overlooked if it comes between the look at the flag and the wait.
    Here the event *is* a lock, held while the event is not set, and each step is atomic.
    """

    def __init__(self) -> None:
        super().__init__()
        self._gate = threading.Lock()
        self._gate.acquire()

    def is_set(self) -> bool:
        """See `threading.Event`."""
        return not self._gate.locked()

    def set(self) -> None:
        """See `threading.Event`."""
        try:
            self._gate.release()
        except RuntimeError:
            pass  # it is set already

    def clear(self) -> None:
        """See `threading.Event`."""
        self._gate.acquire(blocking=False)

    def wait(self, timeout: Optional[float] = None) -> bool:
        """See `threading.Event`."""
        if not self._gate.acquire(timeout=-1 if timeout is None else min(max(timeout, 0.0), threading.TIMEOUT_MAX)):
            return False
        self.set()
        return True


_log = logging.getLogger("sse_client")

_BY_METHOD: Any = NotGiven("<by method>")


class EventSource:
    """An event stream that keeps working: iterate over it.

    Each iteration step blocks until an event has arrived, and hands it over at once. A
    connection that fails, breaks or ends is made again after a delay, going on from the
    last event ID. The iteration ends quietly when the server says so (status 204), when
    `close` is called, or with the one stream if there is no reconnecting; it ends with an
    `EventSourceError` when going on makes no sense.

    Nothing is sent before the first step. Leaving the loop gives the connection back; a
    later loop connects again and goes on from the last event ID. Only one loop at a time.

    `close`, `reconnect` and the properties may be used from any thread and any handler at
    any time; the iteration belongs to one thread. As a context manager it closes itself.

    Args:
        url: An absolute ``http`` or ``https`` URL; or a function that returns one, called
            before every attempt in the iterating thread (fail-over). User and password in
            it are sent as Basic authentication. Or a `Connector`, which then has its own
            ways: none of the arguments about the request and its time-outs may be given.
        headers: Headers for the request; or a function that returns them, called before
            every attempt (fresh tokens). If such a request is answered with 401, the
            function and the request are tried once more at once. They win over this
            package's own, and are not sent to another origin after a redirect.
        method: The HTTP method. GET, POST and the like may be in lower case.
        body: The request's body, sent again with every attempt. A str is sent as UTF-8. Not
            for GET and HEAD.
        json: A value to send as a JSON body instead, with its Content-Type.
        last_event_id: Where to go on from, such as a stored `last_event_id`; ``""`` for
            where the server likes to begin.
        reconnect: The policy of reconnecting; None for one request and one stream to its
            end, all errors raised. By default, a `ReconnectPolicy` for GET and HEAD, None
            for other methods, which may not be safe to repeat. A POST that may be repeated
            until it has got its one stream has ``ReconnectPolicy(until_open=True)``.
        connect_timeout: Seconds to wait for a connection; None for no limit. The operating
            system's look-up of the host name knows no limit and cannot be cut short.
        response_timeout: Seconds to wait, after the request, for each piece of the
            response's head; None for no limit.
        idle_timeout: Seconds without a single byte (comments count) after which the
            connection is taken for dead and made again; None for no limit.
        max_event_size: The most that one event may hold, in bytes; see
            `EventStreamParser`.
        proxy: The URL of a proxy for all requests, ``http``, ``https``, ``socks4``, ``socks5``
            or ``socks5h``, with its user and password if it wants them. SOCKS needs the
            package PySocks.
        trust_env: Whether, without ``proxy``, to use the proxies that the environment names
            (``HTTP_PROXY``, ``HTTPS_PROXY``, ``ALL_PROXY``, except for ``NO_PROXY``; in lower
            case too), and on macOS and Windows the system's settings.
        ssl_context: What to check certificates with, and to show one's own: for a private
            authority, a client certificate, pinned versions. By default the system's
            authorities, and always the host name.
        pool: A ``urllib3.PoolManager`` of the application's, which is used and not closed;
            headers and time-outs are those given here and not the pool's own.
        random: Where the jitter of the delays comes from: a function that returns numbers
            from 0 up to 1. For tests.

    Raises:
        TypeError, ValueError: An argument is wrong; the message names it.
    """

    def __init__(
        self,
        url: Union[UrlOrFunction, Connector],
        *,
        headers: HeadersOrFunction = None,
        method: str = "GET",
        body: Union[bytes, str, None] = None,
        json: Any = NO_JSON,
        last_event_id: str = "",
        reconnect: Optional[ReconnectPolicy] = _BY_METHOD,
        connect_timeout: Optional[float] = 10.0,
        response_timeout: Optional[float] = 60.0,
        idle_timeout: Optional[float] = 300.0,
        max_event_size: int = DEFAULT_MAX_EVENT_SIZE,
        proxy: Optional[str] = None,
        trust_env: bool = True,
        ssl_context: Optional[ssl.SSLContext] = None,
        pool: Optional[PoolManager] = None,
        random: Callable[[], float] = random.random,
    ) -> None:
        request_settings: dict[str, Any] = {"headers": headers, "method": method, "body": body, "json": json}
        transport_settings: dict[str, Any] = {
            "connect_timeout": check_timeout("connect_timeout", connect_timeout),
            "response_timeout": check_timeout("response_timeout", response_timeout),
            "idle_timeout": check_timeout("idle_timeout", idle_timeout),
            "proxy": proxy,
            "trust_env": trust_env,
            "ssl_context": ssl_context,
            "pool": pool,
        }
        if isinstance(url, Connector):
            _refuse_settings({**request_settings, **transport_settings})
        if reconnect not in (_BY_METHOD, None) and not isinstance(reconnect, ReconnectPolicy):
            raise TypeError(f"reconnect must be a ReconnectPolicy or None, not {type(reconnect).__name__}")

        # Settings, never changed.
        if isinstance(url, Connector):
            self._connector = url
        else:
            self._connector = make_connector(RequestOptions(url, **request_settings), **transport_settings)
        self._policy: Optional[ReconnectPolicy] = reconnect
        if reconnect is _BY_METHOD:
            self._policy = ReconnectPolicy() if self._connector.is_repeatable else None
        self._max_event_size = check_size("max_event_size", max_event_size)
        if not callable(random):
            raise TypeError(f"random must be a function that returns a number, not {type(random).__name__}")
        self._random = random

        # What the loop has learnt. Written by the loop alone.
        self._last_event_id = check_last_event_id(last_event_id)
        self._reconnection_time: Optional[float] = None
        self._attempt = 0  # attempts in a row that have brought no event, and no connection that has lasted
        self._opened = math.inf  # when the connection opened

        # How the loop and the other threads hear of each other. Written under the lock, which
        # may be taken again by its own thread: a signal handler may call close().
        self._lock = threading.RLock()
        self._woken = WakeEvent()
        self._closed = False
        self._reconnect_asked = False
        self._ready_state = ReadyState.CONNECTING
        self._looping = False
        self._used = False
        self._loop_thread = 0
        self._loops: weakref.WeakSet[Generator[LifecycleEvent, None, None]] = weakref.WeakSet()
        self._connection: Optional[Connection] = None

    @property
    def connector(self) -> Connector:
        """Where the connections come from: the `Connector` that was given, or the one for the URL and its options."""
        return self._connector

    @property
    def last_event_id(self) -> str:
        """The last event ID: that of the event handed over last, or of a later block that only set the ID."""
        return self._last_event_id

    @property
    def ready_state(self) -> ReadyState:
        """How the source stands now."""
        return self._ready_state

    def __iter__(self) -> Generator[MessageEvent, None, None]:  # noqa: PYI058 - it has a close(), and may be relied on
        """Yield the events of the stream, for as long as it goes on. Each step blocks until one arrives.

        Raises:
            EventSourceError: The stream cannot go on: a response was rejected, an event was
                too large, or the attempts of the policy are used up.
            RuntimeError: There is a loop over this source already; or, without reconnecting,
                there has been one.
            ValueError, ImportError: The environment names a proxy that cannot be used.
            OSError: A certificate file that the ``pool`` names cannot be loaded.
            Exception: Whatever the ``url`` and ``headers`` functions raise.
        """
        return self._loop(MessageEvent)

    def lifecycle(self, *, comments: bool = False) -> Generator[LifecycleEvent, None, None]:
        """Yield all that happens, in order: an `OpenEvent` for each connection that opens, every
        `MessageEvent`, and an `ErrorEvent` whenever a connection fails, breaks or ends.

        An `ErrorEvent` comes before the wait for the next attempt; if there will be none, its
        delay is None and its error is raised in the next step. The quiet ends (status 204,
        `close`, the end of the one stream without reconnecting) make no `ErrorEvent`.

        Args:
            comments: Whether to yield a `CommentEvent` for each comment too.

        Raises:
            Exception: As the iteration over the source itself.
        """
        return self._loop(OpenEvent, MessageEvent, ErrorEvent, *([CommentEvent] if comments else []))

    def close(self) -> None:
        """End the stream for good: the loop ends, no request is made any more.

        Returns at once, never raises, may be called from any thread and any handler, and
        more than once. A loop that is blocked ends within a tenth of a second; the one
        thing that cannot be cut short is the operating system's look-up of a host name.
        """
        with self._lock:
            self._closed = True
            self._ready_state = ReadyState.CLOSED
            self._woken.set()
            connection = self._connection
            looping = self._looping
        if connection is not None:
            connection.interrupt()
        if not looping:
            self._connector.close()
        elif self._loop_thread == threading.get_ident():
            # This is the loop's own thread, so the loop stands at a yield and can be ended now,
            # unless this is a signal handler that interrupts it: then it ends by itself.
            for loop in list(self._loops):
                try:
                    loop.close()
                except ValueError:
                    pass

    def reconnect(self) -> None:
        """Make a new connection now: drop the one there is, or cut the wait for the next one short.

        Events that have arrived are still handed over. Without a running loop, and after
        `close`, nothing happens. May be called from any thread; returns at once.

        Raises:
            RuntimeError: The source was made with ``reconnect=None``, or for a method that
                is not repeated by default.
        """
        if self._policy is None:
            raise RuntimeError("this EventSource does not reconnect: pass reconnect=ReconnectPolicy() to allow it")
        with self._lock:
            self._reconnect_asked = True
            self._woken.set()
            connection = self._connection
        if connection is not None:
            connection.interrupt()

    def __enter__(self) -> EventSource:
        return self

    def __exit__(
        self,
        exception_type: Optional[type[BaseException]],
        exception: Optional[BaseException],
        traceback: Optional[TracebackType],
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<EventSource {self._ready_state.name} last_event_id={self._last_event_id!r}>"

    # The loop ---------------------------------------------------------------------------

    def _loop(self, *wanted: type[Any]) -> Generator[Any, None, None]:
        loop = self._run(wanted)
        self._loops.add(loop)
        return loop

    def _run(self, wanted: tuple[type[LifecycleEvent], ...]) -> Generator[LifecycleEvent, None, None]:
        self._enter_loop()
        try:
            while True:
                connection = self._begin_attempt()
                if connection is None:
                    return
                try:
                    error = yield from self._follow(connection, wanted)
                except EventSourceError as failure:
                    error = _without_frames(failure)
                finally:
                    self._end_attempt(connection)
                if self._closed:
                    return
                if error is None:
                    self._set_ready_state(ReadyState.CLOSED)
                    return
                delay: Optional[float] = 0.0
                if self._reconnect_asked:
                    error = ConnectionLost("reconnect() was called", url=error.url)
                else:
                    delay = self._delay_after(error)
                if delay is None:
                    self._set_ready_state(ReadyState.CLOSED)
                    if ErrorEvent in wanted:
                        yield ErrorEvent(error, None, self._attempt)
                    try:
                        raise error
                    finally:
                        del error  # its traceback has this frame: a cycle
                _log.log(
                    logging.INFO if isinstance(error, StreamEnded) else logging.WARNING,
                    "%s; again in %.1f s", error, delay,
                )  # fmt: skip
                if ErrorEvent in wanted:
                    yield ErrorEvent(error, delay, self._attempt)
                self._connector.wait(delay, self._woken)
        finally:
            self._leave_loop()

    def _delay_after(self, error: EventSourceError) -> Optional[float]:
        if self._policy is None:
            return None
        return self._policy.delay(
            error, self._attempt, reconnection_time=self._reconnection_time, sample=self._random()
        )

    def _follow(
        self, connection: Connection, wanted: tuple[type[LifecycleEvent], ...]
    ) -> Generator[LifecycleEvent, None, Optional[EventSourceError]]:
        """Hand over what one connection brings; return how it ended, None for "do not come back"."""
        head = connection.open(self._last_event_id)
        if head.status == HTTPStatus.NO_CONTENT:
            _log.info("%s answered 204: the stream is over", head.url)
            return None
        _log.info("open: %s", head.url)
        self._set_ready_state(ReadyState.OPEN)
        self._opened = time.monotonic()
        if self._closed:
            return None
        if OpenEvent in wanted:
            yield OpenEvent(head.url, head.headers)
        parser = EventStreamParser(
            last_event_id=self._last_event_id, origin=head.origin, max_event_size=self._max_event_size
        )
        comments = CommentEvent in wanted
        feed: Any = parser.feed_with_comments if comments else parser.feed
        while not self._woken.is_set():
            arrived = connection.read()
            if not arrived:
                break
            if isinstance(arrived, list):
                events, last_event_id = arrived, arrived[-1].last_event_id
            else:
                events = feed(arrived)
                last_event_id = parser.last_event_id
            if parser.reconnection_time is not None:
                self._reconnection_time = parser.reconnection_time
            for event in events:
                if self._closed:
                    return None
                if not comments or type(event) is MessageEvent:
                    self._attempt = 0
                    self._last_event_id = event.last_event_id
                yield event
            self._last_event_id = last_event_id
            if parser.error is not None:
                raise EventTooLarge(url=head.url, limit=parser.error.limit)
        is_last = self._policy is None or (self._policy.until_open and not self._reconnect_asked)
        return None if is_last else StreamEnded("the server ended the stream", url=head.url)

    def _enter_loop(self) -> None:
        with self._lock:
            if self._looping:
                raise RuntimeError("this EventSource is being iterated over already: leave that loop first")
            if self._used and self._policy is None:
                raise RuntimeError("an EventSource that does not reconnect is for one loop: make another one")
            self._looping = self._used = True
            self._loop_thread = threading.get_ident()
            self._attempt = 0
            if not self._closed:
                self._ready_state = ReadyState.CONNECTING

    def _leave_loop(self) -> None:
        with self._lock:
            self._looping = False
        self._connector.close()

    def _begin_attempt(self) -> Optional[Connection]:
        with self._lock:
            if self._closed:
                return None
            self._woken.clear()
            self._reconnect_asked = False
            self._attempt += 1
            self._opened = math.inf
            self._connection = self._connector.connection()
            if self._closed:  # by a signal handler, meanwhile: the lock keeps out threads only
                self._connection.interrupt()
            return self._connection

    def _end_attempt(self, connection: Connection) -> None:
        with self._lock:
            self._connection = None
        if self._policy is not None and time.monotonic() - self._opened >= self._policy.steady_after:
            self._attempt = 0
        self._set_ready_state(ReadyState.CONNECTING)
        connection.release()

    def _set_ready_state(self, state: ReadyState) -> None:
        with self._lock:
            if not self._closed:
                self._ready_state = state


def _refuse_settings(settings: dict[str, Any]) -> None:
    defaults = EventSource.__init__.__kwdefaults__ or {}
    for name, value in settings.items():
        if value is not defaults[name] and value != defaults[name]:
            raise TypeError(f"{name} cannot be given along with a Connector, which makes its own requests")


def _without_frames(error: BaseException) -> Any:
    """Return an error without the frames of its traceback, which would keep sockets and buffers alive."""
    for link in chain_of(error):
        link.__traceback__ = None
    return error
