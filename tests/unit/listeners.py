"""A listener to a script, and a run of it to its end."""

from __future__ import annotations

from sse_client.listener import Listener
from sse_client.source import EventSource
from sse_client.testing import ScriptedConnector, StepLike

LIMIT = 10.0


def scripted(*steps: StepLike, end: bool = True) -> Listener:
    """Return a listener to one stream of these steps, and then to a 204."""
    connector = ScriptedConnector()
    connector.stream(*steps)
    if end:
        connector.end()
    return Listener(EventSource(connector))


def run(listener: Listener) -> None:
    """Start the listener, and wait until it has ended."""
    listener.start()
    assert listener.join(LIMIT), "the listener has not ended"
