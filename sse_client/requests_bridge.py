"""`RequestsConnector`: event streams over a ``requests.Session`` that the application already has.

Example::

    session = requests.Session()
    session.auth = ("me", "secret")
    with EventSource(RequestsConnector(session, "https://example.com/builds")) as source:
        for event in source:
            print(event.data)

When you need it
    A session holds what you do not want to write again: a login, adapters, cookies, headers, a
    proxy, certificates. The session carries the stream, and all of these apply. A program
    without a session has no use for this module: `EventSource` takes headers, proxies and
    certificates itself, with one package less.

What stays the same
    Everything that an `EventSource` does: it reconnects, resumes, times out, and `close` ends
    every wait. The arguments about the stream (``reconnect``, ``last_event_id``, ``position``,
    ``max_event_size``) go to the `EventSource`, those about the request and its time-outs to
    the `RequestsConnector`. What the session does and what it does not do is listed there.

What differs
    Requests 2.32.2 or newer is needed. The time-outs are those of the connector. An adapter's
    ``max_retries`` apply within each attempt, and `ReconnectPolicy` between attempts.
    An adapter that is neither requests' own nor a subclass gives no access to its socket, so an
    attempt over it ends when its time-outs are up and no sooner.

Rules of this file: the connector and its contract. What an answer means is decided in
`_http.attempt`, as over urllib3; how a session sends a request, in `_http.session`.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Optional, Union

from ._arguments import AS_IDLE_TIMEOUT, refuse_arguments
from ._http.attempt import HttpConnection
from ._http.message import NO_JSON, HeadersOrFunction, RequestOptions, UrlOrFunction
from ._http.pools import check_urllib3
from ._http.transport import make_timeouts
from ._http.verdict import EVENT_STREAM
from .connector import Connection, Connector

try:
    import requests

    from ._http.session import RequestsTransport
except ImportError as _error:  # without the underscore, a public name of this module
    raise ImportError(
        "RequestsConnector needs one package more: pip install 'requests>=2.32.2'", name="requests"
    ) from _error

__all__ = ["RequestsConnector"]


_INSTEAD = {
    **{
        name: f"set session.{name}, which applies to the stream"
        for name in ("auth", "cert", "cookies", "hooks", "params", "proxies", "verify")
    },
    "allow_redirects": "redirects are always followed, 10 at most",
    "data": "pass body= or json=",
    "files": "pass body=",
    "stream": "the body is always streamed",
    "timeout": "pass connect_timeout=, response_timeout= or idle_timeout=",
}
"""Arguments of ``Session.request``, and what does their job here."""


class RequestsConnector(Connector):
    """Lets an `EventSource` make its requests through a ``requests.Session``.

    The session's login, headers, adapters, cookies, parameters, proxies, certificates,
    retries and hooks all apply, as they are at each attempt. Statuses, types, redirects,
    ``Retry-After`` and errors are treated as without requests.

    - Headers: those given here win over the session's, and the session's over this
      package's own. The headers that requests sends by default are not sent: a stream is
      asked for as ``text/event-stream``, and not compressed. An ``Authorization`` given
      here, in the URL too, also wins over the session's ``auth`` and over ``.netrc``.
    - This package follows redirects. A request to another origin carries nothing of the
      session but its proxies, its ``verify``, its hooks and the cookies of that host: no
      headers, ``auth``, ``.netrc``, ``params`` or client certificate. (What an adapter
      adds by itself, it adds everywhere.)
    - A response hook that reads the body waits for its end: leave the streams out there.
      Raising for a bad status is fine.
    - The session is used in the thread that iterates, and never changed or closed. A
      stream that was read to its end gives its connection back to the session's pool.

    `EventSource.close` takes effect at once in every phase, with two exceptions that it has
    to wait for: the look-up of a host name, and the session's pause between its own retries
    (prefer the `ReconnectPolicy` to a ``Retry`` with a back-off). And an adapter that is not
    requests' own ``HTTPAdapter`` or a subclass (with requests before 2.32.2: any) gives no
    access to its socket: there, an attempt without a response ends when the time-outs
    are up, and ``response_timeout`` is the time-out of the stream as well, in place of
    ``idle_timeout``. Choose these to be as long as you can wait.

    Args:
        session: The session.
        url: An absolute ``http`` or ``https`` URL, or a function that returns one, called
            before every attempt in the iterating thread. User and password in it are sent
            as Basic authentication.
        headers: Headers for this stream; or a function that returns them, called before
            every attempt. If ``headers`` or ``url`` is a function and the answer is a 401,
            both are asked again and the request is made once more at once.
        method: The HTTP method. GET, POST and the like may be in lower case.
        body: The request's body, sent again with every attempt. A str is sent as UTF-8. Not
            for GET and HEAD.
        json: A value to send as a JSON body instead, with its Content-Type.
        content_types: The types that count as an event stream, such as ``"text/plain"`` from a server that
            is set up wrongly; ``""`` stands for a response without a Content-Type. None for any type.
        trusted_origins: Where all that is the session's or given here may follow to when the server
            redirects to another origin: ``"https://example.com"``, or ``"https://*.example.com"`` for all
            hosts below that name.
        https_only: Whether to refuse ``http`` addresses, also in redirects: they would carry the last
            event ID in the clear.
        connect_timeout: Seconds to wait for a connection; None for no limit.
        response_timeout: Seconds to wait, after the request, for each piece of the
            response's head; None for no limit. By default as long as ``idle_timeout``.
        idle_timeout: Seconds without a single byte after which the connection is taken for
            dead and made again; None for no limit.

    Attributes:
        is_repeatable: Whether the request may be made again without being asked for: the
            method is GET or HEAD.

    Raises:
        ImportError: Another package has taken the place of urllib3: urllib3-future.
        TypeError, ValueError: An argument is wrong; the message names it. Or, out of the
            iteration, the session is set up wrongly, and there is no other attempt: requests'
            ``InvalidHeader``, ``InvalidSchema`` (a SOCKS proxy without PySocks), ``InvalidURL``
            and ``InvalidProxyURL``, which are ValueErrors, without what they quote.
        OSError: Out of the iteration, and not retried: the file that ``session.verify`` or
            ``session.cert`` names is missing or cannot be loaded; or code of yours that the
            session runs (``auth``, hooks, an adapter) has raised it. Errors of the network are
            retried: ConnectionError, TimeoutError, `ssl.SSLError`, requests' ``ConnectionError``.
        Exception: Out of the iteration: whatever else such code raises.
    """

    is_repeatable: bool

    @refuse_arguments(_INSTEAD)
    def __init__(
        self,
        session: requests.Session,
        url: UrlOrFunction,
        *,
        headers: HeadersOrFunction = None,
        method: str = "GET",
        body: Union[bytes, str, None] = None,
        json: Any = NO_JSON,
        content_types: Optional[Iterable[str]] = (EVENT_STREAM,),
        trusted_origins: Iterable[str] = (),
        https_only: bool = False,
        connect_timeout: Optional[float] = 10.0,
        response_timeout: Optional[float] = AS_IDLE_TIMEOUT,
        idle_timeout: Optional[float] = 300.0,
    ) -> None:
        check_urllib3()
        if not isinstance(session, requests.Session):
            raise TypeError(f"session must be a requests.Session, not {type(session).__name__}")
        self._session = session
        self._options = RequestOptions(
            url,
            headers=headers,
            method=method,
            body=body,
            json=json,
            content_types=content_types,
            trusted_origins=trusted_origins,
            https_only=https_only,
        )
        self.is_repeatable = self._options.is_repeatable
        self.url: str = self._options.shown_url
        self._timeouts = make_timeouts(connect_timeout, response_timeout, idle_timeout)

    def connection(self) -> Connection:
        """See `Connector.connection`."""
        return HttpConnection(self._options, RequestsTransport(self._session, self._timeouts))
