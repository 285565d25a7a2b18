"""What holds for every test: it leaves no thread and no descriptor behind, and global state as it was.

And what tests in several folders need: a display for windows.
"""

from __future__ import annotations

import gc
import logging
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import warnings
from collections.abc import Iterator

import pytest

from .abilities import WITHOUT
from .integration.support import open_descriptors

_GRACE = 5.0  # seconds that what is ending anyway gets to end


def pytest_addoption(parser: pytest.Parser) -> None:
    """Let the tests run as if the system could not do something that Windows cannot."""
    parser.addoption("--without", action="append", choices=list(WITHOUT), default=[], help="take this ability away")


def pytest_configure(config: pytest.Config) -> None:
    """Take away what ``--without`` names, and let Ctrl-C through, to the children that tests start too.

    A shell without job control starts a background command with SIGINT ignored, and children inherit that.
    """
    config.addinivalue_line("markers", "needs(ability, reason): is skipped where --without takes the ability away")
    for ability in config.getoption("--without"):
        WITHOUT[ability]()
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip a test about an ability that has been taken away."""
    for marker in item.iter_markers("needs"):
        ability, reason = marker.args
        if ability in item.config.getoption("--without"):
            pytest.skip(f"without {ability}: {reason}")


@pytest.fixture(autouse=True)
def nothing_left_behind() -> Iterator[None]:
    """Fail a test that leaves a thread, a socket or any other descriptor behind."""
    threads = set(threading.enumerate())
    descriptors = open_descriptors()
    yield
    deadline = time.monotonic() + _GRACE
    new_threads = [thread for thread in threading.enumerate() if thread not in threads]
    for thread in new_threads:
        thread.join(max(0.0, deadline - time.monotonic()))
    left = [thread.name for thread in new_threads if thread.is_alive()]
    new_descriptors = open_descriptors() - descriptors
    if left or new_descriptors:
        with warnings.catch_warnings():  # so that the fault is reported once, and with this test
            warnings.simplefilter("ignore", ResourceWarning)
            gc.collect()
    assert not left, f"threads are left behind: {left}"
    assert not new_descriptors, f"descriptors are left open: {sorted(new_descriptors)}"


@pytest.fixture(autouse=True)
def global_state_as_it_was() -> Iterator[None]:
    """Put back what tests may change: the package's loggers, signal handlers, hooks, the default time-out."""
    loggers = [logging.getLogger(name) for name in ("sse_client", "sse_client.testing", "urllib3")]
    logger_states = [(it.level, list(it.handlers), it.propagate, it.disabled) for it in loggers]
    names = ("SIGINT", "SIGTERM", "SIGALRM", "SIGUSR1")
    handlers = {number: signal.getsignal(number) for number in (getattr(signal, n, None) for n in names) if number}
    hooks = (sys.excepthook, sys.unraisablehook, threading.excepthook)
    timeout = socket.getdefaulttimeout()
    yield
    for logger, (level, log_handlers, propagate, disabled) in zip(loggers, logger_states):
        logger.setLevel(level)
        logger.handlers[:] = log_handlers
        logger.propagate = propagate
        logger.disabled = disabled
    if threading.current_thread() is threading.main_thread():
        for number, handler in handlers.items():
            if handler is not None and signal.getsignal(number) is not handler:
                signal.signal(number, handler)
    sys.excepthook, sys.unraisablehook, threading.excepthook = hooks
    socket.setdefaulttimeout(timeout)


@pytest.fixture
def display() -> Iterator[str]:
    """The number of an X server without a screen, made for the test; skip it without one."""
    if shutil.which("Xvfb") is None:
        pytest.skip("needs the package xvfb")
    # -noreset: wx connects and disconnects before its real connection, which a server that starts anew would refuse.
    reading, writing = os.pipe()
    x_server = subprocess.Popen(
        ["Xvfb", "-displayfd", str(writing), "-noreset", "-screen", "0", "640x480x24", "-nolisten", "tcp"],
        pass_fds=[writing],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    os.close(writing)
    try:
        with os.fdopen(reading) as numbers:
            yield ":" + numbers.readline().strip()
    finally:
        x_server.terminate()
        x_server.wait(_GRACE)
