"""One request of the doctor's: its head, and its bytes with the moments of their arrival.

Rules of this file: it measures, over the same connections as everybody uses, and draws no
conclusion.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Callable, Optional

from sse_client.connector import Connector, ResponseHead
from sse_client.errors import EventSourceError

from .content import Content, read_content

_MAX_KEPT = 512 * 1024  # bytes


@dataclass(frozen=True)
class Observation:
    """What one request gave.

    Attributes:
        requests: How many requests that were: each redirect is one.
        head: The head of the response, or None.
        head_at: When it had come, in seconds since the attempt began.
        content: What followed.
        ended_at: When the attempt was over.
        error: Why it failed or broke, or None.
        is_ended: Whether the server ended the response, cleanly or not; else the doctor had seen enough.
    """

    requests: int
    head: Optional[ResponseHead]
    head_at: float
    content: Content
    ended_at: float
    error: Optional[EventSourceError]
    is_ended: bool

    @property
    def silence_at_end(self) -> float:
        """How many seconds passed between the last byte, or the head, and the end."""
        last = self.content.arrivals[-1].at if self.content.arrivals else self.head_at
        return self.ended_at - last


def observe(
    connector: Connector,
    *,
    seconds: float,
    last_event_id: str = "",
    is_enough: Callable[[list[tuple[float, bytes]]], bool],
) -> Observation:
    """Ask once, and look on for so many seconds at most, or until it is enough. Blocks."""
    connection = connector.connection()
    chunks: list[tuple[float, bytes]] = []
    head = error = None
    head_at = 0.0
    is_over = threading.Event()
    started = time.monotonic()

    def stop() -> None:
        is_over.set()
        connection.interrupt()

    alarm = threading.Timer(seconds, stop)
    alarm.daemon = True
    alarm.start()
    with _counting_requests() as counter:
        try:
            head = connection.open(last_event_id)
            head_at = time.monotonic() - started
            kept = 0
            while kept < _MAX_KEPT:
                chunk = connection.read()
                if not isinstance(chunk, bytes) or not chunk or is_over.is_set():
                    break
                chunks.append((time.monotonic() - started, chunk))
                kept += len(chunk)
                if is_enough(chunks):
                    is_over.set()
                    break
            else:
                is_over.set()
        except EventSourceError as failure:
            error = None if is_over.is_set() else failure
        finally:
            alarm.cancel()
            alarm.join()
            connection.release()
            connector.close()
    ended_at = time.monotonic() - started
    return Observation(
        counter.count, head, head_at, read_content(chunks), ended_at, error, is_ended=not is_over.is_set()
    )


class _Counter(logging.Handler):
    """Counts the package's own log lines about requests: nothing else tells how many redirects there were."""

    def __init__(self) -> None:
        super().__init__()
        self.count = 0

    def emit(self, record: logging.LogRecord) -> None:
        self.count += record.msg.startswith("connecting to")


@contextmanager
def _counting_requests() -> Iterator[_Counter]:
    logger = logging.getLogger("sse_client")
    counter = _Counter()
    level = logger.level
    logger.addHandler(counter)
    logger.setLevel(min(level, logging.INFO) if level else logging.INFO)
    try:
        yield counter
    finally:
        logger.removeHandler(counter)
        logger.setLevel(level)
