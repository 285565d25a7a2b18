"""Against a server that nobody here wrote: sse-starlette on uvicorn, in a process of its own."""

from __future__ import annotations

import json
import threading
import time
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest

from sse_client import EventSource

from .support import AT_ONCE, TIMEOUT, Child, Follower, assert_nothing_raised, child

PROGRAM = "import runpy; runpy.run_module('tests.integration.starlette_app', run_name='__main__')"


class Application:
    """The running application."""

    def __init__(self, process: Child) -> None:
        process.wait_for("")
        self.port = int(process.lines[0])
        self.url = f"http://127.0.0.1:{self.port}/"

    def followers(self) -> dict[str, Any]:
        """How many streams are open now, and how many ever were."""
        with urllib.request.urlopen(self.url + "state", timeout=TIMEOUT) as response:
            found: dict[str, Any] = json.load(response)
            return found

    def wait_until_alone(self) -> None:
        """Wait until no stream is open."""
        pause = threading.Event()
        deadline = time.monotonic() + TIMEOUT
        while self.followers()["now"]:
            assert time.monotonic() < deadline, "the server still has a follower"
            pause.wait(0.02)


@pytest.fixture
def application() -> Iterator[Application]:
    """A running application."""
    with child(PROGRAM, "0") as process:
        yield Application(process)


def test_follow_to_the_end(application: Application) -> None:
    """All events come, exact, over as many connections as the server likes, until its 204; then it is left alone."""
    with EventSource(application.url + "ticks?last=1000&each=70", reconnect=AT_ONCE) as source:
        received = [(item.type, item.data, item.last_event_id) for item in source]
    assert received == [("tick", f"tick {n}\nsecond line", str(n)) for n in range(1, 1001)]
    assert application.followers() == {"now": 0, "ever": 15}


def test_pings_are_comments_and_keep_it_alive(application: Application) -> None:
    """The pings of a quiet stream are seen where asked for, and outlive the idle time-out."""
    source = EventSource(application.url + "quiet", idle_timeout=1.8)
    with Follower(source, comments=True) as follower:
        pings = follower.wait_for("CommentEvent", 3)
    assert_nothing_raised(follower)
    assert all(ping.text.startswith(" ping") for ping in pings)
    assert follower.data == ["first"]
    assert len(follower.seen("OpenEvent")) == 1


def test_disconnecting_is_seen(application: Application) -> None:
    """The server notices a `break` and a close() from another thread, and its generators end."""
    for _ in EventSource(application.url + "quiet"):
        assert application.followers()["now"] == 1
        break
    application.wait_until_alone()
    with Follower(EventSource(application.url + "ticks")) as follower:
        follower.wait_for("MessageEvent", 100)
        assert follower.close_and_time() < TIMEOUT
    assert_nothing_raised(follower)
    application.wait_until_alone()


def test_resuming_where_it_was_left(application: Application) -> None:
    """A new source with a stored ID goes on behind it."""
    with EventSource(application.url + "ticks", last_event_id="41") as source:
        assert next(iter(source)).last_event_id == "42"
    application.wait_until_alone()


def test_a_redirect(application: Application) -> None:
    """A redirect of the framework is followed."""
    with EventSource(application.url + "moved", reconnect=AT_ONCE) as source:
        assert [item.last_event_id for item in source] == ["1", "2", "3"]


def test_the_process_is_killed_and_comes_back() -> None:
    """The numbers go on without a gap or a repeat when the server process is killed and another takes its port."""
    with child(PROGRAM, "0") as first:
        application = Application(first)
        source = EventSource(application.url + "ticks", reconnect=AT_ONCE)
        with Follower(source) as follower:
            follower.wait_for("MessageEvent", 50)
            first.process.kill()
            follower.wait_for("ErrorEvent", 2)
            received = len(follower.data)
            with child(PROGRAM, str(application.port)):
                follower.wait_for("MessageEvent", received + 50)
                source.close()
                follower.join()
    assert_nothing_raised(follower)
    assert [item.last_event_id for item in follower.seen("MessageEvent")] == [
        str(n) for n in range(1, len(follower.data) + 1)
    ]
