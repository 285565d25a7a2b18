"""How the command hears at once that nobody reads its output any more, though it has nothing to write.

A write to a pipe without a reader fails, but a quiet stream leads to none. So a thread
waits for what the system says about the pipe. Where the system does not say it (Windows),
it shows at the next write, as ever.
"""

from __future__ import annotations

import errno
import os
import select
import stat
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Callable, Optional

__all__: list[str] = []


@contextmanager
def stopped_at_hang_up(descriptor: Optional[int], stop: Callable[[], object]) -> Iterator[None]:
    """Within the block, call ``stop`` as soon as nobody reads a pipe any more; then the end of the block raises.

    Of sockets, only those on Linux are watched: elsewhere one whose other end has merely
    finished sending looks the same. What is neither a pipe nor a socket is not watched.

    Args:
        descriptor: The end of the pipe that is written to, open for as long as the block is; None for none.
        stop: Called once at most, in a thread of its own. It must not block or raise.

    Raises:
        BrokenPipeError: Nobody reads the pipe any more, and the block itself has raised nothing.
    """
    if descriptor is None or not _is_watchable(descriptor):
        yield
        return
    hung_up = threading.Event()
    block, end_of_block = os.pipe()
    watcher = threading.Thread(
        target=_watch, args=(descriptor, block, hung_up, stop), name="sse-client-hang-up", daemon=True
    )
    watcher.start()
    try:
        yield
    finally:
        os.close(end_of_block)
        watcher.join()
        os.close(block)
    if hung_up.is_set():
        raise BrokenPipeError(errno.EPIPE, os.strerror(errno.EPIPE))


def _is_watchable(descriptor: int) -> bool:
    mode = os.fstat(descriptor).st_mode
    return hasattr(select, "poll") and (stat.S_ISFIFO(mode) or (stat.S_ISSOCK(mode) and sys.platform == "linux"))


def _watch(descriptor: int, block: int, hung_up: threading.Event, stop: Callable[[], object]) -> None:
    gone = select.POLLERR | select.POLLHUP
    poll = select.poll()
    # POLLRDBAND never comes, but macOS and illumos do not watch a pipe's writing end for nothing.
    poll.register(descriptor, gone | select.POLLRDBAND)
    poll.register(block, gone)
    if dict(poll.poll()).get(descriptor, 0) & gone:
        hung_up.set()
        stop()
