"""Figure of value against budget."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..runner.results import table_of
from .style import BOUND, NO_LABELS, OPTIMUM, draw_band, finish, handles_of, legend_beside, look_of, new_figure, save

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["plot_curve"]


@table_of("curve_table", "policy", "kind", "budget", "value", "standard_error", "share_of_bound")
def plot_curve(table: pd.DataFrame, path: str | Path, title: str = "") -> None:
    """Plot value against budget, between no labels and the bound, and as a share of the bound's gain."""
    figure = new_figure(13, 5.6)
    left, right = figure.subplots(1, 2)
    value, share = (table.pivot(index="budget", columns="policy", values=key) for key in ("value", "share_of_bound"))
    error = table.pivot(index="budget", columns="policy", values="standard_error")
    policies = list(dict.fromkeys(table[table["kind"] == "policy"]["policy"]))
    budget = value.index.to_numpy()
    # Percent of the bound's gain per unit of payoff; undefined without a budget, where no gain is possible.
    unit = 100.0 / (value["lagrangian bound"] - value["no labels"]).where(share["lagrangian bound"].notna()).to_numpy()
    lines: list[tuple[str, dict[str, Any]]] = [
        ("lagrangian bound", BOUND),
        ("optimum", OPTIMUM),
        *((name, look_of(name, policies)) for name in policies),
        ("no labels", NO_LABELS),
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
            draw_band(left, budget, middle - wrong, middle + wrong, look["color"])
            middle, wrong = 100.0 * share[name].to_numpy(), unit * wrong
            draw_band(right, budget, middle - wrong, middle + wrong, look["color"])
    for axes, caption in ((left, "expected payoff"), (right, "share of the bound's gain, %")):
        axes.set_xlabel("budget")
        axes.set_xlim(0, budget[-1])
        finish(axes, caption)
    right.set_ylim(top=104.0)
    legend_beside(figure, handles_of(left))
    save(figure, path, title)
