"""Print the events of a stream: python script.py URL"""

import sys

from sse_client import EventSource, EventSourceError


def main(url):
    with EventSource(url) as source:
        for event in source:
            print(event.type, event.data, flush=True)


if __name__ == "__main__":
    try:
        main(sys.argv[1])
    except EventSourceError as error:
        sys.exit(str(error))
