"""Figure of the documentation: how the exact engine lays states out, and which of them it leaves out.

``python docs/figures/exact_layout.py docs/exact.png`` draws it anew.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from itertools import product
from math import comb
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from seqaudit.benchmarks.figures.style import COLOURS, MARK, finish, legend_inside, new_figure, save
from seqaudit.dp.exact.lattice import Lattice
from seqaudit.dp.exact.live import LiveLattice, Ranges
from seqaudit.dp.exact.symmetric import SymmetricLattice
from seqaudit.dp.problem.problem import Problem
from seqaudit.dp.problem.tables import tables_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["draw_layout", "main"]

# Colours of every figure, and tints of them.
_BLUE, _ORANGE, _GREEN = COLOURS[:3]
_LIGHT_BLUE, _LIGHT_ORANGE, _LIGHT_GREEN, _GREY = "#B5D8EE", "#F7DDB5", "#A6DCCB", "#BBBBBB"
# Two items: the layer that is being written, the slot whose turn it is, and the wins shown.
_LAYER, _SLOT, _WINS = 3, 2, (0, 1)
_ITEM = Problem([0.6], budget=40)
_DIFFERENT, _SAME = (0.8, 0.9, 0.2), (0.6,) * 10


def draw_layout(path: str | Path) -> None:
    """Write the figure as PNG: memory in the middle of a layer, an item's live range, states against labels."""
    figure = new_figure(15, 5.2)
    memory, item, growth = figure.subplots(1, 3, width_ratios=(1.3, 1, 1))
    _draw_memory(memory)
    _draw_item(item)
    _draw_growth(growth)
    save(figure, path)


def _draw_memory(axes: Axes) -> None:
    """Slots of two items as rows of cells, when some are overwritten and the others are not yet."""
    from matplotlib.patches import FancyArrowPatch, Rectangle

    height = 0.6
    lattice = Lattice(np.array([_LAYER + 2] * 2), _LAYER + 2)

    def box(slot: int, cell: int, face: str, edge: str, width: float = 1.0, line: str = "-") -> None:
        corner = (cell + 0.04, slot + 0.02)
        axes.add_patch(
            Rectangle(corner, 0.92, height - 0.04, facecolor=face, edgecolor=edge, linewidth=width, linestyle=line)
        )

    slots = np.flatnonzero(np.diff(lattice.base)).tolist()
    for slot in slots:
        written = slot < _SLOT
        n = (_LAYER + (not written) - slot, slot)
        wins = list(product(range(n[0] + 1), range(n[1] + 1)))
        for cell in range(lattice.base[slot + 1] - lattice.base[slot]):
            if cell < len(wins):
                box(slot, cell, _LIGHT_BLUE if written else _LIGHT_ORANGE, "white")
                axes.text(cell + 0.5, slot + height / 2, "{}{}".format(*wins[cell]), ha="center", va="center")
            else:
                box(slot, cell, "white", _GREY, line=":")
        axes.text(-0.3, slot + height / 2, f"n = ({n[0]}, {n[1]})", ha="right", va="center")
        if not written:
            axes.text(len(wins) + 0.3, slot + height / 2, f"layer {_LAYER + 1}", va="center", color=_ORANGE)
        else:
            free = int(lattice.base[slot + 1] - lattice.base[slot])
            axes.text(free + 0.3, slot + height / 2, f"layer {_LAYER}", va="center", color=_BLUE)
    # The values of a loss and a win of each item, by their slots and cells.
    place = _WINS[0] * (_SLOT + 1) + _WINS[1]
    ahead = _WINS[0] * (_SLOT + 2) + _WINS[1]
    reads = (
        (_SLOT, place + _SLOT + 1, _BLUE, "arc3,rad=0.35"),
        (_SLOT + 1, ahead, _GREEN, "arc3,rad=0"),
        (_SLOT + 1, ahead + 1, _GREEN, "arc3,rad=0"),
    )
    for slot, cell, colour, bend in reads:
        box(slot, cell, "none", colour, 2.4)
        start = (cell + 0.5, float(slot))
        goal = (place + 0.62, slot - 0.02) if slot == _SLOT else (place + 0.5, _SLOT + height)
        axes.add_patch(
            FancyArrowPatch(
                start,
                goal,
                connectionstyle=bend,
                arrowstyle="-|>",
                mutation_scale=12,
                shrinkA=1,
                shrinkB=2,
                color=colour,
                linewidth=1.6,
            )
        )
    box(_SLOT, place, "none", "black", 2.6)
    notes = (
        f"A row is a slot, a cell the value at the wins of items 1 and 2. Next is n = ({_LAYER - _SLOT}, {_SLOT}) of "
        f"layer {_LAYER}.\nIts value at wins {_WINS[0]}{_WINS[1]} takes the place outlined in black, that of a loss of "
        "item 1. It also needs\na win of item 1 (blue), and a loss and a win of item 2 (green). No value that is still "
        "needed\nlies further up or further left."
    )
    axes.text(-2.4, len(slots) - 0.1, notes, va="top", fontsize=9.5, linespacing=1.4)
    axes.set(xlim=(-2.5, 11.0), ylim=(len(slots) + 1.0, -0.15))
    axes.axis("off")
    finish(axes, f"Memory while layer {_LAYER} takes the place of layer {_LAYER + 1}", grid="none")


def _draw_item(axes: Axes) -> None:
    """Wins against labels of one item: where the labels left can change its decision."""
    from matplotlib.colors import ListedColormap

    depth = _ITEM.labels
    ranges = Ranges.of(tables_of(_ITEM), _ITEM.payoff_scale)
    n = np.arange(depth + 1)
    low, high = ranges.low[0, n, depth - n], ranges.high[0, n, depth - n]
    wins, labels = np.meshgrid(n, n, indexing="ij")
    inside = wins <= labels
    learnable = _ITEM.tables(0).tail.T > 0.5
    live = (wins >= low) & (wins <= high)
    kind = np.where(live, 1.0, np.where(learnable, 2.0, 0.0))
    colours = ListedColormap([_LIGHT_ORANGE, _LIGHT_BLUE, _LIGHT_GREEN])
    axes.pcolormesh(n, n, np.ma.masked_array(kind, ~inside), cmap=colours, vmin=0, vmax=2, edgecolors="white", lw=0.3)
    some = low <= high
    for ends, shift, name in ((high, 0.5, "hi"), (low, -0.5, "lo")):
        axes.plot(n[some], ends[some] + shift, color=_BLUE, linewidth=2)
        axes.annotate(
            name,
            (18, ends[18] + shift),
            xytext=(-6, 4) if shift > 0 else (6, -4),
            textcoords="offset points",
            ha="right" if shift > 0 else "left",
            va="bottom" if shift > 0 else "top",
            color=_BLUE,
        )
    axes.text(15, 8.5, "live", ha="center", va="center")
    axes.text(31, 7, "dead:\nnot learnable", ha="center", va="center")
    axes.text(27.5, 33.5, "dead:\nlearnable", ha="right", va="center")
    axes.set(xlabel="labels of the item", ylabel="wins")
    finish(axes, f"One item, threshold {_ITEM.threshold[0]:g}, {depth} labels in all", grid="none")


def _draw_growth(axes: Axes) -> None:
    """States against labels, with and without reductions."""
    few, many = np.arange(8, 81, 8), np.arange(5, 31, 5)
    live, sorted_, both = [], [], []
    for depth in few.tolist():
        problem = Problem(_DIFFERENT, budget=depth)
        live.append(LiveLattice(Lattice.of(problem), Ranges.of(tables_of(problem), problem.payoff_scale)).states)
    for depth in many.tolist():
        problem = Problem(_SAME, budget=depth)
        lattice, kind = Lattice.of(problem), np.zeros(problem.size, dtype=np.int64)
        whole = Ranges.whole(problem.size, depth + 1)
        sorted_.append(SymmetricLattice(lattice, whole, kind).states)
        some = Ranges.of(tables_of(problem), problem.payoff_scale)
        both.append(SymmetricLattice(lattice, some, kind).states)
    ten, three = len(_SAME), len(_DIFFERENT)
    for labels, states, name, colour, dashes in (
        (many, [comb(k + 2 * ten, k) for k in many.tolist()], f"{ten} alike: every state", _ORANGE, "-"),
        (many, sorted_, f"{ten} alike: up to their order", _ORANGE, "--"),
        (many, both, f"{ten} alike: the live of these", _ORANGE, ":"),
        (few, [comb(k + 2 * three, k) for k in few.tolist()], f"{three} different: every state", _BLUE, "-"),
        (few, live, f"{three} different: live", _BLUE, ":"),
    ):
        axes.plot(labels, states, dashes, label=name, color=colour, linewidth=1.8, **MARK)
    axes.set_yscale("log")
    axes.set_xlabel("labels to buy")
    legend_inside(axes, loc="upper right")
    finish(axes, "States to visit")


def main(arguments: Sequence[str] | None = None) -> None:
    """Write the figure to the file that is named."""
    parser = argparse.ArgumentParser(prog="exact_layout.py", description="Draw the layout.")
    parser.add_argument("path", metavar="OUT.png", type=Path)
    draw_layout(parser.parse_args(arguments).path)


if __name__ == "__main__":
    main()
