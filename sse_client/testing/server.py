"""A server of scripted event streams on a real socket: what it answers, and what it was asked."""

from __future__ import annotations

import itertools
import logging
import ssl
import threading
from collections import deque
from collections.abc import Iterable
from types import TracebackType
from typing import Optional, Union

from sse_client._arguments import MAX_WAIT
from sse_client.events import MessageEvent

from .acceptor import Acceptor, listen
from .exchange import Exchange, Handler
from .head import Encoding, Framing, Head, HeaderFields, header_pairs
from .http import BadRequest, ExchangeEnded, RecordedRequest, ServerConnection, is_for, read_request
from .replies import log_reply, misdirected_reply, plain_reply, silent_reply, stream_reply
from .script import StepLike

__all__ = ["EventStreamServer"]

_logger = logging.getLogger("sse_client.testing")


class EventStreamServer:
    """An HTTP server on the loopback interface that plays scripted event streams and records the requests.

    A context manager. Each request is answered by the first reply queued with `stream`,
    `respond`, `redirect`, `silence`, `hang_up` or `reply` that has not been used, whatever
    its path; when none is left, by `handler`; when that is None, with a 204, which tells an
    event source to stop.

    It speaks HTTP/1.1 with kept-alive connections, each served by a thread of its own.
    Any thread may call its methods. None blocks unless it says so. A request whose ``Host``
    is neither an IP address nor ``localhost`` nor a name given here is answered with 421 and
    counts for nothing: a page in the browser of this machine may have sent it.

    Attributes:
        handler: What answers the requests for which no reply is queued, or None.
        host: The address that it listens on.

    Args:
        ssl_context: The server's side of TLS, with its certificate; or None for none.
        host: The address to listen on.
        port: The port to listen on; 0 takes a free one.
        host_names: Further names that it answers to.
    """

    handler: Optional[Handler]
    host: str

    def __init__(
        self,
        *,
        ssl_context: Optional[ssl.SSLContext] = None,
        host: str = "127.0.0.1",
        port: int = 0,
        host_names: Iterable[str] = (),
    ) -> None:
        self.handler = None
        self.host = host
        self._host_names = frozenset({host.lower(), *(name.lower() for name in host_names)})
        self._ssl_context = ssl_context
        self._port = port  # the one asked for, then the one in use, also for the next start()
        self._acceptor: Optional[Acceptor] = None  # while running; touched by start() and close() only
        self._numbers = itertools.count(1)  # of the connections
        # Shared by all threads, under this lock.
        self._changed = threading.Condition()
        self._replies: deque[Handler] = deque()
        self._requests: list[RecordedRequest] = []

    def __enter__(self) -> EventStreamServer:
        return self.start()

    def __exit__(
        self,
        exception_type: Optional[type[BaseException]],
        exception: Optional[BaseException],
        traceback: Optional[TracebackType],
    ) -> None:
        try:
            self.close()
        except BaseException:
            # The test's own failure is not to be hidden; ours is in the log.
            if exception is None:
                raise

    def __repr__(self) -> str:
        state = "closed" if self._acceptor is None else "running"
        return f"<EventStreamServer {self.host}:{self._port} {state}>"

    # Life

    def start(self) -> EventStreamServer:
        """Listen and serve; return the server itself.

        After `close`, it may be started again: on the same port, with what is still queued.

        Raises:
            OSError: The port is taken.
            RuntimeError: It is running.
        """
        if self._acceptor is not None:
            raise RuntimeError("the server is running")
        listener = listen(self.host, self._port)
        self._port = listener.getsockname()[1]
        self._acceptor = Acceptor(listener, self._ssl_context, self._serve_one, self._numbers, self._changed)
        return self

    def close(self) -> None:
        """End every connection at once, and every thread. May be called twice. Blocks for as long as that takes.

        Raises:
            BaseException: What a handler or script raised, the first of several: a test
                must not pass because its server has failed.
            RuntimeError: A handler has not returned within 10 seconds.
        """
        acceptor, self._acceptor = self._acceptor, None
        if acceptor is not None:
            acceptor.close()

    @property
    def port(self) -> int:
        """The port; 0 before the first `start` unless one was asked for."""
        return self._port

    @property
    def url(self) -> str:
        """The address of the server, such as ``"http://127.0.0.1:49152/"``. Any path under it is served.

        Raises:
            RuntimeError: The server has not been started yet.
        """
        if self._port == 0:
            raise RuntimeError("the server has no address before it is started")
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'http' if self._ssl_context is None else 'https'}://{host}:{self._port}/"

    # What to answer

    def stream(
        self,
        *steps: StepLike,
        status: int = 200,
        headers: HeaderFields = (),
        content_type: Optional[str] = "text/event-stream",
        framing: Framing = "chunked",
        encoding: Optional[Encoding] = None,
        cut_after: Optional[int] = None,
        keep_alive: bool = True,
    ) -> None:
        """Queue an event stream. Each step is sent at once: flushed, and as a chunk of its own where chunked.

        Args:
            steps: What the server does after the head; a `MessageEvent` sends itself.
            status: The status code.
            headers: Headers to add; they win over those made of the other arguments.
            content_type: The Content-Type, or None for no such header.
            framing: How the client knows where the body ends: by chunks, by the end of
                the connection, or by a Content-Length, which is that of all the steps.
            encoding: The Content-Encoding of the body: None, ``"gzip"`` or ``"deflate"``.
            cut_after: Drop the connection after so many bytes of the (encoded) body.
            keep_alive: Whether the connection can serve further requests after this one.

        Raises:
            TypeError: A step is neither a step nor a `MessageEvent`.
            ValueError: An argument is not one of those named, or bytes follow a step
                after which none can be sent.
        """
        pairs = header_pairs(headers)
        head = Head(status, pairs, content_type, framing, encoding, cut_after, keep_alive)
        self.reply(stream_reply(steps, head))

    def respond(self, status: int, body: Union[bytes, str] = b"", headers: HeaderFields = ()) -> None:
        """Queue a whole response with a Content-Length, and no Content-Type unless ``headers`` has one.

        Raises:
            TypeError: ``body`` is neither bytes nor a str, which is sent as UTF-8.
        """
        self.reply(plain_reply(status, body, headers))

    def redirect(self, location: str, status: int = 302, headers: HeaderFields = ()) -> None:
        """Queue a redirect to ``location``, an absolute or relative URL."""
        self.reply(plain_reply(status, headers=[("Location", location), *header_pairs(headers)]))

    def silence(self) -> None:
        """Queue no answer at all: the request is read, and the connection stays open and silent."""
        self.reply(silent_reply)

    def hang_up(self) -> None:
        """Queue the end of the connection in place of an answer."""
        self.reply(Exchange.drop)

    def reply(self, handler: Handler) -> None:
        """Queue a function that answers one request: the general way, on which the others are built.

        It is called in the thread of the client's connection. What it raises is raised by
        `close`; an `ExchangeEnded` is not.
        """
        with self._changed:
            self._replies.append(handler)

    def serve_log(
        self,
        events: Union[int, Iterable[MessageEvent]],
        *,
        cuts: Iterable[Optional[int]] = (),
        retry: Optional[float] = None,
        framing: Framing = "chunked",
        encoding: Optional[Encoding] = None,
    ) -> None:
        """Set `handler` to one that serves a log of events and honours Last-Event-ID.

        Each request is answered with what follows the event that it names. A client that
        has everything gets a 204, which tells it to stop. One that asks for an unknown
        event gets a 400, and `close` raises an AssertionError.

        ``server.serve_log(1000, cuts=(random.randrange(200) for _ in range(200)))`` drops
        200 connections at random bytes.

        Args:
            events: The log: events with a ``last_event_id`` each, no two the same; or a
                number N for the events "1" to "N", with these as their data and IDs.
            cuts: For one reply after the other, after how many bytes of its (encoded)
                body the connection is dropped, in the middle of an event or not. None
                leaves a reply whole; so do all that come when the cuts are used up.
            retry: The reconnection time in seconds with which each reply begins, or None.
            framing: As in `stream`.
            encoding: As in `stream`.

        Raises:
            ValueError: An event has no ID of its own, or an argument is not one of those named.
        """
        self.handler = log_reply(events, Head(framing=framing, encoding=encoding), cuts=cuts, retry=retry)

    # What was asked

    @property
    def requests(self) -> list[RecordedRequest]:
        """The requests that have arrived, in order. A new list each time."""
        with self._changed:
            return list(self._requests)

    def wait_for_requests(self, count: int, timeout: float = 10.0) -> list[RecordedRequest]:
        """Wait until ``count`` requests have arrived since the server was made; return all there are. Blocks.

        Raises:
            TimeoutError: Fewer have come in ``timeout`` seconds; the text says how many.
        """
        with self._changed:
            if not self._changed.wait_for(lambda: len(self._requests) >= count, min(timeout, MAX_WAIT)):
                raise TimeoutError(f"{len(self._requests)} requests came within {timeout} s, not {count}")
            return list(self._requests)

    @property
    def open_connections(self) -> int:
        """How many TCP connections are open now, those kept alive included.

        A client that has gone is noticed when the server reads or sends: at once in
        `hold`, in `silence` and between requests, but not in `pause` and `wait_for`.
        """
        with self._changed:
            return 0 if self._acceptor is None else len(self._acceptor.connections)

    def wait_until_disconnected(self, timeout: float = 10.0) -> None:
        """Wait until no connection is open. Blocks.

        Raises:
            TimeoutError: Some still are after ``timeout`` seconds.
        """
        with self._changed:
            if not self._changed.wait_for(lambda: not self.open_connections, min(timeout, MAX_WAIT)):
                raise TimeoutError(f"{self.open_connections} connections are still open after {timeout} s")

    # Serving

    def _serve_one(self, connection: ServerConnection, closing: threading.Event) -> bool:
        try:
            request = read_request(connection)
        except BadRequest as error:
            connection.write(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
            raise ExchangeEnded(str(error)) from error
        # A CONNECT is for a proxy, and names the host behind it (in its Host too, from Python 3.14 on).
        if request.method != "CONNECT" and not is_for(request, self._host_names):
            _logger.warning("refused a request for %r; host_names= lets it through", request.headers["Host"])
            misdirected_reply(Exchange(connection, request, closing))
            raise ExchangeEnded("the request was for another server")
        with self._changed:
            self._requests.append(request)
            self._changed.notify_all()
            handler = self._replies.popleft() if self._replies else self.handler
        exchange = Exchange(connection, request, closing)
        if handler is None:
            exchange.respond(204)
        else:
            handler(exchange)
        return exchange.finish()
