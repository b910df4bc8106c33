"""Scores and choice probabilities of any policy in many states at once."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

import numpy as np

from ..dp.evaluation.asking import ask_index, ask_probabilities, ask_scale, ask_scores
from ..dp.problem.problem import Problem
from ..dp.problem.states import known_states
from ..posteriors.foundation.arrays import Bools, Floats, Ints
from .policy import IndexPolicy, JointPolicy, Policy, even_over_best
from .state_cache import ItemNumbers

__all__ = ["chances_of", "for_distinct", "scores_of"]


@lru_cache(maxsize=8)
def _indices(problem: Problem, policy: IndexPolicy) -> ItemNumbers:
    def rule(items: Ints, labels: Ints, wins: Ints) -> Floats:
        states = known_states(problem, items, labels.astype(np.float64), wins.astype(np.float64))
        return ask_index(policy, states)

    return ItemNumbers(rule)


def scores_of(policy: Policy, problem: Problem, counts: Ints, wins: Ints) -> Floats:
    """Scores of any policy, shape (S, N); indices that depend on the item's state alone are cached."""
    if isinstance(policy, IndexPolicy) and not policy.uses_remaining and type(policy).scores is IndexPolicy.scores:
        return _indices(problem, policy).at(counts, wins)
    return ask_scores(policy, problem, counts, wins)


def chances_of(
    policy: Policy, problem: Problem, counts: Ints, wins: Ints, usable: Bools, pending: Ints | None = None
) -> Floats:
    """Probability with which any policy labels each item, shape (S, N)."""
    if isinstance(policy, JointPolicy):
        given = ask_probabilities(policy, problem, counts, wins, usable, pending)
        return np.asarray(given / given.sum(axis=1, keepdims=True))
    scores = scores_of(policy, problem, counts, wins)
    return even_over_best(scores, usable, ask_scale(policy, problem), policy.ties)


def for_distinct(rule: Callable[[Ints, Ints, Bools], Floats], counts: Ints, wins: Ints, usable: Bools) -> Floats:
    """Answers of a costly rule in S states, shape (S, N); each distinct state is asked for once."""
    if len(counts) == 1:
        return rule(counts, wins, usable)
    _, first, which = np.unique(np.hstack([counts, wins, usable]), axis=0, return_index=True, return_inverse=True)
    return np.asarray(rule(counts[first], wins[first], usable[first])[which.reshape(-1)])
