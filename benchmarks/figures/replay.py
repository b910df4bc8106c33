"""Figure of a replay: how decisions improve with votes bought."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from .style import COLOURS, DASHES, finish

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["plot_replay"]


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
            dashes = (k + k // len(COLOURS)) % len(DASHES)
            values = result[metric].sel(policy=policy)
            mean = values.mean("replication").values
            style: dict[str, Any] = {
                "color": COLOURS[k % len(COLOURS)],
                "linestyle": DASHES[dashes],
                "zorder": 2 + dashes,
            }
            axes.plot(result["labels"], mean, label=policy, linewidth=1.6, **style)
            if count > 1:
                error = values.std("replication", ddof=1).values / np.sqrt(count)
                axes.fill_between(
                    result["labels"], mean - error, mean + error, color=style["color"], alpha=0.18, linewidth=0
                )
        axes.set_xlabel("labels bought")
        finish(axes, caption)
        axes.set_ylim(bottom=None if metric == "decision_accuracy" else 0)
    figure.legend(*all_axes[0].get_legend_handles_labels(), loc="outside right center", frameon=False)
    if title:
        figure.suptitle(title)
    figure.savefig(path, dpi=150)
