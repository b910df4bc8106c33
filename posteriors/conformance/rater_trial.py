"""Model of raters under test: its simulated votes and its fit, which several clauses use."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..foundation.arrays import Ints
from ..raters.fit import RaterFit
from ..raters.model import Draws, Parameters, RaterModel, SimulatedLabels
from ..votes.design import Design
from .suite import expect

__all__ = ["RaterTrial", "as_draws", "log_likelihood"]

_DRAWS = 400


@dataclass(frozen=True)
class RaterTrial:
    """A model of raters under test, and the seed of its simulations and fits.

    What is simulated and fitted is kept, so that the clauses of the suite share it.

    Attributes
    ----------
    model : RaterModel
    seed : int
    """

    model: RaterModel
    seed: int

    @cached_property
    def design(self) -> Design:
        """Votes of five raters in two groups on eight items."""
        return Design.balanced(items=8, raters=5, votes_per_item=3, groups=2)

    @cached_property
    def made(self) -> SimulatedLabels:
        """Simulated votes and their truth."""
        return self.model.simulate(self.seed, self.design)

    @cached_property
    def label(self) -> Ints:
        """Outcomes of the simulated votes, shape (V,)."""
        return self.made.labels.labels.astype(np.int64)

    @cached_property
    def fit(self) -> RaterFit:
        """Fast fit to the simulated votes."""
        return self.model.fit(self.made.labels, method="fast", seed=self.seed, draws=_DRAWS)

    @cached_property
    def groups(self) -> tuple[str | None, ...]:
        """Groups for which tails and beliefs are defined: those of the votes, or only None."""
        return self.made.labels.groups if self.model.needs_groups else (None,)

    def shape(self, name: str) -> tuple[int, ...]:
        """Shape of a parameter for the simulated votes."""
        coords = self.model.coords(self.design)
        return tuple(len(coords[dim]) for dim in self.model.dims[name])

    def expect_parameters(self, found: Mapping[str, Any], what: str, lead: tuple[int, ...]) -> None:
        """Fail unless parameters are those of ``dims``, in their shapes, finite and within their limits."""
        model = self.model
        told = (
            f"{what} has {', '.join(sorted(found))}; expected the parameters of dims, {', '.join(sorted(model.dims))}"
        )
        expect(set(found) == set(model.dims), told)
        expect("rate" in found, f"{what} has no rate; expected the items' rates")
        for name, value in found.items():
            array, shape = np.asarray(value, dtype=np.float64), (*lead, *self.shape(name))
            expect(array.shape == shape, f"{name} of {what} has shape {array.shape}; expected {shape}")
            low, high = model.limits(name) or (-np.inf, np.inf)
            for x in array[~(np.isfinite(array) & (array >= low) & (array <= high))].reshape(-1)[:1]:
                expect(False, f"{name} of {what} has {x}; expected finite numbers from {low:g} to {high:g}")


def as_draws(parameters: Parameters) -> dict[str, NDArray[Any]]:
    """Parameters as a single draw."""
    return {name: np.asarray(value)[None] for name, value in parameters.items()}


def log_likelihood(trial: RaterTrial, draws: Draws, design: Design, label: Ints) -> NDArray[np.float64]:
    """Log-probability of each vote under each draw, checked for its shape and to be at most 0."""
    found = np.asarray(trial.model.log_likelihood(draws, design, label), dtype=np.float64)
    shape = (len(draws["rate"]), design.size)
    expect(found.shape == shape, f"log_likelihood has shape {found.shape}; expected (draws, votes) = {shape}")
    for s, v in np.argwhere(~(np.isfinite(found) & (found <= 1e-9)))[:1]:
        expect(False, f"vote {v} has {found[s, v]} under draw {s}; expected a finite number, at most 0")
    return found
