"""How events are shown: one view for each ``--output``, which turns an event into the text to print.

Rules of this file: a view returns text that ends where the next one may begin, made safe for
where it goes; None where an event has nothing that was asked for.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Sequence
from datetime import datetime, timezone
from typing import Any, Callable, Optional

from sse_client.events import MessageEvent

from .characters import escaped
from .json_text import MISSING, fitting, is_json, laid_out, one_line, parsed, part
from .terminal import Terminal

_quoted = json.JSONEncoder(ensure_ascii=False).encode
_quoted_again = functools.lru_cache(maxsize=256)(_quoted)  # for the few that come again and again

_LARGE = 200_000  # characters: nobody reads more, so it is not worth laying out


class View:
    """Shows the data of events, as it is.

    Args:
        out: Where it goes.
        path: Of JSON data, show only what stands there.
        timed: Whether to say when each event arrived.
        arrived: Returns when the bytes of the event at hand have arrived, in seconds since the epoch.
    """

    def __init__(
        self,
        out: Terminal,
        *,
        path: Optional[Sequence[str]] = None,
        timed: bool = False,
        arrived: Callable[[], float],
    ) -> None:
        self._out = out
        self._path = path
        self._timed = timed
        self._arrived = arrived
        self._in_text = False  # whether what was shown last is a piece of text, without a line end

    def event(self, event: MessageEvent) -> Optional[str]:
        """Return what to print for an event, or None for nothing."""
        text, end = event.data, "\n"
        if self._path is not None:
            value = _part_of(text, self._path)
            if value is MISSING or value is None:
                return None
            if type(value) is str:
                text = value
                end = "\n" if self._timed else ""  # the pieces of one text follow each other
            else:
                text = one_line(value)
                if self._in_text:
                    text = "\n" + text
            self._in_text = not end
        if self._timed:
            text = self._with_times(text)
        return self._out.safe(text) + end

    def comment(self, text: str) -> str:
        """Return what to print for a comment: as it stands in a stream."""
        text = f":{text}"
        start = "\n" if self._in_text else ""
        self._in_text = False
        return start + self._out.safe(self._with_times(text) if self._timed else text) + "\n"

    def _with_times(self, text: str) -> str:
        time = _iso(self._arrived())
        return f"{time} " + text.replace("\n", f"\n{time} ")


class JsonView(View):
    """Shows an event as a JSON object in a line."""

    def event(self, event: MessageEvent) -> Optional[str]:
        """See `View.event`."""
        data = event.data
        if self._path is not None:
            value = _part_of(data, self._path)
            if value is MISSING:
                return None
            data = one_line(value)
        elif is_json(data):
            data = data.replace("\n", " ").replace("\r", " ")  # white space: no string has it, unescaped
        else:
            data = _quoted(data)
        line = (
            f'{{{self._time()}"type": {_quoted_again(event.type)}, "data": {data}, '
            f'"last_event_id": {_quoted(event.last_event_id)}, "origin": {_quoted_again(event.origin)}}}'
        )
        return escaped(line) + "\n"

    def comment(self, text: str) -> str:
        """See `View.comment`. An object of its own kind: no event has a ``comment``."""
        return escaped(f'{{{self._time()}"comment": {_quoted(text)}}}') + "\n"

    def _time(self) -> str:
        return f'"time": "{_iso(self._arrived())}", ' if self._timed else ""


class PrettyView(View):
    """Shows an event to people: when, what type, its ID where it has moved, and its JSON laid out."""

    _last_id = ""

    def event(self, event: MessageEvent) -> Optional[str]:
        """See `View.event`."""
        value = MISSING
        if self._path is not None:
            value = _part_of(event.data, self._path)
            if value is MISSING:
                return None
        elif event.data[:1] in ("{", "[") and len(event.data) < _LARGE:
            try:
                value = parsed(event.data)
            except ValueError:
                pass
        words = [(self._time(), ("dim",)), (event.type, ("bold",))]
        if event.last_event_id != self._last_id:
            self._last_id = event.last_event_id
            if event.last_event_id:
                words.append((event.last_event_id, ("dim",)))
        head = "  ".join(self._out.paint(text, *styles) for text, styles in words)
        if value is MISSING:
            return f"{head}{self._text(event.data)}\n"
        room = self._out.width - sum(len(self._out.safe(text)) + 2 for text, _ in words)
        return f"{head}{self._json(value, room)}\n"

    def comment(self, text: str) -> str:
        """See `View.comment`."""
        return self._out.paint(f"{self._time()}  :{text}", "dim") + "\n"

    def _text(self, text: str) -> str:
        if "\n" in text:
            return self._out.safe("\n" + text).replace("\n", "\n  ")
        return f"  {self._out.safe(text)}" if text else ""

    def _json(self, value: Any, room: int) -> str:
        try:
            line = fitting(value, room, self._out.paint)
            return f"  {line}" if line else "\n  " + laid_out(value, self._out.width, self._out.paint, "  ")
        except ValueError:
            return self._text(one_line(value))

    def _time(self) -> str:
        if self._timed:
            return _iso(self._arrived())
        return datetime.fromtimestamp(self._arrived()).strftime("%H:%M:%S.%f")[:-3]  # noqa: DTZ006 - a clock's, here


def _part_of(text: str, path: Sequence[str]) -> Any:
    try:
        return part(parsed(text), path)
    except ValueError:
        return MISSING


def _iso(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"


def make_view(name: str, out: Terminal, **settings: Any) -> View:
    """Return the view of this name, which is one of ``data``, ``json`` and ``pretty``."""
    views: dict[str, type[View]] = {"data": View, "json": JsonView, "pretty": PrettyView}
    return views[name](out, **settings)
