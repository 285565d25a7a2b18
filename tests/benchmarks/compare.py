"""``python -m tests.benchmarks.compare``: what this package does and its peers do, as a Markdown table.

Every cell about the behaviour of a connection is measured: each client follows streams of a real server in a process
of its own (see `follow`), used as its documentation shows. What cannot be run is found in the installed packages.
"""

from __future__ import annotations

import argparse
import json
import platform
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Callable, NamedTuple, Optional

from sse_client import DispatchQueue, EventSource, Listener
from sse_client.testing import EventStreamServer, drop, event, hold, retry

from . import installed
from .follow import CLIENTS
from .live import certificate

__all__ = ["PLAN", "Cell", "Plan", "Row", "compare", "markdown", "reconnects"]


class Plan(NamedTuple):
    """How long things take: seconds."""

    reconnection_time: float = 1.0
    """What each client is told, if it can be told, so that all take the same time."""
    retry: tuple[float, float] = (0.5, 2.0)
    """What the stream asks for: below the reconnection time, and above."""
    retry_after: int = 3
    """What a 503 asks for: above the reconnection time and its jitter."""
    timeout: float = 1.0
    """The time-out of those that can be given one."""
    patience: float = 10.0
    """After this, something will not happen."""
    at_once: float = 0.1
    """The most that closing may take."""
    hanging: float = 3.0
    """After this, closing does not end a client."""
    silence: float = 330.0
    """How long a connection is silent, to see who notices without being given a time-out; 0 leaves it out."""


PLAN = Plan()

OURS = "sse_client"

# What stands below the table: how each line was found out.
RECONNECTS = (
    "Measured: the first stream ends cleanly, or in the middle of a chunk; whether a second request comes. "
    "launchdarkly-eventsource with its option for it; by default it reconnects only when it is asked to start again. "
    "httpx-sse's documentation shows a recipe with the package stamina, for broken connections."
)
RESUMES = (
    "Measured: whether the second request carries the ID of the last event. All of the peers hand out the ID "
    "(requests the line with it), so that their users can send it."
)
RETRY = (
    "Measured: the stream asks for {plan.retry[0]:g} s and for {plan.retry[1]:g} s, and ends; whether the second "
    "request comes after that time, with at most half of it as jitter. The client's own time is "
    "{plan.reconnection_time:g} s if it has one. (launchdarkly-eventsource's documentation says that it obeys; 1.7.4 "
    "parses the field and drops it.)"
)
RETRY_AFTER = (
    "Measured: the first request is answered with 503, with and without `Retry-After: {plan.retry_after}`; whether "
    "the next one comes after that time, and sooner without the header."
)
CLOSE = (
    "Measured: one event, then silence; another thread calls the client's way to close. Yes: the loop ends and the "
    "call returns within {plan.at_once:g} s, over a plain connection and over TLS."
)
WAIT = (
    "Measured as before, while the client waits for the head of the response, and while it waits to reconnect, if it "
    "does reconnect."
)
UI = (
    "Measured for sse_client: the handler runs on the thread that runs the queue. Inspected for the others: none of "
    "the public names and arguments of the package is that of a handler, listener or callback."
)
SERVER = "Inspected: whether a module of the installed package listens for connections."
COMMAND = "Inspected: the console scripts of the installed package."
DEAD = (
    "Measured: one event, then nothing for {plan.silence:g} s on a connection that stays open, with the client's own "
    "time-outs; and again with one of {plan.timeout:g} s. A lost network was not simulated: whether TCP keep-alive is "
    "on, which would notice one, was read from the client's sockets."
)


class Cell(NamedTuple):
    """What one client does: a few words for the table, and what was seen."""

    text: str
    seen: str = ""


class Row(NamedTuple):
    """One line of the table.

    Attributes:
        title: What is compared.
        evidence: How it was found out.
        cells: By the client's name.
    """

    title: str
    evidence: str
    cells: dict[str, Cell]


class Follower:
    """A client in a process of its own, and what it says."""

    def __init__(self, name: str, process: subprocess.Popen[str]) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        self.name = name
        self._input, self._output = process.stdin, process.stdout
        self._changed = threading.Condition()
        self._facts: list[dict[str, Any]] = []
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        for line in self._output:
            with self._changed:
                self._facts.append(json.loads(line))
                self._changed.notify_all()

    def join(self) -> None:
        """Wait until the process has nothing more to say."""
        self._reader.join()

    def ask(self, word: str) -> None:
        """Send a line to the process."""
        self._input.write(f"{word}\n")
        self._input.flush()

    def need(self, what: str) -> dict[str, Any]:
        """Wait for the first fact of this sort, which every client gives."""
        fact = self.fact(what, 30.0)
        if not fact:
            raise TimeoutError(f"{self.name} did not say {what!r} within 30 s: {self._facts}")
        return fact

    def fact(self, what: str, timeout: float) -> dict[str, Any]:
        """Wait for the first fact of this sort; return an empty one if it does not come in time."""

        def find() -> dict[str, Any]:
            return next((fact for fact in self._facts if what in fact), {})

        with self._changed:
            return self._changed.wait_for(find, timeout)

    def comes_back(self, server: EventStreamServer, timeout: float) -> Optional[float]:
        """Wait for a second request; return when it came, or None once the client has ended or the time is over."""
        end = time.monotonic() + timeout
        while len(server.requests) < 2 and time.monotonic() < end and not self.fact("ended", 0.05):
            pass
        return server.requests[1].time if len(server.requests) > 1 else None

    def end(self) -> str:
        """How the client has ended, in words."""
        fact = self.fact("ended", 0.0)
        if not fact:
            return "still waiting"
        return "ends quietly" if fact["ended"] == "quietly" else f"raises {fact['ended']}"


@contextmanager
def serving(*steps: Any, context: Optional[ssl.SSLContext] = None) -> Iterator[EventStreamServer]:
    """A server that answers the first request with this stream, and the next ones with silent streams."""
    with EventStreamServer(ssl_context=context) as server:
        server.stream(*steps)
        for _ in range(5):
            server.stream(event("again", id="2"), hold())
        yield server


@contextmanager
def following(
    name: str, server: EventStreamServer, plan: Plan, *, timeout: Optional[float] = None
) -> Iterator[Follower]:
    """Run a client, until the end of the block."""
    command = [sys.executable, "-m", "tests.benchmarks.follow", name, server.url]
    command += ["--reconnection-time", str(plan.reconnection_time)]
    command += [] if timeout is None else ["--timeout", str(timeout)]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL, text=True) as process:
        follower = Follower(name, process)
        try:
            yield follower
        finally:
            process.kill()
            follower.join()


def reconnects(name: str, plan: Plan) -> tuple[Cell, Cell]:
    """Whether a client comes back, and whether it then says where it was."""
    back: dict[str, bool] = {}
    asked: list[str] = []
    seen = []
    for how, steps in {"a clean end": (), "a broken connection": (drop(),)}.items():
        with serving(event("a", id="1"), *steps) as server, following(name, server, plan) as follower:
            follower.need("event")
            back[how] = follower.comes_back(server, plan.patience) is not None
            seen.append(f"after {how}: {'comes back' if back[how] else follower.end()}")
            if back[how]:
                asked.append(server.requests[1].headers.get("Last-Event-ID", "none"))
    when = [how for how, it in back.items() if it]
    text = "yes" if len(when) == len(back) else f"after {when[0]} only" if when else "no"
    resumes = Cell("yes" if asked == ["1"] * len(back) else "no", f"Last-Event-ID sent: {', '.join(asked) or 'none'}")
    return Cell(text, "; ".join(seen)), resumes


def obeys_retry(name: str, plan: Plan) -> Cell:
    """Whether the delay is the one that the stream asked for."""
    right, seen = [], []
    for asked in plan.retry:
        with serving(retry(asked), event("a", id="1")) as server, following(name, server, plan) as follower:
            start = follower.need("event")["at"]
            back = follower.comes_back(server, plan.patience)
        waited = None if back is None else back - start
        right.append(waited is not None and 0.95 * asked <= waited <= 1.5 * asked + 1.5)
        seen.append(f"asked for {asked:g} s: " + (follower.end() if waited is None else f"waits {waited:.2f} s"))
    return Cell("yes" if all(right) else "no", "; ".join(seen))


def obeys_retry_after(name: str, plan: Plan) -> Cell:
    """Whether a 503 with Retry-After delays the next request, which comes sooner after a 503 without."""
    waits: list[Optional[float]] = []
    seen = []
    for headers in ({}, {"Retry-After": str(plan.retry_after)}):
        with EventStreamServer() as server:
            server.respond(503, headers=headers)
            server.stream(event("a", id="1"), hold())
            with following(name, server, plan) as follower:
                back = follower.comes_back(server, plan.patience)
            waits.append(None if back is None else back - server.requests[0].time)
        about = "with" if headers else "without"
        seen.append(f"{about} the header: " + (follower.end() if waits[-1] is None else f"waits {waits[-1]:.2f} s"))
    without, after = waits
    obeys = without is not None and after is not None and without < plan.retry_after <= after + 0.05
    return Cell("yes" if obeys else "no", "; ".join(seen))


def notices_dead(name: str, plan: Plan) -> Cell:
    """What a client does about a connection that stays open and brings nothing: by itself, and with a time-out."""
    outcomes: list[tuple[str, float]] = []
    for timeout, patience in ((None, plan.silence), (plan.timeout, plan.patience)):
        with serving(event("a", id="1"), hold()) as server, following(name, server, plan, timeout=timeout) as follower:
            start = follower.need("event")["at"]
            if timeout is None:
                follower.ask("keep-alive")
                keep_alive = follower.need("keep_alive")["keep_alive"]
            back = follower.comes_back(server, patience)
            end = follower.fact("ended", 0.0)
        if back is not None:
            outcomes.append(("reconnects", back - start))
        else:
            outcomes.append((follower.end(), end["at"] - start) if end else ("still waiting", patience))
    (by_itself, after), (when_told, then) = outcomes
    seen = [f"by itself: {by_itself} after {after:.1f} s", f"TCP keep-alive is {'on' if keep_alive else 'off'}"]
    seen.append(f"with a time-out of {plan.timeout:g} s: {when_told} after {then:.1f} s")
    if not plan.silence:
        return Cell("not measured", "; ".join(seen[1:]))
    if by_itself != "still waiting":
        return Cell(f"{by_itself} after {after:.0f} s", "; ".join(seen))
    return Cell(f"no ({when_told} if given a time-out)", "; ".join(seen))


def _closed(follower: Follower, plan: Plan) -> tuple[bool, str]:
    """Close a client that is blocked; return whether its loop ends at once, and in words."""
    threading.Event().wait(0.5)  # until it is blocked
    follower.ask("close")
    closing = follower.need("closing")
    if not closing["closing"]:
        return False, "there is nothing to call yet"
    end = follower.fact("ended", plan.hanging)
    returned = follower.fact("closed", 0.5)
    words = (
        f"ends after {(end['at'] - closing['at']) * 1000:.0f} ms" if end else f"still blocked after {plan.hanging:g} s"
    )
    if not returned:
        words += ", and close() itself hangs"
    return bool(end) and bool(returned) and end["at"] - closing["at"] < plan.at_once, words


def _summary(results: dict[str, tuple[bool, str]]) -> Cell:
    met = [phase for phase, (is_met, _) in results.items() if is_met]
    text = "yes" if len(met) == len(results) else f"{met[0]} only" if met else "no"
    return Cell(text, "; ".join(f"{phase}: {words}" for phase, (_, words) in results.items()))


def close_ends_a_read(name: str, plan: Plan, context: ssl.SSLContext) -> Cell:
    """Whether closing from another thread ends a blocked read at once, over plain connections and over TLS."""
    results = {}
    for phase, its in {"plain": None, "TLS": context}.items():
        with serving(event("a", id="1"), hold(), context=its) as server, following(name, server, plan) as follower:
            follower.need("event")
            results[phase] = _closed(follower, plan)
    return _summary(results)


def close_ends_a_wait(name: str, plan: Plan) -> Cell:
    """Whether it ends the wait for a response, and the wait before the next attempt, too."""
    results = {}
    with EventStreamServer() as server:
        server.silence()
        with following(name, server, plan) as follower:
            server.wait_for_requests(1, 30.0)
            results["a wait for the response"] = _closed(follower, plan)
    with (
        serving(event("a", id="1")) as server,
        following(name, server, plan._replace(reconnection_time=60)) as follower,
    ):
        follower.need("event")
        if not follower.fact("ended", 1.0):
            results["a wait to reconnect"] = _closed(follower, plan)
    return _summary(results)


def calls_on_a_ui_thread(name: str, plan: Plan) -> Cell:
    """Whether handlers can be called on a thread of the user's choice: for this package, tried with a queue."""
    if name != OURS:
        found = installed.handlers(CLIENTS[name].package)
        return Cell("no", f"handlers in its public names: {', '.join(found) or 'none'}")
    queue = DispatchQueue()
    threads: list[threading.Thread] = []
    with serving(event("a"), hold()) as server:
        listener = Listener(EventSource(server.url), dispatch=queue)
        listener.on_event(lambda _event: threads.append(threading.current_thread()))
        listener.start()
        end = time.monotonic() + plan.patience
        while not threads and time.monotonic() < end:
            queue.run_pending()
            threading.Event().wait(0.01)
        listener.close()
        listener.join()
    is_right = threads == [threading.current_thread()]
    return Cell("yes" if is_right else "no", "`Listener(source, dispatch=DispatchQueue())`, run by the user's thread")


def ships_a_server(name: str) -> Cell:
    """Whether a module of the installed package accepts connections."""
    found = installed.listening_modules(CLIENTS[name].package)
    return Cell("yes" if found else "no", f"modules that listen: {', '.join(found) or 'none'}")


def has_a_command(name: str) -> Cell:
    """Whether the installed package has a console script."""
    found = installed.console_scripts(CLIENTS[name].package)
    return Cell(f"`{found[0]}`" if found else "no", f"console scripts: {', '.join(found) or 'none'}")


def compare(names: Sequence[str] = tuple(CLIENTS), plan: Plan = PLAN) -> list[Row]:
    """Measure every cell. The clients are measured side by side, which costs little: they wait most of the time."""
    with certificate() as folder, ThreadPoolExecutor() as pool:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(folder / "server.pem", folder / "server.key")

        def start(measure: Callable[..., Any], *more: object) -> dict[str, Any]:
            return {name: pool.submit(measure, name, plan, *more) for name in names}

        def finished(futures: dict[str, Any]) -> dict[str, Any]:
            return {name: future.result() for name, future in futures.items()}

        dead = start(notices_dead)  # the longest, beside the others
        both = finished(start(reconnects))
        retry_field = finished(start(obeys_retry))
        retry_after = finished(start(obeys_retry_after))
        read = finished(start(close_ends_a_read, context))
        wait = finished(start(close_ends_a_wait))
        return [
            Row("reconnects", RECONNECTS, {name: cells[0] for name, cells in both.items()}),
            Row("resumes with `Last-Event-ID`", RESUMES, {name: cells[1] for name, cells in both.items()}),
            Row("obeys `retry:`", RETRY, retry_field),
            Row("obeys `Retry-After`", RETRY_AFTER, retry_after),
            Row("notices a dead connection", DEAD, finished(dead)),
            Row("`close()` from another thread ends a blocked read", CLOSE, read),
            Row("and every other wait", WAIT, wait),
            Row("handlers on a UI thread", UI, {name: calls_on_a_ui_thread(name, plan) for name in names}),
            Row("ships a test server", SERVER, {name: ships_a_server(name) for name in names}),
            Row("has a command", COMMAND, {name: has_a_command(name) for name in names}),
        ]


def markdown(rows: Sequence[Row], plan: Plan = PLAN) -> str:
    """The table, a note for each line on how it was found out, and what was seen."""
    names = list(rows[0].cells)
    lines = ["| | " + " | ".join(names) + " |", "|" + " --- |" * (len(names) + 1)]
    for number, row in enumerate(rows, 1):
        lines.append(f"| {row.title} ({number}) | " + " | ".join(row.cells[name].text for name in names) + " |")
    system = f"{platform.python_implementation()} {platform.python_version()}, {platform.system()}"
    versions = [f"{name} {installed.version(name.partition(' ')[0], CLIENTS[name].package)}" for name in names]
    versions += [f"{name} {installed.version(name, name)}" for name in ("urllib3", "httpx")]
    lines += ["", f"{system}. {', '.join(versions)}."]
    lines += ["", "How it was found out:", ""]
    lines += [f"{number}. {row.evidence.format(plan=plan)}" for number, row in enumerate(rows, 1)]
    lines += ["", "Each client is used as its documentation shows:", ""]
    lines += [f"- {name}: {CLIENTS[name].usage}, closed with {CLIENTS[name].close}" for name in names]
    lines += ["", "What was seen:", ""]
    for number, row in enumerate(rows, 1):
        lines += [f"- ({number}) {name}: {row.cells[name].seen}" for name in names]
    return "\n".join(lines) + "\n"


def main() -> None:
    """Compare, and write the table to the screen, or to a file."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.compare", description=__doc__)
    parser.add_argument("--output", type=Path, metavar="FILE", help="write the table there, and not to the screen")
    parser.add_argument(
        "--silence",
        type=float,
        default=PLAN.silence,
        metavar="SECONDS",
        help="how long to watch silent connections with the clients' own time-outs (default: %(default)g; 0: skip it)",
    )
    options = parser.parse_args()
    plan = PLAN._replace(silence=options.silence)
    text = markdown(compare(plan=plan), plan)
    if options.output is None:
        sys.stdout.write(text)
    else:
        options.output.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
