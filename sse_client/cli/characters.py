"""Characters from outside that must not reach a terminal as they are, and how each is shown instead.

Two kinds: *control characters*, which a terminal obeys, and *invisible* ones, which it does
not show or which reorder what stands beside them, so that text says one thing and means
another ("Trojan source", hidden prompts). The two joiners (U+200C, U+200D) and the first
sixteen variation selectors are neither: Persian words and emoji are made with them.
"""

from __future__ import annotations

import re

_CONTROLS = "\x00-\x08\x0b-\x1f\x7f-\x9f"  # all but TAB and LF
_INVISIBLE = "".join(
    (
        "\u00ad",  # soft hyphen
        "\u034f",  # combining grapheme joiner
        "\u061c\u200e\u200f\u202a-\u202e",  # bidi: marks, embeddings, overrides (the isolates follow)
        "\u115f\u1160\u3164\uffa0",  # Hangul fillers
        "\u17b4\u17b5",  # Khmer inherent vowels
        "\u180b-\u180f",  # Mongolian selectors and separator
        "\u200b\ufeff",  # zero width space, zero width no-break space
        "\u2028\u2029",  # line and paragraph separator
        "\u2060-\u206f",  # word joiner, invisible operators, bidi isolates, deprecated format characters
        "\ud800-\udfff",  # halves of surrogate pairs: no characters at all
        "\ufff0-\ufffb",  # unassigned and ignorable, interlinear annotations
        "\U0001bca0-\U0001bca3\U0001d173-\U0001d17a",  # controls of shorthand and of music
        "\U000e0000-\U000e0fff",  # tags, the other variation selectors, all else that is ignorable
    )
)
_UNSAFE = re.compile(f"[{_CONTROLS}{_INVISIBLE}]")
_PICTURES = {chr(code): chr(0x2400 + code) for code in range(0x20)} | {"\x7f": "\u2421"}


def visible(text: str) -> str:
    """Return text with a picture for each control character, and ``<U+202E>`` for what is invisible."""
    return text if text.isascii() and text.isprintable() else _UNSAFE.sub(_shown, text)


def escaped(json_text: str) -> str:
    r"""Return JSON that is the same to every parser, with ``\u202e`` for what no terminal should get.

    The separators of lines in Unicode are among that: JSON in one line stays one line to everybody.
    """
    return json_text if json_text.isascii() and json_text.isprintable() else _UNSAFE.sub(_escape, json_text)


def _shown(match: re.Match[str]) -> str:
    character = match.group()
    if character < "\x80":
        return _PICTURES[character]
    return "\ufffd" if character < "\xa0" else f"<U+{ord(character):04X}>"


def _escape(match: re.Match[str]) -> str:
    code = ord(match.group())
    if code > 0xFFFF:  # JSON writes it as its two UTF-16 halves
        code -= 0x10000
        return f"\\u{0xD800 + (code >> 10):04x}\\u{0xDC00 + (code & 0x3FF):04x}"
    return f"\\u{code:04x}"
