"""One request and the response to it, as a handler sees them.

Everything that the server of this package can say is said by the methods of `Exchange`.
"""

from __future__ import annotations

import threading
import time
from typing import Callable, Optional, Union

from sse_client._arguments import MAX_WAIT

from .head import BodyEncoder, Encoding, Framing, Head, HeaderFields, as_body, header_pairs
from .http import ExchangeEnded, RecordedRequest, ServerConnection
from .script import Stage, StepLike, as_steps

__all__ = ["Exchange", "Handler"]

_POLL_INTERVAL = 0.02  # seconds between two looks at whether the other of two things has happened


class Exchange(Stage):
    """One request and the response to it.

    Only the thread that runs the handler calls its methods. Each of them raises
    `ExchangeEnded` when the client has gone or the server is closing. When the handler
    returns, the response is completed as its framing wants it; if it has no head by then,
    the connection is ended without an answer.

    Attributes:
        request: The request.
    """

    request: RecordedRequest

    def __init__(self, connection: ServerConnection, request: RecordedRequest, closing: threading.Event) -> None:
        self.request = request
        self._connection = connection
        self._closing = closing
        self._over = False  # the connection has been ended by drop() or reset()
        # The response, from send_head() on.
        self._head: Optional[Head] = None
        self._reusable = False  # whether the connection can serve another request after this response
        self._has_body = True
        self._missing = 0  # of the Content-Length
        self._encoder = BodyEncoder(None)
        self._until_cut: Optional[int] = None

    def send_head(
        self,
        status: int = 200,
        headers: HeaderFields = (),
        *,
        content_type: Optional[str] = "text/event-stream",
        framing: Framing = "chunked",
        content_length: Optional[int] = None,
        encoding: Optional[Encoding] = None,
        cut_after: Optional[int] = None,
        keep_alive: bool = True,
    ) -> None:
        """Send the status line and the headers.

        Args:
            status: The status code.
            headers: Headers to add; they win over those made of the other arguments.
            content_type: The Content-Type, or None for no such header.
            framing: How the client knows where the body ends: by chunks, by the end of
                the connection, or by a Content-Length.
            content_length: The length of the encoded body, for ``framing="length"``.
            encoding: What `send` does to the body: nothing, ``"gzip"`` or ``"deflate"``.
            cut_after: Drop the connection after so many bytes of the (encoded) body.
            keep_alive: Whether the connection can serve further requests after this one.

        Raises:
            ValueError: The arguments do not fit.
            RuntimeError: A head has been sent.
        """
        pairs = header_pairs(headers)
        self.begin(Head(status, pairs, content_type, framing, encoding, cut_after, keep_alive, content_length))

    def begin(self, head: Head) -> None:
        """Send the head. Raises as `send_head` does. For the replies of this package."""
        if self._head is not None:
            raise RuntimeError("a response has one head, and it has been sent")
        if (head.content_length is not None) != (head.framing == "length"):
            raise ValueError("content_length must be given with framing='length', and only with it")
        self._head = head
        self._has_body = head.has_body(self.request.method)
        self._reusable = (
            head.keep_alive
            and (head.framing != "close" or not self._has_body)
            and self.request.version != "HTTP/1.0"
            and self.request.headers.get("Connection", "").lower() != "close"
        )
        self._missing = head.content_length or 0
        self._encoder = BodyEncoder(head.encoding)
        self._until_cut = head.cut_after
        self._write(head.encoded(keeps_alive=self._reusable))

    def send(self, data: bytes) -> None:
        """Send ``data`` as the next bytes of the body, at once: encoded, flushed, and as a chunk of its own.

        Sends the head first, with its defaults, if none has been sent. Blocks while the
        client does not read.
        """
        if self._head is None:
            self.send_head()
        if data:
            self._send_encoded(self._encoder.encode(data))

    def run(self, *steps: StepLike) -> None:
        """Play steps, and events as they are. Blocks as they do.

        Raises:
            TypeError: Something is neither a step nor a `MessageEvent`.
            ValueError: Bytes follow a step after which none can be sent.
        """
        for step in as_steps(steps):
            step.play(self)

    def respond(self, status: int, body: Union[bytes, str] = b"", headers: HeaderFields = ()) -> None:
        """Send a whole response with a Content-Length, and no Content-Type unless ``headers`` has one.

        Raises:
            TypeError: ``body`` is neither bytes nor a str, which is sent as UTF-8.
        """
        data = as_body(body)
        if status in (204, 304):
            self.send_head(status, headers, content_type=None)
        else:
            self.send_head(status, headers, content_type=None, framing="length", content_length=len(data))
            self.send(data)

    def write_raw(self, data: bytes) -> None:
        """Send bytes on the connection as they are, around all framing: for heads that are slow, huge or broken.

        The connection is ended after the exchange, without completing anything.
        """
        self._head = self._head or Head()
        self._has_body = False
        self._reusable = False
        self._write(data)

    def pause(self, seconds: float) -> None:
        """Do nothing for some seconds; raises `ExchangeEnded` when the server closes meanwhile."""
        if self._closing.wait(min(seconds, MAX_WAIT)):
            raise ExchangeEnded("the server is closing")

    def wait_for(self, event: threading.Event, timeout: float = 10.0) -> None:
        """Wait until the test sets ``event``; raises `ExchangeEnded` when the server closes meanwhile.

        Raises:
            TimeoutError: It was not set within ``timeout`` seconds.
        """
        deadline = time.monotonic() + timeout
        while not event.wait(min(_POLL_INTERVAL, timeout)):
            if self._closing.is_set():
                raise ExchangeEnded("the server is closing")
            if time.monotonic() >= deadline:
                raise TimeoutError(f"a script waited for a threading.Event that was not set within {timeout} s")

    def drop(self) -> None:
        """End the connection here, whatever the head has promised."""
        self._over = True
        self._connection.close()

    def reset(self) -> None:
        """Break the connection off with a TCP reset."""
        self._over = True
        self._connection.close(reset=True)

    def hold(self) -> None:
        """Keep the connection open and silent until the client goes away.

        Raises:
            ExchangeEnded: The server is closing.
        """
        if not self._over:
            self._connection.wait_for_end()
        self._over = True
        if self._closing.is_set():
            raise ExchangeEnded("the server is closing")

    def finish(self) -> bool:
        """Complete the response; return whether the connection can serve another request. For the server."""
        if self._over or self._head is None:
            return False
        if self._has_body:
            self._send_encoded(self._encoder.finish())
            if self._until_cut is not None or (self._head.framing == "length" and self._missing != 0):
                return False
            if self._head.framing == "chunked":
                self._write(b"0\r\n\r\n")
        if not self._reusable:
            self._over = True
            self._connection.close(notify=True)
        return self._reusable

    def _send_encoded(self, data: bytes) -> None:
        if not data or not self._has_body or self._head is None:
            return
        if self._head.framing == "chunked":
            head, end = b"%x\r\n" % len(data), b"\r\n"
        else:
            head, end = b"", b""
            self._missing -= len(data)
        if self._until_cut is None or self._until_cut >= len(data):
            self._write(head + data + end)
        else:
            if self._until_cut > 0:
                self._write(head + data[: self._until_cut])
            self.drop()
            raise ExchangeEnded("the response has been cut, as it was told")
        if self._until_cut is not None:
            self._until_cut -= len(data)

    def _write(self, data: bytes) -> None:
        if self._over:
            raise ExchangeEnded("the connection has been ended")
        self._connection.write(data)


Handler = Callable[[Exchange], object]
"""A function that answers one request, called in the thread of the client's connection. What it returns is ignored."""
