"""How events are shown: as data, JSON, for people; a part of their data; characters that no terminal should get."""

from __future__ import annotations

import io
import json
import sys
import unicodedata
from typing import Any, Optional

import pytest

from sse_client import MessageEvent
from sse_client.cli.characters import escaped, visible
from sse_client.cli.json_text import is_json
from sse_client.cli.terminal import Terminal
from sse_client.cli.views import View, make_view

ARRIVED = 1_700_000_000.123


class Screen(io.StringIO):
    """Memory that says it is a terminal."""

    def isatty(self) -> bool:
        return True


def view(name: str = "data", *, screen: bool = False, field: Optional[str] = None, **settings: Any) -> View:
    """A view to memory, without colours."""
    out = Terminal(Screen() if screen else io.StringIO(), color=False)
    path = None if field is None else field.split(".")
    return make_view(name, out, path=path, arrived=lambda: ARRIVED, **settings)


def shown(data: str, name: str = "data", **settings: Any) -> Optional[str]:
    """How one event with this data is shown."""
    return view(name, **settings).event(MessageEvent("price", data, "7", "https://example.com"))


# Data


def test_data_as_it_is() -> None:
    """The data, and a line end."""
    assert shown("a\n b") == "a\n b\n"
    assert shown("") == "\n"
    assert shown("\x1b[2J") == "\x1b[2J\n"
    assert shown("\x1b[2J", screen=True) == "␛[2J\n"
    assert view().comment(" hi") == ": hi\n"


def test_the_time_stands_before_each_line() -> None:
    """With --timestamps each line of the data has the moment of its arrival, in UTC."""
    time = "2023-11-14T22:13:20.123Z"
    assert shown("a\nb", timed=True) == f"{time} a\n{time} b\n"
    assert view(timed=True).comment(" hi") == f"{time} : hi\n"


# A part of it


@pytest.mark.parametrize(
    ("field", "expected"),
    [
        ("text", "some\ntext"),
        ("n", "1.10\n"),
        ("list", '[1, {"a": true}]\n'),
        ("list.0", "1\n"),
        ("list.-1.a", "true\n"),
        ("list.9", None),
        ("list.x", None),
        ("nothing", None),
        ("no.such", None),
        ("text.0", None),
        ("twice", "2\n"),
        ("0", "zero"),
    ],
)
def test_a_part_of_the_data(field: str, expected: Optional[str]) -> None:
    """Text is shown as it is, all else as a line of JSON, numbers as they were written; nothing where there is none."""
    data = r"""{"text": "some\ntext", "n": 1.10, "list": [1, {"a": true}], "nothing": null,
        "twice": 1, "twice": 2, "0": "zero"}"""
    assert shown(data, field=field) == expected


def test_data_that_is_no_json_has_no_parts() -> None:
    """What cannot be looked into is not shown, and is no error."""
    for data in ("[DONE]", "", "{", "NaN", "[" * 100_000):
        for name in ("data", "json", "pretty"):
            assert shown(data, name, field="a") is None


def test_pieces_of_text_follow_each_other() -> None:
    """Texts make one text; what is no text begins a line of its own; with times, so does each text."""
    pieces = view(field="t")
    given = ['{"t": "a "}', '{"t": "b"}', '{"t": 1}', '{"t": "c"}']
    assert [pieces.event(MessageEvent(data=data)) for data in given] == ["a ", "b", "\n1\n", "c"]
    assert pieces.comment("") == "\n:\n"
    assert shown(given[0], field="t", timed=True) == "2023-11-14T22:13:20.123Z a \n"


# JSON


def test_json_data_stays_json() -> None:
    """Data that is JSON is part of the object, digit for digit; other data is a string."""
    text = '{"type": "price", "data": %s, "last_event_id": "7", "origin": "https://example.com"}\n'
    for data in ('{"a": [1.10, 12345678901234567890123, "ü"]}', "5", "null", '"x"', "-0.0e5", " [1]\t"):
        assert shown(data, "json") == text % data
    assert shown('{"a":\n1}', "json") == text % '{"a": 1}'
    for data in ("[DONE]", "", "NaN", "-Infinity", "{", "\ufeff1", "01", "[" * 100_000, "nope", "x" * 10):
        assert shown(data, "json") == text % json.dumps(data, ensure_ascii=False).replace("\ufeff", "\\ufeff")
    huge = "9" * 10_000
    assert shown(huge, "json") == text % huge


def test_json_with_time_part_and_comment() -> None:
    """--timestamps adds the time; --field takes a part; a comment is an object of its own kind."""
    line = shown('{"a": {"b": null}}', "json", timed=True, field="a")
    assert line is not None
    assert json.loads(line)["data"] == {"b": None}
    assert json.loads(line)["time"] == "2023-11-14T22:13:20.123Z"
    assert shown('{"a": null}', "json", field="a") is not None
    assert json.loads(view("json").comment(" hi")) == {"comment": " hi"}


def test_json_is_one_line_to_everyone_and_safe_on_a_terminal() -> None:
    """Whatever the data, the JSON is one line by anybody's rules, holds nothing unsafe, and decodes to it."""
    data = "".join(map(chr, [*range(0x100), *range(0x2000, 0x2070), 0xFEFF, 0xE0041, 0x1F600]))
    for text in (data, json.dumps(data, ensure_ascii=False)):
        line = shown(text, "json")
        assert line is not None
        assert len(line.splitlines()) == 1
        assert visible(line.rstrip("\n")) == line.rstrip("\n")
        assert json.loads(line)["data"] == data


def test_what_is_json() -> None:
    """As jq and the standard (RFC 8259) have it, not as Python has."""
    assert all(map(is_json, ("0", "true", '"\\ud800"', " 1 ", "1e999", "{}")))
    assert not any(map(is_json, ("", "NaN", "Infinity", "'a'", "{1: 2}", '"\t"', "1 2", "+1", "\u00a01")))


# For people


def test_an_event_that_fits_is_one_line() -> None:
    """Time, type, ID and JSON stand in one line where there is room; the ID only where it has moved."""
    pretty = view("pretty", timed=True)
    first = pretty.event(MessageEvent("price", '{"a":[1.10,null]}', "7"))
    assert first == '2023-11-14T22:13:20.123Z  price  7  {"a": [1.10, null]}\n'
    assert pretty.event(MessageEvent("price", "[]", "7")) == "2023-11-14T22:13:20.123Z  price  []\n"
    assert pretty.event(MessageEvent("price", "", "")) == "2023-11-14T22:13:20.123Z  price\n"
    assert pretty.event(MessageEvent("a", "x", "")) == "2023-11-14T22:13:20.123Z  a  x\n"
    assert pretty.comment(" hi") == "2023-11-14T22:13:20.123Z  : hi\n"
    assert len(view("pretty").comment("").split()[0]) == len("22:13:20.123")


def test_json_that_does_not_fit_is_laid_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """Members get lines of their own, as far as they do not fit into one."""
    monkeypatch.setenv("COLUMNS", "40")
    data = json.dumps({"name": "Zürich", "values": [1, 2, 3], "more": {"text": "x" * 30, "empty": []}, "ok": True})
    text = shown(data, "pretty")
    assert text is not None
    assert text.split("\n", 1)[1] == (
        '  {\n    "name": "Zürich",\n    "values": [1, 2, 3],\n    "more": {\n      "text": "'
        + "x" * 30
        + '",\n      "empty": []\n    },\n    "ok": true\n  }\n'
    )
    assert json.loads(text.split("\n", 1)[1]) == json.loads(data)


def test_lines_of_text_are_indented() -> None:
    """Text of several lines stands under its head; what only looks like JSON is text."""
    text = shown("a\nb", "pretty")
    assert text is not None
    assert text.split("\n", 1)[1] == "  a\n  b\n"
    for data in ("[DONE]", "[" * 3000 + "]" * 3000, "{"):
        text = shown(data, "pretty")
        assert text is not None
        assert text.endswith(f"  {data}\n")


def test_colours_and_safety() -> None:
    """On a terminal names, texts and numbers have colours, and nothing that came from outside steers it."""
    out = Terminal(Screen(), environ={"TERM": "xterm"})
    pretty = make_view("pretty", out, arrived=lambda: ARRIVED)
    text = pretty.event(MessageEvent("\x1b[1m", '{"a\u202e": "\\u001b[2J", "b": 1}', "\x9b2J"))
    assert text is not None
    assert '\x1b[36m"a<U+202E>"\x1b[0m: \x1b[32m"\\u001b[2J"\x1b[0m' in text
    assert "\x1b[33m1\x1b[0m" in text
    plain = text
    for style in ("1", "2", "32", "33", "36"):
        plain = plain.replace(f"\x1b[{style}m", "").replace("\x1b[0m", "")
    assert visible(plain.rstrip("\n")) == plain.rstrip("\n")


@pytest.mark.parametrize("depth", [100, 900, 2000, 100_000])
@pytest.mark.parametrize(("opening", "closing", "field"), [("[", "]", "0"), ('{"a": ', "}", "a")])
def test_a_hostile_depth_ends_nothing(depth: int, opening: str, closing: str, field: str) -> None:
    """However deep the JSON of a server is nested, each view shows it, or has nothing to show."""
    data = opening * depth + "1" + closing * depth
    assert shown(data) == data + "\n"
    for name in ("data", "json", "pretty"):
        for path in (None, field, "no"):
            line = shown(data, name, field=path)
            assert line is None or "1" in line
    if depth <= 900:
        assert shown(data, field=field) == opening * (depth - 1) + "1" + closing * (depth - 1) + "\n"


# Characters


def test_what_is_invisible_is_shown() -> None:
    """No control and no format character of Unicode's reaches a terminal, but for those that words need."""
    visible_formats = {*range(0x600, 0x606), 0x6DD, 0x70F, 0x890, 0x891, 0x8E2, 0x110BD, 0x110CD}
    of_words = {0x200C, 0x200D}
    others = {*range(0x13430, 0x13440)}  # they arrange hieroglyphs
    for code in range(sys.maxunicode + 1):
        category = unicodedata.category(chr(code))
        unsafe = category in ("Cc", "Cf", "Cs", "Zl", "Zp") and chr(code) not in "\n\t"
        if unsafe and code not in visible_formats | of_words | others:
            assert visible(chr(code)) != chr(code), hex(code)
    for code in (0x34F, 0x115F, 0x1160, 0x17B4, 0x3164, 0xFFA0, 0xE0100, 0xE01EF, 0xE0041):
        assert visible(f"a{chr(code)}b") == f"a<U+{code:04X}>b"


@pytest.mark.parametrize(
    "text",
    [
        "Grüße, 東京 ~ \u00a0",
        "😀❤\ufe0f👩\u200d💻",
        "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645",  # Persian, with a joiner
        "नमस्ते",
        "한글 ﾊﾟ",
    ],
)
def test_words_stay_as_they_are(text: str) -> None:
    """Texts of all scripts are shown as they are, emoji made of several too."""
    assert visible(text) == escaped(text) == text


def test_escapes_mean_the_same() -> None:
    """What is escaped in JSON decodes to what it was, beyond the basic plane too."""
    text = json.dumps("\u202e\U000e0041\x7f\x9f\u2028x", ensure_ascii=False)
    assert escaped(text) == '"\\u202e\\udb40\\udc41\\u007f\\u009f\\u2028x"'
    assert json.loads(escaped(text)) == json.loads(text)
