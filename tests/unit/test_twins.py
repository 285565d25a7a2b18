"""A twin does what its original does, on the same data, and shows its sockets to an Interrupter. Socket pairs only."""

from __future__ import annotations

import http.client
import socket
import threading
import time
from collections.abc import Iterator
from functools import partial
from typing import Any, Optional

import pytest
import urllib3
from urllib3.exceptions import EmptyPoolError

from sse_client._http.interrupt import Interrupter
from sse_client._http.watched import Interrupted, is_watched, session_twin

TIMEOUT = 10.0


class Pool(urllib3.HTTPConnectionPool):
    """A pool of one connection that notes what it is given back, and that it is asked for a connection."""

    def __init__(self, **settings: Any) -> None:
        super().__init__("example.test", maxsize=1, **settings)
        self.back: list[Any] = []
        self.asked = threading.Event()
        self.waits: list[Optional[float]] = []

    def _get_conn(self, timeout: Optional[float] = None) -> Any:
        self.waits.append(timeout)
        self.asked.set()
        return super()._get_conn(timeout)

    def _put_conn(self, conn: Any) -> None:
        self.back.append(conn)
        super()._put_conn(conn)

    @property
    def places(self) -> int:
        """How many connections, or places for one, it has to give away."""
        assert self.pool is not None
        return self.pool.qsize()


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


def pool_twin(pool: Any, interrupter: Interrupter) -> Any:
    return session_twin(Session(Adapter(pool)), interrupter).request("a")


@pytest.fixture
def ends() -> Iterator[tuple[socket.socket, socket.socket]]:
    """Both ends of a connection: ours, and the server's."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.settimeout(TIMEOUT)
        yield ours, theirs


def hung_up(end: socket.socket) -> bool:
    """Whether the other end has been shut down, once all that it has sent is read."""
    end.settimeout(0)
    try:
        while end.recv(4096):
            pass
    except BlockingIOError:
        return False
    return True


def closed(connection: Any) -> Any:
    connection.close()  # which gives it a few attributes more
    return connection


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
    """The session's own requests get the plain pool, and connections that have nothing of ours."""
    session = Session(Adapter(Pool()))
    twin = session_twin(session, Interrupter()).request("a")
    lent = twin._get_conn()
    twin._put_conn(lent)
    pool = session.request("a")
    assert type(pool) is Pool
    plain = closed(pool._new_conn())
    assert type(plain) is pool.ConnectionCls is urllib3.connection.HTTPConnection
    assert pool._get_conn() is lent
    assert type(lent) is type(plain)
    assert set(vars(lent)) == set(vars(plain))
    pool.close()


class ConnectsAsUrllib3(urllib3.connection.HTTPConnection):
    """Of a class of the application's."""

    end: Any = None

    def connect(self) -> None:
        super().connect()


class ConnectsByItself(ConnectsAsUrllib3):
    """One that makes its socket in the way of the examples for Unix domain sockets."""

    def _new_conn(self) -> Any:
        return self.end


class ConnectsAllByItself(ConnectsAsUrllib3):
    """One that makes its socket in the way of Docker's."""

    def connect(self) -> None:
        self.sock = self.end


@pytest.mark.parametrize("made", ["used before", ConnectsByItself, ConnectsAllByItself])
def test_a_connection_is_watched_while_it_is_out(ends: tuple[socket.socket, socket.socket], made: Any) -> None:
    """However it has come to its socket, an interrupt shuts it down from the request on, until it is given back."""
    pool: Any = Pool()
    if made == "used before":
        connection = pool._get_conn()
        connection.sock = ends[0]
        pool._put_conn(connection)
    else:
        pool.ConnectionCls = made
    interrupter = Interrupter()
    twin = pool_twin(pool, interrupter)
    connection = twin._get_conn()
    connection.end = ends[0]
    connection.request("GET", "/")
    ends[1].sendall(b"HTTP/1.1 204 No Content\r\n\r\n")
    connection.getresponse()
    assert not hung_up(ends[1])
    interrupter.interrupt()
    assert hung_up(ends[1])
    twin._put_conn(connection)
    pool.close()


def test_a_connection_used_before_is_watched_while_a_request_is_sent(ends: tuple[socket.socket, socket.socket]) -> None:
    """A large body that nobody takes is cut short as well."""
    pool = Pool()
    connection = pool._get_conn()
    connection.sock = ends[0]
    pool._put_conn(connection)
    interrupter = Interrupter()
    twin = pool_twin(pool, interrupter)

    def body() -> Iterator[bytes]:
        interrupter.interrupt()
        assert hung_up(ends[1])
        yield b"x"

    with pytest.raises(BrokenPipeError):
        twin._get_conn().request("POST", "/", body=body())
    twin._put_conn(connection)
    pool.close()


def test_a_connection_that_is_back_is_not_watched(ends: tuple[socket.socket, socket.socket]) -> None:
    """An interrupt that comes when it has been put back does not meet it, nor does one of another attempt later."""
    pool: Any = Pool()
    pool.ConnectionCls = ConnectsByItself
    interrupters = [Interrupter(), Interrupter()]
    for interrupter in interrupters:
        twin = pool_twin(pool, interrupter)
        connection = twin._get_conn()
        connection.end = ends[0]
        connection.request("GET", "/")
        ends[1].sendall(b"HTTP/1.1 204 No Content\r\n\r\n")
        connection.getresponse().read()
        twin._put_conn(connection)
        interrupters[0].interrupt()
        assert not hung_up(ends[1])
    pool.close()


def test_a_connection_that_is_thrown_away_has_nothing_of_ours() -> None:
    """After a failed request, too, what it was lent is taken from it: it would keep it alive."""
    failed = []

    class Failing(urllib3.connection.HTTPConnection):
        def _new_conn(self) -> Any:
            failed.append(self)
            raise ConnectionRefusedError("nobody listens")

    pool: Any = Pool()
    pool.ConnectionCls = Failing
    with pytest.raises(urllib3.exceptions.MaxRetryError):
        pool_twin(pool, Interrupter()).urlopen("GET", "/", retries=urllib3.Retry(1, backoff_factor=0))
    assert [set(vars(connection)) for connection in failed] == [set(vars(closed(pool._new_conn())))] * 2
    assert pool.back == [None, None]


def test_after_an_interrupt_no_connection_is_handed_out() -> None:
    """The error is none that urllib3 or requests would catch and try again after."""
    interrupter = Interrupter()
    twin = pool_twin(Pool(), interrupter)
    interrupter.interrupt()
    with pytest.raises(Interrupted):
        twin.urlopen("GET", "/", retries=urllib3.Retry(5))
    assert not issubclass(Interrupted, (OSError, urllib3.exceptions.HTTPError, http.client.HTTPException, ValueError))
    twin.close()


def test_after_an_interrupt_a_connection_that_was_kept_is_closed(ends: tuple[socket.socket, socket.socket]) -> None:
    """It is thrown away as after any error, and its place in the pool is free."""
    pool = Pool(block=True)
    connection = pool._get_conn()
    connection.sock = ends[0]
    pool._put_conn(connection)
    interrupter = Interrupter()
    interrupter.interrupt()
    with pytest.raises(Interrupted):
        pool_twin(pool, interrupter).urlopen("GET", "/")
    assert hung_up(ends[1])
    assert pool.places == 1


def test_an_interrupt_while_a_connection_is_being_made(ends: tuple[socket.socket, socket.socket]) -> None:
    """A socket that the application's class brings after the interrupt is closed, and nothing is sent."""
    interrupter = Interrupter()

    class Late(urllib3.connection.HTTPConnection):
        def _new_conn(self) -> Any:
            interrupter.interrupt()
            return ends[0]

    pool: Any = Pool()
    pool.ConnectionCls = Late
    with pytest.raises(Interrupted):
        pool_twin(pool, interrupter).urlopen("GET", "/", retries=urllib3.Retry(5, backoff_factor=0))
    assert ends[0].fileno() == -1
    assert ends[1].recv(100) == b""
    interrupter.release()


@pytest.mark.parametrize("own", ["class", "instance", "function"])
def test_a_pool_with_connections_of_its_own_class(own: str) -> None:
    """Connections are of the class that the pool makes, and of no other."""

    class OwnPool(Pool):
        if own == "class":
            ConnectionCls = ConnectsByItself

    pool: Any = OwnPool()
    if own == "instance":
        pool.ConnectionCls = ConnectsByItself
    elif own == "function":
        pool.ConnectionCls = partial(ConnectsByItself)
    assert type(pool_twin(pool, Interrupter())._get_conn()) is ConnectsByItself
    pool.close()


def test_a_class_of_responses_of_the_connections_own() -> None:
    """It is left as it is."""

    class Response(http.client.HTTPResponse):
        pass

    class Connection(urllib3.connection.HTTPConnection):
        response_class = Response

    pool: Any = Pool()
    pool.ConnectionCls = Connection
    assert pool_twin(pool, Interrupter())._get_conn().response_class is Response
    pool.close()


def test_what_is_no_connection_of_http_client_is_used_as_it_is() -> None:
    """A pool of something else hands it out untouched, and takes it back."""

    class Connection:
        sock = None

        def __init__(self, *args: Any, **kwargs: Any) -> None:
            pass

        def close(self) -> None:
            pass

    pool: Any = Pool()
    pool.ConnectionCls = Connection
    twin = pool_twin(pool, Interrupter())
    connection = twin._get_conn()
    assert vars(connection) == {}
    twin._put_conn(connection)
    assert pool.back == [connection]
    pool.close()


def test_a_socket_that_cannot_be_watched(ends: tuple[socket.socket, socket.socket]) -> None:
    """What stands in for a socket and has no descriptor can be used all the same."""

    class Pipe:
        def __init__(self) -> None:
            self.makefile, self.sendall, self.close = ends[0].makefile, ends[0].sendall, ends[0].close

    connection = pool_twin(Pool(), Interrupter())._get_conn()
    connection._new_conn = lambda: None
    connection.sock = Pipe()
    connection.timeout = None
    connection.sock.settimeout = lambda _: None
    connection.request("GET", "/")
    ends[1].sendall(b"HTTP/1.1 204 No Content\r\n\r\n")
    assert connection.getresponse().status == 204


# A pool that makes those wait who want one connection more


def test_waiting_for_a_connection_ends_with_an_interrupt() -> None:
    """Who waits for a full pool is told at once that there is none, and the pool has no place more or less."""
    pool = Pool(block=True)
    connection = pool._get_conn()
    interrupter = Interrupter()
    twin = pool_twin(pool, interrupter)
    pool.asked.clear()
    ended: list[float] = []

    def ask() -> None:
        with pytest.raises(EmptyPoolError):
            twin.urlopen("GET", "/", retries=urllib3.Retry(5), pool_timeout=None)
        ended.append(time.perf_counter())

    waiting = threading.Thread(target=ask, daemon=True)
    waiting.start()
    assert pool.asked.wait(TIMEOUT)
    before = time.perf_counter()
    interrupter.interrupt()
    waiting.join(1.0)
    pool._put_conn(connection)
    waiting.join(TIMEOUT)
    assert ended[0] - before < 0.1
    assert pool.places == 1
    pool.close()


def test_waiting_for_a_connection_that_comes_back() -> None:
    """Who waits gets the connection when another gives it back."""
    pool = Pool(block=True)
    connection = pool._get_conn()
    pool.asked.clear()
    got: list[Any] = []
    twin = pool_twin(pool, Interrupter())
    waiting = threading.Thread(target=lambda: got.append(twin._get_conn()), daemon=True)
    waiting.start()
    assert pool.asked.wait(TIMEOUT)
    pool._put_conn(connection)
    waiting.join(TIMEOUT)
    assert got == [connection]
    twin._put_conn(connection)
    assert pool.places == 1
    pool.close()


@pytest.mark.parametrize("timeout", [0.0, 0.02, 0.13])
def test_waiting_for_a_connection_has_its_time_out(timeout: float) -> None:
    """The wait is as long as the caller says, whatever it is made of."""
    pool = Pool(block=True)
    pool._get_conn()
    before = time.perf_counter()
    with pytest.raises(EmptyPoolError):
        pool_twin(pool, Interrupter())._get_conn(timeout=timeout)
    assert timeout <= time.perf_counter() - before
    assert sum(wait or 0.0 for wait in pool.waits) <= timeout + 0.001
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
    twin = pool_twin(pool, Interrupter())
    assert is_watched(urllib3.HTTPResponse(pool=twin))
    assert not is_watched(urllib3.HTTPResponse(pool=pool))
    assert not is_watched(object())
    pool.close()
