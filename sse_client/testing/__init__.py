"""What tests need: a server that does as it is told, a connector without a network, and the wire format.

`EventStreamServer` plays event streams over a real socket on the loopback interface.
`ScriptedConnector` plays them to an `EventSource` without one, in no time. Both take the
same steps: `event`, `comment`, `retry`, `raw`, `pause`, `wait_for`, `signal`, `drop`,
`reset`, `hold`::

    with EventStreamServer() as server:
        server.stream(event("a", id="1"), drop())
        server.stream(event("b", id="2"))
        assert [e.data for e in EventSource(server.url)] == ["a", "b"]
        assert server.requests[1].headers["Last-Event-ID"] == "1"
"""

from __future__ import annotations

from .encoding import encode_event
from .exchange import Exchange, Handler
from .http import ExchangeEnded, RecordedRequest, RequestHeaders
from .script import Stage, Step, StepLike, comment, drop, event, hold, pause, raw, reset, retry, signal, wait_for
from .scripted import ScriptedConnector
from .server import EventStreamServer

__all__ = [
    "EventStreamServer",
    "Exchange",
    "ExchangeEnded",
    "Handler",
    "RecordedRequest",
    "RequestHeaders",
    "ScriptedConnector",
    "Stage",
    "Step",
    "StepLike",
    "comment",
    "drop",
    "encode_event",
    "event",
    "hold",
    "pause",
    "raw",
    "reset",
    "retry",
    "signal",
    "wait_for",
]
