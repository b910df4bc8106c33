"""Questions to policies: every call of a policy's methods goes through these functions.

A policy is shown read-only views of the engine's arrays. What it returns is checked here, for kernels index by it
without a check: shape, real numbers, and their range.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ...posteriors.foundation.arrays import Bools, Floats, Ints
from ...posteriors.foundation.messages import named
from ...posteriors.foundation.plugins import calling, read_only, real_array
from ..problem.problem import Problem
from ..problem.states import ItemStates

__all__ = [
    "ask_allowed",
    "ask_index",
    "ask_probabilities",
    "ask_scale",
    "ask_scores",
    "ask_stops",
    "ask_to_go_on",
    "ask_to_prepare",
    "policy_name",
]


_LEAST_TOTAL = 1e-290


def policy_name(policy: Any) -> str:
    """Name of a policy, or of its class where it has none."""
    return named(getattr(policy, "name", type(policy).__name__))


def ask_index(policy: Any, states: ItemStates, exists: Bools | None = None) -> Floats:
    """Index of each state, as the policy gives it, checked.

    Parameters
    ----------
    policy : index policy
    states : ItemStates
    exists : ndarray of bool, optional
        States whose index must be finite; default all of them.

    Returns
    -------
    ndarray of float64, of the shape of the states
        Read-only where one value stands for several states.

    Raises
    ------
    ValueError
        For an index that is not real, not finite, or does not broadcast to the states' shape.
    """
    with calling("policy", policy, "index"):
        given = policy.index(states)
    found = real_array(f"{policy_name(policy)}: index", given)
    shape = states.shape
    try:
        # The broadcast of an array of the right shape would take longer than many an index.
        index = found if found.shape == shape else np.broadcast_to(found, shape)
    except ValueError:
        raise ValueError(f"{policy_name(policy)}: index has shape {found.shape}; it must be {shape}") from None
    good = np.isfinite(index)
    if exists is not None:
        good |= ~exists
    if not good.all():
        bad = ~good
        item, n, w = (np.broadcast_to(x, shape)[bad][0] for x in (states.item, states.labels, states.wins))
        where = f"{named(states.problem.name[int(item)])} is {index[bad][0]} after {n:g} labels and {w:g} wins"
        raise ValueError(f"{policy_name(policy)}: index of {where}; it must be finite")
    return index


def ask_scores(policy: Any, problem: Problem, counts: Ints, wins: Ints) -> Floats:
    """Score of every item in R states, shape (R, N).

    Raises
    ------
    ValueError
        For scores that are not real, not finite, or of another shape.
    """
    with calling("policy", policy, "scores"):
        given = policy.scores(problem, read_only(counts), read_only(wins))
    scores = real_array(f"{policy_name(policy)}: scores", given)
    if scores.shape != counts.shape:
        raise ValueError(f"{policy_name(policy)}: scores have shape {scores.shape}; it must be {counts.shape}")
    bad = np.argwhere(~np.isfinite(scores))
    if bad.size:
        r, i = bad[0]
        raise ValueError(
            f"{policy_name(policy)}: score of {named(problem.name[i])} is {scores[r, i]}; it must be finite"
        )
    return scores


def ask_probabilities(
    policy: Any, problem: Problem, counts: Ints, wins: Ints, usable: Bools, pending: Ints | None = None
) -> Floats:
    """Weights of the items in S states, shape (S, N), zero for those that are not usable; not yet divided by their sum.

    Raises
    ------
    ValueError
        For weights that are not real, of another shape, negative, not finite, or zero for all usable items of a state.
    """
    more: dict[str, Any] = {}
    if getattr(policy, "uses_pending", False):
        more["pending"] = None if pending is None else read_only(pending)
    with calling("policy", policy, "action_probabilities"):
        given = policy.action_probabilities(problem, read_only(counts), read_only(wins), read_only(usable), **more)
    weights = real_array(f"{policy_name(policy)}: probabilities", given)
    if weights.shape != counts.shape:
        raise ValueError(f"{policy_name(policy)}: probabilities have shape {weights.shape}; it must be {counts.shape}")
    weights[~usable] = 0.0
    with np.errstate(over="ignore"):
        total = weights.sum(axis=1)
    bad = (weights < 0).any(axis=1) | ~((total > 0) & np.isfinite(total))
    if bad.any():
        k = int(np.argmax(bad))
        raise ValueError(
            f"{policy_name(policy)}: after labels {counts[k].tolist()} with wins {wins[k].tolist()} the probabilities "
            f"are {weights[k].tolist()}; they must be finite, also their sum, not negative, and more than zero for "
            f"some item that can be labelled ({np.flatnonzero(usable[k]).tolist()})"
        )
    small = total < _LEAST_TOTAL
    if small.any():
        # Parts of such a sum would be rounded to multiples of the least number.
        weights[small] /= weights[small].max(axis=1, keepdims=True)
    return weights


def ask_allowed(policy: Any, problem: Problem, bought: Ints, usable: Bools) -> Bools:
    """Items that a policy may label among the usable ones, shape (S, N); all of them where it does not say.

    Raises
    ------
    ValueError
        For anything but an array of bool of that shape, and where no usable item of a state is allowed.
    """
    if not hasattr(policy, "allowed"):
        return usable
    shown = read_only(usable)
    with calling("policy", policy, "allowed"):
        given = policy.allowed(problem, read_only(bought), shown)
    if given is shown:
        return usable
    allowed = np.asarray(given)
    if allowed.shape != usable.shape or allowed.dtype != np.bool_:
        found = f"shape {allowed.shape} and type {allowed.dtype}"
        raise ValueError(f"{policy_name(policy)}: allowed has {found}; it must be {usable.shape} and bool")
    allowed = allowed & usable
    none = np.flatnonzero(usable.any(axis=1) & ~allowed.any(axis=1))
    if none.size:
        raise ValueError(
            f"{policy_name(policy)}: after labels {bought[none[0]].tolist()} it allows no item; it must allow one of "
            f"{np.flatnonzero(usable[none[0]]).tolist()}"
        )
    return allowed


def ask_stops(policy: Any, problem: Problem, counts: Ints, wins: Ints, usable: Bools) -> Bools:
    """Mask of the states in which a policy buys no further label, shape (S,); none where it does not say.

    Raises
    ------
    ValueError
        For anything but an array of bool of that shape.
    """
    if not hasattr(policy, "stops"):
        return np.zeros(len(counts), dtype=bool)
    with calling("policy", policy, "stops"):
        given = np.asarray(policy.stops(problem, read_only(counts), read_only(wins), read_only(usable)))
    return _mask(policy, "stops", given, len(counts))


def _mask(policy: Any, what: str, given: Bools, length: int) -> Bools:
    if given.shape != (length,) or given.dtype != np.bool_:
        found = f"shape {given.shape} and type {given.dtype}"
        raise ValueError(f"{policy_name(policy)}: {what} has {found}; it must be {(length,)} and bool")
    return given


def ask_to_go_on(policy: Any, problem: Problem, bought: Ints, usable: Bools) -> Bools:
    """Mask of the states in which a policy's own minima are not met, shape (S,).

    Raises
    ------
    ValueError
        For anything but an array of bool of that shape.
    """
    with calling("policy", policy, "must_go_on"):
        given = np.asarray(policy.must_go_on(problem, read_only(bought), read_only(usable)))
    return _mask(policy, "must_go_on", given, len(bought))


def ask_scale(policy: Any, problem: Problem) -> float:
    """Magnitude of the terms whose difference a score is.

    Raises
    ------
    ValueError
        For anything but a finite number, at least 0.
    """
    with calling("policy", policy, "index_scale"):
        given = policy.index_scale(problem)
    scale = real_array(f"{policy_name(policy)}: index_scale", given)
    if scale.shape != () or not (np.isfinite(scale) and scale >= 0):
        found = f"{policy_name(policy)}: index_scale is {scale.tolist()}"
        raise ValueError(f"{found}; it must be a finite number, at least 0")
    return float(scale)


def ask_to_prepare(policy: Any, problem: Problem) -> None:
    """Let a policy do the slow work that a problem needs once."""
    if hasattr(policy, "prepare"):
        with calling("policy", policy, "prepare"):
            policy.prepare(problem)
