"""Questions to beliefs: every call of a belief's methods by the engine goes through these functions.

A belief of a user is shown read-only arrays, and the numbers that it returns are checked here, for kernels use them
without a check: shape, real numbers, and their range.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from ..foundation.arrays import Floats, Ints
from ..foundation.plugins import calling, read_only, real_array
from .belief import Belief, BeliefTables, Size
from .registry import BELIEFS

__all__ = ["ask_at", "ask_chance", "ask_draw", "ask_tables", "ask_tails"]

# Numbers outside their range by no more than this are rounded.
_ROUNDING = 1e-9


def ask_at(belief: Belief, labels: ArrayLike, wins: ArrayLike, threshold: ArrayLike) -> BeliefTables:
    """Mean, tail and jump after some labels, elementwise; arguments as for ``Belief.at``.

    Raises
    ------
    ValueError
        For anything but three arrays of the common shape, with means and tails from 0 to 1 and jumps from -1 to 1.
    """
    if _trusted(belief):
        return belief.at(labels, wins, threshold)
    # A float may be a ``Bar``, which knows more than its value.
    bar = threshold if isinstance(threshold, float) else read_only(np.asarray(threshold))
    shown = [*(read_only(np.asarray(x)) for x in (labels, wins)), bar]
    with calling("belief", belief, "at"):
        given = belief.at(*shown)
    return _checked(belief, "at", given, np.broadcast_shapes(*map(np.shape, shown)))


def ask_tables(belief: Belief, n_max: int, threshold: float) -> BeliefTables:
    """Mean, tail and jump for up to ``n_max`` labels, [labels, wins]; arguments as for ``Belief.tables``.

    Raises
    ------
    ValueError
        As for ``ask_at``.
    """
    if _trusted(belief):
        return belief.tables(n_max, threshold)
    with calling("belief", belief, "tables"):
        given = belief.tables(n_max, threshold)
    return _checked(belief, "tables", given, (n_max + 1, n_max + 1))


def ask_tails(beliefs: Sequence[Belief], labels: Ints, wins: Ints, thresholds: Sequence[float]) -> Floats:
    """Tail probability of each of N items after some labels, shape (..., N); counts have that shape.

    Raises
    ------
    ValueError
        As for ``ask_at``.
    """
    out = np.empty(labels.shape)
    for i, (belief, threshold) in enumerate(zip(beliefs, thresholds, strict=True)):
        out[..., i] = ask_at(belief, labels[..., i], wins[..., i], threshold).tail
    return out


def ask_draw(belief: Belief, rng: np.random.Generator, size: Size = None) -> Floats:
    """True rates, drawn from a belief; arguments as for ``Belief.draw``.

    Raises
    ------
    ValueError
        For anything but rates from 0 to 1 of that shape.
    """
    if _trusted(belief):
        return belief.draw(rng, size)
    with calling("belief", belief, "draw"):
        given = belief.draw(rng, size)
    shape = () if size is None else (size,) if isinstance(size, (int, np.integer)) else tuple(size)
    return _within(belief, "draw", given, shape, 0.0)


def ask_chance(belief: Belief, alpha: ArrayLike) -> Floats:
    """Probability that a label of an item of true rate ``alpha`` is a win.

    Raises
    ------
    ValueError
        For anything but probabilities of the shape of ``alpha``.
    """
    if _trusted(belief):
        return belief.label_chance(alpha)
    shown = read_only(np.asarray(alpha))
    with calling("belief", belief, "label_chance"):
        given = belief.label_chance(shown)
    return _within(belief, "label_chance", given, shown.shape, 0.0)


def _trusted(belief: Belief) -> bool:
    """True for a belief of this package: checks would slow it by up to a half, and its tests hold what they check."""
    return type(belief) in BELIEFS.built_in


def _checked(belief: Belief, method: str, given: Any, shape: tuple[int, ...]) -> BeliefTables:
    if not isinstance(given, (tuple, list)) or len(given) != 3:
        raise ValueError(f"{_called(belief)}: {method} returned {type(given).__name__}; it must be mean, tail and jump")
    return BeliefTables(
        *(
            _within(belief, f"{name} of {method}", part, shape, low)
            for name, part, low in zip(BeliefTables._fields, given, (0.0, 0.0, -1.0), strict=True)
        )
    )


def _within(belief: Belief, what: str, given: Any, shape: tuple[int, ...], low: float) -> Floats:
    found = real_array(f"{_called(belief)}: {what}", given)
    if found.shape != shape:
        raise ValueError(f"{_called(belief)}: {what} has shape {found.shape}; it must be {shape}")
    good = (found >= low - _ROUNDING) & (found <= 1.0 + _ROUNDING)
    if not good.all():
        raise ValueError(f"{_called(belief)}: {what} is {found[~good][0]}; it must be a number from {low:g} to 1")
    return found


def _called(belief: Belief) -> str:
    return f"belief {getattr(belief, 'kind', type(belief).__name__)}"
