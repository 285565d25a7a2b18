from __future__ import annotations

import copy
import itertools
import json
import pickle
import time

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
    ConnectionLost("silent", url=URL, parameter="idle_timeout"),
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


def test_text_without_a_url() -> None:
    """An error that knows of no URL says what happened, and nothing else."""
    assert str(EventTooLarge(url="", limit=10)) == "an event is larger than max_event_size=10 bytes"


@pytest.mark.parametrize(
    ("error", "summary"),
    [
        (EventSourceError("something", url=URL), "the stream failed"),
        (ConnectionFailed("refused", url=URL), "cannot connect"),
        (ConnectionFailed("slow", url=URL, parameter="connect_timeout"), "connecting timed out"),
        (ConnectionFailed("silent", url=URL, parameter="response_timeout"), "no answer in time"),
        (ConnectionFailed("silent", url=URL, parameter="idle_timeout"), "nothing arrived for a while"),
        (ConnectionLost("reset", url=URL), "connection lost"),
        (ConnectionLost("silent", url=URL, parameter="idle_timeout"), "nothing arrived for a while"),
        (StreamEnded("over", url=URL), "the server ended the stream"),
        (CertificateRejected("expired", url=URL), "certificate not valid"),
        (ResponseRejected("html", url=URL, status=200, headers={}), "not an event stream"),
        (ResponseRejected("no", url=URL, status=503, headers={}), "503 Service Unavailable"),
        (ResponseRejected("no", url=URL, status=599, headers={}), "status 599"),
        (EventTooLarge(url=URL, limit=10), "event too large"),
    ],
    ids=repr,
)
def test_summary(error: EventSourceError, summary: str) -> None:
    """An error can be told in a few words, which fit a status bar."""
    assert error.summary == summary


def test_parameter() -> None:
    """An error names the setting whose limit was reached, if one was."""
    assert ConnectionFailed("slow", url=URL, parameter="connect_timeout").parameter == "connect_timeout"
    assert ConnectionLost("reset", url=URL).parameter is None
    assert ResponseRejected("no", url=URL, status=503, headers={}).parameter is None


def test_chain() -> None:
    """A chain is an error, its cause or else its context, and so on, each once, though they may form a ring."""
    first, second, third = ValueError("1"), ValueError("2"), ValueError("3")
    first.__cause__, second.__context__ = second, third
    assert list(errors.chain_of(first)) == [first, second, third]
    third.__cause__ = second
    assert list(itertools.islice(errors.chain_of(first), 10)) == [first, second, third]
    assert list(errors.chain_of(None)) == []


def test_headers_and_body_are_not_shown() -> None:
    """Headers and body of a rejected response, which may hold secrets, are in neither its text nor its repr."""
    error = ResponseRejected("no", url=URL, status=403, headers={"set-cookie": "s3cret"}, body=b"s3cret")
    assert "s3cret" not in str(error) + repr(error)


@pytest.mark.parametrize(
    ("content_type", "body", "text"),
    [
        (None, "né".encode(), "né"),
        ("text/html", "né".encode(), "né"),
        ("text/html; charset=latin-1", b"n\xe9", "né"),
        ('text/html;x=y ; Charset = "ISO-8859-15"; z', b"\xa4", "€"),
        ("text/html; x-charset=latin-1", "né".encode(), "né"),
        ("text/html; charset=utf-8", b"n\xe9", "n\ufffd"),
        ("text/html; charset=", b"a", "a"),
        ("text/html; charset=no-such", "né".encode(), "né"),
        ("text/html; charset=hex", b"6161", "6161"),
        ("text/html; charset=idna", b"xn--bcher-kva", "xn--bcher-kva"),
        ("text/html; charset=unicode_escape", rb"\q", r"\q"),
        ("text/html; charset=Raw_Unicode_Escape", rb"\u0041", r"\u0041"),
        ("text/html; charset=punycode", b"-" + b"9" * 65_000, "-" + "9" * 65_000),
        ("text/html; charset=\0", b"a", "a"),
    ],
)
def test_text_of_the_body(content_type: str | None, body: bytes, text: str) -> None:
    """A body is decoded by the charset of its type if Python has it as one, otherwise as UTF-8, and never fails."""
    headers = {} if content_type is None else {"content-type": content_type}
    began = time.process_time()
    assert ResponseRejected("no", url=URL, status=403, headers=headers, body=body).text == text
    assert time.process_time() - began < 0.5


def test_json_of_the_body() -> None:
    """A body that is JSON is decoded; any other is a ValueError."""
    type_ = {"content-type": "application/json"}
    error = ResponseRejected("no", url=URL, status=403, headers=type_, body='{"error": "né"}'.encode())
    assert error.json() == {"error": "né"}
    with pytest.raises(json.JSONDecodeError):
        ResponseRejected("no", url=URL, status=403, headers=type_, body=b"<p>no").json()


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
        own = {child for child in parent.__subclasses__() if child.__module__ == errors.__name__}
        assert own == expected
    for name in errors.__all__:
        assert name in (errors.__doc__ or "")
