"""A signal's handler where the interpreter might run one: between any two lines of a thread."""

from __future__ import annotations

import sys
import threading
from pathlib import Path
from types import FrameType
from typing import Any, Callable

LIMIT = 10.0


def interrupted_at(moment: int, work: Callable[[], object], handler: Callable[[], object], *files: str) -> str:
    """Run ``work`` in a thread, and ``handler`` in the same thread just before it runs so manieth line of the files.

    Return where that was, ``""`` if the work was done before. Raise what either raises. Fail if they lock up.
    """
    lines = 0
    where = ""
    errors: list[BaseException] = []

    def trace(frame: FrameType, kind: str, _: object) -> Any:
        nonlocal lines, where
        name = Path(frame.f_code.co_filename).name
        if name not in files:
            return None
        if kind == "line":
            lines += 1
            if lines == moment:
                where = f"{name}, line {frame.f_lineno}"
                sys.settrace(None)
                handler()
        return trace

    def run() -> None:
        sys.settrace(trace)
        try:
            work()
        except BaseException as error:  # noqa: BLE001 - raised below
            errors.append(error)
        finally:
            sys.settrace(None)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(LIMIT)
    assert not thread.is_alive(), f"locked up by a handler at {where}"
    if errors:
        raise AssertionError(f"a handler at {where} led to {errors[0]!r}") from errors[0]
    return where
