"""Which options the ``sse-client`` command has, and which go together. `MANUAL` says what they do.

Rules of this file: wrong usage is a message that names the option and quotes no value;
nothing is read and nothing is connected to from here.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterable, Sequence
from typing import Optional

from sse_client._version import __version__

from .manual import MANUAL
from .usage import Parser, one_of, seconds, seconds_or_none, whole_number

_SCHEME = re.compile("[A-Za-z][A-Za-z0-9+.-]*://")

FORMATS = ("data", "json", "raw", "pretty")

_EVERYWHERE = {"url", "color", "verbose"}
_ASKING = {
    *("headers", "user", "method", "data", "json_data", "proxy", "cacert", "cert", "key", "insecure"),
    *("connect_timeout", "idle_timeout", "last_event_id"),
}
_LIFE = {"position", "last_event_id", "reconnect", "retries", "retry", "patient"}
_DEMO = _EVERYWHERE - {"url"} | {"demo", "seconds"}
_DOCTOR = _EVERYWHERE | _ASKING | {"doctor", "output", "max_time"}


def make_parser() -> Parser:
    """Return the parser of the command's arguments."""
    parser = Parser(MANUAL)
    parser.add_argument("url", nargs="?")

    parser.add_argument("-e", "--event", dest="types", action="append", default=[])
    parser.add_argument("--exclude", dest="excluded", action="append", default=[])
    parser.add_argument("--comments", action="store_true")
    parser.add_argument("--limit", type=whole_number(1))
    parser.add_argument("--until")
    parser.add_argument("--max-time", type=seconds)
    parser.add_argument("--idle-exit", type=seconds)

    parser.add_argument("-o", "--output", type=one_of(*FORMATS))
    parser.add_argument("--json", dest="output", action="store_const", const="json")
    parser.add_argument("--field", type=_path)
    parser.add_argument("--timestamps", action="store_true")
    parser.add_argument("--no-color", dest="color", action="store_false")
    parser.add_argument("-q", "--quiet", action="store_true")
    parser.add_argument("-v", "--verbose", action="store_true")
    parser.add_argument("--summary", action="store_true")

    parser.add_argument("-H", "--header", dest="headers", action="append", default=[])
    parser.add_argument("-u", "--user")
    parser.add_argument("-X", "--method", type=_method)
    parser.add_argument("-d", "--data", action="append", default=[])
    parser.add_argument("--json-data", action="append", default=[])
    parser.add_argument("-x", "--proxy")
    for name in ("--cacert", "--cert", "--key"):
        parser.add_argument(name)
    parser.add_argument("-k", "--insecure", action="store_true")
    parser.add_argument("--connect-timeout", type=seconds_or_none, default=10.0)
    parser.add_argument("--idle-timeout", type=seconds_or_none, default=300.0)

    parser.add_argument("-c", "--continue", dest="position")
    parser.add_argument("--last-event-id", type=_event_id, default="")
    parser.add_argument("--no-reconnect", dest="reconnect", action="store_false")
    parser.add_argument("--retries", type=whole_number(0))
    parser.add_argument("--retry", type=seconds)
    parser.add_argument("--patient", action="store_true")

    parser.add_argument("--doctor", action="store_true")
    parser.add_argument("--demo", action="store_true")
    parser.add_argument("--seconds", type=seconds)
    parser.add_argument("--version", action="version", version=f"sse-client {__version__}")
    return parser


def parse(parser: Parser, argv: Optional[Sequence[str]]) -> argparse.Namespace:
    """Return the options that these arguments give, those of the process for None.

    Raises:
        SystemExit: As argparse does, for ``--help``, ``--version`` and wrong usage.
    """
    options = parser.parse(argv)
    given = {name for name, value in vars(options).items() if value != parser.get_default(name)}
    if options.demo:
        _refuse(parser, given - _DEMO, "--demo goes with --seconds, --no-color and --verbose only")
        return options
    if options.url is None:
        parser.error("a URL is required (or --demo)")
    _refuse(parser, given & {"seconds"}, "--seconds is for --demo")
    if options.doctor:
        _check_doctor(parser, options, given)
    elif is_recording(options):
        _refuse(parser, given & (_ASKING | _LIFE), "what is asked, and how long it lives, is for URLs only")
    if not is_recording(options) and not options.url.lower().startswith(("http://", "https://")):
        parser.error("a URL starts with http:// or https://")
    _check_request(parser, options)
    _check_life(parser, options, given)
    if options.output == "raw":
        unfit = given & {"types", "excluded", "comments", "field", "timestamps"}
        _refuse(parser, unfit, "-o raw is all bytes as they came: without -e, --exclude, --comments, --field, ...")
    return options


def is_recording(options: argparse.Namespace) -> bool:
    """Whether the stream comes from stdin or a file, and not from a URL."""
    return not _SCHEME.match(options.url)


def _check_doctor(parser: Parser, options: argparse.Namespace, given: set[str]) -> None:
    _refuse(
        parser,
        given - _DOCTOR,
        "--doctor goes with what is asked (-H, -u, -d, -x, ...), --max-time, --json, --no-color and --verbose only",
    )
    if options.output not in (None, "json"):
        parser.error("--doctor reports in words, or with --json")
    if is_recording(options):
        parser.error("--doctor needs a URL, which starts with http:// or https://")


def _check_request(parser: Parser, options: argparse.Namespace) -> None:
    if len(options.data) + len(options.json_data) > 1:
        parser.error("-d/--data and --json-data can be given only once: there is one body")
    if [*options.headers, *options.data, *options.json_data].count("@-") > 1:
        parser.error("@- can be given only once: stdin has one end")
    if options.key is not None and options.cert is None:
        parser.error("--key goes with --cert")
    if options.insecure and options.cacert is not None:
        parser.error("-k/--insecure and --cacert contradict each other")


def _check_life(parser: Parser, options: argparse.Namespace, given: set[str]) -> None:
    if not options.reconnect:
        _refuse(parser, given & {"retries", "retry", "patient"}, "--no-reconnect leaves nothing to retry")
    if options.position is not None and options.last_event_id:
        parser.error("-c/--continue and --last-event-id contradict each other: both say where to begin")


def _refuse(parser: Parser, unfit: Iterable[str], message: str) -> None:
    if any(unfit):
        parser.error(message)


def _method(text: str) -> str:
    if not re.fullmatch(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+", text):
        raise argparse.ArgumentTypeError("expected a method such as GET or POST")
    return text


def _event_id(text: str) -> str:
    if re.search("[\r\n\0\ud800-\udfff]", text):
        raise argparse.ArgumentTypeError("expected text in UTF-8, without CR, LF and NUL")
    return text


def _path(text: str) -> tuple[str, ...]:
    if not all(text.split(".")):
        raise argparse.ArgumentTypeError("expected names and numbers with dots between them, such as a.b.0.c")
    return tuple(text.split("."))
