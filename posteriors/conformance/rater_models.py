"""Conformance suite for models of raters, for authors of models in this package and in others.

In a model that passes, ``simulate``, ``log_likelihood`` and fits are consistent, and its beliefs can be used for
planning.

>>> import seqaudit as sa
>>> sa.check_rater_model(sa.RaterBias())

If all clauses hold, nothing is printed. Otherwise ``ConformanceError`` has one line for each clause that failed. These
are the clauses, in the order of trial; the first six are about the model as a value:

=================  ====================================================================================================
name               lower-case letters, digits, dots, hyphens and underscores, a letter first
pickle             equals its pickled and restored copy, as worker processes need it
title              the name, with the constants that differ from the defaults
constants          those named ``..._scale`` or ``..._sd`` must be positive
simulate           votes of the design, and a truth with the parameters of ``dims``, in their shapes
seed               the same seed gives the same votes and truth
parameters         the truth contains given parameters unchanged
rate               the truth contains given rates, under one of ``rate_names``
chances            from 0 to 1, and simulated votes have them
log-likelihood     the log-probability of each vote, given the votes that it may depend on: those of 1 and of 0 sum to
                   1, and simulated votes have these probabilities
vote-order         the order of an item's votes does not matter, unless the model is ``in_order``
relabelling        items and raters in another order have the same chances and log-likelihoods
fit                finite draws of the parameters of ``dims``, in their shapes and within their limits
fit-seed           the same seed gives the same draws, for any names of items and raters
tail               from 0 to 1, one for each item and group, not increasing with the threshold
votes              more votes of 1 raise an item's tail
channel            from 0 to 1, not decreasing in the rate, in the shape of the rates
beliefs            one for each item; it passes ``check_belief`` and has the tail of the draws: a ``Grid`` exactly
new-item           rates from 0 to 1, and a belief that passes ``check_belief``
refusals           invalid arguments raise a ``ValueError`` of one line
nuts               on request: chains of the No-U-Turn sampler agree with each other and with the fast method
=================  ====================================================================================================
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import fields, replace
from functools import partial

from ..foundation.kinds import checked
from ..foundation.plugins import text_of
from ..raters.model import RaterModel
from ..raters.registry import make_rater_model, rater_model_names
from .rater_fits import FIT_CLAUSES, NUTS_CLAUSES
from .rater_simulations import SIMULATION_CLAUSES
from .rater_trial import RaterTrial
from .suite import Case, ConformanceError, Scene, Test, cases_of, check, expect, expect_refusal
from .values import naming, pickling

__all__ = ["check_rater_model", "rater_model_cases"]


@checked
def check_rater_model(model: RaterModel, *, seed: int = 7, nuts: bool = False) -> None:
    """Check a model of raters against every clause of the contract.

    Parameters
    ----------
    model : RaterModel
        A model, not its class.
    seed : int
        Seed of the simulations and fits. A model that satisfies the contract fails the clauses ``chances`` and
        ``log-likelihood`` by chance for about one seed in 100,000; the result for a given seed is always the same.
    nuts : bool
        True to fit the model by the No-U-Turn sampler too, which takes about ten seconds.

    Raises
    ------
    ConformanceError
        An ``AssertionError`` with one line for each clause that failed. The clauses about simulations and fits stop at
        the first one that fails, because the later ones depend on it.

    Examples
    --------
    Votes that are simulated with other chances than those in the likelihood:

    >>> import seqaudit as sa
    >>> class Shy(sa.RaterBias):
    ...     def chances(self, parameters, design):
    ...         return 0.8 * super().chances(parameters, design)
    >>> try:
    ...     sa.check_rater_model(Shy())
    ... except sa.ConformanceError as error:
    ...     print(error.faults[-1])  # doctest: +ELLIPSIS
    log-likelihood: simulated votes less their probabilities average ...; expected 0, within 5 standard errors
    """
    check(_scenes(model, seed, nuts))


@checked
def rater_model_cases(
    models: Mapping[str, RaterModel] | Iterable[RaterModel], *, seed: int = 7, nuts: bool = False
) -> list[Case]:
    """One callable for each clause of each model of raters, for parametrised tests.

    Parameters
    ----------
    models : mapping of str to RaterModel, or iterable of RaterModel
        Models by the names for the tests; in an iterable, a model is named by its title.
    seed, nuts
        As in ``check_rater_model``.

    Returns
    -------
    list of Case
        Each with its ``subject`` and ``clause``, which form its ``__name__``. A call checks that clause and raises
        ``ConformanceError`` if it fails; a clause that depends on a failing one may fail with it. Cases of one model
        share its fit.

    Examples
    --------
    >>> import seqaudit as sa
    >>> cases = sa.rater_model_cases([sa.RaterBias(), sa.DawidSkene(difficulty=True)])
    >>> cases[0], cases[-1]
    (Case(rater-bias-name), Case(dawid-skene(difficulty=True)-refusals))
    >>> cases[0]()
    """
    return cases_of(models, _called, partial(_scenes, seed=seed, nuts=nuts))


def _called(model: RaterModel) -> str:
    return str(model.title)


def _scenes(model: RaterModel, seed: int, nuts: bool) -> list[Scene]:
    """Scenes of a model: the model as a value, and its simulations and fits."""
    if not isinstance(model, RaterModel):
        raise ConformanceError(
            f"model: found {text_of(model)}; expected an instance of a subclass of seqaudit.RaterModel"
        )
    trial = RaterTrial(model, seed)
    clauses = SIMULATION_CLAUSES | FIT_CLAUSES | (NUTS_CLAUSES if nuts else {})
    tests: dict[str, Test] = {clause: partial(test, trial) for clause, test in clauses.items()}
    of_itself: dict[str, Test] = {clause: partial(test, model) for clause, test in _OF_ITSELF.items()}
    return [Scene("", of_itself, ends_at_fault=False), Scene("", tests)]


def _title(model: RaterModel) -> None:
    title, name = model.title, model.name
    expect(title.split("(")[0] == name, f"found {title!r}; expected {name!r}, alone or with constants as in a call")
    if name in rater_model_names():
        again = make_rater_model(title)
        expect(bool(again == model), f"{title!r} makes {again!r}; expected an equal model")
    usual = type(model)().title
    expect(usual == name, f"found {usual!r} for the usual constants; expected {name!r}")


def _constants(model: RaterModel) -> None:
    for field in fields(model):
        if field.init and field.name.endswith(("_scale", "_sd")):
            for value in (0.0, -1.0, float("nan"), float("inf"), "wide"):
                expect_refusal(f"{field.name}={value!r}", partial(_replaced, model, field.name, value))


def _replaced(model: RaterModel, name: str, value: object) -> object:
    return replace(model, **{name: value})


_OF_ITSELF: dict[str, Callable[[RaterModel], None]] = {
    "name": partial(naming, attribute="name"),
    # The parameters of a model may depend on its settings.
    "pickle": pickling,
    "title": _title,
    "constants": _constants,
}
