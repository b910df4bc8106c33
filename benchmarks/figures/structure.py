"""Figure of diminishing returns: value of labels of an item, and its concave majorant."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ...dp.structure.report import Structure
from ...dp.structure.scope import slacks
from ...posteriors.foundation.messages import named
from ..comparison.structure_table import utility_label
from .style import COLOURS, finish, legend_beside, new_panels, save

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["plot_structure"]

# Marks of the items drawn, each in a different colour; no more items are drawn.
_MARKS = ("o", "s", "D", "v", "^", "P")
# Number of panels in a row.
_ACROSS = 3


def plot_structure(found: Sequence[Structure], path: str | Path) -> None:
    """Plot the expected gain of each item against labels, a panel for each utility, and mark where a gain first rises.

    Parameters
    ----------
    found : sequence of Structure
        Structures of one problem under some utilities. One item of each class of identical ones is drawn, at most six.
    path : str or Path
        PNG file to write.
    """
    from matplotlib.lines import Line2D

    figure, panels = new_panels(len(found), _ACROSS, (4.6, 3.9), (1.9, 0.3), h_pad=0.12)
    items = np.sort(found[0].curves.first)[: len(_MARKS)].tolist()
    for axes, one in zip(panels, found, strict=True):
        _draw_panel(axes, one, items)
    problem = found[0].problem
    lines = [
        Line2D(
            [],
            [],
            color=colour,
            marker=mark,
            markersize=4,
            label=f"{named(problem.name[i])}, t = {problem.threshold[i]:g}",
        )
        for colour, mark, i in zip(COLOURS, _MARKS, items, strict=False)
    ]
    lines.append(Line2D([], [], color="#555555", linestyle="--", linewidth=1, label="concave majorant"))
    lines.append(
        Line2D(
            [], [], color="black", marker="o", markersize=10, markerfacecolor="none", linestyle="", label="first rise"
        )
    )
    left = problem.size - len(items)
    title = f"{len(items)} of {problem.size} items" if left else None
    legend_beside(figure, lines, title)
    save(figure, path)


def _draw_panel(axes: Axes, found: Structure, items: Sequence[int]) -> None:
    from matplotlib.ticker import MaxNLocator

    curves, slack = found.curves, slacks(found.problem)
    for colour, mark, i in zip(COLOURS, _MARKS, items, strict=False):
        # If labels gain nothing, rounding alone would fill the panel.
        gain, bends = np.where(np.abs(curves.of(i)) > slack[i], curves.of(i), 0.0), curves.corner[int(curves.kind[i])]
        labels = np.arange(len(gain))
        small = 3.5 if len(gain) <= 60 else 0.0
        axes.plot(bends, gain[bends], color=colour, linestyle="--", linewidth=1, zorder=2)
        axes.plot(labels, gain, color=colour, marker=mark, markersize=small, linewidth=1.4, zorder=3)
        rise = int(found.first_rises[i])
        if rise:
            axes.plot(
                [rise],
                [gain[rise]],
                marker="o",
                markersize=11,
                markerfacecolor="none",
                markeredgecolor="black",
                zorder=4,
            )
    axes.set_xlabel("labels of the item")
    axes.set_ylabel("expected gain")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    finish(axes, utility_label(found.problem.utility))
