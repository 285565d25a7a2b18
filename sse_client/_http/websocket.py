"""One attempt over a WebSocket: the handshake, the frames, and how they end.

websockets has the protocol without input and output; here are the socket and the waits.

Rules of this file: bytes in and out of websockets' `ClientProtocol`; its exceptions end
here, and so do the socket's. They may quote headers and queries, so nothing of their text
goes further.
"""

from __future__ import annotations

import logging
import socket
from collections import deque
from typing import Any, Optional, Union

from websockets.client import ClientProtocol
from websockets.exceptions import InvalidStatus, PayloadTooBig
from websockets.extensions.permessage_deflate import ClientPerMessageDeflateFactory
from websockets.frames import CloseCode, Frame, Opcode
from websockets.http11 import Response
from websockets.protocol import State
from websockets.uri import parse_uri

from sse_client._arguments import check_last_event_id
from sse_client._logging import log as _log
from sse_client.connector import Connection, ResponseHead
from sse_client.errors import (
    ConnectionFailed,
    ConnectionLost,
    EventSourceError,
    EventTooLarge,
    ResponseRejected,
)
from sse_client.events import CommentEvent, MessageEvent

from .failures import (
    USERS_ERRORS,
    Circumstances,
    Timeouts,
    function_failed,
    interrupted,
    reading_failed,
    request_failed,
    timed_out,
)
from .handshake import WebSocketSettings, as_websocket, has_closed_the_way, headers_of, rejection_of
from .headers import DEFAULT_HEADERS, Headers
from .interrupt import Deadline, Interrupted, Interrupter, Limit
from .message import Request
from .proxies import environment_proxy
from .socket_file import SocketFile
from .tunnel import open_socket

# websockets logs requests and frames at DEBUG, tokens and messages among them.
_SILENT = logging.Logger("sse_client.websockets", logging.CRITICAL + 1)  # noqa: LOG001 - no configuration reaches it

_CLEAN_ENDS = (CloseCode.NORMAL_CLOSURE, CloseCode.GOING_AWAY, CloseCode.NO_STATUS_RCVD)
_UNAUTHORIZED, _FORBIDDEN = 401, 403


class WebSocketConnection(Connection):
    """One attempt; see `Connection` for what each method promises.

    Args:
        settings: What to ask for, and how long to wait.
        try_for: Seconds for everything up to the 101, and again from there to the first
            frame, without which the attempt fails. None for the settings' ``connect_timeout``
            and no such proof.

    Attributes:
        is_blocked: Whether `open` has failed because something on the way lets no WebSocket
            through, as the docstring of `sse_client.fallback` says it.
    """

    is_blocked: bool

    def __init__(self, settings: WebSocketSettings, *, try_for: Optional[float] = None) -> None:
        self.is_blocked = False
        self._settings = settings
        self._limit = Limit(settings.connect_timeout, "connect_timeout")
        if try_for is not None and (self._limit.seconds is None or try_for < self._limit.seconds):
            self._limit = Limit(try_for, "try_for")
        self._idle_limit = Limit(settings.idle_timeout, "idle_timeout")
        self._try_for = try_for
        self._interrupter = Interrupter()

        # For the reading thread, since the last handshake:
        self._sock: Any = None
        self._file: Optional[SocketFile] = None
        self._protocol: Any = None
        self._response: Optional[Response] = None
        self._frames = 0  # how many have come, of any kind
        self._partial = bytearray()  # the message whose last frame has not come yet
        self._is_text = False
        self._arrived: deque[Optional[str]] = deque()  # text frames, and None for a ping
        self._broken = ""  # why no frame is taken any more

        # Of the events:
        self._url = ""
        self._origin = ""
        self._last_event_id = ""
        self._has_skipped = False

    # Opening ----------------------------------------------------------------------------

    def open(self, last_event_id: str) -> ResponseHead:
        """See `Connection.open`. Also raises what the user's functions raise, those of the network aside."""
        self._last_event_id = last_event_id
        try:
            return self._open(self._request())
        except ResponseRejected as rejection:
            if rejection.status != _UNAUTHORIZED or not self._settings.options.is_renewable:
                raise
        self._discard()
        return self._open(self._request())

    def _request(self) -> Request:
        try:
            return self._settings.options.request("")
        except USERS_ERRORS as error:
            raise function_failed(error) from error

    def _open(self, request: Request) -> ResponseHead:
        self._url = as_websocket(str(request.url))
        self._origin = as_websocket(request.url.origin)
        _log.info("connecting to %s", self._url)
        deadline = Deadline(self._limit)
        try:
            self._connect(request)
        except EventSourceError as failure:
            self.is_blocked = has_closed_the_way(failure)
            raise
        try:
            response = self._shake_hands(request, deadline)
            if self._try_for is not None:
                self._wait_for_a_frame(self._try_for)
        except ResponseRejected as rejection:
            self.is_blocked = rejection.status not in (_UNAUTHORIZED, _FORBIDDEN)
            raise
        except ConnectionFailed:
            self.is_blocked = True
            raise
        return ResponseHead(self._url, self._origin, response.status_code, headers_of(response))

    def _connect(self, request: Request) -> None:
        settings = self._settings
        proxy = settings.proxy or (environment_proxy(request.url) if settings.trust_env else None)
        self._sock = open_socket(
            request.url,
            shown=self._url,
            proxy=proxy,
            ssl_context=settings.ssl_context,
            interrupter=self._interrupter,
            limit=self._limit,
        )
        try:
            self._file = SocketFile(self._sock, self._interrupter, self._limit)
        except Interrupted:
            raise interrupted(self._url) from None

    def _shake_hands(self, request: Request, deadline: Deadline) -> Response:
        self._protocol = protocol = ClientProtocol(
            parse_uri(as_websocket(request.url.address)),
            extensions=[ClientPerMessageDeflateFactory()],
            subprotocols=self._settings.subprotocols or None,
            max_size=self._settings.max_event_size,
            logger=_SILENT,
        )
        handshake = protocol.connect()
        user_agent = {"User-Agent": DEFAULT_HEADERS["User-Agent"]}
        for name, value in (Headers(user_agent) | request.user_headers).items():
            handshake.headers.pop(name, None)  # assigning would add a second one
            handshake.headers[name] = value
        protocol.send_request(handshake)
        try:
            self._flush()
            while protocol.handshake_exc is None and protocol.state is State.CONNECTING:
                self._receive(Limit(deadline.remaining(), self._limit.parameter))
        except Interrupted:
            raise interrupted(self._url) from None
        except OSError as error:
            raise self._no_answer("no answer to the handshake", error, self._limit) from error
        if isinstance(protocol.handshake_exc, InvalidStatus):
            raise rejection_of(protocol.handshake_exc.response, self._url)
        if protocol.handshake_exc is not None:
            if isinstance(protocol.handshake_exc.__cause__, EOFError):
                reason = "the connection was closed without an answer to the handshake"
            else:
                reason = f"the answer to the handshake is garbled ({type(protocol.handshake_exc).__name__})"
            raise ConnectionFailed(reason, url=self._url)
        assert self._response is not None
        return self._response

    def _wait_for_a_frame(self, limit: float) -> None:
        """Wait until the server has said anything at all; it is asked to by a ping."""
        deadline = Deadline(Limit(limit, "try_for"))
        self._protocol.send_ping(b"")
        ended = ConnectionFailed("the handshake succeeded, but the connection ended before any frame", url=self._url)
        try:
            self._flush()
            while not self._frames and self._protocol.state is State.OPEN:
                self._receive(Limit(deadline.remaining(), "try_for"))
        except Interrupted:
            raise interrupted(self._url) from None
        except socket.timeout as error:
            raise self._no_answer("the handshake succeeded, but no frame came", error, deadline.limit) from error
        except OSError as error:
            raise ended from error
        if not self._frames:
            raise ended

    def _no_answer(self, what: str, error: OSError, limit: Limit) -> EventSourceError:
        when = Circumstances(self._url, Timeouts(limit, limit, limit), None)
        if isinstance(error, socket.timeout):
            return timed_out(what, socket.timeout(), limit, when)  # the whole limit, not what was left of it
        return request_failed(error, when)

    # Reading ----------------------------------------------------------------------------

    def read(self) -> list[Union[MessageEvent, CommentEvent]]:
        """See `Connection.read`. A ping is a comment. Also raises whatever the user's ``to_event`` raises.

        Raises:
            ConnectionLost: The connection broke, or the server closed it as a failure.
            EventTooLarge: A message is larger than ``max_event_size``.
        """
        while True:
            while self._arrived:
                text = self._arrived.popleft()
                event = CommentEvent("ping") if text is None else self._event_of(text)
                if event is not None:
                    return [event]
            if self._broken or self._protocol.state is not State.OPEN:
                self._raise_unless_clean()
                return []
            try:
                self._receive(self._idle_limit)
            except Interrupted:
                raise ConnectionLost("the connection was interrupted", url=self._url) from None
            except OSError as error:
                raise reading_failed(error, self._url, self._idle_limit) from error

    def is_ready(self) -> bool:
        """See `Connection.is_ready`."""
        return bool(self._arrived) or self._file is None or self._file.is_ready()

    def _receive(self, limit: Limit) -> None:
        """Wait for bytes, take what they complete, and send what they ask for (pongs, the answer to a close)."""
        assert self._file is not None
        self._file.limit_waits(limit)
        data = self._file.receive()
        if data:
            self._protocol.receive_data(data)
        else:
            self._protocol.receive_eof()
        for event in self._protocol.events_received():
            if isinstance(event, Response):
                self._response = event
            else:
                self._take(event)
        self._flush()

    def _flush(self) -> None:
        data = b"".join(self._protocol.data_to_send())  # b"" asks to close one direction; `release` closes both
        if data:
            self._sock.settimeout(self._limit.seconds)
            try:
                self._sock.sendall(data)
            finally:
                self._sock.settimeout(0)  # as the file wants it

    def _take(self, frame: Frame) -> None:
        self._frames += 1
        if self._broken:
            return
        if frame.opcode in (Opcode.TEXT, Opcode.BINARY):
            self._is_text = frame.opcode is Opcode.TEXT
        elif frame.opcode is not Opcode.CONT:
            if frame.opcode is Opcode.PING:
                self._arrived.append(None)
            return
        self._partial += frame.data
        if not frame.fin:
            return
        message, self._partial = self._partial, bytearray()
        if self._is_text:
            try:
                self._arrived.append(message.decode())
            except UnicodeDecodeError:
                # "the endpoint MUST _Fail the WebSocket Connection_" (RFC 6455, section 8.1)
                self._broken = "the server sent a text frame that is not UTF-8"
                self._protocol.fail(CloseCode.INVALID_DATA)
        elif not self._has_skipped:
            self._has_skipped = True
            _log.warning("%s: binary frames are skipped, only text frames become events", self._url)

    def _event_of(self, text: str) -> Optional[MessageEvent]:
        if self._settings.to_event is None:
            return MessageEvent("message", text, self._last_event_id, self._origin)
        event = self._settings.to_event(text)
        if event is None:
            return None
        if not isinstance(event, MessageEvent):
            raise TypeError(f"to_event must return a MessageEvent or None, not {type(event).__name__}")
        if event.last_event_id:
            self._last_event_id = check_last_event_id(event.last_event_id)
        return MessageEvent(event.type, event.data, self._last_event_id, event.origin or self._origin)

    def _raise_unless_clean(self) -> None:
        """Raise what has ended the connection, unless a close frame has ended it as usual."""
        protocol = self._protocol
        if self._broken:
            raise ConnectionLost(self._broken, url=self._url)
        if isinstance(protocol.parser_exc, PayloadTooBig):
            raise EventTooLarge(url=self._url, limit=self._settings.max_event_size)
        if protocol.close_rcvd is not None:
            code = protocol.close_rcvd.code
            if code not in _CLEAN_ENDS:
                raise ConnectionLost(f"the server closed the WebSocket with code {int(code)}", url=self._url)
        elif isinstance(protocol.parser_exc, EOFError):
            raise ConnectionLost("the connection ended without a close frame", url=self._url)
        else:
            raise ConnectionLost("the server sent what is not a WebSocket frame", url=self._url)

    # Ending -----------------------------------------------------------------------------

    def interrupt(self) -> None:
        """See `Connection.interrupt`."""
        self._interrupter.interrupt()

    def release(self) -> None:
        """See `Connection.release`. Says goodbye with a close frame, and does not wait for the answer."""
        if self._protocol is not None and self._protocol.state is State.OPEN:
            self._protocol.send_close(CloseCode.NORMAL_CLOSURE)
            try:
                self._sock.sendall(b"".join(self._protocol.data_to_send()))
            except OSError:
                pass  # it is broken, shut down, or too full for a goodbye
        self._discard()

    def _discard(self) -> None:
        file, self._file = self._file, None
        if file is not None:
            file.close()
        self._interrupter.release()
        sock, self._sock = self._sock, None
        if sock is not None:
            sock.close()
