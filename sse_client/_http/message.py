"""What is asked of a server and what it answers: headers, the request, the redirect rule, the verdict on a response.

The rules are those of the HTML Living Standard, section 9.2.2 and 9.2.4 (``Accept``,
``Last-Event-ID``), RFC 9110, section 15.4 (redirects), and one of this package: nothing
of the user's goes to another origin.

Rules of this file: values and functions of values; nothing is sent from here.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import timezone
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Any, Callable, Optional, Union, cast

from sse_client._arguments import NotGiven
from sse_client._version import __version__

from .url import Url

UrlOrFunction = Union[str, Callable[[], str]]
HeadersOrFunction = Union[Mapping[str, str], Callable[[], Mapping[str, str]], None]

NO_JSON: Any = NotGiven("<no JSON>")
"""Stands for "no JSON body": None is a body, ``null``."""

_NORMALIZED_METHODS = frozenset({"DELETE", "GET", "HEAD", "OPTIONS", "POST", "PUT"})
_NAME_OR_METHOD = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"  # a "token" (RFC 9110, section 5.6.2)
_ILLEGAL_IN_VALUE = r"[\r\n\0]"


class Headers(Mapping[str, str]):
    """Header fields: names in any case, the values of a repeated field joined with ``", "`` (RFC 9110, section 5.3).

    Immutable. Iteration yields the names as they were first written. Equal to any mapping with the same names, in any
    case, and values. ``repr()`` shows no values, which may be secret.
    """

    __slots__ = ("_fields",)

    def __init__(self, fields: Union[Mapping[str, str], Iterable[tuple[str, str]]] = ()) -> None:
        self._fields: dict[str, tuple[str, str]] = {}
        pairs = cast("Mapping[str, str]", fields).items() if isinstance(fields, Mapping) else fields
        for name, value in pairs:
            first, so_far = self._fields.get(name.lower(), (name, None))
            self._fields[name.lower()] = (first, value if so_far is None else f"{so_far}, {value}")

    def __getitem__(self, name: str) -> str:
        try:
            return self._fields[name.lower()][1]
        except KeyError:
            raise KeyError(name) from None

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and name.lower() in self._fields

    def __iter__(self) -> Iterator[str]:
        return (name for name, _ in self._fields.values())

    def __len__(self) -> int:
        return len(self._fields)

    def __or__(self, other: Mapping[str, str]) -> Headers:
        """Return these fields with those of ``other`` added; where both have a field, its value is that of ``other``.

        The name of such a field stays as it was written here.
        """
        merged = Headers(self)
        for name, value in Headers(other).items():
            first, _ = merged._fields.get(name.lower(), (name, None))
            merged._fields[name.lower()] = (first, value)
        return merged

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Mapping):
            return NotImplemented
        try:
            return self._comparable() == Headers(other)._comparable()
        except AttributeError:  # its keys are not all strings
            return False

    def __hash__(self) -> int:
        return hash(frozenset(self._comparable().items()))

    def __repr__(self) -> str:
        return f"<{type(self).__name__}: {', '.join(self) or 'none'}>"

    def _comparable(self) -> dict[str, str]:
        return {key: value for key, (_, value) in self._fields.items()}


# The spelling of these names is that of the libraries below, which add theirs to what they are given, or
# replace them, without regard to case.
DEFAULT_HEADERS = Headers(
    {
        "Accept": "text/event-stream",
        "Cache-Control": "no-cache",
        "User-Agent": f"sse-client/{__version__}",
    }
)


class RedirectRefused(Exception):
    """A redirect leads to where no client should go; the text says why."""


@dataclass(frozen=True)
class Request:
    """One request, ready to be sent, with the user's headers kept apart from the defaults.

    Attributes:
        url: Where it goes.
        user_headers: The user's headers, the credentials of the URL among them.
        last_event_id: What the stream is to go on from, or ``""``.
    """

    method: str
    url: Url
    user_headers: Headers = field(repr=False)
    body: Optional[bytes] = field(repr=False)
    last_event_id: str = field(repr=False)

    def headers(self) -> Headers:
        """Return what to send, each value as the characters whose Latin-1 bytes are its UTF-8 bytes.

        http.client encodes headers as Latin-1; the standard wants the last event ID, and
        this package wants the rest, as UTF-8.
        """
        headers = DEFAULT_HEADERS | self.user_headers
        if self.last_event_id:
            headers |= {"Last-Event-ID": self.last_event_id}
        return Headers((name, value.encode().decode("latin-1")) for name, value in headers.items())

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
            request = replace(self, url=self.url.join(location.strip().replace(" ", "%20")))
        except ValueError as error:
            raise RedirectRefused(f"a redirect to where no stream can be: {error}") from None
        if status == 303 or (status in (301, 302) and self.method == "POST"):
            request = request._without_body()
        if request.url.origin != self.url.origin:
            if request.body is not None:
                raise RedirectRefused("a redirect that would send the request body to another origin")
            request = replace(request, user_headers=Headers())
        return request

    def _without_body(self) -> Request:
        of_no_body = [item for item in self.user_headers.items() if not item[0].lower().startswith("content-")]
        method = self.method if self.method == "HEAD" else "GET"
        return replace(self, method=method, user_headers=Headers(of_no_body), body=None)


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
        self._url = url if callable(url) else Url.parse(url)
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
        url = Url.parse(self._url()) if callable(self._url) else self._url
        user_headers = check_headers(self._headers()) if callable(self._headers) else self._headers
        defaults = {"Authorization": url.authorization, "Content-Type": self._type}
        user_headers = Headers({name: value for name, value in defaults.items() if value}) | user_headers
        return Request(self.method, url, user_headers, self._body, last_event_id)


def check_headers(headers: Optional[Mapping[str, str]]) -> Headers:
    """Return a copy of the user's headers, or say which one cannot be sent. Values are never shown."""
    if headers is None:
        return Headers()
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
    checked = Headers(headers)
    if len(checked) < len(headers):
        twice = next(name for name in headers if name not in list(checked))
        raise ValueError(f"headers: {twice!r} is there twice, in another case")
    return checked


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

_REDIRECTS = frozenset({301, 302, 303, 307, 308})


def response_headers(fields: Iterable[tuple[str, str]]) -> Headers:
    """Return the header fields of a response, names in lower case, each value on one line."""
    return Headers((name.lower(), unfolded(value)) for name, value in fields)


def unfolded(value: str) -> str:
    """Return a header value that was folded over several lines as one line (RFC 9112, section 5.2)."""
    if "\r" not in value and "\n" not in value:
        return value
    # A pattern that also took the blanks around the line ends would be quadratic in a run of blanks.
    return " ".join(line.strip(" \t") for line in re.split("[\r\n]+", value))


def is_redirect(status: int) -> bool:
    """Whether the status sends the client elsewhere."""
    return status in _REDIRECTS


def rejection_reason(status: int, headers: Headers) -> Optional[str]:
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


def retry_after(headers: Headers, *, now: float) -> Optional[float]:
    """Return the seconds that ``Retry-After`` asks for, or None if it asks for nothing intelligible.

    Args:
        headers: The response's.
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
