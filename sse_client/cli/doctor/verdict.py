"""A verdict and its advice: plain values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Optional

OK, WARNING, PROBLEM = "ok", "warning", "problem"
SERVER, PROXY, CLIENT = "server", "proxy", "client"


@dataclass(frozen=True)
class Advice:
    """What to change.

    Attributes:
        where: ``"server"``, ``"proxy"`` or ``"client"``.
        text: What, as a sentence.
    """

    where: str
    text: str


BUFFERING = (
    Advice(PROXY, "switch buffering and compression off for this path (nginx: proxy_buffering off; gzip off)"),
    Advice(SERVER, "flush after each event; send X-Accel-Buffering: no and Cache-Control: no-transform"),
)
"""Against whatever holds events back."""


@dataclass(frozen=True)
class Verdict:
    """What was found about one subject.

    Attributes:
        level: ``"ok"``, ``"warning"`` or ``"problem"``.
        subject: One word.
        text: What was measured.
        advice: What to change, in the order of what is likeliest to help.
    """

    level: str
    subject: str
    text: str
    advice: tuple[Advice, ...] = ()


def ok(subject: str, text: str) -> Verdict:
    """Return the verdict that there is nothing to change."""
    return Verdict(OK, subject, text)


def warning(subject: str, text: str, *advice: Optional[Advice]) -> Verdict:
    """Return the verdict that the stream works, but not as well as it could."""
    return Verdict(WARNING, subject, text, tuple(item for item in advice if item is not None))


def problem(subject: str, text: str, *advice: Optional[Advice]) -> Verdict:
    """Return the verdict that the stream does not work."""
    return Verdict(PROBLEM, subject, text, tuple(item for item in advice if item is not None))
