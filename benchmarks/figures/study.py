"""Figures of a study: the gain of every policy against the labels bought, and differences with their intervals."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..runner.results import table_of
from .style import MARK, REFERENCE, SMALL_DPI, draw_band, finish, handles_of, legend_beside, look_of, new_panels, save

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["plot_differences", "plot_study"]

# Panels of a figure; a study may have thousands of environments.
_MOST_PANELS, _ACROSS = 12, 4
_MOST_ROWS = 40


@table_of("study_table", "environment", "policy", "labels", "gain", "gain_se")
def plot_study(table: pd.DataFrame, path: str | Path, title: str = "") -> None:
    """Plot the share of the possible gain against labels, a panel for each of the first twelve environments."""
    names = list(dict.fromkeys(table["environment"]))[:_MOST_PANELS]
    policies = list(dict.fromkeys(table["policy"]))
    figure, panels = new_panels(len(names), _ACROSS, (3.6, 2.9), (2.2, 0.4))
    for axes, name in zip(panels, names, strict=True):
        part = table[table["environment"] == name]
        for policy in policies:
            own = part[part["policy"] == policy]
            if own.empty:
                continue
            x = np.array([0, *own["labels"]])
            y, wrong = (100.0 * np.array([0.0, *own[key]], dtype=float) for key in ("gain", "gain_se"))
            look = look_of(policy, policies)
            axes.plot(x, y, label=policy, **look, **(MARK if len(x) < 8 else {}))
            if np.isfinite(wrong).all():
                draw_band(axes, x, y - wrong, y + wrong, look["color"])
        axes.axhline(100.0, **REFERENCE)
        axes.set_xlim(left=0)
        axes.set_xlabel("labels")
        finish(axes, name)
        axes.title.set_fontsize(9)
    for axes in panels[::_ACROSS]:
        axes.set_ylabel("gain, %")
    legend_beside(figure, handles_of(*panels))
    save(figure, path, title, SMALL_DPI if len(names) > 4 else 150)


@table_of("study_differences", "environment", "policy", "mean", "low", "high")
def plot_differences(table: pd.DataFrame, path: str | Path, title: str = "") -> None:
    """Plot the first forty differences with their intervals, a row each."""
    rows = table.head(_MOST_ROWS)
    policies = list(dict.fromkeys(table["policy"]))
    figure, (axes,) = new_panels(1, 1, (7.0, 1.0 + 0.24 * len(rows)), (2.0, 0.4))
    for k, row in enumerate(rows.to_dict("records")):
        look = look_of(str(row["policy"]), policies)
        axes.plot([row["low"], row["high"]], [k, k], color=look["color"], linewidth=2.2)
        axes.plot([row["mean"]], [k], color=look["color"], marker="o", markersize=5)
    axes.axvline(0.0, **REFERENCE)
    axes.set_yticks(range(len(rows)), [f"{x} | {y}" for x, y in zip(rows["environment"], rows["policy"], strict=True)])
    axes.tick_params(axis="y", labelsize=8)
    axes.invert_yaxis()
    finish(axes, "mean paired difference, 95 % interval", grid="x")
    save(figure, path, title)
