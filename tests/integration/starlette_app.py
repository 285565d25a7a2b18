"""An application that somebody could have written with sse-starlette; `test_sse_starlette` runs it on uvicorn."""

from __future__ import annotations

import asyncio
import socket
import sys
from collections.abc import AsyncIterator
from typing import Any

import uvicorn
from sse_starlette.sse import EventSourceResponse
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route

followers = {"now": 0, "ever": 0}


async def ticks(request: Request) -> Response:
    """Numbered events behind the Last-Event-ID, ``each`` to a response, up to ``last``; then a 204."""
    first = int(request.headers.get("last-event-id", "0")) + 1
    last = int(request.query_params.get("last", "1000000000"))
    each = int(request.query_params.get("each", "1000000000"))
    if first > last:
        return Response(status_code=204)

    async def events() -> AsyncIterator[dict[str, Any]]:
        followers["now"] += 1
        followers["ever"] += 1
        try:
            for n in range(first, min(last, first + each - 1) + 1):
                yield {"event": "tick", "id": str(n), "data": f"tick {n}\nsecond line", "retry": 10}
                await asyncio.sleep(0)
        finally:
            followers["now"] -= 1

    return EventSourceResponse(events())


async def quiet(_: Request) -> Response:
    """One event, and from then on nothing but pings."""

    async def events() -> AsyncIterator[dict[str, Any]]:
        followers["now"] += 1
        followers["ever"] += 1
        try:
            yield {"data": "first"}
            await asyncio.sleep(3600)
        finally:
            followers["now"] -= 1

    return EventSourceResponse(events(), ping=1)


async def state(_: Request) -> Response:
    return JSONResponse(followers)


async def moved(_: Request) -> Response:
    return RedirectResponse("/ticks?last=3")


app = Starlette(routes=[Route("/ticks", ticks), Route("/quiet", quiet), Route("/state", state), Route("/moved", moved)])

if __name__ == "__main__":
    listener = socket.create_server(("127.0.0.1", int(sys.argv[1])))
    print(listener.getsockname()[1], flush=True)
    uvicorn.Server(uvicorn.Config(app, log_level="error", timeout_graceful_shutdown=1)).run(sockets=[listener])
