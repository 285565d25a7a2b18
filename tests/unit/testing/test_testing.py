"""`sse_client.testing` as a whole: what users write with it."""

from __future__ import annotations

import threading
import time

import pytest

from sse_client import testing
from sse_client.errors import ConnectionLost, ResponseRejected
from sse_client.events import CommentEvent, ErrorEvent, MessageEvent, OpenEvent
from sse_client.source import EventSource
from sse_client.testing import (
    EventStreamServer,
    ScriptedConnector,
    comment,
    drop,
    event,
    hold,
    raw,
    reset,
    retry,
    signal,
)


def test_all_is_there() -> None:
    """Every public name of the package exists, has a docstring or is a type, and the list is sorted."""
    assert sorted(testing.__all__) == testing.__all__
    for name in testing.__all__:
        assert getattr(testing, name) is not None


def test_surviving_a_drop_is_a_test_of_five_lines() -> None:
    """A source over a real socket survives a drop and resumes from the last event."""
    with EventStreamServer() as server:
        server.stream(event("a", id="1", retry=0.01), drop())
        server.stream(event("b", id="2"))
        assert [e.data for e in EventSource(server.url)] == ["a", "b"]
        assert server.requests[1].headers["Last-Event-ID"] == "1"


def test_a_log_with_drops_arrives_without_a_gap_or_a_repeat() -> None:
    """A source over a real socket follows a log through drops in the middle of events."""
    with EventStreamServer() as server:
        server.serve_log(10, retry=0.01, cuts=[45, 57])
        assert [int(e.data) for e in EventSource(server.url)] == list(range(1, 11))
        assert [request.headers.get("Last-Event-ID") for request in server.requests] == [None, "2", "5", "10"]


def test_the_same_without_a_network_takes_no_time() -> None:
    """A source over a ScriptedConnector lives through losses and failures; the delays are recorded, not waited."""
    connector = ScriptedConnector()
    connector.stream(MessageEvent(data="a", last_event_id="1"), raw(b"data: never"), drop())
    connector.fail()
    connector.respond(503, headers={"Retry-After": "100"})
    connector.stream(retry(7), comment(" x"), event("b", id="2"), reset())
    connector.end()
    start = time.monotonic()
    seen = list(EventSource(connector).lifecycle(comments=True))
    assert time.monotonic() - start < 2
    assert [e.data for e in seen if isinstance(e, MessageEvent)] == ["a", "b"]
    assert [e.text for e in seen if isinstance(e, CommentEvent)] == [" x"]
    assert [e.headers["content-type"] for e in seen if isinstance(e, OpenEvent)] == ["text/event-stream"] * 2
    errors = [e for e in seen if isinstance(e, ErrorEvent)]
    assert [e.delay for e in errors] == connector.delays
    assert connector.delays[2] >= 100
    assert connector.delays[3] >= 7
    assert isinstance(errors[0].error, ConnectionLost)
    assert connector.last_event_ids == ["", "1", "1", "1", "2"]
    assert connector.open_connections == 0
    assert connector.remaining == 0


def test_an_attempt_too_many_fails_the_users_test() -> None:
    """When the script is used up, the AssertionError comes out of the loop."""
    connector = ScriptedConnector()
    connector.stream(event("a"))
    with pytest.raises(AssertionError, match="unexpected attempt"):
        list(EventSource(connector))


def test_a_rejection_comes_out_of_the_loop() -> None:
    """A scripted rejection is the error that a real one is."""
    connector = ScriptedConnector()
    connector.respond(404, b"no such stream")
    with pytest.raises(ResponseRejected) as caught:
        list(EventSource(connector))
    assert (caught.value.status, caught.value.body) == (404, b"no such stream")


def test_a_scripted_source_can_be_closed_while_it_waits_for_bytes() -> None:
    """close() from another thread ends a loop that hangs in hold()."""
    connector = ScriptedConnector()
    held = threading.Event()
    connector.stream(event("a"), signal(held), hold())
    source = EventSource(connector)

    def close() -> None:
        held.wait(10)
        source.close()

    closer = threading.Thread(target=close)
    closer.start()
    assert [e.data for e in source] == ["a"]
    closer.join(10)
    assert connector.closed
