"""Equality, printing and pickling by fields, for the small values of this package.

Not `dataclasses`: importing those costs as much as importing all of this package.
"""

from __future__ import annotations

from typing import Any

__all__: list[str] = []


class Value:
    """A value is what its ``__slots__`` hold; its ``__init__`` takes them in that order."""

    __slots__: tuple[str, ...] = ()

    def _fields(self) -> tuple[Any, ...]:
        return tuple(getattr(self, name) for name in self.__slots__)

    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        return self._fields() == other._fields()

    def __hash__(self) -> int:
        return hash(self._fields())

    def __repr__(self) -> str:
        fields = ", ".join(f"{name}={getattr(self, name)!r}" for name in self.__slots__)
        return f"{type(self).__name__}({fields})"

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), self._fields()
