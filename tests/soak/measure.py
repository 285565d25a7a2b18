"""What a long run holds: memory, threads and descriptors of this process."""

from __future__ import annotations

import gc
import os
import threading
from typing import NamedTuple


class Held(NamedTuple):
    """What the process holds now. Memory and descriptors are 0 where there is no /proc."""

    memory: int
    threads: int
    descriptors: int

    def __str__(self) -> str:
        return f"{self.memory / 2**20:.1f} MiB, {self.threads} threads, {self.descriptors} descriptors"


def held() -> Held:
    """Measure, with the garbage collected."""
    gc.collect()
    memory = descriptors = 0
    if os.path.exists("/proc/self/status"):
        with open("/proc/self/status") as status:
            memory = next(int(line.split()[1]) * 1024 for line in status if line.startswith("VmRSS"))
        descriptors = len(os.listdir("/proc/self/fd"))
    return Held(memory, threading.active_count(), descriptors)


def grown(before: Held, after: Held, *, memory: int) -> list[str]:
    """Say what has grown: any thread or descriptor, and memory by more than ``memory`` bytes."""
    said = []
    if after.memory > before.memory + memory:
        said.append(f"memory grew from {before.memory / 2**20:.1f} to {after.memory / 2**20:.1f} MiB")
    if after.threads > before.threads:
        said.append(f"threads grew from {before.threads} to {after.threads}")
    if after.descriptors > before.descriptors:
        said.append(f"descriptors grew from {before.descriptors} to {after.descriptors}")
    return said
