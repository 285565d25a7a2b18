"""Print news over a WebSocket, or over an event stream: python websocket_fallback.py URL WEBSOCKET_URL

Both ways carry the same news. A frame is the JSON of an ID and a text; in the event stream they are the event's id and
data. So the event stream goes on after the last news, whichever way that came.
"""

import json
import sys

from sse_client import EventSource, EventSourceError, MessageEvent
from sse_client.fallback import WebSocketConnector, first_available


def to_event(frame):
    news = json.loads(frame)
    if "text" not in news:
        return None  # a heartbeat
    return MessageEvent(data=news["text"], last_event_id=news["id"])


def say(chosen, reason):
    print(f"using {chosen}: {reason}", file=sys.stderr)


def main(url, websocket_url):
    ways = first_available(
        WebSocketConnector(websocket_url, to_event=to_event),
        url,
        try_for=5.0,
        on_choice=say,
        retry_primary_after=3600.0,
    )
    with EventSource(ways) as source:
        for event in source:
            print(event.last_event_id, event.data, flush=True)


if __name__ == "__main__":
    try:
        main(*sys.argv[1:])
    except EventSourceError as error:
        sys.exit(str(error))
