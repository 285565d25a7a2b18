"""A request that costs something is repeated until its stream opens, and never after. Real sockets."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Callable

import pytest

from sse_client import ConnectionFailed, ConnectionLost, EventSource, ReconnectPolicy, ResponseRejected
from sse_client.testing import EventStreamServer, drop, event, hold, pause, reset

from .support import TIMEOUT, Follower, assert_nothing_raised

UNTIL_OPEN = ReconnectPolicy(
    reconnection_time=0.001, jitter=0.0, min_server_delay=0.001, until_open=True, max_attempts=5
)
PROMPT = {"model": "small", "stream": True}
BODY = b'{"model": "small", "stream": true}'


@pytest.fixture(params=["urllib3", "a pool", "requests"])
def post(request: pytest.FixtureRequest) -> Iterator[Callable[..., EventSource]]:
    """A source whose POST is repeated until it has its stream, over each of the HTTP libraries."""
    if request.param == "urllib3":
        yield lambda url: EventSource(url, method="POST", json=PROMPT, reconnect=UNTIL_OPEN)
    elif request.param == "a pool":
        urllib3 = pytest.importorskip("urllib3")
        with urllib3.PoolManager() as pool:
            yield lambda url: EventSource(url, method="POST", json=PROMPT, reconnect=UNTIL_OPEN, pool=pool)
    else:
        requests = pytest.importorskip("requests")
        bridge = pytest.importorskip("sse_client.requests_bridge")
        with requests.Session() as session:
            session.trust_env = False
            yield lambda url: EventSource(
                bridge.RequestsConnector(session, url, method="post", json=PROMPT), reconnect=UNTIL_OPEN
            )


def first_a_dead_port(server: EventStreamServer) -> Callable[[], str]:
    """A url function that names first a port where nobody listens, and then the server."""
    with EventStreamServer() as gone:
        urls = iter([gone.url])
    return lambda: next(urls, server.url)


def test_a_post_is_made_again_until_it_has_its_stream(
    server: EventStreamServer, post: Callable[..., EventSource]
) -> None:
    """Refused and 503 are tried again, in their time; the loss of the stream is raised, and nothing sent again."""
    server.respond(503, b"busy", {"Retry-After": "1"})
    server.stream(event("a"), event("b"), drop())
    server.stream(event("a second answer, paid for"))
    with Follower(post(first_a_dead_port(server))) as follower:
        follower.join()
    assert isinstance(follower.error, ConnectionLost)
    assert follower.data == ["a", "b"]
    assert [(type(item.error), item.delay is None) for item in follower.seen("ErrorEvent")] == [
        (ConnectionFailed, False),
        (ResponseRejected, False),
        (ConnectionLost, True),
    ]
    busy, opened = server.requests
    assert [(request.method, request.body) for request in (busy, opened)] == [("POST", BODY)] * 2
    assert 0.9 <= opened.time - busy.time < TIMEOUT


LOSSES: dict[str, dict[str, Any]] = {
    "cut before any event": {"steps": (drop(),)},
    "reset": {"steps": (event("a"), reset())},
    "cut, with a length": {"steps": (event("a"), drop()), "framing": "length"},
    "reset, close-delimited": {"steps": (event("a"), pause(0.05), reset()), "framing": "close"},
    "broken encoding": {"steps": (event("a"),), "headers": {"Content-Encoding": "gzip"}},
}


@pytest.mark.parametrize("loss", LOSSES)
def test_however_a_stream_is_lost(server: EventStreamServer, post: Callable[..., EventSource], loss: str) -> None:
    """Each way to lose an open stream is raised as a loss, and the request is not made again."""
    settings = dict(LOSSES[loss])
    server.stream(*settings.pop("steps"), **settings)
    server.stream(event("a second answer, paid for"))
    with post(server.url) as source, pytest.raises(ConnectionLost):
        list(source)
    assert len(server.requests) == 1


def test_a_clean_end_is_quiet(server: EventStreamServer, post: Callable[..., EventSource]) -> None:
    """The end of the one stream ends the iteration without an error, and nothing is sent again."""
    server.respond(503)
    server.stream(event("a"), event("b"))
    server.stream(event("a second answer, paid for"))
    with Follower(post(server.url)) as follower:
        follower.join()
    assert_nothing_raised(follower)
    assert follower.data == ["a", "b"]
    assert len(follower.seen("ErrorEvent")) == 1
    assert [request.method for request in server.requests] == ["POST", "POST"]


def test_an_idle_stream_is_a_loss(server: EventStreamServer) -> None:
    """A stream that falls silent is lost as well: it is raised, and the request is not made again."""
    server.stream(event("a"), hold())
    source = EventSource(server.url, method="POST", json=PROMPT, reconnect=UNTIL_OPEN, idle_timeout=0.1)
    with source, pytest.raises(ConnectionLost, match=r"no byte within idle_timeout=0\.1 s"):
        list(source)
    assert len(server.requests) == 1


def test_attempts_without_a_stream_are_limited(server: EventStreamServer, post: Callable[..., EventSource]) -> None:
    """max_attempts holds as ever for what comes before a stream."""
    server.handler = lambda exchange: exchange.respond(503)
    with pytest.raises(ResponseRejected, match="503"), post(server.url) as source:
        list(source)
    assert len(server.requests) == 5


@pytest.mark.parametrize("framing", ["chunked", "close", "length"])
def test_reconnect_asks_again(server: EventStreamServer, post: Callable[..., EventSource], framing: Any) -> None:
    """reconnect() makes the request again when the program asks for that, until its stream opens and no longer."""
    server.stream(event("a"), hold(), framing=framing)
    server.respond(503)
    server.stream(event("b"))
    with Follower(post(server.url)) as follower:
        follower.wait_for("MessageEvent")
        follower.source.reconnect()
        follower.join()
    assert_nothing_raised(follower)
    assert follower.data == ["a", "b"]
    assert len(server.requests) == 3


def test_a_post_that_nobody_answers_is_not_made_for_ever(server: EventStreamServer) -> None:
    """A server that takes the request and says nothing is asked as often as max_attempts says."""
    for _ in range(9):
        server.silence()
    policy = ReconnectPolicy(reconnection_time=0.001, jitter=0.0, until_open=True, max_attempts=3)
    source = EventSource(server.url, method="POST", json=PROMPT, reconnect=policy, idle_timeout=0.05)
    with source, pytest.raises(ConnectionFailed, match="no response within idle_timeout"):
        list(source)
    assert len(server.requests) == 3
