"""Follow a log, and go on where the last run has stopped: python log_tail.py URL POSITION_FILE"""

import pathlib
import sys

from sse_client import EventSource


def main(url, position_file):
    position = pathlib.Path(position_file)
    last_event_id = position.read_text(encoding="utf-8") if position.exists() else ""
    with EventSource(url, last_event_id=last_event_id) as source:
        for event in source:
            print(event.data, flush=True)
            position.write_text(event.last_event_id, encoding="utf-8")  # after the work: nothing is lost in a crash


if __name__ == "__main__":
    try:
        main(*sys.argv[1:])
    except KeyboardInterrupt:
        pass
