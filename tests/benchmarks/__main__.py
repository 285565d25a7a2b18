"""``python -m tests.benchmarks [--markdown FILE] [--chart FILE]``: all of it, in less than ten minutes."""

from __future__ import annotations

import argparse
import importlib.util
import time
from pathlib import Path

from . import end_to_end, footprint, growth, latency, parse
from .report import Report

parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description="Measure the package and its peers.")
parser.add_argument("--markdown", type=Path, metavar="FILE", help="write the tables there too")
parser.add_argument("--chart", type=Path, metavar="FILE", help="draw a chart there: .svg or .png")
options = parser.parse_args()
if options.chart is not None:  # found out before the measuring, not after it
    if options.chart.suffix not in {".svg", ".png"}:
        parser.error(f"--chart: {options.chart} ends neither in .svg nor in .png")
    if importlib.util.find_spec("matplotlib") is None:
        parser.error("--chart needs matplotlib: pip install '.[bench]'")

report = Report()
start = time.monotonic()
report.about_the_machine()
for part in (parse, end_to_end, latency, growth, footprint):
    part.run(report)
report.summary()
report.say(f"\nin {time.monotonic() - start:.0f} s")
if options.markdown is not None:
    options.markdown.write_text("\n".join(report.markdown).strip() + "\n", encoding="utf-8")
if options.chart is not None:
    from .chart import draw  # so late that matplotlib does not weigh on what is measured

    draw(report.ratios, options.chart)
