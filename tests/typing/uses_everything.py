"""Every public name of `sse_client.testing` and of the requests bridge, used as users would. Read by type checkers."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Optional

import requests

from sse_client import Connection, Connector, EventSource, MessageEvent
from sse_client.requests_bridge import RequestsConnector
from sse_client.testing import (
    EventStreamServer,
    Exchange,
    ExchangeEnded,
    Handler,
    RecordedRequest,
    RequestHeaders,
    Script,
    ScriptedConnector,
    Stage,
    Step,
    comment,
    drop,
    encode_event,
    event,
    hold,
    pause,
    raw,
    reset,
    retry,
    signal,
    wait_for,
)


def over_a_session(session: requests.Session) -> list[str]:
    def token() -> dict[str, str]:
        return {"Authorization": "Bearer token"}

    connector: Connector = RequestsConnector(session, "https://example.com/builds")
    again = RequestsConnector(
        session,
        lambda: "https://example.com/builds",
        headers=token,
        method="POST",
        json={"stream": True},
        connect_timeout=1.0,
        response_timeout=None,
        idle_timeout=30,
    )
    body = RequestsConnector(session, "https://example.com/builds", headers={"X": "y"}, method="PUT", body=b"x")
    repeatable: bool = again.is_repeatable and body.is_repeatable
    connection: Connection = connector.connection()
    connection.interrupt()
    with EventSource(connector, reconnect=None) as source:
        return [item.data for item in source if repeatable]


def answer(exchange: Exchange) -> None:
    request: RecordedRequest = exchange.request
    headers: RequestHeaders = request.headers
    try:
        exchange.send_head(200, {"X-A": headers.get("X-A", "")}, framing="close", encoding="gzip")
        exchange.send(encode_event("a", type="b", id="c", retry=1.5))
        exchange.run(event("d"), MessageEvent(data="e"))
    except ExchangeEnded:
        pass
    last_event_id: Optional[str] = headers.get("Last-Event-ID")
    print(request.method, request.path, request.target, request.body, request.time, request.connection, last_event_id)


def with_a_server() -> Sequence[RecordedRequest]:
    ready, go = threading.Event(), threading.Event()
    steps: list[Script] = [event("a", id="1"), comment("still here"), retry(0.5), raw(b"data: b\n\n"), pause(0.1)]
    ends: list[Step] = [drop(), reset(), hold()]
    handler: Handler = answer
    with EventStreamServer() as server:
        server.stream(*steps, signal(ready), wait_for(go), ends[0], framing="length", encoding=None, cut_after=3)
        server.respond(503, b"busy", {"Retry-After": "1"})
        server.redirect("/elsewhere", status=307, headers=[("X-A", "b")])
        server.silence()
        server.hang_up()
        server.reply(handler)
        server.serve_log(100, cuts=[10, None], retry=0.1)
        url: str = server.url
        print(url, server.port, server.host, server.open_connections)
        server.wait_until_disconnected(timeout=1.0)
        return server.wait_for_requests(1)


def play(stage: Stage) -> None:
    event("a").play(stage)


def without_a_network() -> list[float]:
    connector = ScriptedConnector()
    connector.stream(event("a"), drop(), headers={"X-A": "b"})
    connector.respond(503)
    connector.fail()
    connector.silence()
    connector.end()
    with EventSource(connector) as source:
        for item in source:
            print(item.json())
    print(connector.remaining, connector.last_event_ids, connector.open_connections, connector.closed)
    return connector.delays
