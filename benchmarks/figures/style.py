"""Common style of all figures: creation and saving, colours and dashes, bands, reference lines and legends.

Figures need no display and do not change matplotlib's global state.
"""

from __future__ import annotations

import io
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from ...dp.machine.files import write_whole
from ...posteriors.foundation.messages import cut, printable

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.ticker import Formatter

    from ...posteriors.foundation.arrays import Floats

__all__ = [
    "BOUND",
    "COLOURS",
    "GREY",
    "MARK",
    "NO_LABELS",
    "OPTIMUM",
    "REFERENCE",
    "SMALL_DPI",
    "WIDTH",
    "doubling_scale",
    "draw_band",
    "finish",
    "handles_of",
    "legend_beside",
    "legend_inside",
    "look_of",
    "new_figure",
    "new_panels",
    "nth_look",
    "save",
]

# Colours that colour-blind readers can tell apart (Okabe and Ito 2008).
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#999999")
GREY = "#777777"
# Width of a curve; reference lines are thinner.
WIDTH = 1.6
# Markers of the computed points of a curve, if they are few.
MARK: dict[str, Any] = {"marker": "o", "markersize": 3.5}
BOUND: dict[str, Any] = {"color": "black", "linestyle": ":", "linewidth": 1.4, "zorder": 4}
OPTIMUM: dict[str, Any] = {"color": "black", "linestyle": "-", "linewidth": 1.2, "zorder": 2}
NO_LABELS: dict[str, Any] = {"color": GREY, "linestyle": "-", "linewidth": 1.0, "zorder": 2}
# Reference lines, at a target or at no change.
REFERENCE: dict[str, Any] = {"color": GREY, "linewidth": 1.0}
# Longest lines of text, and largest number of lines in a text.
_LONGEST_TITLE, _LONGEST_LABEL, _LONGEST_TICK = 120, 60, 40
_MOST_LINES = 5
# Resolution of figures with many panels.
SMALL_DPI = 110

_LINES = ("-", "--", "-.", ":")
# Policies in order of their colours and dashes, the same in every figure of values against budget: rows of six colours,
# each row with its own dashes. Black and grey are reserved for optimum and bounds.
_LOOKS: tuple[Any, ...] = (*_LINES, (0, (6, 1, 1, 1, 1, 1)), (0, (9, 3)))
_POLICIES = (
    *("gittins", "whittle", "lagrangian", "kg-star", "variance-reduction", "optimistic-kg"),
    *("kg", "lsa", "apt", "audit-index", "round-robin", "uniform"),
    *("uncertainty", "linear-gain", "high-logratio", "exact", "rollout", "lookahead"),
    *("tree-search", "thompson", "top-two", "epsilon-audit", "softmax-audit"),
)


def look_of(name: str, policies: list[str]) -> dict[str, Any]:
    """Colour and dashes of a policy: fixed if it is built in, else the unused ones in order of names."""
    others = sorted(set(policies) - set(_POLICIES))
    k = _POLICIES.index(name) if name in _POLICIES else len(_POLICIES) + others.index(name)
    row, column = divmod(k, 6)
    return {
        # Shifted from the third row on, so that dashes and dots of one colour are far apart.
        "color": COLOURS[(column + 3 * (row // 2)) % 6],
        "linestyle": _LOOKS[row % len(_LOOKS)],
        "linewidth": WIDTH,
        "zorder": 3 + 0.1 * (row % len(_LOOKS)),
    }


def nth_look(k: int, dashes: int = len(_LINES)) -> dict[str, Any]:
    """Colour and dashes of curve ``k`` of a figure, from 0: successive curves differ in both, and dashes lie on top."""
    # The colours repeat with other dashes.
    line = (k + k // len(COLOURS)) % dashes
    return {
        "color": COLOURS[k % len(COLOURS)],
        "linestyle": _LINES[line],
        "linewidth": WIDTH,
        "zorder": 2 + 0.1 * line,
    }


def new_figure(width: float, height: float, **padding: float) -> Figure:
    """Figure of a size in inches with automatic layout and ``padding`` between its parts."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height))
    figure.set_layout_engine("constrained", **padding)
    return figure


def new_panels(
    count: int, across: int, panel: tuple[float, float], margin: tuple[float, float], **padding: float
) -> tuple[Figure, list[Axes]]:
    """Figure of ``count`` panels, ``across`` of them in a row, and their axes; sizes are (width, height) in inches."""
    columns = min(across, count)
    rows = -(-count // columns)
    figure = new_figure(panel[0] * columns + margin[0], panel[1] * rows + margin[1], **padding)
    every: list[Axes] = figure.subplots(rows, columns, squeeze=False).ravel().tolist()
    for axes in every[count:]:
        axes.set_axis_off()
    return figure, every[:count]


def save(figure: Figure, path: str | Path, title: str = "", dpi: int = 150) -> None:
    """Write a figure, with its title if there is one, in the format of the path's ending."""
    if title:
        figure.suptitle(title)
    _make_literal(figure)
    content = io.BytesIO()
    figure.savefig(content, format=Path(path).suffix[1:] or "png", dpi=dpi)
    write_whole(path, content.getvalue())


def _make_literal(figure: Figure) -> None:
    """Have every text drawn as it is: names are no mathematics, whatever dollar signs they hold, and not of any length.

    matplotlib takes what stands between two dollar signs for a formula, and stops at one that it cannot read.
    """
    from matplotlib.legend import Legend
    from matplotlib.text import Text
    from matplotlib.ticker import FixedFormatter, FuncFormatter

    for text in figure.findobj(Text):
        text.set_text(_literal(text.get_text(), _LONGEST_TITLE))
    for legend in figure.findobj(Legend):
        for text in legend.get_texts():
            text.set_text(_literal(text.get_text(), _LONGEST_LABEL))
    for axes in figure.axes:
        for axis in (axes.xaxis, axes.yaxis):
            formatter = axis.get_major_formatter()
            if isinstance(formatter, (FixedFormatter, FuncFormatter)):
                axis.set_major_formatter(_literally(formatter))


def _literally(formatter: Formatter) -> Formatter:
    from matplotlib.ticker import FuncFormatter

    return FuncFormatter(lambda at, place: _literal(formatter(at, place), _LONGEST_TICK))


def _literal(text: str, most: int) -> str:
    lines = [cut(printable(line), most) for line in text.split("\n")]
    # A dollar sign that is escaped already, in a text that is saved a second time, stays as it is.
    return re.sub(r"(?<!\\)\$", r"\$", "\n".join(lines[:_MOST_LINES]))


def finish(axes: Axes, title: str, grid: Literal["x", "y", "none"] = "y") -> None:
    """Give axes a title and a light grid in one direction, and remove the frame above and on the right."""
    axes.set_title(title, fontsize=11)
    axes.spines[["top", "right"]].set_visible(False)
    if grid != "none":
        axes.grid(axis=grid, alpha=0.25)


def doubling_scale(axes: Axes) -> None:
    """Make the horizontal axis logarithmic, with plain numbers at powers of two."""
    from matplotlib.ticker import FuncFormatter, NullFormatter

    axes.set_xscale("log", base=2)
    axes.xaxis.set_major_formatter(FuncFormatter(lambda at, _: f"{at:g}"))
    axes.xaxis.set_minor_formatter(NullFormatter())


def draw_band(
    axes: Axes, x: Floats, low: Floats, high: Floats, colour: str, step: Literal["post"] | None = None
) -> None:
    """Shade the band between two curves, in a pale tone of its curve's colour."""
    axes.fill_between(x, low, high, color=colour, alpha=0.18, linewidth=0, step=step)


def handles_of(*panels: Axes) -> list[Artist]:
    """Labelled curves of some panels, one for each label."""
    shown: dict[str, Artist] = {}
    for axes in panels:
        for handle, name in zip(*axes.get_legend_handles_labels(), strict=True):
            shown.setdefault(name, handle)
    return list(shown.values())


def legend_beside(figure: Figure, handles: Sequence[Artist], title: str | None = None) -> None:
    """Legend of a whole figure, to the right of its panels."""
    figure.legend(handles=list(handles), loc="outside right center", frameon=False, title=title)


def legend_inside(axes: Axes, **place: Any) -> None:
    """Legend of one panel, at ``place`` or in the emptiest corner."""
    axes.legend(frameon=False, fontsize=9, **place)
