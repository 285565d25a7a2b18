"""The log of this package, which no handler or filter of the program can break.

Rules of this file: a record is written or it is not; nothing of it reaches the caller.
"""

from __future__ import annotations

import logging
import sys
import traceback
from typing import Optional

_logger = logging.getLogger("sse_client")


class Log:
    """The logger ``sse_client``, for the modules of this package.

    `logging.Handler.handle` lets through what a filter raises, and what an ``emit`` raises that
    does not catch it. That would end a stream, or skip what comes after the line: a release,
    an ``on_close``. So it is printed on stderr, as the handlers of the standard library do.
    """

    def debug(self, message: str, *args: object) -> None:
        """Log at DEBUG."""
        self._write(logging.DEBUG, message, args)

    def info(self, message: str, *args: object) -> None:
        """Log at INFO."""
        self._write(logging.INFO, message, args)

    def warning(self, message: str, *args: object) -> None:
        """Log at WARNING."""
        self._write(logging.WARNING, message, args)

    def error(self, message: str, *args: object, exc_info: Optional[BaseException] = None) -> None:
        """Log at ERROR, with the traceback of an exception."""
        self._write(logging.ERROR, message, args, exc_info)

    def _write(
        self, level: int, message: str, args: tuple[object, ...], exc_info: Optional[BaseException] = None
    ) -> None:
        try:
            _logger.log(level, message, *args, exc_info=exc_info, stacklevel=3)
        except Exception:  # noqa: BLE001 - a handler's or filter's of the program
            if logging.raiseExceptions and sys.stderr is not None:
                traceback.print_exc()


log = Log()
