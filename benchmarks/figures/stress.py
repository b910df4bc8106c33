"""Figures of stress tests: small multiples, a panel for each scenario."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..runner.results import table_of
from .style import SMALL_DPI, doubling_scale, draw_band, finish, handles_of, legend_beside, look_of, new_panels, save

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["plot_stress"]

# Number of panels in a row.
_ACROSS = 4


@table_of("stress_table", "scenario", "strength", "policy", "loss", "accuracy")
def plot_stress(table: pd.DataFrame, loss: str | Path, accuracy: str | Path) -> None:
    """Plot the loss of each policy against the strength; and accuracy, with the accuracy that the planner believes.

    Parameters
    ----------
    table : pandas.DataFrame
        From ``stress_table``.
    loss, accuracy : str or Path
        Paths of the two figures.
    """
    figure, panels, policies = _panels(table)
    for axes, part in panels:
        for name in policies:
            _line(axes, part, name, "loss", policies)
        _scale(axes, part)
        axes.set_ylim(bottom=min(0.0, axes.get_ylim()[0]))
        axes.set_ylabel("loss")
    _save(figure, panels, loss)
    figure, panels, policies = _panels(table)
    for axes, part in panels:
        for name in policies:
            _line(axes, part, name, "accuracy", policies)
            _line(axes, part, name, "claimed_accuracy", policies, alpha=0.3, linewidth=1.0)
        _scale(axes, part)
        axes.set_ylabel("accuracy; pale: believed")
    _save(figure, panels, accuracy)


def _panels(table: pd.DataFrame) -> tuple[Figure, list[tuple[Axes, pd.DataFrame]], list[str]]:
    names = list(dict.fromkeys(table["scenario"]))
    figure, all_axes = new_panels(len(names), _ACROSS, (3.7, 2.9), (2.0, 0.4))
    panels = [(axes, table[table["scenario"] == name]) for axes, name in zip(all_axes, names, strict=True)]
    for (axes, part), name in zip(panels, names, strict=True):
        finish(axes, f"{name} ({part['kind'].iloc[0]})")
    return figure, panels, sorted(set(table["policy"]))


def _line(axes: Axes, part: pd.DataFrame, name: str, measure: str, policies: list[str], **changes: Any) -> None:
    at = part[part["policy"] == name].sort_values("strength")
    if at.empty:
        return
    style = look_of(name, policies) | changes
    x, y, error = (at[key].to_numpy() for key in ("strength", measure, f"{measure}_se"))
    axes.plot(x, y, label=name, marker="o", markersize=2.5, clip_on=False, **style)
    if not changes and (error > 0).any():
        draw_band(axes, x, y - error, y + error, style["color"])


def _scale(axes: Axes, part: pd.DataFrame) -> None:
    x = part["strength"].to_numpy()
    first, last = x[0], x[-1]
    if min(first, last) > 0 and max(first, last) >= 8 * min(first, last):
        doubling_scale(axes)
    # Worse values are on the right.
    if last < first:
        axes.invert_xaxis()
    axes.set_xlabel("strength")


def _save(figure: Figure, panels: list[tuple[Axes, pd.DataFrame]], path: str | Path) -> None:
    legend_beside(figure, handles_of(*(axes for axes, _ in panels)))
    save(figure, path, dpi=SMALL_DPI)
