"""A recorded stream: the bytes of a file or of stdin, for an `EventSource` to read."""

from __future__ import annotations

import os
import select
import sys
import threading
from http import HTTPStatus

from sse_client.connector import Connection, Connector, ResponseHead
from sse_client.errors import ConnectionLost

_READ_SIZE = 64 * 1024


class Recording(Connector):
    """The bytes of an open file, which may be a pipe that somebody is still writing to.

    Args:
        descriptor: The file, open for as long as this is used.
    """

    is_repeatable = False

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def connection(self) -> Connection:
        """See `Connector.connection`."""
        return _Reading(self._descriptor)


def open_recording(name: str) -> int:
    """Return the descriptor of a file, or of stdin for ``-``.

    Raises:
        ValueError: There is none, or it cannot be read. The name is not shown: it may be a URL gone wrong.
    """
    if name == "-":
        if sys.stdin is None:
            raise ValueError("there is no stdin to read")
        return sys.stdin.fileno()
    try:
        descriptor = os.open(name, os.O_RDONLY | getattr(os, "O_BINARY", 0))
        os.read(descriptor, 0)  # a directory can be opened and not read
    except (FileNotFoundError, ValueError):
        raise ValueError("there is no such file, and a URL starts with http:// or https://") from None
    except OSError as error:
        raise ValueError(f"the file cannot be read: {error.strerror or error}") from None
    return descriptor


class _Reading(Connection):
    """Where `select.poll` watches files and pipes, a read can be interrupted; elsewhere it ends with the next bytes."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._woken, self._waker = os.pipe()
        self._lock = threading.Lock()
        self._is_released = False

    def open(self, last_event_id: str) -> ResponseHead:  # noqa: ARG002 - a recording begins where it begins
        """See `Connection.open`."""
        return ResponseHead("", "", HTTPStatus.OK, {})

    def read(self) -> bytes:
        """See `Connection.read`."""
        try:
            if hasattr(select, "poll"):
                poll = select.poll()
                poll.register(self._descriptor, select.POLLIN)
                poll.register(self._woken, select.POLLIN)
                if any(descriptor == self._woken for descriptor, _ in poll.poll()):
                    return b""
            return os.read(self._descriptor, _READ_SIZE)
        except OSError as error:
            raise ConnectionLost(f"the input cannot be read: {error.strerror or error}", url="") from None

    def interrupt(self) -> None:
        """See `Connection.interrupt`."""
        with self._lock:  # or the number of the pipe could be another file's by now
            if not self._is_released:
                os.write(self._waker, b"x")

    def release(self) -> None:
        """See `Connection.release`."""
        with self._lock:
            self._is_released = True
            os.close(self._waker)
            os.close(self._woken)
