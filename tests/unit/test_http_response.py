from __future__ import annotations

import pytest

from sse_client._http.message import Headers, is_redirect, rejection_reason, response_headers, retry_after

STREAM = {"content-type": "text/event-stream"}
NOW = 1_000_000_000.0  # Sun, 09 Sep 2001 01:46:40 GMT


@pytest.mark.parametrize("value", ["a\r\n b", "a \n\tb", "a\r\n\r\n  b"])
def test_folded_headers(value: str) -> None:
    """A value that was folded over several lines is one line."""
    assert response_headers([("a", value)]) == {"a": "a b"}


def test_response_headers() -> None:
    """Header names are in lower case and repeated fields are joined in order."""
    assert response_headers([("A", "1"), ("b", "2"), ("a", "3")]) == {"a": "1, 3", "b": "2"}


@pytest.mark.parametrize(
    "content_type",
    ["text/event-stream", "TEXT/Event-Stream", "text/event-stream;charset=utf-8", " text/event-stream ; x=y"],
)
def test_event_streams(content_type: str) -> None:
    """A 200 of the right type is an event stream; case and parameters of the type do not matter."""
    assert rejection_reason(200, Headers({"content-type": content_type})) is None


def test_no_content() -> None:
    """A 204 is no rejection, whatever its type."""
    assert rejection_reason(204, Headers()) is None


@pytest.mark.parametrize(
    ("status", "headers", "reason"),
    [
        (404, {"content-type": "text/event-stream"}, "the server answered 404 Not Found"),
        (206, {"content-type": "text/event-stream"}, "the server answered 206 Partial Content"),
        (599, {}, "the server answered 599"),
        (200, {}, "the response has no Content-Type; an event stream has text/event-stream"),
        (200, {**STREAM, "content-encoding": "gzip, gzip"}, "the response is encoded more than once"),
        (200, {"content-type": ""}, "the response is of type '', not text/event-stream"),
        (200, {"content-type": "text/html"}, "the response is of type 'text/html', not text/event-stream"),
        (200, {"content-type": "text/event-streams"}, "is of type 'text/event-streams'"),
        (200, {"content-type": "x" * 1000}, f"is of type '{'x' * 100}', not"),
    ],
)
def test_rejections(status: int, headers: dict[str, str], reason: str) -> None:
    """Any other response is rejected with the reason in words."""
    assert reason in (rejection_reason(status, Headers(headers)) or "")


@pytest.mark.parametrize("status", range(300, 309))
def test_redirects(status: int) -> None:
    """The redirects are 301, 302, 303, 307 and 308."""
    assert is_redirect(status) == (status in {301, 302, 303, 307, 308})


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("120", 120.0),
        (" 0 ", 0.0),
        ("9" * 400, float("inf")),
        ("Sun, 09 Sep 2001 01:47:40 GMT", 60.0),
        ("Sun, 09 Sep 2001 01:47:40 -0000", 60.0),
        ("Sunday, 09-Sep-01 01:47:40 GMT", 60.0),
        ("Sun Sep  9 01:47:40 2001", 60.0),
        ("Sun, 09 Sep 2001 01:00:00 GMT", 0.0),
        ("", None),
        ("soon", None),
        ("-5", None),
        ("1.5", None),
        ("٣", None),
        ("Sun, 99 Sep 2001 01:47:40 GMT", None),
        ("Sun, 09 Sep 99999999999 01:47:40 GMT", None),
    ],
)
def test_retry_after(value: str, seconds: float | None) -> None:
    """Retry-After is a number of seconds or a date; a date in the past is now; anything else is nothing."""
    assert retry_after(Headers({"retry-after": value}), now=NOW) == seconds


def test_no_retry_after() -> None:
    """Without the header nothing is asked for."""
    assert retry_after(Headers(), now=NOW) is None
