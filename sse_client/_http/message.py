"""What is asked of a server, and what a redirect makes of it.

The rules are those of the HTML Living Standard, section 9.2.2 and 9.2.4 (``Accept``,
``Last-Event-ID``), RFC 9110, section 15.4 (redirects), and one of this package: the user's
headers, login and body go to no other origin, unless the user has named it as trusted.

Rules of this file: values and functions of values; nothing is sent from here.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from http import HTTPStatus
from typing import Any, Callable, Optional, Union

from sse_client._arguments import NotGiven, check_flag

from .headers import DEFAULT_HEADERS, NAME_PATTERN, Headers, check_headers
from .url import OriginPattern, Url
from .verdict import EVENT_STREAM, rejection_reason

UrlOrFunction = Union[str, Callable[[], str]]
HeadersOrFunction = Union[Mapping[str, str], Callable[[], Mapping[str, str]], None]

NO_JSON: Any = NotGiven("<no JSON>")
"""Stands for "no JSON body": None is a body, ``null``."""

_NORMALIZED_METHODS = frozenset({"DELETE", "GET", "HEAD", "OPTIONS", "POST", "PUT"})
# urllib3 adds these fields by itself, unless they are there in this spelling. In another one they would go out twice.
_SPELLINGS = {"host": "Host", "proxy-authorization": "Proxy-Authorization"}


class RedirectRefused(Exception):
    """A redirect leads to where no client should go; the text says why."""


@dataclass(frozen=True)
class Rules:
    """What the user lets a server answer, and lets a redirect do.

    Attributes:
        content_types: The types of an event stream, ``""`` for none at all; or None for any.
        trusted_origins: Where the user's headers may follow to.
        https_only: Whether every address must be an https one.
    """

    content_types: Optional[frozenset[str]] = frozenset({EVENT_STREAM})
    trusted_origins: tuple[OriginPattern, ...] = ()
    https_only: bool = False


@dataclass(frozen=True)
class Request:
    """One request, ready to be sent, with the user's headers kept apart from the defaults.

    Attributes:
        url: Where it goes.
        user_headers: The user's headers, the credentials of the URL among them.
        last_event_id: What the stream is to go on from, or ``""``.
        rules: What the user lets the server do.
        is_trusted: Whether it goes where the user's headers, login, body and client certificate may go. A redirect
            may have led it elsewhere, or have been elsewhere on its way.
    """

    method: str
    url: Url
    user_headers: Headers = field(repr=False)
    body: Optional[bytes] = field(repr=False)
    last_event_id: str = field(repr=False)
    rules: Rules = field(default=Rules(), repr=False)
    is_trusted: bool = field(default=True, repr=False)

    def headers(self) -> Headers:
        """Return what to send, each value as the characters whose Latin-1 bytes are its UTF-8 bytes.

        http.client encodes headers as Latin-1; the standard wants the last event ID, and
        this package wants the rest, as UTF-8.
        """
        headers = DEFAULT_HEADERS | self.user_headers
        if self.last_event_id:
            headers |= {"Last-Event-ID": self.last_event_id}
        return Headers(
            (_SPELLINGS.get(name.lower(), name), value.encode().decode("latin-1")) for name, value in headers.items()
        )

    def redirected(self, status: int, location: Optional[str]) -> Request:
        """Return the request that a redirect asks for.

        Raises:
            RedirectRefused: The redirect leads nowhere, away from HTTP, from https to http where the user forbids
                that, or would carry the body to an origin that is not trusted.
        """
        if not location:
            raise RedirectRefused("a redirect without a Location")
        try:
            # Where the header holds bytes beyond ASCII, they are UTF-8 in practice.
            location = location.encode("latin-1").decode()
        except UnicodeError:
            pass
        try:
            request = replace(self, url=self.url.join(location.strip(" \t").replace(" ", "%20")))
        except ValueError as error:
            raise RedirectRefused(f"a redirect to where no stream can be: {error}") from None
        if status == 303 or (status in (301, 302) and self.method == "POST"):
            request = request._without_body()
        if request.url.scheme != "https" and self.rules.https_only:
            raise RedirectRefused(f"a redirect to {request.url}, which https_only forbids")
        if request.url.origin == self.url.origin:
            return request
        if any(pattern.matches(request.url) for pattern in self.rules.trusted_origins):
            return replace(request, user_headers=_without(request.user_headers, lambda name: name == "host"))
        if request.body is not None:
            raise RedirectRefused("a redirect that would send the request body to another origin (see trusted_origins)")
        return replace(request, user_headers=Headers(), is_trusted=False)

    def rejection_reason(self, status: int, headers: Headers, *, codings: Collection[str]) -> Optional[str]:
        """Return why a response to this request is neither an event stream nor a 204, or None if it is one of them.

        Args:
            status: The response's status.
            headers: Its headers.
            codings: The content codings that can be undone.
        """
        reason = rejection_reason(
            status,
            headers,
            content_types=self.rules.content_types,
            any_success=self.method not in ("GET", "HEAD"),
            codings=codings,
        )
        if status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN) and not self.is_trusted:
            return f"{reason} after a redirect to another origin, where your headers are not sent (see trusted_origins)"
        return reason

    def _without_body(self) -> Request:
        user_headers = _without(self.user_headers, lambda name: name.startswith("content-"))
        method = self.method if self.method == "HEAD" else "GET"
        return replace(self, method=method, user_headers=user_headers, body=None)


def _without(headers: Headers, is_unwanted: Callable[[str], bool]) -> Headers:
    return Headers(item for item in headers.items() if not is_unwanted(item[0].lower()))


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
        content_types: Optional[Iterable[str]] = (EVENT_STREAM,),
        trusted_origins: Iterable[str] = (),
        https_only: bool = False,
    ) -> None:
        self._rules = Rules(
            None if content_types is None else frozenset(_check_types(content_types)),
            _check_origins(trusted_origins),
            check_flag("https_only", https_only),
        )
        self._url = url if callable(url) else self._parsed(url)
        self._headers = headers if callable(headers) else check_headers(headers)
        self.method: str = _check_method(method)
        self._body, self._type = _check_body(body, json)
        if self._body is not None and self.is_repeatable:
            name = "body" if json is NO_JSON else "json"
            raise ValueError(f'{name} cannot be sent with {self.method}: pass method="POST"')

    @property
    def is_repeatable(self) -> bool:
        """Whether the method is one that is safe to repeat without asking (RFC 9110, section 9.2.1)."""
        return self.method in ("GET", "HEAD")

    @property
    def shown_url(self) -> str:
        """The URL as it may be shown; ``""`` where a function returns it for each attempt."""
        return "" if callable(self._url) else str(self._url)

    @property
    def is_renewable(self) -> bool:
        """Whether asking the user's functions again may bring another request, such as one with a fresh token."""
        return callable(self._headers) or callable(self._url)

    def request(self, last_event_id: str) -> Request:
        """Return the request of the next attempt; calls the user's functions, which may raise anything."""
        url = self._parsed(self._url()) if callable(self._url) else self._url
        user_headers = check_headers(self._headers()) if callable(self._headers) else self._headers
        defaults = {"Authorization": url.authorization, "Content-Type": self._type}
        user_headers = Headers({name: value for name, value in defaults.items() if value}) | user_headers
        return Request(self.method, url, user_headers, self._body, last_event_id, self._rules)

    def _parsed(self, url: str) -> Url:
        parsed = Url.parse(url)
        if self._rules.https_only and parsed.scheme != "https":
            raise ValueError("url must start with https://, since https_only is set")
        return parsed


def _check_method(method: str) -> str:
    if not isinstance(method, str):
        raise TypeError(f"method must be a str, not {type(method).__name__}")
    if not re.fullmatch(NAME_PATTERN, method):
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


def _check_types(types: Iterable[str]) -> Iterable[str]:
    for given in _strings("content_types", types, "media types"):
        checked = given.strip().lower()
        if checked and not re.fullmatch(f"{NAME_PATTERN}/{NAME_PATTERN}", checked):
            raise ValueError(f"content_types must hold media types such as 'text/plain', or '', not {given!r}")
        yield checked


def _check_origins(origins: Iterable[str]) -> tuple[OriginPattern, ...]:
    return tuple(map(OriginPattern.parse, _strings("trusted_origins", origins, "origins")))


def _strings(name: str, values: Iterable[str], what: str) -> Iterable[str]:
    if isinstance(values, (str, bytes)) or not isinstance(values, Iterable):
        raise TypeError(f"{name} must be an iterable of {what}, not {type(values).__name__}")
    for value in values:
        if not isinstance(value, str):
            raise TypeError(f"{name} must hold {what} of type str, not {type(value).__name__}")
        yield value
