"""Contract of the models of raters: simulation, fits, tails and beliefs in one form for all of them.

In a model, the chance of a vote depends on the item's rate alpha_i and on an effect of the rater, the rater's group or
the time of the vote. Decisions are about the rate without these effects,

    alpha_i = rate at which honest raters of usual skill and without bias say 1 of item i today,

and ``tail`` is P(alpha_i > t_i | all votes). The next vote is a different quantity: a fresh rater says 1 with
probability q(alpha_i), the ``channel`` of the model. In models of right and wrong answers alpha_i is 0 or 1, and the
channel is one minus the specificity at 0 and the sensitivity at 1.

A model is a frozen dataclass whose fields are the constants of its priors. It defines

    draw        parameters from the prior, some of which may be given,
    chances     the chance of 1 of each vote, given all parameters,
    build       the same model in PyMC, with discrete parameters summed out,
    complete    variables that follow from PyMC's draws: rates, and draws of the parameters that were summed out,
    approximate draws from a fast approximation of the posterior, under the same names,
    log_likelihood, new_rates   log-probabilities of votes, and rates of items without votes,

and ``simulate``, ``fit``, tails, beliefs and diagnostics are common to all models. A name has one meaning throughout:
the truth returned by ``simulate`` and the draws of ``fit`` have the same variables.

There are N items, J raters, G groups, V votes and S draws. In all methods ``design`` is the ``Design`` of the votes,
``label`` their outcomes (ndarray of int64, shape (V,)), ``draws`` a mapping of parameter names to arrays whose first
axis is the draw, ``rate`` an array of rates with that first axis, and ``rng`` a ``numpy.random.Generator``.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..beliefs.belief import Belief
from ..beliefs.grid import grid_of_draws
from ..foundation.arrays import Floats, Ints
from ..foundation.kinds import checked
from ..foundation.messages import shown
from ..foundation.names import write_name
from ..foundation.progress import Progress
from ..foundation.refusals import one_of
from ..foundation.seeds import Seed, generator_of
from ..foundation.tolerances import above
from ..foundation.values import FrozenValue
from ..votes.checks import checked_parameter, require_groups, require_raters, require_votes
from ..votes.design import Design
from ..votes.label_set import LabelSet
from .asking import ChecksVotes, ask_chances
from .fit import RaterFit
from .sampling import SamplerSettings, fit_fast, fit_nuts

if TYPE_CHECKING:
    import pymc as pm

__all__ = ["Draws", "Parameters", "RaterModel", "SimulatedLabels"]

Parameters = dict[str, Any]
Draws = Mapping[str, NDArray[Any]]  # Arrays whose first axis is the draw.
_SHARES = ("rate", "first_rate", "answer", "answer_rate", "answer_chance", "sensitivity", "specificity", "kind_chance")
_WHOLE = ("answer", "kind")


@dataclass(frozen=True, eq=False)
class SimulatedLabels:
    """Votes simulated from a model, and the parameters that generated them.

    Attributes
    ----------
    labels : LabelSet
    truth : dict
        All parameters by name, as arrays; ``truth["rate"]`` holds the items' rates, shape (N,) or (N, G).
    """

    labels: LabelSet
    truth: Parameters


@dataclass(frozen=True)
class RaterModel(ChecksVotes, FrozenValue):
    """Base of the models of raters; subclasses are frozen dataclasses with the constants of their priors.

    Attributes
    ----------
    name : str
        Registered name.
    dims : dict
        Dimensions of each parameter: ``item``, ``rater``, ``group`` or others in ``coords``; ``()`` for a number.
    needs_raters, needs_groups : bool
        True if the model requires raters with votes on several items, or groups.
    in_order : bool
        True if the order of an item's votes matters.
    fast_is_independent : bool
        True if the draws of ``approximate`` are independent, False if they come from a chain, or share a random design.
    rate_names : tuple of str
        Parameters that ``simulate(rate=...)`` determines.
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
        """Registered name, with the constants that differ from the defaults; ``make_rater_model`` accepts it.

        Examples
        --------
        >>> from seqaudit import DawidSkene
        >>> DawidSkene().title, DawidSkene(difficulty=True, lean_scale=0.5).title
        ('dawid-skene', 'dawid-skene(difficulty=True, lean_scale=0.5)')
        """
        values = {field.name: getattr(self, field.name) for field in fields(self) if field.init}
        usual = type(self)()
        return write_name(self.name, {key: value for key, value in values.items() if value != getattr(usual, key)})

    @abstractmethod
    def draw(self, rng: np.random.Generator, design: Design, given: Parameters) -> Parameters:
        """All parameters by name: those in ``given`` unchanged, the others drawn from the prior.

        ``given["rate"]`` fixes the items' rates in models that draw rates.
        """

    @abstractmethod
    def chances(self, parameters: Parameters, design: Design) -> Floats:
        """Chance that each vote is 1, shape (V,), given all parameters."""

    @abstractmethod
    def build(self, design: Design, label: Ints) -> pm.Model:
        """PyMC model, with ``data(design, label)`` in ``pm.Data`` and discrete parameters summed out."""

    def data(self, design: Design, label: Ints) -> dict[str, Floats]:
        """Arrays through which the outcomes enter ``build``; to replace them needs no new compilation.

        Parameters
        ----------
        design, label

        Returns
        -------
        dict of str to ndarray
        """
        return {"label": label.astype(np.float64)}

    @abstractmethod
    def complete(self, draws: Draws, design: Design, label: Ints, rng: np.random.Generator) -> dict[str, NDArray[Any]]:
        """Variables that follow from draws of the PyMC model: at least ``rate``, shape (S, N) or (S, N, G)."""

    @abstractmethod
    def approximate(self, design: Design, label: Ints, rng: np.random.Generator, draws: int) -> dict[str, NDArray[Any]]:
        """Draws of the PyMC model's variables from a fast approximation of the posterior."""

    @abstractmethod
    def log_likelihood(self, draws: Draws, design: Design, label: Ints) -> Floats:
        """Log-probability of each vote under each draw, shape (S, V).

        If rates or discrete parameters are summed out, it is conditional on the *other* votes too. Only then are the
        importance weights of leave-one-out cross-validation those of the posterior without the vote.
        """

    def conditional_tails(self, draws: Draws, design: Design, label: Ints, threshold: Floats) -> Floats:
        """Tail P(alpha_i > t_i) given each draw.

        Parameters
        ----------
        draws, design, label
        threshold : ndarray, shape (N,) or (N, 1)

        Returns
        -------
        ndarray, shape (S, N) or (S, N, G)
        """
        return above(draws["rate"], threshold).astype(np.float64)

    @abstractmethod
    def new_rates(self, draws: Draws, rng: np.random.Generator) -> Floats:
        """Rate of an item without votes under each draw, shape (S,)."""

    def item_beliefs(
        self, draws: Draws, design: Design, label: Ints, threshold: Floats | None, parts: int
    ) -> list[Belief]:
        """Marginal belief about each item, whose tail at the item's threshold is that of the draws.

        Parameters
        ----------
        draws, design, label, threshold, parts

        Returns
        -------
        list of Belief
        """
        rate = np.asarray(draws["rate"], dtype=np.float64)
        heard = self.channel(draws, rate)
        bars = [None] * rate.shape[1] if threshold is None else threshold.tolist()
        return [grid_of_draws(rate[:, i], heard[:, i], bar, parts) for i, bar in enumerate(bars)]

    def new_item_belief(self, draws: Draws, rng: np.random.Generator, parts: int) -> Belief:
        """Belief about an item without votes.

        Returns
        -------
        Belief
        """
        rate = self.new_rates(draws, rng)
        return grid_of_draws(rate, self.channel(draws, rate), None, parts)

    def channel(self, draws: Draws, rate: Floats) -> Floats:
        """Chance that a fresh rater says 1 of items of given rates, under each draw.

        Returns
        -------
        ndarray, shape (S, ...) of ``rate``
        """
        return rate

    def for_group(self, draws: Draws, design: Design, group: str | None) -> Draws:
        """Draws with one rate for each item: that of a group, or, for None, the rate that beliefs are about.

        Parameters
        ----------
        draws, design, group

        Returns
        -------
        dict of str to ndarray

        Raises
        ------
        ValueError
            For a group, if the model has no groups or the design does not contain it.
        """
        if group is not None:
            raise ValueError(f"group is {shown(group)}; {self.name} has no groups: leave it out")
        return draws

    def group_index(self, design: Design, group: str) -> int:
        """Index of a group in ``design.groups``.

        Parameters
        ----------
        design, group

        Returns
        -------
        int
            Position in ``design.groups``.

        Raises
        ------
        ValueError
            If the model has no groups or the design does not contain this one.
        """
        if not self.needs_groups:
            raise ValueError(f"group is {shown(group)}; {self.name} has no groups: leave it out")
        return design.groups.index(one_of("group", group, design.groups))

    def coords(self, design: Design) -> dict[str, Any]:
        """Coordinates of all dimensions.

        Parameters
        ----------
        design : Design

        Returns
        -------
        dict of str to list
            Names of items, raters and so on, by the dimensions that ``dims`` uses.
        """
        names = {"item": design.items, "rater": design.raters, "group": design.groups}
        used = {dim for dims in self.dims.values() for dim in dims}
        return {dim: list(values) for dim, values in names.items() if dim in used}

    def require(self, labels: LabelSet) -> None:
        """Raise an error for votes to which the model cannot be fitted.

        Parameters
        ----------
        labels : LabelSet

        Raises
        ------
        ValueError
            For an item without votes; if the model needs raters, for a single rater or raters with one item each; if
            it needs groups, for fewer than two.
        """
        require_votes(self.name, labels)
        if self.needs_raters:
            require_raters(self.name, labels)
        if self.needs_groups:
            require_groups(self.name, labels)

    def limits(self, name: str) -> tuple[float, float] | None:
        """Smallest and largest value allowed for a parameter; None without limits.

        Parameters
        ----------
        name : str

        Returns
        -------
        tuple of float, or None
        """
        if name in _SHARES or name.endswith("share"):
            return 0.0, 1.0
        if name.endswith(("_sd", "_scale")):
            return 0.0, np.inf
        return None if self.dims[name] else (-np.inf, np.inf)

    def require_parameters(self, parameters: Mapping[str, Any], design: Design) -> Parameters:
        """Given parameters, validated, as numbers and arrays of their shapes; see ``simulate``.

        Parameters
        ----------
        parameters : dict
            By name; a number is used for all entries of an array.
        design : Design

        Returns
        -------
        dict of str to float or ndarray

        Raises
        ------
        ValueError
            For an unknown parameter, a shape that does not fit the design, a value outside its range, and a design
            without groups for a model that needs them.

        Examples
        --------
        >>> from seqaudit import Design, RaterBias
        >>> RaterBias().require_parameters({"rate": 0.5, "item_sd": 1}, Design.balanced(3, 2, 1))
        {'rate': array([0.5, 0.5, 0.5]), 'item_sd': 1.0}
        """
        if self.needs_groups and not design.groups:
            raise ValueError(f"{self.name}: the design has no groups; at least two are needed")
        coords, found = self.coords(design), {}
        for key, value in parameters.items():
            if key not in self.dims:
                raise ValueError(f"{self.name} has no parameter {shown(key)}; it has {', '.join(self.dims)}")
            names = [coords[dim] for dim in self.dims[key]]
            by_item = key == "rate" and len(names) > 1
            found[key] = checked_parameter(key, value, names, self.limits(key), whole=key in _WHOLE, by_item=by_item)
        return found

    @checked
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
            Items and raters of the votes; default: a balanced design, with two groups if the model needs groups. The
            outcomes of a label set are ignored.
        parameters : dict, optional
            Values of parameters that are not drawn, by name, such as the truth returned by another call.
        rate : array_like, shape (N,), optional
            Rates of the items, if they are not drawn; shape (N, G) is allowed if rates differ by group.

        Returns
        -------
        SimulatedLabels

        Raises
        ------
        ValueError
            For given parameters that ``require_parameters`` refuses, and for rates given twice.
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
        rng = generator_of(seed)
        truth = self.draw(rng, votes, given)
        label = (rng.random(votes.size) < ask_chances(self, truth, votes)).astype(np.int64)
        return SimulatedLabels(votes.labelled(label), truth)

    @checked
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
        progress: Progress | bool = False,
    ) -> RaterFit:
        """Fit the model to votes.

        Parameters
        ----------
        labels : LabelSet
        seed : int
            Seed of all randomness; the result does not depend on ``cores``.
        method : {"nuts", "fast"}
            The No-U-Turn sampler (Hoffman and Gelman 2014), or the model's fast approximation, which ignores all
            arguments below except ``draws``.
        draws, tune, chains : int
            Draws kept and tuning steps discarded in each chain, and number of independent chains.
        cores : int, optional
            Number of chains run in parallel; default: the number of cores, at most ``chains``.
        sampler : {"pymc", "nutpie"}
            Implementation of the sampler; it is explicit, so that the result does not depend on what is installed.
        target_accept : float
            Acceptance rate to which the step size is tuned; a higher one helps against divergences.
        progress : bool or callable
            True shows progress on standard error. A callable receives the steps done and the total number of steps, of
            all chains together, if the sampler is ``"pymc"``.

        Returns
        -------
        RaterFit

        Raises
        ------
        ValueError
            For votes that the model cannot be fitted to, settings out of range, and more draws than memory holds.
        """
        self.require(labels)
        if one_of("method", method, ("nuts", "fast")) == "fast":
            return fit_fast(self, labels, seed=seed, draws=draws)
        settings = SamplerSettings(seed, draws, tune, chains, target_accept, cores, sampler)
        return fit_nuts(self, labels, settings, progress)
