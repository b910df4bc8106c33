"""Figures. Drawn without a display and without touching matplotlib's global state."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr
    from matplotlib.axes import Axes

__all__ = ["plot_comparison", "plot_curve", "plot_replay"]

# Colours that remain apart for colour-blind readers (Okabe and Ito 2008).
_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#999999")
# Neighbours in rank, which may coincide, differ in dashes, and dashes lie on top.
_DASHES = ("-", "--")
# Policies in order of their looks, which they keep in every figure of values against budget: rows of six colours, each
# row with its own dashes. Black and grey are left for what no policy earns.
_LOOKS: tuple[Any, ...] = ("-", "--", "-.", ":", (0, (6, 1, 1, 1, 1, 1)), (0, (9, 3)))
_POLICIES = (
    *("gittins", "whittle", "lagrangian", "kg-star", "variance-reduction", "optimistic-kg"),
    *("kg", "lsa", "apt", "audit-index", "round-robin", "uniform"),
    *("uncertainty", "linear-gain", "high-logratio", "exact", "rollout", "lookahead"),
    *("tree-search", "thompson", "top-two", "epsilon-audit", "softmax-audit"),
)


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


def plot_curve(table: pd.DataFrame, path: str | Path, title: str = "") -> None:
    """Value against budget between no labels and the bound, and as a share of the possible gain."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(13, 5.6), layout="constrained")
    left, right = figure.subplots(1, 2)
    value, share = (table.pivot(index="budget", columns="policy", values=key) for key in ("value", "share"))
    error = table.pivot(index="budget", columns="policy", values="standard_error")
    policies = list(dict.fromkeys(table[table["kind"] == "policy"]["policy"]))
    budget = value.index.to_numpy()
    # What one unit of payoff is in percent of the possible gain; there is none without a budget.
    unit = 100.0 / (value["lagrangian bound"] - value["no labels"]).where(share["lagrangian bound"].notna()).to_numpy()
    lines: list[tuple[str, dict[str, Any]]] = [
        ("lagrangian bound", {"color": "black", "linestyle": ":", "linewidth": 1.4, "zorder": 4}),
        ("optimum", {"color": "black", "linestyle": "-", "linewidth": 1.2, "zorder": 2}),
        *((name, _look(name, policies)) for name in policies),
        ("no labels", {"color": "#777777", "linestyle": "-", "linewidth": 1.0, "zorder": 2}),
    ]
    for name, look in lines:
        if name not in value:
            continue
        shown = name.replace("lagrangian bound", "Lagrangian bound").replace("optimum", "exact optimum")
        left.plot(budget, value[name], label=shown, **look)
        right.plot(budget, 100.0 * share[name], label=shown, **look)
        wrong = error[name].to_numpy()
        if name in policies and np.isfinite(wrong).all():
            middle = value[name].to_numpy()
            band = {"color": look["color"], "alpha": 0.18, "linewidth": 0}
            left.fill_between(budget, middle - wrong, middle + wrong, **band)
            middle, wrong = 100.0 * share[name].to_numpy(), unit * wrong
            right.fill_between(budget, middle - wrong, middle + wrong, **band)
    for axes, caption in ((left, "expected payoff"), (right, "share of the possible gain, %")):
        axes.set_xlabel("budget")
        axes.set_xlim(0, budget[-1])
        _finish(axes, caption)
    # Chance carries simulated values above the bound where replications are few.
    right.set_ylim(top=max(104.0, right.get_ylim()[1]))
    figure.legend(*left.get_legend_handles_labels(), loc="outside right center", frameon=False)
    if title:
        figure.suptitle(title)
    figure.savefig(path, dpi=150)


def _look(name: str, policies: list[str]) -> dict[str, Any]:
    """Colour and dashes of a policy: its own where it is built in, else those that are left, in order of names."""
    others = sorted(set(policies) - set(_POLICIES))
    k = _POLICIES.index(name) if name in _POLICIES else len(_POLICIES) + others.index(name)
    row, column = divmod(k, 6)
    return {
        # Shifted from the third row on, so that dashes and dots of one colour are far from neighbours.
        "color": _COLOURS[(column + 3 * (row // 2)) % 6],
        "linestyle": _LOOKS[row % len(_LOOKS)],
        "linewidth": 1.6,
        "zorder": 3 + 0.1 * (row % len(_LOOKS)),
    }


def _finish(axes: Axes, title: str) -> None:
    axes.set_title(title, fontsize=11)
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="x" if axes.get_yticks().size and axes.patches else "y", alpha=0.25)
