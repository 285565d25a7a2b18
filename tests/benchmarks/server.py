"""A process that sends rendered bytes over raw sockets, so that its CPU is not the client's.

The path of a request says what is sent:

``/flood/<framing>/<shape>/<events>``
    A backlog, as fast as it goes, and the end of the stream.
``/drip/<framing>/<events>/<milliseconds>``
    Events alone, each with the time of its sending as its data, and the end of the stream.
``/idle``
    One event, and then nothing until the client goes.

Framings: ``chunked`` (an event a chunk), ``blocks`` (chunks of 64 KiB), ``close``
(delimited by the end of the connection), ``gzip`` (the same in chunks, compressed).

With a certificate, all of it over TLS.
"""

from __future__ import annotations

import functools
import socket
import ssl
import subprocess
import sys
import threading
import time
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Optional

from tests.conformance.shapes import SHAPES, cut

__all__ = ["server"]

BLOCK = 64 * 1024
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nCache-Control: no-cache\r\n"


def head(framing: str) -> bytes:
    """The head of the response."""
    rest = {
        "chunked": b"Transfer-Encoding: chunked\r\n",
        "blocks": b"Transfer-Encoding: chunked\r\n",
        "gzip": b"Transfer-Encoding: chunked\r\nContent-Encoding: gzip\r\n",
        "close": b"Connection: close\r\n",
    }
    return HEAD + rest[framing] + b"\r\n"


def chunk(data: bytes) -> bytes:
    """One chunk of a chunked body."""
    return b"%x\r\n%s\r\n" % (len(data), data) if data else b""


@functools.cache
def flood(framing: str, shape: str, events: int) -> bytes:
    """A whole response."""
    blocks = SHAPES[shape].blocks(events)
    stream = b"".join(blocks)
    if framing == "close":
        return head(framing) + stream
    if framing == "gzip":
        compressor = zlib.compressobj(6, zlib.DEFLATED, 31)
        stream = compressor.compress(stream) + compressor.flush()
    pieces = blocks if framing == "chunked" else cut(stream, BLOCK)
    return head(framing) + b"".join(map(chunk, pieces)) + b"0\r\n\r\n"


def drip(connected: socket.socket, framing: str, events: int, milliseconds: float) -> None:
    """Send events alone."""
    connected.sendall(head(framing))
    compressor = zlib.compressobj(6, zlib.DEFLATED, 31)
    pause = threading.Event()
    for _ in range(events):
        if milliseconds < 0.1:  # shorter than the system's sleeps
            end = time.perf_counter() + milliseconds / 1000
            while time.perf_counter() < end:
                pass
        else:
            pause.wait(milliseconds / 1000)
        event = b"data: %d\n\n" % time.monotonic_ns()
        if framing == "gzip":
            event = compressor.compress(event) + compressor.flush(zlib.Z_SYNC_FLUSH)
        connected.sendall(event if framing == "close" else chunk(event))
    if framing == "gzip":
        connected.sendall(chunk(compressor.flush()))
    if framing != "close":
        connected.sendall(b"0\r\n\r\n")


def accept(listener: socket.socket, context: Optional[ssl.SSLContext]) -> None:
    """Serve each connection in a thread of its own."""
    while True:
        connected, _ = listener.accept()
        threading.Thread(target=serve, args=(connected, context), daemon=True).start()


def serve(connected: socket.socket, context: Optional[ssl.SSLContext]) -> None:
    """Answer the request of one connection."""
    try:
        connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if context is not None:
            connected = context.wrap_socket(connected, server_side=True)
        with connected:
            request = b""
            while b"\r\n\r\n" not in request:
                piece = connected.recv(4096)
                if not piece:
                    return
                request += piece
            what, *rest = request.split()[1].decode().strip("/").split("/")
            if what == "flood":
                connected.sendall(flood(rest[0], rest[1], int(rest[2])))
            elif what == "drip":
                drip(connected, rest[0], int(rest[1]), float(rest[2]))
            else:
                connected.sendall(head("chunked") + chunk(b"data: hello\n\n"))
                while connected.recv(4096):
                    pass
    except OSError:
        pass  # the client has what it wants, or refuses the certificate


def main(certificate: str = "") -> None:
    """Listen on a free port, write its number, and serve until the input ends."""
    context = None
    if certificate:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(Path(certificate, "server.pem"), Path(certificate, "server.key"))
    listener = socket.create_server(("127.0.0.1", 0), backlog=500)
    sys.stdout.write(f"{listener.getsockname()[1]}\n")
    sys.stdout.flush()
    threading.Thread(target=accept, args=(listener, context), daemon=True).start()
    sys.stdin.read()


@contextmanager
def server(certificate: Optional[Path] = None) -> Iterator[str]:
    """Run the server in a process of its own; give the URL that the paths are added to.

    Args:
        certificate: A folder with a certificate for 127.0.0.1, ``server.pem``, and its key, ``server.key``, to
            serve over TLS with.
    """
    command = [sys.executable, "-m", __name__, *([] if certificate is None else [str(certificate)])]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        yield f"{'http' if certificate is None else 'https'}://127.0.0.1:{int(process.stdout.readline())}"
        process.communicate()


if __name__ == "__main__":
    main(*sys.argv[1:])
