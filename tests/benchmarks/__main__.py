"""``python -m tests.benchmarks [PART ...] [--markdown FILE] [--chart FILE]``: measure the package and its peers."""

from __future__ import annotations

import argparse
import importlib.util
import time
from pathlib import Path

from . import command, end_to_end, footprint, growth, latency, live, parse, relay
from .report import Report

PARTS = {
    "parse": (parse, "the parsers alone: nine shapes of stream, in chunks of four sizes"),
    "end_to_end": (end_to_end, "whole clients with a backlog to catch up with"),
    "live": (live, "whole clients that wait for each event: chunked, delimited by the connection, gzip, TLS"),
    "latency": (latency, "from the server's send to the event in the caller's hands"),
    "growth": (growth, "time and memory by the size of one event"),
    "command": (command, "the sse-client command on a flood, beside a plain loop"),
    "relay": (relay, "into Redis: a backlog, and an event alone"),
    "footprint": (footprint, "the import, and listeners with nothing to do"),
}

parser = argparse.ArgumentParser(
    prog="python -m tests.benchmarks",
    description="Measure the package and its peers. All parts together take about seven minutes.",
    epilog="parts:\n" + "\n".join(f"  {name:12}{about}" for name, (_, about) in PARTS.items()),
    formatter_class=argparse.RawDescriptionHelpFormatter,
)
parser.add_argument("parts", nargs="*", metavar="PART", help="run these parts alone, in the order of the list below")
parser.add_argument("--markdown", type=Path, metavar="FILE", help="write the tables there too")
parser.add_argument("--chart", type=Path, metavar="FILE", help="draw a chart there: .svg or .png")
options = parser.parse_args()
for part in options.parts:
    if part not in PARTS:
        parser.error(f"there is no part {part!r}; the parts are {', '.join(PARTS)}")
if options.chart is not None:  # found out before the measuring, not after it
    if options.chart.suffix not in {".svg", ".png"}:
        parser.error(f"--chart: {options.chart} ends neither in .svg nor in .png")
    if importlib.util.find_spec("matplotlib") is None:
        parser.error("--chart needs matplotlib: pip install '.[bench]'")

report = Report()
start = time.monotonic()
report.about_the_machine()
for name, (module, _) in PARTS.items():
    if name in (options.parts or PARTS):
        module.run(report)
report.summary()
report.say(f"\nin {time.monotonic() - start:.0f} s")
if options.markdown is not None:
    options.markdown.write_text("\n".join(report.markdown).strip() + "\n", encoding="utf-8")
if options.chart is not None:
    from .chart import draw  # so late that matplotlib does not weigh on what is measured

    draw(report.ratios, options.chart)
