"""Making one TCP connection to a host with several addresses, as RFC 8305 ("Happy Eyeballs") says.

The addresses are tried in the order of the system's resolver, with the families taking
turns (section 4). Each next attempt begins 250 ms after the one before, or at once when
that one has failed (section 5). The first to connect wins and all others are closed.

Rules of this file: sockets only; the caller turns errors into those of urllib3.
"""

from __future__ import annotations

import errno
import os
import selectors
import socket
import time
from collections.abc import Iterable
from itertools import zip_longest
from typing import Any, NamedTuple, Optional

from .interrupt import Deadline, Interrupter

ATTEMPT_DELAY = 0.25  # seconds; the "Connection Attempt Delay" that section 5 recommends

_IN_PROGRESS = {errno.EINPROGRESS, errno.EWOULDBLOCK, errno.EAGAIN, errno.EINTR, 10035}  # 10035: Windows


class Address(NamedTuple):
    """One result of ``getaddrinfo``."""

    family: int
    kind: int
    protocol: int
    name: str
    address: Any


def connect(
    host: str,
    port: int,
    *,
    interrupter: Interrupter,
    deadline: Deadline,
    options: Iterable[tuple[Any, ...]] = (),
    source_address: Optional[tuple[str, int]] = None,
) -> socket.socket:
    """Return a new socket, connected and not blocking. Blocks; can be interrupted, but for the look-up of the name.

    Args:
        host: A name or an address.
        port: The port.
        interrupter: What ends the waits, and watches the socket from now on.
        deadline: When all of this must have ended.
        options: What to call ``setsockopt`` with, before connecting.
        source_address: What to bind to, before connecting.

    Raises:
        socket.gaierror, UnicodeError: The name could not be looked up.
        OSError: No address could be connected to; the error of the last one that failed.
        TimedOut: The deadline has passed.
        Interrupted: There has been an interrupt.
    """
    found = [Address(*each) for each in socket.getaddrinfo(host, port, 0, socket.SOCK_STREAM)]
    race = _Race(interrupter, deadline, tuple(options), source_address)
    return race.run(interleaved(found))


def interleaved(addresses: list[Address]) -> list[Address]:
    """Return the addresses with their families taking turns, beginning with that of the first."""
    by_family: dict[int, list[Address]] = {}
    for address in addresses:
        by_family.setdefault(address.family, []).append(address)
    return [address for turn in zip_longest(*by_family.values()) for address in turn if address is not None]


class _Race:
    """The attempts for one connection.

    One turn of the loop can end in these ways:

    - an attempt has connected: it wins;
    - an attempt has failed: the next one begins at once; none is left and none is under
      way: its error is raised;
    - 250 ms have passed: the next one begins beside those under way;
    - the deadline has passed, or there is an interrupt: that is raised.

    However it ends, all sockets but the winner's are closed.
    """

    def __init__(
        self,
        interrupter: Interrupter,
        deadline: Deadline,
        options: tuple[tuple[Any, ...], ...],
        source_address: Optional[tuple[str, int]],
    ) -> None:
        self._interrupter = interrupter
        self._deadline = deadline
        self._options = options
        self._source_address = source_address
        self._under_way: set[socket.socket] = set()
        self._error: OSError = OSError("the host name has no address")

    def run(self, addresses: list[Address]) -> socket.socket:
        waiting = list(reversed(addresses))
        winner = None
        try:
            with self._interrupter.selector() as selector:
                while winner is None:
                    if waiting:
                        under_way = len(self._under_way)
                        winner = self._begin(waiting.pop(), selector)
                        if winner is None and waiting and len(self._under_way) == under_way:
                            continue  # it has failed already
                    if winner is None:
                        if not self._under_way:
                            raise self._error
                        winner = self._wait(selector, is_last=not waiting)
            self._interrupter.watch(winner)
            return winner
        except BaseException:
            if winner is not None:
                winner.close()
            raise
        finally:
            for sock in self._under_way:
                sock.close()

    def _begin(self, address: Address, selector: selectors.BaseSelector) -> Optional[socket.socket]:
        sock = None
        try:
            sock = socket.socket(address.family, address.kind, address.protocol)
            for option in self._options:
                sock.setsockopt(*option)
            if self._source_address:
                sock.bind(self._source_address)
            sock.settimeout(0)
            result = sock.connect_ex(address.address)
            if result not in _IN_PROGRESS:
                _raise_if(result)
                return sock
            selector.register(sock, selectors.EVENT_WRITE)
            self._under_way.add(sock)
        except OSError as failure:
            self._lose(sock, failure)
        return None

    def _wait(self, selector: selectors.BaseSelector, *, is_last: bool) -> Optional[socket.socket]:
        """Wait until the next attempt may begin, or one has connected; return that one."""
        turn_end = time.monotonic() + ATTEMPT_DELAY
        while self._under_way:
            seconds = self._deadline.remaining()
            if not is_last:
                left = max(turn_end - time.monotonic(), 0.0)
                seconds = left if seconds is None else min(left, seconds)
            ready = selector.select(seconds)
            self._interrupter.check()
            failed = False
            for key, _ in ready:
                sock = key.fileobj
                assert isinstance(sock, socket.socket)
                selector.unregister(sock)
                self._under_way.discard(sock)
                try:
                    _raise_if(sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR))
                except OSError as failure:
                    self._lose(sock, failure)
                    failed = True
                else:
                    return sock
            if not is_last and (failed or time.monotonic() >= turn_end):
                return None
        return None

    def _lose(self, sock: Optional[socket.socket], failure: OSError) -> None:
        if sock is not None:
            sock.close()
        self._error = failure.with_traceback(None)  # whose frames refer to this race: a cycle


def _raise_if(number: int) -> None:
    if number:
        raise OSError(number, os.strerror(number))
