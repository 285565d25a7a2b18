"""A program with the main loop of some toolkit, which measures how alive it stays: python toolkits.py TOOLKIT KEEP URL

The server says by events of the type "phase" what is measured: "idle" is a quiet stream, "trickle" are events
that carry the time at which they were sent, "flood" is more events than can be handled. The program ends by
itself, and prints what it has measured.
"""

from __future__ import annotations

import asyncio
import importlib
import json
import socket
import sys
import threading
import time
from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any, Callable

from sse_client import DispatchQueue, EventSource, Listener, MessageEvent

BEAT = 0.02  # seconds between two beats of the timer
FLOOD = 1.5  # seconds for which the flood is looked at
AFTERWARDS = 10  # beats for which the main loop goes on after the listener has been closed
HANDLING = 0.001  # seconds that a handler works under the flood

# The toolkits ---------------------------------------------------------------------------


class Toolkit(ABC):
    """One main loop.

    Attributes:
        notify: The argument of the `DispatchQueue`.
        queue: That queue, once it is there.
        main: Runs the main loop.
        quit: Ends it.
    """

    notify: Callable[[Callable[[], None]], object]
    queue: DispatchQueue
    main: Callable[[], object]
    quit: Callable[[], object]

    @abstractmethod
    def every(self, seconds: float, function: Callable[[], object]) -> None:
        """Call a function again and again, by the toolkit's timer."""


class Tkinter(Toolkit):
    def __init__(self) -> None:
        tkinter = importlib.import_module("tkinter")
        self.root = tkinter.Tk()
        tkinter.Label(self.root, text="a window").pack()
        # No function of tkinter may be called from another thread, but its loop can wait for a byte. What is left
        # of a flood is run when Tk is idle, since Tk draws when it is idle.
        self.receiver, self.sender = socket.socketpair()
        self.root.createfilehandler(self.receiver, tkinter.READABLE, self.told)
        self.notify = lambda run: self.sender.send(b".")
        self.main = self.root.mainloop
        self.quit = self.root.destroy

    def told(self, *_: object) -> None:
        self.receiver.recv(1)
        self.root.after_idle(self.queue.run_pending)

    def every(self, seconds: float, function: Callable[[], object]) -> None:
        function()
        self.root.after(int(seconds * 1000), self.root.after_idle, self.every, seconds, function)


class Qt(Toolkit):
    def __init__(self, binding: str) -> None:
        self.core = importlib.import_module(f"{binding}.QtCore")
        widgets = importlib.import_module(f"{binding}.QtWidgets")
        signal = self.core.Signal if binding == "PySide6" else self.core.pyqtSignal
        toolkit = self

        class Bridge(self.core.QObject):  # type: ignore[name-defined, misc]
            pending = signal()

            def run(self) -> None:
                toolkit.queue.run_pending()

        self.application = widgets.QApplication([])
        self.window = widgets.QLabel("a window")
        self.window.show()
        self.bridge = Bridge()
        self.bridge.pending.connect(self.bridge.run, self.core.Qt.ConnectionType.QueuedConnection)
        self.notify = lambda run: self.bridge.pending.emit()
        self.main = self.application.exec
        self.quit = self.application.quit

    def every(self, seconds: float, function: Callable[[], object]) -> None:
        self.timer = self.core.QTimer()
        self.timer.timeout.connect(function)
        self.timer.start(int(seconds * 1000))


class WxPython(Toolkit):
    def __init__(self) -> None:
        self.wx = importlib.import_module("wx")
        self.application = self.wx.App()
        self.frame = self.wx.Frame(None, title="a window")
        self.frame.Show()
        # By a timer: wx runs what CallAfter brings, and what that brings, before it looks at anything else.
        self.notify = lambda run: self.wx.CallAfter(self.wx.CallLater, 1, run)
        self.main = self.application.MainLoop
        self.quit = self.frame.Destroy

    def every(self, seconds: float, function: Callable[[], object]) -> None:
        self.timer = self.wx.Timer(self.frame)
        self.frame.Bind(self.wx.EVT_TIMER, lambda event: function(), self.timer)
        self.timer.Start(int(seconds * 1000))


class Gtk(Toolkit):
    def __init__(self, version: str) -> None:
        importlib.import_module("gi").require_version("Gtk", version)
        self.glib = importlib.import_module("gi.repository.GLib")
        gtk = importlib.import_module("gi.repository.Gtk")
        self.window = gtk.Window(title="a window")
        self.window.present()
        loop = self.glib.MainLoop()
        self.notify = self.glib.idle_add
        self.main = loop.run
        self.quit = loop.quit

    def every(self, seconds: float, function: Callable[[], object]) -> None:
        def beat() -> bool:
            function()
            return True

        self.glib.timeout_add(int(seconds * 1000), beat)


class Asyncio(Toolkit):
    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self.notify = self.loop.call_soon_threadsafe
        self.quit = self.loop.stop

    def main(self) -> None:
        self.loop.run_forever()
        self.loop.close()

    def every(self, seconds: float, function: Callable[[], object]) -> None:
        function()
        self.loop.call_later(seconds, self.every, seconds, function)


TOOLKITS: dict[str, Callable[[], Toolkit]] = {
    "tkinter": Tkinter,
    "PySide6": lambda: Qt("PySide6"),
    "PyQt6": lambda: Qt("PyQt6"),
    "wxPython": WxPython,
    "GTK 3": lambda: Gtk("3.0"),
    "GTK 4": lambda: Gtk("4.0"),
    "asyncio": Asyncio,
}

# What is measured -----------------------------------------------------------------------


def memory() -> float:
    """The resident memory of this process, in MiB; 0 where there is no /proc."""
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
    except OSError:
        return 0.0
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmRSS"))


class CountingQueue(DispatchQueue):
    runs = 0

    def run_pending(self, max_events: int = 100, max_seconds: float = 0.01) -> int:
        self.runs += 1
        return super().run_pending(max_events, max_seconds)


class Meter:
    """A listener whose handlers measure what each phase is for."""

    def __init__(self, toolkit: Toolkit, keep: Any, url: str) -> None:
        self.toolkit = toolkit
        self.queue = toolkit.queue = CountingQueue(keep=keep, notify=toolkit.notify)
        self.listener = Listener(EventSource(url), dispatch=self.queue)
        self.listener.on("phase", self.begin)
        self.listener.on("tick", self.tick)
        self.main_thread = threading.get_ident()
        self.measured: dict[str, Any] = {"late": 0}
        self.phase = ""
        self.began = self.processor = self.memory = self.last_beat = self.longest_gap = 0.0
        self.delays: list[float] = []
        self.beats = self.handled = self.afterwards = 0

    def run(self) -> None:
        self.listener.start()
        self.toolkit.main()
        self.measured["joined"] = self.listener.join(5)
        print("measured", json.dumps(self.measured), flush=True)

    def begin(self, event: MessageEvent) -> None:
        assert threading.get_ident() == self.main_thread
        self.enter(event.data)

    def enter(self, phase: str) -> None:
        if self.phase == "idle":
            self.measured["idle_runs"] = self.queue.runs
            self.measured["idle"] = (time.process_time() - self.processor) / (time.monotonic() - self.began)
            self.memory = memory()
        self.phase = phase
        self.queue.runs = self.handled = 0
        self.began, self.processor = time.monotonic(), time.process_time()
        self.last_beat = self.began
        if self.phase == "flood":
            self.toolkit.every(BEAT, self.beat)

    def tick(self, event: MessageEvent) -> None:
        if self.phase == "trickle" and event.data == "x":
            self.enter("flood")  # a queue that keeps the latest may have dropped the event that says so
        self.handled += 1
        self.measured["late"] += self.afterwards > 0
        if self.phase == "trickle":
            self.delays.append(time.time() - float(event.data))
        else:
            end = time.perf_counter() + HANDLING
            while time.perf_counter() < end:
                pass

    def beat(self) -> None:
        now = time.monotonic()
        self.beats += 1
        self.longest_gap = max(self.longest_gap, now - self.last_beat)
        self.last_beat = now
        if self.afterwards:
            self.afterwards += 1
            if self.afterwards == AFTERWARDS:
                self.toolkit.quit()
        elif now - self.began > FLOOD:
            self.end(now - self.began)

    def end(self, seconds: float) -> None:
        self.delays.sort()
        self.measured.update(
            beats=self.beats * BEAT / seconds,
            gap=self.longest_gap,
            arrived=(self.handled + self.queue.dropped) / seconds,
            handled=self.handled / seconds,
            delay=self.delays[len(self.delays) // 2],
            growth=memory() - self.memory,
        )
        before = time.perf_counter()
        self.listener.close()
        self.measured["close"] = time.perf_counter() - before
        self.afterwards = 1


if __name__ == "__main__":
    Meter(TOOLKITS[sys.argv[1]](), sys.argv[2], sys.argv[3]).run()
