r"""Information of comparisons about a shared parameter, and of a policy about itself.

Items have features phi, and comparison (i, j) is won by i with chance sigma(u), with the margin

    u_ij = beta (phi_i - phi_j) . theta + offset_ij       (Bradley and Terry 1952; DPO, Rafailov et al. 2023)

Its Fisher information is g(u) s s^T with s = beta (phi_i - phi_j) and g(u) = sigma(u)(1 - sigma(u)), so that the row
a = sqrt(g(u)) s has the information a a^T. A policy pi(y | x) proportional to pi_0(y | x) exp(phi_y . theta) has the
Fisher information I = sum_x rho_x Cov_{pi(.|x)}(phi).
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable

import numpy as np
from numpy.typing import ArrayLike

from ..foundation.arrays import Floats, Ints
from ..foundation.kinds import WrongKind, checked
from ..foundation.messages import shown
from ..foundation.number_arrays import number_array, place_name, whole_array
from ..foundation.refusals import positive, refused

__all__ = ["checked_pairs", "feature_array", "label_information", "pair_rows", "policy_information", "row_array"]

# Largest size of features, and one over the smallest.
_LARGEST = 1e100


def label_information(margin: ArrayLike) -> Floats:
    """Information of a label about its margin, g(u) = sigma(u)(1 - sigma(u)).

    Parameters
    ----------
    margin : array_like
        Log-odds u of a win.

    Returns
    -------
    ndarray
        Of the same shape; 1/4 at 0, without loss of digits far from it.

    Raises
    ------
    ValueError
        For margins that are no numbers.

    Examples
    --------
    >>> label_information([0.0, 40.0]).tolist()
    [0.25, 4.248354255291589e-18]
    """
    margins = number_array("margin", margin)
    if np.isnan(margins).any():
        raise ValueError("margin has entries that are nan")
    small = np.exp(-np.abs(margins))
    return np.asarray(small / (1.0 + small) ** 2)


def row_array(field: str, values: ArrayLike, of: str) -> Floats:
    """Finite numbers of a usable size, with a row for each item or candidate.

    Examples
    --------
    >>> row_array("candidates", [[1.0, 1e-200]], "candidate")
    Traceback (most recent call last):
    ValueError: candidates has a column whose largest entry is 1e-200; choose units in which it is from 1e-100 to 1e+100
    """
    array = number_array(field, values)
    if array.ndim != 2 or not array.size:
        raise ValueError(
            f"{field} has shape {array.shape}; it must have a row for each {of} and a column for each feature"
        )
    most = np.maximum(array.max(axis=0), -array.min(axis=0))
    if not np.isfinite(most).all():
        place = tuple(np.argwhere(~np.isfinite(array))[0].tolist())
        raise refused(place_name(field, place), array[place], "be finite")
    # Squares and their inverses must be floats.
    for k in np.flatnonzero((most > _LARGEST) | ((most > 0.0) & (most < 1.0 / _LARGEST)))[:1]:
        raise ValueError(
            f"{field} has a column whose largest entry is {most[k]:g}; choose units in which it is from "
            f"{1.0 / _LARGEST:g} to {_LARGEST:g}"
        )
    return array


def feature_array(features: ArrayLike) -> Floats:
    """Finite features with a row for each item.

    Examples
    --------
    >>> feature_array([[0.0, 1.0], [np.inf, 1.0]])
    Traceback (most recent call last):
    ValueError: features[1, 0] is inf; it must be finite
    """
    return row_array("features", features, "item")


def checked_pairs(pairs: ArrayLike, items: int) -> Ints:
    """Pairs of different items by number.

    Examples
    --------
    >>> checked_pairs([[0, 1], [2, 2]], 3)
    Traceback (most recent call last):
    ValueError: pairs[1] compares item 2 with itself
    """
    array = whole_array("pairs", pairs)
    if array.ndim != 2 or array.shape[1] != 2 or not len(array):
        raise ValueError(f"pairs has shape {array.shape}; it must have a row of two items for each comparison")
    for e, k in np.argwhere(array >= items)[:1].tolist():
        raise ValueError(f"pairs[{e}, {k}] is {array[e, k]}; the items are 0 to {items - 1}")
    for e in np.flatnonzero(array[:, 0] == array[:, 1])[:1]:
        raise ValueError(f"pairs[{e}] compares item {array[e, 0]} with itself")
    return array


@checked
def pair_rows(features: ArrayLike, pairs: ArrayLike, *, beta: float = 1.0, margin: ArrayLike = 0.0) -> Floats:
    """Rows of comparisons, as candidates of ``design``: the root of the information of one label of each.

    Parameters
    ----------
    features : array_like, shape (k, d)
        Features of the items, such as those of a reward, or derivatives of a policy's log-probabilities.
    pairs : array_like of int, shape (n, 2)
        Two different items of each comparison, by number.
    beta : float
        Strength of the regularisation, by which differences are multiplied in the log-odds of a win.
    margin : float or array_like, shape (n,)
        Log-odds of a win of the first item of each, where something is known of them; at 0 a label tells most.

    Returns
    -------
    ndarray, shape (n, d)

    Raises
    ------
    ValueError
        For features that are not finite, items that there are none of, and comparisons of an item with itself.

    Examples
    --------
    >>> pair_rows([[0.0, 1.0], [1.0, 1.0], [1.0, 0.0]], [[0, 1], [1, 2]])
    array([[-0.5,  0. ],
           [ 0. ,  0.5]])
    """
    items = feature_array(features)
    chosen = checked_pairs(pairs, len(items))
    margins = number_array("margin", margin)
    if margins.ndim and margins.shape != (len(chosen),):
        raise ValueError(f"margin has shape {margins.shape}; it must be one number or a list of {len(chosen)}")
    if not np.isfinite(margins).all():
        raise ValueError("margin has entries that are not finite")
    roots = np.sqrt(label_information(margins)) * positive("beta", beta)
    difference = items[chosen[:, 0]] - items[chosen[:, 1]]
    return np.asarray(difference * (roots[:, None] if roots.ndim else roots))


@checked
def policy_information(
    features: ArrayLike,
    probability: ArrayLike,
    *,
    group: Iterable[Hashable] | None = None,
    weight: ArrayLike | None = None,
) -> Floats:
    """Fisher information of a softmax policy, the mean over its prompts of the covariance of the features.

    Parameters
    ----------
    features : array_like, shape (k, d)
        Features of the responses.
    probability : array_like, shape (k,)
        Probability of each response under the policy, given its prompt; positive, with sum 1 over each prompt.
    group : sequence of hashable, shape (k,), optional
        Prompt of each response; default: all answer one prompt.
    weight : array_like, shape (prompts,), optional
        Weight of each prompt, in the order in which they appear; default: all equal. They are scaled to sum to 1.

    Returns
    -------
    ndarray, shape (d, d)

    Raises
    ------
    ValueError
        For probabilities that are none, and arrays of another shape.

    Examples
    --------
    >>> policy_information([[1.0, 0.0], [0.0, 1.0]], [0.5, 0.5])
    array([[ 0.25, -0.25],
           [-0.25,  0.25]])
    """
    items = feature_array(features)
    p = number_array("probability", probability)
    if p.shape != (len(items),):
        raise ValueError(f"probability has shape {p.shape}; it must be a list of {len(items)}, one for each response")
    for k in np.flatnonzero(~((p > 0.0) & (p <= 1.0)))[:1]:
        raise refused(f"probability[{k}]", p[k], "be above 0 and at most 1")
    place, names = _groups(group, len(items))
    total = np.bincount(place, p)
    for x in np.flatnonzero(np.abs(total - 1.0) > 1e-6)[:1]:
        raise ValueError(f"probability sums to {total[x]:g} over {names[x]}; it must sum to 1")
    p = p / total[place]
    rho = np.full(len(total), 1.0) if weight is None else number_array("weight", weight)
    if rho.shape != total.shape:
        raise ValueError(f"weight has shape {rho.shape}; it must be a list of {len(total)}, one for each prompt")
    for x in np.flatnonzero(~((rho >= 0.0) & np.isfinite(rho)))[:1]:
        raise refused(f"weight[{x}]", rho[x], "be at least 0 and finite")
    if not rho.any():
        raise ValueError("weight sums to 0; at least one prompt must have a positive weight")
    mean = np.zeros((len(total), items.shape[1]))
    np.add.at(mean, place, p[:, None] * items)
    apart = items - mean[place]
    return np.asarray((apart.T * (p * (rho / rho.sum())[place])) @ apart)


def _groups(group: Iterable[Hashable] | None, items: int) -> tuple[Ints, list[str]]:
    """Number of each item's group, in the order in which they appear, and the groups' names for messages."""
    if group is None:
        return np.zeros(items, dtype=np.int64), ["all responses"]
    if isinstance(group, str) or not isinstance(group, Iterable):
        raise WrongKind(f"group is {shown(group)}; it must be a list of the responses' prompts")
    given = [x.item() if isinstance(x, np.generic) else x for x in group]
    if len(given) != items:
        raise ValueError(f"group has {len(given)} entries; it must have one for each of the {items} responses")
    numbers = {x: k for k, x in enumerate(dict.fromkeys(given))}
    return np.array([numbers[x] for x in given], dtype=np.int64), [f"the prompt {shown(x)}" for x in numbers]
