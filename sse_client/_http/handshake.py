"""What the handshake of a WebSocket asks for, and what its failure means.

It asks for what any HTTP client does, and a few things more.

Rules of this file: values and functions of values. A handshake is an HTTP request, so its
URL is kept as one, ``http`` or ``https``, and turned back for websockets and for showing.
"""

from __future__ import annotations

import re
import socket
import ssl
import time
from collections.abc import Mapping, Sequence
from http.client import HTTPException
from typing import Callable, NamedTuple, Optional

from websockets.http11 import Response
from websockets.typing import Subprotocol

from sse_client.errors import ConnectionFailed, EventSourceError, ResponseRejected, chain_of
from sse_client.events import MessageEvent

from .headers import NAME_PATTERN, Headers, check_headers, response_headers
from .message import HeadersOrFunction, RequestOptions, UrlOrFunction
from .proxies import Proxy
from .url import Url
from .verdict import MAX_REJECTED_BODY, retry_after, status_text

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


def rejection_of(response: Response, url: str) -> ResponseRejected:
    """Return the error for an answer to the handshake that is not 101."""
    headers = headers_of(response)
    return ResponseRejected(
        f"the server answered the WebSocket handshake with {status_text(response.status_code)}",
        url=url,
        status=response.status_code,
        headers=headers,
        body=bytes(response.body or b"")[:MAX_REJECTED_BODY],
        retry_after=retry_after(headers, now=time.time()),
    )


def has_closed_the_way(failure: EventSourceError) -> bool:
    """Whether nothing could be asked because of what stands between, rather than for want of a server.

    Args:
        failure: What has kept the connection from being made: the handshake was not sent.
    """
    if isinstance(failure, ResponseRejected):  # of a proxy that was asked for a tunnel
        return failure.status not in (401, 407) and failure.status < 500
    return isinstance(failure, ConnectionFailed) and any(
        isinstance(link, (ConnectionResetError, HTTPException, ssl.SSLError, socket.timeout, TimeoutError))
        for link in chain_of(failure)
    )


def headers_of(response: Response) -> Headers:
    """Return the headers of an answer to the handshake."""
    return response_headers(response.headers.raw_items())
