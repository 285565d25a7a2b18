"""The ratios of the benchmarks as a chart, SVG or PNG by the suffix of the file.

Rules of this file: it draws and measures nothing, and it alone imports matplotlib.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from .report import Ratio, machine

__all__ = ["chart", "draw"]

# What stands over each part, and where its axes end: there in every chart, so that two charts can be compared.
PARTS = {
    "parsing": (
        "Parsing: how many times as fast as the fastest peer that gives the right events. Longer is better.",
        5.0,
    ),
    "end to end": (
        "Over HTTP: CPU per event of sse_client, as a multiple of what each client takes. Shorter is better.",
        1.5,
    ),
    "live": (
        "Live, each event alone: CPU per event, as a multiple of what each client takes. Shorter is better.",
        2.5,
    ),
    "latency": ("From send to event: the median, as a multiple of a bare urllib3 loop's. Shorter is better.", 2.0),
}
MET, NOT_MET, NO_BAR = "#0072b2", "#d55e00", "#a6a6a6"  # the colour-blind can tell them apart
KEY = [
    Patch(color=MET, label="bar met"),
    Patch(color=NOT_MET, label="bar not met"),
    Patch(color=NO_BAR, label="no bar set"),
    Line2D([], [], color="black", linestyle="", marker="|", markersize=11, markeredgewidth=2.5, label="the bar"),
    Line2D([], [], color="black", linestyle="--", linewidth=0.8, label="1.0: no difference"),
]
CAPTION = (
    "Medians, measured in turns. An arrow: more than the axis holds. A dash: not measured, or does not count there."
)


def draw(ratios: Sequence[Ratio], path: Path) -> None:
    """Write the chart of the ratios to a file."""
    with rc_context({"font.size": 8, "svg.fonttype": "none"}):  # text stays text
        chart(ratios).savefig(path, dpi=150)


def chart(ratios: Sequence[Ratio]) -> Figure:
    """Return the chart: for each part a row of panels that share their rows and their axis."""
    parts = {part: its for part in PARTS if (its := [ratio for ratio in ratios if ratio.part == part])}
    rows = {part: list(dict.fromkeys(ratio.label for ratio in its)) for part, its in parts.items()}
    heights = [0.9 + 0.24 * len(labels) for labels in rows.values()]
    figure = Figure(figsize=(12, 0.8 + sum(heights)), layout=ConstrainedLayoutEngine(wspace=0.06))
    figure.suptitle("sse_client next to its peers", x=0.01, ha="left", fontsize=13, fontweight="bold")
    figure.legend(handles=KEY, loc="outside upper right", ncols=len(KEY), frameon=False)
    figure.supxlabel(f"{machine()}. {CAPTION}", x=0.01, ha="left", fontsize=8)
    for subfigure, part in zip(figure.subfigures(len(parts), 1, squeeze=False, height_ratios=heights).flat, parts):
        title, end = PARTS[part]
        subfigure.suptitle(title, x=0.01, ha="left", fontsize=9, fontweight="bold")
        panels = list(dict.fromkeys(ratio.panel for ratio in parts[part]))
        for axes, panel in zip(subfigure.subplots(1, len(panels), squeeze=False, sharey=True).flat, panels):
            axes.set_title(panel, fontsize=8)
            _panel(axes, rows[part], {ratio.label: ratio for ratio in parts[part] if ratio.panel == panel}, end)
    return figure


def _panel(axes: Axes, rows: Sequence[str], ratios: dict[str, Ratio], end: float) -> None:
    axes.set_xlim(0, end)
    axes.set_yticks(range(len(rows)), rows)
    axes.set_ylim(len(rows) - 0.5, -0.5)  # the first on top
    axes.tick_params(axis="y", length=0)
    axes.spines[["top", "right"]].set_visible(False)
    axes.axvline(1.0, color="black", linestyle="--", linewidth=0.8)
    for row, label in enumerate(rows):
        ratio = ratios.get(label)
        figure = "-"
        if ratio is not None:
            colour = NO_BAR if ratio.bar is None else MET if ratio.met else NOT_MET
            axes.barh(row, min(ratio.value, end), height=0.7, color=colour)
            if ratio.bar is not None:
                axes.vlines(ratio.bar, row - 0.45, row + 0.45, color="black", linewidth=2.5)
            figure = f"{ratio.value:.2f}" if ratio.value <= end else f"→ {ratio.value:.1f}"
        axes.text(1.02, row, figure, va="center", transform=axes.get_yaxis_transform())
