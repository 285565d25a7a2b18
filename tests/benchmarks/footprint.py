"""What it costs to have the package: the import, and listeners with nothing to do."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
import threading
import time
import tracemalloc
from functools import partial

from sse_client import EventSource, Listener

from .report import Report, interleaved, median, percent, ratio, run_alone, spread
from .server import server

LISTENERS = 200
QUIET = 3.0  # seconds
IMPORTS = ("urllib3", "sse_client", "requests", "ld_eventsource", "httpx_sse", "sseclient", "requests_sse")
NOT_IMPORTED = ("requests", "sse_client.cli.main", "sse_client.testing", "sse_client.requests_bridge")

_TIME_IMPORT = "import time; start = time.process_time(); import {}; print(time.process_time() - start)"

# What is installed has its bytecode, so let the first import of what is not yet leave its own.
_ENVIRONMENT = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}


def python(code: str) -> str:
    """Run code in a process of its own; return what it prints, or nothing if it fails."""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, env=_ENVIRONMENT)
    return done.stdout.strip() if done.returncode == 0 else ""


def import_time(module: str) -> float:
    """CPU seconds that an import takes in a new process."""
    return float(python(_TIME_IMPORT.format(module)))


def run(report: Report, seconds: float = 15.0) -> None:
    """Measure, and report."""
    _imports(report, seconds)
    _idle(report)


def _imports(report: Report, seconds: float) -> None:
    report.title("Footprint: CPU of the import")
    present = [name for name in IMPORTS if python(_TIME_IMPORT.format(name))]
    samples = interleaved({name: partial(import_time, name) for name in present}, seconds=seconds)
    report.table("module", "import", "spread", "to urllib3", "bar")
    for name in present:
        value = ratio(samples, name, "urllib3")
        words = report.bar("import, to urllib3", value, most=1.25) if name == "sse_client" else ""
        report.row(
            name, f"{median(samples[name]) * 1000:.1f} ms", percent(spread(samples[name])), f"{value:.2f} x", words
        )
    code = f"import sys, sse_client; print(*[name for name in {NOT_IMPORTED!r} if name in sys.modules])"
    imported = python(code).split()
    words = report.bar("modules imported without being asked for", len(imported), most=0)
    report.note(f"Of {', '.join(NOT_IMPORTED)} it imports: {', '.join(imported) or 'none'}; {words}")


def _idle(report: Report) -> None:
    report.title(f"Footprint: {LISTENERS} listeners that wait")
    with server() as url:
        ready = threading.Semaphore(0)
        gc.collect()
        threads = threading.active_count()
        tracemalloc.start()
        before, _ = tracemalloc.get_traced_memory()
        listeners = [Listener(EventSource(f"{url}/idle")) for _ in range(LISTENERS)]
        for listener in listeners:
            listener.on_event(lambda _event: ready.release())
            listener.start()
        arrived = sum(ready.acquire(timeout=30) for _ in listeners)
        gc.collect()
        after, _ = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        new_threads = threading.active_count() - threads
        start = time.process_time()
        threading.Event().wait(QUIET)
        cpu = time.process_time() - start
        for listener in listeners:
            listener.close()
        for listener in listeners:
            listener.join()
    each = (after - before) / LISTENERS / 1024
    report.table("what", "measured", "bar")
    report.row("connected", f"{arrived} of {LISTENERS}", "")
    report.row(
        "threads each", f"{new_threads / LISTENERS:g}", report.bar("threads each", new_threads / LISTENERS, most=1)
    )
    report.row("Python memory each", f"{each:.0f} KiB", report.bar("KiB of Python memory each", each, most=100))
    report.row(
        f"CPU in {QUIET:g} quiet seconds",
        f"{cpu * 1000:.1f} ms",
        report.bar("CPU of idle listeners, %", cpu / QUIET * 100, most=1),
    )


if __name__ == "__main__":
    run_alone(run)
