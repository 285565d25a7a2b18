"""An argument parser whose errors quote nothing that was given, and that knows what a misspelt option was to be.

What is given may be a URL with a password in it, a header or a token, at its place or, by
mistake, at another option's. An error names the option, and says what is expected there.
"""

from __future__ import annotations

import argparse
import difflib
import math
import re
from collections.abc import Sequence
from typing import Callable, NoReturn, Optional

_QUOTES_A_VALUE = re.compile("ignored explicit argument .*", re.DOTALL)
_LONG_OPTION = re.compile("--[a-z][a-z-]*")
LONGEST = 30 * 86400.0
"""Seconds: the longest time that an option may ask for. Every wait of every system can hold it."""


class Parser(argparse.ArgumentParser):
    """See the module. Its ``--help`` is a text of ours.

    Args:
        manual: The text.
    """

    def __init__(self, manual: str) -> None:
        usage = manual.split("\n\n", 1)[0].removeprefix("usage: ")
        super().__init__(prog="sse-client", usage=usage, allow_abbrev=False)
        self._manual = manual

    def format_help(self) -> str:
        """See `argparse.ArgumentParser`."""
        return self._manual

    def error(self, message: str) -> NoReturn:
        """End the program with code 2 and this message, without the value that one of argparse's own quotes."""
        super().error(_QUOTES_A_VALUE.sub("it takes no value", message))

    def parse(self, argv: Optional[Sequence[str]]) -> argparse.Namespace:
        """Return the options that these arguments give, those of the process for None.

        Raises:
            SystemExit: As argparse does, for ``--help``, ``--version`` and wrong usage.
        """
        options, unknown = self.parse_known_args(argv)
        if unknown:
            self.error(self._why_unknown(unknown))
        return options

    def _why_unknown(self, arguments: Sequence[str]) -> str:
        given = next((argument for argument in arguments if argument.startswith("-") and argument != "-"), None)
        if given is None:
            return "one URL is expected; quote what has blanks or & in it"
        known = list(self._option_string_actions)
        name = given.partition("=")[0] if given.startswith("--") else given[:2]
        close = difflib.get_close_matches(given.partition("=")[0].lower(), known, n=1, cutoff=0.6)
        shown = f"option {name}" if _LONG_OPTION.fullmatch(name) or len(name) == 2 else "such option"
        return f"there is no {shown}{f'; did you mean {close[0]}?' if close else ''}"


def whole_number(least: int) -> Callable[[str], int]:
    """Return the type of an option: whole numbers from ``least`` on."""

    def number(text: str) -> int:
        if not (text.isascii() and text.isdigit() and len(text) < 16 and int(text) >= least):
            raise argparse.ArgumentTypeError(f"expected a whole number from {least} on")
        return int(text)

    return number


def seconds(text: str) -> float:
    """Return a time above zero."""
    value = _number(text)
    if not 0 < value <= LONGEST:
        raise argparse.ArgumentTypeError(f"expected seconds above 0, up to {LONGEST:g}")
    return value


def seconds_or_none(text: str) -> Optional[float]:
    """Return a time-out above zero, or None for ``0``, which stands for no limit."""
    return None if _number(text) == 0 else seconds(text)


def one_of(*choices: str) -> Callable[[str], str]:
    """Return the type of an option that takes one of these words."""

    def choice(text: str) -> str:
        if text not in choices:
            raise argparse.ArgumentTypeError(f"expected {', '.join(choices[:-1])} or {choices[-1]}")
        return text

    return choice


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan
