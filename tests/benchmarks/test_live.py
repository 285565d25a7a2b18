from __future__ import annotations

from collections.abc import Iterator

import pytest

from sse_client import EventSource, MessageEvent

pytest.importorskip("resource", reason="needs a POSIX system")
pytest.importorskip("trustme", reason="needs the package trustme")

from . import live
from .report import Report

SHORT = [stream._replace(events=5) for stream in live.STREAMS]


def test_every_stream_is_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each stream has a row for this package and for the two floors, with a median, a minimum and a ratio."""
    monkeypatch.setattr(live, "CLIENTS", {})
    report = Report()
    live.run(report, SHORT, seconds=0, least=2)
    for stream in SHORT:
        start = report.markdown.index(f"{stream.about}, 2 rounds:")
        rows = [line.strip("| ").split(" | ") for line in report.markdown[start + 4 : start + 7]]
        assert [row[0] for row in rows] == [live.OURS, live.BARE, live.FLOOR]
        for row in rows:
            assert 0 < float(row[2].split()[0]) <= float(row[1].split()[0])
            assert float(row[5].split()[0]) > 0
    assert [what.partition(":")[0] for what, _ in report.bars] == [
        f"live, chunked, 0.05 ms apart, {live.BARE}",
        f"live, chunked, {live.BARE}",
    ]


def test_a_client_that_holds_events_back_does_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its events cost less because several are read at once; it is named with the delay."""

    def late(url: str) -> Iterator[MessageEvent]:
        yield from list(EventSource(url, reconnect=None))

    monkeypatch.setattr(live, "CLIENTS", {live.LAUNCHDARKLY: late})
    report = Report()
    live.run(report, SHORT[:1], seconds=0, least=1)
    row = next(line for line in report.markdown if line.startswith(f"| {live.LAUNCHDARKLY} |"))
    assert "does not count" in row
    assert "holds events back" in row
