"""Directions of a parameter that candidates tell of, and coordinates in which they tell of all alike."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import scipy

from ...posteriors.foundation.arrays import Floats
from ...posteriors.foundation.messages import printable

__all__ = ["Span", "factor_of", "require_identified", "span_of"]

# Shares of a matrix's size below which what is left is rounding.
_UNSEEN, _NO_CURVATURE, _ASYMMETRY = 1e-7, 1e-13, 1e-9
# Features that are named in a direction.
_NAMED = 3


@dataclass(frozen=True)
class Span:
    """Span of the candidates' rows.

    Attributes
    ----------
    whitening : ndarray, shape (d, r)
        Rows times this have the information matrix I under the uniform design, together with what is known before.
    basis : ndarray, shape (d, r)
        Orthonormal basis of the span.
    scale : ndarray, shape (d,)
        Size of each feature.
    volume : float
        Log-determinant of an information matrix in the orthonormal basis, less that in the whitened coordinates.
    """

    whitening: Floats
    basis: Floats
    scale: Floats
    volume: float


def span_of(root: Floats, candidates: int) -> Span:
    """Span of candidates from the triangular root of their information.

    Parameters
    ----------
    root : ndarray, shape (p, d)
        R with R^T R the information of the uniform design, with what is known before.
    candidates : int
        Number of candidates, on which the size of rounding errors depends.

    Returns
    -------
    Span

    Examples
    --------
    >>> span_of(np.array([[1.0, -1.0], [0.0, 0.0]]), 3).basis.shape
    (2, 1)
    """
    scale = np.sqrt(np.einsum("pd,pd->d", root, root))
    scale[scale == 0.0] = 1.0
    _, sizes, directions = np.linalg.svd(root / scale)
    floor = sizes.max(initial=0.0) * max(candidates, root.shape[1]) * np.finfo(float).eps
    rank = int((sizes > floor).sum())
    kept = directions[:rank].T
    whitening = kept / sizes[:rank] / scale[:, None]
    # The span itself: rows are combinations of these directions, times the scale.
    # Largest rows first, and with pivoting, so that features of a small size keep their digits (Cox and Higham 1998).
    order = np.argsort(-scale, kind="stable")
    turned, triangle, _ = scipy.linalg.qr((kept * scale[:, None])[order], mode="economic", pivoting=True)
    basis = np.empty_like(turned)
    basis[order] = turned
    # Rows are x = whitened S kept^T D = whitened S triangle^T basis^T.
    volume = 2.0 * float(np.log(np.abs(np.diag(triangle))).sum() + np.log(sizes[:rank]).sum())
    return Span(whitening, basis, scale, volume)


def factor_of(field: str, matrix: Floats) -> Floats:
    """Factor F, of full column rank, of a matrix F F^T.

    Raises
    ------
    ValueError
        If the matrix is not symmetric and positive semidefinite, or 0.

    Examples
    --------
    >>> factor_of("target", np.diag([4.0, 0.0]))
    array([[2.],
           [0.]])
    """
    for i in np.flatnonzero(np.diag(matrix) < 0.0)[:1]:
        raise ValueError(f"{field} is not positive semidefinite: its entry [{i}, {i}] is {matrix[i, i]:g}")
    # In units of its own diagonal, so that small features keep their digits.
    scale = np.sqrt(np.diag(matrix))
    if not scale.any() and not matrix.any():
        raise ValueError(f"{field} is 0; it must ask for something")
    size = np.where(scale > 0.0, scale, float(np.sqrt(np.abs(matrix).max())))
    scaled = matrix / size[:, None] / size
    for i, j in np.argwhere(np.abs(scaled - scaled.T) > _ASYMMETRY)[:1]:
        raise ValueError(
            f"{field} is not symmetric: its entry [{i}, {j}] is {matrix[i, j]:g}, and [{j}, {i}] is {matrix[j, i]:g}"
        )
    values, vectors = scipy.linalg.eigh((scaled + scaled.T) / 2.0)
    if values[0] < -_ASYMMETRY:
        raise ValueError(
            f"{field} is not positive semidefinite: scaled to a diagonal of 1 it has the eigenvalue {values[0]:g}"
        )
    kept = values > len(values) * _NO_CURVATURE * values[-1]
    signs = np.where(np.take_along_axis(vectors, np.abs(vectors).argmax(axis=0)[None, :], axis=0) < 0.0, -1.0, 1.0)
    return np.asarray(size[:, None] * (vectors * signs * np.sqrt(values.clip(min=0.0)))[:, kept])


def require_identified(span: Span, factor: Floats, names: Sequence[str], criterion: str) -> None:
    """Raise where a criterion asks for a direction of which no candidate tells.

    Parameters
    ----------
    span : Span
    factor : ndarray, shape (d, s)
        What is asked for.
    names : sequence of str
        Names of the features.
    criterion : str
        Its name, for the message.

    Raises
    ------
    ValueError
        With the missing direction.

    Examples
    --------
    >>> span = span_of(np.array([[1.0, -1.0], [0.0, 0.0]]), 3)
    >>> require_identified(span, np.eye(2), ("x1", "x2"), "A")
    Traceback (most recent call last):
    ValueError: criterion A asks for a direction of which no candidate tells: 0.707 x1 + 0.707 x2; every design has ...
    """
    # In units of the features' sizes, so that a small feature is not taken for a missing one.
    asked = factor / span.scale[:, None]
    known, _ = np.linalg.qr(span.basis / span.scale[:, None])
    left = asked - known @ (known.T @ asked)
    sizes = np.sqrt(np.einsum("ds,ds->s", left, left))
    worst = int(sizes.argmax())
    if sizes[worst] <= _UNSEEN * np.sqrt(np.einsum("ds,ds->s", asked, asked)).max():
        return
    # Moving the parameter along it changes no label.
    raise ValueError(
        f"criterion {criterion} asks for a direction of which no candidate tells: "
        f"{_words(left[:, worst] / span.scale, names)}; "
        "every design has the value inf"
    )


def _words(direction: Floats, names: Sequence[str]) -> str:
    direction = direction / np.sqrt(direction @ direction)
    largest = np.argsort(-np.abs(direction), kind="stable")[:_NAMED]
    largest = largest[np.abs(direction[largest]) > 1e-3]
    sign = 1.0 if direction[largest[0]] > 0.0 else -1.0
    terms = [f"{sign * direction[k]:+.3g} {printable(names[k])}".replace("+1 ", "+") for k in np.sort(largest)]
    text = " ".join(f"{term[0]} {term[1:]}" for term in terms).removeprefix("+ ")
    more = int((np.abs(direction) > 1e-3).sum()) - len(largest)
    return text + (" + ..." if more else "")
