"""Wait for a build and end with its result: python build_status.py URL"""

import sys
import threading

from sse_client import EventSource, Listener


def main(url):
    done = threading.Event()
    result = {"status": "unknown"}
    listener = Listener(EventSource(url))

    @listener.on("step")
    def step(event):
        print("...", event.json()["name"], flush=True)

    @listener.on("finished")
    def finished(event):
        result.update(event.json())
        done.set()

    @listener.on_error
    def trouble(event):
        if event.delay is not None:
            print(f"{event.error.reason}; again in {event.delay:.0f} s", file=sys.stderr)

    @listener.on_close
    def ended(event):
        print("the stream has ended:", event.error or "no more news", file=sys.stderr)
        done.set()

    with listener:
        done.wait()
    print("build", result["status"])
    return 0 if result["status"] == "passed" else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
