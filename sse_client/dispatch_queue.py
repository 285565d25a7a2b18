"""`DispatchQueue`: calls wait here until the thread they are meant for runs them.

Rules of this file: knows nothing of events and listeners; a call is a function and its
arguments. One lock guards everything. No callback and no ``notify`` is called while it is held.

How ``notify`` is called often enough and no more than that: ``_asked`` is true from the
moment when a run is asked for until that run begins. Outside the lock one thing always
holds: if a call waits, a run has been asked for. What may happen, and what keeps it so:

- A call is put into an empty queue: `put` asks.
- A call is put into a queue that is not empty: somebody has asked already.
- A run begins and will leave something after its first call: it asks for the next run
  *before* it runs anything. So the rest is run even if the callback raises, or runs a main
  loop of its own, as a dialog does.
- A call is put while a run is under way: nobody has asked, so `put` asks. If the run takes that
  call too, the next one finds nothing, which is cheap.
- The waiting calls are discarded: the run that has been asked for finds nothing.
- ``notify`` raises: nothing has been asked for, and the next `put` or run asks again.
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
Notify = Callable[[Callable[[], None]], object]


class _Call:
    __slots__ = ("args", "callback", "cancelled")

    def __init__(self, callback: Callable[..., object], args: tuple[Any, ...], cancelled: Callable[[], bool]) -> None:
        self.callback = callback
        self.args = args
        self.cancelled = cancelled


def _never() -> bool:
    return False


class DispatchQueue:
    """A bounded queue of calls that a main loop runs in small portions, so that no flood can starve it.

    It is the ``dispatch`` of a `Listener`. ``notify`` is the function by which the toolkit
    lets another thread ask for something to be run on the main loop's thread::

        queue = DispatchQueue(notify=GLib.idle_add)
        listener = Listener(EventSource(url), dispatch=queue)

    Nothing polls: the queue asks for a run when a call comes and none has been waiting. Each
    run is short (see `run_pending`) and asks for another one if something is left, so the main
    loop handles timers, input and drawing between two runs.

    One queue may serve any number of listeners. Calls are run in the order in which they came.

    Args:
        max_size: How many calls may wait.
        keep: What to do with more calls than can be run in time. ``"all"``: nothing is lost; a
            thread that puts a call into a full queue is blocked until there is room, so a
            listener reads more slowly, and the server sends more slowly.
            ``"latest"``: if the queue is full, the call that has waited longest is dropped.
            ``"latest_per_type"``: also drops a waiting event as soon as a later one of the
            same type and of the same listener comes: for displays, which show the last value only.
        notify: A function ``notify(run)`` that asks the main loop to call ``run()`` once, on
            its own thread, after it has looked at what else is waiting:
            ``loop.call_soon_threadsafe``, ``GLib.idle_add``, one that emits a Qt signal
            without arguments, ``lambda run: wx.CallAfter(wx.CallLater, 1, run)``. (wx looks at
            nothing else while there is something that CallAfter has brought; hence the timer.)
            It is called on the thread that puts a call, and on the main loop's; it must return
            soon and must not call ``run`` itself. What it raises goes to the caller; a listener
            ends with that error. None: the main loop calls `run_pending` at short intervals.

    Raises:
        TypeError, ValueError: An argument is wrong; the message names it.
    """

    def __init__(self, max_size: int = 1000, *, keep: Keep = "all", notify: Optional[Notify] = None) -> None:
        if check_count("max_size", max_size) is None:
            raise TypeError("max_size must be an int, not NoneType: the queue is bounded")
        if keep not in get_args(Keep):
            raise ValueError(f"keep must be one of {', '.join(map(repr, get_args(Keep)))}, not {keep!r}")
        if notify is not None and not callable(notify):
            raise TypeError(f"notify must be a function or None, not {type(notify).__name__}")

        # Settings, never changed.
        self._max_size = max_size
        self._keep = keep
        self._notify = notify

        # Guarded by the lock, which may be taken again by its own thread: a signal handler
        # may close a listener.
        self._changed = threading.Condition(threading.RLock())
        self._waiting: OrderedDict[Hashable, _Call] = OrderedDict()
        self._asked = False  # a run has been asked for and has not begun
        self._blocked = 0  # threads that wait for room
        self._dropped = 0

    def __call__(self, callback: Callable[..., object], *args: Any) -> None:
        """Let ``callback(*args)`` wait to be run. Any thread may call this.

        Blocks while the queue is full and keeps all; so the thread that runs the calls
        must not put any then.
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
            cancelled: Tells whether the call is not wanted any more. Such a call is not run,
                and `discard_cancelled` removes it.
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
            must_ask = not self._asked
            self._asked = True
        if must_ask:
            self._ask()

    def run_pending(self, max_events: int = 100, max_seconds: float = 0.01) -> int:
        """Run what is waiting, but not for long; return how many calls have been run.

        For the thread that the calls are meant for: called by the function that ``notify`` got, or at
        short intervals. Does not wait for calls to come. What a callback raises is raised here, and
        the calls behind it go on waiting; the handlers of a `Listener` raise nothing but
        `SystemExit` and its like.

        Args:
            max_events: How many to run at most.
            max_seconds: After how long no further one is begun. One is always run.

        Raises:
            TypeError, ValueError: An argument is wrong; the message names it.
        """
        if check_count("max_events", max_events) is None:
            raise TypeError("max_events must be an int, not NoneType")
        deadline = time.monotonic() + check_number("max_seconds", max_seconds, least=0.0)
        with self._changed:
            self._asked = len(self._waiting) > 1
            must_ask = self._asked
        if must_ask:
            self._ask()
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
        """Remove the waiting calls that are cancelled, and wake the threads that are blocked with such a one.

        Any thread may call this. They do not count as dropped.
        """
        with self._changed:
            for key, call in list(self._waiting.items()):
                if call.cancelled():
                    self._waiting.pop(key, None)
            self._changed.notify_all()

    def _ask(self) -> None:
        """Ask for a run. ``_asked`` is set before, with the lock held, so that one thread does it."""
        if self._notify is None:
            return
        try:
            self._notify(self._run)
        except BaseException:
            self._asked = False
            raise

    def _run(self) -> None:
        # Returns nothing: GLib calls an idle function again if it returns something true.
        self.run_pending()

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
