"""A view does what its original does, on the same data, and its waits can be interrupted. Socket pairs only."""

from __future__ import annotations

import ast
import http.client
import importlib
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, Optional

import pytest
import urllib3
from urllib3.connection import HTTPConnection
from urllib3.exceptions import EmptyPoolError

import sse_client
from sse_client._http.interrupt import Interrupted, Interrupter, Limit
from sse_client._http.raw_response import StreamResponse
from sse_client._http.watched import PRIVATE_NAMES, Watch, stream_of, view_of_manager, view_of_session

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
    """As much of a session as a view asks for."""

    def __init__(self, adapter: Any) -> None:
        self.adapter = adapter
        self.last: Optional[str] = None

    def get_adapter(self, url: str) -> Any:
        self.last = url
        return self.adapter

    def request(self, url: str) -> Any:
        return self.get_adapter(url).send(url)


class Connects(HTTPConnection):
    """One that makes its socket in the way of the examples for Unix domain sockets."""

    end: Any = None

    def _new_conn(self) -> Any:
        return self.end


class ConnectsAllByItself(HTTPConnection):
    """One that makes its socket in the way of Docker's."""

    end: Any = None

    def connect(self) -> None:
        self.sock = self.end


@pytest.fixture
def interrupter() -> Iterator[Interrupter]:
    made = Interrupter()
    yield made
    made.release()


@pytest.fixture
def watch(interrupter: Interrupter) -> Watch:
    return Watch(interrupter, Limit(TIMEOUT, "response_timeout"))


@pytest.fixture
def ends() -> Iterator[tuple[socket.socket, socket.socket]]:
    """Both ends of a connection: ours, and the server's."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.settimeout(TIMEOUT)
        yield ours, theirs


def view_of(pool: Any, watch: Watch) -> Any:
    return view_of_session(Session(Adapter(pool)), watch).request("a")


def hung_up(end: socket.socket) -> bool:
    """Whether the other end has been shut down, once all that it has sent is read."""
    end.settimeout(0)
    try:
        while end.recv(4096):
            pass
    except BlockingIOError:
        return False
    return True


def holding(pool: Any, sock: socket.socket) -> Any:
    """The pool, with a connection to use again that has this socket."""
    connection = pool._get_conn()
    connection.sock = sock
    pool._put_conn(connection)
    pool.back.clear()
    pool.asked.clear()
    return pool


@contextmanager
def answering(end: socket.socket) -> Iterator[None]:
    """Answer one request in the meantime."""

    def answer() -> None:
        end.settimeout(TIMEOUT)
        end.recv(4096)
        end.sendall(b"HTTP/1.1 204 No Content\r\n\r\n")

    thread = threading.Thread(target=answer, daemon=True)
    thread.start()
    yield
    thread.join(TIMEOUT)


# Nothing is left on the originals


def test_one_state_between_the_two(watch: Watch) -> None:
    """What the view sets, the original has, and the other way round; the view is an instance of its class."""
    session = Session(Adapter(Pool()))
    view = view_of_session(session, watch)
    assert isinstance(view, Session)
    view.request("a")
    session.extra = 1  # type: ignore[attr-defined]
    assert (session.last, session.adapter.calls, view.extra) == ("a", 1, 1)
    assert set(vars(session)) == {"adapter", "last", "extra"}
    assert (type(session), type(session.adapter), type(session.adapter.pool)) == (Session, Adapter, Pool)


def test_the_pool_gets_its_own_connection_back(watch: Watch) -> None:
    """A connection goes back as what the pool has made, with no attribute more, and so do thrown away ones."""
    pool = Pool()
    plain = set(vars(pool._new_conn()))
    view = view_of(pool, watch)
    connection = view._get_conn()
    assert isinstance(connection, HTTPConnection)
    view._put_conn(connection)
    (back,) = pool.back
    assert type(back) is HTTPConnection
    assert set(vars(back)) == plain
    assert pool._get_conn() is back
    pool.close()


def test_a_view_of_a_manager(watch: Watch) -> None:
    """A manager's pools are the manager's, with the settings that the request changes."""
    manager = urllib3.PoolManager(maxsize=3)
    watch.pool_settings = {"maxsize": 1}
    pool = view_of_manager(manager, watch).connection_from_url("http://example.test")
    assert pool.pool.maxsize == 1
    watch.pool_settings = {}
    pool = view_of_manager(manager, watch).connection_from_url("http://example.test")
    original = manager.connection_from_url("http://example.test")
    assert pool.pool is original.pool
    assert pool is not original
    manager.clear()


@pytest.mark.parametrize("own", ["class", "instance", "function"])
def test_a_pool_with_connections_of_its_own_class(own: str, watch: Watch) -> None:
    """Connections are of the class that the pool makes, and go back as it."""

    class OwnPool(Pool):
        if own == "class":
            ConnectionCls = Connects

    pool: Any = OwnPool()
    if own == "instance":
        pool.ConnectionCls = Connects
    elif own == "function":
        pool.ConnectionCls = partial(Connects)
    view = view_of(pool, watch)
    connection = view._get_conn()
    assert isinstance(connection, Connects)
    view._put_conn(connection)
    assert type(pool.back[0]) is Connects
    pool.close()


def test_a_class_of_responses_of_the_connections_own(watch: Watch) -> None:
    """It is left as it is."""

    class Response(http.client.HTTPResponse):
        pass

    class Connection(HTTPConnection):
        response_class = Response

    pool: Any = Pool()
    pool.ConnectionCls = Connection
    assert view_of(pool, watch)._get_conn().response_class is Response
    pool.close()


def test_what_is_not_made_as_the_libraries_own_is_used_as_it_is(watch: Watch) -> None:
    """An adapter without pools, a pool that is not urllib3's, and a connection not http.client's are not touched."""

    class Connection:
        sock = None

        def __init__(self, *args: Any, **kwargs: Any) -> None:
            pass

        def close(self) -> None:
            pass

    adapter = object()
    assert view_of_session(Session(adapter), watch).get_adapter("a") is adapter
    foreign = object()
    assert view_of(foreign, watch) is foreign
    pool: Any = Pool()
    pool.ConnectionCls = Connection
    view = view_of(pool, watch)
    connection = view._get_conn()
    assert type(connection) is Connection
    assert vars(connection) == {}
    view._put_conn(connection)
    assert pool.back == [connection]
    pool.close()


def test_stream_of(watch: Watch, ends: tuple[socket.socket, socket.socket]) -> None:
    """A response is read directly if it came over a view, and not otherwise."""
    pool = holding(Pool(), ends[0])  # which closes its connections when nobody has it any more
    with answering(ends[1]):
        response = view_of(pool, watch).urlopen("GET", "/", preload_content=False)
    assert isinstance(stream_of(response), StreamResponse)
    assert stream_of(urllib3.HTTPResponse()) is None
    assert stream_of(object()) is None


# Interrupts


@pytest.mark.parametrize("made", ["used before", Connects, ConnectsAllByItself])
def test_a_connection_is_watched_while_it_is_out(
    ends: tuple[socket.socket, socket.socket], interrupter: Interrupter, watch: Watch, made: Any
) -> None:
    """However it has come to its socket, an interrupt shuts it down from the request on."""
    pool: Any = Pool()
    if made == "used before":
        holding(pool, ends[0])
    else:
        pool.ConnectionCls = made
    view = view_of(pool, watch)
    connection = view._get_conn()
    connection.end = ends[0]
    connection.request("GET", "/")
    assert not hung_up(ends[1])
    interrupter.interrupt()
    assert hung_up(ends[1])
    view._put_conn(connection)
    pool.close()


def test_a_connection_that_is_back_is_not_watched(ends: tuple[socket.socket, socket.socket]) -> None:
    """An interrupt that comes when it has been put back does not meet it, nor does one of another attempt later."""
    pool: Any = holding(Pool(), ends[0])
    watches = [Watch(Interrupter(), Limit(TIMEOUT, "response_timeout")) for _ in range(2)]
    for watch in watches:
        with answering(ends[1]):
            assert view_of(pool, watch).urlopen("GET", "/").status == 204
        watches[0].interrupter.interrupt()
        assert not hung_up(ends[1])
    for watch in watches:
        watch.interrupter.release()
    pool.close()


def test_a_large_body_is_cut_short(
    ends: tuple[socket.socket, socket.socket], interrupter: Interrupter, watch: Watch
) -> None:
    """A connection used before is watched while a request is sent over it."""
    pool = holding(Pool(), ends[0])
    view = view_of(pool, watch)

    def body() -> Iterator[bytes]:
        interrupter.interrupt()
        assert hung_up(ends[1])
        yield b"x"

    connection = view._get_conn()
    with pytest.raises(BrokenPipeError):
        connection.request("POST", "/", body=body())
    view._put_conn(connection)
    pool.close()


def test_an_interrupt_is_not_retried() -> None:
    """The error is none that urllib3 or requests would catch and try again after."""
    assert not issubclass(Interrupted, (OSError, urllib3.exceptions.HTTPError, http.client.HTTPException, ValueError))


@pytest.mark.parametrize("block", [True, False])
def test_after_an_interrupt_no_connection_is_handed_out(
    ends: tuple[socket.socket, socket.socket], interrupter: Interrupter, watch: Watch, block: bool
) -> None:
    """It stays as it was, for others to use, and the pool has no place more or less than before."""
    pool = holding(Pool(block=block), ends[0])
    interrupter.interrupt()
    with pytest.raises((Interrupted, EmptyPoolError)):
        view_of(pool, watch).urlopen("GET", "/", retries=urllib3.Retry(5))
    assert not hung_up(ends[1])
    assert pool.places == 1
    assert pool._get_conn().sock is ends[0]
    pool.close()


def test_an_interrupt_while_a_connection_is_being_made(
    ends: tuple[socket.socket, socket.socket], interrupter: Interrupter, watch: Watch
) -> None:
    """A socket that the application's class brings after the interrupt is closed, and nothing is sent."""

    class Late(HTTPConnection):
        def _new_conn(self) -> Any:
            interrupter.interrupt()
            return ends[0]

    pool: Any = Pool()
    pool.ConnectionCls = Late
    with pytest.raises(Interrupted):
        view_of(pool, watch).urlopen("GET", "/", retries=urllib3.Retry(5, backoff_factor=0))
    assert ends[0].fileno() == -1
    assert ends[1].recv(100) == b""


# A pool that makes those wait who want one connection more


def test_waiting_for_a_connection_ends_with_an_interrupt(interrupter: Interrupter, watch: Watch) -> None:
    """Who waits for a full pool is told at once that there is none, and the pool has no place more or less."""
    pool = Pool(block=True)
    connection = pool._get_conn()
    view = view_of(pool, watch)
    pool.asked.clear()
    ended: list[float] = []

    def ask() -> None:
        with pytest.raises(EmptyPoolError):
            view.urlopen("GET", "/", retries=urllib3.Retry(5), pool_timeout=None)
        ended.append(time.perf_counter())

    waiting = threading.Thread(target=ask, daemon=True)
    waiting.start()
    assert pool.asked.wait(TIMEOUT)
    interrupter.interrupt()
    waiting.join(TIMEOUT)
    assert ended
    pool._put_conn(connection)
    assert pool.places == 1
    pool.close()


def test_waiting_for_a_connection_that_comes_back(watch: Watch) -> None:
    """Who waits gets the connection when another gives it back."""
    pool = Pool(block=True)
    connection = pool._get_conn()
    pool.asked.clear()
    got: list[Any] = []
    view = view_of(pool, watch)
    waiting = threading.Thread(target=lambda: got.append(view._get_conn()), daemon=True)
    waiting.start()
    assert pool.asked.wait(TIMEOUT)
    pool._put_conn(connection)
    waiting.join(TIMEOUT)
    assert [each.original for each in got] == [connection]
    view._put_conn(got[0])
    assert pool.places == 1
    pool.close()


@pytest.mark.parametrize("timeout", [0.0, 0.02, 0.13])
def test_waiting_for_a_connection_has_its_time_out(timeout: float, watch: Watch) -> None:
    """The wait is as long as the caller says, whatever it is made of."""
    pool = Pool(block=True)
    pool._get_conn()
    before = time.perf_counter()
    with pytest.raises(EmptyPoolError):
        view_of(pool, watch)._get_conn(timeout=timeout)
    assert timeout <= time.perf_counter() - before
    assert sum(wait or 0.0 for wait in pool.waits) <= timeout + 0.001
    pool.close()


# What the package relies on though it is not documented


def attributes_of(path: str) -> set[str]:
    """The names that a class has, or sets on its instances."""
    module, _, name = path.rpartition(".")
    cls = getattr(pytest.importorskip(module), name)
    found = set(dir(cls))
    for base in cls.__mro__[:-1]:
        source = Path(getattr(importlib.import_module(base.__module__), "__file__", None) or "")
        if source.suffix != ".py":
            continue
        for node in ast.walk(ast.parse(source.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ClassDef) and node.name == base.__name__:
                found |= {
                    each.attr
                    for each in ast.walk(node)
                    if isinstance(each, ast.Attribute) and getattr(each.value, "id", "") == "self"
                }
    return found


@pytest.mark.parametrize(("path", "name"), [(path, name) for path, names in PRIVATE_NAMES.items() for name in names])
def test_private_names(path: str, name: str) -> None:
    """This version of the library has what is relied on."""
    assert name in attributes_of(path), f"{path} has no {name} in this version"


DOCUMENTED = {"_replace"}  # of a namedtuple
OF_THE_STANDARD_LIBRARY = {"_option_string_actions"}  # of argparse, which has no other way to ask for its options


def private(name: object) -> bool:
    return isinstance(name, str) and name.startswith("_") and not name.startswith("__")


def names_made(tree: ast.AST) -> set[str]:
    """The private names that a module defines, of its own or on its own objects."""
    made: set[object] = set()
    for node in ast.walk(tree):
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            made.add(node.name)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            made.add(node.id)
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
            if isinstance(node.value, ast.Name) and node.value.id == "self":
                made.add(node.attr)
        elif isinstance(node, ast.Assign) and "__slots__" in [getattr(target, "id", "") for target in node.targets]:
            made |= {each.value for each in ast.walk(node.value) if isinstance(each, ast.Constant)}
    return {str(name) for name in made if private(name)}


def names_used(tree: ast.AST) -> set[str]:
    """The private names that a module asks an object for."""
    used: set[object] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute):
            used.add(node.attr)
        elif isinstance(node, ast.Call) and getattr(node.func, "id", "") in ("getattr", "hasattr", "setattr"):
            used.add(getattr(node.args[1], "value", None))
    return {str(name) for name in used if private(name)}


def test_no_other_private_names() -> None:
    """No module asks for a private name that neither the package has made nor the list has."""
    trees = [ast.parse(path.read_text(encoding="utf-8")) for path in Path(sse_client.__file__).parent.rglob("*.py")]
    known = {name for names in PRIVATE_NAMES.values() for name in names} | DOCUMENTED | OF_THE_STANDARD_LIBRARY
    known |= set().union(*map(names_made, trees))
    assert set().union(*map(names_used, trees)) - known == set()
