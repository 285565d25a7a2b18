"""The ``sse-client`` command: what it is asked to do, and the exit code for how that went."""

from __future__ import annotations

import argparse
import logging
import os
import sys
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Optional

from sse_client.errors import EventSourceError, ResponseRejected

from .demo import run_demo
from .doctor.run import Doctor, examine
from .endings import Terminated, ended_by_signals
from .follow import Following
from .options import is_recording, make_parser, parse
from .recording import Recording, open_recording
from .request import make_policy, make_stream
from .terminal import Terminal
from .usage import Parser

GAVE_UP, REFUSED, INTERRUPTED, TERMINATED = 1, 22, 130, 143

_BEGINNING = 300  # how many characters of a rejected response's body are shown without -v
_DEMO_SECONDS = 10.0
_UNVERIFIED = "-k: any certificate is accepted, so whoever is on the way can read everything, and answer instead"


def main(argv: Optional[Sequence[str]] = None) -> int:
    """Run the command. Blocks until it ends. For the main thread.

    Args:
        argv: The arguments, without the program's name; by default those of the process.

    Returns:
        The exit code; the codes are listed by ``--help``.

    Raises:
        SystemExit: For ``--help`` and ``--version`` (code 0) and wrong usage (code 2), as argparse does.
    """
    parser = make_parser()
    options = parse(parser, argv)
    out = Terminal(sys.stdout, color=options.color)
    err = Terminal(sys.stderr, color=options.color)
    try:
        with ended_by_signals(), _logging_to(err, verbose=options.verbose), _warning_of(options, err):
            if options.demo:
                return run_demo(options.seconds or _DEMO_SECONDS, out)
            if options.doctor:
                return _doctor(parser, options, out)
            with _following(parser, options, out, err) as following:
                return following.run()
    except KeyboardInterrupt as interrupt:
        out.abandon()  # whoever reads it may be why it was not written
        return TERMINATED if isinstance(interrupt, Terminated) else INTERRUPTED
    except BrokenPipeError:
        out.silence()
        err.silence()
        return 0
    except EventSourceError as error:
        _tell_failure(error, err, verbose=options.verbose)
        return REFUSED if isinstance(error, ResponseRejected) else GAVE_UP
    except (ImportError, ValueError) as error:
        # Of the loop's, there are only those of a proxy, named by the environment, that cannot be used.
        err.line(err.paint(f"sse-client: {error}", "red"))
        return GAVE_UP
    except OSError as error:
        # Those of the network have all become an EventSourceError; this is the disk that is full, and the like.
        out.silence()
        err.line(err.paint(f"sse-client: {error.strerror or error}", "red"))
        return GAVE_UP


def _doctor(parser: Parser, options: argparse.Namespace, out: Terminal) -> int:
    try:
        doctor = Doctor(options)
    except (ImportError, ValueError) as error:
        parser.error(str(error))
    return examine(doctor, options, out)


@contextmanager
def _following(parser: Parser, options: argparse.Namespace, out: Terminal, err: Terminal) -> Iterator[Following]:
    """Make ready what the options ask for; what is wrong with them is wrong usage."""
    descriptor = None
    try:
        if is_recording(options):
            descriptor = open_recording(options.url)
            following = Following(Recording(descriptor), None, options, out, err)
        else:
            connector = make_stream(options)
            policy = make_policy(options, is_repeatable=connector.is_repeatable)
            following = Following(connector, policy, options, out, err)
    except (ImportError, OSError, ValueError) as error:
        parser.error(str(error))
    try:
        yield following
    finally:
        if descriptor is not None:
            os.close(descriptor)


def _tell_failure(error: EventSourceError, err: Terminal, *, verbose: bool) -> None:
    err.line(err.paint(f"sse-client: {error}", "red"))
    if isinstance(error, ResponseRejected):
        body = error.text.replace("\r\n", "\n").strip()
        if len(body) > _BEGINNING and not verbose:
            body = f"{body[:_BEGINNING].rstrip()} ... (more with -v)"
        if body:
            err.line(err.safe(body))


@contextmanager
def _warning_of(options: argparse.Namespace, err: Terminal) -> Iterator[None]:
    with warnings.catch_warnings():
        if options.insecure:
            err.line(err.paint(f"sse-client: WARNING: {_UNVERIFIED}", "bold", "red"))
            warnings.filterwarnings("ignore", message="Unverified HTTPS request")  # urllib3's, with every request
        yield


# Logging --------------------------------------------------------------------------------


class _LineHandler(logging.Handler):
    """Logs to a `Terminal`: what is logged may quote a server."""

    def __init__(self, terminal: Terminal) -> None:
        super().__init__()
        self._terminal = terminal
        self.setFormatter(logging.Formatter("%(asctime)s %(name)s %(levelname)s: %(message)s"))

    def emit(self, record: logging.LogRecord) -> None:
        self._terminal.line(self._terminal.paint(self.format(record), "dim"))


@contextmanager
def _logging_to(terminal: Terminal, *, verbose: bool) -> Iterator[None]:
    # Without a handler, logging would print warnings itself, which are told here as states.
    logger = logging.getLogger("sse_client")
    handler = _LineHandler(terminal) if verbose else logging.NullHandler()
    level = logger.level
    logger.addHandler(handler)
    if verbose:
        logger.setLevel(logging.DEBUG)
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)
