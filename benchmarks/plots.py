"""Figures. Drawn without a display and without touching matplotlib's global state."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr
    from matplotlib.axes import Axes

__all__ = ["plot_comparison", "plot_replay"]

# Colours that remain apart for colour-blind readers (Okabe and Ito 2008).
_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#999999")
# Neighbours in rank, which may coincide, differ in dashes, and dashes lie on top.
_DASHES = ("-", "--")


def plot_comparison(table: pd.DataFrame, path: str | Path, title: str = "") -> None:
    """Share of the possible gain that each policy earns, beside the optimum and the Lagrangian bound."""
    from matplotlib.figure import Figure

    policies = table[table["kind"] == "policy"].iloc[::-1]
    bounds = table[table["policy"] == "lagrangian bound"]["share"]
    figure = Figure(figsize=(8, 0.36 * len(policies) + 1.6), layout="constrained")
    axes = figure.add_subplot()
    height = np.arange(len(policies))
    share = 100 * policies["share"].to_numpy()
    axes.barh(height, share, color=_COLOURS[0], height=0.62)
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
    axes.axvline(100, color="black", linewidth=1, label="exact optimum")
    if len(bounds) and np.isfinite(bounds.iloc[0]):
        axes.axvline(100 * bounds.iloc[0], color=_COLOURS[1], linewidth=1, linestyle="--", label="Lagrangian bound")
    axes.set_yticks(height, list(policies["policy"]))
    axes.set_xlabel("share of the possible gain, %")
    axes.set_xlim(min(0, float(np.nanmin(share, initial=0)) - 5), max(105, 100 * float(bounds.max()) + 5))
    _finish(axes, title)
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.16), ncols=2, frameon=False, fontsize=9)
    figure.savefig(path, dpi=150)


def plot_replay(result: xr.Dataset, path: str | Path, title: str = "") -> None:
    """Decision accuracy, decisive share and override error against labels bought, with standard errors."""
    from matplotlib.figure import Figure

    panels = (
        ("decision_accuracy", "decided as the full pool decides"),
        ("decisive_05", "decisive at .05"),
        ("override_error", "error of the override mass"),
    )
    figure = Figure(figsize=(15, 5.2), layout="constrained")
    all_axes = figure.subplots(1, len(panels))
    count = result.sizes["replication"]
    final = result["decision_accuracy"].isel(labels=-1).mean("replication")
    order = [str(result["policy"].values[k]) for k in np.argsort(-final.values, kind="stable")]
    for axes, (metric, caption) in zip(all_axes, panels, strict=True):
        for k, policy in enumerate(order):
            # The colours begin again with the other dashes.
            dashes = (k + k // len(_COLOURS)) % len(_DASHES)
            values = result[metric].sel(policy=policy)
            mean = values.mean("replication").values
            style: dict[str, Any] = {
                "color": _COLOURS[k % len(_COLOURS)],
                "linestyle": _DASHES[dashes],
                "zorder": 2 + dashes,
            }
            axes.plot(result["labels"], mean, label=policy, linewidth=1.6, **style)
            if count > 1:
                error = values.std("replication", ddof=1).values / np.sqrt(count)
                axes.fill_between(
                    result["labels"], mean - error, mean + error, color=style["color"], alpha=0.18, linewidth=0
                )
        axes.set_xlabel("labels bought")
        _finish(axes, caption)
        axes.set_ylim(bottom=None if metric == "decision_accuracy" else 0)
    figure.legend(*all_axes[0].get_legend_handles_labels(), loc="outside right center", frameon=False)
    if title:
        figure.suptitle(title)
    figure.savefig(path, dpi=150)


def _finish(axes: Axes, title: str) -> None:
    axes.set_title(title, fontsize=11)
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="x" if axes.get_yticks().size and axes.patches else "y", alpha=0.25)
