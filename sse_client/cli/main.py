"""The ``sse-client`` command: follow an event stream from a shell.

Rules of this file: events go to stdout, everything else to stderr; each line as soon as
there is one.
"""

from __future__ import annotations

import argparse
import json
import logging
import re
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Callable, Optional

from sse_client.errors import ConnectionLost, EventSourceError, ResponseRejected
from sse_client.events import ErrorEvent, MessageEvent, OpenEvent
from sse_client.source import EventSource

from .demo import run_demo
from .options import make_parser, parse, source_settings
from .terminal import Terminal, stopped_at_hang_up

_INTERRUPTED = 130
_BEGINNING = 300  # how many characters of a rejected response's body are shown without -v

# What JSON may hold as it is, though a terminal obeys it, or other programs see the end of a line in it.
_ESCAPED_IN_JSON = re.compile("[\x7f-\x9f\u2028\u2029]")


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
        with _logging_to(err, verbose=options.verbose):
            if options.demo:
                return run_demo(options.seconds, out)
            with _source(parser, options) as source:
                follow(source, out, err, to_text=json_line if options.json else _data, limit=options.limit)
            return 0
    except KeyboardInterrupt:
        return _INTERRUPTED
    except BrokenPipeError:
        out.silence()
        err.silence()
        return 0
    except EventSourceError as error:
        _tell_failure(error, err, verbose=options.verbose)
        return 1
    except (ImportError, ValueError) as error:
        # Of the loop's, there are only those of a proxy, named by the environment, that cannot be used.
        err.line(err.paint(f"sse-client: {error}", "red"))
        return 1
    except OSError as error:
        # Those of the network have all become an EventSourceError; this is the disk that is full, and the like.
        out.silence()
        err.line(err.paint(f"sse-client: {error.strerror or error}", "red"))
        return 1


def follow(
    source: EventSource,
    out: Terminal,
    err: Terminal,
    *,
    to_text: Callable[[MessageEvent], str],
    limit: Optional[int] = None,
) -> None:
    """Print the events of a source to ``out``, and what happens to its connection to ``err``. Blocks.

    Args:
        source: What to follow. It is closed only if nobody reads ``out`` any more.
        out: Where the events go.
        err: Where the states go.
        to_text: What to print for an event.
        limit: After how many events to stop; None for no limit.

    Raises:
        EventSourceError: The stream failed.
        BrokenPipeError: Nobody reads ``out`` any more. This is noticed at once if it is a pipe.
        OSError: It could not be printed.
    """
    printed = 0
    connected = False
    with stopped_at_hang_up(out.descriptor, source.close):
        for event in source.lifecycle():
            if isinstance(event, MessageEvent):
                out.line(out.safe(to_text(event)))
                printed += 1
                if printed == limit:
                    return
            elif isinstance(event, OpenEvent):
                connected = True
                err.line(err.paint(f"connected to {event.url}", "green"))
            elif isinstance(event, ErrorEvent):
                connected = False
                if event.delay is not None:
                    err.line(err.paint(_trouble(event.error, event.delay), "yellow"))
    # There are two quiet ends, that of the one stream without reconnecting and a 204, which opens no stream.
    text = "the server ended the stream" if connected else "the server says that the stream is over (status 204)"
    err.line(err.paint(text, "green"))


def json_line(event: MessageEvent) -> str:
    """Return an event as a JSON object in one line, whatever counts as the end of a line."""
    text = json.dumps({name: getattr(event, name) for name in MessageEvent.__slots__}, ensure_ascii=False)
    return _ESCAPED_IN_JSON.sub(lambda match: f"\\u{ord(match.group()):04x}", text)


def _data(event: MessageEvent) -> str:
    return event.data


def _source(parser: argparse.ArgumentParser, options: argparse.Namespace) -> EventSource:
    try:
        return EventSource(options.url, **source_settings(options))
    except ValueError as error:
        parser.error(str(error))


def _trouble(error: EventSourceError, delay: float) -> str:
    text = f"disconnected: {error.reason}" if isinstance(error, ConnectionLost) else f"not connected: {error}"
    return f"{text}; again in {delay:.1f} s"


def _tell_failure(error: EventSourceError, err: Terminal, *, verbose: bool) -> None:
    err.line(err.paint(f"sse-client: {error}", "red"))
    if isinstance(error, ResponseRejected):
        body = error.text.replace("\r\n", "\n").strip()
        if len(body) > _BEGINNING and not verbose:
            body = f"{body[:_BEGINNING].rstrip()} ... (more with -v)"
        if body:
            err.line(err.safe(body))


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
