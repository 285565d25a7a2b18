"""Handle events that redis_relay.py puts into Redis, one of many workers: python redis_worker.py URL NAME

URL is that of Redis. Each event goes to one worker. One that was killed and is started again under
its NAME begins with what it had been given and had not finished.
"""

import sys
import time

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from sse_client.redis_relay import decode

STREAM, GROUP = "builds", "workers"


def handle(event):
    return event.json()["name"].upper()


def work(client, name):
    start = "0"  # first what was given to this worker before and is not acknowledged; then ">", what is new
    while True:
        reply = client.xreadgroup(GROUP, name, {STREAM: start}, count=100, block=2000)
        entries = [entry for _, part in reply or [] for entry in part]
        for entry_id, fields in entries:
            # The result and the acknowledgement are one transaction: neither is there without the other.
            with client.pipeline() as transaction:
                if fields:  # else the entry was trimmed away before it was handled
                    event = decode(fields)
                    transaction.rpush("results", handle(event))
                    print(name, event.last_event_id, flush=True)
                transaction.xack(STREAM, GROUP, entry_id)
                transaction.execute()
        if not entries:
            start = ">"


def main(url, name):
    # Without redis-py's own retries: after an error, nobody but Redis knows what was acknowledged.
    client = redis.Redis.from_url(url, retry=Retry(NoBackoff(), 0))
    try:
        client.xgroup_create(STREAM, GROUP, id="0", mkstream=True)
    except redis.ResponseError as error:
        if not str(error).startswith("BUSYGROUP"):
            raise
    while True:
        try:
            work(client, name)
        except (redis.ConnectionError, redis.TimeoutError) as error:
            print(error, file=sys.stderr, flush=True)
            time.sleep(1)


if __name__ == "__main__":
    try:
        main(*sys.argv[1:])
    except KeyboardInterrupt:
        pass
