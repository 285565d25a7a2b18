"""A `DispatchQueue` with ``notify`` in the main loop of each toolkit: alive under a flood, and asleep without one."""

from __future__ import annotations

import json
import os
import subprocess
import threading
import time
from pathlib import Path

import pytest

from sse_client.testing import EventStreamServer, Exchange, encode_event, event

from .support import ROOT, Child, path_with_urllib3, python_that_imports
from .toolkits import TOOLKITS

# What each toolkit is imported as, and what has to be installed for it.
NEEDS = {
    "tkinter": ("tkinter", "python3-tk"),
    "PySide6": ("PySide6.QtWidgets", "PySide6-Essentials"),
    "PyQt6": ("PyQt6.QtWidgets", "PyQt6"),
    "wxPython": ("wx", "python3-wxgtk4.0"),
    "GTK 3": ('gi; gi.require_version("Gtk", "3.0"); import gi.repository.Gtk', "python3-gi gir1.2-gtk-3.0"),
    "GTK 4": ('gi; gi.require_version("Gtk", "4.0"); import gi.repository.Gtk', "python3-gi gir1.2-gtk-4.0"),
    "asyncio": ("asyncio", ""),
}
FLOOD = encode_event("x", type="tick") * 50


def phases(exchange: Exchange) -> None:
    """Nothing for half a second, then an event every ten milliseconds, then as many as are taken."""
    exchange.send_head()
    exchange.run(event("idle", type="phase"))
    threading.Event().wait(0.5)
    exchange.run(event("trickle", type="phase"))
    for _ in range(30):
        exchange.run(event(repr(time.time()), type="tick"))
        threading.Event().wait(0.01)
    exchange.run(event("flood", type="phase"))
    while True:
        exchange.send(FLOOD)


@pytest.mark.parametrize(
    ("toolkit", "keep"), [*((toolkit, "all") for toolkit in TOOLKITS), ("asyncio", "latest"), ("tkinter", "latest")]
)
def test_a_main_loop_stays_alive_under_a_flood_and_sleeps_without_one(
    toolkit: str, keep: str, server: EventStreamServer, display: str, tmp_path: Path
) -> None:
    """Nothing runs while nothing arrives; events are handled at once; under a flood the timers beat, the memory
    stays, and close() is prompt and final.
    """
    server.handler = phases
    python = python_that_imports(*NEEDS[toolkit])
    process = subprocess.Popen(
        [python, "-u", str(ROOT / "tests" / "integration" / "toolkits.py"), toolkit, keep, server.url],
        stdout=subprocess.PIPE,
        stderr=None,
        text=True,
        env={
            **os.environ,
            "PYTHONPATH": path_with_urllib3(tmp_path),
            "DISPLAY": display,
            "QT_QPA_PLATFORM": "xcb;offscreen",
            "GDK_BACKEND": "x11",
        },
    )
    running = Child(process)
    try:
        running.wait_for("measured")
        line = next(line for line in running.lines if line.startswith("measured"))
        assert process.wait(10) == 0
    finally:
        running.end()
    print(toolkit, line)
    measured = json.loads(line.partition(" ")[2])
    assert measured["idle_runs"] <= 2, "something polls"
    assert measured["idle"] < 0.1
    assert measured["delay"] < 0.1
    assert measured["beats"] > 0.15
    assert measured["gap"] < 1.0
    assert measured["growth"] < 20
    assert measured["close"] < 0.25
    assert measured["late"] == 0
    assert measured["joined"]
