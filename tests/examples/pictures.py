"""Draw a window in each state that a connection can have, for the README: python pictures.py FILE.png

The window is that of ticker_window_pyside6.py, and the server a scripted one.
"""

import os
import sys
import threading

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")

from PySide6.QtCore import QPoint, QRect, Qt
from PySide6.QtGui import QColor, QFont, QPainter, QPixmap
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication
from ticker_window_pyside6 import Window

from sse_client import EventSource, ReconnectPolicy
from sse_client.testing import EventStreamServer, drop, event, hold, wait_for

PRICES = [event("178.25", type="ACME"), event("94.10", type="INIT"), event("12.75", type="WOOD")]
WIDTH, HEIGHT, GAP, CAPTION = 290, 250, 10, 22


def window_at(server, **settings):
    policy = ReconnectPolicy(reconnection_time=7.4, jitter=0)
    window = Window(EventSource(server.url, reconnect=policy, **settings))
    window.resize(WIDTH, HEIGHT)
    window.show()
    return window


def wait_until(condition):
    for _ in range(500):
        if condition():
            return
        QTest.qWait(20)
    raise AssertionError("the window does not come into the state that is to be drawn")


def states(server):
    """Yield the name of each state, and the window in that state."""
    lose = threading.Event()
    server.silence()
    server.stream(*PRICES, wait_for(lose, 10), drop())
    server.stream(hold())
    server.respond(204)
    window = window_at(server)
    server.wait_for_requests(1)
    wait_until(lambda: window.status.text() == "connecting")
    yield "connecting", window
    window.now.click()
    wait_until(lambda: window.table.rowCount() == 3)
    wait_until(lambda: window.status.text() == "live")
    yield "live", window
    lose.set()
    wait_until(lambda: "next attempt" in window.status.text())
    yield "lost: a countdown", window
    window.pause.click()
    wait_until(lambda: window.status.text() == "paused")
    yield "paused", window
    window.pause.click()
    wait_until(lambda: window.status.text() == "live")
    window.now.click()
    wait_until(lambda: window.status.text().startswith("over"))
    yield "over: the server said so", window
    window.close()
    server.respond(404)
    window = window_at(server)
    wait_until(lambda: window.status.text().startswith("over"))
    yield "over: an error", window
    window.close()


def main(path):
    application = QApplication(sys.argv[:1])
    application.setStyle("Fusion")
    font = QFont("DejaVu Sans", 9)
    application.setFont(font)
    with EventStreamServer() as server:
        drawn = []
        for name, window in states(server):
            drawn.append((name, window.grab()))
            print(name, "|", window.status.text(), flush=True)
    picture = QPixmap(3 * WIDTH + 4 * GAP, 2 * (HEIGHT + CAPTION) + 3 * GAP)
    picture.fill(QColor("white"))
    painter = QPainter(picture)
    painter.setFont(font)
    for number, (name, pixmap) in enumerate(drawn):
        corner = QPoint(GAP + number % 3 * (WIDTH + GAP), GAP + number // 3 * (HEIGHT + CAPTION + GAP))
        painter.drawText(QRect(corner.x(), corner.y(), WIDTH, CAPTION), Qt.AlignmentFlag.AlignLeft, name)
        painter.drawPixmap(corner + QPoint(0, CAPTION), pixmap)
    painter.end()
    assert picture.save(path, "PNG")


if __name__ == "__main__":
    main(sys.argv[1])
