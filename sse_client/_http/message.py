"""What is asked of a server: the request of an attempt, and what a redirect makes of it.

The rules are those of the HTML Living Standard, section 9.2.2 and 9.2.4 (``Accept``,
``Last-Event-ID``), RFC 9110, section 15.4 (redirects), and one of this package: nothing
of the user's goes to another origin.

Rules of this file: values and functions of values; nothing is sent from here.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from datetime import timezone
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Any, Callable, NamedTuple, Optional, Union
from urllib.parse import urljoin

from sse_client._arguments import NotGiven
from sse_client._version import __version__

from .url import check_url, origin_of, split_credentials, without_secrets

Headers = Mapping[str, str]
UrlOrFunction = Union[str, Callable[[], str]]
HeadersOrFunction = Union[Headers, Callable[[], Headers], None]

NO_JSON: Any = NotGiven("<no JSON>")
"""Stands for "no JSON body": None is a body, ``null``."""

_NORMALIZED_METHODS = frozenset({"DELETE", "GET", "HEAD", "OPTIONS", "POST", "PUT"})
_NAME_OR_METHOD = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"  # a "token" (RFC 9110, section 5.6.2)
_ILLEGAL_IN_VALUE = r"[\r\n\0]"
_OUR_HEADERS = {
    "Accept": "text/event-stream",
    "Cache-Control": "no-cache",
    "User-Agent": f"sse-client/{__version__}",
}


class RedirectRefused(Exception):
    """A redirect leads to where no client should go; the text says why."""


class Request(NamedTuple):
    """One request, ready to be sent, with the user's headers kept apart from ours.

    Attributes:
        url: Absolute, without credentials and fragment.
        own_headers: The user's, the credentials of the URL among them.
        last_event_id: What the stream is to go on from, or ``""``.
    """

    method: str
    url: str
    own_headers: Headers
    body: Optional[bytes]
    last_event_id: str

    def __repr__(self) -> str:
        return f"Request(method={self.method!r}, url={without_secrets(self.url)!r})"

    def headers(self) -> dict[str, str]:
        """Return what to send, each value as the characters whose Latin-1 bytes are its UTF-8 bytes.

        http.client encodes headers as Latin-1; the standard wants the last event ID, and
        this package wants the rest, as UTF-8.
        """
        given = {name.lower() for name in self.own_headers}
        headers = {name: value for name, value in _OUR_HEADERS.items() if name.lower() not in given}
        headers.update(self.own_headers)
        if self.last_event_id:
            headers["Last-Event-ID"] = self.last_event_id
        return {name: value.encode().decode("latin-1") for name, value in headers.items()}

    def redirected(self, status: int, location: Optional[str]) -> Request:
        """Return the request that a redirect asks for.

        Raises:
            RedirectRefused: The redirect leads nowhere, away from HTTP, or would carry
                the body to another origin.
        """
        if not location:
            raise RedirectRefused("a redirect without a Location")
        try:
            # Where the header holds bytes beyond ASCII, they are UTF-8 in practice.
            location = location.encode("latin-1").decode()
        except UnicodeError:
            pass
        try:
            url, _ = split_credentials(check_url(urljoin(self.url, location.strip().replace(" ", "%20"))))
        except ValueError as error:
            raise RedirectRefused(f"a redirect to where no stream can be: {error}") from None
        request = self._replace(url=url)
        if status == 303 or (status in (301, 302) and self.method == "POST"):
            request = request._without_body()
        if origin_of(url) != origin_of(self.url):
            if request.body is not None:
                raise RedirectRefused("a redirect that would send the request body to another origin")
            request = request._replace(own_headers={})
        return request

    def _without_body(self) -> Request:
        own_headers = {k: v for k, v in self.own_headers.items() if not k.lower().startswith("content-")}
        method = self.method if self.method == "HEAD" else "GET"
        return self._replace(method=method, own_headers=own_headers, body=None)


class RequestOptions:
    """What the user asked for, checked: the recipe of the request of each attempt.

    Raises:
        TypeError, ValueError: An argument is wrong; the message names it.
    """

    def __init__(
        self,
        url: UrlOrFunction,
        *,
        headers: HeadersOrFunction = None,
        method: str = "GET",
        body: Union[bytes, str, None] = None,
        json: Any = NO_JSON,
    ) -> None:
        self._url = url if callable(url) else check_url(url)
        self._headers = headers if callable(headers) else check_headers(headers)
        self.method = _check_method(method)
        self._body, self._type = _check_body(body, json)
        if self._body is not None and self.is_repeatable:
            name = "body" if json is NO_JSON else "json"
            raise ValueError(f'{name} cannot be sent with {self.method}: pass method="POST"')

    @property
    def is_repeatable(self) -> bool:
        """Whether the method is one that is safe to repeat without asking (RFC 9110, section 9.2.1)."""
        return self.method in ("GET", "HEAD")

    @property
    def headers_are_renewable(self) -> bool:
        """Whether asking again may bring other headers, such as a fresh token."""
        return callable(self._headers)

    def request(self, last_event_id: str) -> Request:
        """Return the request of the next attempt; calls the user's functions, which may raise anything."""
        url, credentials = split_credentials(check_url(self._url()) if callable(self._url) else self._url)
        own_headers = dict(check_headers(self._headers()) if callable(self._headers) else self._headers)
        given = {name.lower() for name in own_headers}
        if credentials and "authorization" not in given:
            own_headers["Authorization"] = credentials
        if self._type and "content-type" not in given:
            own_headers["Content-Type"] = self._type
        return Request(self.method, url, own_headers, self._body, last_event_id)


def check_headers(headers: Optional[Headers]) -> Headers:
    """Return a copy of the user's headers, or say which one cannot be sent. Values are never shown."""
    if headers is None:
        return {}
    if not isinstance(headers, Mapping):
        raise TypeError(
            f"headers must be a mapping of str to str, a function that returns one, or None, "
            f"not {type(headers).__name__}"
        )
    for name, value in headers.items():
        if not isinstance(name, str) or not isinstance(value, str):
            raise TypeError(
                f"headers must map str to str, not {type(name).__name__} to {type(value).__name__}"
                + (f" (header {name!r})" if isinstance(name, str) else "")
            )
        if not re.fullmatch(_NAME_OR_METHOD, name):
            raise ValueError(f"headers: {name!r} is not a header name (letters, digits and !#$%&'*+.^_`|~-)")
        if re.search(_ILLEGAL_IN_VALUE, value):
            raise ValueError(f"headers: the value of {name!r} must not contain CR, LF or NUL")
        if name.lower() == "last-event-id":
            raise ValueError("headers must not contain Last-Event-ID: pass it as last_event_id, from where it moves on")
        try:
            value.encode()
        except UnicodeEncodeError:
            raise ValueError(f"headers: the value of {name!r} must be encodable as UTF-8") from None
    return dict(headers)


def _check_method(method: str) -> str:
    if not isinstance(method, str):
        raise TypeError(f"method must be a str, not {type(method).__name__}")
    if not re.fullmatch(_NAME_OR_METHOD, method):
        raise ValueError(f"method must be an HTTP method such as 'GET' or 'POST', not {method!r}")
    # As fetch does (Fetch Standard, "normalize a method"); any other is another method in another case.
    return method.upper() if method.upper() in _NORMALIZED_METHODS else method


def _check_body(body: Union[bytes, str, None], json_value: Any) -> tuple[Optional[bytes], Optional[str]]:
    if json_value is not NO_JSON:
        if body is not None:
            raise TypeError("body and json cannot both be given")
        try:
            return json.dumps(json_value, allow_nan=False).encode(), "application/json"
        except (TypeError, ValueError) as error:
            raise type(error)(f"json cannot be encoded: {error}") from None
    if body is None or isinstance(body, bytes):
        return body, None
    if isinstance(body, str):
        return body.encode(), None
    raise TypeError(f"body must be bytes, a str or None, not {type(body).__name__}")


MAX_REDIRECTS = 10
MAX_REJECTED_BODY = 64 * 1024

_FOLD = r"[ \t]*[\r\n]+[ \t]*"
_REDIRECTS = frozenset({301, 302, 303, 307, 308})


def joined_headers(items: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Return header fields with their names in lower case, repeated ones joined (RFC 9110, section 5.3)."""
    headers: dict[str, str] = {}
    for given_name, given_value in items:
        name, value = given_name.lower(), unfolded(given_value)
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
    return headers


def unfolded(value: str) -> str:
    """Return a header value that was folded over several lines as one line (RFC 9112, section 5.2)."""
    return re.sub(_FOLD, " ", value)


def is_redirect(status: int) -> bool:
    """Whether the status sends the client elsewhere."""
    return status in _REDIRECTS


def why_rejected(status: int, headers: Mapping[str, str]) -> Optional[str]:
    """Return why a response is neither an event stream nor a 204, or None if it is one of them."""
    if status == HTTPStatus.NO_CONTENT:
        return None
    if status == HTTPStatus.PROXY_AUTHENTICATION_REQUIRED:
        return f"the proxy wants a login ({status_text(status)})"
    if status != HTTPStatus.OK:
        return f"the server answered {status_text(status)}"
    if "," in headers.get("content-encoding", ""):
        # Before 2.6, urllib3 unpacks such a body without a bound; and no stream needs it.
        return "the response is encoded more than once"
    given = headers.get("content-type")
    if given is None:
        return "the response has no Content-Type; an event stream has text/event-stream"
    if given.partition(";")[0].strip().lower() != "text/event-stream":
        return f"the response is of type {given[:100]!r}, not text/event-stream"
    return None


def status_text(status: int) -> str:
    """Return a status with its phrase: ``"404 Not Found"``."""
    try:
        return f"{status} {HTTPStatus(status).phrase}"
    except ValueError:
        return str(status)


def retry_after(headers: Mapping[str, str], *, now: float) -> Optional[float]:
    """Return the seconds that ``Retry-After`` asks for, or None if it asks for nothing intelligible.

    Args:
        headers: The response's, names in lower case.
        now: The time of day, in seconds since the epoch, for the form that is a date.
    """
    value = headers.get("retry-after", "").strip()
    if value.isascii() and value.isdigit():
        return float(value)
    try:
        date = parsedate_to_datetime(value)
    except (TypeError, ValueError, IndexError, OverflowError):  # it raises each of them, by version and input
        return None
    if date.tzinfo is None:
        date = date.replace(tzinfo=timezone.utc)
    return max(0.0, date.timestamp() - now)
