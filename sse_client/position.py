"""`PositionFile`: where a stream was, kept for the next run of the program.

Rules of this file: knows nothing of streams; what it keeps is one string.
"""

from __future__ import annotations

import os
from typing import Optional, Union

from ._arguments import check_flag, check_last_event_id

__all__ = ["PositionFile"]

_WHITE_SPACE = b" \t\r\n"


class PositionFile:
    """Keeps a last event ID in a file, so that the next run of a program goes on where this one has stopped.

    Example::

        position = PositionFile("builds.position")
        with EventSource(url, last_event_id=position.read()) as source:
            for event in source:
                handle(event)
                position.write(event.last_event_id)

    Written after the work, as here, it makes that "at least once": after a crash, the one
    event is handled again that was handled and not yet written down.

    The file holds the ID in UTF-8 and nothing else. It is replaced as a whole, by way of a
    second file beside it with ``.new`` added to its name. So:

    - whoever reads it, and whoever comes after a crash or ``kill -9`` at any moment, finds
      one whole ID: that of the last `write`, or that of the one which was under way;
    - after a loss of power, the file may be older, but whole, on file systems that write
      data before the rename that needs it (ext4 by default); others may leave it empty or cut
      off, unless ``fsync`` is true;
    - a `write` takes some 0.2 ms on ext4, as long as writing in place would; ``fsync`` takes 0.5 ms
      to 8 ms on the same disk. If that is too long for every event, write every hundredth: more
      is repeated then, and nothing is lost.

    A file is for one writer. The methods may be called from any thread, one at a time; they
    block while the disk does. On Windows, `write` fails while another program has the file open.

    Args:
        path: The file. Its directory must be there when it is written; the file need not.
            A symbolic link stays one: the file that it leads to is replaced.
        fsync: Whether each `write` waits until the disk has the ID.

    Raises:
        TypeError: An argument is of the wrong type.
    """

    def __init__(self, path: Union[str, os.PathLike[str]], *, fsync: bool = False) -> None:
        if not isinstance(path, (str, os.PathLike)):
            raise TypeError(f"path must be a str or an os.PathLike, not {type(path).__name__}")
        self._path = os.path.realpath(path)
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
            with open(self._path, "rb") as file:
                content = file.read()
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
        new = self._path + ".new"
        with open(new, "wb") as file:
            file.write(content)
            if self._fsync:
                file.flush()
                os.fsync(file.fileno())
        os.replace(new, self._path)
        self._written = last_event_id

    def __repr__(self) -> str:
        return f"PositionFile({self._path!r})"
