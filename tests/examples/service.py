"""A service that follows a stream until it is told to stop: python service.py URL POSITION_FILE

systemd, docker and Kubernetes stop a program with SIGTERM, and kill it later if it has not ended.
"""

import signal
import sys

from sse_client import EventSource, PositionFile


def main(url, position_file):
    source = EventSource(url, position=PositionFile(position_file))
    # A signal handler may call close(): the loop ends at once, in whatever it is blocked.
    signal.signal(signal.SIGTERM, lambda *_: source.close())
    with source:
        for event in source:
            print("handled", event.data, flush=True)
    print("stopped after", source.last_event_id, flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
