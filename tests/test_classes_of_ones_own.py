"""Classes of users that get methods from classes beside the family, are generic, or hold more than their fields."""

from __future__ import annotations

import subprocess
import sys
import threading
from dataclasses import InitVar, dataclass
from decimal import Decimal
from fractions import Fraction
from functools import cached_property, partialmethod
from typing import Any, ClassVar, Generic, NamedTuple, TypeVar

import numpy as np
import pandas as pd
import pytest
import xarray as xr

import seqaudit as sa
from seqaudit.posteriors.foundation.canonical import canonical

T = TypeVar("T")
THREE = sa.Problem([0.5, 0.6, 0.45], budget=6)


def edge(p):
    return ((p > 0.9) | (p < 0.1)) * 1.0


def bowl(p):
    return p * (1 - p)


class EdgeCall:
    def __call__(self, p):
        return edge(p)


class BowlCall:
    def __call__(self, p):
        return bowl(p)


@pytest.mark.parametrize("formula", [EdgeCall, BowlCall])
@pytest.mark.parametrize("base", [sa.Accuracy, sa.Asymmetric, sa.Variance, sa.Entropy, sa.Linear, sa.Decisive])
def test_payoff_from_a_class_beside_a_utility_is_a_payoff_of_its_own(formula, base):
    @dataclass(frozen=True)
    class Mine(formula, base):
        name = "mine"

    plain = THREE.replace(utility={EdgeCall: edge, BowlCall: bowl}[formula])
    problem = THREE.replace(utility=Mine())
    assert sa.solve(problem).value == pytest.approx(sa.solve(plain).value, abs=1e-12)
    for name in ("kg", "lookahead"):
        assert sa.evaluate(problem, name).value == pytest.approx(sa.evaluate(plain, name).value, abs=1e-12)
    if formula is EdgeCall:
        assert sa.evaluate(problem, "gittins").value == pytest.approx(sa.evaluate(plain, "gittins").value, abs=1e-12)
        assert sa.upper_bound(problem, "lagrangian").value >= sa.solve(problem).value - 1e-9
    assert (problem.may_stop, Mine().kink()) == (plain.may_stop, None)
    with pytest.raises(ValueError, match="has no score"):
        sa.evaluate(problem, "kg", nature=sa.Beta(2, 1))


def test_what_a_method_from_a_class_beside_a_utility_returns_is_checked():
    class Broken:
        def __call__(self, p):
            return np.where(np.asarray(p) == 0.75, np.nan, p)

        def decide(self, p):
            return p

    @dataclass(frozen=True)
    class Mine(Broken, sa.Utility):
        name = "mine"

    with pytest.raises(ValueError, match=r"returned nan at p = 0\.75"):
        sa.solve(sa.Problem([0.5, 0.5], budget=3, utility=Mine()))
    with pytest.raises(ValueError, match="must be bool"):
        Mine().decide(np.array([0.5]))


def test_bar_of_its_own_moves_no_kink():
    @dataclass(frozen=True)
    class Careful(sa.Asymmetric):
        name = "careful"

        def accept_above(self):
            return 0.9

    careful, plain = THREE.replace(utility=Careful(3, 1)), THREE.replace(utility=sa.Asymmetric(3, 1))
    assert sa.upper_bound(careful, "lagrangian").value == sa.upper_bound(plain, "lagrangian").value
    assert sa.evaluate(careful, "gittins").value == sa.evaluate(plain, "gittins").value


def test_belief_follows_the_at_of_a_class_beside_it():
    class At:
        def at(self, labels, wins, threshold):
            return sa.Beta(5, 1).at(labels, wins, threshold)

    @dataclass(frozen=True)
    class Mine(At, sa.Beta):
        kind = "mine"

    @dataclass(frozen=True)
    class Within(sa.Beta):
        kind = "within"
        at = At.at

    mine, within = (sa.Problem([0.5, 0.7, 0.6], budget=5, prior=x(1, 1)) for x in (Mine, Within))
    assert Mine(1, 1).mean == Within(1, 1).mean == sa.Beta(5, 1).mean
    assert sa.solve(mine).value == sa.solve(within).value


class Shrinking:
    def index(self, states):
        early = states.labels < states.problem.budget / 20
        return np.where(early, states.labels * 1.0, states.tail * (1 - states.tail) - 1)


@pytest.mark.parametrize("base", [sa.UncertaintySampling, sa.KnowledgeGradient, sa.VarianceReduction])
def test_index_from_a_class_beside_a_policy_is_one_of_its_own(base):
    @dataclass(frozen=True)
    class Mine(Shrinking, base):
        name = "mine"

    @dataclass(frozen=True)
    class Within(base):
        name = "within"
        index = Shrinking.index

    assert not Mine().anytime
    problem = sa.Problem(np.linspace(0.3, 0.7, 20), budget=60)
    mine, within = (
        sa.budget_curve(problem, [x], points=3, seed=1, replications=20).value.values for x in (Mine(), Within())
    )
    assert np.array_equal(mine, within)


def test_class_without_methods_of_its_own_keeps_what_is_said_of_the_index():
    @dataclass(frozen=True)
    class Renamed(sa.KnowledgeGradient):
        name = "renamed"

    assert Renamed().anytime


def test_stop_from_a_class_beside_a_wrapper_counts_everywhere():
    class Stops:
        def stops(self, problem, counts, wins, usable):
            return wins.sum(1) >= 1

    @dataclass(frozen=True)
    class Mine(Stops, sa.MinimumCoverage):
        name = "mine"

    policy, problem = Mine("kg", [0, 0, 1]), sa.Problem([0.5, 0.6, 0.7], budget=5)
    assert policy.stopping
    simulated = sa.simulate(problem, policy, seed=1, replications=2000)
    assert abs(simulated.mean - sa.evaluate(problem, policy).value) < 5 * simulated.standard_error


def test_states_that_a_method_from_a_class_beside_a_policy_is_given_are_checked():
    class Chances:
        def action_probabilities(self, problem, counts, wins, usable):
            return usable * 1.0

    @dataclass(frozen=True)
    class Mine(Chances, sa.JointPolicy):
        name = "mine"

    with pytest.raises(ValueError, match="2 wins in 1 labels"):
        Mine().action_probabilities(sa.Problem([0.5, 0.6], budget=3), [[1, 0]], [[2, 0]], [[True, True]])


@dataclass(frozen=True)
class Tail(sa.IndexPolicy):
    k: Any = 1.0
    name = "tail"

    def index(self, states):
        return np.copysign(1.0, self.k) * states.tail


def test_class_may_be_set_up_by_what_makes_it():
    def louder(cls):
        cls.index = lambda self, states: -states.tail
        return cls

    class Registered(sa.KnowledgeGradient):
        def __init_subclass__(cls, **more):
            super().__init_subclass__(**more)
            cls.name = cls.__name__.lower()

    @louder
    class Mine(Registered):
        pass

    class Within(sa.IndexPolicy):
        name = "within"

        def index(self, states):
            return -states.tail

    assert (Mine.name, Mine().anytime) == ("mine", False)
    assert sa.evaluate(THREE, Mine()).value == sa.evaluate(THREE, Within()).value
    simulated = [sa.simulate(THREE, x, seed=1, replications=50).mean for x in (Mine(), Within())]
    assert simulated[0] == simulated[1]


SCRIPT = """
from dataclasses import dataclass
import seqaudit as sa

class Beside:
    def index(self, states):
        return states.mean - 0.1 * states.labels

@dataclass(frozen=True)
class Mine(Beside, sa.KnowledgeGradient):
    by: float = 1.0
    name = "mine"

class Paid(sa.Accuracy):
    name = "paid"
    def __call__(self, p):
        return abs(2 * p - 1) ** 1.5

class Held(sa.Beta):
    kind = "held"
    def at(self, labels, wins, threshold):
        return sa.Beta(2, 1).at(labels, wins, threshold)

if __name__ == "__main__":
    problem = sa.Problem([0.5, 0.62, 0.7], budget=5, utility=Paid(), prior=Held(1, 1))
    found = [sa.simulate(problem, Mine(), seed=1, replications=64, n_jobs=n).mean for n in (1, 2)]
    for _ in range(2):
        found.append(sa.simulate(problem, Mine(2.0), seed=1, replications=64, n_jobs=2).mean)
    print(len(set(found)))
"""


def test_classes_of_a_script_go_to_worker_processes(tmp_path):
    (tmp_path / "script.py").write_text(SCRIPT)
    done = subprocess.run([sys.executable, "script.py"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("1\n", "")


def test_payoff_that_calls_another_method_is_not_taken_for_convex():
    class Scored(sa.Entropy):
        name = "scored"

        def score(self, stated, p):
            return -((p - 0.3) ** 2) + 0 * stated

    class Helped(sa.Utility):
        name = "helped"
        convex = True

        def payoff(self, p):
            return p**2

        def __call__(self, p):
            return self.payoff(p)

    class Other(Helped):
        name = "other"

        def payoff(self, p):
            return -((p - 0.3) ** 2)

    def plain(p):
        return -((p - 0.3) ** 2)

    problem = sa.Problem([0.5, 0.62], budget=4, weight=[1, 2])
    assert Helped().convex
    for utility in (Scored(), Other()):
        one, other = (problem.replace(utility=x) for x in (utility, plain))
        assert one.may_stop
        assert sa.solve(one).value == pytest.approx(sa.solve(other).value, abs=1e-12)


def test_ties_are_checked_whether_or_not_the_class_calls_the_one_above():
    @dataclass(frozen=True)
    class Quiet(sa.IndexPolicy):
        name = "quiet"

        def __post_init__(self):
            pass

        def index(self, states):
            return states.tail

    with pytest.raises(ValueError, match="quiet: ties is 'banana'"):
        Quiet(ties="banana")


def test_property_that_is_kept_is_not_set_by_hand():
    @dataclass(frozen=True)
    class Kept(sa.IndexPolicy):
        sign: InitVar[float] = 1.0
        name = "kept"

        def __post_init__(self, sign):
            super().__post_init__()
            self.__dict__["by"] = sign

        @cached_property
        def by(self):
            return 1.0

        def index(self, states):
            return self.by * states.tail

    with pytest.raises(TypeError, match="'by', a cached_property, has a value before the object is complete"):
        Kept(-1.0)


@pytest.mark.parametrize("zero", [-0.0, np.float64(-0.0), np.float32(-0.0)])
def test_minus_zero_acts_as_zero(zero):
    assert Tail(zero) == Tail(0.0)
    assert sa.evaluate(THREE, Tail(zero)).value == sa.evaluate(THREE, Tail(0.0)).value
    assert not np.signbit(Tail((1.0, (zero,))).k[1][0])
    assert not np.signbit(Tail(Named(zero)).k.a)


class Named(NamedTuple):
    a: float


class Listed(list):
    def __hash__(self):
        return 1


@pytest.mark.parametrize("value", [np.random.default_rng(1), iter([1]), Listed([1]), (x for x in "ab")])
def test_field_that_changes_while_it_is_held_is_refused(value):
    with pytest.raises(TypeError, match="which can change or cannot be hashed"):
        Tail(value)


def test_equality_of_ones_own_is_seen_however_the_class_was_made():
    text = (
        "@dataclass(frozen=True)\nclass Same(sa.IndexPolicy):\n    k: float = 1.0\n    name = 'same'\n"
        "    def __eq__(self, other): return True\n    def __hash__(self): return 0\n"
        "    def index(self, states): return self.k * states.tail\n"
    )
    names = {"dataclass": dataclass, "sa": sa, "__name__": __name__}
    exec(text, names)
    with pytest.raises(TypeError, match="Same defines __eq__"):
        names["Same"](1.0)


def test_generic_classes_are_taken():
    @dataclass(frozen=True)
    class Scaled(sa.IndexPolicy, Generic[T]):
        by: T
        name = "scaled"

        def index(self, states):
            return self.by * states.tail

    class Plain(sa.IndexPolicy, Generic[T]):
        name = "plain"

        def index(self, states):
            return states.tail

    class Wide(sa.Beta, Generic[T]):
        kind = "wide"

    assert Scaled[int](2) == Scaled(2)
    assert sa.evaluate(THREE, Plain[int]()).value == sa.evaluate(THREE, Scaled[int](2)).value
    assert Wide[int](1, 2).mean == sa.Beta(1, 2).mean


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (True, 1), (1, 1.0), (Decimal("1.0"), Decimal(1)), (1.5, Decimal("1.5")), (Fraction(1, 2), 0.5),
        (2**60, float(2**60)), (np.float32(0.5), 0.5), (np.longdouble(0.5), 0.5), (np.bool_(True), 1), (-0.0, 0),
    ],
)  # fmt: skip
def test_equal_numbers_have_equal_texts(one, other):
    assert one == other
    assert canonical(one) == canonical(other)
    assert canonical(Tail(one)) == canonical(Tail(other))


def test_different_values_have_different_texts():
    values = [
        0, 1, 2**60, 2**60 + 1, 10**400, 0.1, Fraction(1, 10), 1 / 3, Fraction(1, 3), np.inf, -np.inf, "1",
        b"ab", (97, 98), "ab", None, {1}, {(1,)}, {1: 2}, [[1, 2]], max, min, edge, bowl, lambda p: p, lambda p: p + 1,
        Tail, Tail(2), Tail(3), complex(1, 2), np.datetime64("2026-01-01"), slice(1, 2), range(3), Ellipsis,
    ]  # fmt: skip
    assert len({canonical(x) for x in values}) == len(values)


def test_objects_have_one_text_in_every_process():
    code = """
import sys
from enum import Enum
from functools import cache, partial
from numba import njit
from seqaudit.posteriors.foundation.canonical import canonical

class Held:
    def __init__(self):
        self.texts, self.within = {"a", "b", "c", "d"}, {"x": [1, {"y", "z"}]}
        self.itself = self

def made(c):
    def inner(p):
        return c * p
    return inner

class Way(Enum):
    UP = partial(max, 1)

functions = [lambda p: p in {"alpha", "beta", "gamma"}, njit(made(2)), cache(made(3)), partial(max, 1), made(2), len]
print(canonical([Held(), Way.UP, functions, Held().__init__, frozenset("abc")]))
"""
    texts = {
        subprocess.run([sys.executable, "-c", code], env={"PYTHONHASHSEED": f"{k}", "PYTHONPATH": ":".join(sys.path)},
                       capture_output=True, text=True, check=True).stdout
        for k in range(3)
    }  # fmt: skip
    assert len(texts) == 1


def made(by: float, **held: Any) -> type[sa.Policy]:
    @dataclass(frozen=True)
    class Made(sa.IndexPolicy):
        name = "made"
        _cache: ClassVar[dict[int, int]] = {}
        lock: ClassVar[Any] = threading.Lock()
        index = partialmethod(
            lambda self, states, sign: sign * by * self.sign() * states.tail, sign=held.get("part", 1)
        )

        def sign(self):
            self._cache[len(self._cache)] = 1
            return float(np.ravel(held_sign(self))[0])

    def held_sign(policy):
        return getattr(policy, "factor", 1.0)

    for name, x in held.items():
        setattr(Made, name, x)
    return Made


def local(sign: int) -> type[sa.Policy]:
    if sign > 0:

        class Mine(sa.IndexPolicy):
            name = "mine"

            def index(self, states):
                return states.tail
    else:

        class Mine(sa.IndexPolicy):
            name = "mine"

            def index(self, states):
                return 1 - states.tail

    return Mine


@pytest.mark.parametrize(
    ("one", "others"),
    [
        (lambda: made(1.0), [lambda: made(-1.0), lambda: made(1.0, factor=-1.0), lambda: made(1.0, part=-1)]),
        (lambda: made(1.0, factor=[1.0]), [lambda: made(1.0, factor=[-1.0])]),
        (lambda: made(1.0, factor=np.array([1.0, 2.0])), [lambda: made(1.0, factor=np.array([-1.0, 2.0]))]),
        (lambda: made(1.0, factor=Decimal(1)), [lambda: made(1.0, factor=Decimal(-1)), lambda: made(1.0, flip=True)]),
        (lambda: local(1), [lambda: local(-1)]),
    ],
)
def test_session_knows_classes_of_one_name_apart(tmp_path, one, others):
    session = sa.Session(THREE, one()(), seed=1)
    session.tell(session.ask(), 1)
    session.save(tmp_path / "session.json")
    assert sa.Session.load(tmp_path / "session.json", THREE, one()()).ask() == session.ask()
    for other in others:
        with pytest.raises(ValueError, match="a session of policy"):
            sa.Session.load(tmp_path / "session.json", THREE, other()())


def quadratic(p):
    return np.where(p == 1.0, -1e9, 0.0) + p**2


def two_sided(p):
    return np.where(p == 1.0, -1e9, 0.0) + np.maximum(p, 1 - p)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (lambda p: np.maximum(p, 1 - p) + 1e6, lambda p: np.maximum(p, 1 - p) + 1e6 + 2),
        (quadratic, two_sided),
        (lambda p: p * 1e-30, lambda p: p**2 * 1e-30),
    ],
)
def test_digest_knows_formulas_apart(one, other):
    problems = [THREE.replace(utility=x) for x in (one, other)]
    assert problems[0].digest() != problems[1].digest()


def test_digest_knows_decisions_and_scores_apart():
    def utility(above: float = 0.5, less: float = 0.0) -> sa.Utility:
        @dataclass(frozen=True)
        class Mine(sa.Utility):
            name = "mine"

            def __call__(self, p):
                return np.maximum(p, 1 - p)

            def accept_above(self):
                return above

            def score(self, stated, p):
                return np.where(stated > 0.5, p, 1 - p) - less

        return Mine()

    digests = [THREE.replace(utility=x).digest() for x in (utility(), utility(0.9), utility(0.5, 0.1), utility())]
    assert len(set(digests)) == 3
    assert digests[0] == digests[-1]


AB = ["a", "b"]
PAIRS = pd.DataFrame({"a": [1.0, 2.0], "b": [2.0, 3.0]}, index=["x", "y"])


@pytest.mark.parametrize(
    "prior",
    [
        pd.Series([sa.Beta(1, 2), sa.Beta(2, 3)]), np.array([sa.Beta(1, 2), sa.Beta(2, 3)]),
        pd.Series([(1, 2), (2, 3)]),
        pd.Series([{"kind": "beta", "a": 1, "b": 2}, sa.Beta(2, 3)]), PAIRS, PAIRS[["b", "a"]], PAIRS.to_numpy(),
        np.array([(2, 1), (3, 2)], dtype=[("b", float), ("a", float)]),
        np.array([(1, 2), (2, 3)], dtype=[("alpha", int), ("beta", int)]),
        PAIRS.T, PAIRS[["b", "a"]].T, xr.DataArray(PAIRS), xr.DataArray(PAIRS[["b", "a"]]), xr.DataArray(PAIRS.T),
        xr.DataArray(np.array([sa.Beta(1, 2), sa.Beta(2, 3)])), xr.DataArray([[1, 2], [2, 3]]),
        xr.DataArray(np.array([(2, 1), (3, 2)], dtype=[("b", float), ("a", float)])),
    ],
)  # fmt: skip
def test_prior_may_be_a_column_or_an_array_of_beliefs_or_pairs(prior):
    assert sa.Problem([0.5, 0.6], budget=3, prior=prior).prior.tolist() == [[1, 2], [2, 3]]


@pytest.mark.parametrize(
    "prior", [PAIRS.reset_index(names="item"), PAIRS[["a"]], np.zeros(2, dtype=[("a", float), ("c", float)])]
)
def test_prior_with_other_columns_is_refused_by_their_names(prior):
    with pytest.raises(ValueError, match=r"^prior has the columns? .*; they must be a and b$"):
        sa.Problem([0.5, 0.6], budget=3, prior=prior)


@pytest.mark.parametrize(
    "fields",
    [
        {"weight": xr.DataArray([1, 5], dims="item", coords={"item": ["b", "a"]})},
        {"weight": pd.Series([1, 5], index=["b", "a"])},
        {"name": ["b", "a"]},
    ],
)
@pytest.mark.parametrize("kind", [pd.Series, xr.DataArray])
def test_columns_in_different_orders_are_refused_whatever_holds_them(kind, fields):
    if kind is pd.Series:
        threshold = pd.Series([0.5, 0.6], index=AB)
    else:
        threshold = xr.DataArray([0.5, 0.6], dims="item", coords={"item": AB})
    with pytest.raises(ValueError, match=r"\[0\] is labelled .*; entries go by position"):
        sa.Problem(threshold, budget=3, **fields)
    assert sa.Problem(threshold, budget=3, name=AB, weight=pd.Series([1, 5], index=AB)).weight.tolist() == [1, 5]
    assert sa.Problem(threshold, budget=3, name=["x", "y"], weight=xr.DataArray([1, 5])).weight.tolist() == [1, 5]


def test_labels_of_ensembles_and_label_sets_are_compared():
    win = pd.DataFrame([[-1.0, -2.0], [-3.0, -4.0]], columns=AB)
    length = pd.Series([1, 2], index=AB)
    assert sa.log_ratio(win, win - 1, length_win=length, length_lose=length).tolist() == [-1.0, -0.5]
    for kind in (lambda x: x, xr.DataArray):
        with pytest.raises(ValueError, match=r"logp_lose\[0\] is labelled 'b', logp_win\[0\] 'a'"):
            sa.log_ratio(kind(win), kind(win[["b", "a"]]))

    def labels(**columns):
        return sa.LabelSet(
            items=("a", "b"), labels=[1, 0, 1], rater=[0, 1, 0], raters=("r", "s"), start=[0, 2, 3], **columns
        )

    assert labels(threshold=pd.Series([0.5, 0.6], index=AB)).threshold.tolist() == [0.5, 0.6]
    for kind in (lambda x: x, xr.DataArray):
        with pytest.raises(ValueError, match=r"items\[0\] is labelled 'a', weight\[0\] 'b'"):
            labels(weight=kind(pd.Series([1.0, 2.0], index=["b", "a"])))


@pytest.mark.parametrize("field", ["threshold", "weight", "prior", "reward", "cost", "cap"])
def test_a_dataset_is_no_column(field):
    with pytest.raises(sa.ProblemError, match=f"^{field}"):
        sa.Problem(**{"threshold": [0.5, 0.6], "budget": 3} | {field: xr.Dataset({"w": ("item", [1.0, 2.0])})})


@pytest.mark.parametrize(
    "number", [np.uint8(3), np.int8(3), np.float16(3), np.float32(3), np.array(3, np.uint8), np.longdouble(3)]
)
def test_numbers_of_any_type_act_alike_in_fields(number):
    @dataclass(frozen=True)
    class Root(sa.Utility):
        k: Any = 3
        name = "root"

        def __call__(self, p):
            return np.abs(p - 0.5) ** (1 / self.k) - 0.4 * (self.k - 4) * bowl(p)

    problems = [sa.Problem([0.45, 0.62], budget=5, utility=Root(k)) for k in (number, 3)]
    assert problems[0] == problems[1]
    assert problems[0].digest() == problems[1].digest()
    for one in problems:
        assert sa.evaluate(one, "exact").value == sa.solve(one).value == pytest.approx(1.4581928537)


@pytest.mark.parametrize("said", [{"convex": True}, {"kink": lambda self: (0.8, 1.0)}])
def test_what_is_said_of_a_payoff_does_not_hold_for_another_constant(said):
    class High(sa.Utility):
        name, at = "high", 0.8

        def __call__(self, p):
            return np.maximum(0, p - self.at) if self.at > 0 else -np.maximum(0, p + self.at)

    for key, x in said.items():
        setattr(High, key, x)
    low, concave = (type("Low", (High,), {"name": "low", "at": at})() for at in (0.5, -0.5))
    for utility in (low, concave):
        problem = THREE.replace(utility=utility)
        plain = THREE.replace(utility=lambda p, u=utility: u(p))
        assert sa.solve(problem).value == pytest.approx(sa.solve(plain).value, abs=1e-12)
        policy = "gittins" if utility is low else "whittle"
        assert sa.evaluate(problem, policy).value == pytest.approx(sa.evaluate(plain, policy).value, abs=1e-12)
        assert sa.upper_bound(problem, "lagrangian").value >= sa.solve(problem).value - 1e-12


def test_class_with_other_defaults_of_fields_keeps_what_is_said_for_all_values():
    @dataclass(frozen=True)
    class Dear(sa.Asymmetric):
        loss: float = 3.0
        name = "dear"

    assert Dear().convex
    assert Dear().kink() == (0.75, 4.0)
    assert type("Mine", (sa.Accuracy,), {"name": "mine"}).convex
    assert type("Mine", (sa.AuditIndex,), {"name": "mine"}).anytime
    assert not type("Next", (type("Mine", (sa.AuditIndex,), {"name": "m", "k": 1}),), {"name": "n", "k": 2}).anytime


@pytest.mark.parametrize(
    ("payoff", "said", "refusal"),
    [
        (np.sqrt, {"convex": True}, "says that it is convex, and pays .* more than the mean"),
        (lambda p: -(p**2), {"convex": np.True_}, "says that it is convex"),
        (lambda p: np.maximum(0, p - 0.6), {"kink": (0.6, -1.0)}, "kink of utility said is -1.0; it must be positive"),
        (lambda p: np.maximum(0, p - 0.6), {"kink": (0.6, 0.0)}, "kink of utility said is 0.0; it must be positive"),
        (lambda p: np.maximum(0, p - 0.6), {"kink": (0.0, 1.0)}, r"says by its kink that it is 1 max\(0, p - 0\)"),
        (lambda p: np.maximum(0, p - 0.6), {"kink": (0.5, 1.0)}, "away from that"),
        (lambda p: 1e-4 * np.maximum(0, p - 0.6), {"kink": (0.6, 1.001e-4)}, "away from that"),
        (lambda p: np.maximum(0, p - 0.6), {"kink": (0.6, 1.0), "convex": True}, None),
        (lambda p: 1e9 * np.maximum(0, p - 1 / 3) - 5 * p, {"kink": (1 / 3, 1e9), "convex": True}, None),
        (lambda p: p * np.log(np.maximum(p, 1e-300)), {"convex": True}, None),
        (lambda p: (p == 1) * 1.0, {"convex": True}, None),
        # Whatever the unit, the constant and the type of the payoffs.
        (lambda p: np.where((p > 0.4) & (p < 0.6), 502.0, 500.0), {"convex": True}, "says that it is convex"),
        (lambda p: np.where((p > 0.4) & (p < 0.6), 502, 500), {"convex": True}, "says that it is convex"),
        (lambda p: np.where((p > 0.4) & (p < 0.6), 1.0, 1 - 2.0**-9), {"convex": True}, "says that it is convex"),
        (lambda p: 1e6 - (p - 0.5) ** 2, {"convex": True}, "says that it is convex"),
        (lambda p: -1e-12 * (p - 0.5) ** 2, {"convex": True}, "says that it is convex"),
        (lambda p: np.where(p > 0.5, 501.0, 500.0), {"kink": (0.5, 2.0)}, "away from that"),
        (lambda p: 1e3 + np.ceil(np.maximum(0, p - 0.5) * 8 - 1e-9), {"kink": (0.5, 8.0)}, "away from that"),
        (lambda p: 1e5 + p * np.log(np.maximum(p, 1e-300)), {"convex": True}, None),
        (lambda p: 1e8 + 2 * np.maximum(0, p - 0.3), {"kink": (0.3, 2.0), "convex": True}, None),
        (lambda p: 1e6 + 3 * p, {"convex": True}, None),
    ],
)
def test_what_a_utility_says_of_its_payoff_is_tried(payoff, said, refusal):
    parts = {"name": "said", "__call__": lambda self, p: payoff(p)}
    if "kink" in said:
        parts["kink"] = lambda self: said["kink"]
    utility = type("Said", (sa.Utility,), parts | {k: x for k, x in said.items() if k != "kink"})()
    if refusal is None:
        problem = THREE.replace(utility=utility)
        assert sa.solve(problem).value == pytest.approx(sa.solve(THREE.replace(utility=payoff)).value)
        return
    with pytest.raises(ValueError, match=refusal):
        THREE.replace(utility=utility)


@pytest.mark.parametrize(
    ("base", "wrong", "wanted"),
    [
        (sa.Utility, {"convex": lambda self: False}, "convex is a method; it must be True or False, or a property"),
        (sa.Utility, {"convex": "no"}, "convex is 'no'; it must be True or False"),
        (sa.Utility, {"kink": (0.5, 2.0)}, r"kink is \(0.5, 2.0\); it must be a method"),
        (sa.Utility, {"accept_above": 0.9}, "accept_above is 0.9; it must be a method"),
        (sa.Utility, {"accept_above": property(lambda self: 0.9)}, "accept_above is a property; it must be a method"),
        (sa.IndexPolicy, {"uses_remaining": lambda self: False}, "uses_remaining is a method; it must be True or Fal"),
        (sa.IndexPolicy, {"anytime": "no"}, "anytime is 'no'; it must be True or False"),
        (sa.IndexPolicy, {"index_scale": 1.0}, "index_scale is 1.0; it must be a method"),
        (sa.JointPolicy, {"stopping": lambda self: False}, "stopping is a method; it must be a property"),
        (sa.JointPolicy, {"uses_pending": 1}, "uses_pending is 1; it must be True or False"),
        (sa.Belief, {"takes_bars": lambda self: False}, "takes_bars is a method; it must be True or False"),
        (sa.Belief, {"mean": lambda self: 0.5}, "mean is a method; it must be a property"),
    ],
)
def test_attribute_of_a_class_is_of_the_kind_of_the_one_above(base, wrong, wanted):
    with pytest.raises(ValueError, match=f"Mine: {wanted}"):
        type("Mine", (base,), {"name": "mine", **wrong})
    with pytest.raises(ValueError, match=f"Mine: {wanted}"):
        type("Mine", (type("Beside", (), wrong), base), {"name": "mine"})


def test_field_with_the_name_of_a_method_is_refused():
    @dataclass(frozen=True)
    class Mine(sa.Utility):
        kink: tuple
        name = "mine"

    with pytest.raises(ValueError, match="Mine: field kink has the name of a method; give it another one"):
        Mine((0.5, 2.0))


class Fixed:
    def __call__(self, p):
        return p**2


@pytest.mark.parametrize(
    "method",
    [np.square, staticmethod(np.square), staticmethod(lambda p: p**2), classmethod(lambda cls, p: p**2), Fixed()],
)
def test_payoff_may_be_anything_that_python_can_call(method):
    utility = type("Mine", (sa.Utility,), {"name": "mine", "__call__": method})()
    assert sa.solve(THREE.replace(utility=utility)).value == sa.solve(THREE.replace(utility=lambda p: p**2)).value


@pytest.mark.parametrize("kind", [staticmethod, classmethod])
def test_bar_and_kink_may_be_methods_of_any_kind(kind):
    def given(value):
        return kind((lambda: value) if kind is staticmethod else (lambda cls: value))

    parts = {"name": "mine", "accept_above": given(0.8), "kink": given((0.5, 2.0))}
    utility = type("Mine", (sa.Accuracy,), parts)()
    problem = sa.Problem([0.5, 0.6], budget=3, utility=utility)
    assert utility.decide(np.array([0.7, 0.9])).tolist() == [False, True]
    assert problem.digest() != sa.Problem([0.5, 0.6], budget=3).digest()
    assert sa.upper_bound(problem, "lagrangian").value == sa.upper_bound(problem.replace(utility="accuracy")).value


def test_span_of_time_has_a_text():
    assert canonical(np.timedelta64(3, "D")) == canonical(np.timedelta64(3, "D")) != canonical(np.timedelta64(4, "D"))


HOMES = """
from dataclasses import dataclass
import seqaudit as sa

@dataclass(frozen=True)
class Steady(sa.IndexPolicy):
    first: int = 1
    name = "steady"

    def index(self, states):
        return states.mean + (states.labels < self.first)
"""


def test_classes_of_one_name_in_two_modules_are_told_apart(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    for name, text in (("home_one", HOMES), ("home_two", HOMES.replace("states.mean", "states.sd"))):
        (tmp_path / f"{name}.py").write_text(text)
    one, two = (__import__(name).Steady(2) for name in ("home_one", "home_two"))
    session = sa.Session(THREE, one, seed=3)
    session.save(tmp_path / "session.json")
    sa.Session.load(tmp_path / "session.json", THREE, one)
    with pytest.raises(ValueError, match="polic"):
        sa.Session.load(tmp_path / "session.json", THREE, two)


@dataclass(frozen=True)
class Sure(sa.Utility):
    level: float = 0.9
    name = "sure"

    def __call__(self, p):
        return (p >= self.level).astype(float)


def test_utility_without_a_score_is_as_good_as_a_callable(tmp_path):
    problem = sa.Problem([0.5, 0.6], budget=4, utility=Sure())
    plain = problem.replace(utility=lambda p: (p >= 0.9).astype(float))
    assert sa.compare(problem)["value"].tolist() == pytest.approx(sa.compare(plain)["value"].tolist())
    assert sa.evaluate(problem, "thompson").value == sa.evaluate(plain, "thompson").value
    with pytest.raises(ValueError, match=r"utility sure has no score .*; define score\(stated, p\)"):
        sa.evaluate(problem, "kg", nature=[sa.Beta(1, 2)] * 2)
    solution = sa.solve(problem, keep_policy=True)
    solution.save(tmp_path / "kept")
    assert sa.load_policy(tmp_path / "kept", problem).value == solution.value
    with pytest.raises(ValueError, match="classes that are not registered; give its problem"):
        sa.load_policy(tmp_path / "kept")
    with pytest.raises(ValueError, match="policy of another problem"):
        sa.load_policy(tmp_path / "kept", problem.replace(utility=Sure(0.8)))


def test_policy_under_beliefs_of_ones_own_is_kept(tmp_path):
    class Mine(sa.Beta):
        kind = "mine"

    problem = sa.Problem([0.5, 0.6], budget=4, prior=[Mine(1, 2), sa.Beta(1, 1)])
    solution = sa.solve(problem, keep_policy=True)
    solution.save(tmp_path / "kept")
    found = sa.load_policy(tmp_path / "kept", problem)
    assert found.action([1, 0], [1, 0]) == solution.action([1, 0], [1, 0])


@pytest.mark.parametrize("base", [sa.EpsilonAudit, sa.MinimumCoverage])
def test_probabilities_of_ones_own_are_asked_for_as_they_are_written(base):
    @dataclass(frozen=True)
    class Plain(base):
        name = "plain"

        def action_probabilities(self, problem, counts, wins, usable):
            return usable * 1.0

    @dataclass(frozen=True)
    class Pending(Plain):
        name = "pending"

        def action_probabilities(self, problem, counts, wins, usable, pending=None):
            return usable * 1.0

    settings = {} if base is sa.EpsilonAudit else {"base": "kg", "slices": ["a", "a", "b"], "minimum": 1}
    assert (Plain.uses_pending, Pending.uses_pending) == (False, True)
    values = [sa.evaluate(THREE, cls(**settings)).value for cls in (Plain, Pending)]
    assert values[0] == values[1]
    if base is sa.EpsilonAudit:
        assert values[0] == pytest.approx(sa.evaluate(THREE, "uniform").value)


@pytest.mark.parametrize("precision", ["f2", "f4", "f8"])
def test_payoffs_in_any_precision_may_be_convex_and_have_a_kink(precision):
    class Rough(sa.Utility):
        name, convex = "rough", True

        def __call__(self, p):
            q = p.astype(precision)
            return np.maximum(q, 1 - q)

        def kink(self):
            return 0.5, 2.0

    assert sa.solve(THREE.replace(utility=Rough())).value == pytest.approx(sa.solve(THREE).value, rel=1e-3)


def test_polynomial_of_numpy_is_a_callable():
    plain = sa.solve(THREE.replace(utility=lambda p: p**2)).value
    assert sa.solve(THREE.replace(utility=np.poly1d([1, 0, 0]))).value == pytest.approx(plain)


def test_what_cannot_be_called_is_no_payoff():
    with pytest.raises(TypeError, match=r"^function is None; it must be callable$"):
        sa.Custom(None)
