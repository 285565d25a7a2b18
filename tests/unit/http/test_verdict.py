from __future__ import annotations

import pytest

from sse_client._http.headers import Headers, response_headers
from sse_client._http.verdict import effective_status, is_redirect, media_type, rejection_reason, retry_after

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
        (200, {}, "the response has no Content-Type, not text/event-stream; content_types= allows others"),
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
        ("1.5", 2.0),
        ("0.001", 1.0),
        ("5.", 5.0),
        ("1.5.1", None),
        ("1e3", None),
        ("0x10", None),
        ("soon " * 10_000, None),
        ("9" * 60_000, float("inf")),
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


def test_a_date_is_measured_against_that_of_the_response() -> None:
    """Where the response says when it was made, the clock of this machine does not matter."""
    headers = {"retry-after": "Sun, 09 Sep 2001 01:47:40 GMT", "date": "Sun, 09 Sep 2001 01:47:10 GMT"}
    assert retry_after(Headers(headers), now=NOW) == 30.0
    assert retry_after(Headers({**headers, "date": "yesterday"}), now=NOW) == 60.0
    assert retry_after(Headers({**headers, "date": "x" * 60_000}), now=NOW) == 60.0


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("text/event-stream", "text/event-stream"),
        (" Text/Event-Stream ; charset=utf-8", "text/event-stream"),
        ("text/html, text/event-stream", "text/event-stream"),
        ("text/event-stream, text/html", "text/html"),
        ("text/event-stream, ", "text/event-stream"),
        ("text/event-stream, nonsense, */*, a/b/c, a b/c", "text/event-stream"),
        ('text/html;x=",text/event-stream,"', "text/html"),
        ('text/html;x="\\",text/event-stream', "text/html"),
        ('text/html;x="\\\\",text/event-stream', "text/event-stream"),
        ("", ""),
        ("text", ""),
        ("text/", ""),
        ("/event-stream", ""),
        ("*/*", ""),
        ("text/event-stream\x0b", ""),
    ],
)
def test_media_types(value: str, expected: str) -> None:
    """Of the types that a Content-Type names the last valid one counts, as the Fetch Standard extracts it."""
    assert media_type(value) == expected


@pytest.mark.parametrize(
    ("content_type", "allowed"),
    [
        ("text/plain; charset=utf-8", {"text/plain", "text/event-stream"}),
        ("text/event-stream", {"text/plain", "text/event-stream"}),
        (None, {""}),
        ("nonsense", {""}),
        (None, None),
        ("text/html", None),
    ],
)
def test_other_types_that_are_allowed(content_type: str | None, allowed: set[str] | None) -> None:
    """Which types are event streams is for the user to say."""
    headers = Headers({} if content_type is None else {"content-type": content_type})
    assert rejection_reason(200, headers, content_types=allowed) is None


def test_types_that_are_not_among_those_allowed() -> None:
    """The reason names all that would do."""
    allowed = {"text/plain", "", "application/json"}
    reason = rejection_reason(200, Headers({"content-type": "text/html"}), content_types=allowed)
    assert reason == (
        "the response is of type 'text/html', not application/json or text/plain; content_types= allows others"
    )


@pytest.mark.parametrize("status", [200, 201, 202, 206, 226, 299])
def test_any_success(status: int) -> None:
    """What answers a POST may have any status of success, if it is an event stream."""
    assert rejection_reason(status, Headers(STREAM), any_success=True) is None
    assert (rejection_reason(status, Headers(STREAM)) is None) is (status == 200)


def test_a_success_that_is_no_stream() -> None:
    """Of a success that is not a 200, the reason has the status and the type."""
    reason = rejection_reason(201, Headers({"content-type": "text/html"}), any_success=True)
    assert reason is not None
    assert reason.startswith("the server answered 201 Created: the response is of type 'text/html', not")


@pytest.mark.parametrize(
    ("headers", "reason"),
    [
        ({"content-encoding": "gzip"}, None),
        ({"content-encoding": " GZIP "}, None),
        ({"content-encoding": "identity"}, None),
        ({"content-encoding": "none"}, None),
        ({"content-encoding": "utf-8"}, None),
        ({"content-encoding": ""}, None),
        ({"content-encoding": "none, utf-8"}, None),
        ({"content-encoding": "br"}, "encoded as 'br', which cannot be undone: pip install brotli, or have the server"),
        ({"content-encoding": "zstd"}, "pip install 'urllib3[zstd]'"),
        ({"content-encoding": "X-Compress"}, "encoded as 'x-compress', which cannot be undone: have the server send"),
        ({"content-encoding": "gzip, identity"}, "encoded more than once"),
        ({"content-encoding": "utf-8, br"}, "encoded more than once"),
        ({"transfer-encoding": "chunked"}, None),
        ({"transfer-encoding": "Chunked"}, None),
        ({"transfer-encoding": "identity"}, None),
        ({"transfer-encoding": "gzip, chunked"}, "the transfer coding 'gzip, chunked', which cannot be undone"),
        ({"transfer-encoding": "chunked, chunked"}, "the transfer coding 'chunked, chunked'"),
        ({"transfer-encoding": "deflate"}, "have the server send it chunked only, and compress by Content-Encoding"),
    ],
)
def test_codings(headers: dict[str, str], reason: str | None) -> None:
    """A coding that cannot be undone is rejected with the cure; names that code nothing are let through."""
    given = rejection_reason(200, Headers({**STREAM, **headers}), codings=["gzip", "x-gzip", "deflate"])
    assert given is None if reason is None else reason in str(given)


@pytest.mark.parametrize(
    ("status", "effective"),
    [(200, 200), (299, 200), (404, 404), (418, 418), (419, 400), (499, 400), (503, 503), (509, 500), (511, 511)]
    + [(status, 500) for status in (520, 521, 522, 523, 524, 527, 529, 530, 599)],
)
def test_effective_statuses(status: int, effective: int) -> None:
    """A status that nobody has registered is treated as the x00 of its class."""
    assert effective_status(status) == effective
