"""A window with a table of prices that is always up to date: python ticker_table_tkinter.py URL

Tkinter cannot be called from another thread, but its main loop can wait for a byte: that is how the queue asks
for a run. Of each ticker only the latest price is of interest, and each has its own type of event.
"""

import socket
import sys
import tkinter as tk
from tkinter import ttk

from sse_client import DispatchQueue, EventSource, Listener, ReadyState


class TickerTable:
    def __init__(self, url):
        self.root = tk.Tk()
        self.root.title("Tickers")
        self.table = ttk.Treeview(self.root, columns=("price", "change"), height=8)
        for column, heading in (("#0", "Ticker"), ("price", "Price"), ("change", "Change")):
            self.table.heading(column, text=heading)
            self.table.column(column, width=120, anchor="w" if column == "#0" else "e")
        self.table.pack(fill="both", expand=True)
        self.status = tk.StringVar()
        tk.Label(self.root, textvariable=self.status, anchor="w").pack(side="left", fill="x", expand=True)
        self.button = tk.Button(self.root, text="Pause", command=self.pause_or_resume)
        self.button.pack(side="right")
        self.trouble, self.over = "", ""

        # Without createfilehandler, on Windows, leave notify out and let tick() call self.queue.run_pending().
        self.receiver, sender = socket.socketpair()
        self.root.createfilehandler(self.receiver, tk.READABLE, self.asked)
        self.queue = DispatchQueue(keep="latest_per_type", notify=lambda run: sender.send(b"."))
        self.listener = Listener(EventSource(url), dispatch=self.queue)
        self.listener.on_event(self.show)
        self.listener.on_error(lambda event: setattr(self, "trouble", event.error.summary))
        self.listener.on_close(lambda event: setattr(self, "over", "over: " + event.summary))
        self.root.protocol("WM_DELETE_WINDOW", self.close)

    def asked(self, *_):
        self.receiver.recv(1)
        self.root.after_idle(self.queue.run_pending)  # after Tk has drawn, which it does when it is idle

    def show(self, event):
        price = event.json()
        values = (f"{price['price']:.2f}", f"{price['change']:+.2f} %")
        if self.table.exists(event.type):
            self.table.item(event.type, values=values)
        else:
            self.table.insert("", "end", event.type, text=event.type, values=values)

    def tick(self):
        left = self.listener.next_attempt_in
        state = "live" if self.listener.ready_state is ReadyState.OPEN else "connecting"
        if self.listener.is_paused:
            state = "paused"
        elif left is not None:
            state = f"{self.trouble}; next attempt in {left:.0f} s"
        self.status.set(self.over or state)
        self.root.after(100, self.tick)

    def pause_or_resume(self):
        paused = self.listener.is_paused
        self.button["text"] = "Pause" if paused else "Resume"
        (self.listener.resume if paused else self.listener.pause)()

    def run(self):
        self.listener.start()
        self.tick()
        self.root.mainloop()

    def close(self):
        self.listener.close()  # from here on no handler is called: the window can go
        self.root.destroy()


if __name__ == "__main__":
    TickerTable(sys.argv[1]).run()
