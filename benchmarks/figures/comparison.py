"""Figure of a comparison: the share of the possible gain that each policy earns."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..runner.results import table_of
from .style import BOUND, COLOURS, OPTIMUM, finish, legend_inside, new_figure, save

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["plot_comparison"]


@table_of("compare", "policy", "kind", "share")
def plot_comparison(table: pd.DataFrame, path: str | Path, title: str = "") -> None:
    """Plot the share of the possible gain that each policy earns, with the optimum and the Lagrangian bound."""
    policies = table[table["kind"] == "policy"].iloc[::-1]
    bounds = table[table["policy"] == "lagrangian bound"]["share"]
    figure = new_figure(8, 0.36 * len(policies) + 1.6)
    axes = figure.add_subplot()
    height = np.arange(len(policies))
    share = 100 * policies["share"].to_numpy()
    axes.barh(height, share, color=COLOURS[0], height=0.62)
    for y, x in zip(height, share, strict=True):
        inside = x > 12
        axes.annotate(
            f"{x:.1f}",
            (max(x, 0), y),
            xytext=(-4 if inside else 4, 0),
            textcoords="offset points",
            va="center",
            ha="right" if inside else "left",
            color="white" if inside else "black",
            fontsize=9,
        )
    axes.axvline(100, label="exact optimum", **OPTIMUM)
    if len(bounds) and np.isfinite(bounds.iloc[0]):
        axes.axvline(100 * bounds.iloc[0], label="Lagrangian bound", **BOUND)
    axes.set_yticks(height, list(policies["policy"]))
    axes.set_xlabel("share of the possible gain, %")
    axes.set_xlim(min(0, float(np.nanmin(share, initial=0)) - 5), max(105, 100 * float(bounds.max()) + 5))
    finish(axes, title, grid="x")
    legend_inside(axes, loc="upper center", bbox_to_anchor=(0.5, -0.16), ncols=2)
    save(figure, path)
