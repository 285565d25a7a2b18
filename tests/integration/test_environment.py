"""Python's switches: without asserts, with warnings as errors, in development mode."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from sse_client.testing import EventStreamServer, drop, event, hold, raw

from .proxy_server import HTTPProxy
from .support import ROOT

CODE = """
import sys, threading
import urllib3
from sse_client import EventSource, EventSourceError, Listener, ReconnectPolicy

url, proxy = sys.argv[1:]
soon = ReconnectPolicy(reconnection_time=0.01, jitter=0)
with EventSource(url, reconnect=soon) as source:
    print(*[item.data for item in source])
for settings in ({"proxy": proxy}, {"pool": urllib3.PoolManager()}):
    for item in EventSource(url, reconnect=soon, **settings):
        print(item.data)
        break
try:
    list(EventSource(url))
except EventSourceError as error:
    print(type(error).__name__)
silent = EventSource(url, reconnect=soon)
timer = threading.Timer(0.1, silent.close)
timer.start()
print(*[item.data for item in silent])
timer.join()
listener = Listener(EventSource(url, reconnect=soon))
arrived = threading.Event()
listener.on_event(lambda item: arrived.set())
listener.start()
print(arrived.wait(10))
listener.close()
listener.join(10)
"""


@pytest.mark.parametrize(
    ("options", "variables"),
    [
        (["-O"], {}),
        (["-OO"], {}),
        (["-W", "error"], {}),
        (["-bb", "-W", "error"], {}),
        ([], {"PYTHONDEVMODE": "1"}),
        (["-W", "error", "-X", "dev"], {"PYTHONTRACEMALLOC": "5"}),
        (["-X", "utf8=0"], {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0"}),
        (["-W", "error", "-X", "warn_default_encoding"], {}),
    ],
    ids=["-O", "-OO", "-W error", "-bb", "PYTHONDEVMODE=1", "-X dev -W error", "C locale", "default encoding"],
)
def test_a_program_under_a_switch(options: list[str], variables: dict[str, str], server: EventStreamServer) -> None:
    """Drops, proxies, pools, rejections, close() and a listener work, and nothing is warned of."""
    server.stream(event("a", id="1"), drop())
    server.stream(event("b", id="2"), raw(b"data: half"), drop())
    server.respond(204)
    server.stream(event("p"), hold())
    server.stream(event("q"), hold())
    server.respond(404, b"no")
    server.stream(event("s"), hold())
    server.stream(event("t"), hold())
    with HTTPProxy() as proxy:
        done = subprocess.run(
            [sys.executable, *options, "-c", CODE, server.url, proxy.url],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
            env={**os.environ, "PYTHONPATH": str(ROOT), **variables},
        )
    # The log's last resort prints losses, which are no warnings of Python's.
    complaints = [line for line in done.stderr.splitlines() if "again in" not in line]
    assert complaints == []
    assert done.stdout.split("\n") == ["a b", "p", "q", "ResponseRejected", "s", "True", ""]
    assert done.returncode == 0
