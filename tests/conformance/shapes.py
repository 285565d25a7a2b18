"""The event streams that tests and benchmarks share: named, seeded, the same bytes everywhere.

A shape is called with a number of events and returns their bytes; `Shape.blocks` gives
them one event at a time. `cut` and the functions at the end serve any size.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from random import Random

__all__ = [
    "SHAPES",
    "Shape",
    "big",
    "comments",
    "crlf",
    "cut",
    "data_lines",
    "heartbeats",
    "huge",
    "llm",
    "logs",
    "manylines",
    "one_line",
    "ticks",
    "utf8",
]

KIB = 1024
MIB = 1024 * 1024

_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_WORDS: Sequence[str] = [
    "the",
    "a",
    "stream",
    "of",
    "events",
    "comes",
    "down",
    "one",
    "wire",
    "and",
    "each",
    "of",
    "them",
    "has",
    "its",
    "own",
    "time",
    "to",
    "be",
    "seen",
]
_ABROAD = [
    "\u0441\u043e\u0431\u044b\u0442\u0438\u0435",
    "\u03bc\u03ae\u03bd\u03c5\u03bc\u03b1",
    "\u30b9\u30c8\u30ea\u30fc\u30e0",
    "\u4e8b\u4ef6",
    "\u0627\u0644\u062d\u062f\u062b",
    "\u0938\u0902\u0926\u0947\u0936",
    "\uba54\uc2dc\uc9c0",
    "\U0001f680\U0001f4c8",
]


class Shape:
    """One kind of event stream.

    Attributes:
        name: What it is called in tables and test ids.
        about: What one event of it looks like.
        events: How many make some megabytes: a good size for one measurement.
    """

    name: str
    about: str
    events: int

    def __init__(self, name: str, about: str, events: int, block: Callable[[Random, int], str]) -> None:
        self.name = name
        self.about = about
        self.events = events
        self._block = block

    def __call__(self, events: int) -> bytes:
        """Return a stream of so many events."""
        return b"".join(self.blocks(events))

    def __repr__(self) -> str:
        return f"<shape {self.name}>"

    def blocks(self, events: int) -> list[bytes]:
        """Return the same stream, one event (with all that comes before it) an item."""
        # Seeding with a string gives the same numbers on every version and platform.
        random = Random(f"the shape {self.name}")
        return [self._block(random, number).encode() for number in range(1, events + 1)]


def _text(random: Random, words: Sequence[str], size: int) -> str:
    """Return words to the length of ``size`` characters."""
    text = ""
    while len(text) < size:
        text += random.choice(words) + " "
    return text[: size - 1] + "."


def _long_text(random: Random, size: int) -> str:
    """Return the same at the cost of 4096 characters: what a long line holds matters little."""
    piece = _text(random, _WORDS, 4096)
    return (piece * (size // 4096 + 1))[:size]


def _tick(random: Random, number: int) -> str:
    symbol = "".join(random.choice(_LETTERS) for _ in range(4))
    price = random.randrange(100_00, 999_99) / 100
    return f'id: {number:08d}\nevent: price-update\ndata: {{"symbol": "{symbol}", "price": {price:06.2f}, "n": 10}}\n\n'


def _token(random: Random, number: int) -> str:
    word = f"{random.choice(_WORDS):>12}"
    return (
        'data: {"id":"chatcmpl-9aZ4kQ7vJ2mXw5TtYbN8cRfLsD3e","object":"chat.completion.chunk",'
        f'"created":{1_700_000_000 + number // 50},"model":"example-large-2026-01-01",'
        '"system_fingerprint":"fp_44709d6fcb",'
        f'"choices":[{{"index":0,"delta":{{"content":"{word}"}},"finish_reason":null}}]}}\n\n'
    )


def _log_record(random: Random, number: int) -> str:
    lines = (f"data: {number:08d}.{line} {_text(random, _WORDS, 82)}\n" for line in range(10))
    return "".join(lines) + "\n"


def _heartbeats_and_a_tick(random: Random, number: int) -> str:
    return ": keep-alive\n\n" * 20 + _tick(random, number)


def _abroad(random: Random, number: int) -> str:
    return f"id: {number}\ndata: {_text(random, _ABROAD, 80)}\n\n"


def _one_line(size: int) -> Callable[[Random, int], str]:
    return lambda random, _number: f"data: {_long_text(random, size)}\n\n"


def _many_lines(_random: Random, _number: int) -> str:
    return data_lines(200_000).decode()


def _tick_with_crlf(random: Random, number: int) -> str:
    return _tick(random, number).replace("\n", "\r\n")


ticks = Shape("ticks", "id, event and one data line: 85 bytes", 50_000, _tick)
llm = Shape("llm", "one data line: 260 bytes", 20_000, _token)
logs = Shape("logs", "10 data lines of 100 bytes", 5_000, _log_record)
big = Shape("big", "one data line of 64 KiB", 100, _one_line(64 * KIB))
huge = Shape("huge", "one data line of 16 MiB", 1, _one_line(16 * MIB))
manylines = Shape("manylines", "200,000 data lines", 1, _many_lines)
heartbeats = Shape("heartbeats", "20 comments, then a tick", 10_000, _heartbeats_and_a_tick)
crlf = Shape("crlf", "a tick with CRLF", 50_000, _tick_with_crlf)
utf8 = Shape("utf8", "id and one data line of 80 characters, mostly not ASCII", 20_000, _abroad)

SHAPES: dict[str, Shape] = {
    shape.name: shape for shape in (ticks, llm, logs, big, huge, manylines, heartbeats, crlf, utf8)
}


def cut(stream: bytes, size: int) -> list[bytes]:
    """Return the stream in chunks of ``size`` bytes; the last may be shorter."""
    return [stream[start : start + size] for start in range(0, len(stream), size)]


def one_line(size: int) -> bytes:
    """Return one event with one data line of ``size`` bytes of data."""
    return b"data: " + _long_text(Random("one line"), size).encode() + b"\n\n"


def data_lines(count: int) -> bytes:
    """Return one event of so many short data lines."""
    return b"".join(b"data: line %07d of many\n" % number for number in range(count)) + b"\n"


def comments(count: int) -> bytes:
    """Return so many comments, and one event with the data ``end``."""
    return b": keep-alive\n" * count + b"data: end\n\n"
