"""`EventSource`: what users set, ask and read of an event stream; its loop is in ``_loop``.

Rules of this file: every option is spelled in one constructor, and checked there.
"""

from __future__ import annotations

import ssl
from collections.abc import Generator, Iterable
from types import TracebackType
from typing import Any, Optional, Union

from ._arguments import AS_IDLE_TIMEOUT, NotGiven, check_flag, check_last_event_id, check_size, refuse_arguments
from ._http.message import NO_JSON, HeadersOrFunction, RequestOptions, UrlOrFunction
from ._http.transport import PoolManager, make_connector, make_timeouts
from ._http.verdict import EVENT_STREAM
from ._loop.control import Ask
from ._loop.loop import Loop
from ._loop.progress import Progress
from .connector import Connector
from .events import CommentEvent, ConnectingEvent, ErrorEvent, LifecycleEvent, MessageEvent, OpenEvent, ReadyState
from .parser import DEFAULT_MAX_EVENT_SIZE
from .position import Position
from .reconnect import ReconnectPolicy

__all__ = ["EventSource"]

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
            every attempt (fresh tokens). If ``headers`` or ``url`` is a function and the
            answer is a 401, both are asked again and the request is made once more at once.
            The headers win over this package's own. A redirect to another origin does not
            carry them, unless ``trusted_origins`` names it.
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
        position: Where to keep how far the program has got, for its next run: a `PositionFile`, or
            anything with its methods ``read`` and ``write``. It is read when the first loop begins; if it is
            empty, ``last_event_id`` counts. An event has been dealt with when the loop asks for the next
            one. The position is written then, ten times a second at most, and in any case before a wait
            for the next attempt and when the loop ends. An event in hand when the loop is left, by
            ``break`` or an exception, comes again in the next run. What its methods raise ends the
            iteration.
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
        accept_unfinished: Whether to hand over the last event of a stream that ended cleanly
            without its blank line, against the standard: some gateways cut the last newline
            off. Never after a cut. Otherwise the event is dropped, with a line in the log at DEBUG.
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
        pool: A ``urllib3.PoolManager`` of the application, which is used and not closed;
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
        position: Optional[Position] = None,
        reconnect: Optional[ReconnectPolicy] = _BY_METHOD,
        connect_timeout: Optional[float] = 10.0,
        response_timeout: Optional[float] = AS_IDLE_TIMEOUT,
        idle_timeout: Optional[float] = 300.0,
        max_event_size: int = DEFAULT_MAX_EVENT_SIZE,
        accept_unfinished: bool = False,
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

        if isinstance(url, Connector):
            connector = url
        else:
            connector = make_connector(RequestOptions(url, **request_settings), timeouts, **transport_settings)
        policy: Optional[ReconnectPolicy] = reconnect
        if reconnect is _BY_METHOD:
            policy = ReconnectPolicy() if connector.is_repeatable else None
        if position is not None and not (callable(getattr(position, "read", None)) and callable(position.write)):
            raise TypeError(f"position must have the methods read and write, as a PositionFile: {position!r}")
        self._loop = Loop(
            connector,
            policy,
            last_event_id=check_last_event_id(last_event_id),
            max_event_size=check_size("max_event_size", max_event_size),
            accepts_unfinished=check_flag("accept_unfinished", accept_unfinished),
            progress=None if position is None else Progress(position),
        )

    @property
    def connector(self) -> Connector:
        """Where the connections come from: the `Connector` that was given, or the one for the URL and its options."""
        return self._loop.connector

    @property
    def last_event_id(self) -> str:
        """The last event ID: that of the event handed over last, or of a later block that only set the ID."""
        return self._loop.last_event_id

    @property
    def ready_state(self) -> ReadyState:
        """How the source stands."""
        return self._loop.ready_state

    @property
    def reconnection_time(self) -> Optional[float]:
        """What the stream's last ``retry`` field asked for, in seconds; None if there was none.

        As it was asked for: `ReconnectPolicy` has bounds for what is obeyed.
        """
        return self._loop.reconnection_time

    @property
    def last_activity(self) -> Optional[float]:
        """When the last byte arrived, a head or a comment too, on the clock of ``time.monotonic()``; None before.

        For a health check: ``time.monotonic() - source.last_activity`` are the seconds of silence.
        """
        return self._loop.last_activity

    @property
    def next_attempt_in(self) -> Optional[float]:
        """Seconds until the next attempt, for a countdown; None while there is no wait for one, or none that ends."""
        return self._loop.next_attempt_in

    @property
    def is_paused(self) -> bool:
        """Whether `pause` has been called, and `resume` has not since then."""
        return self._loop.control.is_paused

    @property
    def progress(self) -> Optional[Progress]:
        """How far the program has got, as written to its ``position``; None without one.

        For programs that hand events on to other threads, as `Listener` does.
        """
        return self._loop.progress

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
        return self._loop.run(MessageEvent)

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
        return self._loop.run(*wanted, *([CommentEvent] if comments else []))

    def close(self) -> None:
        """End the stream for good: the loop ends, and no further request is made.

        Returns at once, never raises, may be called from any thread and any handler, and
        more than once. A loop that is blocked ends within a tenth of a second; the one
        thing that cannot be cut short is the operating system's look-up of a host name.
        """
        self._loop.close()

    def reconnect(self) -> None:
        """Make a new connection now: drop the one there is, or cut the wait for the next one short.

        Events that have arrived are still handed over. The count of failed attempts goes back
        to zero. Without a running loop, while paused, and after `close`, nothing happens. May
        be called from any thread; returns at once.

        Raises:
            RuntimeError: The source was made with ``reconnect=None``, or for a method that
                is not repeated by default; or its loop runs in another process.
        """
        self._loop.ask(Ask.RECONNECT)

    def pause(self) -> None:
        """Drop the connection and make none until `resume`: while the computer sleeps, for example.

        The last event ID is kept. Events that have arrived are still handed over. Before a
        loop, it keeps the loop from connecting. After `close`, nothing happens. May be called
        from any thread, and more than once; returns at once.

        Raises:
            RuntimeError: As `reconnect`.
        """
        self._loop.ask(Ask.PAUSE)

    def resume(self) -> None:
        """Go on after `pause`: connect at once, from the last event ID on. Without a pause, nothing happens.

        May be called from any thread; returns at once.

        Raises:
            RuntimeError: As `reconnect`.
        """
        self._loop.resume()

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
        state = "PAUSED" if self.is_paused else self.ready_state
        return f"<EventSource {self.connector.url} {state} last_event_id={self.last_event_id!r}>"


def _refuse_settings(settings: dict[str, Any]) -> None:
    defaults = EventSource.__init__.__kwdefaults__ or {}
    for name, value in settings.items():
        if value is not defaults[name] and value != defaults[name]:
            raise TypeError(f"{name} cannot be given along with a Connector, which makes its own requests")
