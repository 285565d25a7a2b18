"""Whether to reconnect, after how long, and which attempts count as failed.

Rules of this file: pure values. They have no clock, do not sleep and draw no random
numbers: all of these are passed in.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Optional

from ._arguments import check_count, check_flag, check_number, check_statuses
from ._http.verdict import effective_status
from .errors import (
    CertificateRejected,
    ConnectionFailed,
    ConnectionLost,
    EventSourceError,
    ResponseRejected,
    StreamEnded,
)

__all__ = ["ReconnectPolicy"]

_MAX_DOUBLINGS = 64  # keeps the power a float; the cap has long been reached by then

_WRONG_REQUEST = frozenset({400, 405, 411, 413, 414, 415, 422, 431})
_PATIENT_STATUSES = frozenset(range(200, 600)) - _WRONG_REQUEST


@dataclass(frozen=True, init=False)
class ReconnectPolicy:
    """How an event source comes back after its connection has failed, broken or ended.

    The delay before the next attempt is the *reconnection time*: the one that the stream
    asked for in its last ``retry`` field, or else the one given here. It doubles with each
    attempt in a row that failed, from the second on, up to ``max_delay``. What a
    ``Retry-After`` header asks for is a minimum for the one delay that follows it. Jitter
    is added on top, so that clients who lost the same server do not come back as one.

    An attempt did not fail if its connection delivered an event, moved the last event ID, or
    was open for ``steady_after``: then the count goes back to zero. A connection that was
    silent for ``idle_timeout``, and one that the server ended cleanly after at least one
    byte, leave the count as it is.

    Immutable, and may be shared by any number of sources and threads. The jitter is drawn
    from ``random.random``: ``random.seed()`` makes the delays of a program reproducible.

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
        max_attempts: How many attempts in a row may fail before the last error is raised;
            None for no limit. Each event sets the count back to zero: this does not limit
            how often a stream that keeps breaking is asked for again.
        steady_after: Seconds open after which an attempt did not fail though it delivered no
            event: a quiet stream that a proxy cuts now and then is not backed off from.
        retry_statuses: The statuses after which another attempt makes sense. An unregistered
            status counts as the x00 of its class (RFC 9110, section 15): with 500 among
            them, 520 to 530 are retried too. 200 stands for an answer that is no event stream.
        retry_certificates: Whether to try again after a certificate that is not valid. No
            secret is sent to such a server; but only the log tells of it.
        until_open: Whether to reconnect only until a stream has opened. After that, a loss
            is raised, and a clean end ends the iteration quietly. For requests that cost
            something each time, such as a POST to a language model. (One whose answer was
            lost on its way may still be sent twice.)

    Raises:
        TypeError, ValueError: An argument is wrong; the message names it.
    """

    reconnection_time: float
    max_delay: float
    jitter: float
    min_server_delay: float
    max_server_delay: float
    max_attempts: Optional[int]
    steady_after: float
    retry_statuses: frozenset[int]
    retry_certificates: bool
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
        retry_statuses: Iterable[int] = (408, 425, 429, 500, 502, 503, 504, 507, 511),
        retry_certificates: bool = False,
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
            "retry_certificates": check_flag("retry_certificates", retry_certificates),
            "until_open": check_flag("until_open", until_open),
        }
        if values["min_server_delay"] > values["max_server_delay"]:
            raise ValueError("min_server_delay must not be above max_server_delay")
        for name, value in values.items():
            object.__setattr__(self, name, value)

    @classmethod
    def patient(cls, **settings: Any) -> ReconnectPolicy:
        """Return the policy of a follower that outlives whatever may pass by itself.

        It tries again, no more often than every 5 minutes after a while, after a maintenance
        page (200, but HTML), a 404 during a roll-out, a firewall's 403, a certificate that
        has run out. Each failure is logged at WARNING. What still ends the stream: a 204,
        `EventSource.close`, and mistakes of the program itself, which are arguments that are
        wrong, an event beyond ``max_event_size``, and a status that says that the request is
        wrong (400, 405, 411, 413, 414, 415, 422, 431).

        Args:
            settings: Settings that differ, as for `ReconnectPolicy` itself.
        """
        patience = {"max_delay": 300.0, "retry_statuses": _PATIENT_STATUSES, "retry_certificates": True}
        return cls(**{**patience, **settings})

    def delay(
        self, error: EventSourceError, attempt: int, *, reconnection_time: Optional[float], sample: float
    ) -> Optional[float]:
        """Return the seconds to wait before the next attempt, or None: there shall be none.

        The one place where "retry or fail" is decided:

        - a failed connection: retry;
        - a lost connection, and a stream that ended: retry, unless ``until_open`` is set;
        - a rejected response: retry if its status is among ``retry_statuses``, itself or,
          if it is not registered, as the x00 of its class;
        - a certificate that is not valid: fail, unless ``retry_certificates`` is set;
        - anything else, such as `EventTooLarge`: fail;
        - ``attempt`` has reached ``max_attempts``: fail, whatever the error.

        Args:
            error: How the last attempt ended.
            attempt: How many attempts in a row have failed by now; 0 if the last one did not.
            reconnection_time: What the stream has asked for, in seconds; None if nothing.
            sample: A random number from 0 up to 1 that the jitter is taken from.
        """
        if not self._is_retryable(error) or (self.max_attempts is not None and attempt >= self.max_attempts):
            return None
        first = self.reconnection_time
        if reconnection_time is not None:
            first = min(max(reconnection_time, self.min_server_delay), self.max_server_delay)
        doublings = min(max(attempt - 1, 0), _MAX_DOUBLINGS)
        grown = min(first * 2.0**doublings, max(first, self.max_delay))
        asked = error.retry_after if isinstance(error, ResponseRejected) else None
        least = 0.0 if asked is None else min(asked, self.max_server_delay)
        return max(grown, least) + grown * self.jitter * sample

    def _is_retryable(self, error: EventSourceError) -> bool:
        if isinstance(error, ResponseRejected):
            return not self.retry_statuses.isdisjoint((error.status, effective_status(error.status)))
        if isinstance(error, CertificateRejected):
            return self.retry_certificates
        # A connection can only be lost, and a stream can only end, after it has opened.
        return isinstance(error, ConnectionFailed) or (isinstance(error, ConnectionLost) and not self.until_open)


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

    def after(self, ending: Ending, *, steady_after: float, until_open: bool = False) -> Failures:
        """Return the failures in a row after an attempt has ended.

        - A connection that delivered an event or moved the last event ID, or that was open
          for ``steady_after`` seconds, worked: the count goes back to zero.
        - A connection that was silent for ``idle_timeout``, before its head or after it, and
          one that the server ended cleanly after anything at all (a heartbeat, a ``retry``),
          did not fail. But it shows too little to forget the failures before it: the count
          stays, and the next attempt is not delayed by it.
        - With ``until_open``, silence before the head is a failure all the same: the request
          may have cost something, so ``max_attempts`` bounds how often it is made.
        - Every other end is a failure. So is a clean end without a single byte: a server
          that accepts and drops keeps a client backing off.
        """
        was_steady = ending.seconds_open is not None and ending.seconds_open >= steady_after
        if ending.has_progressed or was_steady:
            return Failures()
        is_fruitless = until_open and ending.seconds_open is None
        ended_normally = isinstance(ending.error, StreamEnded) and ending.has_received
        if ended_normally or (is_quiet(ending.error) and not is_fruitless):
            return Failures(self.count, 0)
        return Failures(self.count + 1, self.count + 1)


def is_quiet(error: EventSourceError) -> bool:
    """Return whether a connection ended because nothing arrived for ``idle_timeout``: a quiet stream, not a failure."""
    return isinstance(error, (ConnectionFailed, ConnectionLost)) and error.parameter == "idle_timeout"
