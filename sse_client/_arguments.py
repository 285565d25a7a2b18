"""Checks of what a caller passes in, so that a wrong argument fails where it is given.

Rules of this file: a check returns the value, as the type that the package works with, or
raises a `TypeError` or `ValueError` that names the argument, what was given (not where it
may be secret) and what is expected.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Iterable, Mapping
from typing import Any, Callable, Optional, TypeVar, cast

MAX_WAIT = 24 * 24 * 3600.0
"""The longest time-out, in seconds: 24 days. poll() counts milliseconds in a C int, which 25 days overflow."""

_Function = TypeVar("_Function", bound=Callable[..., None])

_BREAKS_A_HEADER = "\r\n\0"


class NotGiven:
    """The default of an argument for which None is a value too. ``help()`` shows it as this text."""

    def __init__(self, text: str) -> None:
        self._text = text

    def __repr__(self) -> str:
        return self._text


def refuse_arguments(instead: Mapping[str, str]) -> Callable[[_Function], _Function]:
    """Decorate an ``__init__`` so that arguments of other libraries raise a TypeError that says what to pass.

    The signature stays as it is written, for ``help()``, editors and type checkers.

    Args:
        instead: What to pass, by the name of the argument that is not ours.
    """

    def decorate(function: _Function) -> _Function:
        @functools.wraps(function, assigned=(*functools.WRAPPER_ASSIGNMENTS, "__kwdefaults__"))
        def checked(*args: Any, **kwargs: Any) -> None:
            for name in kwargs:
                if name in instead:
                    owner = function.__qualname__.partition(".")[0]
                    raise TypeError(f"{owner} has no argument {name}: {instead[name]}")
            function(*args, **kwargs)

        return cast("_Function", checked)

    return decorate


AS_IDLE_TIMEOUT: Any = NotGiven("<idle_timeout>")
"""The default of ``response_timeout``: the same limit as for the body."""


def check_last_event_id(value: str) -> str:
    """Return a last event ID that can be sent as a header: no CR, LF or NUL."""
    if not isinstance(value, str):
        raise TypeError(f"last_event_id must be a str, not {type(value).__name__}")
    if any(character in value for character in _BREAKS_A_HEADER):
        raise ValueError(f"last_event_id must not contain CR, LF or NUL, which no header can carry: {value!r}")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise ValueError(f"last_event_id must be encodable as UTF-8, without lone surrogates: {value!r}") from None
    return value


def check_size(name: str, value: int) -> int:
    """Return a size in bytes: an integer above zero."""
    if not isinstance(value, int) or isinstance(value, bool):
        raise TypeError(f"{name} must be an int (bytes), not {type(value).__name__}")
    if value < 1:
        raise ValueError(f"{name} must be at least 1 byte, not {value}")
    return value


def check_count(name: str, value: Optional[int]) -> Optional[int]:
    """Return a count above zero, or None for "no limit"."""
    if value is None:
        return None
    if not isinstance(value, int) or isinstance(value, bool):
        raise TypeError(f"{name} must be an int or None, not {type(value).__name__}")
    if value < 1:
        raise ValueError(f"{name} must be at least 1, or None for no limit, not {value}")
    return value


def check_flag(name: str, value: bool) -> bool:
    """Return True or False, and not something that merely counts as one of them."""
    if not isinstance(value, bool):
        raise TypeError(f"{name} must be True or False, not {type(value).__name__}")
    return value


def check_number(name: str, value: float, *, least: float, unit: str = "seconds") -> float:
    """Return a finite number that is not below ``least``."""
    if not isinstance(value, (int, float)) or isinstance(value, bool):
        raise TypeError(f"{name} must be a number ({unit}), not {type(value).__name__}")
    number = _as_float(value)
    if not math.isfinite(number) or number < least:
        raise ValueError(f"{name} must be a finite number of {unit}, at least {least:g}, not {number!r}")
    return number


def check_timeout(name: str, value: Optional[float]) -> Optional[float]:
    """Return a time-out in seconds, above zero, or None for "no limit". One above `MAX_WAIT` becomes that."""
    if value is None:
        return None
    if not isinstance(value, (int, float)) or isinstance(value, bool):
        raise TypeError(f"{name} must be a number (seconds) or None, not {type(value).__name__}")
    number = _as_float(value)
    if not math.isfinite(number) or number <= 0:
        raise ValueError(f"{name} must be a finite number of seconds above 0, or None for no limit, not {number!r}")
    return min(number, MAX_WAIT)


def check_statuses(name: str, values: Iterable[int]) -> frozenset[int]:
    """Return HTTP status codes as a set."""
    try:
        statuses = frozenset(values)
    except TypeError:
        raise TypeError(f"{name} must be an iterable of status codes, not {type(values).__name__}") from None
    for status in statuses:
        if not isinstance(status, int) or not 100 <= status <= 599:
            raise ValueError(f"{name} must hold status codes from 100 to 599, not {status!r}")
    return statuses


def _as_float(value: float) -> float:
    try:
        return float(value)
    except OverflowError:  # an int that no float can hold
        return math.inf if value > 0 else -math.inf
