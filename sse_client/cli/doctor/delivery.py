"""Whether events are held back on the way: what tells that they were there before they came.

A server may well send several events at once, so that alone proves nothing. What does:

- The stream pauses in the middle of an event, again and again. A buffer does that, a server does not.
- What comes together carries times that lie apart.
- Several heartbeats come at once.
- What comes together has the size of a buffer, each time.

Rules of this file: pure.
"""

from __future__ import annotations

import re
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Optional

from sse_client.events import MessageEvent

from .content import Arrival

_TOGETHER = 0.03  # seconds between two reads of what was sent at once
_PAUSE = 0.25  # seconds of silence after which something else begins
_ISO = re.compile(r"(20\d\d-\d\d-\d\d)[T ](\d\d:\d\d:\d\d)(\.\d{1,6})?(Z|[+-]\d\d:?\d\d)?")
_EPOCH = re.compile(r"(?<![\d.])(1[5-9]\d{8}|2[0-4]\d{8})(?:(\d{3})|(\.\d{1,9}))?(?!\d)")
_MAX_SEARCHED = 2000  # characters
_BUFFERS = {4096, 8192, 16384, 32768, 65536}


@dataclass(frozen=True)
class Lump:
    """What came together after a pause.

    Attributes:
        pause: Seconds of silence before it.
        size: Bytes.
        events: The events in it.
        comments: How many comments are in it.
        began_inside: Whether the pause fell into the middle of an event.
    """

    pause: float
    size: int
    events: tuple[MessageEvent, ...]
    comments: int
    began_inside: bool


def lumps_of(arrivals: Sequence[Arrival]) -> list[Lump]:
    """Return what came together, without what the stream began with: that may be a backlog."""
    lumps: list[Lump] = []
    for before, arrival in zip(arrivals, arrivals[1:]):
        pause = arrival.at - before.at
        events = tuple(arrival.events)
        if pause >= _PAUSE:
            lumps.append(Lump(pause, arrival.size, events, arrival.comments, before.ends_inside))
        elif lumps and pause < _TOGETHER:
            last = lumps[-1]
            lumps[-1] = Lump(
                last.pause,
                last.size + arrival.size,
                last.events + events,
                last.comments + arrival.comments,
                last.began_inside,
            )
    return lumps


def evidence_of_holding_back(arrivals: Sequence[Arrival]) -> Optional[str]:
    """Return what tells that the stream is held back, or None."""
    lumps = lumps_of(arrivals)
    if len(lumps) < 2:
        return None
    seconds = statistics.median(lump.pause for lump in lumps)
    every = f"about every {seconds:.1f} s"
    count = statistics.median(len(lump.events) for lump in lumps)
    inside = sum(lump.began_inside for lump in lumps)
    if inside >= 2 and inside >= len(lumps) / 4:
        return f"they come in lumps of about {count:.0f}, {every}, and {inside} of {len(lumps)} pauses split an event"
    spreads = [spread for lump in lumps if (spread := _spread(lump)) is not None]
    if len(spreads) >= 2:
        return f"they come in lumps, {every}, in which their own times are up to {max(spreads):.1f} s apart"
    beats = [lump for lump in lumps if lump.comments >= 3 and lump.pause >= 1]
    if len(beats) >= 2:
        return f"heartbeats come up to {max(lump.comments for lump in beats)} at once, {every}"
    sizes = [lump.size for lump in lumps if lump.size in _BUFFERS]
    if len(sizes) >= 2 and len(sizes) >= len(lumps) / 2:
        return f"they come in lumps of exactly {sizes[0]} bytes, {every}"
    return None


def _spread(lump: Lump) -> Optional[float]:
    """Return how far the times of a lump's events lie apart, if they fall into the pause before it."""
    stamps = [stamp for event in lump.events if (stamp := time_of(event)) is not None]
    if len(stamps) < 2 or stamps != sorted(stamps):
        return None
    spread = stamps[-1] - stamps[0]
    least = 2.0 if all(stamp.is_integer() for stamp in stamps) else 0.3
    return spread if least <= spread <= lump.pause + 1 else None


def time_of(event: MessageEvent) -> Optional[float]:
    """Return the first time that stands in an event's ID or data, in seconds since the epoch, or None."""
    for text in (event.last_event_id, event.data[:_MAX_SEARCHED]):
        match = _ISO.search(text)
        if match:
            zone = (match[4] or "Z").replace("Z", "+00:00")
            fraction = (match[3] or ".0").ljust(7, "0")
            try:
                return datetime.fromisoformat(f"{match[1]}T{match[2]}{fraction}{zone[:3]}:{zone[-2:]}").timestamp()
            except ValueError:
                continue
        match = _EPOCH.search(text)
        if match:
            return float(match[1]) + int(match[2] or 0) / 1000 + float(match[3] or 0)
    return None
