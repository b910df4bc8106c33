"""Colours, dashes and the way figures are written.

Drawn without a display and without touching matplotlib's global state.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["COLOURS", "DASHES", "finish", "look_of"]

# Colours that remain apart for colour-blind readers (Okabe and Ito 2008).
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#999999")
# Neighbours in rank, which may coincide, differ in dashes, and dashes lie on top.
DASHES = ("-", "--")
# Policies in order of their looks, which they keep in every figure of values against budget: rows of six colours, each
# row with its own dashes. Black and grey are left for what no policy earns.
_LOOKS: tuple[Any, ...] = ("-", "--", "-.", ":", (0, (6, 1, 1, 1, 1, 1)), (0, (9, 3)))
_POLICIES = (
    *("gittins", "whittle", "lagrangian", "kg-star", "variance-reduction", "optimistic-kg"),
    *("kg", "lsa", "apt", "audit-index", "round-robin", "uniform"),
    *("uncertainty", "linear-gain", "high-logratio", "exact", "rollout", "lookahead"),
    *("tree-search", "thompson", "top-two", "epsilon-audit", "softmax-audit"),
)


def look_of(name: str, policies: list[str]) -> dict[str, Any]:
    """Colour and dashes of a policy: its own where it is built in, else those that are left, in order of names."""
    others = sorted(set(policies) - set(_POLICIES))
    k = _POLICIES.index(name) if name in _POLICIES else len(_POLICIES) + others.index(name)
    row, column = divmod(k, 6)
    return {
        # Shifted from the third row on, so that dashes and dots of one colour are far from neighbours.
        "color": COLOURS[(column + 3 * (row // 2)) % 6],
        "linestyle": _LOOKS[row % len(_LOOKS)],
        "linewidth": 1.6,
        "zorder": 3 + 0.1 * (row % len(_LOOKS)),
    }


def finish(axes: Axes, title: str) -> None:
    """Give axes their title, a light grid and no frame above and on the right."""
    axes.set_title(title, fontsize=11)
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="x" if axes.get_yticks().size and axes.patches else "y", alpha=0.25)
