"""``python -m tests.benchmarks [--markdown FILE]``: all of it, in less than ten minutes."""

from __future__ import annotations

import argparse
import time
from pathlib import Path

from . import end_to_end, footprint, growth, latency, parse
from .report import Report

parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description="Measure the package and its peers.")
parser.add_argument("--markdown", type=Path, metavar="FILE", help="write the tables there too")
options = parser.parse_args()

report = Report()
start = time.monotonic()
report.about_the_machine()
for part in (parse, end_to_end, latency, growth, footprint):
    part.run(report)
report.summary()
report.say(f"\nin {time.monotonic() - start:.0f} s")
if options.markdown is not None:
    options.markdown.write_text("\n".join(report.markdown).strip() + "\n", encoding="utf-8")
