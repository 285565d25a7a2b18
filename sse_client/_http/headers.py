"""`Headers`, those that are sent by default, and the check of those that a user gives.

Rules of this file: values and functions of values; no error shows a header's value.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Optional, Union, cast

from sse_client._version import __version__

NAME_PATTERN = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
"""The pattern of names and methods (RFC 9110, section 5.6.2)."""

_ILLEGAL_IN_VALUE = r"[\r\n\0]"


class Headers(Mapping[str, str]):
    """Header fields: names in any case, the values of a repeated field joined with ``", "`` (RFC 9110, section 5.3).

    Immutable. Iteration yields the names as they were first written. Equal to any mapping with the same names, in any
    case, and values. ``repr()`` shows no values, which may be secret.
    """

    __slots__ = ("_fields",)

    def __init__(self, fields: Union[Mapping[str, str], Iterable[tuple[str, str]]] = ()) -> None:
        collected: dict[str, tuple[str, list[str]]] = {}
        pairs = cast("Mapping[str, str]", fields).items() if isinstance(fields, Mapping) else fields
        for name, value in pairs:
            collected.setdefault(name.lower(), (name, []))[1].append(value)
        self._fields = {key: (name, ", ".join(values)) for key, (name, values) in collected.items()}

    def __getitem__(self, name: str) -> str:
        try:
            return self._fields[name.lower()][1]
        except KeyError:
            raise KeyError(name) from None

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and name.lower() in self._fields

    def __iter__(self) -> Iterator[str]:
        return (name for name, _ in self._fields.values())

    def __len__(self) -> int:
        return len(self._fields)

    def __or__(self, other: Mapping[str, str]) -> Headers:
        """Return these fields with those of ``other`` added; where both have a field, its value is that of ``other``.

        The name of such a field stays as it was written here.
        """
        merged = Headers(self)
        for name, value in Headers(other).items():
            first, _ = merged._fields.get(name.lower(), (name, None))
            merged._fields[name.lower()] = (first, value)
        return merged

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Mapping):
            return NotImplemented
        try:
            return self._comparable() == Headers(other)._comparable()
        except AttributeError:  # its keys are not all strings
            return False

    def __hash__(self) -> int:
        return hash(frozenset(self._comparable().items()))

    def __repr__(self) -> str:
        return f"<{type(self).__name__}: {', '.join(self) or 'none'}>"

    def _comparable(self) -> dict[str, str]:
        return {key: value for key, (_, value) in self._fields.items()}


# Spelled as urllib3 spells them: it adds its own beside one in another spelling.
DEFAULT_HEADERS = Headers(
    {
        "Accept": "text/event-stream",
        "Cache-Control": "no-cache",
        "User-Agent": f"sse-client/{__version__}",
    }
)


def response_headers(fields: Iterable[tuple[str, str]]) -> Headers:
    """Return the header fields of a response, names in lower case, each value on one line."""
    return Headers((name.lower(), unfolded(value)) for name, value in fields)


def unfolded(value: str) -> str:
    """Return a header value that was folded over several lines as one line (RFC 9112, section 5.2)."""
    if "\r" not in value and "\n" not in value:
        return value
    # A pattern that also took the blanks around the line ends would be quadratic in a run of blanks.
    return " ".join(line.strip(" \t") for line in re.split("[\r\n]+", value))


def check_headers(headers: Optional[Mapping[str, str]]) -> Headers:
    """Return a copy of the user's headers, or say which one cannot be sent. Values are never shown."""
    if headers is None:
        return Headers()
    if not isinstance(headers, Mapping):
        raise TypeError(
            f"headers must be a mapping of str to str, a function that returns one, or None, "
            f"not {type(headers).__name__}"
        )
    for name, value in headers.items():
        if not isinstance(name, str) or not isinstance(value, str):
            raise TypeError(
                f"headers must map str to str, not {type(name).__name__} to {type(value).__name__}"
                + (f" (header {name!r})" if isinstance(name, str) else "")
            )
        if not re.fullmatch(NAME_PATTERN, name):
            raise ValueError(f"headers: {name!r} is not a header name (letters, digits and !#$%&'*+.^_`|~-)")
        if re.search(_ILLEGAL_IN_VALUE, value):
            raise ValueError(f"headers: the value of {name!r} must not contain CR, LF or NUL")
        if name.lower() == "last-event-id":
            raise ValueError("headers must not contain Last-Event-ID: pass it as last_event_id, from where it moves on")
        try:
            value.encode()
        except UnicodeEncodeError:
            raise ValueError(f"headers: the value of {name!r} must be encodable as UTF-8") from None
    checked = Headers(headers)
    if len(checked) < len(headers):
        twice = next(name for name in headers if name not in list(checked))
        raise ValueError(f"headers: {twice!r} is there twice, in another case")
    return checked
