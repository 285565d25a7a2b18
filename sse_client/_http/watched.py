"""How a request over the application's own session or pool can be cut short while that stays as it is.

Neither shows anybody the socket that it waits for. So the request is made on a *twin* of
it: an object of a subclass, which has not a copy of its attributes but the very same ones.
It differs in one method: the adapter that a session picks is a twin as well, and so is the
pool that an adapter or a pool manager picks. All code of the user's runs, on the user's
data. Nothing is mounted, and no class is changed.

The twin of a pool lends each connection that it takes out a few attributes, which nobody
else meets while it is out: methods that show its socket to the `Interrupter` before they
wait, and this package's class of responses. So a connection that the application has used
before does as a new one does, and one of a class of the application's as any other. They
are taken from it again when it is put back, or thrown away. Nothing of them stays behind.

Where something is not made as requests' own (an adapter without urllib3, say), it is used
as it is, and not watched.

Rules of this file: it knows the shape of requests and urllib3, and imports no more of them
than an error.
"""

from __future__ import annotations

import http.client
import math
import time
from functools import lru_cache
from typing import Any, Optional

from urllib3.exceptions import EmptyPoolError

from .interrupt import Interrupter, connect
from .raw_response import DrainingResponse

_LENT = ("_new_conn", "request", "getresponse", "response_class")
_SLICE = 0.05  # seconds


class Interrupted(Exception):
    """No connection is made any more. Neither requests nor urllib3 catch it, so it ends their retries too."""


def session_twin(session: Any, interrupter: Interrupter) -> Any:
    """Return a twin of a ``requests.Session`` whose requests the interrupter can cut short.

    What it sends raises `Interrupted` if there has been an interrupt, or whatever requests
    makes of a connection that was shut down.
    """
    return _twin(_SessionTwin, session, interrupter)


def manager_twin(manager: Any, interrupter: Interrupter) -> Any:
    """Return a twin of a ``urllib3.PoolManager`` likewise."""
    return _twin(_ManagerTwin, manager, interrupter)


def is_watched(raw: Any) -> bool:
    """Whether the socket of a response's ``raw`` is known to the interrupter for as long as it is being read."""
    return isinstance(getattr(raw, "_pool", None), _PoolTwin)


class _Twin:
    __slots__ = ()
    interrupter: Interrupter
    borrowers: list[http.client.HTTPConnection]


class _SessionTwin(_Twin):
    __slots__ = ()

    def get_adapter(self, *args: Any, **kwargs: Any) -> Any:
        adapter = super().get_adapter(*args, **kwargs)  # type: ignore[misc]
        if not hasattr(adapter, "get_connection_with_tls_context"):
            return adapter
        return _twin(_AdapterTwin, adapter, self.interrupter)


class _AdapterTwin(_Twin):
    __slots__ = ()

    def get_connection_with_tls_context(self, *args: Any, **kwargs: Any) -> Any:
        return _pool_twin(super().get_connection_with_tls_context(*args, **kwargs), self.interrupter)  # type: ignore[misc]


class _ManagerTwin(_Twin):
    __slots__ = ()

    def connection_from_host(self, *args: Any, **kwargs: Any) -> Any:
        return _pool_twin(super().connection_from_host(*args, **kwargs), self.interrupter)  # type: ignore[misc]


def _pool_twin(pool: Any, interrupter: Interrupter) -> Any:
    if not hasattr(pool, "_get_conn") or not hasattr(pool, "_put_conn"):
        return pool
    return _twin(_PoolTwin, pool, interrupter)


class _PoolTwin(_Twin):
    __slots__ = ()

    def _get_conn(self, timeout: Optional[float] = None) -> Any:
        connection = self._taken(timeout)
        if self.interrupter.interrupted:
            connection.close()
            raise Interrupted
        if isinstance(connection, http.client.HTTPConnection) and hasattr(connection, "_new_conn"):
            self.borrowers.append(connection)
            _lend(connection, self.interrupter)
        return connection

    def _taken(self, timeout: Optional[float]) -> Any:
        # In slices, since nothing can wake a thread that waits for a pool which blocks while it is empty.
        deadline = math.inf if timeout is None else time.monotonic() + timeout
        while True:
            left = max(0.0, deadline - time.monotonic())
            try:
                return super()._get_conn(timeout=min(left, _SLICE))  # type: ignore[misc]
            except EmptyPoolError:
                # The one error after which urllib3 puts nothing back: it fits after an interrupt, too.
                if left <= _SLICE or self.interrupter.interrupted:
                    raise

    def _put_conn(self, connection: Any) -> None:
        # From here on it may be used for another request, which no interrupt of ours must meet. (If it was
        # thrown away, None is put in its place: without what it was lent it is in no cycle, and goes at once.)
        self.interrupter.release()
        while self.borrowers:
            borrower = vars(self.borrowers.pop())
            for name in _LENT:
                borrower.pop(name, None)
        super()._put_conn(connection)  # type: ignore[misc]


def _lend(connection: Any, interrupter: Interrupter) -> None:
    new_conn = connection._new_conn

    def watch(sock: Any) -> None:
        if hasattr(sock, "fileno"):
            interrupter.watch(sock)

    def connected() -> Any:
        if getattr(new_conn, "__module__", None) == "urllib3.connection":
            return connect(connection, interrupter)
        sock = new_conn()
        try:
            watch(sock)
        except OSError:
            sock.close()
            raise
        return sock

    def watched(method: Any) -> Any:
        def call(*args: Any, **kwargs: Any) -> Any:
            # One that was kept from before; for TLS, another since the handshake; or one that a connect() has made.
            watch(connection.sock)
            return method(*args, **kwargs)

        return call

    lent = {
        "_new_conn": connected,
        "request": watched(connection.request),
        "getresponse": watched(connection.getresponse),
    }
    if connection.response_class is http.client.HTTPResponse:
        lent["response_class"] = DrainingResponse
    vars(connection).update(lent)


def _twin(mixin: Any, thing: Any, interrupter: Interrupter) -> Any:
    twin = object.__new__(_subclass(mixin, thing.__class__))
    twin.__dict__ = thing.__dict__
    twin.interrupter = interrupter
    twin.borrowers = []
    return twin


@lru_cache(maxsize=64)
def _subclass(mixin: Any, cls: Any) -> Any:
    """Return a class that is ``cls`` but for what ``mixin`` overrides."""
    return type(cls)(
        cls.__name__,
        (mixin, cls),
        {
            "__module__": __name__,
            "__qualname__": cls.__qualname__,
            "__doc__": mixin.__doc__,
            "__slots__": ("interrupter", "borrowers"),  # so these are not among the attributes that both have
        },
    )
