"""A window with a table of prices that is always up to date: python ticker_table_tkinter.py URL

Tkinter cannot be called from another thread, but its main loop can wait for a byte: that is how the queue asks
for a run. Of each ticker only the latest price is of interest, and each has its own type of event.
"""

import socket
import sys
import time
import tkinter as tk
from tkinter import ttk

from sse_client import DispatchQueue, EventSource, Listener


class TickerTable:
    def __init__(self, url):
        self.root = tk.Tk()
        self.root.title("Tickers")
        self.table = ttk.Treeview(self.root, columns=("price", "change"), height=8)
        for column, heading in (("#0", "Ticker"), ("price", "Price"), ("change", "Change")):
            self.table.heading(column, text=heading)
            self.table.column(column, width=120, anchor="w" if column == "#0" else "e")
        self.table.pack(fill="both", expand=True)
        self.status = tk.StringVar(value="connecting")
        tk.Label(self.root, textvariable=self.status, anchor="w").pack(fill="x")
        self.reconnect_at = None

        # Without createfilehandler, on Windows, leave notify out and let tick() call self.queue.run_pending().
        self.receiver, sender = socket.socketpair()
        self.root.createfilehandler(self.receiver, tk.READABLE, self.asked)
        self.queue = DispatchQueue(keep="latest_per_type", notify=lambda run: sender.send(b"."))
        self.listener = Listener(EventSource(url), dispatch=self.queue)
        self.listener.on_event(self.show)
        self.listener.on_open(self.opened)
        self.listener.on_error(self.lost)
        self.listener.on_close(lambda event: self.status.set(f"over: {event.error or 'no more prices'}"))
        self.root.protocol("WM_DELETE_WINDOW", self.close)

    def show(self, event):
        price = event.json()
        values = (f"{price['price']:.2f}", f"{price['change']:+.2f} %")
        if self.table.exists(event.type):
            self.table.item(event.type, values=values)
        else:
            self.table.insert("", "end", event.type, text=event.type, values=values)

    def opened(self, event):
        self.reconnect_at = None
        self.status.set(f"connected to {event.url}")

    def lost(self, event):
        if event.delay is not None:
            self.reconnect_at = time.monotonic() + event.delay

    def asked(self, *_):
        self.receiver.recv(1)
        self.root.after_idle(self.queue.run_pending)  # after Tk has drawn, which it does when it is idle

    def tick(self):
        if self.reconnect_at is not None:
            self.status.set(f"reconnecting in {max(0.0, self.reconnect_at - time.monotonic()):.0f} s")
        self.root.after(200, self.tick)

    def run(self):
        self.listener.start()
        self.tick()
        self.root.mainloop()

    def close(self):
        self.listener.close()  # from here on no handler is called: the window can go
        self.root.destroy()


if __name__ == "__main__":
    TickerTable(sys.argv[1]).run()
