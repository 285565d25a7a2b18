"""`RequestsConnector`: event streams over a ``requests.Session`` that the application already has.

Example::

    session = requests.Session()
    session.auth = ("me", "secret")
    with EventSource(RequestsConnector(session, "https://example.com/builds")) as source:
        for event in source:
            print(event.data)

Rules of this file: what an answer means is decided in `_http.attempt`, as over urllib3; here a
request is sent through the session, and requests' exceptions end.
"""

from __future__ import annotations

import errno
import http.client
import socket
import ssl
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Optional, Union, cast

from urllib3 import exceptions as urllib3_errors

from ._arguments import check_timeout, refuse_arguments
from ._http.attempt import Answer
from ._http.failures import (
    Timeouts,
    Urllib3Exchange,
    innermost,
    is_of_a_file,
    lone_cause,
    timed_out,
    without_connections,
)
from ._http.headers import response_headers
from ._http.interrupt import Interrupter
from ._http.message import (
    NO_JSON,
    HeadersOrFunction,
    Request,
    RequestOptions,
    UrlOrFunction,
)
from ._http.proxies import Proxy, check_proxy
from ._http.verdict import EVENT_STREAM, is_redirect
from ._http.watched import Interrupted, is_watched, session_twin
from .connector import Connection, Connector
from .errors import ConnectionFailed, ConnectionLost, EventSourceError

try:
    import requests
    from requests import exceptions as requests_errors
    from requests.cookies import RequestsCookieJar
    from requests.structures import CaseInsensitiveDict
except ImportError as _error:  # without the underscore, a public name of this module
    raise ImportError(
        "RequestsConnector needs one package more: pip install 'requests>=2.32.2'", name="requests"
    ) from _error

__all__ = ["RequestsConnector"]

FOREIGN_ERRORS = (requests.RequestException, urllib3_errors.HTTPError, http.client.HTTPException, OSError)
"""All that a request over a session raises of its own accord."""

_ERRORS_OF_THE_NETWORK = (ConnectionError, TimeoutError, socket.timeout, socket.gaierror, socket.herror, ssl.SSLError)
_ERROR_NUMBERS_OF_THE_NETWORK = frozenset(
    {
        errno.EADDRNOTAVAIL,
        errno.EHOSTDOWN,
        errno.EHOSTUNREACH,
        errno.ENETDOWN,
        errno.ENETRESET,
        errno.ENETUNREACH,
        errno.ENOBUFS,
        errno.ENOTCONN,
    }
)


def is_the_users(error: Exception) -> bool:
    """Whether this is an error of the system's that says nothing of the network: another attempt will not mend it.

    requests itself raises one for a certificate file that is missing.
    """
    if not isinstance(error, OSError) or isinstance(error, (requests.RequestException, *_ERRORS_OF_THE_NETWORK)):
        return False
    return error.errno not in _ERROR_NUMBERS_OF_THE_NETWORK


def why_no_header(headers: Mapping[Any, Any]) -> str:
    """Say which header of the session's requests refuses, without its value."""
    which = "a header"
    for name, value in headers.items():
        try:
            if value is not None:
                requests.utils.check_header_validity((name, value))
        except requests_errors.InvalidHeader:
            which = f"the session's header {name!r}"
    return f"{which} cannot be sent: it must be str or bytes, without line breaks and without white space in front"


def showable(error: Exception) -> Optional[BaseException]:
    """Return what may be the cause of an error of ours, which tracebacks show: requests quotes whole URLs."""
    within = inner_error(error)
    return None if isinstance(within, requests.RequestException) else without_connections(within)


def inner_error(error: Exception) -> Exception:
    """Return the error of urllib3 or the system that an error of requests holds, or itself if it holds none."""
    if isinstance(error, requests.RequestException):
        error = next((arg for arg in error.args if isinstance(arg, Exception)), error)
    if isinstance(error, urllib3_errors.MaxRetryError) and error.reason is not None:
        error = error.reason
    return error


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
    - Redirects are followed by this package. To another origin goes nothing of the
      session's but its proxies, its ``verify``, its hooks and the cookies of that host: no
      headers, ``auth``, ``.netrc``, ``params`` or client certificate. (What an adapter
      adds by itself, it adds everywhere.)
    - A response hook that reads the body waits for its end: leave the streams out there.
      Raising for a bad status is fine.
    - The session is used in the thread that iterates, and never changed or closed. A
      stream that was read to its end gives its connection back to the session's pool.

    `EventSource.close` takes effect at once in every phase, with two exceptions that it has
    to wait for: the look-up of a host name, and the session's pause between its own retries
    (prefer the `ReconnectPolicy` to a ``Retry`` with a back-off). And an adapter that is not
    requests' own ``HTTPAdapter`` or a subclass (with requests before 2.32.2: any) shows its
    socket to nobody: there, an attempt that has brought no response ends when the time-outs
    are up, and ``response_timeout`` is the time-out of the stream as well, in place of
    ``idle_timeout``. Choose these to be as long as you can wait.

    Args:
        session: The session.
        url: An absolute ``http`` or ``https`` URL, or a function that returns one, called
            before every attempt in the iterating thread. User and password in it are sent
            as Basic authentication.
        headers: Headers for this stream; or a function that returns them, called before
            every attempt. If such a request is answered with 401, the function and the
            request are tried once more at once.
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
            response's head; None for no limit.
        idle_timeout: Seconds without a single byte after which the connection is taken for
            dead and made again; None for no limit.

    Attributes:
        is_repeatable: Whether the request may be made again without being asked for: the
            method is GET or HEAD.

    Raises:
        TypeError, ValueError: An argument is wrong; the message names it. Or, out of the
            iteration, the session is set up wrongly, and there is no other attempt: requests'
            ``InvalidHeader``, ``InvalidSchema`` (a SOCKS proxy without PySocks), ``InvalidURL``
            and ``InvalidProxyURL``, which are ValueErrors, without what they quote.
        OSError: Out of the iteration, unretried: a file of the session's ``verify`` or ``cert``
            is missing or cannot be loaded; or code of yours that the session runs (``auth``,
            hooks, an adapter) has raised it. Only those of the network are retried, such as
            ConnectionError, TimeoutError, `ssl.SSLError` and requests' own ``ConnectionError``.
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
        response_timeout: Optional[float] = 60.0,
        idle_timeout: Optional[float] = 300.0,
    ) -> None:
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
        self._timeouts = Timeouts(
            check_timeout("connect_timeout", connect_timeout),
            check_timeout("response_timeout", response_timeout),
            check_timeout("idle_timeout", idle_timeout),
        )

    def connection(self) -> Connection:
        """See `Connector.connection`."""
        return _RequestsConnection(self._options, self._timeouts, self._session)


class _RequestsConnection(Urllib3Exchange):
    """One attempt over a session; see `Connection` and `Exchange` for what each method promises."""

    def __init__(self, options: RequestOptions, timeouts: Timeouts, session: requests.Session) -> None:
        super().__init__(options, timeouts, Interrupter())
        self._session = session
        self._twin: requests.Session = session_twin(session, self._interrupter)
        self._whole: Optional[requests.Response] = None
        self._pieces: Optional[Iterator[bytes]] = None  # of a body that has no read1()
        # Since the user's last word on where to go:
        self._redirected = False
        self._has_left = False  # a redirect has led to another origin

    def _follow(self, request: Request) -> tuple[Request, Answer]:
        self._redirected = self._has_left = False
        return super()._follow(request)

    def _send(self, request: Request) -> Answer:
        if self._interrupter.interrupted:
            raise ConnectionFailed("the attempt was interrupted", url=self._url)
        self._has_left = not request.is_trusted
        try:
            response = self._send_bare(request) if self._has_left else self._send_as_session(request)
        except Interrupted as error:
            raise ConnectionFailed("the attempt was interrupted", url=self._url) from error
        except requests.HTTPError as error:  # from a hook of the user's that raises for bad statuses
            if error.response is None:
                raise self._not_sent(request, error) from showable(error)
            response = error.response
        except FOREIGN_ERRORS as error:
            if not self._interrupter.interrupted:
                if is_the_users(error):
                    raise
                mistake = self._mistake(request, error)
                if mistake is not None:
                    raise mistake from None
            raise self._not_sent(request, error) from showable(error)
        except ValueError as error:
            if str(error).startswith("Invalid header"):  # http.client's, of what an auth has put there; quoted in full
                raise requests_errors.InvalidHeader(why_no_header({})) from None
            raise
        self._redirected = True
        self._opened_whole(response)
        return Answer(response.status_code, response_headers(response.headers.items()))

    def _send_as_session(self, request: Request) -> requests.Response:
        # requests counts a login that does nothing as one: there is no other then.
        auth = _unchanged if "authorization" in request.user_headers else None
        # The session's have become part of the first URL, and a redirect has brought its own.
        params = dict.fromkeys(self._session.params or ()) if self._redirected else None
        location = _Location()
        hooks = self._session.hooks.get("response", [])
        response = self._twin.request(
            request.method,
            request.url.address,
            headers=_headers(request, self._session.headers),
            data=request.body,
            params=cast("Any", params),
            auth=cast("Any", auth),
            hooks={"response": [*([hooks] if callable(hooks) else hooks), location.hide]},
            timeout=self._time_limits,
            allow_redirects=False,
            stream=True,
        )
        location.put_back(response)
        return response

    def _send_bare(self, request: Request) -> requests.Response:
        """Send a request with nothing of the user's, as the rules for other origins want it."""
        location = _Location()
        cookies = RequestsCookieJar()
        for cookie in self._session.cookies:
            if cookie.domain:  # those that the program has set for no host in particular are sent to all
                cookies.set_cookie(cookie)
        prepared = requests.PreparedRequest()
        prepared.prepare(
            method=request.method,
            url=request.url.address,
            headers=_sendable(request.headers()),
            data=request.body,
            cookies=cookies,
            hooks=self._session.hooks,
        )
        prepared.register_hook("response", location.hide)
        settings = self._settings(request)
        settings["cert"] = None
        response = self._twin.send(prepared, timeout=self._time_limits, allow_redirects=False, **settings)
        location.put_back(response)
        return response

    @property
    def _time_limits(self) -> Any:
        return (self._timeouts.connect, self._timeouts.response)

    def _opened_whole(self, response: requests.Response) -> None:
        raw = response.raw
        self._whole = response
        self._response = raw
        if is_watched(raw):
            self._interrupter.set_timeout(self._timeouts.idle)
        else:
            self._timeouts = self._timeouts._replace(idle=self._timeouts.response)
            self._idle_parameter = "response_timeout"
            if self._interrupter.interrupted:
                raise ConnectionFailed("the attempt was interrupted", url=self._url)
        if response._content_consumed or not hasattr(raw, "read1"):
            # A byte at a time where nothing better is known: late would be worse than slow.
            self._pieces = response.iter_content(64 * 1024 if response._content_consumed else 1)

    def read(self) -> bytes:
        """See `Connection.read`."""
        if self._pieces is None:
            return super().read()
        try:
            return next(self._pieces, b"")
        except FOREIGN_ERRORS as error:
            lost = ConnectionLost(self._why_lost(inner_error(error)), url=self._url)
            cause = showable(error)
            raise lost from None if cause is None else lone_cause(cause)

    def _discard(self) -> None:
        response, self._whole = self._whole, None
        self._response = self._pieces = None
        if response is not None:
            response.close()

    def interrupt(self) -> None:
        """See `Connection.interrupt`."""
        super().interrupt()
        raw = self._response
        if raw is not None and not is_watched(raw):
            try:
                raw.shutdown()
            except (AttributeError, OSError, RuntimeError, ValueError):
                pass  # released or closed meanwhile, or nothing that has a socket

    def _not_sent(self, request: Request, error: Exception) -> EventSourceError:
        if isinstance(error, requests.exceptions.ProxyError):
            self._note_proxy(request)
        within = inner_error(error)
        if within is not error or not isinstance(error, requests.RequestException):
            return self._failure(within)
        if isinstance(error, requests.ConnectTimeout):
            reason = timed_out("no connection", "connect_timeout", self._timeouts.connect, socket.timeout())
            return ConnectionFailed(reason, url=self._url)
        if isinstance(error, requests.ReadTimeout):
            reason = timed_out("no response", "response_timeout", self._timeouts.response, socket.timeout())
            return ConnectionFailed(reason, url=self._url)
        if isinstance(error, requests.ConnectionError):
            return ConnectionFailed("no response: the connection failed", url=self._url)
        return ConnectionFailed(f"requests could not make the request ({type(error).__name__})", url=self._url)

    def _mistake(self, request: Request, error: Exception) -> Optional[Exception]:
        """Return what is wrong with the session itself, without the values and URLs that requests quotes, or None."""
        cause = innermost(inner_error(error))
        if is_of_a_file(cause):
            settings = self._settings(request)
            files = f"verify={settings['verify']!r}, cert={None if self._has_left else settings['cert']!r}"
            return OSError(f"a certificate file of the session's cannot be loaded: {cause} ({files})")
        if isinstance(error, requests_errors.InvalidHeader) and cause is error:  # otherwise it is the server's header
            return requests_errors.InvalidHeader(why_no_header(self._session.headers))
        if isinstance(error, requests_errors.InvalidSchema):
            why = str(error)
            return requests_errors.InvalidSchema(f"the session has no adapter for {self._url}" if "://" in why else why)
        if isinstance(error, (requests_errors.InvalidURL, requests_errors.MissingSchema)):
            try:
                self._named_proxy(request)
            except ValueError as why:
                return requests_errors.InvalidProxyURL(f"the session's, or the environment's, {why}")
            if not self._redirected:
                return requests_errors.InvalidURL(f"requests cannot use the URL {self._url}")
        return None

    def _note_proxy(self, request: Request) -> None:
        try:
            self._proxy = self._named_proxy(request)
        except ValueError:
            pass  # it is not shown then

    def _named_proxy(self, request: Request) -> Optional[Proxy]:
        named = requests.utils.select_proxy(request.url.address, self._settings(request)["proxies"])
        return check_proxy(named if named is None or "://" in named else f"http://{named}")

    def _settings(self, request: Request) -> Any:
        return self._twin.merge_environment_settings(request.url.address, {}, True, None, None)


class _Location:
    """Keeps the ``Location`` of a redirect out of requests' sight while it looks.

    Even when told not to follow a redirect, requests reads its whole body, however long
    that is and takes.
    """

    def __init__(self) -> None:
        self._hidden: Optional[str] = None

    def hide(self, response: requests.Response, *_: Any, **__: Any) -> None:
        if is_redirect(response.status_code):
            self._hidden = response.headers.pop("Location", None)

    def put_back(self, response: requests.Response) -> None:
        if self._hidden is not None:
            response.headers["Location"] = self._hidden


def _unchanged(prepared: requests.PreparedRequest) -> requests.PreparedRequest:
    return prepared


def _headers(request: Request, of_session: Mapping[str, Any]) -> Any:
    """Return what to add to the session's headers; None takes one of them away."""
    defaults = requests.utils.default_headers()
    headers: Any = CaseInsensitiveDict({"Last-Event-ID": None})
    kept = set()
    for name, value in of_session.items():
        if name in defaults and defaults[name] == value:
            headers[name] = None
        else:
            kept.add(name.lower())
    for name, value in _sendable(request.headers()).items():
        if name in request.user_headers or name.lower() not in kept or name == "Last-Event-ID":
            headers[name] = value
    return headers


def _sendable(headers: Mapping[str, str]) -> dict[str, str]:
    # requests refuses white space at the beginning, which is no part of a header's value.
    return {name: value.strip(" \t") for name, value in headers.items()}
