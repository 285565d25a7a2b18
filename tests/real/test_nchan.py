"""nginx with nchan, a publish/subscribe server that honours Last-Event-ID: the exact sequence, whatever is cut."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest
import urllib3

from sse_client import ConnectionLost, EventSource, ReconnectPolicy
from tests.integration.support import Follower, assert_nothing_raised

from .nginx import nginx
from .software import Program

LOCATIONS = """
location = /publish {
    nchan_publisher; nchan_channel_id one; nchan_message_buffer_length 1000; nchan_message_timeout 10m;
}
location = /subscribe {
    nchan_subscriber eventsource; nchan_channel_id one; nchan_subscriber_first_message oldest;
}
location = /cut {
    proxy_pass http://127.0.0.1:PORT/subscribe; proxy_http_version 1.1; proxy_set_header Connection "";
    proxy_buffering off; proxy_read_timeout 300ms;
}
"""
SOON = ReconnectPolicy(reconnection_time=0.05, max_delay=0.2, jitter=0.0)


@pytest.fixture
def channel() -> Iterator[Program]:
    """A running nginx with a channel."""
    with nginx(LOCATIONS, nchan=True) as program:
        yield program


def publish(channel: Program, numbers: range) -> None:
    """Publish numbers as messages."""
    with urllib3.PoolManager() as pool:
        for number in numbers:
            assert pool.request("POST", f"http://127.0.0.1:{channel.port}/publish", body=str(number)).status in (
                201,
                202,
            )


def texts(numbers: range) -> list[str]:
    return [str(number) for number in numbers]


def until_the_next_second() -> None:
    """Wait for the clock: nchan's IDs count from zero within each second, and it forgets the count when it restarts."""
    threading.Event().wait(1.05 - time.time() % 1)


def test_messages_of_before_and_of_now(channel: Program) -> None:
    """What was published before comes first, and then each message as it is published."""
    publish(channel, range(1, 21))
    with Follower(EventSource(f"http://127.0.0.1:{channel.port}/subscribe", reconnect=SOON)) as follower:
        follower.wait_for("MessageEvent", 20)
        for number in range(21, 41):
            publish(channel, range(number, number + 1))
            follower.wait_for("MessageEvent", number)
        assert follower.close_and_time() < 0.1
    assert_nothing_raised(follower)
    assert follower.data == texts(range(1, 41))


def test_a_stored_id(channel: Program) -> None:
    """Another source goes on from the ID of any message that an earlier one has seen."""
    publish(channel, range(1, 51))
    url = f"http://127.0.0.1:{channel.port}/subscribe"
    seen = []
    last_event_id = ""
    for _ in range(5):
        with EventSource(url, reconnect=SOON, last_event_id=last_event_id) as source:
            for event in source:
                seen.append(event.data)
                last_event_id = source.last_event_id
                if len(seen) % 10 == 0:
                    break
    assert seen == texts(range(1, 51))


def test_reconnecting_while_messages_are_published(channel: Program) -> None:
    """Over a hundred reconnects in the middle of publishing, the sequence is exact."""
    with Follower(EventSource(f"http://127.0.0.1:{channel.port}/subscribe", reconnect=SOON)) as follower:
        for number in range(1, 101):
            publish(channel, range(number * 3 - 2, number * 3 + 1))
            follower.source.reconnect()
        follower.wait_for("MessageEvent", 300)
    assert_nothing_raised(follower)
    assert follower.data == texts(range(1, 301))
    assert len(follower.seen("OpenEvent")) > 20


def test_restarts(channel: Program) -> None:
    """Over three restarts of nginx, with messages before the client is back, the sequence is exact."""
    with Follower(EventSource(f"http://127.0.0.1:{channel.port}/subscribe", reconnect=SOON)) as follower:
        publish(channel, range(1, 11))
        follower.wait_for("MessageEvent", 10)
        for round_ in range(1, 4):
            channel.stop()
            follower.wait_for("ErrorEvent", len(follower.seen("ErrorEvent")) + 2)
            until_the_next_second()
            channel.start()
            publish(channel, range(round_ * 10 + 1, round_ * 10 + 11))
            follower.wait_for("MessageEvent", round_ * 10 + 10)
        errors = [item.error for item in follower.seen("ErrorEvent")]
    assert_nothing_raised(follower)
    assert follower.data == texts(range(1, 41))
    assert sum(isinstance(error, ConnectionLost) for error in errors) >= 3


def test_read_timeouts_of_a_proxy(channel: Program) -> None:
    """A proxy that cuts the stream whenever it is silent for 0.3 s loses and repeats nothing."""
    with Follower(EventSource(f"http://127.0.0.1:{channel.port}/cut", reconnect=SOON)) as follower:
        for number in range(1, 9):
            publish(channel, range(number * 5 - 4, number * 5 + 1))
            follower.wait_for("MessageEvent", number * 5)
            follower.wait_for("ErrorEvent", len(follower.seen("ErrorEvent")) + 1)
    assert_nothing_raised(follower)
    assert follower.data == texts(range(1, 41))
    assert {type(item.error) for item in follower.seen("ErrorEvent")} == {ConnectionLost}
