r"""Optimal one-shot designs: which candidates to label, and how often, with a certificate.

Candidate e has a row a_e, the root of the information of one of its labels: sqrt(g(u_e)) times the derivative of the
log-odds u_e of its label, with g = sigma (1 - sigma). A design is a share w_e of the labels for each, and has the
information matrix M(w) = sum_e w_e a_e a_e^T. With n labels the estimate has the covariance M(w)^{-1} / n, nearly, so
that a loss with the curvature K costs tr(K M(w)^{-1}) / (2 n).
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from ...posteriors.comparisons.information import row_array
from ...posteriors.foundation.arrays import Floats, Ints
from ...posteriors.foundation.kinds import WrongKind, checked
from ...posteriors.foundation.memory import require_memory
from ...posteriors.foundation.messages import shown
from ...posteriors.foundation.notebook import html_table
from ...posteriors.foundation.number_arrays import number_array, other_order
from ...posteriors.foundation.progress import Progress, progress_of
from ...posteriors.foundation.records import EqualByContents
from ...posteriors.foundation.refusals import number, one_of, whole
from .allowed import Allowed, allowed
from .candidates import AllPairs, StoredRows
from .column_generation import Start, certified
from .criteria import Criterion, LogDeterminant, Trace
from .identified import Span, factor_of, require_identified, span_of
from .interior_point import Smooth
from .rounding import rounded
from .smallest_eigenvalue import SmallestEigenvalue

__all__ = ["OptimalDesign", "design"]

_CRITERIA = ("trace", "A", "c", "D", "E", "I")
_NO_ROOM = (
    "no design was found that meets all limits on prices, groups and caps and tells of every direction; loosen a limit"
)
# Candidates to begin with, for each entry of a row.
_BEGIN = 8
# Square matrices of the working set that are held at once, with room for it to grow.
_MATRICES = 8
# Information in a direction, in units of that of the uniform design, below which candidates to begin with lack it.
_LACKING = 1e-6


@dataclass(frozen=True, eq=False)
class OptimalDesign(EqualByContents):
    """Weights of candidates, and the proof of how good they are.

    Attributes
    ----------
    criterion : str
    index : ndarray of int, shape (m,)
        Candidates with a weight, in order; of ``AllPairs``, i k + j.
    weight : ndarray, shape (m,)
        Their shares of the labels, with sum 1; with prices and no ceiling, labels for a unit of money.
    value : float
        Criterion of the design: the trace, the log-determinant, or the smallest eigenvalue. With a prior it is that of
        all labels together, otherwise that of one.
    bound : float
        No allowed design has a better value.
    gap : float
        Share of the labels that a better design could save, at most.
    rank : int
        Number of directions that the candidates, and what is known before, tell of.
    passes : int
        Number of passes over all candidates that it took.
    cap : float
        Largest share of the labels that a candidate may have.
    """

    criterion: str
    index: Ints
    weight: Floats
    value: float
    bound: float
    gap: float
    rank: int
    passes: int
    cap: float = np.inf

    def counts(self, labels: int) -> Ints:
        """Whole numbers of labels of the candidates in ``index``, by efficient rounding.

        Parameters
        ----------
        labels : int
            Sum of the numbers.

        Returns
        -------
        ndarray of int, shape (m,)
            With a cap of c, at most c times the labels each, rounded up.

        Raises
        ------
        ValueError
            For fewer labels than candidates, unless a cap lets some of them go without.
        """
        most = None
        if np.isfinite(self.cap):
            most = int(np.ceil(self.cap * whole("labels", labels, 1) - 1e-9))
        return rounded(self.weight / self.weight.sum(), labels, most)

    def __repr__(self) -> str:
        return (
            f"OptimalDesign({self.criterion}, {len(self.index)} candidates, value {self.value:.6g}, gap {self.gap:.1e})"
        )

    def _repr_html_(self) -> str:
        import pandas as pd

        return html_table(self.__repr__(), pd.DataFrame({"candidate": self.index, "weight": self.weight}))


@checked
def design(
    candidates: ArrayLike | AllPairs,
    criterion: str = "trace",
    *,
    target: ArrayLike | None = None,
    identified_only: bool = False,
    price: ArrayLike | None = None,
    ceiling: float | None = None,
    cap: float | None = None,
    group: Sequence[Hashable] | None = None,
    least: Mapping[Any, float] | None = None,
    most: Mapping[Any, float] | None = None,
    prior: ArrayLike | None = None,
    labels: int | None = None,
    feature_names: Sequence[str] | None = None,
    tolerance: float = 1e-6,
    progress: Progress | bool | None = None,
) -> OptimalDesign:
    """Optimal shares of the labels of candidates, chosen before any label is seen.

    Parameters
    ----------
    candidates : array_like, shape (n, d), or AllPairs
        Row of each candidate: the root of the information of one label, as beta / 2 times the difference of the two
        responses' features for a comparison whose margin is near 0.
    criterion : {"trace", "A", "c", "D", "E", "I"}
        What is to be small: ``"trace"``, the trace of K M^{-1}; ``"A"``, that of M^{-1}; ``"c"``, the variance of a
        contrast; ``"I"``, the mean variance at places of prediction. Or what is to be large: ``"D"``, the
        log-determinant of M; ``"E"``, its smallest eigenvalue (needs the extra ``convex``).
    target : array_like
        For ``"trace"`` the matrix K, shape (d, d), positive semidefinite, as the Fisher information of the policy that
        is trained; for ``"c"`` the contrast, shape (d,); for ``"I"`` the places, shape (p, d).
    identified_only : bool
        True for A, D and E of the directions that the candidates tell of; otherwise all directions must be told of.
    price : array_like, shape (n,), optional
        Price of a label of each candidate. The design is then the best for a unit of money, whatever the number of
        labels.
    ceiling : float, optional
        Largest mean price of a label. The design is then the best for a number of labels.
    cap : float, optional
        Largest share of the labels of a candidate; 1 / n lets n labels repeat no candidate.
    group : sequence of hashable, shape (n,), optional
        Group of each candidate.
    least, most : mapping, optional
        Smallest and largest share of the labels by group; groups that are not named have no limit.
    prior : array_like, shape (d, d), optional
        Precision of what is known of the parameter before. The criterion is then of the prior and all labels together.
    labels : int, optional
        Number of labels, on which the best design depends only where there is a prior.
    feature_names : sequence of str, optional
        Names of the features, for messages; default "x1", "x2", ...
    tolerance : float
        Gap at which to end.
    progress : callable or bool, optional
        True shows progress on standard error; a function is called with the steps done and the steps in all.

    Returns
    -------
    OptimalDesign
        Its gap may exceed the tolerance where rounding allows no better; it is certain all the same.

    Raises
    ------
    ValueError
        For a direction that is asked for and of which no candidate tells, limits that no design meets, and arguments of
        the wrong shape or range.

    Notes
    -----
    The optimum over a working set is found by an interior-point method, and a pass over all candidates finds those that
    join it. The certificate follows from the equivalence theorem (Kiefer 1974; Pukelsheim 1993, chapter 7).

    Examples
    --------
    Quadratic regression on [-1, 1] (Pukelsheim 1993): a quarter of the labels at each end, half in the middle.

    >>> x = np.linspace(-1, 1, 5)
    >>> found = design(np.stack([x**0, x, x**2], axis=1), "A")
    >>> found.index, found.weight.round(4), round(found.value, 4)
    (array([0, 2, 4]), array([0.25, 0.5 , 0.25]), 8.0)
    >>> found.counts(12)
    array([3, 6, 3])
    """
    one_of("criterion", criterion, _CRITERIA)
    for fault in other_order({"candidates": candidates, "price": price, "group": group}):
        raise ValueError(fault)
    pool: StoredRows | AllPairs = (
        candidates if isinstance(candidates, AllPairs) else StoredRows(row_array("candidates", candidates, "candidate"))
    )
    near = number("tolerance", tolerance, lambda x: 1e-12 <= x < 1.0, "from 1e-12 and below 1")
    told = progress_of(progress, "designing")
    names = _feature_names(feature_names, pool.width)
    rules = allowed(pool, price, ceiling, cap, group, least, most)
    before, n = _prior(prior, labels, pool.width)
    root = rules.pool.root()
    if before is not None and before.any():
        root = np.vstack([root, factor_of("prior", before).T / np.sqrt(n)])
    span = span_of(root, pool.size)
    if not span.basis.shape[1]:
        raise ValueError("candidates are all 0; none of them tells of anything")
    factor = _asked(criterion, target, pool.width, span, identified_only)
    require_identified(span, factor, names, criterion)
    basis = span.whitening
    known = np.zeros((basis.shape[1],) * 2) if before is None else basis.T @ before @ basis / n
    aim, scale = _aim(criterion, basis.T @ factor, span)
    seen: Callable[[int, float], object] = partial(_tell, told, near) if told else lambda passes, gap: None
    try:
        found = certified(rules.pool, basis, known, aim, rules.limits, _starting(rules, basis, known, aim), near, seen)
    except (np.linalg.LinAlgError, ZeroDivisionError):
        raise ValueError(_NO_ROOM) from None
    if found.gap == np.inf:
        raise ValueError(_NO_ROOM)
    if told:
        told(100, 100)
    value, bound = (
        _in_units(criterion, x, scale, span, n if before is not None else 1) for x in (found.value, found.bound)
    )
    weight = found.weight if rules.unit is None else found.weight / rules.unit[found.index]
    index = found.index if rules.number is None else rules.number[found.index]
    return OptimalDesign(
        criterion, index, weight, value, bound, found.gap, basis.shape[1], found.passes, rules.limits.cap
    )


def _tell(told: Progress, tolerance: float, passes: int, gap: float) -> None:
    done = np.log(min(max(gap, tolerance), 1.0)) / np.log(tolerance)
    told(int(99 * done), 100)


def _feature_names(names: Sequence[str] | None, width: int) -> tuple[str, ...]:
    if names is None:
        return tuple(f"x{k + 1}" for k in range(width))
    if isinstance(names, str) or not all(isinstance(x, str) for x in names):
        raise WrongKind(f"feature_names is {shown(names)}; it must be a list of texts")
    if len(names) != width:
        raise ValueError(f"feature_names has {len(names)} entries; it must have one for each of the {width} features")
    return tuple(names)


def _prior(prior: ArrayLike | None, labels: int | None, width: int) -> tuple[Floats | None, int]:
    if prior is None:
        if labels is not None:
            raise ValueError("labels changes nothing without prior; give both, or ask the design for its counts")
        return None, 1
    matrix = number_array("prior", prior)
    if matrix.shape != (width, width):
        raise ValueError(f"prior has shape {matrix.shape}; it must be a matrix of shape ({width}, {width})")
    if not np.isfinite(matrix).all():
        raise ValueError("prior has entries that are not finite")
    if labels is None:
        raise ValueError("prior needs labels, the number of labels: the best design depends on it")
    return matrix, whole("labels", labels, 1)


def _asked(criterion: str, target: ArrayLike | None, width: int, span: Span, identified_only: bool) -> Floats:
    """Factor F of the matrix K of what is asked for."""
    if criterion in ("A", "D", "E"):
        if target is not None:
            raise ValueError(f"criterion {criterion} takes no target; trace, c and I do")
        return span.basis if identified_only else np.eye(width)
    if identified_only:
        raise ValueError(f"criterion {criterion} takes no identified_only; its target says what is asked for")
    if target is None:
        raise ValueError(f"criterion {criterion} needs a target")
    array = number_array("target", target)
    if not np.isfinite(array).all():
        raise ValueError("target has entries that are not finite")
    wanted = {"trace": (width, width), "c": (width,)}.get(criterion)
    if wanted is not None and array.shape != wanted:
        raise ValueError(f"target has shape {array.shape}; for criterion {criterion} it must have shape {wanted}")
    if criterion == "I" and (array.ndim != 2 or array.shape[1] != width or not len(array)):
        raise ValueError(
            f"target has shape {array.shape}; for criterion I it must have a row of {width} for each place"
        )
    if criterion == "trace":
        return factor_of("target", array)
    if not array.any():
        raise ValueError("target is 0; it must ask for something")
    return array[:, None] if criterion == "c" else np.asarray(np.linalg.qr(array, mode="r").T / np.sqrt(len(array)))


def _aim(criterion: str, factor: Floats, span: Span) -> tuple[Criterion, float]:
    """Criterion in the coordinates of the search, and the unit of its values."""
    if criterion == "D":
        return LogDeterminant(len(factor)), 1.0
    if criterion == "E":
        turned = span.whitening.T @ span.basis
        return SmallestEigenvalue(turned @ turned.T), 1.0
    # The criterion is then 1 at the uniform design.
    scale = float(np.vdot(factor, factor))
    return Trace(factor / np.sqrt(scale)), scale


def _in_units(criterion: str, value: float, scale: float, span: Span, labels: int) -> float:
    """Value of a criterion in the user's units."""
    if criterion == "D":
        return float(span.volume - value + span.basis.shape[1] * np.log(labels))
    if criterion == "E":
        return labels / value
    return value * scale / labels


def _starting(rules: Allowed, basis: Floats, known: Floats, aim: Criterion) -> Start:
    """Candidates to begin with: from everywhere, telling of every direction, and able to meet the limits."""
    pool, rank, cap = rules.pool, basis.shape[1], rules.limits.cap
    few = min(_BEGIN * rank, pool.size)
    full = np.empty(0, dtype=np.int64)
    free = pool.spread(few)
    least = int(np.ceil(1.0 / cap - 1e-9))
    if least > few // 2 and not rules.limits.charges:
        # Those of the largest worth at the uniform design are at their cap but for a few, which are looked at with
        # those that follow.
        direction = aim.direction(known + np.eye(rank)) if isinstance(aim, Smooth) else np.eye(rank)
        first = pool.worthwhile(basis @ direction, -1.0, least + few).index
        cut = max(least - few // 2, 0)
        full, free = np.sort(first[:cut]), np.union1d(first[cut:], np.setdiff1d(free, first[:cut]))
    elif least > few // 2:
        count = min(2 * least, pool.size)
        require_memory(
            8.0 * _MATRICES * count**2, what=f"a design of {count:,} candidates at once", instead="use a larger cap"
        )
        free = np.union1d(pool.spread(count), rules.needed(count))
    free = np.union1d(free, rules.needed(2 * rank))
    for _ in range(rank):
        rows = pool.rows(np.concatenate([free, full])) @ basis
        sizes, directions = np.linalg.eigh(known + rows.T @ rows / len(rows))
        lacking = directions[:, sizes < _LACKING * max(float(sizes[-1]), 1.0)]
        if not lacking.shape[1]:
            break
        found = pool.worthwhile(basis @ lacking, 0.0, 2 * rank).index
        free = np.union1d(free, np.setdiff1d(found, full))
    return Start(free, full)
