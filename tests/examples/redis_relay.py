"""Put the events of a stream into Redis, on as many machines as you like: python redis_relay.py URL REDIS_URL

One of them follows the stream, the others stand by. redis_worker.py handles the events.
"""

import signal
import sys

import redis

from sse_client import EventSource, EventSourceError
from sse_client.redis_relay import RedisRelay


def main(url, redis_url):
    relay = RedisRelay(
        redis.Redis.from_url(redis_url),
        "builds",
        lease=10.0,
        max_length=1_000_000,
        on_lead=lambda last_event_id: print("following from", repr(last_event_id), flush=True),
        on_standby=lambda: print("standing by", flush=True),
        on_error=lambda event: print(event.error, file=sys.stderr, flush=True),
    )
    signal.signal(signal.SIGTERM, lambda number, frame: relay.stop())
    relay.run(lambda last_event_id: EventSource(url, last_event_id=last_event_id))


if __name__ == "__main__":
    try:
        main(*sys.argv[1:])
    except EventSourceError as error:
        sys.exit(str(error))
    except KeyboardInterrupt:
        pass
