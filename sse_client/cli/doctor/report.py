"""The doctor's report: a verdict a line as it comes, and then what to change; or all of it as JSON."""

from __future__ import annotations

import json
import textwrap
import time

from sse_client.cli.characters import escaped
from sse_client.cli.terminal import Terminal

from .verdict import OK, PROBLEM, WARNING, Advice, Verdict

_STYLES = {OK: ("green",), WARNING: ("yellow", "bold"), PROBLEM: ("red", "bold")}
_LEVEL, _SUBJECT = 9, 12  # widths of the first two columns
_MAX_WIDTH = 100


class Report:
    """Verdicts, counted.

    Args:
        out: Where the report goes.
        url: What is examined, fit to be shown.
    """

    def __init__(self, out: Terminal, url: str) -> None:
        self._out = out
        self._url = url
        self._verdicts: list[Verdict] = []
        self._started = time.monotonic()

    @property
    def is_good(self) -> bool:
        """Whether there is nothing to warn of."""
        return all(verdict.level == OK for verdict in self._verdicts)

    def begin(self, requests: int, seconds: float) -> None:
        """Say what is examined, and what it may take."""

    def add(self, verdict: Verdict) -> None:
        """Report one verdict."""
        self._verdicts.append(verdict)

    def end(self, requests: int) -> None:
        """Report what to change, and what it took."""

    def _advice(self) -> list[Advice]:
        """Return all advice, each once."""
        return list(dict.fromkeys(advice for verdict in self._verdicts for advice in verdict.advice))

    def _count(self, level: str) -> int:
        return sum(verdict.level == level for verdict in self._verdicts)


class TextReport(Report):
    """For people."""

    def begin(self, requests: int, seconds: float) -> None:
        """See `Report.begin`."""
        self._out.line(f"{self._out.paint('sse-client doctor', 'bold')}: {self._out.safe(self._url)}")
        self._out.line(self._out.paint(f"At most {requests} requests and {seconds:g} seconds.", "dim"))
        self._out.line()

    def add(self, verdict: Verdict) -> None:
        """See `Report.add`."""
        super().add(verdict)
        self._row(verdict.level, _STYLES[verdict.level], verdict.subject, verdict.text)

    def end(self, requests: int) -> None:
        """See `Report.end`."""
        advice = self._advice()
        if advice:
            self._out.line()
            self._out.line(self._out.paint("What to change", "bold"))
            self._out.line()
            for item in advice:
                self._row(item.where, ("cyan",), "", item.text)
        found = [
            f"{count} {level}{'' if count == 1 else 's'}"
            for level in (PROBLEM, WARNING)
            if (count := self._count(level))
        ]
        seconds = time.monotonic() - self._started
        style = "green" if not found else "yellow" if not self._count(PROBLEM) else "red"
        asked = f"{requests} request{'' if requests == 1 else 's'}"
        text = f"{', '.join(found) or 'nothing to warn of'}; {asked}, {seconds:.1f} s"
        self._out.line()
        self._out.line(self._out.paint(text, style, "bold"))

    def _row(self, first: str, styles: tuple[str, ...], second: str, text: str) -> None:
        indent = _LEVEL + (_SUBJECT if second else 0)
        start = self._out.paint(first.ljust(_LEVEL), *styles)
        if second:
            start += self._out.paint(second.ljust(_SUBJECT), "bold")
        width = max(min(self._out.width, _MAX_WIDTH) - indent, 30)
        lines = textwrap.wrap(self._out.safe(text), width, break_on_hyphens=False, break_long_words=False)
        self._out.line(start + ("\n" + " " * indent).join(lines))


class JsonReport(Report):
    """For programs: one object, when all is known."""

    def end(self, requests: int) -> None:
        """See `Report.end`."""
        report = {
            "url": self._url,
            "verdicts": [
                {"level": verdict.level, "subject": verdict.subject, "text": verdict.text} for verdict in self._verdicts
            ],
            "advice": [{"where": advice.where, "text": advice.text} for advice in self._advice()],
            "warnings": self._count(WARNING),
            "problems": self._count(PROBLEM),
            "requests": requests,
            "seconds": round(time.monotonic() - self._started, 3),
        }
        self._out.line(escaped(json.dumps(report, ensure_ascii=False)))
