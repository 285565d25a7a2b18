"""Follow a log, and go on where the last run has stopped: python log_tail.py URL POSITION_FILE"""

import sys

from sse_client import EventSource, PositionFile


def main(url, position_file):
    position = PositionFile(position_file)
    with EventSource(url, last_event_id=position.read()) as source:
        for event in source:
            print(event.data, flush=True)
            position.write(event.last_event_id)  # after the work: nothing is lost in a crash


if __name__ == "__main__":
    try:
        main(*sys.argv[1:])
    except KeyboardInterrupt:
        pass
