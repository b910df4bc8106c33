"""Figure of a replay: quality of decisions against votes bought."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..runner.results import result_of
from .style import draw_band, finish, handles_of, legend_beside, new_figure, nth_look, save

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["plot_replay"]


@result_of("replay", "decision_accuracy", "decisive_05", "override_error")
def plot_replay(result: xr.Dataset, path: str | Path, title: str = "") -> None:
    """Plot decision accuracy, decisive share and override error against labels bought, with standard errors."""
    panels = (
        ("decision_accuracy", "decided as the full pool decides"),
        ("decisive_05", "decisive at .05"),
        ("override_error", "error of the override mass"),
    )
    figure = new_figure(15, 5.2)
    all_axes = figure.subplots(1, len(panels))
    count = result.sizes["replication"]
    final = result["decision_accuracy"].isel(labels=-1).mean("replication")
    order = [str(result["policy"].values[k]) for k in np.argsort(-final.values, kind="stable")]
    for axes, (metric, caption) in zip(all_axes, panels, strict=True):
        for k, policy in enumerate(order):
            values = result[metric].sel(policy=policy)
            mean = values.mean("replication").values
            # Policies of adjacent rank may coincide, so solid lines alternate with dashes.
            look = nth_look(k, dashes=2)
            axes.plot(result["labels"], mean, label=policy, **look)
            if count > 1:
                error = values.std("replication", ddof=1).values / np.sqrt(count)
                draw_band(axes, result["labels"].values, mean - error, mean + error, look["color"])
        axes.set_xlabel("labels bought")
        finish(axes, caption)
        axes.set_ylim(bottom=None if metric == "decision_accuracy" else 0)
    legend_beside(figure, handles_of(all_axes[0]))
    save(figure, path, title)
