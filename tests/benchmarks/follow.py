"""Follow a stream with one client in a process of its own, for `compare`.

Each client is used as its own documentation shows, with its option for reconnecting if it has one. What happens is
written to the standard output, one JSON object a line, each with the time as ``at``: ``event`` (its ID), ``ended``
(by what), ``closing`` and ``closed`` (whether the client has been told), ``keep_alive`` (whether TCP looks after the
connection). A line on the standard input asks for something: ``close`` ends the client from another thread,
``keep-alive`` looks at its sockets.
"""

from __future__ import annotations

import argparse
import gc
import importlib
import json
import os
import socket
import sys
import threading
import time
from collections.abc import Iterator
from typing import Any, Callable, NamedTuple, Optional

__all__ = ["CLIENTS", "Client"]


Closing = Callable[[Callable[[], object]], None]
"""Is told what ends the client, as soon as its user has something to call."""


class Settings(NamedTuple):
    """What a client is told, if it can be told."""

    url: str
    reconnection_time: float  # seconds
    timeout: Optional[float]  # seconds of silence; None for the client's own default


class Client(NamedTuple):
    """A client, and how it is used.

    Attributes:
        package: The name under which it is imported.
        usage: What its user writes.
        close: What its user calls to end the loop from another thread.
        follow: The loop that its user writes; yields the ID of each event.
    """

    package: str
    usage: str
    close: str
    follow: Callable[[Settings, Closing], Iterator[Any]]


def _sse_client(settings: Settings, closing: Closing) -> Iterator[Any]:
    package = importlib.import_module("sse_client")
    timeout = {} if settings.timeout is None else {"idle_timeout": settings.timeout}
    policy = package.ReconnectPolicy(reconnection_time=settings.reconnection_time)
    with package.EventSource(settings.url, reconnect=policy, **timeout) as source:
        closing(source.close)
        for event in source:
            yield event.last_event_id


def _sseclient_py(settings: Settings, closing: Closing) -> Iterator[Any]:
    requests, package = importlib.import_module("requests"), importlib.import_module("sseclient")
    with requests.get(settings.url, stream=True, timeout=settings.timeout) as response:
        client = package.SSEClient(response)
        closing(client.close)
        for event in client.events():
            yield event.id


def _launchdarkly(settings: Settings, closing: Closing) -> Iterator[Any]:
    package = importlib.import_module("ld_eventsource")
    config = importlib.import_module("ld_eventsource.config")
    options = {} if settings.timeout is None else {"timeout": settings.timeout}
    connect = config.ConnectStrategy.http(settings.url, urllib3_request_options=options)
    strategy = config.ErrorStrategy.always_continue()
    delay = settings.reconnection_time
    with package.SSEClient(connect, initial_retry_delay=delay, error_strategy=strategy) as client:
        closing(client.close)
        for event in client.events:
            yield event.last_event_id


def _httpx_sse(settings: Settings, closing: Closing) -> Iterator[Any]:
    httpx, package = importlib.import_module("httpx"), importlib.import_module("httpx_sse")
    timeout = {} if settings.timeout is None else {"timeout": settings.timeout}
    with httpx.Client(**timeout) as http:
        closing(http.close)
        with package.connect_sse(http, "GET", settings.url) as source:
            for event in source.iter_sse():
                yield event.id


def _requests(settings: Settings, closing: Closing) -> Iterator[Any]:
    requests = importlib.import_module("requests")
    with requests.get(settings.url, stream=True, timeout=settings.timeout) as response:
        closing(response.close)
        for line in response.iter_lines():
            if line.startswith(b"id:"):
                yield line[3:].decode().strip()


CLIENTS = {
    "sse_client": Client("sse_client", "`EventSource(url)`", "`EventSource.close()`", _sse_client),
    "sseclient-py": Client(
        "sseclient",
        "`SSEClient(requests.get(url, stream=True)).events()`",
        "`SSEClient.close()`",
        _sseclient_py,
    ),
    "launchdarkly-eventsource": Client(
        "ld_eventsource",
        "`SSEClient(ConnectStrategy.http(url), error_strategy=ErrorStrategy.always_continue()).events`",
        "`SSEClient.close()`",
        _launchdarkly,
    ),
    "httpx-sse": Client("httpx_sse", '`connect_sse(httpx.Client(), "GET", url)`', "`httpx.Client.close()`", _httpx_sse),
    "requests iter_lines": Client(
        "requests", "`requests.get(url, stream=True).iter_lines()`", "`Response.close()`", _requests
    ),
}


def keeps_alive() -> bool:
    """Whether a TCP connection of this process has keep-alive."""
    sockets = [thing for thing in gc.get_objects() if issubclass(type(thing), socket.socket) and thing.fileno() >= 0]
    inet = [thing for thing in sockets if thing.family in {socket.AF_INET, socket.AF_INET6}]
    return any(thing.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) for thing in inet)


def say(**fact: Any) -> None:
    """Write down what has happened."""
    sys.stdout.write(json.dumps({**fact, "at": time.monotonic()}) + "\n")
    sys.stdout.flush()


def main() -> None:
    """Follow until the standard input ends."""
    parser = argparse.ArgumentParser()
    parser.add_argument("client", choices=CLIENTS)
    parser.add_argument("url")
    parser.add_argument("--reconnection-time", type=float, default=1.0)
    parser.add_argument("--timeout", type=float)
    options = parser.parse_args()
    settings = Settings(options.url, options.reconnection_time, options.timeout)
    closers: list[Callable[[], object]] = []

    def follow() -> None:
        why = "quietly"
        try:
            for event_id in CLIENTS[options.client].follow(settings, closers.append):
                say(event=event_id)
        except BaseException as error:  # noqa: BLE001 - whatever a client raises is a result
            why = type(error).__name__
        say(ended=why)

    def close() -> None:
        say(closing=bool(closers))
        for closer in closers:
            closer()
        say(closed=bool(closers))

    threading.Thread(target=follow, daemon=True).start()
    for line in sys.stdin:
        if line == "close\n":
            threading.Thread(target=close, daemon=True).start()  # it may hang
        else:
            say(keep_alive=keeps_alive())
    os._exit(0)  # whatever hangs


if __name__ == "__main__":
    main()
