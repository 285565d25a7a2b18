"""An event stream as a Qt object, to be copied into a program. For PyQt6 it is the other import."""

from PySide6.QtCore import QObject, Qt, Signal

# from PyQt6.QtCore import QObject, Qt, pyqtSignal as Signal
from sse_client import DispatchQueue, Listener


class Waker(QObject):
    pending = Signal()  # without arguments, so that no Python object has to cross threads inside Qt


class EventStream(QObject):
    """Emits what happens to a source, in the thread of its main loop. Ends with its parent."""

    connecting = Signal(object)  # a ConnectingEvent
    opened = Signal(object)  # an OpenEvent
    message = Signal(object)  # a MessageEvent
    failed = Signal(object)  # an ErrorEvent: its delay tells when the next attempt is made
    closed = Signal(object)  # a CloseEvent: the stream has ended for good

    def __init__(self, source, parent=None):
        super().__init__(parent)
        waker = Waker()  # an object of its own, since the reading thread may emit while this one is being deleted
        waker.pending.connect(self.run_pending, Qt.ConnectionType.QueuedConnection)
        self.queue = DispatchQueue(notify=lambda run: waker.pending.emit())
        self.listener = listener = Listener(source, dispatch=self.queue)
        listener.on_connecting(self.connecting.emit)
        listener.on_open(self.opened.emit)
        listener.on_event(self.message.emit)
        listener.on_error(self.failed.emit)
        listener.on_close(self.closed.emit)
        self.destroyed.connect(listener.close)
        self.start, self.close = listener.start, listener.close
        self.pause, self.resume, self.reconnect = listener.pause, listener.resume, listener.reconnect

    def run_pending(self):
        self.queue.run_pending()
