"""An application's own requests, over a pool whose connections streams use too; `tests.soak.neighbours` does more."""

from __future__ import annotations

import logging

import pytest

from tests.soak.neighbours import WAYS, run


@pytest.mark.parametrize("way", WAYS)
def test_no_interrupt_meets_a_foreign_request(way: str) -> None:
    """close(), reconnect() and time-outs of streams harm no request that gets the connection at that moment."""
    logging.getLogger("sse_client").disabled = True
    harmed, met = run(way, 600)
    assert harmed == []
    assert met > 20
