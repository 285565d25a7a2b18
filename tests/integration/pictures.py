"""Pictures of the command in a terminal, for the README: ``python -m tests.integration.pictures .github/images``.

Each is what a terminal got from the real process, drawn as SVG: no font is embedded, every
piece of text has its place.
"""

from __future__ import annotations

import itertools
import json
import re
import sys
from pathlib import Path
from random import Random
from xml.sax.saxutils import escape

from sse_client.cli.demo import Market
from sse_client.testing import EventStreamServer, Exchange, comment, encode_event

from .command import environment, run_on_terminal

COLUMNS = 92
_CELL, _LINE, _MARGIN, _BAR = 8.4, 19, 16, 34
_FONTS = "ui-monospace, Menlo, Consolas, DejaVu Sans Mono, monospace"
_STYLES = {
    "1": ' font-weight="bold"',
    "2": ' opacity="0.6"',
    "31": ' fill="#ff7b72"',
    "32": ' fill="#7ee787"',
    "33": ' fill="#f2cc60"',
    "36": ' fill="#79c0ff"',
}
_PIECE = re.compile(r"\x1b\[([\d;]*)m|([^\x1b]+)")


def drawn(title: str, shown: str) -> str:
    """Return an SVG of what a terminal has got."""
    lines = shown.rstrip("\n").split("\n")
    width = round(COLUMNS * _CELL + 2 * _MARGIN)
    height = len(lines) * _LINE + _BAR + 2 * _MARGIN
    dots = "".join(
        f'<circle cx="{20 + 18 * number}" cy="{_BAR / 2:g}" r="5.5" fill="{color}"/>'
        for number, color in enumerate(("#ff5f57", "#febc2e", "#28c840"))
    )
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}">\n'
        f"<title>{escape(title)}</title>\n"
        f'<rect x="0" y="0" width="{width}" height="{height}" rx="8" fill="#0d1117"/>{dots}\n'
        f'<g font-family="{_FONTS}" font-size="14" fill="#e6edf3">\n'
        f'<text x="{width / 2:g}" y="{_BAR / 2 + 5:g}" text-anchor="middle" opacity="0.6">{escape(title)}</text>\n'
    )
    tops = (_BAR + _MARGIN + (number + 1) * _LINE - 5 for number in range(len(lines)))
    return head + "".join(_row(line, top) for line, top in zip(lines, tops)) + "</g></svg>\n"


def _row(line: str, top: int) -> str:
    column = 0
    styles: list[str] = []
    row = ""
    for codes, text in _PIECE.findall(line):
        if not text:
            styles = [code for code in codes.split(";") if code not in ("", "0")]
            continue
        look = "".join(_STYLES[style] for style in styles)
        for words in re.finditer(r"\S+(?: \S+)*", text):  # a viewer may join two blanks
            x = _MARGIN + (column + words.start()) * _CELL
            row += f'<text x="{x:.1f}" y="{top}"{look}>{escape(words[0])}</text>\n'
        column += len(text)
    return row


def demo() -> str:
    """The demo: a stream that survives its connections."""
    return drawn("sse-client --demo", _shown("--demo", "--seconds", "3"))


def command() -> str:
    """A stream on a terminal."""

    def serve(exchange: Exchange) -> None:
        have = int(exchange.request.headers.get("Last-Event-ID", "0"))
        exchange.send_head()
        for number in range(have + 1, have + 6):
            exchange.pause(0.12)
            exchange.send(encode_event(next(events), type=next(types), id=str(number)))
        exchange.run(comment(" heartbeat"))
        if have:
            exchange.hold()
        exchange.send(b"retry: 500\n\ndata: {")
        exchange.drop()

    job = {"id": 4711, "branch": "main", "commit": "9d1c2f7", "author": {"name": "Zoë", "team": "build"}}
    stages = [{"name": "lint", "seconds": 14.20}, {"name": "test", "seconds": 201.7, "failed": []}]
    types = itertools.cycle(["queued", "started", "log", "log", "finished"])
    events = itertools.cycle(
        [
            json.dumps({"job": 4711}),
            json.dumps({"job": 4711, "on": "runner-7"}),
            "$ make test",
            "2,304 passed in 201.7 s",
            json.dumps({"job": job, "stages": stages, "ok": True}, ensure_ascii=False),
        ]
    )
    with EventStreamServer() as server:
        server.handler = serve
        return drawn("sse-client http://localhost:8000/builds", _shown("--limit", "7", server.url + "builds"))


def doctor() -> str:
    """The doctor and a server that begins again, whatever it is asked."""

    def serve(exchange: Exchange) -> None:
        market = Market(Random(7))
        exchange.send_head(headers={"Server": "gunicorn"})
        for number in range(1, 1000):
            exchange.send(market.tick(number).encoded())
            exchange.pause(0.2)

    with EventStreamServer() as server:
        server.handler = serve
        title = "sse-client --doctor http://localhost:8000/market"
        return drawn(title, _shown("--doctor", "--max-time", "12", server.url + "market"))


def _shown(*arguments: str) -> str:
    _, shown = run_on_terminal(*arguments, timeout=60, env=environment(COLUMNS=str(COLUMNS)))
    return re.sub(r"127\.0\.0\.1:\d+", "localhost:8000", shown)


PICTURES = {"demo": demo, "command": command, "doctor": doctor}


def main(folder: Path) -> None:
    """Draw all pictures into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, draw in PICTURES.items():
        (folder / f"{name}.svg").write_text(draw(), encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
