"""close() ends every wait: over an application's pool in each phase, and through proxies over whatever there is.

Over own pools and over a session the phases without a proxy are in `test_closing` and `test_requests_bridge`.
"""

from __future__ import annotations

import ssl
from typing import Any

import pytest

from .phases import PHASES, PROXY_PHASES
from .support import LATER, Follower, assert_nothing_raised
from .ways import WAYS

SOON = 2.0  # seconds; `python -m tests.benchmarks.waking` holds the 0.1 that are promised


def closes(here: Any, way: Any) -> None:
    with way(here.url, LATER, here.proxy) as source, Follower(source) as follower:
        here.arrived()
        if here.last_item:
            follower.wait_for(here.last_item)
        assert follower.close_and_time() < SOON
        assert_nothing_raised(follower)


@pytest.mark.parametrize("name", PHASES)
def test_over_a_pool(name: str, server_context: ssl.SSLContext, trusted: None) -> None:
    """A pool of the application's lets close() through as the package's own pools do."""
    with PHASES[name](server_context) as here:
        closes(here, WAYS["a pool"])


@pytest.mark.parametrize("name", PROXY_PHASES)
@pytest.mark.parametrize("way", WAYS)
def test_through_a_proxy(way: str, name: str, server_context: ssl.SSLContext, trusted: None) -> None:
    """A proxy that keeps the client waiting, at any point, keeps close() from nothing."""
    with PROXY_PHASES[name](server_context) as here:
        closes(here, WAYS[way])
