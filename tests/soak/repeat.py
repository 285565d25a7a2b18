"""The suite again and again, beside busy processes: which tests fail now and then, and how often.

    python -m tests.soak.repeat --times 10 --load 2
    python -m tests.soak.repeat --times 50 tests/integration/test_cli.py -k ctrl_c

What is not an option of this command goes to pytest. A run that fails leaves its output in a file, which is named.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Optional

# Ends with its parent, however that ends.
BUSY = "import os\nparent = os.getppid()\nwhile os.getppid() == parent:\n    sum(range(100_000))"
FAILED = re.compile(r"^(?:FAILED|ERROR) (\S+::.*?)(?: - .*)?$", re.MULTILINE)


@contextmanager
def busy(count: int) -> Iterator[None]:
    """Keep this many processes busy."""
    processes = [subprocess.Popen([sys.executable, "-c", BUSY]) for _ in range(count)]
    try:
        yield
    finally:
        for process in processes:
            process.kill()
            process.wait()


def main(arguments: Optional[Sequence[str]] = None) -> int:
    """Run it; return 1 if any run failed."""
    parser = argparse.ArgumentParser(prog="python -m tests.soak.repeat", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--times", type=int, default=10, help="how many runs (10)")
    parser.add_argument("--load", type=int, default=2, help="how many busy processes beside them (2)")
    options, for_pytest = parser.parse_known_args(arguments)
    command = [sys.executable, "-m", "pytest", "-q", "-rfE", *for_pytest]
    failed: Counter[str] = Counter()
    with busy(options.load):
        for number in range(1, options.times + 1):
            start = time.monotonic()
            result = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
            outcome = "passed"
            if result.returncode != 0:
                # A run that was ended, by a time-out for instance, names no test: its output tells how far it came.
                names = FAILED.findall(result.stdout) or [f"ended with code {result.returncode}"]
                failed.update(names)
                with tempfile.NamedTemporaryFile(
                    "w", prefix=f"run-{number}-", suffix=".log", delete=False, encoding="utf-8"
                ) as log:
                    log.write(result.stdout)
                outcome = f"{', '.join(names)} ({Path(log.name)})"
            print(f"run {number} of {options.times}, {time.monotonic() - start:.0f} s: {outcome}", flush=True)
    for name, count in failed.most_common():
        print(f"{count} of {options.times}: {name}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
