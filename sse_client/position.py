"""`PositionFile`: where a stream was, kept for the next run of the program.

Rules of this file: knows nothing of streams; what it keeps is one string.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from functools import partial
from typing import BinaryIO, Optional, Protocol, Union

from ._arguments import check_flag, check_last_event_id

__all__ = ["Position", "PositionFile"]

_WHITE_SPACE = b" \t\r\n"
# Opening a FIFO would block, and a link may lead anywhere. (Windows has neither flag.)
_CAREFULLY = getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOFOLLOW", 0)


class Position(Protocol):
    """Where a program keeps how far it has got: a file, a row of a database. `PositionFile` is one; so can yours be."""

    def read(self) -> str:
        """Return the last event ID that was written; ``""`` if none was."""
        ...

    def write(self, last_event_id: str, /) -> object:
        """Keep a last event ID in place of the one before."""
        ...


class PositionFile:
    """Keeps a last event ID in a file, so that the next run of a program goes on where this one has stopped.

    Example::

        with EventSource(url, position=PositionFile("builds.position")) as source:
            for event in source:
                handle(event)

    The source reads it when its loop begins and writes it when the loop asks for the next
    event, so after the work. That makes "at least once": after a crash, those events are
    handled again that were handled and not yet written down.

    The file holds the ID in UTF-8 and nothing else. It is replaced as a whole, by way of a
    second file beside it with ``.new`` added to its name. So:

    - whoever reads it, and whoever comes after a crash or ``kill -9`` at any moment, finds
      one whole ID: that of the last `write`, or that of the one which was under way;
    - after a loss of power, the file may be older, but whole, on file systems that write
      data before the rename that needs it (ext4 by default); others may leave it empty or cut
      off, unless ``fsync`` is true;
    - the new file has the permissions of the old one, and its owner if the program may set it; a
      link or file that somebody else has put at the name with ``.new`` is removed, not written through;
    - a `write` takes some 0.2 ms on ext4, as long as writing in place would; ``fsync`` takes 0.5 ms
      to 8 ms on the same disk. If that is too long for every event, write every hundredth: more
      is repeated then, and nothing is lost.

    A file is for one writer. The methods may be called from any thread, one at a time; they
    block while the disk does. On Windows, `write` fails while another program has the file open.

    Args:
        path: The file. Its directory must be there; the file need not, but if it is, it must be a
            regular file. A symbolic link stays one: the file that it leads to is replaced.
        fsync: Whether each `write` waits until the disk has the ID.

    Raises:
        TypeError: An argument is of the wrong type.
        OSError: There is no such directory, or something that is no regular file is in the file's place.
    """

    def __init__(self, path: Union[str, os.PathLike[str]], *, fsync: bool = False) -> None:
        if not isinstance(path, (str, os.PathLike)):
            raise TypeError(f"path must be a str or an os.PathLike, not {type(path).__name__}")
        self._path = os.path.realpath(path)
        if not os.path.isdir(os.path.dirname(self._path)):
            raise FileNotFoundError(errno.ENOENT, "the directory of the position file does not exist", os.fspath(path))
        self._status()
        self._fsync = check_flag("fsync", fsync)
        self._written: Optional[str] = None

    def read(self) -> str:
        """Return the ID, without white space around it; ``""`` if the file is empty or not there.

        Raises:
            ValueError: The file holds what cannot be an ID: more than one line, a NUL, or
                what is not UTF-8. The message names the file.
            OSError: The file cannot be read.
        """
        try:
            with open(self._path, "rb", buffering=0, opener=_open_carefully) as file:
                self._check_regular(os.fstat(file.fileno()))
                content = file.readall()
        except FileNotFoundError:
            return ""
        try:
            return check_last_event_id(content.strip(_WHITE_SPACE).decode())
        except ValueError:
            raise ValueError(f"{self._path!r} does not hold a last event ID, one line of UTF-8 without NUL") from None

    def write(self, last_event_id: str) -> None:
        """Replace what the file holds, unless this is what has been written last.

        Raises:
            TypeError, ValueError: ``last_event_id`` is not a str, or has a CR, LF, NUL or lone surrogate.
            OSError: The file cannot be written; it holds what it held before.
        """
        if last_event_id == self._written:
            return
        content = check_last_event_id(last_event_id).encode()
        old = self._status()
        new = self._path + ".new"
        try:
            with _create(new, 0o666 if old is None else 0o600) as file:
                if old is not None:
                    _copy_permissions(old, file.fileno())
                file.write(content)
                if self._fsync:
                    file.flush()
                    os.fsync(file.fileno())
            os.replace(new, self._path)
        except OSError:
            with contextlib.suppress(OSError):
                os.unlink(new)
            raise
        if self._fsync:
            _sync_directory(os.path.dirname(self._path))
        self._written = last_event_id

    def _status(self) -> Optional[os.stat_result]:
        try:
            status = os.stat(self._path)
        except FileNotFoundError:
            return None
        self._check_regular(status)
        return status

    def _check_regular(self, status: os.stat_result) -> None:
        if not stat.S_ISREG(status.st_mode):
            raise OSError(errno.EINVAL, "what cannot hold a position, since it is no regular file", self._path)

    def __repr__(self) -> str:
        return f"PositionFile({self._path!r})"


def _open_carefully(path: str, flags: int) -> int:
    return os.open(path, flags | _CAREFULLY)


def _create(path: str, mode: int) -> BinaryIO:
    """Create a file anew: what a killed program left, or somebody planted, is removed and not followed."""
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path)
    return open(path, "xb", opener=partial(os.open, mode=mode))


def _copy_permissions(old: os.stat_result, descriptor: int) -> None:
    if not hasattr(os, "fchown"):
        return  # on Windows, a file has those of its directory
    with contextlib.suppress(PermissionError):
        os.fchown(descriptor, old.st_uid, old.st_gid)
    os.fchmod(descriptor, stat.S_IMODE(old.st_mode))


def _sync_directory(path: str) -> None:
    """Wait until the disk has the name of the new file too. (Windows has no such call.)"""
    if hasattr(os, "O_DIRECTORY"):
        descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
