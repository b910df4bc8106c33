"""Figure and table of docs/headroom.md: what round-robin selection leaves of the possible gain.

``seqaudit run headroom --out headroom`` computes the study, and ``python docs/figures/headroom.py headroom
docs/headroom.png`` draws it and prints the table.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

import seqaudit as sa
from seqaudit.benchmarks.figures.style import MARK, doubling_scale, finish, legend_inside, new_panels, nth_look, save

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["draw_headroom", "headroom", "main", "text_of"]

# Panels, and the problems of each with their levels.
_PANELS = {
    "spread of log-ratios": {"spread 0.25": "0.25", "base": "1", "spread 3": "3"},
    "spread of log-weights": {"weights equal": "0", "base": "0.5", "weights 2": "2"},
    "prior": {"prior 0.5, 0.5": "Beta(1/2, 1/2)", "base": "Beta(1, 1)", "prior 4, 4": "Beta(4, 4)"},
    "items": {"items 4": "4", "base": "24", "items 200": "200"},
}
_PLAIN = "round-robin"


def headroom(table: pd.DataFrame) -> pd.DataFrame:
    """Share of the possible gain that round-robin leaves, by problem and labels an item.

    Parameters
    ----------
    table : pandas.DataFrame
        From ``study_table``.

    Returns
    -------
    pandas.DataFrame
        ``problem``, ``labels_per_item``, the ``most`` that can be gained beyond round-robin (up to the optimum or the
        bound), the part of it that is ``attained`` by the best policy of the study, and ``error``, the standard error
        of the most; means over the draws of a problem, in shares of the possible gain.
    """
    last = table.assign(problem=table["environment"].str.replace(r"( \d+)?, labels_per_item=.*", "", regex=True))
    best = last.groupby("environment")["gain"].transform("max")
    plain = last[last["policy"] == _PLAIN].assign(
        most=lambda x: 1.0 - x["gain"], attained=lambda x: best[x.index] - x["gain"], square=lambda x: x["gain_se"] ** 2
    )
    groups = plain.groupby(["problem", "axis.labels_per_item"], sort=False)
    found = groups[["most", "attained"]].mean()
    found["error"] = np.sqrt(groups["square"].sum()) / groups["square"].count()
    return found.reset_index().rename(columns={"axis.labels_per_item": "labels_per_item"})


def text_of(found: pd.DataFrame) -> str:
    """Headroom in percent, attained to most, as a table of Markdown."""
    points = sorted(found["labels_per_item"].unique())
    lines = ["| items | " + " | ".join(f"{x:g}" for x in points) + " |", "|---" * (len(points) + 1) + "|"]
    for problem, part in found.groupby("problem", sort=False):
        at = part.set_index("labels_per_item")
        cells = (f"{100 * at['attained'][x]:.0f}-{100 * at['most'][x]:.0f}" for x in points)
        lines.append(f"| {problem} | " + " | ".join(cells) + " |")
    error = 100 * found["error"].max()
    return "\n".join([*lines, "", f"Standard errors of the most are at most {error:.1f}."])


def draw_headroom(found: pd.DataFrame, path: str | Path) -> None:
    """Write the figure: a band for each level, from what is attained to the most."""
    figure, panels = new_panels(len(_PANELS), 4, (3.6, 3.3), (0.2, 0.3))
    for axes, (title, levels) in zip(panels, _PANELS.items(), strict=True):
        for k, (problem, level) in enumerate(levels.items()):
            part = found[found["problem"] == problem].sort_values("labels_per_item")
            x, look = part["labels_per_item"].to_numpy(), nth_look(k, dashes=1)
            low, high = 100.0 * part["attained"].to_numpy(), 100.0 * part["most"].to_numpy()
            axes.plot(x, high, label=level, **look, **MARK)
            axes.fill_between(x, low, high, color=look["color"], alpha=0.25, linewidth=0)
        doubling_scale(axes)
        axes.set_ylim(0, 100)
        axes.set_xlabel("labels an item")
        finish(axes, title)
        legend_inside(axes, loc="upper right")
    panels[0].set_ylabel("gain that round-robin leaves, %")
    save(figure, path)


def main(arguments: Sequence[str] | None = None) -> None:
    """Draw the figure of a run, and print its table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", help="run folder of the study")
    parser.add_argument("path", help="figure to write")
    given = parser.parse_args(arguments)
    found = headroom(sa.study_table(given.run))
    draw_headroom(found, given.path)
    print(text_of(found))


if __name__ == "__main__":
    main()
