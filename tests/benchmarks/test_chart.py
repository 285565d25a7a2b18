from __future__ import annotations

import importlib
import platform
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from xml.etree import ElementTree as ET

import pytest

import sse_client

from .report import Report

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")  # matplotlib uses old names of pyparsing's

ROOT = Path(sse_client.__file__).parent.parent


@pytest.fixture(scope="module")
def chart(report: Report, tmp_path_factory: pytest.TempPathFactory) -> ModuleType:
    pytest.importorskip("matplotlib", reason="needs the package matplotlib")
    module = importlib.import_module("tests.benchmarks.chart")
    module.draw(report.ratios, tmp_path_factory.mktemp("chart") / "first.png")  # from here on it keeps its fonts open
    return module


@pytest.fixture(scope="module")
def report() -> Report:
    """One made-up result of each sort: a bar met, a bar missed, none set; one beyond the axis, one not there."""
    made_up = Report()
    made_up.compare("parsing", "chunks of 64 KiB", "ticks: one data line", 2.53, least=2.2)
    made_up.compare("parsing", "chunks of 64 KiB", "huge: one long line", 1.38, least=1.4)
    made_up.compare("parsing", "chunks of 64 B", "ticks: one data line", 0.75, least=1.0)
    made_up.compare("end to end", "gzip", "a <peer> & more", 0.41, most=0.5)
    made_up.compare("live", "chunked, over TLS", "a peer", 1.27)
    made_up.compare("latency", "chunked", "a peer that holds back", 820.4)
    return made_up


def test_the_report_keeps_what_is_drawn() -> None:
    """A ratio is kept for the chart with or without a bar; only one with a bar counts among the bars."""
    report = Report()
    assert report.compare("latency", "gzip", "a peer", 1.3) == ""
    assert report.compare("latency", "gzip", "sse_client", 1.2, most=1.1) == "NOT MET (at most 1.1)"
    assert [(ratio.value, ratio.bar, ratio.met) for ratio in report.ratios] == [(1.3, None, True), (1.2, 1.1, False)]
    assert report.bars == [("latency, gzip, sse_client: 1.2, at most 1.1", False)]


def test_an_svg_says_everything_in_words(chart: ModuleType, report: Report, tmp_path: Path) -> None:
    """The SVG has the parts, panels, labels and figures as text, and the version of the interpreter."""
    path = tmp_path / "chart.svg"
    chart.draw(report.ratios, path)
    root = ET.fromstring(path.read_bytes())
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    texts = {"".join(text.itertext()).strip() for text in root.iter("{http://www.w3.org/2000/svg}text")}
    expected = {title for title, _ in chart.PARTS.values()} | {line.get_label() for line in chart.KEY}
    expected |= {ratio.label for ratio in report.ratios} | {ratio.panel for ratio in report.ratios}
    expected |= {"2.53", "1.38", "0.75", "0.41", "1.27", "→ 820.4", "-"}
    assert expected - texts == set()
    assert any(platform.python_version() in text for text in texts)


def test_a_png_is_drawn_too(chart: ModuleType, report: Report, tmp_path: Path) -> None:
    """The suffix says what is written."""
    path = tmp_path / "chart.png"
    chart.draw(report.ratios, path)
    assert path.read_bytes().startswith(b"\x89PNG")


def test_lengths_are_honest(chart: ModuleType, report: Report) -> None:
    """Every axis starts at 0, ends where the others of its part do, and has its lengths to scale, and a line at 1."""
    figure = chart.chart(report.ratios)
    drawn = {axes.get_title(): axes for axes in figure.get_axes()}
    assert {axes.get_xlim()[0] for axes in drawn.values()} == {0}
    assert drawn["chunks of 64 KiB"].get_xlim() == drawn["chunks of 64 B"].get_xlim()
    for title, axes in drawn.items():
        ratios = [ratio for ratio in report.ratios if ratio.panel == title]
        end = axes.get_xlim()[1]
        lengths = [(0, min(ratio.value, end)) for ratio in ratios]
        assert [(patch.get_x(), patch.get_width()) for patch in axes.patches] == lengths
        bars = [segment[0][0] for lines in axes.collections for segment in lines.get_segments()]
        assert bars == [ratio.bar for ratio in ratios if ratio.bar is not None]
        assert [list(line.get_xdata()) for line in axes.lines] == [[1.0, 1.0]]


@pytest.mark.parametrize(
    ("before", "file", "words"),
    [
        ("import sys; sys.modules['matplotlib'] = None", "chart.svg", "pip install '.[bench]'"),
        ("", "chart.pdf", "ends neither in .svg nor in .png"),
    ],
)
def test_what_cannot_be_drawn_is_said_before_the_measuring(before: str, file: str, words: str, tmp_path: Path) -> None:
    """Without matplotlib, or with another suffix, the command ends at once with a plain message."""
    code = f"{before}\nimport runpy; runpy.run_module('tests.benchmarks', run_name='__main__', alter_sys=True)"
    command = [sys.executable, "-c", code, "--chart", str(tmp_path / file)]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=30, check=False)
    assert (result.returncode, result.stdout) == (2, "")
    assert words in result.stderr
    assert "Traceback" not in result.stderr
