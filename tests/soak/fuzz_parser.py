"""The parser against the slow reference: random streams, cut at random, with and without a limit."""

from __future__ import annotations

import argparse
import math
import random
import sys
import time
from typing import Any, Optional

from sse_client import CommentEvent, EventStreamParser, MessageEvent
from tests.conformance.reference import Event, offset_too_large, parse

PIECES = (
    b"data",
    b"event",
    b"id",
    b"retry",
    b":",
    b": ",
    b":  ",
    b" ",
    b"\n",
    b"\r",
    b"\r\n",
    b"\n\n",
    b"\r\n\r\n",
    b"\r\r",
    b"data: ",
    b"data:",
    b"id: ",
    b"event: ",
    b"retry: ",
    b"data: x\n\n",
    b"id\n",
    b"0",
    b"12",
    b"99999999999999999999",
    b"\0",
    b"\xef\xbb\xbf",
    b"\xef\xbb",
    b"\xff",
    b"\xc3\xa9",
    b"\xc3",
    b"\xe2\x9c\x93",
    b"\xf0\x9f\x98\x80",
    b"\xf0\x9f",
    b"\xed\xa0\x80",
    b"\xc0\x80",
    b"\xe2\x80\xa8",
    b"\xc2\x85",
    b"\x0b",
    b"\x0c",
    b"\x1c",
    b"Data: x\n",
    b"+5",
    b"1_0",
    b"x" * 50,
    b"data: " + b"y" * 300 + b"\n",
    b"data\n" * 20,
    b"a\nb\n",
    b"\xd9\xa3",
    b"message",
    b"\t",
)
LONG = (b"x" * 5000, b"data: " + b"y" * 9000 + b"\n", b"data\n" * 1500, b"data: \xe2\x9c\x93\r\n" * 700)


def stream_of(choice: random.Random) -> bytes:
    """A random stream: pieces of the format, some random bytes, now and then something long."""
    parts = [choice.choice(PIECES) for _ in range(choice.randrange(40))]
    for _ in range(choice.randrange(3)):
        parts.insert(choice.randrange(len(parts) + 1), bytes(choice.randrange(256) for _ in range(choice.randrange(8))))
    if choice.random() < 0.03:
        parts.insert(choice.randrange(len(parts) + 1), choice.choice(LONG))
    if choice.random() < 0.5:
        parts.append(b"\n\n")
    return b"".join(parts)


def pieces_of(stream: bytes, choice: random.Random) -> list[bytes]:
    """The stream, cut at random: whole, byte by byte, or in between; empty chunks among them."""
    kind = choice.randrange(4)
    if kind == 0:
        return [stream]
    if kind == 1 and len(stream) < 3000:
        return [stream[i : i + 1] for i in range(len(stream))]
    cuts = sorted(choice.randrange(len(stream) + 1) for _ in range(choice.randrange(1, 12)))
    return [stream[a:b] for a, b in zip([0, *cuts], [*cuts, len(stream)])]


def outcome(pieces: list[bytes], comments: bool, limit: Optional[int]) -> tuple[list[Any], EventStreamParser]:
    parser = EventStreamParser() if limit is None else EventStreamParser(max_event_size=limit)
    seen: list[Any] = []
    for piece in pieces:
        seen.extend(parser.feed_with_comments(piece) if comments else parser.feed(piece))
        if parser.error is not None:
            break
    return [as_reference(item) for item in seen], parser


def as_reference(item: Any) -> Any:
    if isinstance(item, CommentEvent):
        return (item.text,)
    assert isinstance(item, MessageEvent)
    return Event(item.data, item.type, item.last_event_id)


def same_time(ours: Optional[float], theirs: Optional[float]) -> bool:
    # The two divide by 1000 in different ways, which may differ in the last digit.
    return ours == theirs or (ours is not None and theirs is not None and math.isclose(ours, theirs, rel_tol=1e-12))


def check(seed: str) -> int:
    """Try one random stream; raise AssertionError on a difference. Returns its length."""
    choice = random.Random(seed)
    stream = stream_of(choice)
    comments = choice.random() < 0.5
    limit = choice.choice((None, None, 1, 5, 20, 100, 400, 5000))
    pieces = pieces_of(stream, choice)
    seen, parser = outcome(pieces, comments, limit)
    offset = None if limit is None else offset_too_large(stream, limit)
    assert (parser.error is None) == (offset is None), f"{seed}: error {parser.error}, offset {offset}\n{pieces!r}"
    expected = parse(stream if offset is None else stream[:offset])
    wanted = [item for item in expected.output if comments or isinstance(item, Event)]
    assert seen == [item if isinstance(item, Event) else tuple(item) for item in wanted], (
        f"{seed}: {pieces!r}\n{seen}\n{wanted}"
    )
    if offset is None:
        assert parser.last_event_id == expected.last_event_id, f"{seed}: {pieces!r}"
        assert same_time(parser.reconnection_time, expected.reconnection_time), f"{seed}: {pieces!r}"
    return len(stream)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.soak.fuzz_parser", description=__doc__)
    parser.add_argument("--minutes", type=float, default=10.0, help="how long (%(default)g)")
    parser.add_argument("--seed", default="sse_client", help="another one gives other streams")
    parser.add_argument("--only", help="try one stream again: the seed that a failure has shown")
    arguments = parser.parse_args()
    if arguments.only:
        check(arguments.only)
        return 0
    end = time.monotonic() + arguments.minutes * 60
    count = size = 0
    while time.monotonic() < end:
        for _ in range(200):
            size += check(f"{arguments.seed}:{count}")
            count += 1
    print(f"{count} streams, {size / 2**20:.1f} MiB, no difference")
    return 0


if __name__ == "__main__":
    sys.exit(main())
