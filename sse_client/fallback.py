"""Messages over a WebSocket, and over an event stream where WebSockets are blocked.

Some networks let no WebSocket through: a proxy answers the handshake itself, cuts it off, or
answers it properly and then swallows the frames. An event stream is plain HTTP and passes.
A program that only receives can use either, and should not have to care which::

    from sse_client import EventSource
    from sse_client.fallback import WebSocketConnector, first_available

    source = EventSource(first_available(
        WebSocketConnector("wss://example.com/ws"),
        "https://example.com/events",
        on_choice=lambda chosen, reason: log.info("using %s: %s", chosen, reason),
    ))
    for event in source:
        print(event.data)

`WebSocketConnector` is a `Connector`: a source over it reconnects, backs off, times out and
closes as any other, and each text frame is an event. `first_available` is a connector that
tries one and falls back to the other.

**What counts as blocked**, before the first way has been open once:

- The handshake is answered with anything but 101. (401 and 403 are refusals: somebody has
  understood the request. They are raised.)
- A proxy refuses the tunnel to the server. (Except with 407, by which it wants a login, and
  with a 5xx, by which it says that the server is away.)
- A reset, an end, a TLS alert or a time-out (``try_for``) before the 101.
- A 101, and then no frame within ``try_for``. A ping is sent, so a server that has nothing
  to say answers with a pong. Only a proxy that swallows frames stays silent.

A name that cannot be resolved, a refused connection, a network that is unreachable and a
certificate that is not valid are none of these. They are treated as for any source: the
first three are retried, by the first way again.

**The choice** is made by the first way that opens, and remembered for as long as the
connector lives. A stream is never moved while it is open, and a way that has worked is not
given up: when the server is restarted, the source comes back by the same way. With
``retry_primary_after`` the first way is tried again, at the first reconnect after that time;
the second one stays in use unless the first one opens.

**What cannot be had.** The server has to offer the same messages both ways. A WebSocket has
no last event ID: after a reconnect it begins wherever the server begins, and at the switch
from one way to the other there is a gap or a repeat, unless the messages themselves carry
IDs (give them to the events with ``to_event``, and the event stream resumes from the last).
There is no "stop, and do not come back" as an event stream has with 204: after any close
frame the source reconnects (1000, 1001 and none are a clean end, other codes a failure).
Nothing can be sent. Binary frames are skipped. Pings are answered while the source waits for
an event, so a server that gives up after 20 seconds without a pong does so if the body of the
loop takes that long: let a `Listener` hand slow work to other threads.

**How it is made.** websockets has the protocol, without input and output
(`websockets.client.ClientProtocol`, on which its synchronous client is built too). The
socket is this package's own, so that proxies, TLS, errors and `close` are the same for both
ways. (The synchronous client connects in a way that nothing can interrupt, needs two threads
for a connection, and keeps pings to itself, which here are signs of life.)
"""

from __future__ import annotations

import ssl
import threading
import time
from collections.abc import Sequence
from typing import Callable, Optional, Union

from ._arguments import check_flag, check_number, check_size, check_timeout
from ._http.message import HeadersOrFunction, UrlOrFunction
from ._http.pools import check_urllib3
from ._http.proxies import check_proxy
from ._logging import log as _log
from .connector import Connection, Connector, ResponseHead
from .errors import EventSourceError
from .events import CommentEvent, MessageEvent
from .parser import DEFAULT_MAX_EVENT_SIZE
from .source import EventSource

try:
    from ._http.handshake import WebSocketSettings, as_websocket, check_subprotocols, handshake_options
    from ._http.websocket import WebSocketConnection
except ModuleNotFoundError as _error:  # without the underscore, a public name of this module
    if (_error.name or "").partition(".")[0] != "websockets":
        raise
    raise ImportError(
        "WebSocketConnector needs one package more: pip install 'websockets>=15'", name="websockets"
    ) from _error

__all__ = ["WebSocketConnector", "first_available"]


class WebSocketConnector(Connector):
    """Lets an `EventSource` follow a WebSocket: each text frame is an event.

    Proxies, certificates, time-outs and errors are those of an `EventSource` over a URL, and
    so is `EventSource.close` in every phase. What this package adds to a WebSocket, and what
    it cannot, is in the docstring of this module.

    Args:
        url: An absolute ``ws`` or ``wss`` URL, or a function that returns one, called before
            every attempt in the iterating thread. User and password in it are sent as Basic
            authentication. It is only shown without them and without its query.
        to_event: A function from a text frame to the event that it means, or None for no
            event; called in the iterating thread. If its event has a ``last_event_id``, that
            becomes the source's. By default, an event of type ``"message"`` with the frame
            as its data.
        headers: Headers for the handshake, such as ``Origin`` or ``Authorization``, in ASCII;
            or a function that returns them, called before every attempt. If such a handshake
            is answered with 401, the function and the handshake are tried once more at once.
        subprotocols: The subprotocols to offer, the preferred one first.
        connect_timeout: Seconds to wait for a connection, and for all up to the answer to the
            handshake; None for no limit.
        idle_timeout: Seconds without a single byte (the server's pings count) after which the
            connection is taken for dead and made again; None for no limit.
        max_event_size: The most that one message may hold, in bytes, unpacked. It is not
            bounded by the ``max_event_size`` of the `EventSource`, which is its parser's.
        proxy: The URL of a proxy, as for an `EventSource`. An HTTP proxy is asked for a
            tunnel, also for ``ws``.
        trust_env: Whether, without ``proxy``, to use the proxies that the environment names
            for ``https`` (for a ``wss`` URL) or ``http`` (for a ``ws`` URL).
        ssl_context: What to check certificates with; by default the system's authorities.

    Raises:
        TypeError, ValueError: An argument is wrong; the message names it.
        ImportError: Another package has taken the place of urllib3: urllib3-future. Or, out of the
            iteration: the proxy speaks SOCKS, and PySocks is missing.
    """

    def __init__(
        self,
        url: UrlOrFunction,
        *,
        to_event: Optional[Callable[[str], Optional[MessageEvent]]] = None,
        headers: HeadersOrFunction = None,
        subprotocols: Sequence[str] = (),
        connect_timeout: Optional[float] = 10.0,
        idle_timeout: Optional[float] = 300.0,
        max_event_size: int = DEFAULT_MAX_EVENT_SIZE,
        proxy: Optional[str] = None,
        trust_env: bool = True,
        ssl_context: Optional[ssl.SSLContext] = None,
    ) -> None:
        check_urllib3()
        if to_event is not None and not callable(to_event):
            raise TypeError(f"to_event must be a function or None, not {type(to_event).__name__}")
        if ssl_context is not None and not isinstance(ssl_context, ssl.SSLContext):
            raise TypeError(f"ssl_context must be an ssl.SSLContext or None, not {type(ssl_context).__name__}")
        self._settings = WebSocketSettings(
            options=handshake_options(url, headers),
            to_event=to_event,
            subprotocols=check_subprotocols(subprotocols),
            connect_timeout=check_timeout("connect_timeout", connect_timeout),
            idle_timeout=check_timeout("idle_timeout", idle_timeout),
            max_event_size=check_size("max_event_size", max_event_size),
            proxy=check_proxy(proxy),
            trust_env=check_flag("trust_env", trust_env),
            ssl_context=ssl_context,
        )
        shown = self._settings.options.shown_url
        self.url: str = as_websocket(shown) if shown else ""

    def connection(self) -> Connection:
        """See `Connector.connection`."""
        return WebSocketConnection(self._settings)

    def trial(self, limit: float) -> WebSocketConnection:
        """Return a connection that opens only if a frame comes through, and says why if none does.

        Args:
            limit: Seconds for all up to the answer to the handshake, and again for the frame.
        """
        return WebSocketConnection(self._settings, try_for=limit)


def first_available(
    primary: WebSocketConnector,
    fallback: Union[UrlOrFunction, Connector],
    *,
    try_for: float = 5.0,
    on_choice: Optional[Callable[[str, str], object]] = None,
    retry_primary_after: Optional[float] = None,
) -> Connector:
    """Return a connector that uses a WebSocket, or an event stream where WebSockets are blocked.

    What counts as blocked, and how the choice is made and remembered, is in the docstring of
    this module. If both ways fail in one attempt, the error is that of the second one; its
    reason says what was wrong with the first.

    Args:
        primary: The WebSocket to try first.
        fallback: The way for when it is blocked: a URL; or any `Connector`, such as a
            `RequestsConnector`, or ``EventSource(url, headers=..., ...).connector``.
        try_for: Seconds within which the handshake has to be answered (but for a name look-up,
            which cannot be cut short), and then the first frame has to come.
        on_choice: Called with the URL that is in use, without its secrets, and the reason, once
            it is open, and whenever the choice changes; in the iterating thread.
        retry_primary_after: Seconds after which a reconnect tries the first way again; None
            for never.

    Raises:
        TypeError, ValueError: An argument is wrong; the message names it.
    """
    if not isinstance(primary, WebSocketConnector):
        raise TypeError(f"primary must be a WebSocketConnector, not {type(primary).__name__}")
    if on_choice is not None and not callable(on_choice):
        raise TypeError(f"on_choice must be a function or None, not {type(on_choice).__name__}")
    return _FirstAvailable(
        primary,
        fallback if isinstance(fallback, Connector) else EventSource(fallback).connector,
        try_for=check_number("try_for", try_for, least=0.001),
        on_choice=on_choice,
        retry_primary_after=check_timeout("retry_primary_after", retry_primary_after),
    )


class _FirstAvailable(Connector):
    """Two ways, and which of them is in use. Everything here belongs to the reading thread."""

    def __init__(
        self,
        primary: WebSocketConnector,
        fallback: Connector,
        *,
        try_for: float,
        on_choice: Optional[Callable[[str, str], object]],
        retry_primary_after: Optional[float],
    ) -> None:
        self.is_repeatable = fallback.is_repeatable
        self.url = primary.url
        self.primary = primary
        self.fallback = fallback
        self.try_for = try_for
        self._on_choice = on_choice
        self._retry_after = retry_primary_after
        self.chosen: Optional[Connector] = None
        self._tried = 0.0  # when the first way was last found blocked

    def connection(self) -> Connection:
        return _EitherConnection(self)

    def real_delay(self, delay: float) -> float:
        return (self.chosen or self.fallback).real_delay(delay)

    def close(self) -> None:
        self.primary.close()
        self.fallback.close()

    def is_to_be_tried(self) -> bool:
        """Whether the next attempt begins with a trial of the first way."""
        if self.chosen is None:
            return True
        is_due = self._retry_after is not None and time.monotonic() - self._tried >= self._retry_after
        return self.chosen is self.fallback and is_due

    def note_trial(self) -> None:
        """Begin the time of ``retry_primary_after`` anew: the first way has just failed."""
        self._tried = time.monotonic()

    def choose(self, way: Connector, url: str, reason: str) -> None:
        """Remember the way, and say so if it is another than before."""
        if way is self.chosen:
            return
        self.chosen = way
        self.url = url
        _log.info("using %s: %s", url, reason)
        if self._on_choice is not None:
            self._on_choice(url, reason)


class _EitherConnection(Connection):
    """One attempt by the way that is in use, or by one and then the other. Never both at a time."""

    def __init__(self, ways: _FirstAvailable) -> None:
        self._ways = ways
        # Under the lock, which its own thread may take again: a signal handler may interrupt it.
        self._lock = threading.RLock()
        self._current: Optional[Connection] = None
        self._interrupted = False

    def open(self, last_event_id: str) -> ResponseHead:
        ways = self._ways
        blocked: Optional[EventSourceError] = None
        if ways.is_to_be_tried():
            trial = ways.primary.trial(ways.try_for)
            try:
                head = self._begin(trial).open(last_event_id)
            except EventSourceError as failure:
                # An interrupt looks like a reset. And while the second way is in use, it stays
                # in use whatever is wrong with the first one.
                if self._interrupted or not (trial.is_blocked or ways.chosen is ways.fallback):
                    raise
                ways.note_trial()
                blocked = failure
            else:
                ways.choose(ways.primary, head.url, "the WebSocket is open, and a frame has come through")
                return head
        way = ways.fallback if blocked is not None else ways.chosen
        assert way is not None
        connection = self._begin(way.connection())
        if blocked is None:
            return connection.open(last_event_id)
        _log.info("no WebSocket: %s; trying the other way", blocked)
        try:
            head = connection.open(last_event_id)
        except EventSourceError as failure:
            failure.reason = f"{failure.reason}; before that, no WebSocket: {blocked}"
            raise
        ways.choose(ways.fallback, head.url, f"no WebSocket: {blocked}")
        return head

    def _begin(self, connection: Connection) -> Connection:
        """Make it the one that is interrupted, read and released; release the one before."""
        with self._lock:
            former, self._current = self._current, connection
            if self._interrupted:
                connection.interrupt()  # so that its `open` fails without a request
        if former is not None:
            former.release()
        return connection

    def read(self) -> Union[bytes, Sequence[Union[MessageEvent, CommentEvent]]]:
        assert self._current is not None
        return self._current.read()

    def is_ready(self) -> bool:
        assert self._current is not None
        return self._current.is_ready()

    def interrupt(self) -> None:
        with self._lock:
            self._interrupted = True
            connection = self._current
        if connection is not None:
            connection.interrupt()

    def release(self) -> None:
        if self._current is not None:
            self._current.release()
