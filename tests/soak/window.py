"""The soak of a window: faults at random, pauses, resumes and reconnects, and nothing may be lost or grow."""

from __future__ import annotations

import argparse
import logging
import random
import sys
import time
from typing import Optional

from sse_client import DispatchQueue, ErrorEvent, EventSource, Listener, MessageEvent, ReadyState, ReconnectPolicy
from tests.integration.toolkits import TOOLKITS

from .__main__ import ROOM, Server
from .measure import Held, grown, held

PRESS = 0.05  # seconds between two presses of a button


class Window:
    """A listener in a main loop, whose buttons are pressed at random by a timer."""

    def __init__(self, toolkit: str, url: str, *, seconds: float, seed: str) -> None:
        self.toolkit = TOOLKITS[toolkit]()
        self.queue = self.toolkit.queue = DispatchQueue(notify=self.toolkit.notify)
        policy = ReconnectPolicy(reconnection_time=0.001, max_delay=0.05, jitter=0, min_server_delay=0.001)
        source = EventSource(url, reconnect=policy, response_timeout=5.0, idle_timeout=1.0, trust_env=False)
        self.listener = Listener(source, dispatch=self.queue)
        self.listener.on_event(self.receive)
        self.listener.on_error(self.note)
        self.choice = random.Random(f"{seed} presses")
        self.began = time.monotonic()
        self.seconds = seconds
        self.last = self.lost = self.repeated = self.wrong = self.losses = 0
        self.presses = {"pause": 0, "resume": 0, "reconnect": 0}
        self.first: Optional[Held] = None
        self.error: Optional[BaseException] = None

    def run(self) -> None:
        self.listener.on_close(lambda event: self.leave(event.error))
        self.listener.start()
        self.toolkit.every(PRESS, self.press)
        self.toolkit.main()
        assert self.listener.join(5), "the thread of the listener does not end"

    def receive(self, event: MessageEvent) -> None:
        number = int(event.last_event_id)
        self.wrong += event.data != f"event {number}" + "\nmore" * (number % 3)
        self.repeated += number <= self.last
        self.lost += max(0, number - self.last - 1)
        self.last = max(self.last, number)

    def note(self, event: ErrorEvent) -> None:
        self.losses += not event.requested

    def press(self) -> None:
        seconds = time.monotonic() - self.began
        if self.first is None and seconds > min(10.0, self.seconds / 3):
            self.first = held()
        if seconds > self.seconds:
            self.leave(None)
        elif self.listener.ready_state is not ReadyState.CLOSED:
            what = "resume" if self.listener.is_paused else self.choice.choice(("pause", "reconnect", "nothing"))
            if what != "nothing":
                self.presses[what] += 1
                getattr(self.listener, what)()

    def leave(self, error: Optional[BaseException]) -> None:
        self.error = error
        self.listener.close()
        self.toolkit.quit()


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.soak.window", description=__doc__)
    parser.add_argument("--toolkit", choices=list(TOOLKITS), default="tkinter")
    parser.add_argument("--minutes", type=float, default=30.0, help="how long (%(default)g)")
    parser.add_argument("--seed", default="sse_client")
    arguments = parser.parse_args()
    logging.disable(logging.CRITICAL)  # thousands of losses are the point here
    server = Server(sys.maxsize, arguments.seed)
    server.start()
    url = f"http://127.0.0.1:{server.port}/"
    try:
        window = Window(arguments.toolkit, url, seconds=arguments.minutes * 60, seed=arguments.seed)
        window.run()
    finally:
        server.kill()
    after = held()
    print(f"{arguments.toolkit}: events {window.last}, losses {window.losses}, presses {window.presses}")
    print(f"lost {window.lost}, repeated {window.repeated}, wrong {window.wrong}, ended by {window.error}")
    print(f"early: {window.first}; at the end: {after}")
    said = grown(window.first, after, memory=ROOM) if window.first is not None else ["it ended too early"]
    print("\n".join(said) or "nothing has grown")
    wrong = window.lost or window.repeated or window.wrong or window.error or said
    return 1 if wrong or not window.last or not window.presses["pause"] else 0


if __name__ == "__main__":
    sys.exit(main())
