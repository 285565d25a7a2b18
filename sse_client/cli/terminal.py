"""Where the command prints: whole lines, safe on a terminal, in colour where that is wanted.

Rules of this file: whatever came from outside goes through `Terminal.safe` or
`Terminal.paint` before it is printed; a terminal obeys escape sequences, so a hostile
server must not get one there. A pipe gets the text unchanged, as UTF-8.
"""

from __future__ import annotations

import errno
import io
import os
import select
import stat
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Callable, Optional, TextIO

_STYLES = {"bold": "1", "dim": "2", "red": "31", "green": "32", "yellow": "33", "cyan": "36"}

# Of what Unicode calls control characters, only these two are left as they are: LF and TAB.
# Those of ASCII have pictures; the others have none.
_PICTURES = {
    **{code: chr(0x2400 + code) for code in range(0x20) if chr(code) not in "\n\t"},
    0x7F: "\u2421",
    **dict.fromkeys(range(0x80, 0xA0), "\ufffd"),
}


class Terminal:
    """A stream for people or programs to read. One thread at a time. Writing blocks as the stream does.

    It sets the stream's encoding: UTF-8 with bare line feeds in a pipe or file, so that
    data passes unchanged; on a terminal its own, in which no character is an error.

    Args:
        stream: Such as ``sys.stdout``; None, as that may be where there is none, for nowhere.
        color: Whether colours may be used where they make sense.
        environ: The environment: ``NO_COLOR`` and ``TERM`` have a say in colours.

    Attributes:
        is_terminal: Whether the stream is a terminal.
        in_color: Whether `paint` makes colours.
    """

    is_terminal: bool
    in_color: bool

    def __init__(
        self, stream: Optional[TextIO], *, color: bool = True, environ: Mapping[str, str] = os.environ
    ) -> None:
        self._stream = stream
        self.is_terminal = stream is not None and stream.isatty()
        self.in_color = color and self.is_terminal and not environ.get("NO_COLOR") and environ.get("TERM") != "dumb"
        if isinstance(stream, io.TextIOWrapper):
            if self.is_terminal:
                stream.reconfigure(errors="replace")
            else:
                stream.reconfigure(encoding="utf-8", errors="backslashreplace", newline="\n")

    @property
    def descriptor(self) -> Optional[int]:
        """The stream's file descriptor, or None if it has none."""
        try:
            return None if self._stream is None else self._stream.fileno()
        except OSError:
            return None

    def line(self, text: str = "") -> None:
        """Write one line, and at once.

        Raises:
            BrokenPipeError: Nobody reads any more.
            OSError: It could not be written.
        """
        if self._stream is not None:
            self._stream.write(text + "\n")
            self._stream.flush()

    def safe(self, text: str) -> str:
        """Return text from outside as it may be printed: for a terminal, with pictures for its control characters."""
        return text.translate(_PICTURES) if self.is_terminal else text

    def paint(self, text: str, *styles: str) -> str:
        """Return text from outside, made safe, in these styles: bold, dim, red, green, yellow, cyan."""
        text = self.safe(text)
        if not self.in_color or not styles:
            return text
        return f"\x1b[{';'.join(_STYLES[style] for style in styles)}m{text}\x1b[0m"

    def can_show(self, text: str) -> bool:
        """Return whether the stream's encoding has all of these characters."""
        try:
            text.encode(getattr(self._stream, "encoding", None) or "utf-8")
        except UnicodeEncodeError:
            return False
        return True

    def silence(self) -> None:
        """Let what could not be written go, or the interpreter would try, and complain, once more at its exit."""
        if self._stream is None:
            return
        try:
            self._stream.flush()
        except OSError:
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, self._stream.fileno())
            os.close(nowhere)


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
