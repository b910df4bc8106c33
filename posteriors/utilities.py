r"""Terminal utilities: the payoff of a final belief.

When the budget is spent, item i pays ``v h(p)``, where p = P(alpha > t) under the final belief:

    accuracy            h = max(p, 1-p)                        probability that the better decision is right
    asymmetric(g, l)    h = max(0, g p - l (1-p))              accept, to gain g or lose l, or reject for 0
    variance            h = -p (1-p)                           the audit index as a loss (Lemma 2026, eq. 22)
    entropy             h = p log p + (1-p) log(1-p)
    decisive(eps)       h = 1{p >= 1-eps or p <= eps}          (Lemma 2026, section 10)
    linear              h = p                                  (Lemma 2026, eq. 26)
    none                h = 0                                  nothing is paid at the end

p is a martingale under every policy, so labels can change E h(p) only if h is not linear. For convex h the expected
payoff after labels is at least h(p), by Jensen's inequality. For ``linear`` the expected payoff is the same under
*every* policy, and the value of every label is exactly 0.

The decision maker states p, and h(p) is the expected payoff if p is correct. If the item is in fact learnable with
another probability p, ``score(stated, p)`` is the expected payoff of the stated tail and of the decision based on it:

    accuracy            p if ``stated`` decides "learnable", else 1-p
    asymmetric(g, l)    g p - l (1-p) if ``stated`` decides "learnable", else 0
    variance            -(p (1-stated)^2 + (1-p) stated^2)
    entropy             p log(stated) + (1-p) log(1-stated)
    decisive(eps)       1 if both are >= 1-eps or both are <= eps, else 0
    linear, none        p, 0

score(p, p) = h(p). All scores except that of ``decisive`` are linear in p: the payoff of a statement depends only on
whether the item is learnable. For these and convex h, score(stated, p) <= h(p), so no statement pays more than the
true p. They are the proper scoring rules of h (Savage 1971).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass, fields
from fractions import Fraction
from typing import Any, ClassVar

import numpy as np
import scipy

from .foundation.arrays import Bools, Floats
from .foundation.kinds import checked
from .foundation.messages import plain
from .foundation.names import Registry
from .foundation.refusals import number, probability
from .foundation.tolerances import ROUNDING, above
from .foundation.values import FrozenValue
from .payoffs import settle, try_payoffs

__all__ = [
    "UTILITIES",
    "Accuracy",
    "Asymmetric",
    "Custom",
    "Decisive",
    "Entropy",
    "Linear",
    "NoPayoff",
    "Utility",
    "Variance",
    "make_utility",
    "utility_names",
]


@dataclass(frozen=True)
class Utility(FrozenValue):
    """Base of the terminal utilities; a call with tail probabilities returns h(p), elementwise.

    The methods of a subclass are shown read-only arrays, and what they return is checked, unless it is ``trusted``:
    those of this module are, because checks would slow their formulas.

    Attributes
    ----------
    name : str
        Registered name.
    convex : bool
        True if h is known to be convex, so that no label lowers its expectation.
    """

    name: ClassVar[str]
    convex: ClassVar[bool] = False
    _trusted: ClassVar[bool] = True

    def __init_subclass__(cls, *, trusted: bool = False, **more: Any) -> None:
        cls._trusted = trusted
        super().__init_subclass__(**more)

    @classmethod
    def _settle(cls) -> None:
        """Let what the class above says of its payoff hold for that payoff alone."""
        super()._settle()
        settle(cls, Utility, guarded=not cls._trusted)

    def __call__(self, p: Floats) -> Floats:
        """Payoff h(p) for weight 1, elementwise."""
        raise TypeError(f"{type(self).__name__} must define __call__")

    def score(self, stated: Floats, p: Floats) -> Floats:
        """Expected payoff, for weight 1, of a decision based on ``stated`` when p is the true tail; elementwise.

        Parameters
        ----------
        stated, p : ndarray
            Stated and true tail probabilities, from 0 to 1; they broadcast together.

        Returns
        -------
        ndarray of float64
            Expected payoffs, of the broadcast shape.

        Raises
        ------
        ValueError
            For a utility without such a score, which includes every callable.
        """
        raise ValueError(
            f"utility {self.name} has no score for a tail other than the stated one; define score(stated, p)"
        )

    def accept_above(self) -> float:
        """Tail probability above which an item is declared learnable; at a tie it is declared not learnable.

        Returns
        -------
        float
        """
        return 0.5

    def decide(self, p: Floats) -> Bools:
        """Decision for each item: True if it is declared learnable.

        Parameters
        ----------
        p : ndarray
            Tail probabilities, any shape.

        Returns
        -------
        ndarray of bool, shape of ``p``
        """
        return above(p, self.accept_above())

    def kink(self) -> tuple[float, float] | None:
        """Kink of a piecewise linear utility: c and S if h(p) is S max(0, p - c) plus a linear function, else None."""
        return None

    def as_dict(self) -> dict[str, Any]:
        """Name and parameters, as written to TOML.

        Returns
        -------
        dict
        """
        return {"name": self.name} | {f.name: getattr(self, f.name) for f in fields(self)}


@dataclass(frozen=True)
class Accuracy(Utility, trusted=True):
    """h = max(p, 1-p): probability that the better of the two decisions is right.

    Examples
    --------
    >>> Accuracy()(np.array([0.3, 0.9]))
    array([0.7, 0.9])
    """

    name: ClassVar[str] = "accuracy"
    convex: ClassVar[bool] = True

    def __call__(self, p: Floats) -> Floats:
        """Payoff h(p)."""
        return np.maximum(p, 1.0 - p)

    def score(self, stated: Floats, p: Floats) -> Floats:
        """Expected payoff for weight 1 when ``stated`` is stated and p is true."""
        return np.where(self.decide(stated), p, 1.0 - p)

    def kink(self) -> tuple[float, float]:
        """Place and slope change of the kink."""
        return 0.5, 2.0


# Largest gain and loss: their sum and products with weights are numbers.
_MOST = 1e100


@dataclass(frozen=True)
class Asymmetric(Utility, trusted=True):
    """h = max(0, gain p - loss (1-p)): accept the item, to gain ``gain`` or lose ``loss``, or reject it for 0.

    Parameters
    ----------
    gain, loss : float
        Both positive, and at most 1e100.

    Examples
    --------
    >>> Asymmetric(gain=1, loss=3)(np.array([0.5, 1.0]))
    array([0., 1.])
    """

    gain: float = 1.0
    loss: float = 1.0
    name: ClassVar[str] = "asymmetric"
    convex: ClassVar[bool] = True

    def __post_init__(self) -> None:
        for field in ("gain", "loss"):
            value = getattr(self, field)
            number(f"utility asymmetric: {field}", value, lambda x: 0 < x <= _MOST, f"positive, and at most {_MOST:g}")
            object.__setattr__(self, field, plain(value))

    def __call__(self, p: Floats) -> Floats:
        """Payoff h(p)."""
        return np.maximum(0.0, self.gain * p - self.loss * (1.0 - p))

    def score(self, stated: Floats, p: Floats) -> Floats:
        """Expected payoff for weight 1 when ``stated`` is stated and p is true."""
        return np.where(self.decide(stated), self.gain * p - self.loss * (1.0 - p), 0.0)

    def accept_above(self) -> float:
        """Break-even tail probability loss / (gain + loss)."""
        return self.loss / (self.gain + self.loss)

    def kink(self) -> tuple[float, float]:
        """Place and slope change of the kink."""
        return self.loss / (self.gain + self.loss), float(self.gain + self.loss)


@dataclass(frozen=True)
class Variance(Utility, trusted=True):
    """h = -p(1-p): minus the posterior variance of the learnability indicator.

    Examples
    --------
    >>> Variance()(np.array([0.5, 1.0]))
    array([-0.25, -0.  ])
    """

    name: ClassVar[str] = "variance"
    convex: ClassVar[bool] = True

    def __call__(self, p: Floats) -> Floats:
        """Payoff h(p)."""
        return -p * (1.0 - p)

    def score(self, stated: Floats, p: Floats) -> Floats:
        """Expected payoff for weight 1 when ``stated`` is stated and p is true."""
        return np.asarray(-(p * (1.0 - stated) ** 2 + (1.0 - p) * stated**2))


@dataclass(frozen=True)
class Entropy(Utility, trusted=True):
    """h = p log p + (1-p) log(1-p): minus the entropy of the indicator, in nats.

    Examples
    --------
    >>> Entropy()(np.array([0.5, 1.0])).round(4)
    array([-0.6931,  0.    ])
    """

    name: ClassVar[str] = "entropy"
    convex: ClassVar[bool] = True

    def __call__(self, p: Floats) -> Floats:
        """Payoff h(p)."""
        return self.score(p, p)

    def score(self, stated: Floats, p: Floats) -> Floats:
        """Expected payoff for weight 1; minus infinity where ``stated`` is 0 or 1 and p differs from it."""
        return np.asarray(scipy.special.xlogy(p, stated) + scipy.special.xlog1py(1.0 - p, -stated))


@dataclass(frozen=True)
class Decisive(Utility, trusted=True):
    """h = 1 where p >= 1-eps or p <= eps: the belief is decisive at level eps. Not convex in p.

    Parameters
    ----------
    eps : float
        Strictly between 0 and 1/2.

    Examples
    --------
    >>> Decisive(0.1)(np.array([0.05, 0.5, 0.95]))
    array([1., 0., 1.])
    """

    eps: float = 0.05
    name: ClassVar[str] = "decisive"

    def __post_init__(self) -> None:
        probability("utility decisive: eps", self.eps, most=Fraction(1, 2))
        object.__setattr__(self, "eps", plain(self.eps))

    def __call__(self, p: Floats) -> Floats:
        """Payoff h(p)."""
        return ((p <= self.eps + ROUNDING) | (p >= 1.0 - self.eps - ROUNDING)).astype(np.float64)

    def score(self, stated: Floats, p: Floats) -> Floats:
        """Expected payoff for weight 1: 1 where ``stated`` and p are decisive on the same side. Not linear in p."""
        low, high = self.eps + ROUNDING, 1.0 - self.eps - ROUNDING
        both_low, both_high = np.maximum(stated, p) <= low, np.minimum(stated, p) >= high
        return np.asarray(both_low | both_high, dtype=np.float64)


@dataclass(frozen=True)
class Linear(Utility, trusted=True):
    """h = p: the source paper's surrogate, under which the value of every label is 0.

    Examples
    --------
    >>> Linear()(np.array([0.25]))
    array([0.25])
    """

    name: ClassVar[str] = "linear"
    convex: ClassVar[bool] = True

    def __call__(self, p: Floats) -> Floats:
        """Payoff h(p)."""
        return np.array(p, dtype=np.float64)

    def score(self, stated: Floats, p: Floats) -> Floats:
        """Expected payoff for weight 1 when ``stated`` is stated and p is true."""
        return np.broadcast_arrays(stated, p)[1].astype(np.float64)


@dataclass(frozen=True)
class NoPayoff(Utility, trusted=True):
    """h = 0: no terminal payoff; only rewards of wins count.

    Examples
    --------
    >>> NoPayoff()(np.array([0.3, 0.9]))
    array([0., 0.])
    """

    name: ClassVar[str] = "none"
    convex: ClassVar[bool] = True

    def __call__(self, p: Floats) -> Floats:
        """Payoff h(p)."""
        return np.zeros(np.shape(p))

    def score(self, stated: Floats, p: Floats) -> Floats:
        """Expected payoff for weight 1: 0."""
        return np.zeros(np.broadcast_shapes(np.shape(stated), np.shape(p)))


@dataclass(frozen=True)
class Custom(Utility):
    """Any vectorised callable of p.

    Parameters
    ----------
    function : callable
        Takes a read-only array of tail probabilities of any shape and returns finite payoffs of the same shape.

    Raises
    ------
    ValueError
        If the callable raises, changes its argument, or does not return an array of finite numbers of the shape of its
        argument; tried when the utility is made, and checked at each call. What it raises later is passed on.

    Examples
    --------
    >>> Custom(lambda p: p**2)(np.array([0.5]))
    array([0.25])
    """

    # Some callables, such as polynomials of NumPy, cannot be hashed.
    function: Callable[[Floats], Floats] = dataclasses.field(hash=False)
    name: ClassVar[str] = "custom"
    called: ClassVar[str] = "callable"

    def __post_init__(self) -> None:
        try_payoffs(self)

    def __call__(self, p: Floats) -> Floats:
        """Payoff h(p)."""
        return self.function(p)

    def as_dict(self) -> dict[str, Any]:
        """Refuse: a callable has no TOML form."""
        raise ValueError("a callable utility cannot be written to TOML; use a named utility")


UTILITIES = Registry(
    Utility,
    "utility",
    group="seqaudit.utilities",
    setting="parameter",
    unknown="{called} is {name}; allowed: {known}, or a callable{hint}",
)
UTILITIES.add_built_in([Accuracy, Asymmetric, Variance, Entropy, Decisive, Linear, NoPayoff])


def utility_names() -> tuple[str, ...]:
    """Names of all registered utilities.

    Examples
    --------
    >>> utility_names()[0]
    'accuracy'
    """
    return UTILITIES.names()


@checked
def make_utility(spec: str | dict[str, Any] | Utility | Callable[[Floats], Floats] | None) -> Utility:
    """Turn a name, a mapping with a ``name``, a utility, a vectorised callable or None (no payoff) into a utility.

    Parameters
    ----------
    spec : str, dict, Utility, callable or None
        A name is a registered one, alone or with parameters in brackets. A utility is returned unchanged.

    Returns
    -------
    Utility

    Raises
    ------
    ValueError
        For an unknown name, with the most similar known one; for an unknown or missing parameter; and for a callable
        that does not return finite numbers in the shape of its argument on [0, 1].

    Examples
    --------
    >>> make_utility({"name": "asymmetric", "gain": 1, "loss": 3})
    Asymmetric(gain=1, loss=3)
    >>> make_utility("decisive(eps=0.1)")
    Decisive(eps=0.1)
    """
    if spec is None:
        return NoPayoff()
    if isinstance(spec, type):
        raise ValueError(f"utility is the class {spec.__name__}; give an object of it, such as {spec.__name__}()")
    if callable(spec) and not isinstance(spec, Utility):
        return Custom(spec)
    utility = UTILITIES.make(spec)
    if type(utility) not in UTILITIES.built_in and not isinstance(utility, Custom):
        if type(utility).__call__ is Utility.__call__ or not isinstance(getattr(utility, "name", None), str):
            raise ValueError(f"utility is of the class {type(utility).__name__}, which lacks a name or a __call__")
        try_payoffs(utility)
    return utility
