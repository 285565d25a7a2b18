from __future__ import annotations

import copy
import pickle

import pytest

from sse_client import errors
from sse_client.errors import (
    CertificateRejected,
    ConnectionFailed,
    ConnectionLost,
    EventSourceError,
    EventTooLarge,
    ResponseRejected,
    StreamEnded,
)

URL = "https://example.com/builds"

EACH = [
    EventSourceError("something", url=URL),
    ConnectionFailed("refused", url=URL),
    ConnectionLost("reset", url=URL),
    StreamEnded("over", url=URL),
    CertificateRejected("expired", url=URL),
    ResponseRejected("no", url=URL, status=503, headers={"retry-after": "3"}, body=b"later", retry_after=3.0),
    EventTooLarge(url=URL, limit=10),
]


@pytest.mark.parametrize("error", EACH, ids=lambda error: type(error).__name__)
@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_pickle(error: EventSourceError, protocol: int) -> None:
    """Every error survives pickling, by every protocol, with all its values."""
    again = pickle.loads(pickle.dumps(error, protocol))
    assert type(again) is type(error)
    assert again.__dict__ == error.__dict__
    assert str(again) == str(error)


@pytest.mark.parametrize("error", EACH, ids=lambda error: type(error).__name__)
def test_copy(error: EventSourceError) -> None:
    """Every error can be copied."""
    assert copy.deepcopy(error).__dict__ == error.__dict__


@pytest.mark.parametrize("error", EACH, ids=lambda error: type(error).__name__)
def test_text(error: EventSourceError) -> None:
    """The text of every error says what happened and where."""
    assert str(error) == f"{error.reason} ({URL})"


def test_text_of_event_too_large() -> None:
    """An EventTooLarge names the limit and the parameter that sets it."""
    error = EventTooLarge(url=URL, limit=1000)
    assert "max_event_size=1000" in str(error)
    assert (error.limit, error.parameter) == (1000, "max_event_size")


def test_headers_and_body_are_not_shown() -> None:
    """Headers and body of a rejected response, which may hold secrets, are in neither its text nor its repr."""
    error = ResponseRejected("no", url=URL, status=403, headers={"set-cookie": "s3cret"}, body=b"s3cret")
    assert "s3cret" not in str(error) + repr(error)


def test_headers_are_a_copy() -> None:
    """A ResponseRejected keeps its own copy of the headers."""
    headers = {"a": "1"}
    error = ResponseRejected("no", url=URL, status=403, headers=headers)
    headers["a"] = "2"
    assert error.headers == {"a": "1"}


def test_tree() -> None:
    """The classes form the tree that the module's docstring draws, and all public ones are in it."""
    children = {
        EventSourceError: {ConnectionFailed, ConnectionLost, CertificateRejected, ResponseRejected, EventTooLarge},
        ConnectionLost: {StreamEnded},
    }
    for parent, expected in children.items():
        assert set(parent.__subclasses__()) == expected
    for name in errors.__all__:
        assert name in (errors.__doc__ or "")
