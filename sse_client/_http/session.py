"""A ``requests.Session`` as a `Transport`: sending one request through it, as it is set up."""

from __future__ import annotations

import socket
from collections.abc import Iterable, Mapping
from typing import Any, Optional, cast

import requests
from requests import exceptions as requests_errors
from requests.cookies import RequestsCookieJar
from requests.structures import CaseInsensitiveDict

from sse_client.errors import ConnectionFailed, EventSourceError

from .attempt import Response, Transport
from .failures import (
    CertificateFileError,
    Circumstances,
    Timeouts,
    interrupted,
    is_of_a_file,
    is_stale,
    lone_cause,
    reading_failed,
    request_failed,
    root_cause,
    timed_out,
)
from .headers import response_headers
from .interrupt import Interrupted, Interrupter, Limit
from .message import Request
from .proxies import Proxy, check_proxy
from .session_errors import FOREIGN_ERRORS, inner_error, is_the_users, redacted, showable, why_no_header
from .transport import CONTENT_DECODERS, MAX_STALE, READ_SIZE, SAFE_METHODS, Urllib3Response
from .verdict import is_redirect
from .watched import HeaderNotSendable, Watch, stream_of, view_of_session


class _WholeResponse(Response):
    """A response that cannot be read as its bytes arrive: a hook has read it, or an adapter made it up."""

    def __init__(self, response: requests.Response, url: str, limit: Limit) -> None:
        self.status = response.status_code
        self.headers = response_headers(response.headers.items())
        self._response = response
        self._url = url
        self._limit = limit
        # Otherwise a byte at a time: with a larger size, requests would hold events back.
        self._pieces = response.iter_content(READ_SIZE if response._content_consumed else 1)

    def read(self) -> bytes:
        """See `Connection.read`."""
        try:
            return next(self._pieces, b"")
        except FOREIGN_ERRORS as error:
            lost = reading_failed(inner_error(error), self._url, self._limit)
            cause = showable(error)
            raise lost from None if cause is None else lone_cause(cause)

    def discard(self) -> None:
        """See `Response.discard`."""
        self._response.close()


class _HeadOnly(Response):
    """The answer to the last retry of a session. urllib3 has discarded it and raised; only its head is known."""

    def __init__(self, status: int, fields: Iterable[tuple[str, str]]) -> None:
        self.status = status
        self.headers = response_headers(fields)

    def read(self) -> bytes:
        """See `Connection.read`."""
        return b""

    def discard(self) -> None:
        """See `Response.discard`."""


class RequestsTransport(Transport):
    """The transport of one attempt over a session.

    Args:
        session: The session of the application. It is used, and never changed or closed.
        timeouts: How long to wait.
    """

    def __init__(self, session: requests.Session, timeouts: Timeouts) -> None:
        self._session = session
        self._timeouts = timeouts
        self.codings = CONTENT_DECODERS
        self._interrupter = Interrupter()
        self._watch = Watch(self._interrupter, timeouts.head)
        self._view: requests.Session = view_of_session(session, self._watch)
        self._raw: Any = None
        """The response being read, if nothing but its own shutdown() can wake its reader."""
        self._is_redirected = False
        self._response: Optional[requests.Response] = None
        """The last response."""

    def send(self, request: Request) -> Response:
        """See `Transport.send`.

        A request can end in these ways:

        - a response, also one for which a hook of the application has raised an `HTTPError`: returned;
        - a kept connection turns out to be closed by the server: a safe request is sent
          again at once, over the next one (RFC 9112, section 9.3.1);
        - the session's own retries are used up over a status: its head is returned;
        - an interrupt: `ConnectionFailed`;
        - the session is set up wrongly, or its own code raises: raised, and not retried;
        - an error of the network: what `failures.request_failed` makes of it.
        """
        when = Circumstances(
            str(request.url), self._timeouts, None, lambda: "the authorities are those of the session's verify"
        )
        stale = 0
        while True:
            try:
                self._interrupter.check()
                self._response = response = self._sent(request)
                break
            except Interrupted as error:
                raise interrupted(when.url) from error
            except HeaderNotSendable:  # what an auth has put there; http.client quotes it in full
                raise requests_errors.InvalidHeader(why_no_header({})) from None
            except requests.HTTPError as error:  # from a hook that calls raise_for_status()
                if error.response is None:
                    raise self._failure(request, error, when) from showable(error)
                response = error.response
                break
            except (CertificateFileError, *FOREIGN_ERRORS) as error:
                if self._interrupter.interrupted:
                    raise interrupted(when.url) from showable(error)
                if isinstance(error, requests.exceptions.RetryError) and self._watch.last_head is not None:
                    return _HeadOnly(*self._watch.last_head)
                if is_the_users(error):
                    raise
                mistake = self._mistake(request, error)
                if mistake is not None:
                    raise mistake from None
                stale += 1
                is_repeatable = request.method in SAFE_METHODS and not self._watch.is_new and stale <= MAX_STALE
                if not is_repeatable or not is_stale(inner_error(error)):
                    raise self._failure(request, error, when) from showable(error)
        self._is_redirected = True
        return self._opened(response, when)

    def interrupt(self) -> None:
        """See `Connection.interrupt`."""
        self._interrupter.interrupt()
        raw = self._raw
        if raw is not None:
            try:
                raw.shutdown()
            except (AttributeError, OSError, RuntimeError, ValueError):
                pass  # released or closed meanwhile, or nothing that has a socket

    def release(self) -> None:
        """See `Transport.release`."""
        self._raw = None
        if self._response is not None:
            self._response.close()
        self._interrupter.release()

    # Sending ----------------------------------------------------------------------------

    def _sent(self, request: Request) -> requests.Response:
        location = _Location()
        self._watch.extra_headers = {}
        send = self._send_as_session if request.is_trusted else self._send_bare
        response = send(request, location)
        location.put_back(response)
        return response

    def _send_as_session(self, request: Request, location: _Location) -> requests.Response:
        # A no-op auth keeps requests from falling back to session.auth or .netrc.
        auth = _unchanged if "authorization" in request.user_headers else None
        # The first URL has got the session's params. A redirect names a whole URL, to which none are added.
        params = dict.fromkeys(self._session.params or ()) if self._is_redirected else None
        hooks = self._session.hooks.get("response", [])
        return self._view.request(
            request.method,
            request.url.address,
            headers=self._sendable(_added_headers(request, self._session.headers)),
            data=request.body,
            params=cast("Any", params),
            auth=cast("Any", auth),
            hooks={"response": [*([hooks] if callable(hooks) else hooks), location.hide]},
            timeout=self._time_limits,
            allow_redirects=False,
            stream=True,
        )

    def _send_bare(self, request: Request, location: _Location) -> requests.Response:
        """Send a request without the headers, logins and certificates of the user, as one to another origin is."""
        cookies = RequestsCookieJar()
        for cookie in self._session.cookies:
            if cookie.domain:  # those that the program has set for no host in particular are sent to all
                cookies.set_cookie(cookie)
        headers = self._sendable(CaseInsensitiveDict(request.headers()))
        prepared = requests.PreparedRequest()
        prepared.prepare(
            method=request.method,
            url=request.url.address,
            headers={name: value for name, value in headers.items() if value is not None},
            data=request.body,
            cookies=cookies,
            hooks=self._session.hooks,
        )
        prepared.register_hook("response", location.hide)
        settings = self._settings(request)
        settings["cert"] = None
        return self._view.send(prepared, timeout=self._time_limits, allow_redirects=False, **settings)

    def _sendable(self, headers: Any) -> Any:
        """Return the headers that requests accepts. Those that it refuses and HTTP allows go to `Watch.extra_headers`.

        requests refuses a value that begins with white space, which for it includes all of
        Unicode's.
        """
        for name, given in list(headers.items()):
            if given is None:
                continue
            value = headers[name] = given.strip(" \t")  # which is no part of the value (RFC 9110, section 5.5)
            if value[:1].isspace():
                self._watch.extra_headers[name] = value
                headers[name] = None
        return headers

    @property
    def _time_limits(self) -> Any:
        return (self._timeouts.connect.seconds, self._timeouts.head.seconds)

    def _settings(self, request: Request) -> Any:
        return self._view.merge_environment_settings(request.url.address, {}, True, None, None)

    def _opened(self, response: requests.Response, when: Circumstances) -> Response:
        raw = response.raw
        limit = self._timeouts.body
        if stream_of(raw) is None:
            self._raw = raw
            limit = self._timeouts.head  # requests has set it as the time-out of the socket
            if self._interrupter.interrupted:
                response.close()
                raise interrupted(when.url)
        if response._content_consumed or not hasattr(raw, "read1"):
            return _WholeResponse(response, when.url, limit)
        return Urllib3Response(raw, url=when.url, limit=limit, detour="")

    # Failing ----------------------------------------------------------------------------

    def _failure(self, request: Request, error: Exception, when: Circumstances) -> EventSourceError:
        if isinstance(error, requests.exceptions.ProxyError):
            when = when._replace(proxy=self._shown_proxy(request))
        within = inner_error(error)
        if within is not error or not isinstance(error, requests.RequestException):
            return request_failed(within, when)
        if isinstance(error, requests.ConnectTimeout):
            return timed_out("no connection", socket.timeout(), self._timeouts.connect, when)
        if isinstance(error, requests.ReadTimeout):
            return timed_out("no response", socket.timeout(), self._timeouts.head, when)
        if isinstance(error, requests.ConnectionError):
            # requests' own has another error in it. This one is an adapter's, such as a stub in tests.
            return ConnectionFailed(f"no response: the connection failed: {redacted(str(error))}", url=when.url)
        return ConnectionFailed(f"requests could not make the request ({type(error).__name__})", url=when.url)

    def _mistake(self, request: Request, error: Exception) -> Optional[Exception]:
        """Return what is wrong with the session itself, without the values and URLs that requests quotes, or None."""
        cause = root_cause(inner_error(error))
        if is_of_a_file(cause):
            settings = self._settings(request)
            files = f"verify={settings['verify']!r}, cert={settings['cert'] if request.is_trusted else None!r}"
            return OSError(f"a certificate file of the session cannot be loaded: {cause} ({files})")
        if isinstance(error, requests_errors.InvalidHeader) and cause is error:  # otherwise it is the server's header
            return requests_errors.InvalidHeader(why_no_header(self._session.headers))
        if isinstance(error, requests_errors.InvalidSchema):
            why = str(error)
            return requests_errors.InvalidSchema(
                f"the session has no adapter for {request.url}" if "://" in why else why
            )
        if isinstance(error, (requests_errors.InvalidURL, requests_errors.MissingSchema)):
            try:
                self._named_proxy(request)
            except ValueError as why:
                return requests_errors.InvalidProxyURL(f"{why} (set in the session or the environment)")
            if not self._is_redirected:
                return requests_errors.InvalidURL(f"requests cannot use the URL {request.url}")
        return None

    def _shown_proxy(self, request: Request) -> Optional[Proxy]:
        try:
            return self._named_proxy(request)
        except ValueError:
            return None

    def _named_proxy(self, request: Request) -> Optional[Proxy]:
        named = requests.utils.select_proxy(request.url.address, self._settings(request)["proxies"])
        return check_proxy(named if named is None or "://" in named else f"http://{named}")


class _Location:
    """Hides the ``Location`` of a redirect while requests builds the response.

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


def _added_headers(request: Request, of_session: Mapping[str, Any]) -> Any:
    """Return what to add to the session's headers; None takes one of them away."""
    defaults = requests.utils.default_headers()
    headers: Any = CaseInsensitiveDict({"Last-Event-ID": None})
    kept = set()
    for name, value in of_session.items():
        if name in defaults and defaults[name] == value:
            headers[name] = None
        else:
            kept.add(name.lower())
    for name, value in request.headers().items():
        if name in request.user_headers or name.lower() not in kept or name == "Last-Event-ID":
            headers[name] = value
    return headers
