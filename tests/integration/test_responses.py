"""What the status, the type and the headers of a response mean."""

from __future__ import annotations

import threading
import time
from email.utils import formatdate
from typing import Any, Optional

import pytest

from sse_client import ErrorEvent, EventSource, OpenEvent, ReadyState, ReconnectPolicy, ResponseRejected
from sse_client.testing import EventStreamServer, Exchange, event, hold, raw

from .support import AT_ONCE, Follower, data_of

RETRIED = (408, 425, 429, 500, 502, 503, 504, 507, 509, 511, 520, 524, 529, 599)
FATAL = (201, 202, 206, 300, 305, 400, 401, 403, 404, 405, 406, 407, 410, 418, 420, 451, 499, 501, 505, 506, 508, 510)

KEPT_ALIVE_OR_CLOSED = [pytest.param(False, id="kept alive"), pytest.param(True, id="closed")]


def rejection_of(source: EventSource) -> ResponseRejected:
    """The error that ends the source's loop."""
    with source, pytest.raises(ResponseRejected) as caught:
        list(source)
    assert source.ready_state is ReadyState.CLOSED
    return caught.value


@pytest.mark.parametrize("headers", [{}, {"Connection": "close"}, {"Content-Type": "text/event-stream"}])
def test_204_ends_the_iteration_quietly(server: EventStreamServer, headers: dict[str, str]) -> None:
    """A 204 means stop: no error, no further request."""
    server.stream(event("a"))
    server.respond(204, headers=headers)
    source = EventSource(server.url, reconnect=AT_ONCE)
    assert data_of(source) == ["a"]
    assert source.ready_state is ReadyState.CLOSED
    assert len(server.requests) == 2


@pytest.mark.parametrize("status", RETRIED)
@pytest.mark.parametrize("close", KEPT_ALIVE_OR_CLOSED)
def test_statuses_after_which_it_comes_back(server: EventStreamServer, status: int, close: bool) -> None:
    """A busy server is asked again: the rejection is a value, and the loop goes on."""
    server.respond(status, b"busy", {"Connection": "close"} if close else {})
    server.stream(event("a"))
    with EventSource(server.url, reconnect=AT_ONCE) as source:
        _, first, _, second, *_ = source.lifecycle()
    assert isinstance(first, ErrorEvent)
    assert isinstance(first.error, ResponseRejected)
    assert (first.error.status, first.error.body, first.attempt) == (status, b"busy", 1)
    assert isinstance(second, OpenEvent)


@pytest.mark.parametrize("status", FATAL)
@pytest.mark.parametrize("close", KEPT_ALIVE_OR_CLOSED)
def test_statuses_that_end_the_iteration(server: EventStreamServer, status: int, close: bool) -> None:
    """Any other status is raised, with what the server said; the server is left alone."""
    body = b'{"error": "no"}'
    server.respond(status, body, {"X-Reason": "because", "Connection": "close" if close else "keep-alive"})
    error = rejection_of(EventSource(server.url, reconnect=AT_ONCE))
    assert (error.status, error.body, error.headers["x-reason"]) == (status, body, "because")
    assert str(status) in str(error)
    assert "because" not in str(error)
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    "content_type",
    [
        "text/event-stream",
        "TEXT/Event-Stream",
        "text/event-stream;charset=utf-8",
        'text/event-stream ; charset="UTF-8"; x=y',
        "text/event-stream;",
        "  text/event-stream\t",
    ],
)
def test_types_that_are_event_streams(server: EventStreamServer, content_type: str) -> None:
    """Case, blanks and parameters of the type do not matter."""
    server.stream(event("a"), content_type=content_type)
    assert data_of(EventSource(server.url, reconnect=AT_ONCE)) == ["a"]


@pytest.mark.parametrize(
    "content_type",
    [
        None,
        "",
        "text/html",
        "text/event-stream2",
        "text/event-streams; charset=utf-8",
        "application/json",
        "text / event-stream",
        "text/plain; text/event-stream",
    ],
)
def test_types_that_are_not(server: EventStreamServer, content_type: Optional[str]) -> None:
    """Anything else is rejected, not parsed; the error has the body, which may say why."""
    server.stream(event("<html>"), content_type=content_type)
    error = rejection_of(EventSource(server.url, reconnect=AT_ONCE))
    assert (error.status, error.body) == (200, b"data: <html>\n\n")
    assert len(server.requests) == 1


@pytest.mark.parametrize("framing", ["chunked", "close", "length"])
@pytest.mark.parametrize("encoding", [None, "gzip"])
@pytest.mark.parametrize("size", [0, 65_535, 65_536, 65_537, 300_000])
def test_a_rejected_body_is_bounded(server: EventStreamServer, framing: Any, encoding: Any, size: int) -> None:
    """At most the first 64 KiB of the body are kept, decoded."""
    text = bytes(i % 251 for i in range(size))
    server.stream(raw(text), status=403, framing=framing, encoding=encoding)
    assert rejection_of(EventSource(server.url)).body == text[: 64 * 1024]


def test_an_endless_body_of_a_rejection(server: EventStreamServer) -> None:
    """A rejection whose body never ends is raised all the same, soon, with 64 KiB of it, and the connection ended."""
    gone = threading.Event()

    def pour(exchange: Exchange) -> None:
        exchange.send_head(500)
        try:
            while True:
                exchange.send(b"x" * 1000)
        finally:
            gone.set()

    server.reply(pour)
    before = time.perf_counter()
    error = rejection_of(EventSource(server.url, reconnect=None))
    assert error.body == b"x" * 64 * 1024
    assert time.perf_counter() - before < 5
    assert gone.wait(5)


@pytest.mark.parametrize("status", [205, 304])
@pytest.mark.parametrize("close", ["close", "keep-alive"])
def test_rejections_without_a_body(server: EventStreamServer, status: int, close: str) -> None:
    """A rejection that has no body at all is one like any other."""
    server.respond(status, headers={"Connection": close})
    error = rejection_of(EventSource(server.url, reconnect=AT_ONCE))
    assert (error.status, error.body) == (status, b"")


def test_a_silent_body_of_a_rejection(server: EventStreamServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """A rejection whose body stops in the middle is raised after a limited time with what there was."""
    monkeypatch.setattr("sse_client._http.attempt.REJECTED_BODY_TIME", 0.2)
    server.stream(raw(b"because"), hold(), status=404)
    before = time.perf_counter()
    error = rejection_of(EventSource(server.url))
    assert error.body == b"because"
    assert time.perf_counter() - before < 10


def test_a_broken_body_of_a_rejection(server: EventStreamServer) -> None:
    """A rejection whose body is cut off, or is not encoded as it says, is the same rejection."""
    server.stream(raw(b"because" * 100), status=404, cut_after=7)
    assert rejection_of(EventSource(server.url)).status == 404
    server.stream(raw(b"not gzip"), status=404, headers={"Content-Encoding": "gzip"})
    assert rejection_of(EventSource(server.url)).status == 404


def first_error(server: EventStreamServer, policy: ReconnectPolicy) -> ErrorEvent:
    """The first error of a source that is closed then."""
    with Follower(EventSource(server.url, reconnect=policy)) as follower:
        found: ErrorEvent = follower.wait_for("ErrorEvent")[0]
        return found


def test_retry_after_in_seconds(server: EventStreamServer) -> None:
    """Retry-After in seconds is the least that is waited."""
    server.respond(503, headers={"Retry-After": "120"})
    error_event = first_error(server, AT_ONCE)
    assert isinstance(error_event.error, ResponseRejected)
    assert (error_event.error.retry_after, error_event.delay) == (120.0, 120.0)


def test_retry_after_as_a_date(server: EventStreamServer) -> None:
    """Retry-After as a date is the least that is waited, from now on."""
    server.respond(429, headers={"Retry-After": formatdate(time.time() + 120, usegmt=True)})
    delay = first_error(server, AT_ONCE).delay
    assert delay is not None
    assert 100 < delay <= 120


@pytest.mark.parametrize("value", ["", "soon", "-5", "1.5.1", "٣", "Mon, 99 Foo 2020 00:00:00 GMT"])
def test_a_retry_after_that_says_nothing(server: EventStreamServer, value: str) -> None:
    """A Retry-After that is neither seconds nor a date is as none."""
    server.respond(503, headers={"Retry-After": value})
    assert first_error(server, AT_ONCE).delay == 0.001


@pytest.mark.parametrize("value", ["999999999", "9" * 5000, "Fri, 31 Dec 9999 23:59:59 GMT"])
def test_a_retry_after_is_bounded(server: EventStreamServer, value: str) -> None:
    """No server can silence a client for longer than max_server_delay."""
    server.respond(503, headers={"Retry-After": value})
    assert first_error(server, ReconnectPolicy(jitter=0.0, max_server_delay=77.0)).delay == 77.0


def test_retry_after_holds_once(server: EventStreamServer) -> None:
    """The delay after the one that Retry-After made is an ordinary one."""
    server.respond(503, headers={"Retry-After": "1"})
    server.respond(503)
    source = EventSource(server.url, reconnect=AT_ONCE)
    with Follower(source) as follower:
        follower.wait_for("ErrorEvent")
        source.reconnect()
        follower.join()
    assert [item.delay for item in follower.seen("ErrorEvent")] == [1.0, 0.001]


def test_401_with_a_function_is_tried_once_more_with_fresh_headers(server: EventStreamServer) -> None:
    """A 401 makes the headers function be called again, and the request sent again, at once."""
    server.respond(401, b"expired")
    server.stream(event("a"))
    tokens = iter(["old", "new", "newer"])
    source = EventSource(server.url, headers=lambda: {"X-Token": next(tokens)}, reconnect=AT_ONCE)
    assert data_of(source) == ["a"]
    assert [request.headers["X-Token"] for request in server.requests] == ["old", "new", "newer"]


def test_a_second_401_in_a_row_is_raised(server: EventStreamServer) -> None:
    """Fresh headers that are refused too end the stream."""
    for _ in range(2):
        server.respond(401, b"no")
    calls: list[int] = []

    def headers() -> dict[str, str]:
        calls.append(1)
        return {}

    error = rejection_of(EventSource(server.url, headers=headers, reconnect=AT_ONCE))
    assert (error.status, error.body, len(calls), len(server.requests)) == (401, b"no", 2, 2)


def test_401_with_constant_headers_is_raised(server: EventStreamServer) -> None:
    """Without a function there is nothing fresh to try."""
    server.respond(401)
    assert rejection_of(EventSource(server.url, headers={"Authorization": "x"}, reconnect=AT_ONCE)).status == 401
    assert len(server.requests) == 1


def test_the_headers_function_is_called_for_every_attempt(server: EventStreamServer) -> None:
    """Each attempt has the headers of its own call, in the iterating thread."""
    for _ in range(3):
        server.stream(event("a"))
    calls: list[threading.Thread] = []

    def headers() -> dict[str, str]:
        calls.append(threading.current_thread())
        return {"X-Call": str(len(calls))}

    assert data_of(EventSource(server.url, headers=headers, reconnect=AT_ONCE)) == ["a"] * 3
    assert [request.headers["X-Call"] for request in server.requests] == ["1", "2", "3", "4"]
    assert set(calls) == {threading.current_thread()}


def test_the_url_function_fails_over(server: EventStreamServer, second_server: EventStreamServer) -> None:
    """A url function sends each attempt where it likes, and the last event ID goes along."""
    server.stream(event("a", id="1"))
    second_server.stream(event("b", id="2"))
    urls = iter([server.url, second_server.url + "other", server.url])
    with EventSource(lambda: next(urls), reconnect=AT_ONCE) as source:
        received = [(item.data, item.origin) for item in source]
    assert received == [("a", server.url.rstrip("/")), ("b", second_server.url.rstrip("/"))]
    assert second_server.requests[0].headers["Last-Event-ID"] == "1"
    assert server.requests[1].headers["Last-Event-ID"] == "2"


@pytest.mark.parametrize("name", ["url", "headers"])
def test_what_a_users_function_raises_comes_out_of_the_loop(server: EventStreamServer, name: str) -> None:
    """An exception of the user's own is not swallowed, wrapped or retried, and nothing is left open."""
    server.stream(event("a"))
    answers = iter([server.url if name == "url" else {}])

    def function() -> Any:
        for answer in answers:
            return answer
        raise LookupError("the vault is sealed")

    arguments: dict[str, Any] = {"url": server.url, "reconnect": AT_ONCE, name: function}
    received = []
    with EventSource(arguments.pop("url"), **arguments) as source, pytest.raises(LookupError):
        for item in source:
            received.append(item.data)
    assert received == ["a"]


def test_attempts_that_bring_nothing_are_counted_and_limited(server: EventStreamServer) -> None:
    """After max_attempts in a row without an event the last error is raised; an event starts the count again."""
    server.respond(503)
    server.stream(event("a"))
    for _ in range(3):
        server.respond(500)
    policy = ReconnectPolicy(reconnection_time=0.001, max_delay=0.001, jitter=0.0, max_attempts=3)
    source = EventSource(server.url, reconnect=policy)
    with Follower(source) as follower:
        follower.join()
    assert isinstance(follower.error, ResponseRejected)
    assert [item.attempt for item in follower.seen("ErrorEvent")] == [1, 0, 1, 2, 3]
    assert follower.seen("ErrorEvent")[-1].delay is None
    assert len(server.requests) == 5


def test_the_open_event_has_the_headers(server: EventStreamServer) -> None:
    """Headers are there in lower case, repeated ones joined; repr does not show them."""
    server.stream(headers=[("X-One", "1"), ("x-one", "2"), ("Set-Cookie", "secret")])
    with EventSource(server.url, reconnect=None) as source:
        _, opened, *_ = source.lifecycle()
    assert isinstance(opened, OpenEvent)
    assert (opened.headers["x-one"], opened.headers["set-cookie"]) == ("1, 2", "secret")
    assert "secret" not in repr(opened)


def test_other_content_types(server: EventStreamServer) -> None:
    """A server that is set up wrongly can be read by naming the type that it sends, or that it sends none."""
    for content_type in ("text/plain; charset=utf-8", None, "text/event-stream"):
        server.stream(event("a"), content_type=content_type)
    source = EventSource(server.url, reconnect=AT_ONCE, content_types=("text/plain", "", "text/event-stream"))
    assert data_of(source) == ["a", "a", "a"]


def test_the_error_names_content_types(server: EventStreamServer) -> None:
    """Who meets another type is told the parameter."""
    server.stream(event("a"), content_type="text/plain")
    error = rejection_of(EventSource(server.url))
    assert "of type 'text/plain', not text/event-stream; content_types= allows others" in str(error)


def test_a_type_that_is_doubled(server: EventStreamServer) -> None:
    """Where a framework and a proxy both add a type, the last one counts."""
    server.stream(event("a"), headers=[("Content-Type", "text/html"), ("Content-Type", "text/event-stream")])
    assert data_of(EventSource(server.url, reconnect=AT_ONCE)) == ["a"]


@pytest.mark.parametrize("status", [200, 201, 202])
def test_a_post_that_is_answered_with_a_stream(server: EventStreamServer, status: int) -> None:
    """The stream that answers a POST may come with any status of success."""
    server.stream(event("a"), status=status)
    with EventSource(server.url, method="POST", json={}) as source:
        assert [item.data for item in source] == ["a"]


@pytest.mark.parametrize("coding", ["compress", "dcb", "x-compress"])
def test_a_coding_that_cannot_be_undone(server: EventStreamServer, coding: str) -> None:
    """It is an error that names the coding, and not a stream without events."""
    server.stream(raw(b"\x1f\x9d\x90"), headers={"Content-Encoding": coding})
    assert f"encoded as {coding!r}, which cannot be undone" in str(rejection_of(EventSource(server.url)))


@pytest.mark.parametrize("coding", ["none", "identity", "utf-8"])
def test_a_coding_that_is_none(server: EventStreamServer, coding: str) -> None:
    """Names that servers send to keep proxies from compressing mean a plain body."""
    server.stream(event("a"), headers={"Content-Encoding": coding})
    assert data_of(EventSource(server.url, reconnect=AT_ONCE)) == ["a"]


def test_a_transfer_coding_that_cannot_be_undone(server: EventStreamServer) -> None:
    """Neither is gzip as a transfer coding: the error names it."""

    def reply(exchange: Exchange) -> None:
        exchange.write_raw(
            b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: gzip, chunked\r\n\r\n"
        )

    server.reply(reply)
    assert "the transfer coding 'gzip, chunked', which cannot be undone" in str(rejection_of(EventSource(server.url)))
