from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Union

import pytest

from sse_client._http.attempt import Answer, Exchange
from sse_client._http.headers import Headers
from sse_client._http.message import Request, RequestOptions
from sse_client._http.verdict import MAX_REJECTED_BODY
from sse_client.connector import ResponseHead
from sse_client.errors import ConnectionLost, ResponseRejected

URL = "http://example.com/builds"
STREAM = {"content-type": "text/event-stream"}


class Played(Exchange):
    """An exchange whose answers are given beforehand; it writes down what is asked of it."""

    def __init__(
        self, options: RequestOptions, *answers: Answer, body: tuple[Union[bytes, Exception], ...] = ()
    ) -> None:
        super().__init__(options)
        self.answers = list(answers)
        self.body = list(body)
        self.requests: list[Request] = []
        self.discarded = 0
        self.limits: list[float] = []

    def _send(self, request: Request) -> Answer:
        self.requests.append(request)
        return self.answers.pop(0)

    def read(self) -> bytes:
        piece = self.body.pop(0) if self.body else b""
        if isinstance(piece, Exception):
            raise piece
        return piece

    def _discard(self) -> None:
        self.discarded += 1

    def _limit_waiting(self, seconds: float) -> None:
        self.limits.append(seconds)

    def interrupt(self) -> None:
        raise AssertionError("an exchange does not interrupt itself")

    def release(self) -> None:
        raise AssertionError("an exchange does not release itself")


def redirect(location: str, status: int = 302) -> Answer:
    return Answer(status, Headers({"location": location}))


def played(*answers: Answer, url: Any = URL, headers: Any = None, **settings: Any) -> Played:
    return Played(RequestOptions(url, headers=headers), *answers, **settings)


def test_event_stream() -> None:
    """An event stream opens with its address, origin, status and headers."""
    exchange = played(Answer(200, Headers(STREAM)), url="https://user:pass@Example.com:8443/builds?token=s3cret")
    head = exchange.open("7")
    assert head == ResponseHead("https://example.com:8443/builds?...", "https://example.com:8443", 200, STREAM)
    assert exchange.requests[0].last_event_id == "7"


def test_no_content() -> None:
    """A 204 opens too, whatever its type: it is an answer, and not a failure."""
    assert played(Answer(204, Headers())).open("").status == 204


def test_redirects() -> None:
    """Redirects are followed; the address and origin are those of the last one, and each response is given back."""
    exchange = played(redirect("/a"), redirect("http://other.example:81/b"), Answer(200, Headers(STREAM)))
    head = exchange.open("")
    assert (head.url, head.origin) == ("http://other.example:81/b", "http://other.example:81")
    assert [request.url.address for request in exchange.requests] == [
        URL,
        "http://example.com/a",
        "http://other.example:81/b",
    ]
    assert exchange.discarded == 2


def test_ten_redirects() -> None:
    """Ten redirects in a row are followed."""
    assert played(*[redirect("/again")] * 10, Answer(200, Headers(STREAM))).open("").status == 200


def test_eleven_redirects() -> None:
    """The eleventh redirect in a row is refused, and no twelfth request is made."""
    exchange = played(*[redirect("/again")] * 1000)
    with pytest.raises(ResponseRejected, match="more than 10 redirects in a row") as raised:
        exchange.open("")
    assert raised.value.status == 302
    assert len(exchange.requests) == 11


def test_redirect_to_nowhere() -> None:
    """A redirect to where no stream can be is rejected, with its reason and status."""
    with pytest.raises(
        ResponseRejected, match=r"not with 'file' \(status 307\) \(http://example.com/builds\)"
    ) as raised:
        played(redirect("file:///etc/passwd", 307)).open("")
    assert raised.value.status == 307


def test_next_attempt_starts_from_the_first_url() -> None:
    """Where a redirect led is forgotten by the next attempt."""
    options = RequestOptions(URL)
    Played(options, redirect("http://other.example/"), Answer(200, Headers(STREAM))).open("")
    second = Played(options, Answer(200, Headers(STREAM)))
    second.open("")
    assert [request.url.address for request in second.requests] == [URL]


def tokens() -> Any:
    values = iter(range(100))
    return lambda: {"X-Token": str(next(values))}


def test_renewed_headers() -> None:
    """A 401 makes a headers function be called once more, and the request be tried once at once."""
    exchange = played(Answer(401, Headers()), Answer(200, Headers(STREAM)), headers=tokens())
    assert exchange.open("").status == 200
    assert [request.user_headers["X-Token"] for request in exchange.requests] == ["0", "1"]
    assert exchange.discarded == 1


def test_renewed_headers_refused() -> None:
    """A second 401 is final."""
    exchange = played(Answer(401, Headers()), Answer(401, Headers()), headers=tokens())
    with pytest.raises(ResponseRejected, match="401 Unauthorized"):
        exchange.open("")
    assert len(exchange.requests) == 2


def test_fixed_headers_refused() -> None:
    """A 401 to headers that are no function is final at once."""
    exchange = played(Answer(401, Headers()), headers={"X-Token": "0"})
    with pytest.raises(ResponseRejected, match="401 Unauthorized"):
        exchange.open("")
    assert len(exchange.requests) == 1


def rejected(headers: Mapping[str, str], *body: Union[bytes, Exception]) -> ResponseRejected:
    with pytest.raises(ResponseRejected) as raised:
        played(Answer(503, headers), body=body).open("")
    return raised.value


def test_rejection() -> None:
    """A rejected response carries address, status, headers, body and what Retry-After asks for."""
    error = rejected({"retry-after": "7", "x": "y"}, b"try ", b"later")
    assert (error.url, error.status, error.body, error.retry_after) == (URL, 503, b"try later", 7.0)
    assert error.headers == {"retry-after": "7", "x": "y"}


def test_body_of_a_rejection_is_bounded() -> None:
    """No more than the first 64 KiB of the body are kept, however long it is."""
    assert rejected({}, *[b"x" * 60_000] * 1000).body == b"x" * MAX_REJECTED_BODY


def test_body_of_a_rejection_is_cut_off() -> None:
    """What came of a body before its connection broke is kept."""
    assert rejected({}, b"try ", ConnectionLost("reset", url=URL)).body == b"try "


def test_body_of_a_rejection_is_not_waited_for_long() -> None:
    """No wait for the body of a rejection is longer than five seconds, all together."""
    exchange = played(Answer(503, Headers()), body=(b"a", b"b"))
    with pytest.raises(ResponseRejected):
        exchange.open("")
    assert exchange.limits
    assert 5.0 >= exchange.limits[0] >= exchange.limits[-1] > 0


def test_body_of_a_rejection_stops_at_the_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    """A body that keeps dripping is given up at the deadline."""
    clock = iter(range(100))
    monkeypatch.setattr("sse_client._http.attempt.time.monotonic", lambda: float(next(clock)))
    assert rejected({}, *[b"x"] * 1000).body == b"x" * 4
