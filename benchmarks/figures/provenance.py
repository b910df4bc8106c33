"""Figure of a label set's provenance."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..provenance.provenance import Provenance
from .style import COLOURS, REFERENCE, WIDTH, finish, legend_inside, new_figure, save

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["plot_provenance"]

# Largest numbers of bars of raters and of rows of agreement.
_RATERS, _ROWS = 15, 12


def plot_provenance(found: Provenance, path: str | Path, title: str = "") -> None:
    """Plot concentration of votes, raters whose removal flips most, fewest raters to flip a share, and agreement."""
    figure = new_figure(13, 9)
    lorenz, movers, few, agreed = figure.subplots(2, 2).reshape(-1)
    _concentration(lorenz, found)
    _movers(movers, found)
    _fewest(few, found)
    _agreement(agreed, found)
    save(figure, path, title)


def _concentration(axes: Axes, found: Provenance) -> None:
    votes = np.sort(found.raters["votes"].to_numpy())[::-1]
    share = np.concatenate(([0.0], np.cumsum(votes) / votes.sum()))
    x = np.linspace(0, 100, len(share))
    axes.plot(x, 100 * share, color=COLOURS[0], linewidth=WIDTH, label="votes")
    axes.plot([0, 100], [0, 100], linestyle="--", label="all raters alike", **REFERENCE)
    axes.set_xlabel("raters, most votes first, %")
    axes.set_xlim(0, 100)
    axes.set_ylim(0, 100)
    legend_inside(axes, loc="lower right")
    finish(axes, f"share of all votes, %    (Gini {found.concentration['gini']:.2f})")


def _movers(axes: Axes, found: Provenance) -> None:
    """Bars of the flipped weight without a rater, for the raters with the largest."""
    table = found.raters.assign(size=found.raters["mass_change"].abs())
    table = table.sort_values(["flipped_weight", "size"], ascending=False, kind="stable")[:_RATERS][::-1]
    suspected = table["removed"].isin(found.suspects).to_numpy()
    height = np.arange(len(table))
    for mask, colour, label in ((~suspected, COLOURS[0], "not suspected"), (suspected, COLOURS[1], "suspected")):
        if mask.any():
            share = 100 * table["flipped_weight"].to_numpy()[mask]
            axes.barh(height[mask], share, color=colour, height=0.62, label=label)
    axes.set_yticks(height, [_short(name) for name in table["removed"]])
    axes.set_xlabel("weight decided otherwise without the rater, %")
    if suspected.any():
        legend_inside(axes, loc="lower right")
    finish(axes, "one rater removed", grid="x")


def _fewest(axes: Axes, found: Provenance) -> None:
    """Bounds on the smallest number of raters for each share."""
    from matplotlib.ticker import MaxNLocator

    share = [100 * x.share for x in found.fewest]
    for values, colour, marker, label in (
        ([x.upper for x in found.fewest], COLOURS[1], "v", "enough (greedy)"),
        ([x.lower for x in found.fewest], COLOURS[0], "^", "at least needed"),
    ):
        y = [np.nan if value is None else value for value in values]
        axes.plot(share, y, color=colour, marker=marker, linewidth=WIDTH, label=label)
    axes.set_xlabel("weight to be decided otherwise, %")
    axes.set_xlim(left=0)
    axes.set_ylim(bottom=0)
    axes.yaxis.set_major_locator(MaxNLocator(integer=True))
    legend_inside(axes, loc="upper left")
    finish(axes, "raters to remove")


def _agreement(axes: Axes, found: Provenance) -> None:
    """Krippendorff's alpha with its intervals."""
    table = found.agreement[:_ROWS][::-1]
    height = np.arange(len(table))
    for y, (kind, alpha, low, high) in enumerate(
        zip(*(table[key] for key in ("kind", "alpha", "low", "high")), strict=True)
    ):
        colour = COLOURS[("all", "within", "between", "majorities").index(kind)]
        if np.isfinite(low):
            axes.plot([low, high], [y, y], color=colour, linewidth=WIDTH)
        axes.plot([alpha], [y], color=colour, marker="o", markersize=5)
    axes.set_yticks(height, [_short(name, 28) for name in table["scope"]])
    axes.set_ylim(-0.6, len(table) - 0.4)
    axes.axvline(0.0, **REFERENCE)
    axes.set_xlabel("Krippendorff's alpha, 95 % interval over items")
    finish(axes, "agreement", grid="none")


def _short(name: str, size: int = 18) -> str:
    return name if len(name) <= size else name[: size - 3] + "..."
