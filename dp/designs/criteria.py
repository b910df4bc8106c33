r"""Criteria of designs: what an information matrix is worth, and by how much another label of each candidate helps.

Candidate e has a row a_e of length r; a design w >= 0 has the information matrix

    M(w) = M_0 + sum_e w_e a_e a_e^T,

with M_0 the information that is there before (0 without a prior). Two criteria cover all that are differentiable:

    trace                  Phi(w) = tr(K M(w)^{-1}),     d_e = -dPhi/dw_e = |a_e^T M^{-1} F|^2,    K = F F^T
    log determinant        Phi(w) = -log det M(w),       d_e = a_e^T M^{-1} a_e

Trace with K = I is A-optimality, with K = c c^T c-optimality, with K the mean of f f^T over places of prediction
I-optimality. Every matrix Y gives a lower bound on the criterion of every design of a set W (convex duality; Pukelsheim
1993, chapter 7): with T(Y) = tr(Y^T M_0 Y) + max over W of sum_e w_e |a_e^T Y|^2,

    trace                  Phi(w) >= tr(F^T Y)^2 / T(Y)                        Y = M^{-1} F at the optimum
    log determinant        Phi(w) >= log det(Y Y^T) - r log(T(Y) / r)          Y Y^T = M^{-1} at the optimum
"""

from __future__ import annotations

from typing import Protocol

import numpy as np
import scipy

from ...posteriors.foundation.arrays import Floats
from .interior_point import Smooth, Weights, WorkingSet

__all__ = ["Criterion", "LogDeterminant", "Trace"]


class Criterion(Protocol):
    """Criterion as the search for an optimal design needs to know it; smaller values are better."""

    def value(self, information: Floats) -> float:
        """Criterion at an information matrix, which must be positive definite."""

    def search(
        self, part: WorkingSet, weight: Floats, price: Floats | None, near: float, goal: float
    ) -> tuple[Weights, Floats]:
        """Weights near the optimum of some candidates, and the matrix Y; see ``Smooth``."""

    def bound(self, direction: Floats, most: float) -> float:
        """Lower bound on the criterion of every design, where T of a direction is at most a number."""

    def efficiency(self, value: float, bound: float) -> float:
        """Share of the labels that a design needs and that the best one may need as well."""


class Trace(Smooth):
    """Trace of K M^{-1}, with K = F F^T.

    Parameters
    ----------
    factor : ndarray, shape (r, s)
        The factor F.

    Examples
    --------
    >>> Trace(np.eye(2)).value(np.diag([0.5, 0.25]))
    6.0
    """

    def __init__(self, factor: Floats) -> None:
        self.factor = factor

    def value(self, information: Floats) -> float:
        """Criterion at an information matrix; smaller is better."""
        root = scipy.linalg.cholesky(information, lower=True)
        return float((scipy.linalg.solve_triangular(root, self.factor, lower=True) ** 2).sum())

    def direction(self, information: Floats) -> Floats:
        """Matrix Y, shape (r, s), for which candidate e has the gain |a_e^T Y|^2."""
        return np.asarray(scipy.linalg.cho_solve(scipy.linalg.cho_factor(information), self.factor))

    def curvature(self, rows: Floats, information: Floats) -> tuple[Floats, Floats]:
        """Gains of candidates with these rows, shape (m,), and the criterion's Hessian in their weights, (m, m)."""
        root = scipy.linalg.cholesky(information, lower=True)
        half = scipy.linalg.solve_triangular(root, rows.T, lower=True)
        moved = half.T @ scipy.linalg.solve_triangular(root, self.factor, lower=True)
        gains = np.einsum("es,es->e", moved, moved)
        hessian = half.T @ half
        hessian *= moved @ moved.T
        hessian *= 2.0
        return gains, hessian

    def bound(self, direction: Floats, most: float) -> float:
        """Lower bound on the criterion of every design, where T of a direction is at most a number."""
        return float(np.vdot(self.factor, direction)) ** 2 / most

    def efficiency(self, value: float, bound: float) -> float:
        """Share of the labels that a design needs and that the best one may need as well."""
        return bound / value


class LogDeterminant(Smooth):
    """Minus the logarithm of the determinant of M: the volume of a confidence ellipsoid.

    Parameters
    ----------
    rank : int
        Number r of rows of M.

    Examples
    --------
    >>> round(LogDeterminant(2).value(np.diag([0.5, 0.25])), 6)
    2.079442
    """

    def __init__(self, rank: int) -> None:
        self.rank = rank

    def value(self, information: Floats) -> float:
        """Criterion at an information matrix; smaller is better."""
        return -2.0 * float(np.log(np.diag(scipy.linalg.cholesky(information, lower=True))).sum())

    def direction(self, information: Floats) -> Floats:
        """Matrix Y, shape (r, s), for which candidate e has the gain |a_e^T Y|^2."""
        root = scipy.linalg.cholesky(information, lower=True)
        return np.asarray(scipy.linalg.solve_triangular(root, np.eye(len(root)), lower=True).T)

    def curvature(self, rows: Floats, information: Floats) -> tuple[Floats, Floats]:
        """Gains of candidates with these rows, shape (m,), and the criterion's Hessian in their weights, (m, m)."""
        root = scipy.linalg.cholesky(information, lower=True)
        half = scipy.linalg.solve_triangular(root, rows.T, lower=True)
        hessian = half.T @ half
        gains = np.diag(hessian).copy()
        hessian *= hessian
        return gains, hessian

    def bound(self, direction: Floats, most: float) -> float:
        """Lower bound on the criterion of every design, where T of a direction is at most a number."""
        # Y is a root of M^{-1}, upper triangular.
        return 2.0 * float(np.log(np.diag(direction)).sum()) - self.rank * float(np.log(most / self.rank))

    def efficiency(self, value: float, bound: float) -> float:
        """Share of the labels that a design needs and that the best one may need as well."""
        return float(np.exp((bound - value) / self.rank))
