"""One attempt over HTTP, whatever library carries it: ask, follow redirects, check the answer, read.

`HttpConnection` has the rules. A `Transport` sends one request and returns a `Response`, which
reads one body. There are two transports: urllib3 (`transport`) and requests (`session`).
"""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Collection
from http import HTTPStatus
from typing import Optional, final

from sse_client._logging import log as _log
from sse_client.connector import Connection, ResponseHead
from sse_client.errors import ConnectionLost, ResponseRejected

from .failures import USERS_ERRORS, function_failed
from .headers import Headers
from .interrupt import Deadline, Limit, TimedOut
from .message import RedirectRefused, Request, RequestOptions
from .verdict import MAX_REDIRECTS, MAX_REJECTED_BODY, is_redirect, retry_after

REJECTED_BODY_TIME = 5.0  # seconds for the body of a rejection: it explains, and is not worth hanging for


class Response(ABC):
    """One response whose head has arrived. All of it is for the reading thread.

    Attributes:
        status: The status code.
        headers: The headers.
        detour: What to add to a reason: which proxy the request went through, if it went through one.
    """

    status: int
    headers: Headers
    detour: str = ""

    @abstractmethod
    def read(self) -> bytes:
        """See `Connection.read`; bytes only."""

    def is_ready(self) -> bool:
        """See `Connection.is_ready`."""
        return True

    def beginning(self, size: int, seconds: float) -> bytes:
        """Return as much of the body as arrives within ``seconds``, ``size`` bytes at most.

        A body that breaks off is returned up to there. Blocks.
        """
        deadline = Deadline(Limit(seconds, ""))
        self._limit_reading(deadline)
        body = b""
        try:
            while len(body) < size:
                deadline.remaining()
                piece = self.read()
                if not piece:
                    break
                body += piece
        except (ConnectionLost, TimedOut):
            pass
        return body[:size]

    def _limit_reading(self, deadline: Deadline) -> None:  # noqa: B027 - empty on purpose: not every body can
        """Let a read that waits until this deadline raise."""

    @abstractmethod
    def discard(self) -> None:
        """Release the response, whether its body was read or not. May be called again."""


class Transport(ABC):
    """What sends the requests of one attempt.

    Attributes:
        codings: The content codings that it can undo.
    """

    codings: Collection[str]

    @abstractmethod
    def send(self, request: Request) -> Response:
        """Send one request and wait for the head of its response. Redirects are not followed. Blocks.

        Args:
            request: What to send. If it is not trusted, it carries none of the application's
                client certificates, logins and cookies.

        Raises:
            EventSourceError: No response arrived.
            Exception: The pool or session of the application cannot be used; another attempt would not help.
        """

    @abstractmethod
    def interrupt(self) -> None:
        """See `Connection.interrupt`."""

    @abstractmethod
    def release(self) -> None:
        """Release all that the transport holds, its last response included: Ctrl-C may have kept it from the caller."""


@final
class HttpConnection(Connection):
    """A `Connection` that speaks HTTP. See `Connection` for what each method promises.

    Args:
        options: What to ask for.
        transport: What carries it.
    """

    def __init__(self, options: RequestOptions, transport: Transport) -> None:
        # Settings, never changed.
        self._options = options
        self._transport = transport
        # About the request under way; for the reading thread only.
        self._url = ""
        """Where the last request went, in the form for showing; for errors."""
        self._response: Optional[Response] = None

    def open(self, last_event_id: str) -> ResponseHead:
        """See `Connection.open`. Also raises whatever the user's ``url`` and ``headers`` functions raise."""
        request, response = self._follow_redirects(self._request(last_event_id))
        if response.status == HTTPStatus.UNAUTHORIZED and self._options.is_renewable:
            self._discard()
            request, response = self._follow_redirects(self._request(last_event_id))
        reason = request.rejection_reason(response.status, response.headers, codings=self._transport.codings)
        if reason is not None:
            raise self._rejection(reason, response, response.beginning(MAX_REJECTED_BODY, REJECTED_BODY_TIME))
        # The loop reads from the response itself: one call less for each event.
        self.read = response.read  # type: ignore[method-assign]
        return ResponseHead(self._url, request.url.origin, response.status, response.headers)

    def read(self) -> bytes:
        """See `Connection.read`."""
        raise AssertionError("a connection is read after it has been opened")

    def is_ready(self) -> bool:
        """See `Connection.is_ready`."""
        assert self._response is not None
        return self._response.is_ready()

    def interrupt(self) -> None:
        """See `Connection.interrupt`."""
        self._transport.interrupt()

    def release(self) -> None:
        """See `Connection.release`."""
        try:
            self._discard()
        finally:
            self._transport.release()

    def _request(self, last_event_id: str) -> Request:
        try:
            return self._options.request(last_event_id)
        except USERS_ERRORS as error:
            raise function_failed(error) from error

    def _follow_redirects(self, request: Request) -> tuple[Request, Response]:
        redirects = 0
        while True:
            self._url = str(request.url)
            _log.info("connecting to %s", self._url)
            self._response = response = self._transport.send(request)
            if not is_redirect(response.status):
                return request, response
            if redirects == MAX_REDIRECTS:
                raise self._rejection(f"more than {MAX_REDIRECTS} redirects in a row", response)
            redirects += 1
            try:
                request = request.redirected(response.status, response.headers.get("location"))
            except RedirectRefused as refusal:
                raise self._rejection(f"{refusal} (status {response.status})", response) from None
            self._discard()

    def _rejection(self, reason: str, response: Response, body: bytes = b"") -> ResponseRejected:
        return ResponseRejected(
            reason + response.detour,
            url=self._url,
            status=response.status,
            headers=response.headers,
            body=body,
            retry_after=retry_after(response.headers, now=time.time()),
        )

    def _discard(self) -> None:
        response, self._response = self._response, None
        if response is not None:
            response.discard()
