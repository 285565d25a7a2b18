"""How the ``sse-client`` command is used: which options there are, and what they ask of an `EventSource`.

Rules of this file: wrong usage is a message that names the option, and never shows what
may be a secret; nothing is connected to from here.
"""

from __future__ import annotations

import argparse
import math
import os
import ssl
import sys
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Optional

from sse_client._version import __version__

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
  sse-client -H @headers.txt -d @question.json https://example.com/answers
  sse-client --demo
"""

_LONGEST_DEMO = 86400.0
_DEMO_OPTIONS = ("demo", "seconds", "color", "verbose")


def make_parser() -> argparse.ArgumentParser:
    """Return the parser of the command's arguments."""
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
        default=[],
        help="send this header too (repeatable); @FILE, or @- for stdin, has headers one a line: what is in a file "
        "does not show in the list of processes",
    )
    parser.add_argument(
        "-X",
        "--method",
        help="the request's method, by default GET, or POST with --data; "
        "with any but GET and HEAD there is no reconnecting",
    )
    parser.add_argument(
        "-d",
        "--data",
        action="append",
        default=[],
        help="send this body, as it is, or what is in @FILE, or @- for stdin; say what it is: -H 'Content-Type: ...'",
    )
    parser.add_argument("--last-event-id", metavar="ID", default="", help="go on after the event of this ID")
    parser.add_argument("--limit", metavar="N", type=_limit, help="stop after N events")
    parser.add_argument(
        "--no-reconnect", dest="reconnect", action="store_false", help="stop at the end of the first connection"
    )
    parser.add_argument(
        "--cacert", metavar="FILE", help="trust the certificate authorities in this file (PEM), not the system's"
    )
    parser.add_argument(
        "--no-color", dest="color", action="store_false", help="no colours; there are none outside of a terminal"
    )
    parser.add_argument(
        "-v",
        "--verbose",
        action="store_true",
        help="log to stderr, and show all that a rejected response says, not just its beginning (up to 64 KiB)",
    )
    parser.add_argument("--version", action="version", version=f"sse-client {__version__}")
    parser.add_argument("--demo", action="store_true", help="follow a small server of this package's own")
    parser.add_argument("--seconds", metavar="S", type=_seconds, help="how long the demo takes (10)")
    return parser


def parse(parser: argparse.ArgumentParser, argv: Optional[Sequence[str]]) -> argparse.Namespace:
    """Return the options that these arguments give, those of the process for None.

    Raises:
        SystemExit: As argparse does, for ``--help``, ``--version`` and wrong usage.
    """
    options = parser.parse_args(argv)
    if options.demo:
        for name, value in vars(options).items():
            if name not in _DEMO_OPTIONS and value != parser.get_default(name):
                parser.error("--demo goes with --seconds, --no-color and --verbose only")
        if options.seconds is None:
            options.seconds = 10.0
        return options
    if options.url is None:
        parser.error("a URL is required (or --demo)")
    if options.seconds is not None:
        parser.error("--seconds is for --demo")
    if len(options.data) > 1:
        parser.error("-d/--data can be given only once: there is one body")
    if [*options.headers, *options.data].count("@-") > 1:
        parser.error("@- can be given only once: stdin has one end")
    return options


def source_settings(options: argparse.Namespace) -> dict[str, Any]:
    """Return what to make the `EventSource` with, beside the URL. Reads the files that are named, and stdin.

    Raises:
        ValueError: A file cannot be read or does not hold what it should; the message names the option.
    """
    body = _body(options.data[0]) if options.data else None
    settings: dict[str, Any] = {
        "headers": _joined(header for text in options.headers for header in _headers(text)),
        "method": options.method,
        "body": body,
        "last_event_id": options.last_event_id,
        "ssl_context": None if options.cacert is None else _trust_in(options.cacert),
    }
    if options.method is None:
        settings["method"] = "GET" if body is None else "POST"
    if not options.reconnect:
        settings["reconnect"] = None
    return settings


def _body(text: str) -> bytes:
    if text.startswith("@"):
        return _contents("-d/--data", text[1:])
    return os.fsencode(text)  # the very bytes that were given, whatever the locale


def _headers(text: str) -> Iterator[tuple[str, str]]:
    if not text.startswith("@"):
        yield _header("", text)
        return
    name = text[1:]
    try:
        lines = _contents("-H/--header", name).decode("utf-8-sig").split("\n")
    except UnicodeDecodeError:
        raise _wrong("-H/--header", f"{name!r} is not UTF-8") from None
    for number, line in enumerate(lines, 1):
        if line.strip():
            yield _header(f"line {number} of {name!r}: ", line.rstrip("\r"))


def _header(place: str, line: str) -> tuple[str, str]:
    name, colon, value = line.partition(":")
    if not colon:
        # Not shown: it may be the token that was meant to be the value.
        raise _wrong("-H/--header", f"{place}expected 'Name: value', and there is no colon")
    return name, value.strip(" \t")


def _joined(headers: Iterable[tuple[str, str]]) -> dict[str, str]:
    # One header given more than once is one list (RFC 9110, section 5.3).
    joined: dict[str, str] = {}
    names: dict[str, str] = {}
    for given, value in headers:
        name = names.setdefault(given.lower(), given)
        joined[name] = f"{joined[name]}, {value}" if name in joined else value
    return joined


def _trust_in(path: str) -> ssl.SSLContext:
    if not path:
        raise _wrong("--cacert", "expected the name of a file, not ''")  # which would mean the system's authorities
    try:
        return ssl.create_default_context(cafile=path)
    except ssl.SSLError:
        raise _wrong("--cacert", f"there is no certificate in {path!r}, or none in PEM format") from None
    except OSError as error:
        raise _wrong("--cacert", f"cannot read {path!r}: {error.strerror or error}") from None


def _contents(option: str, path: str) -> bytes:
    """Return what is in a file, or for ``-`` what comes from stdin. Blocks until its end."""
    try:
        if path != "-":
            with open(path, "rb") as file:
                return file.read()
        if sys.stdin is None:
            raise _wrong(option, "there is no stdin to read")
        return sys.stdin.buffer.read()
    except OSError as error:
        raise _wrong(option, f"cannot read {path!r}: {error.strerror or error}") from None


def _wrong(option: str, message: str) -> ValueError:
    return ValueError(f"argument {option}: {message}")


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
