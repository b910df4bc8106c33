r"""Designs that are known in closed form.

With linearly independent rows, the optimal weights of the trace criterion are w_e proportional to sqrt(c_e), c_e =
(A^{-T} K A^{-1})_ee, with value (sum_e sqrt(c_e))^2 (Pukelsheim 1993, section 8.8).

For one prompt with a logit for each response, whose policy has probabilities p, all comparisons of its responses are
candidates, with rows (beta / 2)(u_i - u_j) in unit vectors u where the margins are 0. With K = diag(p) - p p^T, the
Fisher information of the policy,

    w_ij = -2 (K^{1/2})_ij / tr K^{1/2}  for i < j,    Phi = 2 (tr K^{1/2})^2 / beta^2.

Every design has tr(K M^+) tr M >= (tr K^{1/2})^2 with tr M = beta^2 / 2, with equality where M is proportional to
K^{1/2}. That is the information of weights that are not negative: K = s (I - P) with P >= 0 for large s, so that
K^{1/2} = sqrt(s) (I - sum_k c_k P^k) with c_k >= 0 has no positive entry beside its diagonal.
"""

from __future__ import annotations

import numpy as np
import scipy
from numpy.typing import ArrayLike

from ...posteriors.comparisons.information import policy_information
from ...posteriors.foundation.arrays import Floats
from ...posteriors.foundation.number_arrays import number_array
from ...posteriors.foundation.refusals import positive

__all__ = ["saturated_design", "tabular_design"]


def tabular_design(probability: ArrayLike, beta: float) -> tuple[Floats, float]:
    """Optimal comparisons of a prompt's responses, for a policy with a logit for each.

    Parameters
    ----------
    probability : array_like, shape (k,)
        Probabilities of the responses under the policy, whose margins are 0.
    beta : float
        Strength of the regularisation.

    Returns
    -------
    weight : ndarray, shape (k (k - 1) / 2,)
        Share of the labels of each comparison (i, j), i < j, in the order of ``numpy.triu_indices(k, 1)``.
    value : float
        Trace of the policy's Fisher information times the inverse of the design's information.

    Raises
    ------
    ValueError
        For anything but probabilities of at least two responses, and a beta that is not positive.

    Examples
    --------
    >>> weight, value = tabular_design([0.5, 0.25, 0.25], beta=1.0)
    >>> weight.round(4), round(value, 4)
    (array([0.367, 0.367, 0.266]), 2.4747)
    """
    p, strength = number_array("probability", probability), positive("beta", beta)
    if p.ndim != 1 or len(p) < 2:
        raise ValueError(f"probability has shape {p.shape}; it must be a list of at least two")
    fisher = policy_information(np.eye(len(p)), p)
    values, vectors = scipy.linalg.eigh(fisher)
    # The constant direction has eigenvalue 0, whatever its rounding.
    values[0] = 0.0
    root = (vectors * np.sqrt(values)) @ vectors.T
    trace = float(np.sqrt(values).sum())
    weight = (-2.0 * root[np.triu_indices(len(fisher), 1)] / trace).clip(min=0.0)
    return weight / weight.sum(), 2.0 * trace**2 / strength**2


def saturated_design(rows: ArrayLike, target: ArrayLike) -> tuple[Floats, float]:
    """Optimal design of as many candidates as there are features, for the trace criterion.

    Parameters
    ----------
    rows : array_like, shape (d, d)
        Linearly independent rows of the candidates.
    target : array_like, shape (d, d)
        The matrix K.

    Returns
    -------
    weight : ndarray, shape (d,)
    value : float
        Trace of K times the inverse of the information.

    Raises
    ------
    ValueError
        For rows that are linearly dependent.

    Examples
    --------
    >>> saturated_design([[1.0, 0.0], [0.0, 2.0]], [[1.0, 0.0], [0.0, 1.0]])
    (array([0.66666667, 0.33333333]), 2.25)
    """
    square, matrix = number_array("rows", rows), number_array("target", target)
    if square.ndim != 2 or square.shape[0] != square.shape[1] or matrix.shape != square.shape:
        raise ValueError(
            f"rows and target have shapes {square.shape} and {matrix.shape}; both must be square and equal"
        )
    if np.linalg.cond(square) > 1e12:
        raise ValueError("rows are linearly dependent")
    inverse = np.linalg.inv(square)
    roots = np.sqrt(np.einsum("di,de,ei->i", inverse, matrix, inverse).clip(min=0.0))
    if not roots.any():
        raise ValueError("target is 0; it must ask for something")
    return roots / roots.sum(), float(roots.sum() ** 2)
