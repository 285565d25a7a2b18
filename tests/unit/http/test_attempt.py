"""The rules of an attempt, over a transport whose responses are given beforehand."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Union

import pytest

from sse_client._http.attempt import HttpConnection, Response, Transport
from sse_client._http.headers import Headers
from sse_client._http.message import Request, RequestOptions
from sse_client._http.verdict import MAX_REJECTED_BODY
from sse_client.connector import ResponseHead
from sse_client.errors import ConnectionFailed, ResponseRejected

URL = "http://example.com/builds"
STREAM = {"content-type": "text/event-stream"}


class Played(Response):
    def __init__(self, status: int, headers: Mapping[str, str], body: bytes = b"") -> None:
        self.status = status
        self.headers = Headers(headers)
        self.body = body
        self.asked: list[tuple[int, float]] = []
        self.discarded = 0

    def read(self) -> bytes:
        body, self.body = self.body, b""
        return body

    def beginning(self, size: int, seconds: float) -> bytes:
        self.asked.append((size, seconds))
        return self.body[:size]

    def discard(self) -> None:
        self.discarded += 1


class PlayedTransport(Transport):
    codings = ("gzip",)

    def __init__(self, *responses: Played) -> None:
        self.responses = list(responses)
        self.sent: list[Request] = []
        self.calls: list[str] = []

    def send(self, request: Request) -> Response:
        self.sent.append(request)
        return self.responses[len(self.sent) - 1]

    def interrupt(self) -> None:
        self.calls.append("interrupt")

    def release(self) -> None:
        self.calls.append("release")


def attempt(*responses: Played, url: Any = URL, headers: Any = None) -> tuple[HttpConnection, PlayedTransport]:
    transport = PlayedTransport(*responses)
    return HttpConnection(RequestOptions(url, headers=headers), transport), transport


def redirect(location: str, status: int = 302) -> Played:
    return Played(status, {"location": location})


def test_an_event_stream() -> None:
    """It opens with its address, origin, status and headers, and is read from the response itself."""
    connection, transport = attempt(
        Played(200, STREAM, b"data: a\n\n"), url="https://user:pass@Example.com:8443/builds?token=s3cret"
    )
    head = connection.open("7")
    assert head == ResponseHead("https://example.com:8443/builds?...", "https://example.com:8443", 200, STREAM)
    assert transport.sent[0].last_event_id == "7"
    assert connection.read() == b"data: a\n\n"
    connection.release()
    assert transport.responses[0].discarded == 1
    assert transport.calls == ["release"]


def test_an_interrupt_is_the_transports() -> None:
    """interrupt() is passed on, at any time."""
    connection, transport = attempt()
    connection.interrupt()
    connection.release()
    assert transport.calls == ["interrupt", "release"]


def test_no_content() -> None:
    """A 204 opens too, whatever its type: it is an answer, and not a failure."""
    assert attempt(Played(204, {}))[0].open("").status == 204


def test_redirects() -> None:
    """The address and origin are those of the last one, and each response is given back before the next request."""
    connection, transport = attempt(redirect("/a"), redirect("http://other.example:81/b"), Played(200, STREAM))
    head = connection.open("")
    assert (head.url, head.origin) == ("http://other.example:81/b", "http://other.example:81")
    assert [request.url.address for request in transport.sent] == [
        URL,
        "http://example.com/a",
        "http://other.example:81/b",
    ]
    assert [request.is_trusted for request in transport.sent] == [True, True, False]
    assert [response.discarded for response in transport.responses] == [1, 1, 0]


@pytest.mark.parametrize("count", [10, 11])
def test_ten_redirects(count: int) -> None:
    """Ten redirects in a row are followed; the eleventh is refused, and no twelfth request is made."""
    connection, transport = attempt(*[redirect("/again") for _ in range(count)], Played(200, STREAM))
    if count == 10:
        assert connection.open("").status == 200
        return
    with pytest.raises(ResponseRejected, match="more than 10 redirects in a row") as caught:
        connection.open("")
    assert caught.value.status == 302
    assert len(transport.sent) == 11


def test_a_redirect_to_nowhere() -> None:
    """A redirect to where no stream can be is rejected, with its reason and status."""
    connection, _ = attempt(redirect("file:///etc/passwd", 307))
    with pytest.raises(ResponseRejected, match=r"\(status 307\) \(http://example.com/builds\)") as caught:
        connection.open("")
    assert caught.value.status == 307


def tokens() -> Any:
    values = iter(range(100))
    return lambda: {"X-Token": str(next(values))}


@pytest.mark.parametrize(
    ("headers", "second", "sent"),
    [(tokens, 200, ["0", "1"]), (tokens, 401, ["0", "1"]), (lambda: {"X-Token": "0"}, 200, ["0"])],
    ids=["renewed", "renewed, refused again", "fixed"],
)
def test_401(headers: Any, second: int, sent: list[str]) -> None:
    """Headers that a function makes are made once more, and tried once at once; others are final at once."""
    connection, transport = attempt(Played(401, {}), Played(second, STREAM), headers=headers())
    if second == 200 and len(sent) == 2:
        assert connection.open("").status == 200
        assert transport.responses[0].discarded == 1
    else:
        with pytest.raises(ResponseRejected, match="401 Unauthorized"):
            connection.open("")
    assert [request.user_headers["X-Token"] for request in transport.sent] == sent


def test_a_rejection() -> None:
    """It carries address, status, headers, the beginning of the body and what Retry-After asks for."""
    response = Played(503, {"retry-after": "7", "x": "y"}, b"try later" + b"x" * MAX_REJECTED_BODY)
    connection, _ = attempt(response)
    with pytest.raises(ResponseRejected) as caught:
        connection.open("")
    error = caught.value
    assert (error.url, error.status, error.retry_after) == (URL, 503, 7.0)
    assert error.headers == {"retry-after": "7", "x": "y"}
    assert error.body == (b"try later" + b"x" * MAX_REJECTED_BODY)[:MAX_REJECTED_BODY]
    ((size, seconds),) = response.asked
    assert size == MAX_REJECTED_BODY
    assert 0 < seconds <= 5


@pytest.mark.parametrize("failure", [ConnectionRefusedError(111, "Connection refused"), ValueError("a bug")])
def test_a_function_that_fails(failure: Exception) -> None:
    """An error of the network is a failed attempt, any other one the user's own."""

    def function() -> Any:
        raise failure

    expected: Union[type[Exception], Any] = ConnectionFailed if isinstance(failure, OSError) else ValueError
    connection, transport = attempt(url=function)
    with pytest.raises(expected) as caught:
        connection.open("")
    assert failure in (caught.value, caught.value.__cause__)
    assert transport.sent == []
