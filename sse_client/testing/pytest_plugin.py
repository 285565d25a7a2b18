"""A pytest fixture, `event_stream_server`; found by pytest through the entry point ``pytest11``."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from .server import EventStreamServer


@pytest.fixture
def event_stream_server() -> Iterator[EventStreamServer]:
    """A running `sse_client.testing.EventStreamServer`, closed after the test.

    The test fails if one of the server's handlers or scripts has failed.
    """
    with EventStreamServer() as server:
        yield server
