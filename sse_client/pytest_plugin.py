"""A pytest fixture, `event_stream_server`; found by pytest through the entry point ``pytest11``."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

__all__: list[str] = []


@pytest.fixture
def event_stream_server() -> Iterator[Any]:
    """A running `sse_client.testing.EventStreamServer`, closed after the test.

    The test fails if one of the server's handlers or scripts has failed.
    """
    from .testing import EventStreamServer  # noqa: PLC0415 - here: pytest loads this module even where no test uses the fixture

    with EventStreamServer() as server:
        yield server
