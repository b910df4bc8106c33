"""Does a policy keep the contract? A suite for authors of policies, in this package and in others.

A policy that passes means the same wherever it is used: its exact value, its simulated value, its replay on real
labels and its questions in a session agree. Its author needs no test framework:

>>> import seqaudit as sa
>>> from seqaudit.bandits.conformance.policies import check_policy
>>> check_policy(sa.VarianceReduction())

Silence is success. Otherwise ``ConformanceError`` has one line for each clause that failed: the clause, the problem and
the state where it failed, what was found and what was expected. The clauses, in the order of trial:

=================  ====================================================================================================
name               lower-case letters, digits, dots, hyphens and underscores, a letter first
ties               ``"random"`` or ``"first"``
hash               can be hashed, and its copy has the same hash
equality           equals its copy, and every setting is a dataclass field, so that unlike policies differ
pickle             equals what comes back from ``pickle``, as worker processes need it
index-scale        a finite number, at least 0
index              one finite number for each state
states             ``index`` leaves the arrays it is shown as they were
elementwise        the index of a state is the same among others, in another order, in one item's table, and alone
probabilities      a joint policy gives probabilities in every state, and none to items that cannot be labelled
counts             ``scores`` leaves ``counts`` and ``wins`` as they were
scores             shape (R, N), finite
scores-index       the scores of a policy with an index are its index
choice             labels go to available items, until none is available
seed               the same seed gives the same choices
replications       replication r makes the same choices beside any number of others
optimum            the exact value is not above the optimum
prior              the exact value is not below that of buying nothing, as every utility here is convex
simulation         the simulated mean is within four standard errors of the exact value
=================  ====================================================================================================

The last three are for policies that have an exact value: those with an index, and joint policies.
"""

from __future__ import annotations

import copy
import pickle
import re
from collections.abc import Callable, Mapping
from dataclasses import fields, replace
from functools import cache, lru_cache, partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...dp.evaluation.choices import SupportsIndex, SupportsProbabilities
from ...dp.evaluation.evaluate import evaluate
from ...dp.exact.lattice import Lattice
from ...dp.exact.solve import solve
from ...dp.problem.availability import Availability
from ...dp.problem.problem import Problem
from ...dp.problem.states import ItemStates, states_at, states_of_item
from ...posteriors.foundation.arrays import Floats, Ints
from ..policy import Policy
from ..simulation.board import final_values
from ..simulation.seeds import replication_keys
from ..simulation.simulate import PriorNature, spend

__all__ = ["ConformanceError", "check_policy", "conformance_problems"]


_REPLICATIONS = 400
_STANDARD_ERRORS = 4.0
_VALUE_ROUNDING = 1e-10
# The whole table and a single state reach the jump by different exponential functions, an ulp or so apart.
_RELATIVE, _OF_SCALE = 1e-9, 1e-12


class ConformanceError(AssertionError):
    """A policy that breaks the contract.

    Attributes
    ----------
    faults : tuple of str
        One line for each clause that failed.
    """

    @property
    def faults(self) -> tuple[str, ...]:
        """One line for each clause that failed."""
        return self.args

    def __str__(self) -> str:
        return "\n".join(self.args)


class _Broken(Exception):
    """A clause that fails; the message says where, what was found and what was expected."""


def conformance_problems() -> dict[str, Problem]:
    """Small problems on which ``check_policy`` tries a policy, by name. Their utilities are convex.

    Examples
    --------
    >>> {name: problem.size for name, problem in conformance_problems().items()}
    {'unequal': 3, 'capped': 4, 'symmetric': 4, 'single': 1, 'variance': 2, 'priced': 3}
    """
    return {
        "unequal": Problem([0.55, 0.41, 0.8], 6, weight=[1.0, 2.5, 0.5], prior=[(1, 1), (2, 3), (0.5, 0.5)]),
        "capped": Problem([0.5, 0.6, 0.7, 0.3], 5, weight=[1.0, 1.0, 2.0, 1.0], cap=[2, 0, 3, 2]),
        "symmetric": Problem([0.5, 0.5, 0.5, 0.5], 5),
        "single": Problem([0.6], 9, utility={"name": "asymmetric", "gain": 1.0, "loss": 2.0}, cap=6),
        "variance": Problem.from_logratio([-0.4, 1.2], 0.8, 7, weight=[1.0, 1.5], prior=(2, 1), utility="variance"),
        "priced": Problem([0.5, 0.62, 0.4], 5, weight=[1, 2, 1], cost=[1, 1.5, 0.75], cap=[9, 9, 3], quota=[([0], 2)]),
    }


def check_policy(policy: Policy, *, seed: int = 7, problems: Mapping[str, Problem] | None = None) -> None:
    """Try a policy against every clause of the contract.

    Each clause is tried on the problems of ``conformance_problems``, or on those given. On one problem the trial ends
    at the first clause that fails, because the later ones lean on it; each clause is reported once, for the first
    problem where it fails.

    Parameters
    ----------
    policy : Policy
        A policy, not its class. With neither an index nor probabilities it has no exact value and is tried for the
        rest.
    seed : int
        Of the simulations. A policy that keeps the contract fails the clause ``simulation`` by chance for about 4 seeds
        in 10,000 (four standard errors on each of six problems); with one seed the verdict is always the same.
    problems : mapping of str to Problem, optional
        Small problems by name, for a policy that holds data on each item and so fits problems of one size: some of
        ``conformance_problems``, or your own. The clause ``prior`` wants convex utilities.

    Raises
    ------
    ConformanceError
        An ``AssertionError`` with one line for each clause that failed.

    Examples
    --------
    A policy that looks at other items is no index policy:

    >>> import seqaudit as sa
    >>> from seqaudit.bandits.conformance.policies import ConformanceError, check_policy
    >>> class Share(sa.AuditIndex):
    ...     name = "share"
    ...     def index(self, states):
    ...         index = states.weight * states.tail * (1 - states.tail)
    ...         return index / index.sum()
    >>> try:
    ...     check_policy(Share())
    ... except ConformanceError as error:
    ...     print(error.faults[-1])  # doctest: +ELLIPSIS
    elementwise: problem 'unequal', item 1 after 0 labels and 0 wins: index is ... among 84 states and ... in one ...
    """
    if not isinstance(policy, Policy):
        raise ConformanceError(f"policy: found {policy!r}; expected an instance of a subclass of seqaudit.Policy")
    faults: dict[str, str] = {}
    for clause, test in _OF_ITSELF.items():
        _try(faults, clause, "", partial(test, policy))
    for name, problem in (conformance_problems() if problems is None else problems).items():
        tests = {
            clause: partial(test_on, policy, problem, seed)
            for clause, (kind, test_on) in _ON_A_PROBLEM.items()
            if isinstance(policy, kind)
        }
        if isinstance(policy, (SupportsIndex, SupportsProbabilities)):
            value = cache(partial(_value, policy, problem))
            tests |= {clause: partial(test_on, policy, problem, seed, value) for clause, test_on in _ON_VALUES.items()}
        for clause, test in tests.items():
            if not _try(faults, clause, f"problem {name!r}, ", test):
                break
    if faults:
        raise ConformanceError(*(f"{clause}: {fault}" for clause, fault in faults.items()))


def _try(faults: dict[str, str], clause: str, where: str, test: Callable[[], None]) -> bool:
    """Run one test; note its fault unless the clause has one already."""
    try:
        test()
    except _Broken as broken:
        fault = str(broken)
    except Exception as error:
        fault = f"raised {type(error).__name__}: {error}; expected no error"
    else:
        return True
    faults.setdefault(clause, where + " ".join(fault.split()))
    return False


def _expect(kept: bool, fault: str) -> None:
    if not kept:
        raise _Broken(fault)


def _name(policy: Policy) -> None:
    name = getattr(policy, "name", None)
    good = isinstance(name, str) and re.fullmatch(r"[a-z][a-z0-9._-]*", name)
    _expect(
        bool(good), f"found {name!r}; expected a class attribute name = '...' of lower-case letters, digits and . - _"
    )


def _ties(policy: Policy) -> None:
    ties = getattr(policy, "ties", None)
    _expect(ties in ("random", "first"), f"found {ties!r}; expected 'random' or 'first'")


def _hash(policy: Policy) -> None:
    try:
        same = hash(policy) == hash(copy.copy(policy))
    except TypeError as error:
        raise _Broken(f"{error}; expected a frozen dataclass whose fields can be hashed") from None
    _expect(same, "a copy has another hash; expected a frozen dataclass, so that equal policies have equal hashes")


def _equality(policy: Policy) -> None:
    _expect(bool(copy.copy(policy) == policy), "differs from its copy; expected a frozen dataclass")
    settings = {name for name in getattr(policy, "__dict__", {}) if not name.startswith("_")}
    stray = sorted(settings - {field.name for field in fields(policy)})
    _expect(
        not stray,
        f"{', '.join(stray)}: not a dataclass field, so policies that differ in it pass for equal; expected a frozen "
        "dataclass with a field for each setting",
    )


def _pickle(policy: Policy) -> None:
    try:
        back = pickle.loads(pickle.dumps(policy))
    except Exception as error:
        raise _Broken(f"{error}; expected a class at the top of a module, with fields that can be pickled") from None
    _expect(bool(back == policy), "differs from what comes back; expected a frozen dataclass")


_OF_ITSELF: dict[str, Callable[[Policy], None]] = {
    "name": _name,
    "ties": _ties,
    "hash": _hash,
    "equality": _equality,
    "pickle": _pickle,
}


def _index_scale(policy: Policy, problem: Problem, seed: int) -> None:
    scale = float(policy.index_scale(problem))
    _expect(bool(np.isfinite(scale)) and scale >= 0, f"found {scale}; expected a finite number, at least 0")


def _all_states(problem: Problem) -> tuple[Ints, Ints, Ints]:
    """Item, labels and wins of every state of every item."""
    triangles = [np.tril_indices(int(cap) + 1) for cap in problem.cap]
    items = np.repeat(np.arange(problem.size), [len(n) for n, _ in triangles])
    return items, np.concatenate([n for n, _ in triangles]), np.concatenate([w for _, w in triangles])


def _at(problem: Problem, items: Ints, n: Ints, w: Ints) -> ItemStates:
    return states_at(problem, items, n.astype(np.float64), w.astype(np.float64))


def _say(problem: Problem, item: int, labels: int, wins: int) -> str:
    return f"{problem.name[item]} after {labels} labels and {wins} wins"


def _index_at(policy: SupportsIndex, states: ItemStates) -> Floats:
    """Index at each state, in the states' shape."""
    # States outside the triangle of an item's table are void: what an index makes of them, warnings included, is void.
    with np.errstate(all="ignore"):
        found = np.asarray(policy.index(states), dtype=np.float64)
    try:
        return np.broadcast_to(found, states.mean.shape)
    except ValueError:
        wanted = f"expected one number for each of the states, which have shape {states.mean.shape}"
        raise _Broken(f"index has shape {found.shape}; {wanted}") from None


def _index_in_tables(policy: SupportsIndex, problem: Problem) -> Floats:
    """Index of every state, each item's states at once."""
    tables = (_index_at(policy, states_of_item(problem, i)) for i in range(problem.size))
    return np.concatenate([table[np.tril_indices(len(table))] for table in tables])


def _index(policy: SupportsIndex, problem: Problem, seed: int) -> None:
    items, n, w = _all_states(problem)
    for values in (_index_at(policy, _at(problem, items, n, w)), _index_in_tables(policy, problem)):
        for k in np.flatnonzero(~np.isfinite(values)):
            raise _Broken(f"{_say(problem, items[k], n[k], w[k])}: index is {values[k]}; expected a finite number")


def _states(policy: SupportsIndex, problem: Problem, seed: int) -> None:
    for shown in (_at(problem, *_all_states(problem)), states_of_item(problem, 0)):
        arrays = {f.name: getattr(shown, f.name) for f in fields(shown) if f.name not in ("utility", "problem")}
        states = replace(shown, **{name: array.copy() for name, array in arrays.items()})
        _index_at(policy, states)
        for name, before in arrays.items():
            same = np.array_equal(getattr(states, name), before)
            _expect(same, f"index changed states.{name}; expected it to leave what it is shown as it was")


def _elementwise(policy: Any, problem: Problem, seed: int) -> None:
    items, n, w = _all_states(problem)
    among = _index_at(policy, _at(problem, items, n, w))
    alone = [_index_at(policy, _at(problem, *(x[k, None] for x in (items, n, w))))[0] for k in range(len(items))]
    others = {
        "in reverse order": _index_at(policy, _at(problem, items[::-1], n[::-1], w[::-1]))[::-1],
        "in one item's table": _index_in_tables(policy, problem),
        "alone": np.array(alone),
    }
    for how, values in others.items():
        for k in np.flatnonzero(_differ(policy, problem, values, among)):
            found = f"index is {among[k]:.9g} among {len(items)} states and {values[k]:.9g} {how}"
            raise _Broken(f"{_say(problem, items[k], n[k], w[k])}: {found}; expected a function of that state alone")


def _differ(policy: Policy, problem: Problem, one: Floats, other: Floats) -> NDArray[np.bool_]:
    size = max(float(policy.index_scale(problem)), float(np.abs(other).max()))
    return ~np.isclose(one, other, rtol=_RELATIVE, atol=_OF_SCALE * size)


def _reachable(problem: Problem, seed: int) -> tuple[Ints, Ints]:
    """The start and some states on the way from it, where a label is still to be bought; shape (R, N)."""
    rng, rules = np.random.default_rng(seed), Availability(problem)
    counts = np.zeros((problem.labels, problem.size), dtype=np.int64)
    for r in range(len(counts)):
        for _ in range(r):
            after = counts[r : r + 1].copy()
            after[0, rng.choice(np.flatnonzero(rules.items(after)[0]))] += 1
            if not rules.items(after).any():
                break
            counts[r] = after
    return counts, rng.binomial(counts, 0.5)


def _counts(policy: Policy, problem: Problem, seed: int) -> None:
    counts, wins = _reachable(problem, seed)
    shown = counts.copy(), wins.copy()
    policy.scores(problem, *shown)
    for name, before, after in zip(("counts", "wins"), (counts, wins), shown, strict=True):
        _expect(np.array_equal(before, after), f"scores changed {name}; expected it to leave them as they were")


def _scores(policy: Policy, problem: Problem, seed: int) -> None:
    counts, wins = _reachable(problem, seed)
    for rows in (1, len(counts)):
        scores = np.asarray(policy.scores(problem, counts[:rows].copy(), wins[:rows].copy()), dtype=np.float64)
        wanted = (rows, problem.size)
        _expect(scores.shape == wanted, f"scores have shape {scores.shape}; expected (replications, items) = {wanted}")
        for r, i in np.argwhere(~np.isfinite(scores)):
            where = _say(problem, i, counts[r, i], wins[r, i])
            raise _Broken(f"{where}: score is {scores[r, i]}; expected a finite number")


def _scores_index(policy: Any, problem: Problem, seed: int) -> None:
    counts, wins = _reachable(problem, seed)
    scores = np.asarray(policy.scores(problem, counts.copy(), wins.copy()), dtype=np.float64)
    # An index that looks at the budget left sees what is left in each state.
    left = np.broadcast_to(problem.budget - (counts * problem.cost).sum(axis=1, keepdims=True), counts.shape)
    states = _at(problem, np.arange(problem.size), counts, wins)
    if getattr(policy, "uses_remaining", False):
        states = replace(states, remaining=left)
    index = _index_at(policy, states)
    for r, i in np.argwhere(_differ(policy, problem, scores, index)):
        found = f"score is {scores[r, i]:.9g} and index is {index[r, i]:.9g}"
        raise _Broken(f"{_say(problem, i, counts[r, i], wins[r, i])}: {found}; expected them to be equal")


def _probabilities(policy: SupportsProbabilities, problem: Problem, seed: int) -> None:
    lattice = Lattice.of(problem)
    for m in range(lattice.depth):
        layer = lattice.layer(m)
        goes_on = (layer.after >= 0).any(axis=1)
        for composition, after in zip(layer.composition[goes_on], layer.after[goes_on], strict=True):
            wins = np.indices(composition + 1).reshape(problem.size, -1).T
            counts = np.broadcast_to(composition, wins.shape)
            usable = after >= 0
            shown = counts.copy(), wins.copy(), np.repeat(usable[None, :], len(counts), axis=0)
            given = np.asarray(policy.action_probabilities(problem, *shown), dtype=np.float64)
            if given.shape != counts.shape:
                raise _Broken(f"action_probabilities have shape {given.shape}; expected {counts.shape}")
            bad = ~np.isfinite(given).all(axis=1) | (given < 0).any(axis=1) | (given[:, ~usable] > 0).any(axis=1)
            bad |= np.abs(given.sum(axis=1) - 1.0) > 1e-9
            for k in np.flatnonzero(bad):
                wanted = "expected numbers from 0 that sum to 1, and 0 for items that cannot be labelled"
                where = f"after {composition.tolist()} labels with {wins[k].tolist()} wins"
                raise _Broken(f"{where} the probabilities are {given[k].tolist()}; {wanted}")


# Policies are tried one after the other on the same problems.
@lru_cache(maxsize=32)
def _nature(problem: Problem, seed: int, replications: int) -> PriorNature:
    seeds, keys = replication_keys(seed, replications)
    return PriorNature.draw(problem, seeds, keys)


@lru_cache(maxsize=8)
def _best(problem: Problem) -> float:
    return solve(problem).value


class _Witness:
    """Nature, with a record of the items it was asked to label."""

    def __init__(self, problem: Problem, seed: int, replications: int) -> None:
        self.problem, self.rules = problem, Availability(problem)
        self.bought = np.zeros((replications, problem.size), dtype=np.int64)
        self.nature = _nature(problem, seed, replications)
        self.keys = self.nature.keys
        self.items: list[Ints] = []

    def labels(self, rows: Ints, items: Ints, counts: Ints) -> Ints:
        choice = f"choice {len(self.items) + 1} of replication"
        for k in np.flatnonzero((items < 0) | (items >= self.problem.size)):
            raise _Broken(f"{choice} {rows[k]} is item number {items[k]}; expected 0 to {self.problem.size - 1}")
        usable = self.rules.items(self.bought[rows])[np.arange(len(rows)), items]
        for k in np.flatnonzero(~usable):
            found = f"{self.problem.name[items[k]]}, after {self.bought[rows[k]].tolist()} labels"
            raise _Broken(f"{choice} {rows[k]} is {found}; expected an item that is available")
        self.bought[rows, items] += 1
        self.items.append(np.full(len(self.keys), -1, dtype=np.int64))
        self.items[-1][rows] = items
        return self.nature.labels(rows, items, counts)


def _spend(policy: Policy, problem: Problem, seed: int, replications: int) -> tuple[Ints, Ints, Ints]:
    """Items chosen, shape (labels, R), and the labels and wins of each item at the end, shape (R, N).

    Where a replication has ended, the item is -1.
    """
    witness = _Witness(problem, seed, replications)
    counts, wins = spend(problem, policy, witness, witness.keys)
    ended = [np.full(replications, -1, dtype=np.int64)] * (problem.labels - len(witness.items))
    return np.array(witness.items + ended), counts, wins


def _choice(policy: Policy, problem: Problem, seed: int) -> None:
    _, counts, _ = _spend(policy, problem, seed, 5)
    for bought, more in zip(counts, Availability(problem).items(counts), strict=True):
        left = [problem.name[i] for i in np.flatnonzero(more)]
        _expect(not left, f"the end came after {bought.tolist()} labels; expected one of {' or '.join(left)} to follow")


def _seed(policy: Policy, problem: Problem, seed: int) -> None:
    once, again = (_spend(policy, problem, seed, 5)[0] for _ in range(2))
    _expect_same(once, again, "with the same seed", "no source of chance but the seed, and no memory")


def _replications(policy: Policy, problem: Problem, seed: int) -> None:
    few, many = (_spend(policy, problem, seed, r)[0][:, :3] for r in (3, 11))
    _expect_same(few, many, "of 3 and of 11 replications", "scores of each row from that row alone")


def _expect_same(one: Ints, other: Ints, runs: str, wanted: str) -> None:
    for step, r in np.argwhere(one != other):
        found = f"item numbers {one[step, r]} and {other[step, r]} at choice {step + 1} of replication {r}"
        raise _Broken(f"two runs {runs} label {found}; expected {wanted}")


def _value(policy: Policy, problem: Problem) -> float:
    return evaluate(problem, policy).value


def _optimum(policy: Policy, problem: Problem, seed: int, exact: Callable[[], float]) -> None:
    value, best = exact(), _best(problem)
    _expect(value <= best + _VALUE_ROUNDING, f"exact value is {value!r}; expected at most the optimum, {best!r}")


def _prior(policy: Policy, problem: Problem, seed: int, exact: Callable[[], float]) -> None:
    value, least = exact(), problem.prior_value
    _expect(
        value >= least - _VALUE_ROUNDING, f"exact value is {value!r}; expected at least that of no label, {least!r}"
    )


def _simulation(policy: Policy, problem: Problem, seed: int, exact: Callable[[], float]) -> None:
    value = exact()
    _, counts, wins = _spend(policy, problem, seed, _REPLICATIONS)
    values = final_values(problem, counts, wins)
    mean, error = float(values.mean()), float(values.std(ddof=1) / np.sqrt(_REPLICATIONS))
    found = f"simulated mean is {mean:.6g} with standard error {error:.2g}"
    wanted = f"expected the exact value, {value:.6g}, within {_STANDARD_ERRORS:g} of them"
    _expect(abs(mean - value) <= _STANDARD_ERRORS * error + _VALUE_ROUNDING, f"{found}; {wanted}")


_ON_A_PROBLEM: dict[str, tuple[type, Callable[[Any, Problem, int], None]]] = {
    "index-scale": (Policy, _index_scale),
    "index": (SupportsIndex, _index),
    "states": (SupportsIndex, _states),
    "elementwise": (SupportsIndex, _elementwise),
    "probabilities": (SupportsProbabilities, _probabilities),
    "counts": (Policy, _counts),
    "scores": (Policy, _scores),
    "scores-index": (SupportsIndex, _scores_index),
    "choice": (Policy, _choice),
    "seed": (Policy, _seed),
    "replications": (Policy, _replications),
}
# For policies that have an exact value, which is given last: it is computed at most once for each problem.
_ON_VALUES: dict[str, Callable[[Policy, Problem, int, Callable[[], float]], None]] = {
    "optimum": _optimum,
    "prior": _prior,
    "simulation": _simulation,
}
