"""A worker that counts for Prometheus what happens to its stream: python prometheus_counters.py URL [PORT]"""

import sys

from prometheus_client import Counter, Enum, start_http_server

from sse_client import ErrorEvent, EventSource, MessageEvent, OpenEvent

EVENTS = Counter("stream_events", "Events by type", ["type"])
OPENED = Counter("stream_opened", "Connections that have opened")
ERRORS = Counter("stream_errors", "Connections that have failed, broken or ended, by kind", ["kind"])
STATE = Enum("stream_state", "How the stream stands", states=["CONNECTING", "OPEN", "CLOSED"])
KNOWN_TYPES = {"message", "price"}  # others are counted together: a server must not be able to add labels


def count(source):
    """Yield the events of a source, counting all that happens."""
    for event in source.lifecycle():
        if isinstance(event, OpenEvent):
            OPENED.inc()
        elif isinstance(event, ErrorEvent):
            ERRORS.labels(type(event.error).__name__).inc()
        STATE.state(source.ready_state.name)
        if isinstance(event, MessageEvent):
            EVENTS.labels(event.type if event.type in KNOWN_TYPES else "other").inc()
            yield event


def main(url, port="0"):
    server, _ = start_http_server(int(port), "127.0.0.1")
    print("metrics on port", server.server_port, flush=True)
    with EventSource(url) as source:
        for event in count(source):
            print("handled", event.data, flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
