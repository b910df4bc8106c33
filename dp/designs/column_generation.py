r"""Optimal design over many candidates: few of them at a time, until none that is left out is worth its price.

The optimum over a *working set* is found by an interior-point method. It gives prices y of the limits, at which no
candidate of the set is worth more than it costs, and a matrix Y. One pass over all candidates finds the largest worth
beyond its price,

    delta = max_e |a_e^T Y|^2 - (B^T y)_e,

and with it the certificate: since sum_e w_e |a_e^T Y|^2 <= y . h + delta for every allowed design, the bounds of
``criteria`` hold with that number. Candidates worth more than their prices join the set, those without weight leave it,
and the search ends once value and bound agree. Where weights have a cap, the candidates at their cap leave the set too,
and come back when they are worth no more than their price.

All is done in coordinates in which the uniform design has the information matrix I (where there is a prior, with it),
so that neither scales nor near-collinearity of features matter.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ...posteriors.foundation.arrays import Floats, Ints
from .candidates import Candidates, Found
from .criteria import Criterion
from .interior_point import Weights, WorkingSet

__all__ = ["Certified", "Limits", "Start", "certified"]

# Largest number of passes: far more than any problem that was tried needs.
_PASSES = 500
# Candidates that join the working set at once, for each entry of a row, or this share of the set if that is more.
_JOIN, _SHARE = 4, 0.25
# A candidate stays while its weight, in units of the mean, exceeds this many times the share of its price that it is
# not worth; after so many passes all stay, so that the search ends.
_STAY, _ALL_STAY = 5.0, 40
# Each search over the working set ends at this share of the gap before it; the last at this share of the tolerance.
_NEARER, _LAST = 0.1, 0.05
# Smallest goal of a search over the working set.
_LEAST = 1e-13
# By how much rounding may exceed a limit.
_OVER = 1e-7
# A smaller gap counts as progress if it is below this share of the smallest before. Without any, the set only grows;
# after so many passes, rounding is to blame.
_PROGRESS, _PATIENCE = 0.9, 12


@dataclass(frozen=True)
class Limits:
    """Limits of a design, beside weights that sum to at most 1.

    Attributes
    ----------
    charges : tuple of ndarray, each of shape (n,)
        Further limits: the sum of charge times weight is at most 0. Scaling a design to sum to 1 does not break them.
    cap : float
        Largest weight of a candidate; may be infinite.
    """

    charges: tuple[Floats, ...] = ()
    cap: float = np.inf

    def of(self, index: Ints) -> Floats:
        """Rows of limits of some candidates, the sum of weights first."""
        return np.vstack([np.ones(len(index)), *(x[index] for x in self.charges)])

    def charge(self, price: Floats) -> Floats | float:
        """Price of a label of each candidate."""
        if not self.charges:
            return float(price[0])
        return np.asarray(price[0] + sum(y * x for y, x in zip(price[1:], self.charges, strict=True)))


@dataclass(frozen=True)
class Start:
    """Candidates to begin with, in order.

    Attributes
    ----------
    free : ndarray of int
        Those whose weights are looked for.
    full : ndarray of int
        Those that begin at their cap.
    """

    free: Ints
    full: Ints


@dataclass(frozen=True)
class Certified:
    """A design, and how far it is from optimal.

    Attributes
    ----------
    index : ndarray of int, shape (m,)
        Its candidates, in order.
    weight : ndarray, shape (m,)
        Positive, with sum 1.
    value, bound : float
        Criterion, and its lower bound for every design.
    gap : float
        One less the efficiency that is certain.
    passes : int
        Number of passes over all candidates.
    """

    index: Ints
    weight: Floats
    value: float
    bound: float
    gap: float
    passes: int


def certified(
    candidates: Candidates,
    basis: Floats,
    before: Floats,
    criterion: Criterion,
    limits: Limits,
    start: Start,
    tolerance: float,
    seen: Callable[[int, float], object] = lambda passes, gap: None,
) -> Certified:
    """Design whose efficiency is at least 1 less a tolerance, or as near as rounding allows.

    Parameters
    ----------
    candidates : Candidates
    basis : ndarray, shape (d, r)
        Rows of candidates times this are those that ``criterion`` and ``before`` are for.
    before : ndarray, shape (r, r)
        Information that is there before.
    criterion : Criterion
    limits : Limits
    start : Start
        Candidates to begin with, whose rows span the space unless ``before`` does; they allow to meet all limits.
    tolerance : float
    seen : callable
        Called with the number of passes and the gap after each pass.

    Returns
    -------
    Certified
    """
    rank, cap = basis.shape[1], limits.cap
    index, full = start.free, start.full
    rows = candidates.rows(index) @ basis
    levels = np.concatenate([[1.0], np.zeros(len(limits.charges))])
    price: Floats | None = None
    near, goal, stalled = 1.0, 0.03, 0
    best: Certified | None = None
    weight = np.full(len(index), min((1.0 - cap * len(full) if len(full) else 1.0) / len(index), 0.5 * cap))
    for passes in range(1, _PASSES + 1):
        # What those at their cap give and take.
        own = candidates.rows(full) @ basis
        settled, taken = before, levels
        if len(full):
            settled, taken = before + cap * (own.T @ own), levels - cap * limits.of(full).sum(axis=1)
        part = WorkingSet(rows, settled, limits.of(index), taken, cap)
        working, direction = criterion.search(part, weight, price, near, goal)
        price = working.price
        join = max(_JOIN * rank, int(_SHARE * len(index)))
        wanted = join + len(index) + len(full)
        found = candidates.worthwhile(basis @ direction, limits.charge(price), wanted)
        now = _certificate(index, full, part, before, criterion, limits, working, direction, found, tolerance, passes)
        stalled = 0 if best is None or now.gap < _PROGRESS * best.gap else stalled + 1
        if best is None or now.gap < best.gap:
            best = now
        seen(passes, best.gap)
        if best.gap <= tolerance or stalled == _PATIENCE:
            break
        new = found.index[~np.isin(found.index, index) & ~np.isin(found.index, full)][:join]
        back = full[~np.isin(full, found.index)]
        if len(new) or len(back):
            goal = max(min(goal, _NEARER * now.gap), _LAST * tolerance)
        else:
            goal = max(_NEARER * min(goal, now.gap), _LEAST)
        stay, at_cap = np.ones(len(index), dtype=bool), np.zeros(len(index), dtype=bool)
        if not stalled and passes < _ALL_STAY:
            # With further limits those left might not be able to meet them.
            if np.isfinite(cap) and not limits.charges:
                at_cap = (cap - working.weight) * len(index) < working.over / price[0] / _STAY
                # Something is left for the others to take, so those that cost the least to lower stay.
                most = max(0, int(1.0 / cap - 2 * rank) - int(np.isin(full, found.index).sum()))
                at_cap[np.argsort(-np.where(at_cap, working.over, -1.0), kind="stable")[most:]] = False
            if len(new) and np.isfinite(now.gap):
                stay = working.weight * len(index) > _STAY * working.excess / price[0]
                few = int(max(2 * rank, 2.0 * float(working.weight[~at_cap].sum()) / cap)) + 4 * len(limits.charges)
                stay[np.argsort(-np.where(at_cap, 0.0, working.weight), kind="stable")[:few]] = True
        stay &= ~at_cap
        full = np.concatenate([full[np.isin(full, found.index)], index[at_cap]])
        joined = np.concatenate([index[stay], new, back])
        order = np.argsort(joined)
        index = joined[order]
        rows = np.vstack([rows[stay], candidates.rows(np.concatenate([new, back])) @ basis])[order]
        near = min(now.gap, 0.1)
        least = near / len(index)
        weight = np.concatenate([working.weight[stay], np.full(len(new), least), np.full(len(back), 0.9 * cap)])[order]
        weight = np.minimum(weight.clip(min=1e-3 * least), 0.999 * cap)
    assert best is not None
    return best


def _certificate(
    index: Ints,
    full: Ints,
    part: WorkingSet,
    before: Floats,
    criterion: Criterion,
    limits: Limits,
    working: Weights,
    direction: Floats,
    found: Found,
    tolerance: float,
    passes: int,
) -> Certified:
    """Design of a working set: of the candidates in use alone, if it is as good as is asked for."""
    most = float(working.price[0]) + float(np.vdot(direction, before @ direction))
    most += limits.cap * found.total if np.isfinite(limits.cap) else found.most
    bound = criterion.bound(direction, most)
    in_use = np.flatnonzero(working.weight * len(index) > working.excess / working.price[0])
    left = 1.0 - limits.cap * len(full) if len(full) else 1.0
    designs = []
    for kept in (in_use, np.arange(len(index))):
        shares = _shares(working.weight[kept], limits.cap, left)
        chosen = np.concatenate([index[kept], full])
        weight = np.concatenate([shares, np.full(len(full), limits.cap)])
        try:
            value = criterion.value(part.before + (part.rows[kept].T * shares) @ part.rows[kept])
        except np.linalg.LinAlgError:
            # Without the small weights a direction is missing.
            continue
        gap = max(0.0, 1.0 - criterion.efficiency(value, bound))
        if (limits.of(chosen)[1:] @ weight).max(initial=0.0) > _OVER or abs(weight.sum() - 1.0) > _OVER:
            # It is not allowed, however good it is.
            gap = np.inf
        order = np.argsort(chosen)
        designs.append(Certified(chosen[order], weight[order], value, bound, gap, passes))
        if gap <= tolerance:
            break
    return min(designs, key=lambda x: x.gap)


def _shares(weight: Floats, cap: float, total: float) -> Floats:
    """Weights scaled to a sum, none above the cap."""
    if not weight.size:
        return weight
    shares = weight * (total / weight.sum())
    if np.isfinite(cap) and shares.size and shares.max() > cap:
        shares = np.minimum(shares, cap)
        room = cap - shares
        shares = np.minimum(shares + room * ((total - shares.sum()) / max(float(room.sum()), 1e-300)), cap)
    return shares
