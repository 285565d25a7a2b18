"""``sse-client --doctor`` in a child process, and servers for it to examine."""

from __future__ import annotations

import json
import threading
import time
from typing import Any, Callable, Optional

from sse_client.testing import Exchange, comment, encode_event

from .command import run

Handler = Callable[[Exchange], None]


class Report:
    """What the doctor reports with ``--json``.

    Attributes:
        code: The exit code.
        requests: How many requests it made.
    """

    def __init__(self, code: int, report: dict[str, Any]) -> None:
        self.code = code
        self.requests: int = report["requests"]
        self.advice = [(item["where"], item["text"]) for item in report["advice"]]
        self._verdicts = report["verdicts"]

    def about(self, subject: str) -> str:
        """The levels and texts of the verdicts on a subject, one after the other."""
        return "; ".join(
            f"{verdict['level']}: {verdict['text']}" for verdict in self._verdicts if verdict["subject"] == subject
        )

    @property
    def complaints(self) -> dict[str, str]:
        """All that is not ok, by its subject."""
        return {verdict["subject"]: verdict["text"] for verdict in self._verdicts if verdict["level"] != "ok"}

    def advises(self, where: str, text: str) -> bool:
        """Whether there is such advice."""
        return any(place == where and text in advice for place, advice in self.advice)


def examined(url: str, *arguments: str, seconds: float = 4.0, env: Optional[dict[str, str]] = None) -> Report:
    """Examine a URL."""
    started = time.monotonic()
    code, out, err = run("--doctor", "--json", "--max-time", str(seconds), *arguments, url, env=env, timeout=30)
    assert out, err
    report = Report(code, json.loads(out))
    assert report.requests <= 4
    assert time.monotonic() - started < seconds + 6, "it keeps to its time"
    return report


class Ticks:
    """A stream of numbered events, one every so many seconds, whose history the server has.

    Args:
        every: Seconds between two.
        ids: Whether they have IDs.
        honours: Whether the stream goes on after Last-Event-ID.
        beat: A comment after each so many events; 0 for none.
        padding: Characters in the data of each.
        times: Whether the data has the time of the event.
        settings: For the head: ``headers``, ``encoding``, ``framing``.
    """

    def __init__(
        self,
        *,
        every: float = 0.05,
        ids: bool = True,
        honours: bool = True,
        beat: int = 0,
        padding: int = 0,
        times: bool = False,
        **settings: Any,
    ) -> None:
        self._started = time.monotonic()
        self._every = every
        self._ids = ids
        self._honours = honours
        self._beat = beat
        self._padding = "x" * padding
        self._times = times
        self._settings = settings

    def __call__(self, exchange: Exchange) -> None:
        named = exchange.request.headers.get("Last-Event-ID")
        number = self._now() - 2
        if not self._honours:
            number = 0
        elif named is not None:
            number = int(named)
        exchange.send_head(**self._settings)
        while True:
            number += 1
            exchange.pause(max(0.0, self._started + number * self._every - time.monotonic()))
            data = f"tick {number}{self._padding}"
            if self._times:
                data += f' {{"time": {time.time() - (time.monotonic() - self._started - number * self._every):.3f}}}'
            exchange.send(encode_event(data, id=str(number) if self._ids else None))
            if self._beat and number % self._beat == 0:
                exchange.run(comment(" beat"))

    def _now(self) -> int:
        return int((time.monotonic() - self._started) / self._every)


def silent(seconds: float) -> None:
    """Let so many seconds pass, as a server that has nothing to say."""
    threading.Event().wait(seconds)
