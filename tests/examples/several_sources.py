"""Handle the events of several streams one at a time, in one thread: python several_sources.py URL URL..."""

import queue
import sys
from contextlib import ExitStack
from functools import partial

from sse_client import EventSource, Listener


def main(*urls):
    events = queue.Queue(maxsize=1000)  # full: the listeners wait, and the servers with them

    def put(url, event):
        events.put((url, event))

    with ExitStack() as listeners:
        for url in urls:
            listener = Listener(EventSource(url))
            listener.on_event(partial(put, url))
            listener.on_close(lambda event: events.put((None, event)))
            listeners.enter_context(listener)  # starts it, and closes it at the end
        following = len(urls)
        while following:
            url, event = events.get()
            if url is None:
                following -= 1
                print("one is over:", event.error or "the server said so", flush=True)
            else:
                print(urls.index(url) + 1, event.data, flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
