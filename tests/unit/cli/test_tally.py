"""`Tally`: gaps and repeats are counted, whatever the order."""

from __future__ import annotations

import random

import pytest

from sse_client.cli.demo import Tally


def tally_of(*numbers: int) -> Tally:
    """A tally that has been given these numbers."""
    tally = Tally()
    for number in numbers:
        tally.add(number)
    return tally


@pytest.mark.parametrize(
    ("numbers", "lost", "repeated", "last"),
    [
        ((), 0, 0, 0),
        ((1, 2, 3), 0, 0, 3),
        ((1, 3), 1, 0, 3),
        ((4,), 3, 0, 4),  # the beginning is missing
        ((1, 5, 9), 6, 0, 9),
        ((1, 1), 0, 1, 1),
        ((1, 2, 3, 2, 3), 0, 2, 3),
        ((1, 4, 4), 2, 1, 4),
        ((1, 3, 2), 0, 0, 3),  # late is not lost
        ((1, 3, 2, 2), 0, 1, 3),
        ((1, 2, 0), 0, 1, 2),
    ],
)
def test_gaps_and_repeats_are_counted(numbers: tuple[int, ...], lost: int, repeated: int, last: int) -> None:
    """A number left out is lost until it comes; one that comes again is repeated."""
    tally = tally_of(*numbers)
    assert (tally.events, tally.lost, tally.repeated, tally.last) == (len(numbers), lost, repeated, last)
    assert tally.is_exact == (lost == repeated == 0)


def test_it_finds_what_was_done_to_a_sequence() -> None:
    """Whatever is taken out of the sequence and put in twice, these are the figures."""
    generator = random.Random(7)
    for _ in range(200):
        size = generator.randrange(2, 60)
        removed = set(generator.sample(range(1, size), generator.randrange(size)))
        kept = [n for n in range(1, size + 1) if n not in removed]
        doubled = generator.choices(kept, k=generator.randrange(5))
        tally = tally_of(*kept, *doubled)
        assert (tally.lost, tally.repeated) == (len(removed), len(doubled))
