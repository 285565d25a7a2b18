from __future__ import annotations

import copy
import dataclasses
import pickle
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sse_client.errors import (
    CertificateRejected,
    ConnectionFailed,
    ConnectionLost,
    EventSourceError,
    EventTooLarge,
    ResponseRejected,
    StreamEnded,
)
from sse_client.reconnect import Ending, Failures, ReconnectPolicy

URL = "http://example.com/"
LOST = ConnectionLost("reset", url=URL)
EXACT = ReconnectPolicy(jitter=0)


def rejected(status: int, retry_after: float | None = None) -> ResponseRejected:
    return ResponseRejected("no", url=URL, status=status, headers={}, retry_after=retry_after)


def delay(policy: ReconnectPolicy, error: EventSourceError = LOST, attempt: int = 0, **given: Any) -> float | None:
    return policy.delay(
        error, attempt, reconnection_time=given.get("reconnection_time"), sample=given.get("sample", 0.0)
    )


def test_doubling() -> None:
    """The delay is the reconnection time, doubles from the second attempt without an event on, and stops at the cap."""
    assert [delay(EXACT, attempt=n) for n in range(9)] == [3, 3, 6, 12, 24, 48, 60, 60, 60]


def test_many_attempts() -> None:
    """The delay stays at the cap after any number of attempts."""
    assert delay(EXACT, attempt=10**9) == 60


def test_reconnection_time_of_the_stream() -> None:
    """What the stream asks for replaces the policy's own time, and doubles as that does."""
    assert [delay(EXACT, attempt=n, reconnection_time=0.5) for n in range(4)] == [0.5, 0.5, 1, 2]


def test_long_reconnection_time() -> None:
    """A reconnection time above the cap of doubling stands as it is."""
    assert [delay(EXACT, attempt=n, reconnection_time=90) for n in range(4)] == [90, 90, 90, 90]


@pytest.mark.parametrize(("asked", "obeyed"), [(0.0, 0.1), (0.01, 0.1), (3601.0, 3600.0), (float("inf"), 3600.0)])
def test_bounds_of_what_the_server_may_ask(asked: float, obeyed: float) -> None:
    """A retry field cannot make a client spin, nor silence it for ever."""
    assert delay(EXACT, reconnection_time=asked) == obeyed


def test_retry_after() -> None:
    """Retry-After is a minimum for the delay that follows it."""
    assert delay(EXACT, rejected(503, retry_after=20), attempt=1) == 20
    assert delay(EXACT, rejected(503, retry_after=1), attempt=1) == 3


def test_bound_of_retry_after() -> None:
    """Retry-After has the upper bound of what a server may ask."""
    assert delay(EXACT, rejected(503, retry_after=float("inf")), attempt=1) == 3600


def test_jitter() -> None:
    """Jitter is added on top, in proportion to the delay and to the sample."""
    policy = ReconnectPolicy(jitter=0.5)
    assert [delay(policy, sample=s) for s in (0.0, 0.5, 1.0)] == [3.0, 3.75, 4.5]
    assert delay(policy, rejected(503, retry_after=20), attempt=1, sample=1.0) == 21.5


@given(
    attempt=st.integers(0, 10**6),
    asked=st.none() | st.floats(0, allow_nan=False),
    retry_after=st.none() | st.floats(0, allow_nan=False),
    sample=st.floats(0, 1, exclude_max=True),
)
def test_every_delay(attempt: int, asked: float | None, retry_after: float | None, sample: float) -> None:
    """Whatever is asked, a delay is finite, above zero, and never below the reconnection time."""
    result = delay(ReconnectPolicy(), rejected(503, retry_after), attempt, reconnection_time=asked, sample=sample)
    assert result is not None
    assert min(3.0 if asked is None else max(asked, 0.1), 3600) <= result <= 3600 * 1.5


@pytest.mark.parametrize(
    "error",
    [LOST, StreamEnded("over", url=URL), ConnectionFailed("refused", url=URL)]
    + [rejected(status) for status in (408, 425, 429, 500, 502, 503, 504, 507, 509, 511, 520, 522, 524, 529, 530, 599)],
    ids=repr,
)
def test_what_is_retried(error: EventSourceError) -> None:
    """Failures of the network and the statuses of a passing trouble are retried."""
    assert delay(EXACT, error) == 3


@pytest.mark.parametrize(
    "error",
    [EventTooLarge(url=URL, limit=1), CertificateRejected("expired", url=URL)]
    + [rejected(status) for status in (200, 301, 400, 401, 403, 404, 410, 431, 444, 499, 501, 505, 506, 508, 510)],
    ids=repr,
)
def test_what_is_not_retried(error: EventSourceError) -> None:
    """What would be the same again is not retried."""
    assert delay(EXACT, error) is None


def test_own_statuses() -> None:
    """The statuses that are retried can be set."""
    policy = ReconnectPolicy(jitter=0, retry_statuses=[404])
    assert delay(policy, rejected(404)) == 3
    assert delay(policy, rejected(503)) is None
    assert delay(policy, rejected(520)) is None
    assert delay(ReconnectPolicy(jitter=0, retry_statuses=[520]), rejected(520)) == 3
    assert delay(ReconnectPolicy(jitter=0, retry_statuses=[520]), rejected(521)) is None


@pytest.mark.parametrize(
    "error",
    [rejected(status) for status in (200, 206, 302, 401, 403, 404, 410, 444, 499, 501, 503, 508, 530)]
    + [CertificateRejected("expired", url=URL), LOST, ConnectionFailed("refused", url=URL)],
    ids=repr,
)
def test_patience(error: EventSourceError) -> None:
    """A patient policy outlives maintenance pages, roll-outs, firewalls and certificates that have run out."""
    policy = ReconnectPolicy.patient(jitter=0)
    assert [delay(policy, error, n) for n in (1, 2, 7, 8, 1000)] == [3, 6, 192, 300, 300]


@pytest.mark.parametrize(
    "error",
    [rejected(status) for status in (400, 405, 411, 413, 414, 415, 422, 431)] + [EventTooLarge(url=URL, limit=1)],
    ids=repr,
)
def test_limits_of_patience(error: EventSourceError) -> None:
    """A mistake of the program's own ends the stream under a patient policy too."""
    assert delay(ReconnectPolicy.patient(), error) is None


def test_patience_with_other_settings() -> None:
    """What is patient about a policy can be set, as all else."""
    policy = ReconnectPolicy.patient(max_delay=30.0, retry_certificates=False)
    assert (policy.max_delay, policy.retry_certificates) == (30.0, False)
    assert delay(policy, rejected(404)) is not None
    assert delay(policy, CertificateRejected("expired", url=URL)) is None


def test_max_attempts() -> None:
    """There is no further attempt once so many in a row have brought no event."""
    policy = ReconnectPolicy(jitter=0, max_attempts=2)
    assert [delay(policy, attempt=n) for n in range(4)] == [3, 3, None, None]


@pytest.mark.parametrize("error", [LOST, StreamEnded("over", url=URL)], ids=repr)
@pytest.mark.parametrize("attempt", [0, 1, 7])
def test_until_open(error: EventSourceError, attempt: int) -> None:
    """A policy that reconnects until a stream opens does not after one has: only then can it be lost, or end."""
    policy = ReconnectPolicy(jitter=0, until_open=True)
    assert delay(policy, error, attempt) is None


def test_before_open() -> None:
    """Up to then such a policy decides as any other: what fails is tried again, up to max_attempts."""
    policy = ReconnectPolicy(jitter=0, until_open=True, max_attempts=3)
    for error in (ConnectionFailed("refused", url=URL), rejected(503)):
        assert [delay(policy, error, n) for n in (1, 2, 3)] == [3, 6, None]
    assert delay(policy, rejected(404), 1) is None


def test_is_a_value() -> None:
    """Policies compare, hash, copy and pickle by their settings."""
    policy = ReconnectPolicy(max_attempts=5, retry_statuses=[503], until_open=True)
    assert policy == ReconnectPolicy(max_attempts=5, retry_statuses=[503, 503], until_open=True)
    assert policy != ReconnectPolicy(max_attempts=5, retry_statuses=[503])
    assert policy != "policy"
    assert hash(policy) == hash(copy.copy(policy))
    assert pickle.loads(pickle.dumps(policy)) == policy
    assert eval(repr(policy), {"ReconnectPolicy": ReconnectPolicy}) == policy


def test_is_immutable() -> None:
    """A policy cannot be changed, since sources and threads may share it."""
    with pytest.raises(AttributeError, match="max_delay"):
        ReconnectPolicy().max_delay = 5.0  # type: ignore[misc]
    assert dataclasses.replace(ReconnectPolicy(max_attempts=5), max_delay=5.0) == ReconnectPolicy(
        max_attempts=5, max_delay=5.0
    )


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"reconnection_time": 0}, "reconnection_time must be a finite number of seconds, at least 0.001, not 0"),
        ({"max_delay": -1}, "max_delay must be"),
        ({"jitter": -0.1}, "jitter must be a finite number of parts of the delay, at least 0, not -0.1"),
        ({"min_server_delay": 0}, "min_server_delay must be"),
        ({"max_server_delay": float("inf")}, "max_server_delay must be"),
        ({"max_attempts": 0}, "max_attempts must be at least 1, or None"),
        ({"retry_statuses": [7]}, "retry_statuses must hold status codes"),
        ({"min_server_delay": 2, "max_server_delay": 1}, "min_server_delay must not be above max_server_delay"),
    ],
)
def test_wrong_settings(settings: dict[str, Any], message: str) -> None:
    """A wrong setting is refused by name."""
    with pytest.raises(ValueError, match=message):
        ReconnectPolicy(**settings)


def test_a_flag_that_is_none() -> None:
    """until_open is True or False: a number of seconds there is a mistake."""
    with pytest.raises(TypeError, match="until_open must be True or False, not float"):
        ReconnectPolicy(until_open=5.0)  # type: ignore[arg-type]


# Which attempts count as failed

ENDED = StreamEnded("over", url=URL)
SILENT = ConnectionLost("silent", url=URL, parameter="idle_timeout")
NO_HEAD = ConnectionFailed("silent", url=URL, parameter="idle_timeout")
SLOW_HEAD = ConnectionFailed("slow", url=URL, parameter="response_timeout")


@pytest.mark.parametrize(
    ("ending", "failures"),
    [
        # It worked: the count goes back to zero.
        (Ending(LOST, has_progressed=True, has_received=True, seconds_open=0.1), Failures(0, 0)),
        (Ending(ENDED, has_progressed=True, has_received=True, seconds_open=0.1), Failures(0, 0)),
        (Ending(LOST, has_received=True, seconds_open=10.0), Failures(0, 0)),
        (Ending(LOST, seconds_open=10.0), Failures(0, 0)),
        (Ending(SILENT, seconds_open=300.0), Failures(0, 0)),
        # Neither: the count stays, and the next delay does not grow.
        (Ending(ENDED, has_received=True, seconds_open=0.1), Failures(4, 0)),
        (Ending(SILENT, seconds_open=5.0), Failures(4, 0)),
        (Ending(NO_HEAD), Failures(4, 0)),
        # It failed.
        (Ending(ENDED, seconds_open=0.1), Failures(5, 5)),
        (Ending(LOST, has_received=True, seconds_open=9.9), Failures(5, 5)),
        (Ending(SLOW_HEAD), Failures(5, 5)),
        (Ending(rejected(503)), Failures(5, 5)),
        (Ending(ConnectionFailed("refused", url=URL)), Failures(5, 5)),
    ],
    ids=repr,
)
def test_failures_in_a_row(ending: Ending, failures: Failures) -> None:
    """After four failures in a row, an ending sets the count back, leaves it, or adds to it."""
    assert Failures(4, 4).after(ending, steady_after=10.0) == failures


def test_an_attempt_that_never_opened_was_not_steady() -> None:
    """Even with steady_after=0, an attempt whose stream never opened failed."""
    assert Failures().after(Ending(rejected(503)), steady_after=0.0) == Failures(1, 1)
    assert Failures(1, 1).after(Ending(LOST, seconds_open=0.0), steady_after=0.0) == Failures()


def test_silence_before_the_head_counts_for_a_request_that_costs_something() -> None:
    """With until_open, a request that nobody answers is not made for ever; else silence is no failure."""
    silent = ConnectionFailed("no response within idle_timeout=300 s", url="", parameter="idle_timeout")
    assert Failures().after(Ending(silent), steady_after=10.0, until_open=True) == Failures(1, 1)
    assert Failures().after(Ending(silent), steady_after=10.0) == Failures(0, 0)
