"""Where the command prints: text that is safe on a terminal, in colour where that is wanted.

Rules of this file: whatever came from outside goes through `Terminal.safe` or
`Terminal.paint` before it is printed; a terminal obeys escape sequences, so a hostile
server must not get one there. A pipe gets the text unchanged, as UTF-8.
"""

from __future__ import annotations

import codecs
import errno
import io
import os
import select
import shutil
import stat
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Callable, Optional, TextIO

from .characters import visible

_STYLES = {"bold": "1", "dim": "2", "red": "31", "green": "32", "yellow": "33", "magenta": "35", "cyan": "36"}


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
        in_line: Whether what was added last has not ended its line.
    """

    is_terminal: bool
    in_color: bool
    in_line: bool

    def __init__(
        self, stream: Optional[TextIO], *, color: bool = True, environ: Mapping[str, str] = os.environ
    ) -> None:
        self._stream = stream
        self._pending: list[str] = []
        self._decode = codecs.getincrementaldecoder("utf-8")("replace").decode
        self.in_line = False
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

    @property
    def width(self) -> int:
        """How many characters a line has room for; 80 where nobody knows."""
        return shutil.get_terminal_size().columns

    def add(self, text: str) -> None:
        """Keep text, which is not empty, to be written by the next `flush`."""
        self._pending.append(text)

    def flush(self) -> None:
        """Write what has been added.

        Raises:
            BrokenPipeError: Nobody reads any more.
            OSError: It could not be written.
        """
        if not self._pending:
            return
        text = "".join(self._pending)
        self._pending.clear()
        self.in_line = text[-1] != "\n"
        if self._stream is not None:
            self._stream.write(text)
            self._stream.flush()

    def line(self, text: str = "") -> None:
        """Write one line, and at once; raises as `flush` does."""
        self.add(text + "\n")
        self.flush()

    def end_line(self) -> None:
        """End the line that has been begun on a terminal, if there is one: something else follows."""
        if self.is_terminal and self.in_line:
            self.line()

    def write_bytes(self, chunk: bytes) -> None:
        """Write bytes from outside at once: to a pipe as they are, to a terminal as safe text; raises as `flush`."""
        if self.is_terminal or not isinstance(self._stream, io.TextIOWrapper):
            text = self._decode(chunk)
            if text:
                self.add(self.safe(text))
                self.flush()
            return
        self._stream.buffer.write(chunk)
        self._stream.buffer.flush()

    def safe(self, text: str) -> str:
        """Return text from outside as it may be printed: for a terminal, what is unsafe there made visible."""
        return visible(text) if self.is_terminal else text

    def paint(self, text: str, *styles: str) -> str:
        """Return text from outside, made safe, in these styles: bold, dim, and some colours."""
        text = self.safe(text)
        if not self.in_color or not styles or not text:
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
        try:
            if self._stream is not None:
                self._stream.flush()
        except OSError:
            self.abandon()

    def abandon(self) -> None:
        """Let what has not been written go, without another try, which might block as the last one did."""
        self._pending.clear()
        descriptor = self.descriptor
        if descriptor is not None:
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, descriptor)
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
