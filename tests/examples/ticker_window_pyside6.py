"""A Qt window that shows prices and how the connection stands: python ticker_window_pyside6.py URL"""

import sys

from PySide6 import QtWidgets as Qt
from PySide6.QtCore import QTimer
from qt_event_stream import EventStream

from sse_client import EventSource, ReadyState


class Window(Qt.QWidget):
    def __init__(self, source):
        super().__init__()
        self.setWindowTitle("Prices")
        self.table = Qt.QTableWidget(0, 2)
        self.table.setHorizontalHeaderLabels(["Ticker", "Price"])
        self.table.horizontalHeader().setStretchLastSection(True)
        self.rows, self.trouble, self.over = {}, "", ""
        self.status, self.pause, self.now = Qt.QLabel(), Qt.QPushButton("Pause"), Qt.QPushButton("Reconnect")
        bar = Qt.QHBoxLayout()
        bar.addWidget(self.pause)
        bar.addWidget(self.now)
        layout = Qt.QVBoxLayout(self)
        layout.addWidget(self.table)
        layout.addWidget(self.status)
        layout.addLayout(bar)

        self.stream = EventStream(source, self)
        self.stream.message.connect(self.show_price)
        self.stream.failed.connect(lambda event: setattr(self, "trouble", event.error.summary))
        self.stream.closed.connect(self.end)
        self.pause.clicked.connect(self.pause_or_resume)
        self.now.clicked.connect(self.stream.reconnect)
        timer = QTimer(self, interval=100)
        timer.timeout.connect(self.show_state)
        timer.start()
        self.show_state()
        self.stream.start()

    def show_price(self, event):
        if event.type not in self.rows:
            self.rows[event.type] = row = self.table.rowCount()
            self.table.insertRow(row)
            self.table.setItem(row, 0, Qt.QTableWidgetItem(event.type))
        self.table.setItem(self.rows[event.type], 1, Qt.QTableWidgetItem(event.data))

    def end(self, event):
        self.over = "over: " + event.summary
        self.pause.setEnabled(False)
        self.now.setEnabled(False)

    def show_state(self):
        listener, left = self.stream.listener, self.stream.listener.next_attempt_in
        if self.over or listener.is_paused:
            text = self.over or "paused"
        elif left is not None:
            text = f"{self.trouble}; next attempt in {left:.0f} s"
        else:
            text = "live" if listener.ready_state is ReadyState.OPEN else "connecting"
        self.status.setText(text)

    def pause_or_resume(self):
        paused = self.stream.listener.is_paused
        self.stream.resume() if paused else self.stream.pause()
        self.pause.setText("Pause" if paused else "Resume")

    def closeEvent(self, event):  # noqa: N802 - Qt's name
        self.stream.close()  # from here on no signal is emitted
        event.accept()


if __name__ == "__main__":
    application = Qt.QApplication(sys.argv)
    window = Window(EventSource(sys.argv[1]))
    window.show()
    sys.exit(application.exec())
