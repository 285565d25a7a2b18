"""What the handshake of a WebSocket asks for, checked: the request of any HTTP client, and a few things more.

Rules of this file: values and functions of values. A handshake is an HTTP request, so its
URL is kept as one, ``http`` or ``https``, and turned back for websockets and for showing.
"""

from __future__ import annotations

import re
import ssl
from collections.abc import Mapping, Sequence
from typing import Callable, NamedTuple, Optional

from websockets.typing import Subprotocol

from sse_client.events import MessageEvent

from .headers import NAME_PATTERN, Headers, check_headers
from .message import HeadersOrFunction, RequestOptions, UrlOrFunction
from .proxies import Proxy
from .url import Url

_OF_THE_HANDSHAKE = ("connection", "upgrade")


class WebSocketSettings(NamedTuple):
    """What a `WebSocketConnector` was given, checked."""

    options: RequestOptions
    to_event: Optional[Callable[[str], Optional[MessageEvent]]]
    subprotocols: Sequence[Subprotocol]
    connect_timeout: Optional[float]
    idle_timeout: Optional[float]
    max_event_size: int
    proxy: Optional[Proxy]
    trust_env: bool
    ssl_context: Optional[ssl.SSLContext]


def handshake_options(url: UrlOrFunction, headers: HeadersOrFunction) -> RequestOptions:
    """Return the recipe of the request that a handshake is, for an ``http`` or ``https`` URL.

    Raises:
        TypeError, ValueError: An argument is wrong; the message names it.
    """
    return RequestOptions(
        (lambda: _as_http(url())) if callable(url) else _as_http(url),
        headers=(lambda: _for_handshake(headers())) if callable(headers) else _for_handshake(headers),
    )


def check_subprotocols(names: Sequence[str]) -> Sequence[Subprotocol]:
    """Return the subprotocols to offer.

    Raises:
        TypeError, ValueError: They are not tokens (RFC 6455, section 4.1); the message names the argument.
    """
    if isinstance(names, str) or not all(isinstance(name, str) for name in names):
        raise TypeError("subprotocols must be a sequence of str")
    for name in names:
        if not re.fullmatch(NAME_PATTERN, name):
            raise ValueError(f"subprotocols: {name!r} is not a token (letters, digits and !#$%&'*+-.^_`|~)")
    return [Subprotocol(name) for name in names]


def _as_http(url: str) -> str:
    if not isinstance(url, str):
        raise TypeError(f"url must be a str or a function that returns one, not {type(url).__name__}")
    scheme, _, rest = url.partition("://")
    if scheme.lower() not in ("ws", "wss"):
        raise ValueError("url must start with ws:// or wss://")
    http_url = f"http{scheme.lower()[2:]}://{rest}"
    try:
        Url.parse(http_url)
    except ValueError as error:
        raise ValueError(str(error).replace("http", "ws")) from None
    return http_url


def _for_handshake(headers: Optional[Mapping[str, str]]) -> Headers:
    checked = check_headers(headers)
    for name, value in checked.items():
        if name.lower() in _OF_THE_HANDSHAKE or name.lower().startswith("sec-websocket-"):
            raise ValueError(f"headers must not contain {name!r}, which the handshake sets")
        if not value.isascii():
            raise ValueError(f"headers: the value of {name!r} must be ASCII")  # versions of websockets differ
    return checked


def as_websocket(url: str) -> str:
    """Return an ``http`` URL, or a ``https`` one, with the scheme ``ws`` or ``wss``."""
    return "ws" + url[4:]
