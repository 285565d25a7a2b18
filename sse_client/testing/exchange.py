"""One request and the response to it, as a handler sees them.

Everything that the server of this package can say is said by the methods of `Exchange`.
"""

from __future__ import annotations

import threading
import time
import zlib
from collections.abc import Iterable, Mapping
from http import HTTPStatus
from typing import Callable, Literal, Optional, Union, cast

from .http import ExchangeEnded, RecordedRequest, Wire
from .script import Script, Stage, as_steps

__all__ = ["BodyEncoder", "Encoding", "Exchange", "Framing", "Handler", "HeaderFields", "check_framing", "header_pairs"]

Framing = Literal["chunked", "close", "length"]
Encoding = Literal["gzip", "deflate"]
HeaderFields = Union[Mapping[str, str], Iterable[tuple[str, str]]]

_GLANCE = 0.02  # seconds between two looks at whether the server closes, where two things are waited for


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

    def __init__(self, wire: Wire, request: RecordedRequest, closing: threading.Event) -> None:
        self.request = request
        self._wire = wire
        self._closing = closing
        self._over = False  # the connection has been ended by drop() or reset()
        # The response, from send_head() on.
        self._head_sent = False
        self._reusable = False  # whether the connection can serve another request after this response
        self._has_body = True
        self._framing: Framing = "chunked"
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
        if self._head_sent:
            raise RuntimeError("a response has one head, and it has been sent")
        check_framing(framing)
        if (content_length is not None) != (framing == "length"):
            raise ValueError("content_length must be given with framing='length', and only with it")
        fields: dict[str, str] = {}
        if content_type is not None:
            fields["Content-Type"] = content_type
        if encoding is not None:
            fields["Content-Encoding"] = encoding
        self._has_body = self.request.method != "HEAD" and status not in (204, 304) and status >= 200
        if content_length is not None:
            fields["Content-Length"] = str(content_length)
        elif framing == "chunked" and status not in (204, 304):
            fields["Transfer-Encoding"] = "chunked"
        self._reusable = (
            keep_alive
            and (framing != "close" or not self._has_body)
            and self.request.version != "HTTP/1.0"
            and self.request.headers.get("Connection", "").lower() != "close"
        )
        if not self._reusable:
            fields["Connection"] = "close"
        self._framing = framing
        self._missing = content_length or 0
        self._encoder = BodyEncoder(encoding)
        self._until_cut = cut_after
        self._head_sent = True

        given = header_pairs(headers)
        replaced = {name.lower() for name, _ in given}
        lines = [f"HTTP/1.1 {int(status)} {_phrase(status)}"]
        lines += [f"{name}: {value}" for name, value in fields.items() if name.lower() not in replaced]
        lines += [f"{name}: {value}" for name, value in given]
        self._write("\r\n".join([*lines, "", ""]).encode("utf-8"))

    def send(self, data: bytes) -> None:
        """Send ``data`` as the next bytes of the body, at once: encoded, flushed, and as a chunk of its own.

        Sends the head first, with its defaults, if none has been sent. Blocks while the
        client does not read.
        """
        if not self._head_sent:
            self.send_head()
        if data:
            self._send_encoded(self._encoder.encode(data))

    def run(self, *steps: Script) -> None:
        """Play steps, and events as they are. Blocks as they do.

        Raises:
            TypeError: Something is neither a step nor a `MessageEvent`.
            ValueError: Bytes follow a step after which none can be sent.
        """
        for step in as_steps(steps):
            step.play(self)

    def respond(self, status: int, body: bytes = b"", headers: HeaderFields = ()) -> None:
        """Send a whole response with a Content-Length, and no Content-Type unless ``headers`` has one."""
        if status in (204, 304):
            self.send_head(status, headers, content_type=None)
        else:
            self.send_head(status, headers, content_type=None, framing="length", content_length=len(body))
            self.send(body)

    def write_raw(self, data: bytes) -> None:
        """Send bytes on the connection as they are, around all framing: for heads that are slow, huge or broken.

        The connection is ended after the exchange, without completing anything.
        """
        self._head_sent = True
        self._has_body = False
        self._reusable = False
        self._write(data)

    def pause(self, seconds: float) -> None:
        """Do nothing for some seconds; raises `ExchangeEnded` when the server closes meanwhile."""
        if self._closing.wait(seconds):
            raise ExchangeEnded("the server is closing")

    def wait_for(self, event: threading.Event, timeout: float = 10.0) -> None:
        """Wait until the test sets ``event``; raises `ExchangeEnded` when the server closes meanwhile.

        Raises:
            TimeoutError: It was not set within ``timeout`` seconds.
        """
        deadline = time.monotonic() + timeout
        while not event.wait(min(_GLANCE, timeout)):
            if self._closing.is_set():
                raise ExchangeEnded("the server is closing")
            if time.monotonic() >= deadline:
                raise TimeoutError(f"a script waited for a threading.Event that was not set within {timeout} s")

    def drop(self) -> None:
        """End the connection here, whatever the head has promised."""
        self._over = True
        self._wire.close()

    def reset(self) -> None:
        """Break the connection off with a TCP reset."""
        self._over = True
        self._wire.close(reset=True)

    def hold(self) -> None:
        """Keep the connection open and silent until the client goes away.

        Raises:
            ExchangeEnded: The server is closing.
        """
        if not self._over:
            self._wire.wait_for_end()
        self._over = True
        if self._closing.is_set():
            raise ExchangeEnded("the server is closing")

    def finish(self) -> bool:
        """Complete the response; return whether the connection can serve another request. For the server."""
        if self._over or not self._head_sent:
            return False
        if self._has_body:
            self._send_encoded(self._encoder.finish())
            if self._until_cut is not None or (self._framing == "length" and self._missing != 0):
                return False
            if self._framing == "chunked":
                self._write(b"0\r\n\r\n")
        if not self._reusable:
            self._over = True
            self._wire.close(farewell=True)
        return self._reusable

    def _send_encoded(self, data: bytes) -> None:
        if not data or not self._has_body:
            return
        if self._framing == "chunked":
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
        self._wire.write(data)


Handler = Callable[[Exchange], object]
"""A function that answers one request, called in the thread of the client's connection. What it returns is ignored."""


class BodyEncoder:
    """The encoding of one body: what goes in comes out at once."""

    def __init__(self, encoding: Optional[Encoding]) -> None:
        if encoding not in (None, "gzip", "deflate"):
            raise ValueError(f"encoding must be None, 'gzip' or 'deflate', not {encoding!r}")
        self._compressor = zlib.compressobj(wbits=31 if encoding == "gzip" else 15) if encoding else None

    def encode(self, data: bytes) -> bytes:
        """Return ``data``, encoded and flushed."""
        if self._compressor is None:
            return data
        return self._compressor.compress(data) + self._compressor.flush(zlib.Z_SYNC_FLUSH)

    def finish(self) -> bytes:
        """Return the bytes that end the body."""
        return b"" if self._compressor is None else self._compressor.flush()


def check_framing(framing: Framing) -> None:
    """Raise a ValueError for what is no framing."""
    if framing not in ("chunked", "close", "length"):
        raise ValueError(f"framing must be 'chunked', 'close' or 'length', not {framing!r}")


def header_pairs(headers: HeaderFields) -> list[tuple[str, str]]:
    """Return ``headers`` as pairs of name and value."""
    if isinstance(headers, Mapping):
        return list(cast("Mapping[str, str]", headers).items())
    return list(headers)


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Unknown"
