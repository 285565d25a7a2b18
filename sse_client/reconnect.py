"""Whether to reconnect, after how long, and which attempts count as failed.

Rules of this file: pure values. They have no clock, do not sleep and draw no random
numbers: all of these are passed in.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Optional

from ._arguments import check_count, check_flag, check_number, check_statuses
from .errors import ConnectionFailed, ConnectionLost, EventSourceError, ResponseRejected, StreamEnded

__all__ = ["ReconnectPolicy"]

_MOST_DOUBLINGS = 64  # keeps the power a float; the cap has long been reached by then


class ReconnectPolicy:
    """How an event source comes back after its connection has failed, broken or ended.

    The delay before the next attempt is the *reconnection time*: the one that the stream
    asked for in its last ``retry`` field, or else the one given here. It doubles with each
    attempt in a row that was in vain, from the second on, up to ``max_delay``. In vain is an
    attempt that brought no event and no connection that lasted for ``steady_after``. What a
    ``Retry-After`` header asks for is a minimum for the one delay that follows it. Jitter
    is added on top, so that clients who lost the same server do not come back as one.

    Immutable, and may be shared by any number of sources and threads.

    Args:
        reconnection_time: Seconds before the next attempt as long as the stream has not
            asked for another time.
        max_delay: Seconds up to which doubling goes. A reconnection time above it stands.
        jitter: How much may be added, as a part of the doubled delay: 0.5 spreads a delay
            of 4 s evenly over 4 s to 6 s. 0 makes delays exact.
        min_server_delay: Seconds below which a ``retry`` field is not obeyed, so that
            ``retry: 0`` does not make a client spin.
        max_server_delay: Seconds above which neither ``retry`` nor ``Retry-After`` is
            obeyed, so that no server can silence a client for ever.
        max_attempts: How many attempts in a row may be in vain before the last error is
            raised; None for no limit. Each event sets the count back to zero: this does not
            limit how often a stream that keeps breaking is asked for again.
        steady_after: Seconds open after which an attempt was not in vain though it brought no
            event: a quiet stream that a proxy cuts now and then is not backed off from.
        retry_statuses: The statuses after which another attempt makes sense.
        until_open: Whether to reconnect only until a stream has opened. After that, a loss
            is raised, and a clean end ends the iteration quietly. For requests that cost
            something each time, such as a POST to a language model. (One whose answer was
            lost on its way may still be sent twice.)

    Raises:
        TypeError, ValueError: An argument is wrong; the message names it.
    """

    __slots__ = (
        "reconnection_time",
        "max_delay",
        "jitter",
        "min_server_delay",
        "max_server_delay",
        "max_attempts",
        "steady_after",
        "retry_statuses",
        "until_open",
    )

    reconnection_time: float
    max_delay: float
    jitter: float
    min_server_delay: float
    max_server_delay: float
    max_attempts: Optional[int]
    steady_after: float
    retry_statuses: frozenset[int]
    until_open: bool

    def __init__(
        self,
        *,
        reconnection_time: float = 3.0,
        max_delay: float = 60.0,
        jitter: float = 0.5,
        min_server_delay: float = 0.1,
        max_server_delay: float = 3600.0,
        max_attempts: Optional[int] = None,
        steady_after: float = 10.0,
        retry_statuses: Iterable[int] = (408, 425, 429, 500, 502, 503, 504),
        until_open: bool = False,
    ) -> None:
        values: dict[str, Any] = {
            "reconnection_time": check_number("reconnection_time", reconnection_time, least=0.001),
            "max_delay": check_number("max_delay", max_delay, least=0.001),
            "jitter": check_number("jitter", jitter, least=0.0, unit="parts of the delay"),
            "min_server_delay": check_number("min_server_delay", min_server_delay, least=0.001),
            "max_server_delay": check_number("max_server_delay", max_server_delay, least=0.001),
            "max_attempts": check_count("max_attempts", max_attempts),
            "steady_after": check_number("steady_after", steady_after, least=0.0),
            "retry_statuses": check_statuses("retry_statuses", retry_statuses),
            "until_open": check_flag("until_open", until_open),
        }
        if values["min_server_delay"] > values["max_server_delay"]:
            raise ValueError("min_server_delay must not be above max_server_delay")
        for name, value in values.items():
            object.__setattr__(self, name, value)

    def delay(
        self, error: EventSourceError, attempt: int, *, reconnection_time: Optional[float], sample: float
    ) -> Optional[float]:
        """Return the seconds to wait before the next attempt, or None: there shall be none.

        The one place where "retry or fail" is decided:

        - a failed connection: retry;
        - a lost connection, and a stream that ended: retry, unless ``until_open`` is set;
        - a rejected response: retry if its status is among ``retry_statuses``;
        - anything else, such as `EventTooLarge`: fail;
        - ``attempt`` has reached ``max_attempts``: fail, whatever the error.

        Args:
            error: How the last attempt ended.
            attempt: How many attempts in a row have been in vain by now; 0 if the last one
                was not.
            reconnection_time: What the stream has asked for, in seconds; None if nothing.
            sample: A random number from 0 up to 1 that the jitter is taken from.
        """
        if not self._is_retryable(error) or (self.max_attempts is not None and attempt >= self.max_attempts):
            return None
        first = self.reconnection_time
        if reconnection_time is not None:
            first = min(max(reconnection_time, self.min_server_delay), self.max_server_delay)
        doublings = min(max(attempt - 1, 0), _MOST_DOUBLINGS)
        grown = min(first * 2.0**doublings, max(first, self.max_delay))
        asked = error.retry_after if isinstance(error, ResponseRejected) else None
        least = 0.0 if asked is None else min(asked, self.max_server_delay)
        return max(grown, least) + grown * self.jitter * sample

    def _is_retryable(self, error: EventSourceError) -> bool:
        if isinstance(error, ResponseRejected):
            return error.status in self.retry_statuses
        # A connection can only be lost, and a stream can only end, after it has opened.
        return isinstance(error, ConnectionFailed) or (isinstance(error, ConnectionLost) and not self.until_open)

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"a ReconnectPolicy cannot be changed: make another one with {name}=...")

    def _settings(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in self.__slots__}

    def __eq__(self, other: object) -> bool:
        return self._settings() == other._settings() if isinstance(other, ReconnectPolicy) else NotImplemented

    def __hash__(self) -> int:
        return hash(tuple(self._settings().values()))

    def __repr__(self) -> str:
        settings = {**self._settings(), "retry_statuses": sorted(self.retry_statuses)}
        return f"ReconnectPolicy({', '.join(f'{name}={value!r}' for name, value in settings.items())})"

    def __reduce__(self) -> tuple[Any, ...]:
        return _policy, (self._settings(),)


@dataclass(frozen=True)
class Ending:
    """How an attempt ended, as far as it matters for the next one.

    Attributes:
        error: What ended it.
        has_progressed: Whether it delivered an event or moved the last event ID.
        has_received: Whether anything arrived after the head.
        seconds_open: How long its stream was open, or None if it never was.
    """

    error: EventSourceError
    has_progressed: bool = False
    has_received: bool = False
    seconds_open: Optional[float] = None


@dataclass(frozen=True)
class Failures:
    """How many attempts in a row have failed.

    Attributes:
        count: How many, up to the latest attempt.
        attempt: The same if the latest attempt failed, otherwise 0: what the next delay grows with.
    """

    count: int = 0
    attempt: int = 0

    def after(self, ending: Ending, *, steady_after: float) -> Failures:
        """Return the failures in a row after an attempt has ended.

        - A connection that delivered an event or moved the last event ID, or that was open
          for ``steady_after`` seconds, worked: the count goes back to zero.
        - A connection that was silent for ``idle_timeout``, before its head or after it, and
          one that the server ended cleanly after anything at all (a heartbeat, a ``retry``),
          did not fail. But it shows too little to forget the failures before it: the count
          stays, and the next attempt is not delayed by it.
        - Every other end is a failure. So is a clean end without a single byte: a server
          that accepts and drops keeps a client backing off.
        """
        was_steady = ending.seconds_open is not None and ending.seconds_open >= steady_after
        if ending.has_progressed or was_steady:
            return Failures()
        if is_quiet(ending.error) or (isinstance(ending.error, StreamEnded) and ending.has_received):
            return Failures(self.count, 0)
        return Failures(self.count + 1, self.count + 1)


def is_quiet(error: EventSourceError) -> bool:
    """Return whether a connection ended because nothing arrived for ``idle_timeout``: a quiet stream, not a failure."""
    return isinstance(error, (ConnectionFailed, ConnectionLost)) and error.parameter == "idle_timeout"


def _policy(settings: dict[str, Any]) -> ReconnectPolicy:
    return ReconnectPolicy(**settings)
