"""Figure of the claims of the source paper: effects with their intervals, on drawn problems and on recorded votes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from .style import REFERENCE, finish, handles_of, legend_beside, new_panels, nth_look, save

if TYPE_CHECKING:
    from ..claims.run_claims import JudgedClaims

__all__ = ["plot_claims"]

_OF_FACTS = 2


def plot_claims(found: JudgedClaims, path: str | Path) -> None:
    """Plot the effect of each claim on policies in percentage points, a row each.

    Facts on rates, in which no policies are compared, and correlations are left out.
    """
    shown = [x for x in found.others if x["finding"] is not None and x["unit"] == "points" and x["section"] > _OF_FACTS]
    keys = list(dict.fromkeys(x["key"] for x in shown))
    if not keys:
        return
    kinds = list(dict.fromkeys(x["on"] for x in shown))
    figure, (axes,) = new_panels(1, 1, (7.5, 1.2 + 0.26 * len(keys)), (3.4, 0.4))
    for claim in shown:
        finding, look = claim["finding"], nth_look(kinds.index(claim["on"]))
        row = keys.index(claim["key"]) + 0.18 * (kinds.index(claim["on"]) - 0.5 * (len(kinds) - 1))
        if finding["low"] is not None:
            ends = [100.0 * finding["low"], 100.0 * finding["high"]]
            axes.plot(ends, [row, row], color=look["color"], linewidth=2.0)
        axes.plot(
            [100.0 * finding["effect"]],
            [row],
            color=look["color"],
            marker="o",
            markersize=5,
            linestyle="",
            label=claim["on"],
        )
    axes.axvline(0.0, **REFERENCE)
    axes.set_yticks(range(len(keys)), keys)
    axes.tick_params(axis="y", labelsize=8)
    axes.set_ylim(len(keys) - 0.4, -0.6)
    finish(
        axes,
        "effect in percentage points: right of 0 where the claim is right, at 0 where it claims equality",
        grid="x",
    )
    legend_beside(figure, handles_of(axes))
    save(figure, path)
