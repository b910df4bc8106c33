"""Figures of comparative statics. Drawn without a display and without touching matplotlib's global state."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ...posteriors.foundation.arrays import Floats
from ..design_choices.largest_beta import LargestBeta
from .style import COLOURS, finish

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.axes import Axes

__all__ = ["label_groups", "plot_break_even", "plot_protocols", "plot_share", "plot_vary"]

# Items that are shown one by one; more are shown in groups.
_MOST_ITEMS = 6
_GROUPS = 5
_DASHES = ("-", "--", "-.", ":")
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
        From ``vary``.

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


def plot_vary(result: xr.Dataset, path: str | Path, title: str = "") -> None:
    """Optimum between no labels and the bound, the possible gain, and expected labels, against what was varied."""
    from matplotlib.figure import Figure

    result = result.sortby("value")
    knob, x = result.attrs["knob"], result["value"].values
    figure = Figure(figsize=(15, 4.8), layout="constrained")
    value, gain, labels = figure.subplots(1, 3)
    exact = bool((result["method"] == "exact").all())
    look: dict[str, Any] = {"marker": "o", "markersize": 3.5, "linewidth": 1.6}
    lower, upper, error = (result[key].values for key in ("lower", "upper", "standard_error"))
    nothing = result["prior_value"].values
    if exact:
        value.plot(x, lower, color=COLOURS[0], label="optimum", **look)
        gain.plot(x, lower - nothing, color=COLOURS[0], label="optimum", **look)
    else:
        for axes, shift in ((value, 0.0), (gain, nothing)):
            axes.plot(x, upper - shift, color="black", linestyle=":", label="upper bound", **look)
            axes.plot(x, lower - shift, color=COLOURS[0], label=f"{result.attrs['policy']} ± 2 errors", **look)
            axes.fill_between(
                x,
                lower - shift - 2 * error,
                lower - shift + 2 * error,
                color=COLOURS[0],
                alpha=0.25,
                linewidth=0,
            )
    value.plot(x, nothing, color="#777777", label="no labels", **look)
    for k, (name, bought) in enumerate(label_groups(result)):
        labels.plot(x, bought, color=COLOURS[k], linestyle=_DASHES[k % len(_DASHES)], label=name, **look)
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
    value.legend(frameon=False, fontsize=9)
    # Beside the panel, where no line can run through it.
    labels.legend(frameon=False, fontsize=9, loc="center left", bbox_to_anchor=(1.0, 0.5))
    if title:
        figure.suptitle(title)
    figure.savefig(path, dpi=150)


def _scale(axes: Axes, knob: str, x: Floats) -> None:
    from matplotlib.ticker import FuncFormatter, NullFormatter

    axes.set_xlabel(_CAPTIONS[knob])
    if knob in ("beta", "temperature") and len(x) > 1:
        axes.set_xscale("log", base=2)
        axes.xaxis.set_major_formatter(FuncFormatter(lambda at, _: f"{at:g}"))
        axes.xaxis.set_minor_formatter(NullFormatter())


def plot_protocols(result: xr.Dataset, path: str | Path, title: str = "") -> None:
    """Gain of each protocol against budget."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8.5, 4.8), layout="constrained")
    axes = figure.subplots()
    budget = result["budget"].values
    # Where every whole budget is there, nothing more is bought between two of them; else lines guide the eye.
    steps = bool(np.all(np.diff(budget) == 1.0))
    for k, name in enumerate(result["protocol"].values):
        row = result.isel(protocol=k)
        color, dashes = COLOURS[k % len(COLOURS)], _DASHES[(k // len(COLOURS) + k) % len(_DASHES)]
        lower, upper = (row[key].values - row["prior_value"].values for key in ("lower", "upper"))
        look: dict[str, Any] = {"color": color, "linestyle": dashes, "marker": "o", "markersize": 3.5, "linewidth": 1.6}
        axes.plot(budget, lower, label=str(name), drawstyle="steps-post" if steps else None, clip_on=False, **look)
        if not (row["method"] == "exact").all():
            band: dict[str, Any] = {"step": "post"} if steps else {}
            axes.fill_between(budget, lower, upper, color=color, alpha=0.18, linewidth=0, **band)
    axes.set_xlabel("budget")
    axes.set_xlim(0, budget[-1])
    finish(axes, "gain over no labels")
    axes.set_ylim(bottom=0)
    figure.legend(*axes.get_legend_handles_labels(), loc="outside right center", frameon=False)
    if title:
        figure.suptitle(title)
    figure.savefig(path, dpi=150)


def plot_break_even(result: xr.Dataset, path: str | Path, title: str = "") -> None:
    """Largest cost of a better label, in units of a worse one, at which it is worth it."""
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    figure = Figure(figsize=(8.5, 4.8), layout="constrained")
    axes = figure.subplots()
    for k, (flip, row) in enumerate(zip(result["flip"].values, result["cost_ratio"].values, strict=True)):
        axes.plot(
            result["budget"],
            # Where no label is needed the ratio has no end, and no place in a figure.
            np.where(np.isfinite(row), row, np.nan),
            color=COLOURS[k % len(COLOURS)],
            linestyle=_DASHES[k % len(_DASHES)],
            marker="o",
            markersize=3.5,
            linewidth=1.6,
            label=f"noise {flip:g}",
        )
    axes.axhline(1.0, color="#777777", linewidth=1)
    axes.set_xlabel(f"budget, in labels of noise {result.attrs['baseline']:g}")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    finish(axes, "break-even cost of a label, in labels of the baseline")
    axes.set_ylim(bottom=0)
    figure.legend(*axes.get_legend_handles_labels(), loc="outside right center", frameon=False)
    if title:
        figure.suptitle(title)
    figure.savefig(path, dpi=150)


def plot_share(beta: Floats, share: Floats, found: LargestBeta, path: str | Path, title: str = "") -> None:
    """Share of the weight that is learnable against beta, the target, and the largest beta that reaches it."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7.5, 4.8), layout="constrained")
    axes = figure.subplots()
    axes.plot(beta, 100 * share, color=COLOURS[0], linewidth=1.6, label="learnable")
    axes.axhline(100 * found.target, color="#777777", linewidth=1, linestyle="--", label="target")
    if np.isfinite(found.limit):
        axes.axhline(100 * found.limit, color="#777777", linewidth=1, linestyle=":", label="limit for large beta")
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
    figure.legend(*axes.get_legend_handles_labels(), loc="outside right center", frameon=False)
    if title:
        figure.suptitle(title)
    figure.savefig(path, dpi=150)
