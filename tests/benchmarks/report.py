"""Samples taken in turns, and tables of them: on the screen, and in Markdown."""

from __future__ import annotations

import platform
import statistics
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from signal import ITIMER_REAL, SIGALRM, Handlers, setitimer, signal
from types import FrameType
from typing import Any, Callable, Optional

__all__ = ["Ratio", "Report", "TooSlow", "best", "interleaved", "machine", "median", "ratio", "spread", "time_limit"]

Samples = dict[str, list[float]]


class TooSlow(Exception):
    """The limit of time was met."""


@contextmanager
def time_limit(seconds: float) -> Iterator[None]:
    """Raise `TooSlow` in the body once it has taken so long."""

    def give_up(_number: int, _frame: Optional[FrameType]) -> None:
        raise TooSlow(f"more than {seconds:g} s")

    before: Any = signal(SIGALRM, give_up)
    setitimer(ITIMER_REAL, min(seconds, 3600))
    try:
        yield
    finally:
        setitimer(ITIMER_REAL, 0)
        signal(SIGALRM, before or Handlers.SIG_DFL)


def interleaved(functions: dict[str, Callable[[], float]], *, seconds: float, least: int = 5) -> Samples:
    """Call each function once a round, for about so many seconds; return what they returned, by name."""
    samples: Samples = {name: [] for name in functions}
    names = list(functions)
    end = time.perf_counter() + seconds
    rounds = 0
    while rounds < least or time.perf_counter() < end:
        for name in names:
            samples[name].append(functions[name]())
        names.append(names.pop(0))
        rounds += 1
    return samples


def median(samples: Sequence[float]) -> float:
    """The middle one of the samples."""
    return statistics.median(samples)


def spread(samples: Sequence[float]) -> float:
    """Half of the distance between the quartiles, as a part of the median."""
    if len(samples) < 2:
        return 0.0
    low, _, high = statistics.quantiles(samples, n=4)
    return (high - low) / 2 / (median(samples) or 1.0)


def ratio(samples: Samples, name: str, other: str) -> float:
    """How many times as much ``name`` takes as ``other``: the median of the rounds, each for itself."""
    return median([a / b for a, b in zip(samples[name], samples[other])])


def best(samples: Samples, names: Sequence[str], ours: str) -> Optional[str]:
    """Which of the names took the least, in comparison with ours, or None if there is none."""
    return min(names, key=lambda name: ratio(samples, name, ours), default=None)


def machine() -> str:
    """What measures: the interpreter and the processor."""
    return f"{platform.python_implementation()} {platform.python_version()}, {platform.machine()}"


def is_met(value: float, least: Optional[float], most: Optional[float]) -> bool:
    """Whether a value is within its limits."""
    return (least is None or value >= least) and (most is None or value <= most)


@dataclass(frozen=True)
class Ratio:
    """What the chart shows: one comparison, and the bar that it has to meet, if there is one."""

    part: str
    panel: str
    label: str
    value: float
    bar: Optional[float] = None
    met: bool = True


class Report:
    """What was measured: written to the screen at once, and kept as Markdown and for the chart."""

    def __init__(self) -> None:
        self.markdown: list[str] = []
        self.bars: list[tuple[str, bool]] = []
        self.ratios: list[Ratio] = []
        self._columns: Sequence[str] = ()
        self._widths: list[int] = []

    def title(self, text: str) -> None:
        """Begin a part."""
        self.say(f"\n{text}")
        self.markdown += ["", f"### {text}", ""]

    def about_the_machine(self) -> None:
        """Say what measures."""
        self.say(machine())
        self.markdown.append(f"{machine()}.")

    def say(self, text: str) -> None:
        """Write a line to the screen."""
        sys.stdout.write(text + "\n")
        sys.stdout.flush()

    def note(self, text: str) -> None:
        """Write a line to both."""
        self.say(f"  {text}")
        self.markdown += ["", text]
        self._columns = ()

    def table(self, *columns: str) -> None:
        """Begin a table."""
        self._columns = columns
        self._widths = [max(10, len(name)) for name in columns]
        self._widths[0] = 34
        self.say("  " + "  ".join(name.ljust(width) for name, width in zip(columns, self._widths)))
        self.markdown += ["", "| " + " | ".join(columns) + " |", "|" + " --- |" * len(columns)]

    def row(self, *cells: str) -> None:
        """Write a row of the table."""
        self.say("  " + "  ".join(cell.ljust(width) for cell, width in zip(cells, self._widths)).rstrip())
        self.markdown.append("| " + " | ".join(cells) + " |")

    def bar(self, what: str, value: float, *, least: Optional[float] = None, most: Optional[float] = None) -> str:
        """Keep whether a bar is met, and return it in words."""
        met = is_met(value, least, most)
        limit = f"at least {least:g}" if most is None else f"at most {most:g}"
        self.bars.append((f"{what}: {value:.3g}, {limit}", met))
        return f"{'met' if met else 'NOT MET'} ({limit})"

    def compare(
        self,
        part: str,
        panel: str,
        label: str,
        value: float,
        *,
        least: Optional[float] = None,
        most: Optional[float] = None,
    ) -> str:
        """Keep a ratio for the chart, and its bar if it has one; return the bar in words."""
        limit = least if most is None else most
        words = "" if limit is None else self.bar(f"{part}, {panel}, {label}", value, least=least, most=most)
        self.ratios.append(Ratio(part, panel, label, value, limit, met=is_met(value, least, most)))
        return words

    def summary(self) -> None:
        """Say how many bars are met, and name those that are not."""
        missed = [what for what, met in self.bars if not met]
        self.title(f"{len(self.bars) - len(missed)} of {len(self.bars)} bars are met")
        for what in missed:
            self.say(f"  not met: {what}")
            self.markdown.append(f"- not met: {what}")


def microseconds(seconds: float) -> str:
    """A time per event, readable."""
    return f"{seconds * 1e6:.3g} us"


def percent(part: float) -> str:
    """A spread, readable."""
    return f"±{part * 100:.0f} %"


def run_alone(run: Callable[[Report], None]) -> None:
    """Run one part by itself."""
    report = Report()
    report.about_the_machine()
    run(report)
    report.summary()
