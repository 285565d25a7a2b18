"""How a request over the application's own session or pool can be cut short while that stays as it is.

Neither shows anybody the socket that it waits for. So the request is made on a *twin* of
it: an object of a subclass, which has not a copy of its attributes but the very same ones.
It differs in one method: the adapter that a session picks is a twin as well; the pool that
an adapter or a pool manager picks is one; and there the connections are seen. All code of
the user's runs, on the user's data. Nothing is mounted, and no class is changed. What stays
behind are connections in the pool, which without an `Interrupter` do as their parent class
does.

Where something is not made as requests' own (an adapter without urllib3, say), it is used
as it is, and not watched.

Rules of this file: it knows the shape of requests and urllib3, and imports neither.
"""

from __future__ import annotations

import http.client
from functools import lru_cache
from typing import Any, Optional, cast

from .chunked import DrainingResponse
from .interrupt import Interrupter
from .pools import connect

__all__: list[str] = []


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

    @property
    def ConnectionCls(self) -> Any:  # noqa: N802 - urllib3's name
        own: Any = vars(self).get("ConnectionCls") or super().ConnectionCls  # type: ignore[misc]
        if isinstance(own, type) and issubclass(own, http.client.HTTPConnection) and hasattr(own, "_new_conn"):
            return _watched_class(own)
        return own

    def _get_conn(self, *args: Any, **kwargs: Any) -> Any:
        connection: Any = super()._get_conn(*args, **kwargs)  # type: ignore[misc]
        sock = getattr(connection, "sock", None)
        if sock is None and not isinstance(connection, _WatchedConnection):
            connection = self._new_conn()  # type: ignore[attr-defined] # in place of one that has lost its socket
        if isinstance(connection, _WatchedConnection):
            connection.interrupter = self.interrupter
        if sock is not None:
            try:
                self.interrupter.watch(sock)
            except OSError:
                pass  # interrupted, or not a socket that can be watched
        if self.interrupter.interrupted:
            cast("Any", connection).close()
            raise Interrupted
        return connection

    def _put_conn(self, connection: Any) -> None:
        # From here on it may be used for another request, which no interrupt of ours must meet.
        self.interrupter.release()
        if isinstance(connection, _WatchedConnection):
            connection.interrupter = None
        super()._put_conn(connection)  # type: ignore[misc]


class _WatchedConnection:
    """A connection whose socket an `Interrupter` knows, if there is one, from before it connects."""

    interrupter: Optional[Interrupter] = None
    sock: Any

    @property
    def response_class(self) -> Any:
        own = super().response_class  # type: ignore[misc]
        return DrainingResponse if self.interrupter is not None and own is http.client.HTTPResponse else own

    def _new_conn(self) -> Any:
        plain = super()._new_conn  # type: ignore[misc]
        if self.interrupter is None:
            return plain()
        if plain.__func__.__module__ == "urllib3.connection":
            return connect(self, self.interrupter)
        sock = plain()
        self.interrupter.watch(sock)
        return sock

    def request(self, *args: Any, **kwargs: Any) -> None:
        if self.interrupter is not None and self.sock is not None:
            self.interrupter.watch(self.sock)  # for TLS it is another object since the handshake
        super().request(*args, **kwargs)  # type: ignore[misc]


def _watched_class(cls: Any) -> Any:
    return cls if issubclass(cls, _WatchedConnection) else _subclass(_WatchedConnection, cls)


def _twin(mixin: Any, thing: Any, interrupter: Interrupter) -> Any:
    twin = object.__new__(_subclass(mixin, thing.__class__, "interrupter"))
    twin.__dict__ = thing.__dict__
    twin.interrupter = interrupter  # in a slot, so not among the attributes that both have
    return twin


@lru_cache(maxsize=64)
def _subclass(mixin: Any, cls: Any, *slots: str) -> Any:
    """Return a class that is ``cls`` but for what ``mixin`` overrides."""
    namespace: dict[str, Any] = {"__module__": __name__, "__qualname__": cls.__qualname__, "__doc__": mixin.__doc__}
    if slots:
        namespace["__slots__"] = slots
    return type(cls)(cls.__name__, (mixin, cls), namespace)
