"""A Qt window that shows the latest price: python ticker_label_pyside6.py URL

A signal that is emitted in one thread and received by an object of another is delivered
by that one's event loop: that is all the dispatch that Qt needs.
"""

import sys

from PySide6.QtCore import QObject, Qt, Signal, Slot
from PySide6.QtWidgets import QApplication, QLabel

from sse_client import EventSource, Listener


class Dispatcher(QObject):
    called = Signal(object, tuple)

    def __init__(self):
        super().__init__()
        self.called.connect(self.call, Qt.ConnectionType.QueuedConnection)

    @Slot(object, tuple)
    def call(self, callback, args):
        callback(*args)

    def __call__(self, callback, *args):
        self.called.emit(callback, args)


class Price(QLabel):
    def __init__(self, url):
        super().__init__("connecting")
        self.setMinimumWidth(240)
        self.listener = Listener(EventSource(url), dispatch=Dispatcher())
        self.listener.on("price", lambda event: self.setText(event.data))
        self.listener.on_error(lambda event: self.setText(str(event.error)))
        self.listener.on("quit", lambda event: self.close())
        self.listener.start()

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
