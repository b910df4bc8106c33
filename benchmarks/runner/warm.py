"""Compile every kernel once, so that worker processes find it in the cache."""

from __future__ import annotations

from functools import cache

import numpy as np

from ...bandits.planning.tree_search import TreeSearch
from ...bandits.registry import POLICIES, make_policy
from ...bandits.simulation.certify import certify
from ...bandits.simulation.simulate import simulate
from ...bandits.wrappers.diverse import DiverseBatch
from ...dp.bounds.upper_bound import upper_bound
from ...dp.designs.allocation import allocate
from ...dp.evaluation.characteristics import operating_characteristics
from ...dp.evaluation.evaluate import evaluate
from ...dp.exact.solve import solve
from ...dp.machine.workers import in_processes
from ...dp.problem.problem import Problem
from ...dp.shared.payoffs import BestChoice
from ...dp.shared.problem import SharedProblem
from ...dp.single_item.stopping import gittins_bernoulli, whittle_index
from ...dp.structure.structure import structure
from ...posteriors.beliefs.grid import Grid
from ...posteriors.beliefs.logit_normal import LogitNormal
from ...posteriors.beliefs.noisy_beta import NoisyBeta
from ...posteriors.beliefs.tails import follow_labels, update
from ...posteriors.raters.contaminated import Contaminated
from ...posteriors.raters.dawid_skene import DawidSkene
from ...posteriors.raters.drift import Drift
from ...posteriors.raters.registry import make_rater_model
from ...posteriors.votes.design import Design

__all__ = ["warm", "warm_all", "warm_raters"]


@cache
def warm() -> None:
    """Call each compiled function, except those of rater models, with the argument types that it always gets.

    A process does so once.

    Examples
    --------
    >>> warm()
    """
    _warm_engine()
    _warm_policies()


def _warm_engine() -> None:
    problem = Problem([0.5, 0.7], budget=2)
    for items in (1, 2, 3, 4):
        solve(Problem([0.5] * items, budget=3), reduce=False)
    solve(Problem([0.5, 0.5, 0.7], budget=4), reduce=["identical"])
    solve(problem, keep_policy=True)
    for utility in ("accuracy", "entropy"):
        upper_bound(Problem([0.5, 0.7], budget=2, utility=utility))
        certify(Problem([0.5, 0.7], budget=2, utility=utility), "kg", replications=2, exact=False)
    for cap in (2, 20):
        upper_bound(Problem([0.5, 0.7], budget=20, cap=cap), "information-relaxation", samples=2)
    shared = SharedProblem([[0.2, 0.5], [0.8, 0.5]], 2, BestChoice([[0.0], [1.0]]), label_price=0.1)
    solve(shared, keep_policy=True)
    evaluate(shared, lambda states: states.chance)
    whittle_index(problem, 0)
    allocate(Problem([0.5, 0.7], budget=4))
    for utility in ("accuracy", "variance"):
        structure(Problem([0.5, 0.7], budget=4, utility=utility))
    gittins_bernoulli(1, 1, discount=1, plays=2)
    for belief in (NoisyBeta(1, 1, flip=0.1), LogitNormal(0, 1), Grid((0.2, 0.8), (1, 1))):
        belief.tables(1, 0.5)
    follow_labels(1, 1, 0.5, [1, 0])
    update(0.5, 0.0, 1, 1, 0.5, 1)


def _warm_policies() -> None:
    problem = Problem([0.5, 0.7], budget=2)
    for policy in POLICIES.built_in:
        evaluate(problem, policy())
    for candidates in (1, 2):
        evaluate(problem, TreeSearch(simulations=2, candidates=candidates))
        evaluate(problem, TreeSearch(simulations=2, candidates=candidates, leaf="rollout"))
    operating_characteristics(problem, make_policy("kg"), [0.5])
    simulate(problem, "kg", replications=2, seed=0)
    simulate(Problem([0.5, 0.7], budget=4, cost=[1, 2], quota=[([1], 1)], batch=2), "kg", replications=2, seed=0)
    apart = DiverseBatch("kg", [[0.0], [1.0]], method="determinantal")
    simulate(Problem([0.5, 0.7], budget=4, batch=2), apart, replications=2, seed=0)


@cache
def warm_raters() -> None:
    """Call each compiled function of the rater models with the argument types that it always gets, once in a process.

    Examples
    --------
    >>> warm_raters()
    """
    for model in map(make_rater_model, ("rater-bias", "rater-skill", "grouped")):
        labels = model.simulate(0, Design.balanced(items=3, raters=4, votes_per_item=2, groups=2)).labels
        model.fit(labels, seed=0, method="fast", draws=4)
    for model in (Contaminated(), Drift()):
        model.fit(model.simulate(0, Design.balanced(3, 3, 2)).labels, method="fast", seed=0, draws=4)
    votes = DawidSkene().simulate(0, Design.balanced(items=2, raters=2, votes_per_item=2)).labels
    fit = DawidSkene().fit(votes, seed=0, method="fast", draws=4)
    fit.beliefs()
    fit.model.log_likelihood(fit.draws, Design.of(votes), votes.labels.astype(np.int64))


def warm_all() -> None:
    """Call each compiled function, in two processes."""
    # The policies come after the engine, whose functions they call: side by side both would compile these.
    jobs = {part.__name__: part for part in (warm, warm_raters)}
    for _ in in_processes(jobs, n_jobs=2):
        pass
