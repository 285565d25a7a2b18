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
from collections.abc import Generator, Iterable
from http import HTTPStatus
from types import TracebackType
from typing import Any, Callable, Optional, Union

from ._arguments import AS_IDLE_TIMEOUT, NotGiven, check_last_event_id, check_size, refuse_arguments
from ._control import Ask, Control
from ._http.message import NO_JSON, HeadersOrFunction, RequestOptions, UrlOrFunction
from ._http.transport import PoolManager, make_connector, make_timeouts
from ._http.verdict import EVENT_STREAM
from .connector import Connection, Connector
from .errors import ConnectionLost, EventSourceError, EventTooLarge, StreamEnded, chain_of
from .events import CommentEvent, ConnectingEvent, ErrorEvent, LifecycleEvent, MessageEvent, OpenEvent, ReadyState
from .parser import DEFAULT_MAX_EVENT_SIZE, EventStreamParser
from .reconnect import Ending, Failures, ReconnectPolicy, is_quiet

__all__ = ["EventSource"]


_log = logging.getLogger("sse_client")

_BY_METHOD: Any = NotGiven("<by method>")


_INSTEAD = {
    "allow_redirects": "redirects are always followed, 10 at most",
    "auth": "pass headers=, or put user and password into the URL; for a login of requests, RequestsConnector",
    "cert": "pass ssl_context=",
    "cookies": 'pass headers={"Cookie": ...}; the cookies that the server sets are sent back',
    "data": "pass body= or json=",
    "files": "pass body=",
    "last_id": "pass last_event_id=",
    "max_retries": "pass reconnect=ReconnectPolicy(max_attempts=...)",
    "params": "put the query into the URL, with urllib.parse.urlencode(params)",
    "proxies": "pass proxy=",
    "retries": "pass reconnect=ReconnectPolicy(...)",
    "retry": "pass reconnect=ReconnectPolicy(reconnection_time=...)",
    "session": "pass RequestsConnector(session, url) in the place of the URL",
    "stream": "the body is always streamed",
    "timeout": "pass connect_timeout=, response_timeout= or idle_timeout=",
    "verify": "pass ssl_context=",
}
"""Arguments of requests and of other clients, and what does their job here."""


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
        content_types: The types that count as an event stream, such as ``"text/plain"`` from a server that
            is set up wrongly; ``""`` stands for a response without a Content-Type. None for any type.
        trusted_origins: Where ``headers``, the login of the URL and the body may follow to when the server
            redirects to another origin: ``"https://example.com"``, or ``"https://*.example.com"`` for all
            hosts below that name.
        https_only: Whether to refuse ``http`` addresses, also in redirects: they would carry the last
            event ID in the clear.
        last_event_id: Where to go on from, such as a stored `last_event_id`; ``""`` for
            where the server likes to begin.
        reconnect: The policy of reconnecting; None for one request and one stream to its
            end, all errors raised. By default, a `ReconnectPolicy` for GET and HEAD, None
            for other methods, which may not be safe to repeat. A POST that may be repeated
            until it has got its one stream has ``ReconnectPolicy(until_open=True)``.
        connect_timeout: Seconds to wait for a connection; None for no limit. The operating
            system's look-up of the host name knows no limit and cannot be cut short.
        response_timeout: Seconds to wait, after the request, for each piece of the
            response's head; None for no limit. By default as long as ``idle_timeout``: many
            servers send the head with the first event only.
        idle_timeout: Seconds without a single byte (comments count), before the head or
            after it, after which the connection is taken for dead and made again; None for
            no limit.
        max_event_size: The most that one event may hold, in bytes; see
            `EventStreamParser`.
        proxy: The URL of a proxy for all requests, ``http``, ``https``, ``socks4``, ``socks5``
            or ``socks5h``, with its user and password if it wants them. SOCKS needs the
            package PySocks.
        trust_env: Whether, without ``proxy``, to use the proxies that the environment names
            (``HTTP_PROXY``, ``HTTPS_PROXY``, ``ALL_PROXY``, except for ``NO_PROXY``; in lower
            case too), and on macOS and Windows the system's settings.
        ssl_context: What to check certificates with, and to show one's own: for a private
            authority, a client certificate, pinned versions. By default OpenSSL's
            authorities, or what ``SSL_CERT_FILE`` names; the operating system's if
            truststore is installed. The host name is always checked.
        pool: A ``urllib3.PoolManager`` of the application's, which is used and not closed;
            headers and time-outs are those given here and not the pool's own.

    Raises:
        TypeError, ValueError: An argument is wrong; the message names it.
    """

    @refuse_arguments(_INSTEAD)
    def __init__(
        self,
        url: Union[UrlOrFunction, Connector],
        *,
        headers: HeadersOrFunction = None,
        method: str = "GET",
        body: Union[bytes, str, None] = None,
        json: Any = NO_JSON,
        content_types: Optional[Iterable[str]] = (EVENT_STREAM,),
        trusted_origins: Iterable[str] = (),
        https_only: bool = False,
        last_event_id: str = "",
        reconnect: Optional[ReconnectPolicy] = _BY_METHOD,
        connect_timeout: Optional[float] = 10.0,
        response_timeout: Optional[float] = AS_IDLE_TIMEOUT,
        idle_timeout: Optional[float] = 300.0,
        max_event_size: int = DEFAULT_MAX_EVENT_SIZE,
        proxy: Optional[str] = None,
        trust_env: bool = True,
        ssl_context: Optional[ssl.SSLContext] = None,
        pool: Optional[PoolManager] = None,
    ) -> None:
        request_settings: dict[str, Any] = {
            "headers": headers,
            "method": method,
            "body": body,
            "json": json,
            "content_types": content_types,
            "trusted_origins": trusted_origins,
            "https_only": https_only,
        }
        given_timeouts: dict[str, Any] = {
            "connect_timeout": connect_timeout,
            "response_timeout": response_timeout,
            "idle_timeout": idle_timeout,
        }
        timeouts = make_timeouts(**given_timeouts)
        transport_settings: dict[str, Any] = {
            "proxy": proxy,
            "trust_env": trust_env,
            "ssl_context": ssl_context,
            "pool": pool,
        }
        if isinstance(url, Connector):
            _refuse_settings({**request_settings, **given_timeouts, **transport_settings})
        if reconnect not in (_BY_METHOD, None) and not isinstance(reconnect, ReconnectPolicy):
            raise TypeError(f"reconnect must be a ReconnectPolicy or None, not {type(reconnect).__name__}")

        # Settings, never changed.
        if isinstance(url, Connector):
            self._connector = url
        else:
            self._connector = make_connector(RequestOptions(url, **request_settings), timeouts, **transport_settings)
        self._policy: Optional[ReconnectPolicy] = reconnect
        if reconnect is _BY_METHOD:
            self._policy = ReconnectPolicy() if self._connector.is_repeatable else None
        self._max_event_size = check_size("max_event_size", max_event_size)

        # What the loop has learnt. Written by the loop alone.
        self._last_event_id = check_last_event_id(last_event_id)
        self._reconnection_time: Optional[float] = None
        self._last_activity: Optional[float] = None
        self._failures = Failures()
        self._due: Optional[float] = None
        """When the next attempt is to be made, by the monotonic clock. None but before and in a wait."""

        # What the loop is asked for. Needs no lock.
        self._control = Control()

        # What the loop and the other threads share. Guarded by the lock, which its own thread
        # may take again: a signal handler may call close() at any moment.
        self._lock = threading.RLock()
        self._ready_state = ReadyState.CONNECTING
        self._looping = False
        self._used = False
        self._loop_thread = 0
        self._loop: Callable[[], Optional[Generator[LifecycleEvent, None, None]]] = _no_loop
        """The running loop, by a weak reference: it refers to the source."""
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
        """How the source stands."""
        return ReadyState.CLOSED if self._control.is_closed else self._ready_state

    @property
    def reconnection_time(self) -> Optional[float]:
        """What the stream's last ``retry`` field asked for, in seconds; None if there was none.

        As it was asked for: `ReconnectPolicy` has bounds for what is obeyed.
        """
        return self._reconnection_time

    @property
    def last_activity(self) -> Optional[float]:
        """When the last byte arrived, a head or a comment too, on the clock of ``time.monotonic()``; None before.

        For a health check: ``time.monotonic() - source.last_activity`` are the seconds of silence.
        """
        return self._last_activity

    @property
    def next_attempt_in(self) -> Optional[float]:
        """Seconds until the next attempt, for a countdown; None while there is no wait for one, or none that ends."""
        due = self._due
        if due is None or self._control.asked:
            return None
        return max(due - time.monotonic(), 0.0)

    @property
    def is_paused(self) -> bool:
        """Whether `pause` has been called, and `resume` has not since then."""
        return self._control.is_paused

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
        return self._make_loop(MessageEvent)

    def lifecycle(self, *, comments: bool = False) -> Generator[LifecycleEvent, None, None]:
        """Yield all that happens, in order: a `ConnectingEvent` for each attempt, an `OpenEvent` for each
        connection that opens, every `MessageEvent`, and an `ErrorEvent` whenever a connection fails, breaks or ends.

        An `ErrorEvent` comes before the wait for the next attempt; if there will be none, its
        delay is None and its error is raised in the next step. The quiet ends (status 204,
        `close`, the end of the one stream without reconnecting) make no `ErrorEvent`.
        `reconnect` and `pause` make one if they drop a connection; it says that it was ``requested``.

        Args:
            comments: Whether to yield a `CommentEvent` for each comment too.

        Raises:
            Exception: As the iteration over the source itself.
        """
        wanted = [ConnectingEvent, OpenEvent, MessageEvent, ErrorEvent]
        return self._make_loop(*wanted, *([CommentEvent] if comments else []))

    def close(self) -> None:
        """End the stream for good: the loop ends, no request is made any more.

        Returns at once, never raises, may be called from any thread and any handler, and
        more than once. A loop that is blocked ends within a tenth of a second; the one
        thing that cannot be cut short is the operating system's look-up of a host name.
        """
        self._control.ask(Ask.CLOSE)
        if self._control.is_copy:
            return  # without the lock: in the parent, another thread may hold it
        with self._lock:
            connection, looping = self._connection, self._looping
        if connection is not None:
            connection.interrupt()
        if not looping:
            self._connector.close()
        elif self._loop_thread == threading.get_ident():
            # This is the loop's own thread, so the loop stands at a yield and can be ended now,
            # unless this is a signal handler that interrupts it: then it ends by itself.
            loop = self._loop()
            try:
                if loop is not None:
                    loop.close()
            except ValueError:
                pass

    def reconnect(self) -> None:
        """Make a new connection now: drop the one there is, or cut the wait for the next one short.

        Events that have arrived are still handed over. The count of failed attempts goes back
        to zero. Without a running loop, while paused, and after `close`, nothing happens. May
        be called from any thread; returns at once.

        Raises:
            RuntimeError: The source was made with ``reconnect=None``, or for a method that
                is not repeated by default; or its loop is another process's.
        """
        self._check_may_come_back()
        self._control.ask(Ask.RECONNECT)
        self._interrupt()

    def pause(self) -> None:
        """Drop the connection and make none until `resume`: while the computer sleeps, say, or nobody looks.

        The last event ID is kept. Events that have arrived are still handed over. Before a
        loop, it keeps the loop from connecting. After `close`, nothing happens. May be called
        from any thread, and more than once; returns at once.

        Raises:
            RuntimeError: As `reconnect`.
        """
        self._check_may_come_back()
        self._control.ask(Ask.PAUSE)
        self._interrupt()

    def resume(self) -> None:
        """Go on after `pause`: connect at once, from the last event ID on. Without a pause, nothing happens.

        May be called from any thread; returns at once.

        Raises:
            RuntimeError: As `reconnect`.
        """
        self._check_may_come_back()
        self._control.resume()

    def _check_may_come_back(self) -> None:
        if self._policy is None:
            raise RuntimeError("this EventSource does not reconnect: pass reconnect=ReconnectPolicy() to allow it")
        self._check_process()

    def _check_process(self) -> None:
        if self._control.is_copy:
            raise RuntimeError(
                "the loop over this EventSource runs in the parent process, and so does its connection: "
                "after os.fork(), make another EventSource in the child"
            )

    def _interrupt(self) -> None:
        with self._lock:
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
        state = "PAUSED" if self._control.is_paused else self.ready_state
        return f"<EventSource {self._connector.url} {state} last_event_id={self._last_event_id!r}>"

    # The loop ---------------------------------------------------------------------------

    def _make_loop(self, *wanted: type[LifecycleEvent]) -> Generator[Any, None, None]:
        # The generator cannot know itself, and close() has to find it.
        itself: list[weakref.ref[Generator[LifecycleEvent, None, None]]] = []
        loop = self._run(wanted, itself)
        itself.append(weakref.ref(loop))
        return loop

    def _run(
        self, wanted: tuple[type[LifecycleEvent], ...], itself: list[weakref.ref[Generator[LifecycleEvent, None, None]]]
    ) -> Generator[LifecycleEvent, None, None]:
        """Make one attempt after the other. Each ends in one of these ways:

        - `close` was called: the iteration ends quietly;
        - the server answered 204, or the one stream of a source that does not reconnect, or
          not after a stream has opened, came to its clean end: likewise;
        - `reconnect` was called: an `ErrorEvent` that says so; the next attempt at once;
        - `pause` was called: likewise; the next attempt at `resume`;
        - an `EventSourceError` that the policy retries: an `ErrorEvent`; the next attempt after a delay;
        - one that it does not retry: an `ErrorEvent` without a delay, then the error is raised;
        - any other exception, such as one of the user's ``url`` or ``headers`` function: it is raised;
        - the loop is left, by ``break`` or by an exception in its body: `GeneratorExit` at a yield;
        - ``os.fork()`` was called at a yield: the copy in the child raises and touches nothing.

        The connection is released in every case but the last.
        """
        self._enter_loop(itself[0])
        try:
            while True:
                self._control.wait(self._time_left)
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
                if self._control.is_closed:
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
        asked = self._control.asked
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
            if self._control.is_closed:
                return None
            if self._control.begin_attempt():
                self._failures = Failures()
            self._due = None
            self._connection = self._connector.connection()
            if self._control.asked:  # by a signal handler, meanwhile: the lock keeps out threads only
                self._connection.interrupt()
            return self._connection

    def _follow(
        self, connection: Connection, attempt: _Attempt, wanted: tuple[type[LifecycleEvent], ...]
    ) -> Generator[LifecycleEvent, None, Optional[EventSourceError]]:
        """Hand over what arrives over one connection; return how it ended, None for "do not come back"."""
        if ConnectingEvent in wanted:
            yield ConnectingEvent(self._connector.url, self._failures.count + 1)
            self._check_process()
        head = connection.open(self._last_event_id)
        self._last_activity = attempt.opened = time.monotonic()
        if head.status == HTTPStatus.NO_CONTENT:
            _log.info("%s answered 204: the stream is over", head.url)
            return None
        _log.info("open: %s", head.url)
        self._set_ready_state(ReadyState.OPEN)
        asked = self._control.asked
        if Ask.CLOSE in asked:
            return None
        if OpenEvent in wanted:
            yield OpenEvent(head.url, head.headers)
        parser = EventStreamParser(
            last_event_id=self._last_event_id, origin=head.origin, max_event_size=self._max_event_size
        )
        comments = CommentEvent in wanted
        events: Any
        feed: Any = parser.feed_with_comments if comments else parser.feed
        while not asked:
            arrived = connection.read()
            if not arrived:
                break
            self._last_activity = time.monotonic()
            attempt.received += len(arrived)
            if isinstance(arrived, (list, tuple)):
                messages = [event for event in arrived if isinstance(event, MessageEvent)]
                events = arrived if comments else messages
                last_event_id = messages[-1].last_event_id if messages else self._last_event_id
            else:
                events = feed(arrived)
                last_event_id = parser.last_event_id
            if parser.reconnection_time is not None:
                self._reconnection_time = parser.reconnection_time
            for event in events:
                if asked and (Ask.CLOSE in asked or Ask.ABANDON in asked):
                    break
                if not comments or type(event) is MessageEvent:
                    attempt.has_progressed = True
                    self._last_event_id = event.last_event_id
                yield event
            else:
                if last_event_id != self._last_event_id:
                    attempt.has_progressed = True
                    self._last_event_id = last_event_id
            if parser.error is not None:
                raise EventTooLarge(url=head.url, limit=parser.error.limit)
        self._check_process()
        is_last = self._policy is None or (self._policy.until_open and not asked)
        return None if is_last else StreamEnded(attempt.end(), url=head.url)

    def _after(self, attempt: _Attempt, error: EventSourceError) -> ErrorEvent:
        """Decide what follows an attempt that has ended: note when the next one is due, and return what to show."""
        asked = self._control.asked
        now = time.monotonic()
        delay: Optional[float] = None
        requested = bool(asked) and self._policy is not None
        if requested:
            self._failures = Failures()
            paused = Ask.PAUSE in asked
            delay = math.inf if paused else 0.0
            error = ConnectionLost(f"{'pause' if paused else 'reconnect'}() was called", url=error.url)
        elif self._policy is not None:
            seconds_open = None if attempt.opened is None else now - attempt.opened
            ending = Ending(error, attempt.has_progressed, attempt.received > 0, seconds_open)
            self._failures = self._failures.after(ending, steady_after=self._policy.steady_after)
            sample = random.random()  # noqa: S311 - spreads clients in time, hides nothing
            delay = self._policy.delay(
                error, self._failures.attempt, reconnection_time=self._reconnection_time, sample=sample
            )
        if delay is not None:
            is_normal = requested or is_quiet(error) or isinstance(error, StreamEnded)
            again = "until resume()" if delay == math.inf else f"again in {delay:.1f} s"
            _log.log(logging.INFO if is_normal else logging.WARNING, "%s; %s", error, again)
            self._due = now + (delay if delay == math.inf else self._connector.real_delay(delay))
        return ErrorEvent(error, delay, self._failures.attempt, requested)

    def _enter_loop(self, itself: weakref.ref[Generator[LifecycleEvent, None, None]]) -> None:
        self._check_process()
        with self._lock:
            if self._looping:
                raise RuntimeError("this EventSource is being iterated over already: leave that loop first")
            if self._used and self._policy is None:
                raise RuntimeError("an EventSource that does not reconnect is for one loop: make another one")
            self._looping = self._used = True
            self._loop, self._loop_thread = itself, threading.get_ident()
            self._failures = Failures()
            self._due = None
            self._control.begin_attempt()  # forget what reconnect() asked for without a loop
            self._ready_state = ReadyState.CONNECTING
            self._control.enter_loop()

    def _leave_loop(self) -> None:
        self._control.leave_loop()
        if self._control.is_copy:
            return
        self._due = None
        with self._lock:
            self._looping = False
        self._connector.close()

    def _end_attempt(self, connection: Connection) -> None:
        if self._control.is_copy:
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

    def end(self) -> str:
        """Return the reason of a clean end."""
        if self.has_progressed:
            return "the server ended the stream"
        return f"the server ended the stream after {self.received} bytes without an event"


def _no_loop() -> None:
    """Stand for a weak reference to a loop that there is not."""


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
