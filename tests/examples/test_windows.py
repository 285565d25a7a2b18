"""The examples with a window: what they show in each state of the connection, and how they close."""

from __future__ import annotations

import importlib.util
import json
import re
import threading
from pathlib import Path

import pytest

from sse_client.testing import EventStreamServer, Exchange, encode_event, event, hold
from tests.integration.support import path_with_urllib3, python_that_imports

from .support import HERE, ended, program, tell

QT = {"QT_QPA_PLATFORM": "xcb;offscreen"}  # a real window where the libraries for one are installed


def price(ticker: str, value: float) -> bytes:
    return encode_event(json.dumps({"price": value, "change": 0.5}), type=ticker)


def flood(exchange: Exchange) -> None:
    """As many prices as are taken."""
    exchange.send_head()
    number = 0
    while True:
        number += 1
        exchange.send(price("ACME", number) + price("INIT", -number))


TKINTER = """
import sys, time, tkinter
from ticker_table_tkinter import TickerTable

app = TickerTable(sys.argv[1])
shown = None

def show():
    global shown
    rows = {row: app.table.item(row, "values")[0] for row in app.table.get_children()}
    if (app.status.get(), rows) != shown:
        shown = (app.status.get(), rows)
        print(*shown, sep=" | ", flush=True)
    app.root.after(20, show)

def told(*_):
    command = sys.stdin.readline().strip()
    if command == "close":
        began = time.perf_counter()
        app.close()
        print("closed", len(app.queue), time.perf_counter() - began < 0.5, flush=True)
    else:
        app.button.invoke()

show()
app.root.createfilehandler(sys.stdin, tkinter.READABLE, told)
app.run()
print("left", app.listener.join(5), flush=True)
"""


def test_a_tkinter_window_shows_prices_and_closes_under_a_flood(server: EventStreamServer, display: str) -> None:
    """Rows follow the stream, the status bar shows each state and counts down, and closing under a flood is clean."""
    pytest.importorskip("tkinter", reason="needs the package python3-tk")
    answer, lose = threading.Event(), threading.Event()

    def first(exchange: Exchange) -> None:
        exchange.wait_for(answer)
        exchange.send_head()
        exchange.send(price("ACME", 10) + price("INIT", 20))
        exchange.wait_for(lose)

    server.reply(first)
    server.reply(flood)
    with program("-c", TKINTER, server.url, DISPLAY=display) as running:
        running.wait_for("connecting | {}")
        answer.set()
        running.wait_for("live | {'ACME': '10.00', 'INIT': '20.00'}")
        lose.set()
        running.wait_for("the server ended the stream; next attempt in 3 s | {'ACME': '10.00', 'INIT': '20.00'}")
        running.wait_for("the server ended the stream; next attempt in 2 s")
        tell(running, "pause")
        running.wait_for("paused | {'ACME': '10.00', 'INIT': '20.00'}")
        assert len(server.requests) == 1
        tell(running, "resume")
        running.wait_for("live | ", 10)
        tell(running, "close")
        running.wait_for("closed 0 True")
        running.wait_for("left True")
        assert ended(running) == 0
        assert not [line for line in running.lines if "Error" in line], running.lines


WINDOW = """
import sys
from PySide6.QtCore import QSocketNotifier, QTimer
from PySide6.QtWidgets import QApplication
from sse_client import EventSource, ReconnectPolicy
from ticker_window_pyside6 import Window

application = QApplication([])
window = Window(EventSource(sys.argv[1], reconnect=ReconnectPolicy(reconnection_time=3, jitter=0)))
window.show()
shown = None

def show():
    global shown
    rows = {window.table.item(row, 0).text(): window.table.item(row, 1).text() for row in window.rows.values()}
    if (window.status.text(), rows) != shown:
        shown = (window.status.text(), rows)
        print(*shown, sep=" | ", flush=True)

def told(*_):
    command = sys.stdin.readline().strip()
    window.close() if command == "close" else getattr(window, command).click()

timer = QTimer()
timer.timeout.connect(show)
timer.start(20)
notifier = QSocketNotifier(0, QSocketNotifier.Type.Read)
notifier.activated.connect(told)
code = application.exec()
print("left", window.stream.listener.join(5), flush=True)
"""


def test_a_qt_window_shows_each_state(server: EventStreamServer, display: str) -> None:
    """Connecting, live, a countdown, paused, live again after a press, over: and closing ends the program."""
    pytest.importorskip("PySide6.QtWidgets", reason="needs the package PySide6-Essentials", exc_type=ImportError)
    answer, lose = threading.Event(), threading.Event()

    def first(exchange: Exchange) -> None:
        exchange.wait_for(answer)
        exchange.send_head()
        exchange.send(encode_event("178.25", type="ACME", id="1"))
        exchange.wait_for(lose)

    server.reply(first)
    server.stream(event("9.5", type="INIT"), hold())
    server.stream(hold())
    server.respond(204)
    with program("-c", WINDOW, server.url, DISPLAY=display, **QT) as running:
        running.wait_for("connecting | {}")
        answer.set()
        running.wait_for("live | {'ACME': '178.25'}")
        lose.set()
        running.wait_for("the server ended the stream; next attempt in 3 s | {'ACME': '178.25'}")
        running.wait_for("the server ended the stream; next attempt in 2 s")
        tell(running, "now")
        running.wait_for("live | {'ACME': '178.25', 'INIT': '9.5'}")
        tell(running, "pause")
        running.wait_for("paused | {'ACME': '178.25', 'INIT': '9.5'}")
        server.wait_until_disconnected()
        tell(running, "pause")
        running.wait_for("live | {'ACME': '178.25', 'INIT': '9.5'}", 2)
        tell(running, "now")
        running.wait_for("over: the stream is over")
        tell(running, "close")
        running.wait_for("left True")
        assert ended(running) == 0
    assert [request.headers.get("Last-Event-ID") for request in server.requests] == [None, "1", "1", "1"]


EVENT_STREAM = """
import sys, threading, time
exec(compile(sys.argv[2], "qt_event_stream.py", "exec"))
{imports}
from sse_client import EventSource, ReadyState, ReconnectPolicy

application = QApplication([])
parent = QWidget()
stream = EventStream(EventSource(sys.argv[1], reconnect=ReconnectPolicy(reconnection_time=0.1, jitter=0)), parent)
main = threading.get_ident()
listener = stream.listener
count = counted = 0

def show(what):
    def shown(event):
        assert threading.get_ident() == main
        print(what, getattr(event, "data", ""), flush=True)
    return shown

def deleted():
    global counted
    counted = count
    print("deleted", listener.join(5), flush=True)

def count_flood(event):
    global count
    count += event.type == "tick"
    if count == 2000:
        began = time.perf_counter()
        parent.deleteLater()
        QTimer.singleShot(50, deleted)
        QTimer.singleShot(300, application.quit)
        print("enough", time.perf_counter() - began < 0.05, flush=True)

for name in ("connecting", "opened", "failed", "closed"):
    getattr(stream, name).connect(show(name))
stream.message.connect(lambda event: event.type == "message" and show("message")(event))
stream.message.connect(count_flood)
stream.message.connect(lambda event: event.data == "pause" and stream.pause())
stream.failed.connect(lambda event: event.requested and QTimer.singleShot(50, stream.resume))
stream.start()
application.exec()
print("afterwards", count - counted, flush=True)
"""


@pytest.mark.parametrize("binding", ["PySide6", "PyQt6"])
def test_the_qt_object_works_in_both_bindings(binding: str, server: EventStreamServer) -> None:
    """Its signals come in the thread of the main loop; pause and resume; deleted with its parent under a flood."""
    if importlib.util.find_spec(binding) is None:
        pytest.skip(f"needs the package {binding}")
    text = (HERE / "qt_event_stream.py").read_text(encoding="utf-8")
    if binding == "PyQt6":
        other = re.search(r"^# (from PyQt6.*)$", text, re.MULTILINE)
        assert other is not None
        text = re.sub(r"^from PySide6.*$", other[1], text, flags=re.MULTILINE)
    server.stream(event("first", id="1"), event("pause", id="2"), hold())

    def ticks(exchange: Exchange) -> None:
        exchange.send_head()
        exchange.run(event("second", id="3"))
        while True:
            exchange.send(encode_event("x", type="tick") * 50)

    server.reply(ticks)
    imports = f"from {binding}.QtCore import QTimer\nfrom {binding}.QtWidgets import QApplication, QWidget"
    code = EVENT_STREAM.replace("{imports}", imports)
    with program("-c", code, server.url, text, QT_QPA_PLATFORM="offscreen") as running:
        running.wait_for("deleted True")
        assert ended(running) == 0
    lines = [line for line in running.lines if "again" not in line and "propagateSizeHints" not in line]
    assert lines[:8] == [
        *("connecting ", "opened ", "message first", "message pause", "failed "),
        *("connecting ", "opened ", "message second"),
    ]
    assert "enough True" in lines
    assert lines[-2] == "afterwards 0"
    assert server.requests[1].headers["Last-Event-ID"] == "2"


@pytest.mark.parametrize(
    ("name", "module", "package"),
    [
        ("ticker_wx.py", "wx", "python3-wxgtk4.0"),
        ("ticker_gtk.py", 'gi; gi.require_version("Gtk", "4.0"); import gi.repository.Gtk', "gir1.2-gtk-4.0"),
    ],
)
def test_the_smallest_window_of_a_toolkit(
    name: str, module: str, package: str, server: EventStreamServer, display: str, tmp_path: Path
) -> None:
    """It shows each price, and closes when the stream is over."""
    python = python_that_imports(module, package)
    server.stream(event("12.50", type="price", retry=0.1), event("12.75", type="price"))
    server.respond(204)
    environment = {"DISPLAY": display, "GDK_BACKEND": "x11", "PYTHONPATH": path_with_urllib3(tmp_path)}
    with program(name, server.url, python=python, **environment) as running:
        assert ended(running) == 0, "\n".join(running.lines)
    shown = [line for line in running.lines if line and "Gtk" not in line]
    assert shown == ["12.50", "12.75", "the server ended the stream", "(end of output)"]


def test_the_qt_object_is_small() -> None:
    """At most 40 lines, which people copy."""
    text = (HERE / "qt_event_stream.py").read_text(encoding="utf-8")
    assert len([line for line in text.splitlines() if line.strip()]) <= 40


def test_the_picture_of_the_readme_can_be_drawn(tmp_path: Path) -> None:
    """The script draws every state, and the README shows what it has drawn."""
    pytest.importorskip("PySide6.QtWidgets", reason="needs the package PySide6-Essentials", exc_type=ImportError)
    with program("pictures.py", str(tmp_path / "window.png")) as running:
        assert ended(running) == 0
    shown = [line for line in running.lines if " | " in line]
    assert [line.partition(" | ")[2] for line in shown] == [
        "connecting",
        "live",
        "connection lost; next attempt in 7 s",
        "paused",
        "over: the stream is over",
        "over: 404 Not Found",
    ]
    drawn = (tmp_path / "window.png").read_bytes()
    assert drawn.startswith(b"\x89PNG")
    assert 10_000 < len(drawn) < 100_000
