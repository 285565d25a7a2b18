"""Every public name of `testing` and the modules of the extras, used as users would. For type checkers."""

from __future__ import annotations

import ssl
import threading
from collections.abc import Sequence
from typing import Optional

import redis
import requests

from sse_client import Connection, Connector, ErrorEvent, EventSource, MessageEvent, ReconnectPolicy
from sse_client.fallback import WebSocketConnector, first_available
from sse_client.redis_relay import RedisRejected, RedisRelay, RedisUnavailable, decode
from sse_client.requests_bridge import RequestsConnector
from sse_client.testing import (
    EventStreamServer,
    Exchange,
    ExchangeEnded,
    Handler,
    RecordedRequest,
    RequestHeaders,
    ScriptedConnector,
    Stage,
    Step,
    StepLike,
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


def over_a_websocket() -> list[str]:
    def to_event(text: str) -> Optional[MessageEvent]:
        return MessageEvent(data=text) if text else None

    plain = WebSocketConnector("wss://example.com/ws")
    primary = WebSocketConnector(
        lambda: "wss://example.com/ws",
        to_event=to_event,
        headers=lambda: {"Authorization": "Bearer token"},
        subprotocols=["news"],
        connect_timeout=None,
        idle_timeout=30,
        max_event_size=1000,
        proxy="http://proxy.example.com:3128",
        trust_env=False,
        ssl_context=ssl.create_default_context(),
    )
    second: Connector = EventSource("https://example.com/events", headers={"X": "y"}).connector
    first_available(plain, "https://example.com/events")
    first_available(plain, lambda: "https://example.com/events")
    ways: Connector = first_available(
        primary,
        second,
        try_for=1,
        on_choice=lambda chosen, reason: print(chosen.upper(), reason.upper()),
        retry_primary_after=60,
    )
    with EventSource(ways) as source:
        return [item.data for item in source]


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
    steps: list[StepLike] = [event("a", id="1"), comment("still here"), retry(0.5), raw(b"data: b\n\n"), pause(0.1)]
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


def over_redis(url: str, fields: dict[bytes, bytes]) -> MessageEvent:
    def report(event: ErrorEvent) -> None:
        print(isinstance(event.error, (RedisUnavailable, RedisRejected)), event.delay)

    relay = RedisRelay(
        redis.Redis(),
        "builds",
        lease=5.0,
        max_length=1000,
        capacity=threading.Semaphore(3),
        reconnect=ReconnectPolicy(max_delay=5.0),
        on_lead=lambda last_event_id: print(last_event_id.upper()),
        on_standby=lambda: print("standing by"),
        on_error=report,
    )
    threading.Timer(1.0, relay.stop).start()
    relay.run(lambda last_event_id: EventSource(url, last_event_id=last_event_id))
    print(relay.leading)
    return decode(fields)
