"""One lead of a stream: a thread reads the source, and the thread of the relay appends.

Rules of this file: the reader never calls Redis, and the relay's thread never waits for the
source, so that neither holds the other up: a slow Redis stops the reading only when the handover
between them is full, and a silent stream does not keep a lease from being renewed.
"""

from __future__ import annotations

import threading
import time
from typing import Any, Callable, Optional

from sse_client.events import ErrorEvent, LifecycleEvent, MessageEvent
from sse_client.source import EventSource

from .handover import Handover

MAX_BATCH = 1_000
"""Events that may wait for Redis, and so the most in one round trip: some 5 ms of Redis's time."""
MAX_BATCH_SIZE = 4 * 1024 * 1024
"""Characters that may wait for Redis, unless one event alone has more."""


class Lead:
    """From taking the lease to losing it, or to the end of the stream. For the relay's thread.

    Args:
        source: What to read. It begins at ``position``.
        position: The last event ID that Redis has.
        began: When the lease was asked for, by `time.monotonic`.
        interval: Seconds after which the lease must be renewed.
        commit: Appends the batch of a number, moves the position and renews the lease; returns
            False if the lease is lost. Blocks until Redis has answered.
        on_error: Called with each `ErrorEvent` of the source.
    """

    def __init__(
        self,
        source: EventSource,
        position: str,
        *,
        began: float,
        interval: float,
        commit: Callable[[int, list[MessageEvent], str], bool],
        on_error: Callable[[ErrorEvent], object],
    ) -> None:
        # Settings, never changed.
        self._source = source
        self._interval = interval
        self._commit = commit
        self._on_error = on_error

        # What Redis has confirmed. Written by the relay's thread.
        self._position = position
        self._batches = 0
        self._renewed = began
        """When the call that renewed the lease began: it lasts at least from then on."""

        self._handover = Handover(max_items=MAX_BATCH, max_size=MAX_BATCH_SIZE)

    def run(self) -> bool:
        """Append what the source yields; return whether the stream is over, False if the lease was lost. Blocks.

        Closing the source ends it: what has been read until then is appended first. When it
        returns or raises, the source is closed and its thread has ended.

        Raises:
            BaseException: What the source raised, after everything before it was appended; or
                what ``commit`` raised.
        """
        reader = threading.Thread(target=self._read, name="sse-client-relay-reader", daemon=True)
        reader.start()
        try:
            return self._append()
        finally:
            self._source.close()
            self._handover.close()
            reader.join()

    def _append(self) -> bool:
        while True:
            items = self._handover.take(self._until_renewal())
            events = [item for item in items if type(item) is MessageEvent]
            position = _position_after(items, self._position)
            if (events or position != self._position or not self._until_renewal()) and not self._send(events, position):
                return False
            for item in items:
                if type(item) is _Note and type(item.item) is ErrorEvent:
                    self._on_error(item.item)
                elif type(item) is _End:
                    if item.error is not None:
                        raise item.error
                    return True

    def _until_renewal(self) -> float:
        return max(0.0, self._renewed + self._interval - time.monotonic())

    def _send(self, events: list[MessageEvent], position: str) -> bool:
        began = time.monotonic()
        if not self._commit(self._batches + 1, events, position):
            return False
        self._batches += 1
        self._position = position
        self._renewed = began
        return True

    def _read(self) -> None:
        """Hand over all that the source yields, and its end. The reader's thread.

        A full handover blocks this thread. The socket's buffer then fills up, and the server waits.
        """
        put = self._handover.put
        try:
            # Comments too: a block with nothing but an ID moves the position and is not yielded.
            # The next item shows it, and where nothing else comes, that is a comment.
            for item in self._source.lifecycle(comments=True):
                if type(item) is MessageEvent:
                    went_on = put(item, len(item.data))
                else:
                    went_on = put(_Note(item, self._source.last_event_id))
                if not went_on:
                    return
        except BaseException as error:  # noqa: BLE001 - raised by the relay's thread
            put(_End(error, self._source.last_event_id))
        else:
            put(_End(None, self._source.last_event_id))


class _Note:
    """Something that the source yielded and that is no `MessageEvent`, and where the stream was then."""

    def __init__(self, item: LifecycleEvent, position: str) -> None:
        self.item = item
        self.position = position


class _End:
    """The end of the source, with the error that it raised, if any, and where the stream was then."""

    def __init__(self, error: Optional[BaseException], position: str) -> None:
        self.error = error
        self.position = position


def _position_after(items: list[Any], position: str) -> str:
    """Return where the stream is after the items, which begin at ``position``."""
    if not items:
        return position
    last = items[-1]
    return str(last.last_event_id if type(last) is MessageEvent else last.position)
