"""`DispatchQueue`: calls wait here until the thread they are meant for runs them.

Rules of this file: knows nothing of events and listeners; a call is a function and its
arguments.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Hashable
from typing import Any, Callable, Literal, Optional, get_args

from ._arguments import check_count, check_number

__all__ = ["DispatchQueue"]

Keep = Literal["all", "latest", "latest_per_type"]


class _Call:
    __slots__ = ("args", "callback", "cancelled")

    def __init__(self, callback: Callable[..., object], args: tuple[Any, ...], cancelled: Callable[[], bool]) -> None:
        self.callback = callback
        self.args = args
        self.cancelled = cancelled


def _never() -> bool:
    return False


class DispatchQueue:
    """A bounded queue of calls, for toolkits that cannot be called from another thread, such as Tkinter.

    It is a function ``dispatch(callback, *args)`` to whoever has something to call, and
    runs what is waiting when its owner says so::

        queue = DispatchQueue()
        listener = Listener(EventSource(url), dispatch=queue)

        def pump():
            queue.run_pending()
            root.after(20, pump)

    One queue may serve any number of listeners. Calls are run in the order in which they came.

    Args:
        max_size: How many calls may wait.
        keep: What to do with more than can be run in time. ``"all"``: nothing is lost; the
            thread that brings a call to a full queue is blocked until there is room, which
            makes a listener read more slowly, and the server send more slowly.
            ``"latest"``: of a full queue, the call that has waited longest is dropped.
            ``"latest_per_type"``: also drops a waiting event as soon as a later one of the
            same type and of the same listener comes: for displays, which show the last value only.

    Raises:
        TypeError, ValueError: An argument is wrong; the message names it.
    """

    def __init__(self, max_size: int = 1000, *, keep: Keep = "all") -> None:
        if check_count("max_size", max_size) is None:
            raise TypeError("max_size must be an int, not NoneType: the queue is bounded")
        if keep not in get_args(Keep):
            raise ValueError(f"keep must be one of {', '.join(map(repr, get_args(Keep)))}, not {keep!r}")
        self._max_size = max_size
        self._keep = keep

        # Guarded by the lock, which may be taken again by its own thread: a signal handler
        # may close a listener.
        self._changed = threading.Condition(threading.RLock())
        self._waiting: OrderedDict[Hashable, _Call] = OrderedDict()
        self._blocked = 0  # threads that wait for room
        self._dropped = 0

    def __call__(self, callback: Callable[..., object], *args: Any) -> None:
        """Let ``callback(*args)`` wait to be run. Any thread may call this.

        Blocks while the queue is full and keeps all; so the thread that runs the calls
        must not bring any then.
        """
        self.put(callback, args)

    def put(
        self,
        callback: Callable[..., object],
        args: tuple[Any, ...] = (),
        *,
        type: Optional[Hashable] = None,
        cancelled: Callable[[], bool] = _never,
    ) -> None:
        """Do as a call of the queue does, with more to say about the call. For whoever writes a listener of their own.

        Args:
            callback: The function to call.
            args: Its arguments.
            type: What ``keep="latest_per_type"`` goes by: a later call with the same
                callback and type takes the place of this one. None for none.
            cancelled: Tells whether the call is not wanted any more. Then it is not
                brought, or brought to an end of waiting by `discard_cancelled`.
        """
        call = _Call(callback, args, cancelled)
        with self._changed:
            if self._keep == "all":
                self._blocked += 1
                try:
                    self._changed.wait_for(lambda: cancelled() or len(self._waiting) < self._max_size)
                finally:
                    self._blocked -= 1
            if cancelled():
                return
            key: Hashable = object()
            if self._keep == "latest_per_type" and type is not None:
                key = (callback, type)
                if self._waiting.pop(key, None) is not None:
                    self._dropped += 1
            if len(self._waiting) >= self._max_size and self._take() is not None:
                self._dropped += 1
            self._waiting[key] = call

    def run_pending(self, max_events: int = 100, max_seconds: float = 0.01) -> int:
        """Run what is waiting, but not for long; return how many calls have been run.

        For the thread that the calls are meant for, at short intervals. Does not wait for
        calls to come. What a callback raises is raised here, and what waits behind it goes
        on waiting; the handlers of a `Listener` raise nothing but `SystemExit` and its like.

        Args:
            max_events: How many to run at most.
            max_seconds: After how long no further one is begun. One is always run.

        Raises:
            TypeError, ValueError: An argument is wrong; the message names it.
        """
        if check_count("max_events", max_events) is None:
            raise TypeError("max_events must be an int, not NoneType")
        deadline = time.monotonic() + check_number("max_seconds", max_seconds, least=0.0)
        for done in range(max_events):
            if done and time.monotonic() >= deadline:
                return done
            with self._changed:
                call = self._take()
                if call is None:
                    return done
                if self._blocked:
                    self._changed.notify_all()
            if not call.cancelled():
                call.callback(*call.args)
        return max_events

    def discard_cancelled(self) -> None:
        """Throw away the waiting calls that are cancelled, and let go threads blocked with such a one.

        Any thread may call this. They do not count as dropped.
        """
        with self._changed:
            for key, call in list(self._waiting.items()):
                if call.cancelled():
                    self._waiting.pop(key, None)
            self._changed.notify_all()

    def _take(self) -> Optional[_Call]:
        """Take out and return what has waited longest, None if nothing waits. With the lock held."""
        # In one step: a signal handler may discard what waits after any look at it.
        try:
            return self._waiting.popitem(last=False)[1]
        except KeyError:
            return None

    def __len__(self) -> int:
        """Return how many calls are waiting."""
        return len(self._waiting)

    def __bool__(self) -> bool:
        """A queue is true, empty or not: it is a function to dispatch by."""
        return True

    @property
    def dropped(self) -> int:
        """How many calls have been dropped to make room for later ones, or replaced by them."""
        return self._dropped

    def __repr__(self) -> str:
        return f"<DispatchQueue of {len(self)} waiting, {self._dropped} dropped>"
