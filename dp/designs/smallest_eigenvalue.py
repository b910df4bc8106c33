r"""E-optimality: the largest smallest eigenvalue of the information, by semidefinite programming.

    maximise lambda  over  M_0 + sum_e w_e a_e a_e^T >= lambda I  and the limits on w.

The dual matrix V >= 0 of that constraint, with trace 1, bounds the smallest eigenvalue of every design by

    lambda_min(M) <= tr(V M) = tr(V M_0) + sum_e w_e a_e^T V a_e,

so that Y with Y Y^T = V is the direction in which candidates are valued (Pukelsheim 1993, section 4.4; Boyd and
Vandenberghe 2004, section 7.5). In other coordinates a metric G stands in place of I, and tr(V G) is 1.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy

from ...posteriors.foundation.arrays import Floats
from .interior_point import Weights, WorkingSet

__all__ = ["SmallestEigenvalue"]

# Largest error of the solver, as a share, below which its answer is used.
_GOAL = 1e-9


class SmallestEigenvalue:
    """Reciprocal of the smallest eigenvalue of M.

    Parameters
    ----------
    metric : ndarray, shape (r, r)
        The matrix G: M - lambda G is positive semidefinite for the eigenvalues that are meant.

    Examples
    --------
    >>> float(SmallestEigenvalue(np.eye(2)).value(np.diag([0.5, 0.25])))
    4.0
    """

    def __init__(self, metric: Floats) -> None:
        self.metric = (metric + metric.T) / 2.0

    def value(self, information: Floats) -> float:
        """Criterion at an information matrix.

        Parameters
        ----------
        information : ndarray, shape (r, r)

        Returns
        -------
        float

        Raises
        ------
        LinAlgError
            For a matrix that is not positive definite.
        """
        last = len(information) - 1
        # Of the pencil the other way round: M is well conditioned, G may not be.
        return float(scipy.linalg.eigh(self.metric, information, eigvals_only=True, subset_by_index=[last, last])[0])

    def search(
        self, part: WorkingSet, weight: Floats, price: Floats | None, near: float, goal: float
    ) -> tuple[Weights, Floats]:
        """Optimal weights of some candidates.

        Parameters
        ----------
        part : WorkingSet
        weight, price, near, goal
            Not used: the solver begins anew, and finds the optimum.

        Returns
        -------
        Weights
        direction : ndarray, shape (r, r)

        Raises
        ------
        ValueError
            If the solver is not installed, or finds no optimum.
        """
        rows, limits, cap = part.rows, part.limits, part.cap
        cvxpy = _solver()
        size = float(np.einsum("er,er->e", rows, rows).max())
        scaled, metric = rows / np.sqrt(size), self.metric / np.linalg.norm(self.metric, 2)
        w, least = cvxpy.Variable(len(rows), nonneg=True), cvxpy.Variable()
        matrix = part.before / size + scaled.T @ cvxpy.diag(w) @ scaled - least * metric
        positive = (matrix + matrix.T) / 2.0 >> 0
        meets = limits @ w <= part.levels
        under = [w <= cap] if part.capped else []
        programme = cvxpy.Problem(cvxpy.Maximize(least), [positive, meets, *under])
        programme.solve(
            solver=cvxpy.CLARABEL, tol_gap_abs=_GOAL, tol_gap_rel=_GOAL, tol_feas=_GOAL, reduced_tol_gap_rel=1e-6
        )
        if w.value is None:
            raise ValueError(f"the solver found no design of largest smallest eigenvalue: it ended {programme.status}")
        dual = np.asarray(positive.dual_value)
        values, vectors = scipy.linalg.eigh((dual + dual.T) / 2.0)
        values = values.clip(min=0.0)
        direction = vectors * np.sqrt(values)
        prices = np.asarray(meets.dual_value).clip(min=0.0) * size
        moved = rows @ direction
        gains = np.einsum("er,er->e", moved, moved)
        over = np.asarray(under[0].dual_value).clip(min=0.0) * size if under else np.zeros(len(rows))
        floor = 1e-12 * max(float(gains.max()), float(prices.max()))
        excess = np.maximum(prices @ limits + over - gains, floor)
        weights = np.asarray(w.value).clip(min=1e-15)
        return Weights(weights, excess, over, prices.clip(min=floor), part.levels - limits @ weights), direction

    def bound(self, direction: Floats, most: float) -> float:
        """Lower bound on the criterion of every design, where T of a direction is at most a number."""
        return float(np.vdot(direction, self.metric @ direction)) / most

    def efficiency(self, value: float, bound: float) -> float:
        """Share of the labels that a design needs and that the best one may need as well."""
        return bound / value


def _solver() -> Any:
    try:
        import cvxpy
    except ImportError:
        raise ValueError(
            "criterion E needs cvxpy, which is not installed; install seqaudit with its extra: seqaudit[convex]"
        ) from None
    return cvxpy
