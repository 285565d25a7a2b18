"""How the connections of any pool, manager or session become interruptible, while those objects stay as they are.

urllib3 and requests give no access to the socket that they wait for. So a request is made on a
*view* of the manager or session: an object of a subclass that has the very same
``__dict__`` as the original, and overrides one method. The view of a session gives views of
its adapters, the view of an adapter or manager gives views of its pools, and the view of a
pool gives a view of each connection that it checks out::

    session ─ get_adapter → adapter ─ get_connection_with_tls_context → pool ─┐
    manager ─ connection_from_host → pool ────────────────────────────────────┴─ _get_conn → connection

The view of a connection overrides what waits: connecting (`_new_conn`), the TLS handshake
(``ssl_context``) and reading (``response_class``). ``_put_conn`` puts the original back, so the
objects of an application stay as they were. The package's own pools are treated the same way.

An object that is not made like urllib3's or requests' own is used as it is, and its waits
are limited by its time-outs only.

A view must not refer to its original. A pool closes its connections when its last reference
goes; a traceback that keeps a view would keep the pool too. The one exception is the view of a
connection, which `_put_conn` has to turn into the original.
"""

from __future__ import annotations

import http.client
import math
import selectors
import socket
import ssl
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import lru_cache, partial
from typing import Any, Optional

from urllib3 import connection as urllib3_connection
from urllib3 import exceptions as urllib3_errors
from urllib3.exceptions import EmptyPoolError
from urllib3.util.ssl_ import create_urllib3_context, resolve_cert_reqs, resolve_ssl_version

from .connecting import connect
from .cookies import cleaned
from .failures import CertificateFileError
from .interrupt import Deadline, Interrupted, Interrupter, Limit
from .raw_response import StreamResponse

PRIVATE_NAMES = {
    "http.client.HTTPResponse": ("fp", "chunked", "length", "will_close"),
    "urllib3.connectionpool.HTTPConnectionPool": ("_get_conn", "_put_conn"),
    "urllib3.connection.HTTPConnection": ("_new_conn", "_dns_host"),
    "urllib3.contrib.socks.SOCKSConnection": ("_socks_options",),
    "urllib3.response.HTTPResponse": ("_fp",),
    "requests.Response": ("_content_consumed",),
}
"""The undocumented attributes that this package relies on, by class. A test names each one that is missing."""

_SLICE = 0.05  # seconds


class Watch:
    """What the views of one attempt share.

    Attributes:
        interrupter: What ends the waits.
        limit: How long the wait for each piece of a response's head may take.
        connecting: The argument that sets how long connecting may take.
        pool_settings: What to change in the settings of a manager's pools, for this request.
        extra_headers: Headers to send that requests would refuse.
        last_head: The status and the fields of the response that came last.
        is_new: Whether the connection in use was made for this request, rather than kept from an earlier one.
    """

    def __init__(self, interrupter: Interrupter, limit: Limit, *, connecting: str = "connect_timeout") -> None:
        self.interrupter = interrupter
        self.limit = limit
        self.connecting = connecting
        self.pool_settings: Mapping[str, Any] = {}
        self.extra_headers: dict[str, str] = {}
        self.last_head: Optional[tuple[int, list[tuple[str, str]]]] = None
        self.is_new = False


class HeaderNotSendable(Exception):
    """http.client refused the value of a header. Raised in place of its error, which quotes the value."""


def view_of_session(session: Any, watch: Watch) -> Any:
    """Return a view of a ``requests.Session``. What it sends raises `Interrupted` after an interrupt."""
    return _view(_SessionView, session, watch)


def view_of_manager(manager: Any, watch: Watch) -> Any:
    """Return a view of a ``urllib3.PoolManager`` likewise."""
    return _view(_ManagerView, manager, watch)


def stream_of(response: Any) -> Optional[StreamResponse]:
    """Return the `StreamResponse` that a urllib3 response reads from, or None if its connection had no view."""
    stream = getattr(response, "_fp", None)
    return stream if isinstance(stream, StreamResponse) else None


class _View:
    __slots__ = ()
    watch: Watch
    deadline: Optional[Deadline]


class _SessionView(_View):
    __slots__ = ()

    def get_adapter(self, *args: Any, **kwargs: Any) -> Any:
        adapter = super().get_adapter(*args, **kwargs)  # type: ignore[misc]
        if not hasattr(adapter, "get_connection_with_tls_context"):
            return adapter
        return _view(_AdapterView, adapter, self.watch)


class _AdapterView(_View):
    __slots__ = ()

    def get_connection_with_tls_context(self, *args: Any, **kwargs: Any) -> Any:
        return _view_of_pool(super().get_connection_with_tls_context(*args, **kwargs), self.watch)  # type: ignore[misc]

    def build_response(self, request: Any, response: Any) -> Any:
        """Clean the headers that requests reads by itself, then build the response as the original does.

        http.cookiejar drops all cookies of a response for one wrong attribute, and requests
        2.32 raises an AttributeError for a ``charset`` without a value.
        """
        content_type, *parameters = response.headers.get("Content-Type", "").split(";")
        if any("=" not in parameter for parameter in parameters):
            response.headers["Content-Type"] = ";".join([content_type, *(p for p in parameters if "=" in p)])
        stream = stream_of(response)
        if stream is not None:
            fields = [cleaned(field) for field in stream.headers.get_all("Set-Cookie", ())]
            for name in ("Set-Cookie", "Set-Cookie2"):
                del stream.headers[name]
            for field in filter(None, fields):
                stream.headers["Set-Cookie"] = field
        return super().build_response(request, response)  # type: ignore[misc]


class _ManagerView(_View):
    __slots__ = ()

    def connection_from_host(self, *args: Any, pool_kwargs: Any = None, **kwargs: Any) -> Any:
        if self.watch.pool_settings:
            pool_kwargs = {**self.watch.pool_settings, **(pool_kwargs or {})}
        pool = super().connection_from_host(*args, pool_kwargs=pool_kwargs, **kwargs)  # type: ignore[misc]
        return _view_of_pool(pool, self.watch)


def _view_of_pool(pool: Any, watch: Watch) -> Any:
    if not hasattr(pool, "_get_conn") or not hasattr(pool, "_put_conn"):
        return pool
    return _view(_PoolView, pool, watch)


class _PoolView(_View):
    __slots__ = ()

    def _get_conn(self, timeout: Optional[float] = None) -> Any:
        connection = self._check_out(timeout)
        if self.watch.interrupter.interrupted:
            # It goes back as it is: closing it would close a response that is still being read from it.
            super()._put_conn(connection)  # type: ignore[misc]
            # After any other error urllib3 puts back another one, which a pool that blocks has no place for.
            raise EmptyPoolError(self, "interrupted")  # type: ignore[arg-type]
        self.watch.is_new = False
        if not isinstance(connection, http.client.HTTPConnection) or not hasattr(connection, "_new_conn"):
            return connection
        view = _view(_ConnectionView, connection, self.watch)
        view.original = connection
        return view

    def _check_out(self, timeout: Optional[float]) -> Any:
        # In slices: nothing can wake a thread that waits for a pool that blocks while it is empty.
        deadline = math.inf if timeout is None else time.monotonic() + timeout
        while True:
            left = max(0.0, deadline - time.monotonic())
            try:
                return super()._get_conn(timeout=min(left, _SLICE))  # type: ignore[misc]
            except EmptyPoolError:
                if left <= _SLICE or self.watch.interrupter.interrupted:
                    raise

    def _put_conn(self, connection: Any) -> None:
        # From here on it may serve another request, which no interrupt of this attempt may end.
        self.watch.interrupter.leave()
        super()._put_conn(connection.original if isinstance(connection, _ConnectionView) else connection)  # type: ignore[misc]


class _ConnectionView(_View):
    # Its methods take self as Any: it is a urllib3 connection too, whichever the original is.
    __slots__ = ()
    original: Any

    def connect(self: Any) -> None:
        """Connect as the original does, within one deadline for all that this takes."""
        self.watch.is_new = True
        self.deadline = Deadline(Limit(self.timeout, self.watch.connecting))
        try:
            super().connect()  # type: ignore[misc]
            self.watch.interrupter.watch(self.sock)
        finally:
            self.deadline = None

    def request(self: Any, *args: Any, **kwargs: Any) -> None:
        if self.sock is not None:
            self.watch.interrupter.watch(self.sock)
        super().request(*args, **kwargs)  # type: ignore[misc]

    def putheader(self: Any, header: Any, *values: Any) -> None:
        try:
            super().putheader(header, *values)  # type: ignore[misc]
        except (TypeError, ValueError) as error:
            raise HeaderNotSendable from error

    def endheaders(self: Any, *args: Any, **kwargs: Any) -> None:
        for name, value in self.watch.extra_headers.items():
            self.putheader(name, value)
        super().endheaders(*args, **kwargs)  # type: ignore[misc]

    def getresponse(self: Any) -> Any:
        response = super().getresponse()  # type: ignore[misc]
        self.watch.last_head = (response.status, list(response.headers.items()))
        return response

    def _new_conn(self: Any) -> Any:
        method = super()._new_conn  # type: ignore[misc]
        function = getattr(method, "__func__", None)
        if function is urllib3_connection.HTTPConnection._new_conn:
            return self._connected(self._dns_host, self.port)
        socks = sys.modules.get("urllib3.contrib.socks")
        if socks is not None and function is socks.SOCKSConnection._new_conn:
            return self._connected_through_socks()
        sock = method()  # of another class of connection, which waits by itself: nothing can end that
        try:
            self.watch.interrupter.watch(sock)
        except Interrupted:
            sock.close()
            raise
        return sock

    def _connected(self: Any, host: str, port: int) -> socket.socket:
        """Do as ``HTTPConnection._new_conn`` does, and raise what that raises."""
        assert self.deadline is not None
        try:
            sock = connect(
                host.strip("[]"),
                port,
                interrupter=self.watch.interrupter,
                deadline=self.deadline,
                options=self.socket_options or (),
                source_address=self.source_address,
            )
        except (socket.gaierror, UnicodeError) as failure:
            raise urllib3_errors.NameResolutionError(self.host, self, failure) from failure  # type: ignore[arg-type]
        except socket.timeout as failure:
            raise urllib3_errors.ConnectTimeoutError(self, "timed out") from failure
        except OSError as failure:
            raise urllib3_errors.NewConnectionError(self, str(failure)) from failure
        sys.audit("http.client.connect", self, host, port)
        sock.settimeout(self.timeout)
        return sock

    def _connected_through_socks(self: Any) -> socket.socket:
        """Do as ``SOCKSConnection._new_conn`` does, over a connection to the proxy that is made here."""
        from .socks import negotiate  # noqa: PLC0415 - an optional package

        given: Any = self._socks_options
        assert self.deadline is not None
        sock = self._connected(given["proxy_host"], int(given["proxy_port"]))
        try:
            return negotiate(sock, given, (self.host, self.port), self.watch.interrupter, self.deadline)
        except socket.timeout as failure:
            raise urllib3_errors.ConnectTimeoutError(self, "timed out") from failure
        except OSError as failure:
            # What PySocks raises is an OSError, and has another that says more.
            cause = getattr(failure, "socket_err", None) or failure
            if isinstance(cause, socket.timeout):
                raise urllib3_errors.ConnectTimeoutError(self, "timed out") from cause
            raise urllib3_errors.NewConnectionError(self, str(failure)) from cause

    @property
    def ssl_context(self: Any) -> Any:
        """The original's context; while it connects, one whose handshake can be interrupted."""
        return self._interruptible(vars(self).get("ssl_context"))

    @ssl_context.setter
    def ssl_context(self: Any, context: Any) -> None:
        vars(self)["ssl_context"] = context

    @property
    def proxy_config(self: Any) -> Any:
        """The original's settings of its proxy, with a context likewise."""
        config = vars(self).get("proxy_config")
        return config and config._replace(ssl_context=self._interruptible(config.ssl_context))

    @proxy_config.setter
    def proxy_config(self: Any, config: Any) -> None:
        vars(self)["proxy_config"] = config

    def _interruptible(self: Any, context: Any) -> Any:
        if self.deadline is None:
            return context
        if context is None:
            context = self._default_context()
        # The handshake of any other class may be more than OpenSSL's: truststore verifies after it.
        if type(context) is not ssl.SSLContext:
            return context
        return _Context(context, self.watch.interrupter, self.deadline)

    def _default_context(self: Any) -> Any:
        """Return the context that urllib3 makes if it is given none; it does that where no view can reach it."""
        context = create_urllib3_context(
            ssl_version=resolve_ssl_version(self.ssl_version),
            ssl_minimum_version=self.ssl_minimum_version,
            ssl_maximum_version=self.ssl_maximum_version,
            cert_reqs=resolve_cert_reqs(self.cert_reqs),
        )
        if not self.ca_certs and not self.ca_cert_dir and not self.ca_cert_data:
            context.load_default_certs()
        return context

    @property
    def response_class(self: Any) -> Any:
        """What reads a response: `StreamResponse`, unless the connection has a class of its own for that."""
        given = type(self.original).response_class
        if given is not http.client.HTTPResponse or not hasattr(self.sock, "fileno"):
            return given
        return partial(
            StreamResponse, interrupter=self.watch.interrupter, limit=self.watch.limit, deadline=self.deadline
        )


class _Context:
    """An `ssl.SSLContext` whose handshake can be interrupted. There can be no view of one: it is a C type."""

    __slots__ = ("_context", "_deadline", "_interrupter")

    def __init__(self, context: ssl.SSLContext, interrupter: Interrupter, deadline: Deadline) -> None:
        for name, value in (("_context", context), ("_interrupter", interrupter), ("_deadline", deadline)):
            object.__setattr__(self, name, value)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._context, name)

    def __setattr__(self, name: str, value: Any) -> None:
        setattr(self._context, name, value)

    def load_verify_locations(self, *args: Any, **kwargs: Any) -> None:
        """See `ssl.SSLContext.load_verify_locations`. Raises `CertificateFileError` if that cannot be done."""
        with _files():
            self._context.load_verify_locations(*args, **kwargs)

    def load_cert_chain(self, *args: Any, **kwargs: Any) -> None:
        """See `ssl.SSLContext.load_cert_chain`. Raises `CertificateFileError` if that cannot be done."""
        with _files():
            self._context.load_cert_chain(*args, **kwargs)

    def wrap_socket(self, sock: socket.socket, **options: Any) -> ssl.SSLSocket:
        """See `ssl.SSLContext.wrap_socket`. Blocks until the handshake is done; can be interrupted.

        Raises:
            Interrupted: There has been an interrupt.
            TimedOut: The deadline has passed.
            OSError: The handshake failed.
        """
        timeout = sock.gettimeout()
        sock.settimeout(0)
        wrapped: ssl.SSLSocket = self._context.wrap_socket(sock, do_handshake_on_connect=False, **options)
        try:
            self._interrupter.watch(wrapped)
            while True:
                try:
                    wrapped.do_handshake()
                    break
                except ssl.SSLWantReadError:
                    event = selectors.EVENT_READ
                except ssl.SSLWantWriteError:
                    event = selectors.EVENT_WRITE
                self._interrupter.wait(wrapped, event, self._deadline)
            wrapped.settimeout(timeout)
        except BaseException:
            wrapped.close()
            raise
        return wrapped


@contextmanager
def _files() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise CertificateFileError(str(error)) from None


def _view(mixin: Any, thing: Any, watch: Watch) -> Any:
    view = object.__new__(_subclass(mixin, thing.__class__))
    view.__dict__ = thing.__dict__
    view.watch = watch
    view.deadline = None
    return view


@lru_cache(maxsize=64)
def _subclass(mixin: Any, cls: Any) -> Any:
    """Return a class that is ``cls`` but for what ``mixin`` overrides. Cached: a class is a cycle by itself."""
    return type(cls)(
        cls.__name__,
        (mixin, cls),
        {
            "__module__": __name__,
            "__qualname__": cls.__qualname__,
            "__doc__": mixin.__doc__,
            "__slots__": ("watch", "original", "deadline"),  # so these are not among the shared attributes
        },
    )
