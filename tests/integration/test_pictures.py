"""The pictures of the README: drawn anew by their script, and those in the repository are such."""

from __future__ import annotations

import os
from xml.etree import ElementTree as ET

import pytest

from .pictures import PICTURES, drawn
from .support import ROOT

needs_terminal = pytest.mark.skipif(not hasattr(os, "openpty"), reason="there are no pseudo-terminals here")

EXPECTED = {
    "demo": {"connected", "price", "lost 0, repeated 0"},
    "command": {"connected to http://localhost:8000/builds", "finished", ": heartbeat", '"runner-7"'},
    "doctor": {"ok", "warning", "delivery", "What to change", "server"},
}


def texts(picture: str) -> str:
    """All that is written in a picture."""
    root = ET.fromstring(picture)
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    return "\n".join(root.itertext())


@needs_terminal
@pytest.mark.parametrize("name", PICTURES)
def test_each_picture_can_be_drawn(name: str) -> None:
    """The script makes an SVG of what a terminal gets, with what the picture is to show."""
    shown = texts(PICTURES[name]())
    assert all(words in shown for words in EXPECTED[name])
    assert "127.0.0.1" not in shown


@pytest.mark.parametrize("name", PICTURES)
def test_the_pictures_in_the_repository(name: str) -> None:
    """Each is one that the script has drawn, and small."""
    path = ROOT / ".github" / "images" / f"{name}.svg"
    shown = texts(path.read_text(encoding="utf-8"))
    assert all(words in shown for words in EXPECTED[name])
    assert path.stat().st_size < 20_000


def test_text_is_drawn_where_it_stands() -> None:
    """Columns and styles are kept, and nothing in the text is markup."""
    root = ET.fromstring(drawn("title", "a  \x1b[31;1m<b>\x1b[0m c\n"))
    pieces = {element.text: element.attrib for element in root.iter("{http://www.w3.org/2000/svg}text")}
    assert set(pieces) == {"title", "a", "<b>", "c"}
    assert pieces["<b>"]["fill"] == "#ff7b72"
    assert pieces["<b>"]["font-weight"] == "bold"
    columns = [float(pieces[text]["x"]) for text in ("a", "<b>", "c")]
    assert columns == pytest.approx([16, 16 + 3 * 8.4, 16 + 7 * 8.4], abs=0.06)
