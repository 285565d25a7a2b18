"""A twin does what its original does, on the same data, and shows its sockets to an Interrupter. No sockets."""

from __future__ import annotations

import http.client
from functools import partial
from typing import Any, Optional

import pytest
import urllib3

from sse_client.interrupt import Interrupter
from sse_client.twins import Interrupted, is_watched, session_twin


class Pool(urllib3.HTTPConnectionPool):
    """A pool that notes what it is given back."""

    def __init__(self) -> None:
        super().__init__("example.test", maxsize=1)
        self.back: list[Any] = []

    def _put_conn(self, conn: Any) -> None:
        self.back.append(conn)
        super()._put_conn(conn)


class Adapter:
    def __init__(self, pool: Any) -> None:
        self.pool = pool
        self.calls = 0

    def get_connection_with_tls_context(self, request: str) -> Any:
        self.calls += 1
        return self.pool

    def send(self, request: str) -> Any:
        return self.get_connection_with_tls_context(request)


class Session:
    """As much of a session as a twin asks for."""

    def __init__(self, adapter: Any) -> None:
        self.adapter = adapter
        self.last: Optional[str] = None

    def get_adapter(self, url: str) -> Any:
        self.last = url
        return self.adapter

    def request(self, url: str) -> Any:
        return self.get_adapter(url).send(url)


def test_one_state_between_the_two() -> None:
    """What the twin sets, the original has, and the other way round; the twin is an instance of its class."""
    session = Session(Adapter(Pool()))
    twin = session_twin(session, Interrupter())
    assert isinstance(twin, Session)
    twin.request("a")
    session.extra = 1  # type: ignore[attr-defined]
    assert (session.last, session.adapter.calls, twin.extra) == ("a", 1, 1)
    assert set(vars(session)) == {"adapter", "last", "extra"}
    assert (type(session), type(session.adapter), type(session.adapter.pool)) == (Session, Adapter, Pool)


def test_originals_know_nothing_of_an_interrupter() -> None:
    """The session's own requests get the plain pool, which makes plain connections."""
    session = Session(Adapter(Pool()))
    session_twin(session, Interrupter()).request("a")
    pool = session.request("a")
    assert type(pool) is Pool
    assert type(pool._get_conn()) is pool.ConnectionCls is urllib3.connection.HTTPConnection
    pool.close()


def test_connections_have_the_interrupter_while_they_are_out() -> None:
    """A connection knows its interrupter from when it is taken until it is given back, and then does as its parent."""
    interrupter = Interrupter()
    pool = Pool()
    twin = session_twin(Session(Adapter(pool)), interrupter).request("a")
    connection = twin._get_conn()
    assert isinstance(connection, urllib3.connection.HTTPConnection)
    assert connection.interrupter is interrupter
    twin._put_conn(connection)
    assert connection.interrupter is None
    assert pool.back == [connection]
    assert pool.pool is not None
    assert pool.pool.get(block=False) is connection
    pool.close()


def test_after_an_interrupt_no_connection_is_handed_out() -> None:
    """The error is none that urllib3 or requests would catch and try again after."""
    interrupter = Interrupter()
    twin = session_twin(Session(Adapter(Pool())), interrupter).request("a")
    interrupter.interrupt()
    with pytest.raises(Interrupted):
        twin.urlopen("GET", "/", retries=urllib3.Retry(5))
    assert not issubclass(Interrupted, (OSError, urllib3.exceptions.HTTPError, http.client.HTTPException, ValueError))
    twin.close()


@pytest.mark.parametrize("own", ["class", "instance", "function"])
def test_a_pool_with_connections_of_its_own_class(own: str) -> None:
    """Connections are still of the class that the pool makes; what makes them otherwise is used as it is."""

    class Connection(urllib3.connection.HTTPConnection):
        pass

    class OwnPool(Pool):
        if own == "class":
            ConnectionCls = Connection

    pool: Any = OwnPool()
    if own == "instance":
        pool.ConnectionCls = Connection
    elif own == "function":
        pool.ConnectionCls = partial(Connection)
    connection = session_twin(Session(Adapter(pool)), Interrupter()).request("a")._get_conn()
    assert isinstance(connection, Connection)
    assert (type(connection) is Connection) == (own == "function")
    pool.close()


def test_what_is_not_made_as_requests_own_is_used_as_it_is() -> None:
    """An adapter without pools, and a pool that is not urllib3's, are not touched."""
    adapter = object()
    assert session_twin(Session(adapter), Interrupter()).get_adapter("a") is adapter
    pool = object()
    assert session_twin(Session(Adapter(pool)), Interrupter()).request("a") is pool


def test_is_watched() -> None:
    """A response is watched if it came from a twin of a pool, and not otherwise."""
    pool = Pool()
    twin = session_twin(Session(Adapter(pool)), Interrupter()).request("a")
    assert is_watched(urllib3.HTTPResponse(pool=twin))
    assert not is_watched(urllib3.HTTPResponse(pool=pool))
    assert not is_watched(object())
    pool.close()
