r"""Payoffs of beliefs about a shared parameter, paid once all labels are bought.

The parameter is one of G points. A payoff h is a function of the belief b over them, and is computed from *weights*
z = Z b of any positive sum Z as Z h(b):

    best choice          h = sum over groups of max_m E r_m                           choose one option of each group
    regularised choice   h = sum over groups of beta log sum_m pi_m exp(E r_m / beta)   the best policy near pi
    threshold decisions  h = sum_m v_m max(p_m, 1 - p_m),  p_m = P(rate_m > t_m)       decide which rates exceed a bar

with E and P under b. The second is the value of the best policy for the posterior mean reward, less beta times its
Kullback-Leibler divergence from pi (the regularised objective is linear in the reward). All three are convex in the
belief, so that no label lowers the expected payoff.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import scipy
from numpy.typing import ArrayLike

from ...posteriors.foundation.arrays import Floats, Ints
from ...posteriors.foundation.frozen import ReadOnlyCopies
from ...posteriors.foundation.kinds import WrongKind
from ...posteriors.foundation.messages import shown
from ...posteriors.foundation.number_arrays import number_array, place_name
from ...posteriors.foundation.plugins import calling, read_only, real_array
from ...posteriors.foundation.refusals import positive, refused
from ...posteriors.foundation.tolerances import above

__all__ = ["BeliefPayoff", "BestChoice", "CallablePayoff", "RegularisedChoice", "ThresholdDecisions", "table"]

# Beliefs at which a callable is tried, and by how much it may exceed a convex function through rounding.
_PROBES, _SEED, _SLACK = 64, 7, 1e-9


def table(field: str, values: Any, points: int | None = None) -> Floats:
    """Read-only array of finite numbers with a row for each point of the parameter.

    Examples
    --------
    >>> table("reward", [[0.0, 1.0], [2.0, np.nan]])
    Traceback (most recent call last):
    ValueError: reward[1, 1] is nan; it must be finite
    """
    array = number_array(field, values)
    if array.ndim != 2 or not array.size:
        raise ValueError(
            f"{field} has shape {array.shape}; it must have a row for each point and a column for each option"
        )
    if points is not None and len(array) != points:
        raise ValueError(f"{field} has {len(array)} rows; it must have one for each of the {points} points")
    for place in np.argwhere(~np.isfinite(array))[:1]:
        raise refused(place_name(field, tuple(place.tolist())), array[tuple(place)], "be finite")
    array.setflags(write=False)
    return array


def _vector(field: str, values: Any, size: int) -> Floats:
    array = number_array(field, values)
    if array.ndim == 0:
        array = np.full(size, float(array))
    if array.shape != (size,):
        raise ValueError(f"{field} has shape {array.shape}; it must be one number or a list of {size}")
    for k in np.flatnonzero(~np.isfinite(array))[:1]:
        raise refused(f"{field}[{k}]", array[k], "be finite")
    array.setflags(write=False)
    return array


def _groups(group: Iterable[Hashable] | None, options: int) -> Ints:
    """Number of each option's group, in the order in which the groups appear."""
    if group is None:
        return np.zeros(options, dtype=np.int64)
    if isinstance(group, str) or not isinstance(group, Iterable):
        raise WrongKind(f"group is {shown(group)}; it must be a list of the options' groups")
    given = [x.item() if isinstance(x, np.generic) else x for x in group]
    if len(given) != options:
        raise ValueError(f"group has {len(given)} entries; it must have one for each of the {options} options")
    for k, x in enumerate(given):
        if not isinstance(x, (int, str)) or isinstance(x, bool):
            raise refused(f"group[{k}]", x, "be a whole number or a text")
    known = {x: k for k, x in enumerate(dict.fromkeys(given))}
    found = np.array([known[x] for x in given], dtype=np.int64)
    found.setflags(write=False)
    return found


class BeliefPayoff:
    """Base of payoffs of the belief about a shared parameter.

    Attributes
    ----------
    points : int or None
        Number of points of the parameter that it is for; None for any.
    """

    name: ClassVar[str] = "payoff"
    points: int | None = None

    def of(self, weights: Floats) -> Floats:
        """Payoffs, each times the sum of its weights.

        Parameters
        ----------
        weights : ndarray, shape (S, G)
            Not negative.

        Returns
        -------
        ndarray, shape (S,)

        Raises
        ------
        NotImplementedError
            By this base, whose subclasses say what is paid.
        """
        raise NotImplementedError

    def scale(self) -> float:
        """Size of payoffs, beside which their rounding is small.

        Returns
        -------
        float
        """
        return 1.0


@dataclass(frozen=True, eq=False, init=False)
class BestChoice(ReadOnlyCopies, BeliefPayoff):
    """Payoff of choosing the option of largest posterior mean reward in each group.

    Parameters
    ----------
    reward : array_like, shape (G, M)
        Reward of each option at each point of the parameter.
    group : sequence of int or str, shape (M,), optional
        Group of each option, such as the prompt that a response answers; default: one group.

    Examples
    --------
    >>> payoff = BestChoice(reward=[[1.0, 0.0, 3.0], [0.0, 1.0, 3.0]], group=["x", "x", "y"])
    >>> payoff.of(np.array([[0.5, 0.5], [0.25, 0.75]]))
    array([3.5 , 3.75])
    """

    reward: Floats
    group: Ints
    name: ClassVar[str] = "best choice"

    def __init__(self, reward: ArrayLike, group: Sequence[Hashable] | None = None) -> None:
        rewards = table("reward", reward)
        object.__setattr__(self, "reward", rewards)
        object.__setattr__(self, "group", _groups(group, rewards.shape[1]))
        object.__setattr__(self, "points", len(rewards))

    def of(self, weights: Floats) -> Floats:
        """Payoffs, each times the sum of its weights."""
        means = weights @ self.reward
        found = np.zeros(len(weights))
        for k in range(int(self.group.max()) + 1):
            found += means[:, self.group == k].max(axis=1)
        return found

    def scale(self) -> float:
        """Largest sum of rewards in size."""
        return _summed(np.abs(self.reward).max(axis=0), self.group)


@dataclass(frozen=True, eq=False, init=False)
class RegularisedChoice(ReadOnlyCopies, BeliefPayoff):
    """Payoff of the policy that is best beside its divergence from a reference policy, in each group.

    Parameters
    ----------
    reward : array_like, shape (G, M)
        Reward of each option at each point of the parameter.
    reference : array_like, shape (M,)
        Reference policy: positive, and with sum 1 in each group.
    beta : float
        Price of a unit of divergence; positive.
    group : sequence of int or str, shape (M,), optional
        Group of each option; default: one group.

    Raises
    ------
    ValueError
        For arrays that do not go together, and a reference that is no policy in each group.

    Examples
    --------
    >>> payoff = RegularisedChoice([[1.0, 0.0], [0.0, 1.0]], reference=[0.5, 0.5], beta=0.5)
    >>> payoff.of(np.array([[1.0, 0.0], [0.5, 0.5]])).round(4)
    array([0.7169, 0.5   ])
    """

    reward: Floats
    reference: Floats
    beta: float
    group: Ints
    name: ClassVar[str] = "regularised choice"

    def __init__(
        self, reward: ArrayLike, reference: ArrayLike, beta: float, group: Sequence[Hashable] | None = None
    ) -> None:
        rewards = table("reward", reward)
        groups = _groups(group, rewards.shape[1])
        chances = _vector("reference", reference, rewards.shape[1])
        for k in np.flatnonzero(chances <= 0.0)[:1]:
            raise refused(f"reference[{k}]", chances[k], "be positive")
        sums = np.bincount(groups, chances)
        for k in np.flatnonzero(np.abs(sums - 1.0) > 1e-9)[:1]:
            raise ValueError(f"reference of group {k + 1} sums to {sums[k]:.12g}; it must sum to 1 in each group")
        object.__setattr__(self, "reward", rewards)
        object.__setattr__(self, "reference", chances)
        object.__setattr__(self, "beta", positive("beta", beta))
        object.__setattr__(self, "group", groups)
        object.__setattr__(self, "points", len(rewards))

    def of(self, weights: Floats) -> Floats:
        """Payoffs, each times the sum of its weights."""
        mass = weights.sum(axis=1)
        some = mass > 0.0
        found = np.zeros(len(weights))
        exponent = (weights[some] @ self.reward) / (mass[some, None] * self.beta)
        for k in range(int(self.group.max()) + 1):
            own = self.group == k
            found[some] += scipy.special.logsumexp(exponent[:, own], axis=1, b=self.reference[own])
        return found * self.beta * mass

    def scale(self) -> float:
        """Largest sum of rewards in size."""
        return _summed(np.abs(self.reward).max(axis=0), self.group)


def _summed(size: Floats, group: Ints) -> float:
    return float(sum(size[group == k].max() for k in range(int(group.max()) + 1)))


@dataclass(frozen=True, eq=False, init=False)
class ThresholdDecisions(ReadOnlyCopies, BeliefPayoff):
    """Payoff of deciding which rates exceed their thresholds: the weight that is decided rightly.

    Parameters
    ----------
    rate : array_like, shape (G, M)
        Rates at each point of the parameter.
    threshold : float or array_like, shape (M,)
    weight : float or array_like, shape (M,)
        At least 0.

    Examples
    --------
    >>> payoff = ThresholdDecisions(rate=[[0.2], [0.8]], threshold=0.5)
    >>> payoff.of(np.array([[0.25, 0.75], [1.0, 1.0]]))
    array([0.75, 1.  ])
    """

    rate: Floats
    threshold: Floats
    weight: Floats
    name: ClassVar[str] = "threshold decisions"

    def __init__(self, rate: ArrayLike, threshold: ArrayLike, weight: ArrayLike = 1.0) -> None:
        rates = table("rate", rate)
        weights = _vector("weight", weight, rates.shape[1])
        for k in np.flatnonzero(weights < 0.0)[:1]:
            raise refused(f"weight[{k}]", weights[k], "be at least 0")
        object.__setattr__(self, "rate", rates)
        object.__setattr__(self, "threshold", _vector("threshold", threshold, rates.shape[1]))
        object.__setattr__(self, "weight", weights)
        object.__setattr__(self, "points", len(rates))

    def of(self, weights: Floats) -> Floats:
        """Payoffs, each times the sum of its weights."""
        exceeds = above(self.rate, self.threshold)
        return np.asarray(np.maximum(weights @ exceeds, weights @ ~exceeds) @ self.weight)

    def scale(self) -> float:
        """Sum of the weights."""
        return float(self.weight.sum())


class CallablePayoff(BeliefPayoff):
    """Payoff by a function of beliefs that a user wrote, which must be convex.

    Parameters
    ----------
    function : callable
        Given beliefs of shape (S, G), whose rows sum to 1, it returns their payoffs, of shape (S,).
    points : int
        Number of points of the parameter.

    Raises
    ------
    ValueError
        For a function that returns anything but S finite numbers, or that is found not to be convex at random beliefs.

    Examples
    --------
    >>> CallablePayoff(lambda belief: -(belief**2).sum(axis=1), points=3)
    Traceback (most recent call last):
    ValueError: payoff <lambda> is not convex: between two beliefs it pays -0.351327, more than their mean -0.424381
    """

    def __init__(self, function: Callable[[Floats], Any], points: int) -> None:
        self.function, self.points = function, points
        self.called = getattr(function, "__name__", type(function).__name__)
        rng = np.random.default_rng(_SEED)
        ends = [rng.dirichlet(np.full(points, x), _PROBES) for x in (1.0, 0.1)]
        one, other = np.concatenate([ends[0], np.eye(points)]), np.concatenate([ends[1], np.eye(points)[::-1]])
        share = rng.uniform(size=(len(one), 1))
        mixture = share * one + (1.0 - share) * other
        both = share[:, 0] * self.of(one) + (1.0 - share[:, 0]) * self.of(other)
        alone = self.of(mixture)
        size = max(1.0, float(np.abs(alone).max()))
        for k in np.flatnonzero(alone > both + _SLACK * size)[:1]:
            raise ValueError(
                f"payoff {self.called} is not convex: between two beliefs it pays {alone[k]:.6g}, more than their mean "
                f"{both[k]:.6g}"
            )
        self._size = size

    def of(self, weights: Floats) -> Floats:
        """Payoffs, each times the sum of its weights."""
        mass = weights.sum(axis=1)
        some = mass > 0.0
        beliefs = np.ascontiguousarray(weights[some] / mass[some, None])
        what = f"payoff {self.called}"
        with calling("payoff", self.function, ""):
            returned = self.function(read_only(beliefs))
        value = real_array(what, returned)
        if value.shape != (len(beliefs),):
            raise ValueError(
                f"{what} returned shape {value.shape} for {len(beliefs)} beliefs; it must return one number each"
            )
        if not np.isfinite(value).all():
            raise ValueError(f"{what} returned {value[~np.isfinite(value)][0]}; it must be finite")
        found = np.zeros(len(weights))
        found[some] = value * mass[some]
        return found

    def scale(self) -> float:
        """Largest payoff in size where it was tried."""
        return self._size
