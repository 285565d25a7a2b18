"""The ``sse-client`` command: follow an event stream from a shell.

Rules of this file: events go to stdout, everything else to stderr; each line as soon as
there is one.
"""

from __future__ import annotations

import argparse
import json
import logging
import math
import re
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Callable, Optional

from .demo import run_demo
from .errors import ConnectionLost, EventSourceError, ResponseRejected
from .events import ErrorEvent, MessageEvent, OpenEvent
from .source import EventSource
from .terminal import Terminal
from .version import __version__

__all__: list[str] = []

_DESCRIPTION = """\
Follow an event stream (Server-Sent Events): print the data of each event to
stdout as soon as it arrives; reconnect and go on from the last event.
What happens to the connection is told on stderr.
"""

_EPILOG = """\
exit codes:
  0    the stream ended for good, --limit was reached, or nobody reads stdout
       any more; the demo ended, with nothing lost and nothing twice
  1    the stream failed; the reason is on stderr
  2    wrong usage
  130  Ctrl-C

In a pipe the output is UTF-8 and the data is unchanged. On a terminal, control
characters in it are replaced. NO_COLOR and TERM=dumb switch colours off.

examples:
  sse-client https://example.com/builds
  sse-client --json -H 'X-Key: 1' https://example.com/builds | jq .data
  sse-client --demo
"""

_INTERRUPTED = 130
_LONGEST_DEMO = 86400.0

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
    parser = _parser()
    options = parser.parse_args(argv)
    _check_combination(parser, options)
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
        source: What to follow. It is not closed.
        out: Where the events go.
        err: Where the states go.
        to_text: What to print for an event.
        limit: After how many events to stop; None for no limit.

    Raises:
        EventSourceError: The stream failed.
        OSError: It could not be printed.
    """
    printed = 0
    for event in source.lifecycle():
        if isinstance(event, MessageEvent):
            out.line(out.safe(to_text(event)))
            printed += 1
            if printed == limit:
                return
        elif isinstance(event, OpenEvent):
            err.line(err.paint(f"connected to {event.url}", "green"))
        elif isinstance(event, ErrorEvent) and event.delay is not None:
            was_open = isinstance(event.error, ConnectionLost)
            text = f"disconnected: {event.error.reason}" if was_open else f"not connected: {event.error}"
            err.line(err.paint(f"{text}; again in {event.delay:.1f} s", "yellow"))


def json_line(event: MessageEvent) -> str:
    """Return an event as a JSON object in one line, whatever counts as the end of a line."""
    text = json.dumps({name: getattr(event, name) for name in MessageEvent.__slots__}, ensure_ascii=False)
    return _ESCAPED_IN_JSON.sub(lambda match: f"\\u{ord(match.group()):04x}", text)


def _data(event: MessageEvent) -> str:
    return event.data


def _tell_failure(error: EventSourceError, err: Terminal, *, verbose: bool) -> None:
    err.line(err.paint(f"sse-client: {error}", "red"))
    if verbose and isinstance(error, ResponseRejected) and error.body:
        err.line(err.safe(error.body.decode("utf-8", "replace").rstrip("\n")))


# Arguments ------------------------------------------------------------------------------


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="sse-client",
        usage="sse-client [options] URL\n       sse-client --demo [--seconds S]",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("url", metavar="URL", nargs="?", help="the address of the stream (http or https)")
    parser.add_argument(
        "--json", action="store_true", help="print a JSON object a line: type, data, last_event_id, origin"
    )
    parser.add_argument(
        "-H",
        "--header",
        metavar="'NAME: VALUE'",
        dest="headers",
        action="append",
        type=_header,
        default=[],
        help="send this header too (repeatable)",
    )
    parser.add_argument("--last-event-id", metavar="ID", default="", help="go on after the event of this ID")
    parser.add_argument("--limit", metavar="N", type=_limit, help="stop after N events")
    parser.add_argument(
        "--no-reconnect", dest="reconnect", action="store_false", help="stop at the end of the first connection"
    )
    parser.add_argument(
        "--no-color", dest="color", action="store_false", help="no colours; there are none outside of a terminal"
    )
    parser.add_argument("-v", "--verbose", action="store_true", help="log to stderr")
    parser.add_argument("--version", action="version", version=f"sse-client {__version__}")
    parser.add_argument("--demo", action="store_true", help="follow a small server of this package's own")
    parser.add_argument("--seconds", metavar="S", type=_seconds, help="how long the demo takes (10)")
    return parser


def _check_combination(parser: argparse.ArgumentParser, options: argparse.Namespace) -> None:
    if not options.demo:
        if options.url is None:
            parser.error("a URL is required (or --demo)")
        if options.seconds is not None:
            parser.error("--seconds is for --demo")
        return
    for name in ("url", "json", "headers", "last_event_id", "limit", "reconnect"):
        if getattr(options, name) != parser.get_default(name):
            parser.error("--demo goes with --seconds, --no-color and --verbose only")
    if options.seconds is None:
        options.seconds = 10.0


def _source(parser: argparse.ArgumentParser, options: argparse.Namespace) -> EventSource:
    further: dict[str, Any] = {} if options.reconnect else {"reconnect": None}
    try:
        return EventSource(
            options.url, headers=_joined(options.headers), last_event_id=options.last_event_id, **further
        )
    except ValueError as error:
        parser.error(str(error))


def _joined(headers: Sequence[tuple[str, str]]) -> dict[str, str]:
    # One header given more than once is one list (RFC 9110, section 5.3).
    joined: dict[str, str] = {}
    names: dict[str, str] = {}
    for given, value in headers:
        name = names.setdefault(given.lower(), given)
        joined[name] = f"{joined[name]}, {value}" if name in joined else value
    return joined


def _header(text: str) -> tuple[str, str]:
    name, colon, value = text.partition(":")
    if not colon:
        # Not shown: it may be the token that was meant to be the value.
        raise argparse.ArgumentTypeError("expected 'Name: value', and there is no colon")
    return name, value.strip(" \t")


def _limit(text: str) -> int:
    try:
        limit = int(text)
    except ValueError:
        limit = 0
    if limit < 1:
        raise argparse.ArgumentTypeError(f"expected a whole number from 1 on, not {text!r}")
    return limit


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if not 0 < seconds <= _LONGEST_DEMO:
        raise argparse.ArgumentTypeError(f"expected seconds above 0, up to {_LONGEST_DEMO:g}, not {text!r}")
    return seconds


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
