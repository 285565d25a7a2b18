"""Ctrl-C ends a program that follows a stream, in every phase."""

from __future__ import annotations

import signal
import ssl
import subprocess

import pytest

from .phases import PHASES
from .support import child

SOON = 5.0  # seconds: a busy machine, and the end of an interpreter

PROGRAM = """
import signal, sys
from sse_client import EventSource, ReconnectPolicy
signal.signal(signal.SIGINT, signal.default_int_handler)  # a parent may have had it ignored
signal.signal(signal.SIGURG, lambda *_: None)  # see Child.interrupt
source = EventSource(sys.argv[1], reconnect=ReconnectPolicy(reconnection_time=60))
try:
    for item in source.lifecycle():
        sys.stdout.write(f"{type(item).__name__}\\n")  # in one piece, which print() does not promise
except KeyboardInterrupt:
    source.close()
    print("interrupted", source.ready_state.name)
    raise
"""

CHOSEN = (
    "connecting",
    "TLS handshake",
    "accepted and silent",
    "accepted and silent, TLS",
    "half a head",
    "open, no byte yet",
    "open, chunked",
    "open, close-delimited, gzip",
    "open, chunked, TLS",
    "half a chunk",
    "the body of a rejection",
    "waiting after 503",
    "waiting after the end",
)


@pytest.mark.parametrize("name", CHOSEN)
def test_ctrl_c_ends_the_program(name: str, server_context: ssl.SSLContext, trusted: None) -> None:
    """A SIGINT becomes a KeyboardInterrupt out of the loop at once, and the process ends by it."""
    with PHASES[name](server_context) as here, child(PROGRAM, here.url, stderr=subprocess.PIPE) as process:
        here.arrived()
        if here.last_item:
            process.wait_for(here.last_item)
        seconds = process.interrupt()
        assert process.process.stderr is not None
        assert process.process.stderr.read().rstrip().endswith("KeyboardInterrupt")
        process.wait_for("interrupted CLOSED")
        assert process.process.returncode == -signal.SIGINT
        assert seconds < SOON
        print(f"the process ended after {seconds:.3f} s")
