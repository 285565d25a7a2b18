"""The smallest window that shows the latest price, with GTK 4: python ticker_gtk.py URL"""

import sys

import gi

gi.require_version("Gtk", "4.0")
from gi.repository import GLib, Gtk  # noqa: E402 - after the version has been chosen

from sse_client import DispatchQueue, EventSource, Listener  # noqa: E402


def main(url):
    loop = GLib.MainLoop()
    window = Gtk.Window(title="Price")
    label = Gtk.Label(label="connecting")
    window.set_child(label)

    def show(text):
        label.set_label(text)
        print(text, flush=True)

    listener = Listener(EventSource(url), dispatch=DispatchQueue(notify=GLib.idle_add))
    listener.on("price", lambda event: show(event.data))
    listener.on_error(lambda event: show(event.error.summary))
    listener.on_close(lambda event: window.close())
    window.connect("close-request", lambda window: loop.quit())
    window.present()
    with listener:  # starts it, and closes it at the end
        loop.run()


if __name__ == "__main__":
    main(sys.argv[1])
