"""What tests need: a server that does as it is told, a connector without a network, and the wire format.

`EventStreamServer` plays event streams over a real socket on the loopback interface.
`ScriptedConnector` plays them to an `EventSource` without one, in no time. Both take the
same steps, so nobody has to know the wire format.

With pytest
    The server is the fixture ``event_stream_server``, which is there as soon as the package is
    installed. Elsewhere: ``with EventStreamServer() as server:``. ::

        def test_a_listener_survives_two_drops(event_stream_server):
            event_stream_server.stream(event("a", id="1", retry=0.01), drop())
            event_stream_server.stream(event("b", id="2"), raw(b"data: half an eve"), drop())
            event_stream_server.stream(event("c", id="3"))     # then it answers 204, which ends the stream
            received = []
            listener = Listener(EventSource(event_stream_server.url))
            listener.on_event(lambda message: received.append(message.data))
            with listener:
                assert listener.join(timeout=10.0)
            assert received == ["a", "b", "c"]
            asked = [request.headers.get("Last-Event-ID") for request in event_stream_server.requests]
            assert asked == [None, "1", "2", "3"]

        def test_a_busy_model_is_reported(event_stream_server):
            event_stream_server.respond(429, b"busy", headers={"Retry-After": "2"})
            with pytest.raises(ResponseRejected) as caught:
                list(EventSource(event_stream_server.url, method="POST", json={"prompt": "Hello!"}))
            assert caught.value.retry_after == 2.0
            assert json.loads(event_stream_server.requests[0].body) == {"prompt": "Hello!"}

Without a network
    Delays take no time and are recorded. An attempt that the script does not expect fails. ::

        connector = ScriptedConnector()
        connector.stream(event("a", id="1"), drop())
        connector.fail()
        connector.stream(event("b", id="2"))
        connector.end()
        source = EventSource(connector, reconnect=ReconnectPolicy(jitter=0))
        assert [message.data for message in source] == ["a", "b"]
        assert connector.delays == [3.0, 3.0, 3.0] and connector.last_event_ids == ["", "1", "1", "2"]

The steps
    ``event("data", type="t", id="7", retry=0.5)``    sends an event; so does a `MessageEvent`
    ``comment("text")``                               sends a comment line, as heartbeats are
    ``retry(0.5)``                                    sends a reconnection time, in seconds
    ``raw(b"data: ha")``                              sends bytes: half an event, invalid UTF-8
    ``pause(0.1)``                                    waits; over a `ScriptedConnector` in no time
    ``wait_for(e)``, ``signal(e)``                    waits until the test sets the `threading.Event`;
                                                      sets it for the test
    ``drop()``, ``reset()``                           ends the connection in the middle of the
                                                      response; breaks it off with a TCP reset
    ``hold()``                                        stays connected and silent until the client goes

What the server can do
    ``stream(*steps, framing="chunked", ...)``            answers one request with these steps
    ``respond(status, body, headers)``                    answers one request with something else
    ``redirect(location)``                                answers one request with a redirect
    ``silence()``, ``hang_up()``                          does not answer, and stays connected or not
    ``reply(function)``                                   a function answers, by the methods of an
                                                          `Exchange`
    ``serve_log(1000, cuts=[100, None])``                 answers all others from a log, from
                                                          Last-Event-ID on, cut after so many bytes
    ``requests``, ``wait_for_requests(2)``                what was asked: method, path, headers, body
    ``open_connections``, ``wait_until_disconnected()``   who is there
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
