"""What some systems cannot do, taken away from this process, so that one system tests for all.

Windows has neither ``poll()`` nor a ``shutdown()`` that wakes a blocked reader (python/cpython#91913).
"""

from __future__ import annotations

import select
import selectors
import socket
import sys
from typing import Any


def without_shutdown() -> None:
    """Make ``shutdown()`` do nothing where the package or urllib3 calls it; test servers may go on using it."""
    original = socket.socket.shutdown

    def shutdown(self: socket.socket, how: int) -> None:
        caller = sys._getframe(1).f_globals["__name__"]
        if not caller.startswith(("sse_client.", "urllib3.")) or caller.startswith("sse_client.testing"):
            original(self, how)

    socket.socket.shutdown = shutdown  # type: ignore[method-assign]


def without_poll() -> None:
    """Leave ``select.select`` alone to wait with."""
    modules: Any = ((select, ("poll", "epoll", "devpoll", "kqueue")), (selectors, ("PollSelector", "EpollSelector")))
    for module, names in modules:
        for name in names:
            if hasattr(module, name):
                delattr(module, name)
    setattr(selectors, "DefaultSelector", selectors.SelectSelector)  # noqa: B010 - a type to type checkers


WITHOUT = {"shutdown": without_shutdown, "poll": without_poll}
