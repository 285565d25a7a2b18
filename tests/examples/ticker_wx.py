"""The smallest window that shows the latest price, with wxPython: python ticker_wx.py URL"""

import sys

import wx

from sse_client import DispatchQueue, EventSource, Listener


class Window(wx.Frame):
    def __init__(self, url):
        super().__init__(None, title="Price")
        self.label = wx.StaticText(self, label="connecting")
        # By a timer, since wx runs all that CallAfter brings before it looks at timers and input.
        queue = DispatchQueue(notify=lambda run: wx.CallAfter(wx.CallLater, 1, run))
        self.listener = Listener(EventSource(url), dispatch=queue)
        self.listener.on("price", lambda event: self.show(event.data))
        self.listener.on_error(lambda event: self.show(event.error.summary))
        self.listener.on_close(lambda event: self.Close())
        self.Bind(wx.EVT_CLOSE, self.leave)
        self.listener.start()

    def show(self, text):
        self.label.SetLabel(text)
        print(text, flush=True)

    def leave(self, event):
        self.listener.close()  # from here on no handler is called
        event.Skip()


if __name__ == "__main__":
    application = wx.App()
    Window(sys.argv[1]).Show()
    application.MainLoop()
