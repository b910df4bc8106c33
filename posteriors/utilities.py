r"""Terminal utilities: what a final belief is worth.

When the budget is spent, item i pays ``v h(p)``, where p = P(alpha > t) under the final belief:

    accuracy            h = max(p, 1-p)                        decide "learnable" or not, be right
    asymmetric(g, l)    h = max(0, g p - l (1-p))              accept when worth it, else nothing
    variance            h = -p (1-p)                           the audit index as a loss (Lemma 2026, eq. 22)
    entropy             h = p log p + (1-p) log(1-p)
    decisive(eps)       h = 1{p >= 1-eps or p <= eps}          (Lemma 2026, section 10)
    linear              h = p                                  (Lemma 2026, eq. 26)

p is a martingale under every policy, so labels can raise E h(p) only where h is not linear: by Jensen's inequality
never below h(p) for convex h. For ``linear`` the expected payoff is the same under *every* policy and every label is
worth exactly nothing.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "Accuracy",
    "Asymmetric",
    "Custom",
    "Decisive",
    "Entropy",
    "Linear",
    "Utility",
    "Variance",
    "make_utility",
    "utility_names",
]

Floats = NDArray[np.float64]

# Tail probabilities carry rounding of about 1e-16; a belief that sits exactly on a boundary (p = 1/2, p = eps) must
# fall on the same side however it was computed.
ROUNDING = 1e-12


class Utility:
    """Base of the terminal utilities; call it with tail probabilities to get h(p), elementwise."""

    name: ClassVar[str]

    def __call__(self, p: Floats) -> Floats:
        """Payoff h(p) of a unit weight."""
        raise TypeError(f"{type(self).__name__} must define __call__")

    def accept_above(self) -> float:
        """Tail probability above which the item is declared learnable; a tie decides "not"."""
        return 0.5

    def decide(self, p: Floats) -> NDArray[np.bool_]:
        """Whether each item is declared learnable."""
        return np.asarray(p) > self.accept_above() + ROUNDING

    def as_dict(self) -> dict[str, Any]:
        """Name and parameters, as written to TOML."""
        return {"name": self.name} | {f.name: getattr(self, f.name) for f in fields(self)}  # type: ignore[arg-type]


@dataclass(frozen=True)
class Accuracy(Utility):
    """h = max(p, 1-p): probability that the better of the two decisions is right.

    Examples
    --------
    >>> Accuracy()(np.array([0.3, 0.9]))
    array([0.7, 0.9])
    """

    name: ClassVar[str] = "accuracy"

    def __call__(self, p: Floats) -> Floats:
        """Payoff h(p)."""
        return np.maximum(p, 1.0 - p)


@dataclass(frozen=True)
class Asymmetric(Utility):
    """h = max(0, gain p - loss (1-p)): accept the item, and win ``gain`` or lose ``loss``, or leave it.

    Parameters
    ----------
    gain, loss : float
        Both positive and finite.

    Examples
    --------
    >>> Asymmetric(gain=1, loss=3)(np.array([0.5, 1.0]))
    array([0., 1.])
    """

    gain: float = 1.0
    loss: float = 1.0
    name: ClassVar[str] = "asymmetric"

    def __post_init__(self) -> None:
        for field in ("gain", "loss"):
            value = getattr(self, field)
            if not (isinstance(value, (int, float)) and np.isfinite(value) and value > 0):
                raise ValueError(f"utility asymmetric: {field} is {value!r}; it must be positive and finite")

    def __call__(self, p: Floats) -> Floats:
        """Payoff h(p)."""
        return np.maximum(0.0, self.gain * p - self.loss * (1.0 - p))

    def accept_above(self) -> float:
        """Break-even tail probability loss / (gain + loss)."""
        return self.loss / (self.gain + self.loss)


@dataclass(frozen=True)
class Variance(Utility):
    """h = -p(1-p): minus the posterior variance of the learnability indicator.

    Examples
    --------
    >>> Variance()(np.array([0.5, 1.0]))
    array([-0.25, -0.  ])
    """

    name: ClassVar[str] = "variance"

    def __call__(self, p: Floats) -> Floats:
        """Payoff h(p)."""
        return -p * (1.0 - p)


@dataclass(frozen=True)
class Entropy(Utility):
    """h = p log p + (1-p) log(1-p): minus the entropy of the indicator, in nats.

    Examples
    --------
    >>> Entropy()(np.array([0.5, 1.0])).round(4)
    array([-0.6931,  0.    ])
    """

    name: ClassVar[str] = "entropy"

    def __call__(self, p: Floats) -> Floats:
        """Payoff h(p)."""
        from scipy.special import xlog1py, xlogy

        return np.asarray(xlogy(p, p) + xlog1py(1.0 - p, -p))


@dataclass(frozen=True)
class Decisive(Utility):
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
        if not (isinstance(self.eps, (int, float)) and 0 < self.eps < 0.5):
            raise ValueError(f"utility decisive: eps is {self.eps!r}; it must lie strictly between 0 and 1/2")

    def __call__(self, p: Floats) -> Floats:
        """Payoff h(p)."""
        return ((p <= self.eps + ROUNDING) | (p >= 1.0 - self.eps - ROUNDING)).astype(np.float64)


@dataclass(frozen=True)
class Linear(Utility):
    """h = p: the source paper's surrogate, under which no label is ever worth anything.

    Examples
    --------
    >>> Linear()(np.array([0.25]))
    array([0.25])
    """

    name: ClassVar[str] = "linear"

    def __call__(self, p: Floats) -> Floats:
        """Payoff h(p)."""
        return np.array(p, dtype=np.float64)


@dataclass(frozen=True)
class Custom(Utility):
    """Any vectorised callable of p.

    Parameters
    ----------
    function : callable
        Takes an array of tail probabilities of any shape and returns finite payoffs of the same shape.

    Examples
    --------
    >>> Custom(lambda p: p**2)(np.array([0.5]))
    array([0.25])
    """

    function: Callable[[Floats], Floats]
    name: ClassVar[str] = "custom"

    def __post_init__(self) -> None:
        grid = np.linspace(0.0, 1.0, 101).reshape(1, -1)
        value = np.asarray(self.function(grid.copy()))
        if value.shape != grid.shape:
            raise ValueError(f"utility callable returned shape {value.shape} for input of shape {grid.shape}")
        if not np.all(np.isfinite(value)):
            raise ValueError(
                f"utility callable returned {value[~np.isfinite(value)][0]} at p = "
                f"{grid[~np.isfinite(value)][0]:g}; it must be finite on [0, 1]"
            )

    def __call__(self, p: Floats) -> Floats:
        """Payoff h(p)."""
        return np.asarray(self.function(p), dtype=np.float64)

    def as_dict(self) -> dict[str, Any]:
        """Refuse: a callable has no TOML form."""
        raise ValueError("a callable utility cannot be written to TOML; use a named utility")


_NAMED: dict[str, type[Utility]] = {
    cls.name: cls for cls in (Accuracy, Asymmetric, Variance, Entropy, Decisive, Linear)
}


def utility_names() -> tuple[str, ...]:
    """Names of the built-in utilities.

    Examples
    --------
    >>> utility_names()[0]
    'accuracy'
    """
    return tuple(_NAMED)


def make_utility(spec: str | dict[str, Any] | Utility | Callable[[Floats], Floats]) -> Utility:
    """Turn a name, a mapping with a ``name``, a utility or a vectorised callable into a utility.

    Raises
    ------
    ValueError
        For an unknown name or parameter, or a callable that is not finite and shape-preserving on [0, 1].

    Examples
    --------
    >>> make_utility({"name": "asymmetric", "gain": 1, "loss": 3})
    Asymmetric(gain=1, loss=3)
    """
    if isinstance(spec, Utility):
        return spec
    if isinstance(spec, str):
        spec = {"name": spec}
    if isinstance(spec, dict):
        parameters = dict(spec)
        name = parameters.pop("name", None)
        if not isinstance(name, str) or name not in _NAMED:
            raise ValueError(f"utility is {name!r}; allowed: {', '.join(_NAMED)}, or a callable")
        allowed = list(inspect.signature(_NAMED[name]).parameters)
        for key in parameters:
            if key not in allowed:
                raise ValueError(f"utility {name} has no parameter {key!r}; allowed: {', '.join(allowed) or 'none'}")
        return _NAMED[name](**parameters)
    if callable(spec):
        return Custom(spec)
    raise ValueError(f"utility is {spec!r}; allowed: {', '.join(_NAMED)}, or a callable")
