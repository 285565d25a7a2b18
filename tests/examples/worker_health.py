"""A worker whose health can be asked for over HTTP: python worker_health.py URL [PORT]

Healthy is a worker whose stream has not ended and has not been silent for longer than LIMIT: set it to three times
the interval of the server's heartbeats. A Kubernetes livenessProbe asks for /health.
"""

import http.server
import json
import sys
import threading
import time

from sse_client import EventSource, ReadyState

LIMIT = 60.0


def health(source):
    silence = None if source.last_activity is None else time.monotonic() - source.last_activity
    healthy = source.ready_state is not ReadyState.CLOSED and (silence is None or silence < LIMIT)
    return healthy, {"state": source.ready_state.name, "silence": silence, "last_event_id": source.last_event_id}


def serve_health(source, port):
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            healthy, report = health(source)
            self.send_response(200 if healthy else 503)
            self.end_headers()
            self.wfile.write(json.dumps(report).encode())

    server = http.server.ThreadingHTTPServer(("127.0.0.1", port), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server.server_port


def main(url, port="0"):
    source = EventSource(url)
    print("health on port", serve_health(source, int(port)), flush=True)
    with source:
        for event in source:
            print("handled", event.data, flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
