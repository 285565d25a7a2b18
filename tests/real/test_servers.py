"""Servers that people use: gunicorn with Flask, Node with better-sse, uvicorn with sse-starlette."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import urllib3

from sse_client import EventSource, MessageEvent, ReconnectPolicy
from tests.integration.support import Follower, assert_nothing_raised

from .software import Program, folder, free_port, needs, running

SOON = ReconnectPolicy(reconnection_time=0.02, max_delay=0.1, jitter=0.0, min_server_delay=0.001)

FLASK = """
import threading
from flask import Flask, Response, request

app = Flask(__name__)
go = threading.Semaphore(0)

@app.get("/batches")
def batches():
    have = int(request.headers.get("Last-Event-ID", "0"))
    if have >= 100:
        return "", 204
    def events():
        for n in range(have + 1, have + 8):
            yield f"id: {n}\\ndata: {n}\\n\\n"
        if have % 3 == 0:
            raise RuntimeError("the stream breaks")
    return Response(events(), mimetype="text/event-stream")

@app.get("/held")
def held():
    def events():
        for n in range(5):
            yield f"data: {n}\\n\\n"
            go.acquire(timeout=10)
    return Response(events(), mimetype="text/event-stream")

@app.post("/go")
def release():
    go.release()
    return "", 204
"""

STARLETTE = """
import asyncio
from sse_starlette.sse import EventSourceResponse
from starlette.applications import Starlette
from starlette.responses import Response
from starlette.routing import Route

go = asyncio.Semaphore(0)

async def batches(request):
    have = int(request.headers.get("Last-Event-ID", "0"))
    if have >= 100:
        return Response(status_code=204)
    async def events():
        for n in range(have + 1, have + 8):
            yield {"data": str(n), "id": str(n)}
    return EventSourceResponse(events(), ping=1)

async def held(request):
    async def events():
        for n in range(5):
            yield {"data": str(n)}
            await go.acquire()
    return EventSourceResponse(events(), ping=1)

async def release(request):
    go.release()
    return Response(status_code=204)

app = Starlette(routes=[
    Route("/batches", batches), Route("/held", held), Route("/go", release, methods=["POST"]),
])
"""

NODE = """
const { createServer } = require("http");
const { createSession } = require("better-sse");
let waiting = [];
createServer(async (request, response) => {
  if (request.url === "/go") {
    waiting.shift()?.();
    response.writeHead(204).end();
    return;
  }
  const have = Number(request.headers["last-event-id"] || 0);
  if (have >= 100) { response.writeHead(204).end(); return; }
  const session = await createSession(request, response, { retry: 20, keepAlive: 100 });
  if (request.url === "/held") {
    for (let n = 0; n < 5; n++) {
      session.push(n);
      await new Promise((resolve) => waiting.push(resolve));
    }
  } else {
    for (let n = have + 1; n < have + 8; n++) session.push(n, "message", String(n));
    if (have % 3 === 0) { setTimeout(() => response.destroy(), 20); return; }
  }
  setTimeout(() => response.end(), 20);
}).listen(Number(process.argv[2]), "127.0.0.1");
"""


@contextmanager
def flask() -> Iterator[Program]:
    """Run the Flask application under gunicorn."""
    pytest.importorskip("flask", reason="needs the package flask")
    pytest.importorskip("gunicorn", reason="needs the package gunicorn")
    with folder() as here:
        port = free_port()
        (here / "application.py").write_text(FLASK)
        arguments = [
            sys.executable,
            "-m",
            "gunicorn",
            "--threads",
            "8",
            "--graceful-timeout",
            "1",
            "--bind",
            f"127.0.0.1:{port}",
            "application:app",
        ]
        with running(arguments, port, here / "log", environment={"PYTHONDONTWRITEBYTECODE": "1"}) as program:
            yield program


@contextmanager
def starlette() -> Iterator[Program]:
    """Run the Starlette application under uvicorn."""
    pytest.importorskip("uvicorn", reason="needs the package uvicorn")
    pytest.importorskip("sse_starlette", reason="needs the package sse-starlette")
    with folder() as here:
        port = free_port()
        (here / "application.py").write_text(STARLETTE)
        arguments = [sys.executable, "-m", "uvicorn", "--port", str(port), "application:app"]
        with running(arguments, port, here / "log", environment={"PYTHONDONTWRITEBYTECODE": "1"}) as program:
            yield program


@contextmanager
def node() -> Iterator[Program]:
    """Run the Node program; the package is found by way of NODE_PATH."""
    path = needs("node", "nodejs")
    found = subprocess.run([path, "-e", "require.resolve('better-sse')"], capture_output=True, check=False)
    if found.returncode != 0:
        pytest.skip(
            "better-sse is not installed: npm install --prefix FOLDER better-sse, NODE_PATH=FOLDER/node_modules"
        )
    with folder() as here:
        port = free_port()
        (here / "server.cjs").write_text(NODE)
        with running([path, str(here / "server.cjs"), str(port)], port, here / "log") as program:
            yield program


all_servers = pytest.mark.parametrize("start", [flask, starlette, node])


@all_servers
def test_batches(start: object) -> None:
    """A hundred events in streams of seven, some of which end and some of which break: the sequence is exact."""
    with start() as program:  # type: ignore[operator]
        source = EventSource(f"http://127.0.0.1:{program.port}/batches", reconnect=SOON)
        items = list(source.lifecycle())
        source.close()
    data = [int(item.data) for item in items if isinstance(item, MessageEvent)]
    assert data == list(range(1, len(data) + 1))
    assert len(data) >= 100


@all_servers
def test_each_event_in_time(start: object) -> None:
    """The server sends each event only when the client has the one before; close() ends the stream at once."""
    with start() as program, urllib3.PoolManager() as pool:  # type: ignore[operator]
        url = f"http://127.0.0.1:{program.port}"
        with Follower(EventSource(f"{url}/held", reconnect=SOON)) as follower:
            for n in range(1, 5):
                follower.wait_for("MessageEvent", n)
                assert pool.request("POST", f"{url}/go").status == 204
            follower.wait_for("MessageEvent", 5)
            assert follower.close_and_time() < 0.1
        assert_nothing_raised(follower)
        assert follower.data == [str(n) for n in range(5)]
        pool.request("POST", f"{url}/go")


def test_a_restart_of_gunicorn() -> None:
    """A gunicorn that is stopped in the middle of a stream and started again gets its client back by itself."""
    with flask() as program, Follower(EventSource(f"http://127.0.0.1:{program.port}/held", reconnect=SOON)) as follower:
        follower.wait_for("MessageEvent", 1)
        program.stop()
        follower.wait_for("ErrorEvent", 3)
        program.start()
        follower.wait_for("MessageEvent", 2)
    assert_nothing_raised(follower)
    assert set(follower.data) == {"0"}
