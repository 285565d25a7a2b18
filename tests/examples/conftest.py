"""The server that the examples talk to."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from sse_client.testing import EventStreamServer


@pytest.fixture
def server() -> Iterator[EventStreamServer]:
    """A running server; the test fails if one of its scripts has failed."""
    with EventStreamServer() as running:
        yield running
