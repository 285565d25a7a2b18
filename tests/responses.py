"""http.client's response as this package reads it, over any socket."""

from __future__ import annotations

import socket
from typing import Any

from sse_client._http.interrupt import Interrupter, Limit
from sse_client._http.raw_response import StreamResponse


class _ForOneResponse(Interrupter):
    def leave(self) -> None:
        self.release()


def stream_response(sock: socket.socket, **options: Any) -> StreamResponse:
    """Return a response that reads from the socket, with the socket's time-out as its limit."""
    limit = Limit(sock.gettimeout(), "idle_timeout")
    return StreamResponse(sock, interrupter=_ForOneResponse(), limit=limit, **options)
