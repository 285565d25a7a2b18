"""CPU of whole processes on a flood: the ``sse-client`` command, beside a plain loop over the events."""

from __future__ import annotations

import os
import subprocess
import sys
from functools import partial

from .report import Report, interleaved, median, percent, ratio, run_alone, spread
from .server import server

EVENTS = 500_000
LOOP = "a plain loop"
COMMAND = "sse-client"
MOST = 2.0  # times the loop

_LOOP = "import sys, sse_client\nfor event in sse_client.EventSource(sys.argv[1], reconnect=None): pass"
_PRINT = "import sys, sse_client\nfor event in sse_client.EventSource(sys.argv[1], reconnect=None): print(event.data)"


def cpu_of(*arguments: str) -> float:
    """CPU seconds of a process whose output goes nowhere."""
    process = subprocess.Popen([sys.executable, *arguments], stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        raise subprocess.CalledProcessError(process.returncode, arguments)
    return usage.ru_utime + usage.ru_stime


def run(report: Report, seconds: float = 40.0) -> None:
    """Measure, and report."""
    report.title(f"The command: CPU for {EVENTS:,} ticks, whole processes, output to /dev/null")
    with server() as url:
        flood = f"{url}/flood/blocks/ticks/{EVENTS}"
        command = ("-m", "sse_client", "-q", "--no-reconnect", flood)
        samples = interleaved(
            {
                LOOP: partial(cpu_of, "-c", _LOOP, flood),
                "a loop that prints the data": partial(cpu_of, "-c", _PRINT, flood),
                COMMAND: partial(cpu_of, *command),
                "sse-client -o raw": partial(cpu_of, *command, "-o", "raw"),
                "sse-client --json": partial(cpu_of, *command, "--json"),
            },
            seconds=seconds,
        )
    report.table("process", "CPU", "spread", "to the loop", "bar")
    for name, sample in samples.items():
        value = ratio(samples, name, LOOP)
        words = report.bar("command, to a plain loop", value, most=MOST) if name == COMMAND else ""
        report.row(name, f"{median(sample):.2f} s", percent(spread(sample)), f"{value:.2f} x", words)


if __name__ == "__main__":
    run_alone(run)
