"""One attempt over HTTP, whatever library carries it: ask, follow redirects, check the answer.

What is the same for every HTTP library stands here once; a subclass sends one request and
reads one body.
"""

from __future__ import annotations

import logging
import time
from abc import abstractmethod
from collections.abc import Collection
from http import HTTPStatus

from sse_client.connector import Connection, ResponseHead
from sse_client.errors import ConnectionLost, ResponseRejected

from .headers import Headers
from .message import RedirectRefused, Request, RequestOptions
from .verdict import MAX_REDIRECTS, MAX_REJECTED_BODY, is_redirect, retry_after

_log = logging.getLogger("sse_client")

_REJECTED_BODY_TIME = 5.0


class Answer:
    """The head of one response, as it came; header names in lower case."""

    def __init__(self, status: int, headers: Headers) -> None:
        self.status = status
        self.headers = headers


class Exchange(Connection):
    """A `Connection` that speaks HTTP.

    Args:
        options: What to ask for.
    """

    def __init__(self, options: RequestOptions) -> None:
        self._options = options
        self._url = ""
        """Where the last request went, in the form for showing; for errors."""
        self._codings: Collection[str] = ()
        """The content codings that the body can be freed from."""

    @abstractmethod
    def _send(self, request: Request) -> Answer:
        """Send one request and wait for the head of its response. Redirects are not followed.

        Raises:
            ConnectionFailed: No response arrived.
        """

    @abstractmethod
    def read(self) -> bytes:
        """See `Connection.read`: the bytes of the body."""

    @abstractmethod
    def _discard(self) -> None:
        """Give the last response back unread; another request follows."""

    def _detour(self) -> str:
        """Return what to add to the reason of a failure: what stood between here and the address, if anything did."""
        return ""

    @abstractmethod
    def _limit_waiting(self, seconds: float) -> None:
        """Let no single wait of `read` take longer than this from now on."""

    def open(self, last_event_id: str) -> ResponseHead:
        """See `Connection.open`. Also raises whatever the user's ``url`` and ``headers`` functions raise."""
        request, answer = self._follow(self._options.request(last_event_id))
        if answer.status == HTTPStatus.UNAUTHORIZED and self._options.is_renewable:
            self._discard()
            request, answer = self._follow(self._options.request(last_event_id))
        reason = request.rejection_reason(answer.status, answer.headers, codings=self._codings)
        if reason is not None:
            raise self._rejection(reason, answer, self._rejected_body())
        return ResponseHead(self._url, request.url.origin, answer.status, answer.headers)

    def _follow(self, request: Request) -> tuple[Request, Answer]:
        redirects = 0
        while True:
            self._url = str(request.url)
            _log.info("connecting to %s", self._url)
            answer = self._send(request)
            if not is_redirect(answer.status):
                return request, answer
            if redirects == MAX_REDIRECTS:
                raise self._rejection(f"more than {MAX_REDIRECTS} redirects in a row", answer)
            redirects += 1
            try:
                request = request.redirected(answer.status, answer.headers.get("location"))
            except RedirectRefused as refusal:
                raise self._rejection(f"{refusal} (status {answer.status})", answer) from None
            self._discard()

    def _rejection(self, reason: str, answer: Answer, body: bytes = b"") -> ResponseRejected:
        return ResponseRejected(
            reason + self._detour(),
            url=self._url,
            status=answer.status,
            headers=answer.headers,
            body=body,
            retry_after=retry_after(answer.headers, now=time.time()),
        )

    def _rejected_body(self) -> bytes:
        # As much as comes soon: it explains the rejection, and is not worth hanging for.
        body = b""
        deadline = time.monotonic() + _REJECTED_BODY_TIME
        try:
            while len(body) < MAX_REJECTED_BODY:
                remaining = deadline - time.monotonic()
                if remaining <= 0:
                    break
                self._limit_waiting(remaining)
                piece = self.read()
                if not piece:
                    break
                body += piece
        except ConnectionLost:
            pass
        return body[:MAX_REJECTED_BODY]
