"""Models of raters: what all of them offer, in one shape.

A model says how a vote comes about: from an item's rate alpha_i and from what the rater, the rater's group or the
moment adds to it. What a decision is about is the item's rate with these additions taken away,

    alpha_i = the rate at which raters without bias, of usual skill, honest and of today, say 1 of item i,

and ``tail`` is P(alpha_i > t_i | all votes). What the next rater *says* is another matter: a fresh rater says 1 with
probability q(alpha_i), the ``channel`` of the model. Where the model knows only right and wrong answers, alpha_i is 0
or 1, and the channel is one minus the specificity, or the sensitivity.

A model is a frozen dataclass of the constants of its priors. It defines

    draw        parameters from the prior, or around rates that are given,
    chances     the chance of 1 of each vote, given all parameters,
    build       the same model in PyMC, discrete parameters summed out,
    complete    what follows from PyMC's draws: the rates, and draws of what was summed out,
    approximate draws from a fast approximation of the posterior, in the same names,
    log_likelihood, new_rates   what votes were worth, and what items without votes are like,

and everything else (``simulate``, ``fit``, tails, beliefs, diagnostics) is common to all of them. One name means one
thing in all of them: the truth that ``simulate`` returns and the draws that ``fit`` returns have the same variables.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..beliefs.belief import Belief
from ..beliefs.grid import grid_of_draws
from ..foundation.arrays import Floats, Ints
from ..foundation.names import write_name
from ..foundation.refusals import one_of
from ..foundation.seeds import Seed
from ..votes.checks import checked_parameter, require_groups, require_raters, require_votes
from ..votes.design import Design
from ..votes.label_set import LabelSet
from .fit import RaterFit
from .sampling import fit_fast, fit_nuts

if TYPE_CHECKING:
    import pymc as pm

__all__ = ["Draws", "Parameters", "RaterModel", "SimulatedLabels"]

Parameters = dict[str, Any]
# Draws of parameters: arrays whose first axis is the draw.
Draws = Mapping[str, NDArray[Any]]
_SHARES = ("rate", "first_rate", "answer", "answer_rate", "answer_chance", "sensitivity", "specificity", "kind_chance")
_WHOLE = ("answer", "kind")


@dataclass(frozen=True, eq=False)
class SimulatedLabels:
    """Votes that a model has drawn, and the parameters that it drew them from.

    Attributes
    ----------
    labels : LabelSet
    truth : dict
        All parameters by name, as arrays; ``truth["rate"]`` are the items' rates, shape (N,) or (N, G).
    """

    labels: LabelSet
    truth: Parameters


class RaterModel(ABC):
    """Base of the models of raters; subclasses are frozen dataclasses of the constants of their priors.

    Attributes
    ----------
    name : str
        Registered name.
    dims : dict
        Dimensions of each parameter, of ``item``, ``rater`` and ``group``, or others that ``coords`` names; ``()`` for
        a number.
    needs_raters, needs_groups : bool
        Whether the model can say nothing without raters who label several items, or without groups.
    in_order : bool
        Whether the order of an item's votes matters.
    fast_is_independent : bool
        Whether the draws of ``approximate`` are independent, and not those of a chain.
    rate_names : tuple of str
        Parameters that say what ``simulate(rate=...)`` says.
    """

    name: ClassVar[str]
    dims: ClassVar[dict[str, tuple[str, ...]]]
    needs_raters: ClassVar[bool] = True
    needs_groups: ClassVar[bool] = False
    in_order: ClassVar[bool] = False
    fast_is_independent: ClassVar[bool] = True
    rate_names: ClassVar[tuple[str, ...]] = ("rate", "item_logit")

    @property
    def title(self) -> str:
        """Registered name, with the constants that are not the usual ones; ``make_rater_model`` reads it.

        Examples
        --------
        >>> from seqaudit import DawidSkene
        >>> DawidSkene().title, DawidSkene(difficulty=True, lean_scale=0.5).title
        ('dawid-skene', 'dawid-skene(difficulty=True, lean_scale=0.5)')
        """
        values = {field.name: getattr(self, field.name) for field in fields(self) if field.init}  # type: ignore[arg-type]
        usual = type(self)()
        return write_name(self.name, {key: value for key, value in values.items() if value != getattr(usual, key)})

    @abstractmethod
    def draw(self, rng: np.random.Generator, design: Design, given: Parameters) -> Parameters:
        """All parameters, drawn from the prior; those in ``given`` are taken as they are.

        ``given["rate"]`` stands for the items' rates where the model draws rates.
        """

    @abstractmethod
    def chances(self, parameters: Parameters, design: Design) -> Floats:
        """Chance that each vote is 1, shape (V,), given all parameters."""

    @abstractmethod
    def build(self, design: Design, label: Ints) -> pm.Model:
        """The PyMC model, with ``data(design, label)`` in ``pm.Data`` and discrete parameters summed out."""

    def data(self, design: Design, label: Ints) -> dict[str, Floats]:
        """What ``build`` needs of the outcomes, by name: other outcomes of the same design go in without compiling."""
        return {"label": label.astype(np.float64)}

    @abstractmethod
    def complete(self, draws: Draws, design: Design, label: Ints, rng: np.random.Generator) -> dict[str, NDArray[Any]]:
        """Variables that follow from S draws of the PyMC model's: at least ``rate``, shape (S, N) or (S, N, G)."""

    @abstractmethod
    def approximate(self, design: Design, label: Ints, rng: np.random.Generator, draws: int) -> dict[str, NDArray[Any]]:
        """Draws of the PyMC model's variables from a fast approximation of the posterior."""

    @abstractmethod
    def log_likelihood(self, draws: Draws, design: Design, label: Ints) -> Floats:
        """Log-probability of each vote under each of S draws, shape (S, V).

        Where rates or discrete parameters are summed out, it is given the *other* votes too: exactly that makes the
        importance weights of leave-one-out those of the posterior without the vote.
        """

    def conditional_tails(self, draws: Draws, design: Design, label: Ints, threshold: Floats) -> Floats:
        """P(alpha_i > t_i) given each draw, shape (S, N) or (S, N, G); ``threshold`` has shape (N,) or (N, 1)."""
        return (draws["rate"] > threshold).astype(np.float64)

    @abstractmethod
    def new_rates(self, draws: Draws, rng: np.random.Generator) -> Floats:
        """Rate of an item without votes under each of S draws, shape (S,)."""

    def item_beliefs(
        self, draws: Draws, design: Design, label: Ints, threshold: Floats | None, parts: int
    ) -> list[Belief]:
        """Marginal belief about each item, which has the tail of the draws at ``threshold``, shape (N,)."""
        rate = np.asarray(draws["rate"], dtype=np.float64)
        heard = self.channel(draws, rate)
        bars = [None] * rate.shape[1] if threshold is None else threshold.tolist()
        return [grid_of_draws(rate[:, i], heard[:, i], bar, parts) for i, bar in enumerate(bars)]

    def new_item_belief(self, draws: Draws, rng: np.random.Generator, parts: int) -> Belief:
        """Belief about an item without votes."""
        rate = self.new_rates(draws, rng)
        return grid_of_draws(rate, self.channel(draws, rate), None, parts)

    def channel(self, draws: Draws, rate: Floats) -> Floats:
        """Chance that a fresh rater says 1 of an item of ``rate``, shape (S, ...), under each of S draws."""
        return rate

    def for_group(self, draws: Draws, design: Design, group: str | None) -> Draws:
        """Draws with one rate an item: that of a group, or, for None, the rate that beliefs are about."""
        if group is not None:
            raise ValueError(f"group is {group!r}; {self.name} knows no groups: leave it out")
        return draws

    def group_index(self, design: Design, group: str) -> int:
        """Place of a group among the groups of a model whose rates differ by group."""
        if not self.needs_groups:
            raise ValueError(f"group is {group!r}; {self.name} knows no groups: leave it out")
        return design.groups.index(one_of("group", group, design.groups))

    def coords(self, design: Design) -> dict[str, Any]:
        """Coordinates of all dimensions."""
        names = {"item": design.items, "rater": design.raters, "group": design.groups}
        used = {dim for dims in self.dims.values() for dim in dims}
        return {dim: list(values) for dim, values in names.items() if dim in used}

    def require(self, labels: LabelSet) -> None:
        """Refuse votes that the model cannot be fitted to.

        Raises
        ------
        ValueError
            For an item without votes, a single rater, raters who labelled one item each, and missing or single groups;
            the last three only for models that need them.
        """
        require_votes(self.name, labels)
        if self.needs_raters:
            require_raters(self.name, labels)
        if self.needs_groups:
            require_groups(self.name, labels)

    def limits(self, name: str) -> tuple[float, float] | None:
        """Least and largest value that a given parameter may have, or None where any will do."""
        if name in _SHARES or name.endswith("share"):
            return 0.0, 1.0
        if name.endswith(("_sd", "_scale")):
            return 0.0, np.inf
        return None if self.dims[name] else (-np.inf, np.inf)

    def require_parameters(self, parameters: Mapping[str, Any], design: Design) -> Parameters:
        """Given parameters as numbers and arrays of their shapes; see ``simulate``.

        Parameters
        ----------
        parameters : dict
            By name; a number stands for all entries of a vector.
        design : Design

        Returns
        -------
        dict

        Raises
        ------
        ValueError
            For a parameter that the model has not, another shape than the design's, values outside their range, and a
            design that the model has no parameters for.

        Examples
        --------
        >>> from seqaudit import Design, RaterBias
        >>> RaterBias().require_parameters({"rate": 0.5, "item_sd": 1}, Design.balanced(3, 2, 1))
        {'rate': array([0.5, 0.5, 0.5]), 'item_sd': 1.0}
        """
        if self.needs_groups and not design.groups:
            raise ValueError(f"{self.name}: the design has no groups; at least two are needed")
        size = {dim: len(values) for dim, values in self.coords(design).items()}
        found = {}
        for key, value in parameters.items():
            if key not in self.dims:
                raise ValueError(f"{self.name} has no parameter {key!r}; it has {', '.join(self.dims)}")
            shape = tuple(size[dim] for dim in self.dims[key])
            by_item = key == "rate" and len(shape) > 1
            found[key] = checked_parameter(key, value, shape, self.limits(key), whole=key in _WHOLE, by_item=by_item)
        return found

    def simulate(
        self,
        seed: Seed,
        design: Design | LabelSet | None = None,
        *,
        parameters: Parameters | None = None,
        rate: ArrayLike | None = None,
    ) -> SimulatedLabels:
        """Draw parameters from the prior, and votes from the parameters.

        Parameters
        ----------
        seed : int, SeedSequence or Generator
        design : Design or LabelSet, optional
            Who labels what; default: a balanced design, with two groups where the model needs groups. A label set's
            outcomes are not looked at.
        parameters : dict, optional
            Parameters that are not to be drawn, by name; the truth that another call has returned is one.
        rate : array_like, shape (N,), optional
            Rates of the items, where they are not to be drawn; with shape (N, G) where rates differ by group.

        Returns
        -------
        SimulatedLabels

        Raises
        ------
        ValueError
            For given parameters that ``require_parameters`` refuses, and rates that are given twice.
        """
        if design is None:
            design = Design.balanced(groups=2 if self.needs_groups else 0)
        votes = Design.of(design) if isinstance(design, LabelSet) else design
        given = dict(parameters or {})
        if rate is not None:
            for key in self.rate_names:
                if key in given:
                    raise ValueError(f"rate is given, and {key} in parameters too; give one of them")
            given["rate"] = rate
        given = self.require_parameters(given, votes)
        rng = np.random.default_rng(seed)
        truth = self.draw(rng, votes, given)
        label = (rng.random(votes.size) < self.chances(truth, votes)).astype(np.int64)
        return SimulatedLabels(votes.labelled(label), truth)

    def fit(
        self,
        labels: LabelSet,
        *,
        seed: int,
        method: str = "nuts",
        draws: int = 1000,
        tune: int = 1000,
        chains: int = 4,
        cores: int | None = None,
        sampler: str = "pymc",
        target_accept: float = 0.9,
        progress: bool | Callable[[int, int], object] = False,
    ) -> RaterFit:
        """Fit the model to votes.

        Parameters
        ----------
        labels : LabelSet
        seed : int
            Root of all randomness; the answer does not depend on ``cores``.
        method : {"nuts", "fast"}
            The No-U-Turn sampler (Hoffman and Gelman 2014), or the model's fast approximation, which ignores all but
            ``draws`` of what follows.
        draws, tune, chains : int
            Draws kept and thrown away in each chain, and independent chains.
        cores : int, optional
            Chains that run at a time; default: as many as there are cores, up to ``chains``.
        sampler : {"pymc", "nutpie"}
            Implementation of the sampler, named so that the answer does not depend on what is installed.
        target_accept : float
            Acceptance that the step size is tuned to; higher where there are divergences.
        progress : bool or callable
            True: show progress on standard error. A function is called with the steps done and the steps in all, of
            all chains, by the sampler ``"pymc"``.

        Returns
        -------
        RaterFit

        Raises
        ------
        ValueError
            For votes that the model cannot be fitted to, before anything is sampled, and settings outside their range.
        """
        self.require(labels)
        if one_of("method", method, ("nuts", "fast")) == "fast":
            return fit_fast(self, labels, seed=seed, draws=draws)
        return fit_nuts(
            self,
            labels,
            seed=seed,
            draws=draws,
            tune=tune,
            chains=chains,
            cores=cores,
            sampler=sampler,
            target_accept=target_accept,
            progress=progress,
        )
