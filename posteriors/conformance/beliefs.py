"""Conformance suite for beliefs, for authors of beliefs in this package and in others.

A belief that passes can be used for planning: its tables, single states, updates and draws are consistent.

>>> import seqaudit as sa
>>> sa.check_belief(sa.NoisyBeta(2, 1, 0.1))

If all clauses hold, nothing is printed. Otherwise ``ConformanceError`` has one line for each clause that failed. These
are the clauses, in the order of trial; the first five are about the belief as a value:

=================  ====================================================================================================
kind               lower-case letters, digits, dots, hyphens and underscores, a letter first
pickle             equals its pickled and restored copy, as worker processes need it
description        ``as_dict`` has the kind and plain parameters, from which the class makes an equal belief
shapes             ``at`` returns float arrays of the common shape of its arguments
arguments          arrays may be read-only, and are not changed
range              finite numbers, mean and tail from 0 to 1, for few labels and for many
elementwise        a state has the same numbers alone and in an array with others
tables             triangles of the numbers of ``at``, zero where wins exceed labels
mean               ``mean`` is that of ``at`` without labels, and means are a martingale, so that a win and a loss have
                   the same probability in either order
tail               tails are a martingale: mean (tail after a win) + (1 - mean) (tail after a loss) = tail
jump               the tail after a win minus the tail after a loss, and 0 if one of the two is impossible
wins               a win does not lower the tail
threshold          a higher threshold does not raise the tail
after              the posterior after some labels is of the same kind, and its tables are the rest of the prior's
label-chance       from 0 to 1, not decreasing in the rate, in the shape of the rates
draws              from 0 to 1, in the requested shape, and determined by the generator
sample             label chances and tails of draws agree with mean and tail, within five standard errors
refusals           counts and thresholds outside their range raise ``ValueError``
=================  ====================================================================================================

States whose labels have probability zero under the belief are not tested.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property, partial
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..beliefs.belief import Belief, BeliefTables
from ..beliefs.registry import belief_kinds, make_belief
from ..foundation.arrays import Floats, Ints
from ..foundation.kinds import checked
from ..foundation.plugins import read_only, text_of
from .suite import Broken, Case, ConformanceError, Scene, cases_of, check, expect, expect_refusal
from .values import naming, pickling

__all__ = ["belief_cases", "check_belief"]

_LABELS = 24
_THRESHOLDS = (0.05, 0.6, 0.99)
_BAR = 0.6
_ROUNDING = 1e-10
_DRAWS, _STANDARD_ERRORS = 4000, 5.0
# Extra tolerance for tails and means near 0 or 1, whose standard error is almost 0 although a few draws may differ.
_RARE = 3.0 / _DRAWS
_LONGEST_NAME = 60


@checked
def check_belief(belief: Belief, *, seed: int = 7) -> None:
    """Check a belief against every clause of the contract.

    Parameters
    ----------
    belief : Belief
        A belief, not its class.
    seed : int
        Seed of the draws. A belief that satisfies the contract fails the clause ``sample`` by chance for about 3 seeds
        in a million; the result for a given seed is always the same.

    Raises
    ------
    ConformanceError
        An ``AssertionError`` with one line for each clause that failed. The clauses about numbers stop at the first one
        that fails, because the later ones depend on it.

    Examples
    --------
    Squares of tails are not tails:

    >>> import seqaudit as sa
    >>> class Squared(sa.Grid):
    ...     def at(self, labels, wins, threshold):
    ...         mean, tail, jump = super().at(labels, wins, threshold)
    ...         return sa.BeliefTables(mean, tail**2, jump)
    >>> try:
    ...     sa.check_belief(Squared([0.3, 0.7], [1, 1]))
    ... except sa.ConformanceError as error:
    ...     print(error.faults[-1])
    tail: after 0 labels and 0 wins, threshold 0.6: the next tails average 0.29; expected the tail, 0.25
    """
    check(_scenes(belief, seed))


@checked
def belief_cases(beliefs: Mapping[str, Belief] | Iterable[Belief], *, seed: int = 7) -> list[Case]:
    """One callable for each clause of each belief, for parametrised tests.

    Parameters
    ----------
    beliefs : mapping of str to Belief, or iterable of Belief
        Beliefs by the names for the tests; in an iterable, a belief is named by its ``repr`` or, if long, its kind.
    seed : int
        As in ``check_belief``.

    Returns
    -------
    list of Case
        Each with its ``subject`` and ``clause``, which form its ``__name__``. A call checks that clause and raises
        ``ConformanceError`` if it fails; a clause that depends on a failing one may fail with it.

    Examples
    --------
    >>> import seqaudit as sa
    >>> cases = sa.belief_cases([sa.Beta(1, 1), sa.LogitNormal(0, 2)])
    >>> cases[0], cases[-1]
    (Case(Beta(a=1.0, b=1.0)-kind), Case(LogitNormal(mean=0.0, sd=2.0)-refusals))
    >>> cases[-1]()
    """
    return cases_of(beliefs, _called, partial(_scenes, seed=seed))


def _called(belief: Belief) -> str:
    name = text_of(belief)
    return name if len(name) <= _LONGEST_NAME else str(belief.kind)


@dataclass(frozen=True)
class _Trial:
    """A belief under test, with the numbers that several clauses use."""

    belief: Belief
    seed: int

    def at(self, labels: Any, wins: Any, threshold: Any = _BAR) -> BeliefTables:
        return BeliefTables(*(np.asarray(x, dtype=np.float64) for x in self.belief.at(labels, wins, threshold)))

    @cached_property
    def tables(self) -> dict[float, BeliefTables]:
        """Numbers of all states, [labels, wins], by threshold; NaN in impossible states and outside the triangle."""
        n, w = np.tril_indices(_LABELS + 1)
        found = {}
        for threshold in _THRESHOLDS:
            found[threshold] = BeliefTables(*np.full((3, _LABELS + 1, _LABELS + 1), np.nan))
            for table, values in zip(found[threshold], self.at(n, w, threshold), strict=True):
                table[n, w] = np.where(self.possible[n, w], values, np.nan)
        return found

    @cached_property
    def possible(self) -> NDArray[np.bool_]:
        """States whose labels have a positive probability, [labels, wins]."""
        n, w = np.tril_indices(_LABELS + 1)
        mean = np.zeros((_LABELS + 1, _LABELS + 1))
        mean[n, w] = self.at(n, w).mean
        reached = np.zeros(mean.shape, dtype=np.bool_)
        reached[0, 0] = True
        for k in range(_LABELS):
            reached[k + 1, 1:] |= (reached[k] & (mean[k] > 0))[:-1]
            reached[k + 1] |= reached[k] & (mean[k] < 1)
        return reached

    def alone(self, labels: Ints, wins: Ints, threshold: float) -> list[tuple[float, ...]]:
        """Mean, tail and jump of given states, each computed by a separate call."""
        return [tuple(float(x) for x in self.at(int(n), int(w), threshold)) for n, w in zip(labels, wins, strict=True)]


def _scenes(belief: Belief, seed: int) -> list[Scene]:
    """Scenes of a belief: the belief as a value, and its numbers."""
    if not isinstance(belief, Belief):
        raise ConformanceError(f"belief: found {text_of(belief)}; expected an instance of a subclass of Belief")
    trial = _Trial(belief, seed)
    return [
        Scene("", {clause: partial(test, belief) for clause, test in _OF_ITSELF.items()}, ends_at_fault=False),
        Scene("", {clause: partial(test, trial) for clause, test in _OF_NUMBERS.items()}),
    ]


def _description(belief: Belief) -> None:
    parameters = belief.as_dict()
    expect(isinstance(parameters, dict), f"as_dict returned {parameters!r}; expected a dict")
    expect(parameters.get("kind") == belief.kind, f"kind is {parameters.get('kind')!r}; expected {belief.kind!r}")
    for name, value in parameters.items():
        for x in value if isinstance(value, list) else [value]:
            plain = type(x) in (bool, int, float, str)
            expect(plain, f"{name} has {x!r} of type {type(x).__name__}; expected plain numbers, strings, or lists")
    rest = {name: value for name, value in parameters.items() if name != "kind"}
    makers: list[Callable[[], Belief]] = [lambda: type(belief)(**rest)]
    if belief.kind in belief_kinds():
        makers.append(lambda: make_belief(parameters))
    for make in makers:
        again = make()
        expect(bool(again == belief), f"makes {again!r}; expected an equal belief")


def _say(labels: int, wins: int, threshold: float) -> str:
    return f"after {labels} labels and {wins} wins, threshold {threshold:g}"


def _expect_equal(found: Floats, wanted: Floats, threshold: float, what: str, expected: str) -> None:
    """Compare two tables [labels, wins]; NaN counts as equal to any number."""
    apart = np.abs(found - wanted) > _ROUNDING * np.maximum(1.0, np.abs(wanted))
    for n, w in np.argwhere(apart):
        where = _say(n, w, threshold)
        raise Broken(f"{where}: {what} {found[n, w]:.9g}; expected {expected}, {wanted[n, w]:.9g}")


def _shapes(trial: _Trial) -> None:
    for labels, wins, threshold, shape in (
        (3, 1, 0.5, ()),
        (np.array([[3], [8], [3]]), 2, np.array([0.2, 0.5, 0.7, 0.5]), (3, 4)),
        (np.zeros((2, 0), dtype=np.int64), 0, 0.5, (2, 0)),
    ):
        parts = trial.belief.at(labels, wins, threshold)
        expect(len(parts) == 3, f"at returned {len(parts)} arrays; expected mean, tail and jump")
        for name, part in zip(BeliefTables._fields, parts, strict=True):
            found = np.asarray(part)
            expect(found.dtype == np.float64, f"{name} is of type {found.dtype}; expected float64")
            expect(found.shape == shape, f"{name} has shape {found.shape}; expected {shape}")
            expect(not np.ma.isMaskedArray(part), f"{name} is a masked array; expected an array without a mask")


def _range(trial: _Trial) -> None:
    n, w = np.tril_indices(_LABELS + 1)
    n, w = np.append(n, [10_000] * 3), np.append(w, [1, 6100, 9999])
    for threshold in _THRESHOLDS:
        for name, part, low in zip(BeliefTables._fields, trial.at(n, w, threshold), (0.0, 0.0, -1.0), strict=True):
            for k in np.flatnonzero(~(np.isfinite(part) & (part >= low - _ROUNDING) & (part <= 1.0 + _ROUNDING))):
                where = _say(n[k], w[k], threshold)
                raise Broken(f"{where}: {name} is {part[k]}; expected a number from {low:g} to 1")


def _elementwise(trial: _Trial) -> None:
    n, w = np.tril_indices(5)
    for order in (slice(None), slice(None, None, -1)):
        among = np.stack(trial.at(n[order], w[order]))[:, order]
        alone = np.array(trial.alone(n, w, _BAR)).T
        for part, k in np.argwhere(np.abs(among - alone) > 1e-12):
            found = f"{BeliefTables._fields[part]} is {among[part, k]:.9g} among {len(n)} states"
            raise Broken(f"{_say(n[k], w[k], _BAR)}: {found} and {alone[part, k]:.9g} alone; expected them to be equal")


def _arguments(trial: _Trial) -> None:
    flat = {
        "labels": np.array([4, 9, 0, 7]),
        "wins": np.array([1, 9, 0, 2]),
        "threshold": np.array([0.5, 0.6, 0.7, 0.8]),
    }
    for shape in ((4,), (2, 2), (1, 4), (4, 1, 1)):
        given = {name: array.reshape(shape) for name, array in flat.items()}
        shown = {name: array.copy() for name, array in given.items()}
        trial.belief.at(**shown)
        for name, before in given.items():
            expect(np.array_equal(shown[name], before), f"at changed {name}; expected it to leave arrays as they were")
        try:
            trial.belief.at(**{name: read_only(array) for name, array in given.items()})
        except Exception as error:
            raise Broken(f"read-only arrays: raised {type(error).__name__}: {error}; expected no error") from None


def _tables(trial: _Trial) -> None:
    for size, threshold in product((0, 7), _THRESHOLDS):
        n, w = np.tril_indices(size + 1)
        above = np.triu_indices(size + 1, 1)
        parts = trial.belief.tables(size, threshold)
        for name, table, values in zip(BeliefTables._fields, parts, trial.at(n, w, threshold), strict=True):
            found, shape = np.asarray(table), (size + 1, size + 1)
            expect(
                found.dtype == np.float64 and found.shape == shape,
                f"{name} has shape {found.shape} and type {found.dtype}; expected {shape} and float64",
            )
            expect(not found[above].any(), f"{name} is not 0 where wins exceed labels; expected 0")
            whole = np.zeros(shape)
            whole[n, w] = values
            _expect_equal(found, whole, threshold, f"the table of {name} has", "the value from at")


def _next(table: Floats) -> tuple[Floats, Floats, Floats]:
    """Entries of the states before a label, of those after a win and of those after a loss."""
    return table[:-1, :-1], table[1:, 1:], table[1:, :-1]


def _average(mean: Floats, won: Floats, lost: Floats) -> Floats:
    """Average over the next label; an outcome of probability zero is left out."""
    return np.where(mean > 0, mean * won, 0.0) + np.where(mean < 1, (1.0 - mean) * lost, 0.0)


def _mean(trial: _Trial) -> None:
    found, wanted = trial.belief.mean, float(trial.at(0, 0).mean)
    expect(abs(found - wanted) <= _ROUNDING, f"mean is {found:.9g}; expected that of at without labels, {wanted:.9g}")
    for threshold, tables in trial.tables.items():
        mean, won, lost = _next(tables.mean)
        _expect_equal(_average(mean, won, lost), mean, threshold, "the next means average", "the mean")


def _tail(trial: _Trial) -> None:
    for threshold, tables in trial.tables.items():
        mean, tail = tables.mean[:-1, :-1], tables.tail[:-1, :-1]
        _, won, lost = _next(tables.tail)
        _expect_equal(_average(mean, won, lost), tail, threshold, "the next tails average", "the tail")


def _jump(trial: _Trial) -> None:
    for threshold, tables in trial.tables.items():
        mean, jump = tables.mean[:-1, :-1], tables.jump[:-1, :-1]
        _, won, lost = _next(tables.tail)
        apart = np.where((mean > 0) & (mean < 1), won - lost, 0.0)
        _expect_equal(jump, apart, threshold, "jump is", "the tail after a win less that after a loss")


def _wins(trial: _Trial) -> None:
    for threshold, (_, tail, _) in trial.tables.items():
        for n, w in np.argwhere(np.diff(tail, axis=1) < -_ROUNDING):
            fall = f"tail is {tail[n, w]:.9g}, and {tail[n, w + 1]:.9g} with one more win"
            raise Broken(f"{_say(n, w, threshold)}: {fall}; expected it not to fall")


def _threshold(trial: _Trial) -> None:
    bars = np.linspace(0.02, 0.98, 49)
    for n, w in zip(*np.tril_indices(4), strict=True):
        tail = trial.at(n, w, bars).tail
        for k in np.flatnonzero(np.diff(tail) > _ROUNDING):
            rise = f"tail is {tail[k]:.9g}, and {tail[k + 1]:.9g} for threshold {bars[k + 1]:g}"
            raise Broken(f"{_say(int(n), int(w), float(bars[k]))}: {rise}; expected it not to rise")


def _after(trial: _Trial) -> None:
    belief = trial.belief
    expect(bool(belief.after(wins=0, losses=0) == belief), "differs after no labels; expected an equal belief")
    for steps in ([(3, 2)], [(1, 5)], [(0, 1)], [(2, 1), (0, 3)]):
        won, lost = (sum(step[k] for step in steps) for k in (0, 1))
        if not trial.possible[won + lost, won]:
            continue
        later = belief
        for wins, losses in steps:
            later = later.after(wins=wins, losses=losses)
        what = " and then ".join(f"after(wins={wins}, losses={losses})" for wins, losses in steps)
        expect(type(later) is type(belief), f"{what} is {later!r}; expected a belief of the same class")
        size = 8
        for threshold, whole in trial.tables.items():
            n, w = np.tril_indices(size + 1)
            for name, values, table in zip(BeliefTables._fields, later.at(n, w, threshold), whole, strict=True):
                found = np.full((size + 1, size + 1), np.nan)
                found[n, w] = values
                rest = table[won + lost : won + lost + size + 1, won : won + size + 1]
                _expect_equal(found, rest, threshold, f"{name} of {what} is", "the value in the prior's tables")


def _label_chance(trial: _Trial) -> None:
    for shape in ((), (21,), (3, 7)):
        alpha = np.linspace(0.0, 1.0, int(np.prod(shape))).reshape(shape) if shape else np.array(0.3)
        before = alpha.copy()
        chance = np.asarray(trial.belief.label_chance(alpha), dtype=np.float64)
        expect(np.array_equal(alpha, before), "label_chance changed the rates; expected it to leave them as they were")
        expect(chance.shape == shape, f"label_chance has shape {chance.shape}; expected {shape}")
        flat = chance.reshape(-1)
        for k in np.flatnonzero(~((flat >= 0) & (flat <= 1))):
            raise Broken(f"label_chance of {alpha.reshape(-1)[k]:g} is {flat[k]}; expected a number from 0 to 1")
        for k in np.flatnonzero(np.diff(flat) < -_ROUNDING):
            fall = f"{flat[k]:.9g} and then {flat[k + 1]:.9g}"
            raise Broken(f"label_chance of {alpha.reshape(-1)[k]:g} and a higher rate is {fall}; expected no fall")


def _beliefs_to_draw(trial: _Trial) -> Iterable[tuple[str, Belief]]:
    yield "", trial.belief
    if trial.possible[4, 3]:
        yield "after 3 wins and 1 loss, ", trial.belief.after(wins=3, losses=1)


def _draws(trial: _Trial) -> None:
    for where, belief in _beliefs_to_draw(trial):
        for size, shape in ((None, ()), (5, (5,)), ((2, 3), (2, 3))):
            one, other = (np.asarray(belief.draw(np.random.default_rng(trial.seed), size)) for _ in range(2))
            expect(one.shape == shape, f"{where}draws for size {size} have shape {one.shape}; expected {shape}")
            expect(np.array_equal(one, other), f"{where}draws of the same generator differ; expected them to be equal")
            expect(
                bool(((one >= 0) & (one <= 1)).all()), f"{where}draws are {one.tolist()}; expected rates from 0 to 1"
            )


def _sample(trial: _Trial) -> None:
    for where, belief in _beliefs_to_draw(trial):
        alpha = belief.draw(np.random.default_rng(trial.seed), _DRAWS)
        chance = np.asarray(belief.label_chance(alpha))
        told = [("label_chance", chance, float(belief.at(0, 0, _BAR).mean), float(chance.std()))]
        for threshold in (0.3, 0.55, 0.8):
            tail = float(belief.at(0, 0, threshold).tail)
            told.append(
                (
                    f"rate > {threshold:g}",
                    (alpha > threshold).astype(np.float64),
                    tail,
                    float(np.sqrt(tail * (1.0 - tail))),
                )
            )
        for what, values, wanted, sd in told:
            mean, error = float(values.mean()), sd / np.sqrt(_DRAWS)
            found = f"{where}{what} averages {mean:.6g} over {_DRAWS} draws"
            within = f"{wanted:.6g}, within {_STANDARD_ERRORS:g} standard errors of {error:.2g}"
            expect(abs(mean - wanted) <= _STANDARD_ERRORS * error + _RARE, f"{found}; expected {within}")


def _refusals(trial: _Trial) -> None:
    belief = trial.belief
    states: list[tuple[Any, Any, Any]] = [([3, -1], 0, 0.5), (3, [1, 4], 0.5), (3, -2, 0.5), (3.5, 1, 0.5)]
    states += [(3, 1, [0.5, bar]) for bar in (0.0, 1.0, np.nan)]
    for labels, wins, threshold in states:
        what = f"at(labels={labels}, wins={wins}, threshold={threshold})"
        expect_refusal(what, partial(belief.at, labels, wins, threshold))
    for size, bar in ((-1, 0.5), (3, 0.0), (3, 1.0), (3, np.nan)):
        expect_refusal(f"tables({size}, threshold={bar})", partial(belief.tables, size, bar))
    for wins, losses in ((-1, 0), (0, -1)):
        expect_refusal(f"after(wins={wins}, losses={losses})", partial(belief.after, wins, losses))


_OF_ITSELF: dict[str, Callable[[Belief], None]] = {
    "kind": partial(naming, attribute="kind"),
    "pickle": pickling,
    "description": _description,
}
_OF_NUMBERS: dict[str, Callable[[_Trial], None]] = {
    "shapes": _shapes,
    "arguments": _arguments,
    "range": _range,
    "elementwise": _elementwise,
    "tables": _tables,
    "mean": _mean,
    "tail": _tail,
    "jump": _jump,
    "wins": _wins,
    "threshold": _threshold,
    "after": _after,
    "label-chance": _label_chance,
    "draws": _draws,
    "sample": _sample,
    "refusals": _refusals,
}
