"""The order of addresses, and what connecting asks the system for. The races are in `tests.integration`."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from typing import Any

import pytest
import urllib3

from sse_client._http.connecting import Address, connect, interleaved
from sse_client._http.interrupt import Deadline, Interrupted, Interrupter, Limit
from sse_client._http.watched import Watch, view_of_manager

FOREVER = Deadline(Limit(None, "connect_timeout"))


def addresses(*names: str) -> list[Address]:
    families = {"6": socket.AF_INET6, "4": socket.AF_INET}
    return [Address(families[name[0]], socket.SOCK_STREAM, 6, "", (name, 80)) for name in names]


@pytest.mark.parametrize(
    ("found", "tried"),
    [
        (("6a", "6b", "4a", "4b"), ("6a", "4a", "6b", "4b")),
        (("4a", "6a", "6b", "6c"), ("4a", "6a", "6b", "6c")),
        (("6a", "6b", "6c", "4a"), ("6a", "4a", "6b", "6c")),
        (("4a", "4b"), ("4a", "4b")),
        ((), ()),
    ],
)
def test_families_take_turns(found: tuple[str, ...], tried: tuple[str, ...]) -> None:
    """RFC 8305, section 4: the resolver's order within a family, and its first family first."""
    assert interleaved(addresses(*found)) == addresses(*tried)


@pytest.fixture
def interrupter() -> Iterator[Interrupter]:
    made = Interrupter()
    yield made
    made.release()


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as made:
        yield made


def test_an_address_of_an_unsupported_family_is_passed_over(
    interrupter: Interrupter, listener: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the system has no sockets of the first address's family, the next address is tried."""
    port = listener.getsockname()[1]
    found = [(9999, socket.SOCK_STREAM, 6, "", ("::1", port)), (2, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port))]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_: found)
    with connect("stream.test", port, interrupter=interrupter, deadline=FOREVER) as connected:
        assert connected.getpeername() == ("127.0.0.1", port)


def test_what_is_set_before_connecting(interrupter: Interrupter, listener: socket.socket) -> None:
    """Options and the source address are those of the socket that has connected."""
    options = [(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)]
    with connect(
        *listener.getsockname(),
        interrupter=interrupter,
        deadline=FOREVER,
        options=options,
        source_address=("127.0.0.1", 0),
    ) as connected:
        assert connected.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
        assert connected.getsockname()[0] == "127.0.0.1"


@pytest.mark.parametrize("failure", [socket.gaierror(-2, "unknown"), UnicodeError("label too long")])
def test_a_name_that_is_not_found(
    interrupter: Interrupter, failure: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A name that the system does not know, or cannot encode, is the error that urllib3 has for it."""

    def fail(*_: Any) -> None:
        raise failure

    monkeypatch.setattr(socket, "getaddrinfo", fail)
    manager = urllib3.PoolManager()
    view = view_of_manager(manager, Watch(interrupter, Limit(1.0, "response_timeout")))
    with pytest.raises(urllib3.exceptions.NameResolutionError):
        view.connection_from_url("http://stream.test")._get_conn().connect()
    manager.clear()


def test_no_address(interrupter: Interrupter, monkeypatch: pytest.MonkeyPatch) -> None:
    """A name without an address is an error as well."""
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_: [])
    with pytest.raises(OSError, match="no address"):
        connect("stream.test", 80, interrupter=interrupter, deadline=FOREVER)


def test_an_interrupted_attempt_connects_to_nobody(listener: socket.socket) -> None:
    """After an interrupt no address is connected to."""
    interrupter = Interrupter()
    interrupter.interrupt()
    with pytest.raises(Interrupted):
        connect(*listener.getsockname(), interrupter=interrupter, deadline=FOREVER)
    listener.settimeout(0)
    with pytest.raises(BlockingIOError):
        listener.accept()
    interrupter.release()
