"""Each recipe for a service does what its first lines say, under the program that runs it."""

from __future__ import annotations

import json
import signal
import sys
import threading
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from sse_client.testing import EventStreamServer, Exchange, drop, event, hold
from tests.integration.support import TIMEOUT, Child
from tests.real.software import free_port, running

from .support import HERE, ROOT, ended, program


def get(url: str) -> tuple[int, str]:
    """The status and the text of an answer, also of a refusal."""
    try:
        with urllib.request.urlopen(url, timeout=TIMEOUT) as response:
            return response.status, response.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


def wait_for(url: str, wanted: Any) -> None:
    """Ask until the answer is as it should be."""
    deadline = time.monotonic() + TIMEOUT
    answer: Any = None
    while answer != wanted:
        assert time.monotonic() < deadline, f"{url} answers {answer}, not {wanted}"
        status, text = get(url)
        answer = json.loads(text) if status == 200 else status
        threading.Event().wait(0.02)


def port_of(child: Child, line: str) -> int:
    """The port that a program says it listens on."""
    child.wait_for(line)
    return int(next(it for it in child.lines if it.startswith(line)).split()[-1])


def test_a_service_ends_in_good_order_at_sigterm(server: EventStreamServer, tmp_path: Path) -> None:
    """SIGTERM ends a silent stream at once, with exit code 0; the next run goes on where this one has stopped."""
    position = tmp_path / "position"
    server.stream(event("1", id="1"), event("2", id="2"), hold())
    with program("service.py", server.url, str(position)) as child:
        child.wait_for("handled 2")
        deadline = time.monotonic() + TIMEOUT
        while not (position.exists() and position.read_text() == "2") and time.monotonic() < deadline:
            threading.Event().wait(0.01)  # it is written when the loop asks for the next event
        before = time.monotonic()
        child.process.send_signal(signal.SIGTERM)
        assert ended(child) == 0
        assert time.monotonic() - before < 2.0
        assert child.lines[-2:] == ["stopped after 2", "(end of output)"]
    server.wait_until_disconnected()
    server.respond(204)
    with program("service.py", server.url, str(position)) as child:
        assert ended(child) == 0
    assert server.requests[-1].headers["Last-Event-ID"] == "2"


@pytest.mark.parametrize("wait", ["connecting", "waiting"])
def test_sigterm_ends_a_service_whose_server_is_away(wait: str, server: EventStreamServer, tmp_path: Path) -> None:
    """SIGTERM ends the program while it waits for an answer, and between two attempts."""
    if wait == "connecting":
        server.silence()
    else:
        server.respond(503, headers={"Retry-After": "60"})
    with program("service.py", server.url, str(tmp_path / "position")) as child:
        server.wait_for_requests(1)
        if wait == "waiting":
            child.wait_for("the server answered 503")
        child.process.send_signal(signal.SIGTERM)
        assert ended(child) == 0


@pytest.mark.parametrize("worker", ["sync", "gthread", "gevent"])
@pytest.mark.parametrize("preload", [[], ["--preload"]])
def test_each_worker_of_gunicorn_follows_the_stream(
    worker: str, preload: list[str], server: EventStreamServer, tmp_path: Path
) -> None:
    """With preload_app or without it, each worker has a listener of its own that keeps its cache fresh."""
    pytest.importorskip("flask", reason="needs the package flask")
    pytest.importorskip("gunicorn", reason="needs the package gunicorn")
    if worker == "gevent":
        pytest.importorskip("gevent", reason="needs the package gevent")

    def stream(exchange: Exchange) -> None:
        exchange.send_head()
        exchange.run(event('{"name": "colour", "value": "red"}', type="set"), hold())

    server.handler = stream
    port = free_port()
    command = [sys.executable, "-m", "gunicorn", "-c", str(HERE / "gunicorn_conf.py"), "-k", worker, "-w", "2"]
    command += [*preload, "--chdir", str(HERE), "--graceful-timeout", "1", "-b", f"127.0.0.1:{port}"]
    command += [f'settings_cache_flask:create_app("{server.url}")']
    environment = {"PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"}
    with running(command, port, tmp_path / "log", environment=environment):
        server.wait_for_requests(2)
        for _ in range(6):  # of which some go to each worker
            wait_for(f"http://127.0.0.1:{port}/settings/colour", {"value": "red", "fresh": True})
            assert get(f"http://127.0.0.1:{port}/health")[0] == 200
    assert len(server.requests) == 2
    assert "Listener" not in (tmp_path / "log").read_text()


def test_a_preloaded_application_that_starts_too_early_says_so(server: EventStreamServer, tmp_path: Path) -> None:
    """A listener that is started before the fork is dead in each worker, and each worker's log says what to do."""
    pytest.importorskip("flask", reason="needs the package flask")
    pytest.importorskip("gunicorn", reason="needs the package gunicorn")
    server.stream(hold())
    (tmp_path / "too_early.py").write_text(
        "import sys\n"
        f"sys.path.insert(0, {str(HERE)!r})\n"
        "from settings_cache_flask import create_app\n"
        f"app = create_app({server.url!r})\n"
        "app.extensions['settings'].listener.start(wait=10)\n"
    )
    port = free_port()
    command = [sys.executable, "-m", "gunicorn", "-w", "2", "--preload", "--chdir", str(tmp_path)]
    command += ["-b", f"127.0.0.1:{port}", "too_early:app"]
    with running(command, port, tmp_path / "log", environment={"PYTHONPATH": str(ROOT)}):
        assert get(f"http://127.0.0.1:{port}/health")[0] == 503
        deadline = time.monotonic() + TIMEOUT
        while (tmp_path / "log").read_text().count("a Listener that was running before os.fork() is dead") != 2:
            assert time.monotonic() < deadline, (tmp_path / "log").read_text()
            threading.Event().wait(0.05)
    assert "post_worker_init" in (tmp_path / "log").read_text()


def test_a_worker_tells_its_health(server: EventStreamServer) -> None:
    """Healthy while bytes arrive, unhealthy when the stream has been silent for too long."""
    server.stream(event("1", id="7"), hold())
    with program("-c", "import sys, worker_health as it; it.LIMIT = 2.0; it.main(sys.argv[1])", server.url) as child:
        port = port_of(child, "health on port")
        child.wait_for("handled 1")
        status, text = get(f"http://127.0.0.1:{port}/health")
        report = json.loads(text)
        assert (status, report["state"], report["last_event_id"]) == (200, "OPEN", "7")
        assert 0 <= report["silence"] < 2.0
        deadline = time.monotonic() + TIMEOUT
        while get(f"http://127.0.0.1:{port}/health")[0] != 503:
            assert time.monotonic() < deadline
            threading.Event().wait(0.1)


def test_prometheus_counts_what_happens(server: EventStreamServer) -> None:
    """Events by type, connections and errors are counted; types that a server invents make no label."""
    pytest.importorskip("prometheus_client", reason="needs the package prometheus-client")
    server.stream(event("1", retry=0.1), event("2", type="price"), event("3", type="invented"), drop())
    server.stream(event("4"), hold())
    with program("prometheus_counters.py", server.url) as child:
        port = port_of(child, "metrics on port")
        child.wait_for("handled 4")
        metrics = get(f"http://127.0.0.1:{port}/metrics")[1].splitlines()
    for line in (
        'stream_events_total{type="message"} 2.0',
        'stream_events_total{type="price"} 1.0',
        'stream_events_total{type="other"} 1.0',
        "stream_opened_total 2.0",
        'stream_errors_total{kind="ConnectionLost"} 1.0',
        'stream_state{stream_state="OPEN"} 1.0',
    ):
        assert line in metrics
    assert not [line for line in metrics if "invented" in line]


def test_several_streams_are_handled_in_one_thread(server: EventStreamServer) -> None:
    """The events of each stream come in order, and the program ends when all streams are over."""

    def stream(exchange: Exchange) -> None:
        if exchange.request.headers.get("Last-Event-ID") == "2":
            exchange.respond(204)
        else:
            exchange.run(*[event(f"{exchange.request.path}{n}", id=str(n), retry=0.1) for n in range(3)])

    server.handler = stream
    with program("several_sources.py", server.url + "a", server.url + "b") as child:
        assert ended(child) == 0
    for number, path in ((1, "/a"), (2, "/b")):
        shown = [line for line in child.lines if line.startswith(f"{number} ")]
        assert shown == [f"{number} {path}{n}" for n in range(3)]
    assert child.lines.count("one is over: the server said so") == 2
