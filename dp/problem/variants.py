"""Variants of a problem in one design choice: beta, temperature, offset or noise."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...posteriors.beliefs.belief import Belief
from ...posteriors.beliefs.beta import Beta
from ...posteriors.beliefs.noisy_beta import NoisyBeta
from ...posteriors.foundation.kinds import checked
from ...posteriors.foundation.messages import named, shown
from ...posteriors.foundation.refusals import flip_chance, number, one_of, positive
from .checks import ProblemError
from .problem import Problem

__all__ = ["KNOBS", "changed", "knob_number", "with_noise"]

# Figures and powers of two have room beyond it.
_LARGEST = 1e300
KNOBS = ("beta", "temperature", "offset", "noise")


@checked
def with_noise(problem: Problem, flip: float) -> Problem:
    """Variant of a problem whose labels are flipped with a given probability.

    Parameters
    ----------
    problem : Problem
        Its priors must be Beta or noisy Beta.
    flip : float
        Probability that a label is flipped, at least 0 and below 1/2.

    Returns
    -------
    Problem
        Its priors are ``NoisyBeta``, or ``Beta`` if `flip` is 0.

    Raises
    ------
    ValueError
        For another kind of prior, a prior that holds labels, or a probability out of range.

    Examples
    --------
    >>> with_noise(Problem([0.5], budget=2), 0.2).belief(0)
    NoisyBeta(a=1.0, b=1.0, flip=0.2, wins=0, losses=0)
    """
    beliefs: list[Belief] = []
    for i in range(problem.size):
        belief = problem.belief(i)
        known = isinstance(belief, (Beta, NoisyBeta)) and type(belief) in (Beta, NoisyBeta)
        if not known or (isinstance(belief, NoisyBeta) and belief.wins + belief.losses):
            raise ValueError(
                f"noise: the prior of {named(problem.name[i])} is {shown(belief)}; only a Beta or noisy Beta prior "
                "without labels can have its noise changed"
            )
        # Without noise the two beliefs are equal, and Beta is faster.
        assert isinstance(belief, (Beta, NoisyBeta)), "all others are refused"
        noisy = NoisyBeta(belief.a, belief.b, flip)
        beliefs.append(noisy if noisy.flip else Beta(belief.a, belief.b))
    return problem.replace(prior=tuple(beliefs))


def changed(problem: Problem, knob: str, value: float) -> Problem:
    """Variant of a problem with another beta, temperature, offset or noise.

    Parameters
    ----------
    problem : Problem
    knob : {"beta", "temperature", "offset", "noise"}
        Design choice: beta itself, a divisor of the log-ratios, a number added to them, or the flip probability.
    value : float
        Strength, temperature, offset or probability.

    Returns
    -------
    Problem
        Noise replaces the priors, every other knob the thresholds; all else is the same.

    Raises
    ------
    ValueError
        For an unknown knob, a value that the knob or the problem refuses, or noise with priors that do not allow it.

    Examples
    --------
    >>> problem = Problem.from_logratio([0.0, 2.0], beta=1.0, budget=5)
    >>> changed(problem, "temperature", 2.0).threshold.round(3)
    array([0.5  , 0.731])
    >>> changed(problem, "beta", 0.5).threshold.round(3)
    array([0.5  , 0.731])
    """
    one_of("vary", knob, KNOBS)
    x = knob_number(knob, value)
    if knob == "noise":
        return with_noise(problem, x)
    beta = 1.0 if problem.beta is None else problem.beta
    c = problem.log_ratio
    with np.errstate(over="ignore"):
        if knob == "beta":
            beta = x
        elif knob == "temperature":
            c = c / x
        else:
            c = c + x
    try:
        if not np.isfinite(c).all():
            i = int(np.flatnonzero(~np.isfinite(c))[0])
            raise ProblemError([f"log_ratio of {named(problem.name[i])} would be {c[i]}; it must be finite"])
        return problem.replace(log_ratio=c, beta=beta)
    except ProblemError as error:
        raise ProblemError([f"{knob} {x:g}: {fault}" for fault in error.faults]) from None


def knob_number(knob: str, value: Any) -> float:
    """Value of a design choice as a float; ``ValueError`` for a value that it does not take."""
    if knob == "noise":
        return flip_chance(knob, value)
    if knob == "offset":
        return number(knob, value, np.isfinite, "finite")
    return number(knob, positive(knob, value), lambda x: x <= _LARGEST, f"at most {_LARGEST:g}")
