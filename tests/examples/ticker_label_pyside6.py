"""A Qt window that shows the latest price: python ticker_label_pyside6.py URL

A signal that is emitted in one thread and received by an object of another is delivered
by that one's event loop: that is how the queue asks for a run.
"""

import sys

from PySide6.QtCore import QObject, Qt, Signal
from PySide6.QtWidgets import QApplication, QLabel

from sse_client import DispatchQueue, EventSource, Listener


class Waker(QObject):
    pending = Signal()  # without arguments: PySide need not carry Python objects from thread to thread


class Price(QLabel):
    def __init__(self, url):
        super().__init__("connecting")
        self.setMinimumWidth(240)
        waker = Waker()
        waker.pending.connect(self.run_pending, Qt.ConnectionType.QueuedConnection)
        self.queue = DispatchQueue(notify=lambda run: waker.pending.emit())
        self.listener = Listener(EventSource(url), dispatch=self.queue)
        self.listener.on("price", lambda event: self.setText(event.data))
        self.listener.on_error(lambda event: self.setText(str(event.error)))
        self.listener.on("quit", lambda event: self.close())
        self.listener.start()

    def run_pending(self):
        self.queue.run_pending()

    def setText(self, text):  # noqa: N802 - Qt's name; printed too, so that the test can read it
        super().setText(text)
        print(text, flush=True)

    def closeEvent(self, event):  # noqa: N802 - Qt's name
        self.listener.close()
        event.accept()


if __name__ == "__main__":
    application = QApplication(sys.argv)
    window = Price(sys.argv[1])
    window.show()
    sys.exit(application.exec())
