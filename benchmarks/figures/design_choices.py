"""Figures of comparative statics."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ...posteriors.foundation.arrays import Floats
from ..design_choices.largest_beta import LargestBeta
from ..runner.results import result_of
from .style import (
    BOUND,
    COLOURS,
    MARK,
    NO_LABELS,
    REFERENCE,
    WIDTH,
    doubling_scale,
    draw_band,
    finish,
    handles_of,
    legend_beside,
    legend_inside,
    new_figure,
    nth_look,
    save,
)

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.axes import Axes

__all__ = ["label_groups", "plot_break_even", "plot_protocols", "plot_share", "plot_vary"]

# Largest number of items shown one by one; more are shown in groups.
_MOST_ITEMS = 6
_GROUPS = 5
_CAPTIONS = {
    "beta": "beta",
    "temperature": "temperature of the log-ratios",
    "offset": "offset of the log-ratios",
    "noise": "noise of a label",
}


def label_groups(result: xr.Dataset) -> list[tuple[str, Floats]]:
    """Expected labels of each item, or means over groups of items in order of their log-ratios.

    Parameters
    ----------
    result : xarray.Dataset
        Log-ratios and expected labels of items, from ``vary``.

    Returns
    -------
    list of (name, labels), labels over the values
    """
    labels = result["labels"].values
    if labels.shape[1] <= _MOST_ITEMS:
        return [(str(name), labels[:, k]) for k, name in enumerate(result["item"].values)]
    c = result["log_ratio"].values
    groups = np.array_split(np.argsort(c, kind="stable"), _GROUPS)
    return [(f"c {c[g].min():.2g} to {c[g].max():.2g}", labels[:, g].mean(axis=1)) for g in groups]


@result_of("vary", "knob", "value", "labels", "gain")
def plot_vary(result: xr.Dataset, path: str | Path, title: str = "") -> None:
    """Plot the optimum with its bounds, the possible gain and expected labels against the design choice."""
    result = result.sortby("value")
    knob, x = result.attrs["knob"], result["value"].values
    figure = new_figure(15, 4.8)
    value, gain, labels = figure.subplots(1, 3)
    exact = bool((result["method"] == "exact").all())
    found = nth_look(0) | MARK
    lower, upper, error = (result[key].values for key in ("lower", "upper", "standard_error"))
    nothing = result["prior_value"].values
    if exact:
        value.plot(x, lower, label="optimum", **found)
        gain.plot(x, lower - nothing, label="optimum", **found)
    else:
        for axes, shift in ((value, 0.0), (gain, nothing)):
            axes.plot(x, upper - shift, label="upper bound", **BOUND | MARK)
            axes.plot(x, lower - shift, label=f"{result.attrs['policy']} ± 2 errors", **found)
            draw_band(axes, x, lower - shift - 2 * error, lower - shift + 2 * error, found["color"])
    value.plot(x, nothing, label="no labels", **NO_LABELS | MARK)
    for k, (name, bought) in enumerate(label_groups(result)):
        labels.plot(x, bought, label=name, **nth_look(k) | MARK)
    captions = (
        (value, "expected payoff"),
        (gain, "gain over no labels"),
        (labels, "expected labels of an item"),
    )
    for axes, caption in captions:
        _scale(axes, knob, x)
        finish(axes, caption)
    gain.set_ylim(bottom=0)
    labels.set_ylim(bottom=0)
    legend_inside(value)
    # Next to the panel, where no line crosses it.
    legend_inside(labels, loc="center left", bbox_to_anchor=(1.0, 0.5))
    save(figure, path, title)


def _scale(axes: Axes, knob: str, x: Floats) -> None:
    axes.set_xlabel(_CAPTIONS[knob])
    if knob in ("beta", "temperature") and len(x) > 1:
        doubling_scale(axes)


@result_of("protocols", "flip", "bought", "optimum", "winner")
def plot_protocols(result: xr.Dataset, path: str | Path, title: str = "") -> None:
    """Plot the gain of each protocol against budget."""
    figure = new_figure(8.5, 4.8)
    axes = figure.subplots()
    budget = result["budget"].values
    # If every whole budget is shown, no more labels are bought between two of them; else lines guide the eye.
    steps = bool(np.all(np.diff(budget) == 1.0))
    for k, name in enumerate(result["protocol"].values):
        row = result.isel(protocol=k)
        lower, upper = (row[key].values - row["prior_value"].values for key in ("lower", "upper"))
        look = nth_look(k) | MARK
        axes.plot(budget, lower, label=str(name), drawstyle="steps-post" if steps else None, clip_on=False, **look)
        if not (row["method"] == "exact").all():
            draw_band(axes, budget, lower, upper, look["color"], step="post" if steps else None)
    axes.set_xlabel("budget")
    axes.set_xlim(0, budget[-1])
    finish(axes, "gain over no labels")
    axes.set_ylim(bottom=0)
    legend_beside(figure, handles_of(axes))
    save(figure, path, title)


@result_of("break_even", "cost_ratio", "baseline")
def plot_break_even(result: xr.Dataset, path: str | Path, title: str = "") -> None:
    """Plot the break-even cost of a better label, in units of a worse one, against budget."""
    from matplotlib.ticker import MaxNLocator

    figure = new_figure(8.5, 4.8)
    axes = figure.subplots()
    for k, (flip, row) in enumerate(zip(result["flip"].values, result["cost_ratio"].values, strict=True)):
        axes.plot(
            result["budget"],
            # If no label is needed, the ratio is infinite and not shown.
            np.where(np.isfinite(row), row, np.nan),
            label=f"noise {flip:g}",
            **nth_look(k) | MARK,
        )
    axes.axhline(1.0, **REFERENCE)
    axes.set_xlabel(f"budget, in labels of noise {result.attrs['baseline']:g}")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    finish(axes, "break-even cost of a label, in labels of the baseline")
    axes.set_ylim(bottom=0)
    legend_beside(figure, handles_of(axes))
    save(figure, path, title)


def plot_share(beta: Floats, share: Floats, found: LargestBeta, path: str | Path, title: str = "") -> None:
    """Plot the learnable share of the weight against beta, the target, and the largest beta that reaches it."""
    figure = new_figure(7.5, 4.8)
    axes = figure.subplots()
    axes.plot(beta, 100 * share, color=COLOURS[0], linewidth=WIDTH, label="learnable")
    axes.axhline(100 * found.target, linestyle="--", label="target", **REFERENCE)
    if np.isfinite(found.limit):
        axes.axhline(100 * found.limit, linestyle=":", label="limit for large beta", **REFERENCE)
    if np.isfinite(found.value):
        axes.plot(
            [found.value],
            [100 * found.share],
            color=COLOURS[1],
            marker="o",
            linestyle="none",
            label=f"largest beta, {found.value:.4g}",
            clip_on=False,
            zorder=4,
        )
    axes.set_xlabel("beta")
    axes.set_xlim(0, float(beta[-1]))
    finish(axes, "share of the weight that is learnable, %")
    legend_beside(figure, handles_of(axes))
    save(figure, path, title)
