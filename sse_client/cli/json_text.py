"""JSON as text: what is in it, a part of it, and how it is laid out for people, each number as it was written.

Rules of this file: pure. What is not JSON, or is nested too deeply to look into, is a
ValueError for the caller, who shows it as it came.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any, Callable, NoReturn

MISSING: Any = object()
"""What `part` returns where there is nothing: None is a value."""

_quoted = json.JSONEncoder(ensure_ascii=False).encode

Piece = tuple[str, tuple[str, ...]]
"""Text, and the styles that it is to be shown in."""

_KEY, _STRING, _OTHER, _MARK = ("cyan",), ("green",), ("yellow",), ()


class Number(str):
    """A number as it was written: no digit is lost, none is added."""

    __slots__ = ()


class Object(list[tuple[str, Any]]):
    """The members of an object in their order, those included whose name comes twice."""


def _no_json(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not JSON")  # though Python would take it


_decoder = json.JSONDecoder(object_pairs_hook=Object, parse_int=Number, parse_float=Number, parse_constant=_no_json)
# The second takes integers of any length too, which Python refuses to convert, and takes three times as long.
_checkers = (
    json.JSONDecoder(parse_constant=_no_json),
    json.JSONDecoder(parse_int=len, parse_float=len, parse_constant=_no_json),
)


def is_json(text: str) -> bool:
    """Whether a text is JSON."""
    if text[:1] not in '{["-0123456789tfn \t\r\n':
        return False
    for checker in _checkers:
        try:
            checker.decode(text)
        except (ValueError, RecursionError):
            continue
        return True
    return False


def parsed(text: str) -> Any:
    """Return what JSON means: an `Object`, a list, a str, a `Number`, True, False or None.

    Raises:
        ValueError: It is not JSON, or nested too deeply.
    """
    try:
        return _decoder.decode(text)
    except RecursionError:
        raise ValueError("nested too deeply") from None


def part(value: Any, path: Sequence[str]) -> Any:
    """Return what stands at a path of names and of places counted from 0 (from the end: -1), or `MISSING`."""
    for step in path:
        if isinstance(value, Object):
            value = next((member for name, member in reversed(value) if name == step), MISSING)
        elif isinstance(value, list):
            try:
                value = value[int(step)]
            except (ValueError, IndexError):
                return MISSING
        else:
            return MISSING
    return value


def one_line(value: Any) -> str:
    """Return a value as JSON in one line."""
    return "".join(text for text, _ in _pieces(value))


def laid_out(value: Any, width: int, paint: Callable[..., str], indent: str = "") -> str:
    """Return a value as JSON for people: what fits into a line stands in one, what does not has a line a member.

    Args:
        value: As `parsed` returns it.
        width: How long a line may be.
        paint: Makes text safe and gives it styles.
        indent: What stands before each line but the first.

    Raises:
        ValueError: It is nested too deeply.
    """
    try:
        return _laid_out(value, width, paint, indent, len(indent))
    except RecursionError:
        raise ValueError("nested too deeply") from None


def fitting(value: Any, room: int, paint: Callable[..., str]) -> str:
    """Return a value as JSON in one line of at most ``room`` characters; ``""`` if it is longer."""
    pieces: list[Piece] = []
    for piece in _pieces(value):
        room -= len(piece[0])
        if room < 0:
            return ""
        pieces.append(piece)
    return "".join(paint(text, *styles) for text, styles in pieces)


def _laid_out(value: Any, width: int, paint: Callable[..., str], indent: str, column: int) -> str:
    line = fitting(value, width - column, paint)
    if line or not isinstance(value, list) or not value:
        return line or "".join(paint(text, *styles) for text, styles in _pieces(value))
    inner = indent + "  "
    lines = []
    for member in value:
        start, length = inner, len(inner)
        if isinstance(value, Object):
            name, member = member  # noqa: PLW2901 - the name stands before it
            start += paint(_quoted(name), *_KEY) + ": "
            length += len(_quoted(name)) + 2
        lines.append(start + _laid_out(member, width - 1, paint, inner, length))  # a comma follows
    opening, closing = "{}" if isinstance(value, Object) else "[]"
    return opening + "\n" + ",\n".join(lines) + f"\n{indent}{closing}"


def _pieces(value: Any) -> Iterator[Piece]:
    # Without recursion: how deep JSON is nested is for the server to choose.
    open_ones: list[tuple[Iterator[Any], str]] = []  # the members that are left, and what closes them
    member: Any = MISSING
    while True:
        if isinstance(value, list):
            opening, closing = "{}" if isinstance(value, Object) else "[]"
            yield opening, _MARK
            open_ones.append((iter(value), closing))
            separator = ""
        else:
            yield _scalar(value)
            separator = ", "
        while open_ones and (member := next(open_ones[-1][0], MISSING)) is MISSING:
            yield open_ones.pop()[1], _MARK
            separator = ", "
        if not open_ones:
            return
        if separator:
            yield separator, _MARK
        value = member
        if open_ones[-1][1] == "}":
            name, value = member
            yield _quoted(name), _KEY
            yield ": ", _MARK


def _scalar(value: Any) -> Piece:
    if isinstance(value, Number):
        return str(value), _OTHER
    if isinstance(value, str):
        return _quoted(value), _STRING
    return {None: "null", True: "true", False: "false"}[value], _OTHER
