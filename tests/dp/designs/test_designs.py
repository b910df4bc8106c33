"""Optimal designs: against a conic solver, closed forms and published optima, and their certificates."""

from __future__ import annotations

import itertools
import math
import sys

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import seqaudit as sa
from seqaudit.dp.designs.candidates import AllPairs, StoredRows
from seqaudit.dp.designs.closed_forms import saturated_design, tabular_design
from seqaudit.dp.designs.rounding import rounded

cvxpy = pytest.importorskip("cvxpy")

QUADRATIC = np.stack([np.linspace(-1, 1, 21) ** k for k in range(3)], axis=1)


def conic(rows, criterion, target=None, price=None, ceiling=None, cap=None, quota=None, prior=None, labels=1):
    """Optimal value by a conic solver, from the definition of the problem."""
    w = cvxpy.Variable(len(rows), nonneg=True)
    information = labels * (rows.T @ cvxpy.diag(w) @ rows)
    if prior is not None:
        information = information + prior
    limits = [cvxpy.sum(w) == 1 if price is None or ceiling is not None else price @ w == 1]
    if ceiling is not None:
        limits.append(price @ w <= ceiling)
    if cap is not None:
        limits.append(w <= cap)
    if quota is not None:
        inside, least, most = quota
        limits += [inside @ w >= least, inside @ w <= most]
    if criterion == "D":
        aim = cvxpy.Maximize(cvxpy.log_det(information))
    elif criterion == "E":
        aim = cvxpy.Maximize(cvxpy.lambda_min(information))
    else:
        values, vectors = np.linalg.eigh(target)
        columns = (vectors * np.sqrt(values.clip(min=0.0))).T[values > 1e-12 * values[-1]]
        aim = cvxpy.Minimize(sum(cvxpy.matrix_frac(c, information) for c in columns))
    programme = cvxpy.Problem(aim, limits)
    programme.solve(solver=cvxpy.CLARABEL, tol_gap_rel=1e-10, tol_gap_abs=1e-10, tol_feas=1e-10)
    return programme.value


def value_of(found, rows, criterion, target=None, prior=None, labels=1):
    """Criterion of a design, from its weights."""
    chosen = rows[found.index]
    information = labels * (chosen.T * found.weight) @ chosen + (0.0 if prior is None else prior)
    if criterion == "D":
        return np.linalg.slogdet(information)[1]
    if criterion == "E":
        return np.linalg.eigvalsh(information)[0]
    return np.trace(target @ np.linalg.inv(information))


def require_optimum(found, rows, criterion, wanted, **given):
    better = 1.0 if criterion in ("D", "E") else -1.0
    scale = max(1.0, abs(wanted)) if criterion == "D" else abs(wanted)
    assert found.value == pytest.approx(wanted, rel=1e-6, abs=1e-6 * scale)
    assert found.value == pytest.approx(value_of(found, rows, criterion, **given), rel=1e-9, abs=1e-9)
    # The bound is on the other side of the optimum, and near it.
    assert better * (found.bound - wanted) >= -1e-7 * scale
    assert found.gap <= 1e-6
    assert np.all(found.weight > 0.0)
    assert np.all(np.diff(found.index) > 0)


@st.composite
def pools(draw):
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    width = draw(st.integers(1, 5))
    size = draw(st.integers(width + 1, 30))
    rows = rng.normal(size=(size, width)) * rng.choice([1.0, 1e-3, 1e3], size=width)
    if draw(st.booleans()):
        rows[rng.integers(size)] = rows[0]
    root = rng.normal(size=(width, draw(st.integers(1, width)))) * np.abs(rows).max(axis=0)[:, None]
    return rng, rows, root @ root.T


@settings(max_examples=25, deadline=None)
@given(pools(), st.sampled_from(["trace", "A", "D", "E"]))
def test_designs_are_those_of_a_conic_solver(pool, criterion):
    _, rows, target = pool
    rows = rows / np.abs(rows).max(axis=0)
    target = target / np.abs(target).max()
    given = {"target": target} if criterion == "trace" else {}
    asked = np.eye(rows.shape[1]) if criterion == "A" else target
    found = sa.design(rows, criterion, **given)
    require_optimum(found, rows, criterion, conic(rows, criterion, asked), target=asked)
    assert found.weight.sum() == pytest.approx(1.0, abs=1e-12)


@settings(max_examples=25, deadline=None)
@given(
    pools(), st.sampled_from(["A", "D", "E"]), st.sampled_from(["price", "ceiling", "cap", "both", "quota", "prior"])
)
def test_limited_designs_are_those_of_a_conic_solver(pool, criterion, limit):
    rng, rows, _ = pool
    rows = rows / np.abs(rows).max(axis=0)
    size, width = rows.shape
    price = rng.uniform(0.5, 3.0, size)
    ceiling = float(np.quantile(price, 0.6))
    cap = min(max(0.2, 3.0 / size), 1.0)
    group = rng.integers(0, 3, size).tolist()
    inside = np.array([x == group[0] for x in group])
    prior = np.diag(rng.uniform(0.1, 2.0, width))
    given, same = {
        "price": ({"price": price}, {"price": price}),
        "ceiling": ({"price": price, "ceiling": ceiling},) * 2,
        "cap": ({"cap": cap},) * 2,
        "both": ({"price": price, "ceiling": ceiling, "cap": max(cap, 0.5)},) * 2,
        "quota": (
            {"group": group, "least": {group[0]: 0.35}, "most": {group[0]: 0.6}}
            if not inside.all()
            else {"group": group, "least": {group[0]: 0.35}},
            {"quota": (inside * 1.0, 0.35, 1.0 if inside.all() else 0.6)},
        ),
        "prior": ({"prior": prior, "labels": 9},) * 2,
    }[limit]
    found = sa.design(rows, criterion, **given)
    more = {"prior": prior, "labels": 9} if limit == "prior" else {}
    require_optimum(found, rows, criterion, conic(rows, criterion, np.eye(width), **same), target=np.eye(width), **more)
    spent = found.weight @ price[found.index]
    if limit == "price":
        assert spent == pytest.approx(1.0, abs=1e-12)
        return
    assert found.weight.sum() == pytest.approx(1.0, abs=1e-12)
    if limit in ("ceiling", "both"):
        assert spent <= ceiling + 1e-8
    if limit in ("cap", "both"):
        assert found.weight.max() <= same["cap"] * (1 + 1e-12)
    if limit == "quota":
        assert 0.35 - 1e-8 <= found.weight[inside[found.index]].sum() <= same["quota"][2] + 1e-8


@settings(max_examples=30, deadline=None)
@given(pools())
def test_contrasts_are_those_of_a_linear_programme(pool):
    """Elfving (1952): the root of the variance is the least sum of |t| with rows^T t = c."""
    import scipy

    rng, rows, _ = pool
    rows = rows / np.abs(rows).max(axis=0)
    contrast = rng.normal(size=rows.shape[1])
    both = np.vstack([rows, -rows]).T
    least = scipy.optimize.linprog(np.ones(both.shape[1]), A_eq=both, b_eq=contrast, method="highs").fun
    found = sa.design(rows, "c", target=contrast)
    assert found.value == pytest.approx(least**2, rel=1e-6)
    assert found.bound <= least**2 * (1 + 1e-9)
    assert found.gap <= 1e-6


@pytest.mark.smoke
def test_published_optima():
    """Pukelsheim (1993) for quadratic regression; Boyd and Vandenberghe (2004), section 7.5.2."""
    middle = [0, 10, 20]
    by_a, by_e, by_d = (sa.design(QUADRATIC, x) for x in "AED")
    for found, weights in ((by_a, [0.25, 0.5, 0.25]), (by_e, [0.2, 0.6, 0.2]), (by_d, [1 / 3] * 3)):
        dense = np.zeros(21)
        dense[found.index] = found.weight
        np.testing.assert_allclose(dense[middle], weights, atol=1e-3)
        assert dense.sum() == pytest.approx(1.0)
    assert by_a.value == pytest.approx(8.0, rel=1e-6)
    assert by_e.value == pytest.approx(0.2, rel=1e-6)
    # Of twenty vectors in the plane, two have half of the labels each.
    angles = np.concatenate([np.linspace(0.75 * np.pi, np.pi, 10), np.linspace(0.0, -0.5 * np.pi, 10)])
    vectors = np.repeat([3.0, 1.5], 10)[:, None] * np.stack([np.cos(angles), np.sin(angles)], axis=1)
    found = sa.design(vectors, "D")
    assert found.index.tolist() == [0, 9]
    np.testing.assert_allclose(found.weight, 0.5, atol=1e-4)
    assert found.value == pytest.approx(2.315, abs=5e-4)


@pytest.mark.parametrize("beta", [0.1, 1.0, 5.0])
@pytest.mark.parametrize("responses", [2, 3, 6])
def test_tabular_designs_have_their_closed_form(responses, beta):
    rng = np.random.default_rng(responses)
    p = rng.dirichlet(np.ones(responses))
    pairs = list(itertools.combinations(range(responses), 2))
    unit = np.eye(responses)
    rows = np.array([0.5 * beta * (unit[i] - unit[j]) for i, j in pairs])
    weight, value = tabular_design(p, beta)
    information = (rows.T * weight) @ rows
    fisher = sa.policy_information(unit, p)
    assert value == pytest.approx(np.trace(fisher @ np.linalg.pinv(information)), rel=1e-9)
    # The equivalence theorem: no comparison is worth more than the value.
    inverse = np.linalg.pinv(information)
    worth = np.einsum("ed,df,fg,gh,eh->e", rows, inverse, fisher, inverse, rows)
    assert worth.max() <= value * (1 + 1e-9)
    found = sa.design(rows, target=fisher, tolerance=1e-9)
    assert found.value == pytest.approx(value, rel=1e-8)
    assert found.rank == responses - 1
    # Uniform comparisons have 2 (k - 1)(1 - sum p^2) / beta^2.
    uniform = (rows.T / len(pairs)) @ rows
    wanted = 2 * (responses - 1) * (1 - (p**2).sum()) / beta**2
    assert np.trace(fisher @ np.linalg.pinv(uniform)) == pytest.approx(wanted, rel=1e-9)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32), st.integers(1, 6))
def test_saturated_designs_have_their_closed_form(seed, width):
    rng = np.random.default_rng(seed)
    rows = rng.normal(size=(width, width)) + 2.0 * np.eye(width)
    root = rng.normal(size=(width, width))
    weight, value = saturated_design(rows, root @ root.T)
    assert value == pytest.approx(np.trace(root @ root.T @ np.linalg.inv((rows.T * weight) @ rows)), rel=1e-9)
    found = sa.design(rows, target=root @ root.T, tolerance=1e-10)
    assert found.value == pytest.approx(value, rel=1e-9)


def test_all_pairs_are_those_that_are_stored():
    rng = np.random.default_rng(3)
    items = rng.normal(size=(60, 4))
    first, second = np.triu_indices(60, 1)
    rows = 0.35 * (items[first] - items[second])
    stored, pairs = StoredRows(rows), sa.AllPairs(items, beta=0.7)
    assert pairs.size == stored.size
    np.testing.assert_allclose(pairs.root().T @ pairs.root(), rows.T @ rows / len(rows), rtol=1e-10)
    number = first * 60 + second
    np.testing.assert_allclose(pairs.rows(number), rows, atol=1e-15)
    for charge, count in ((0.0, 10), (1.5, 100), (4.0, 7), (1e9, 5)):
        direction = rng.normal(size=(4, 3))
        one, other = stored.worthwhile(direction, charge, count), pairs.worthwhile(direction, charge, count)
        assert number[one.index].tolist() == other.index.tolist()
        np.testing.assert_allclose(one.worth, other.worth, rtol=1e-9, atol=1e-12)
        assert one.most == pytest.approx(other.most, rel=1e-9)
    for criterion in "AD":
        one, other = sa.design(rows, criterion), sa.design(pairs, criterion)
        assert one.value == pytest.approx(other.value, rel=2e-6)
        assert other.gap <= 1e-6


def test_every_certificate_holds_however_soon_the_search_ends():
    rng = np.random.default_rng(5)
    rows = rng.normal(size=(400, 6))
    best = sa.design(rows, "A", tolerance=1e-10)
    for tolerance in (0.9, 0.3, 0.1, 1e-2, 1e-4):
        found = sa.design(rows, "A", tolerance=tolerance)
        assert found.gap <= tolerance
        assert found.bound <= best.value * (1 + 1e-12)
        assert 1 - best.value / found.value <= found.gap


def test_values_do_not_depend_on_the_units_of_features():
    rng = np.random.default_rng(6)
    rows = rng.normal(size=(300, 5))
    scale = np.array([1e-9, 1.0, 1e9, 1e3, 1e-4])
    one, other = sa.design(rows, "D"), sa.design(rows * scale, "D")
    assert other.value == pytest.approx(one.value + 2 * np.log(scale).sum(), abs=1e-5)
    target = np.diag(rng.uniform(1, 2, 5))
    one, other = sa.design(rows, target=target), sa.design(rows * scale, target=target * np.outer(scale, scale))
    assert other.value == pytest.approx(one.value, rel=1e-5)


def test_directions_without_candidates_are_named():
    rows = np.array([[1.0, -1.0, 0.0], [2.0, -2.0, 0.0]])
    with pytest.raises(ValueError, match=r"no candidate tells: 0\.707 left \+ 0\.707 right; .*the value inf"):
        sa.design(rows, target=np.diag([1.0, 1.0, 0.0]), feature_names=["left", "right", "other"])
    with pytest.raises(ValueError, match=r"criterion A asks .* no candidate tells"):
        sa.design(rows, "A")
    with pytest.raises(ValueError, match=r"no candidate tells: x3"):
        sa.design(rows, "c", target=[1.0, -1.0, 1e-3])
    assert sa.design(rows, "c", target=[1.0, -1.0, 0.0]).value == pytest.approx(0.25)
    assert sa.design(rows, "A", identified_only=True).value == pytest.approx(0.125)
    assert sa.design(rows, "D", identified_only=True).value == pytest.approx(math.log(8.0))
    # What is known before tells of the rest.
    assert sa.design(rows, "A", prior=np.eye(3), labels=4).value == pytest.approx(1 / 33 + 2)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32), st.integers(1, 8), st.integers(0, 40))
def test_efficient_rounding_has_the_largest_least_share(seed, size, more):
    weight = np.random.default_rng(seed).dirichlet(np.ones(size)).clip(min=1e-6)
    weight /= weight.sum()
    labels = size + more
    counts = rounded(weight, labels)
    assert counts.sum() == labels
    assert counts.min() >= 1
    # Nobody would gain from a label of another: no move raises the least n / w.
    least = (counts / weight).min()
    assert least >= ((counts - 1) / weight).max() - 1e-9 or size == 1
    capped = rounded(weight, max(1, size // 2), most=1)
    assert capped.sum() == max(1, size // 2)
    assert capped.max() == 1


@pytest.mark.parametrize("criterion", ["A", "D", "E"])
@pytest.mark.parametrize("most", [20, 150, 299])
def test_capped_designs_of_many_candidates_are_those_of_a_conic_solver(criterion, most):
    """Most candidates of such a design are at their cap, and are left out of the search."""
    rng = np.random.default_rng(most)
    rows = rng.normal(size=(300, 4)) * rng.exponential(size=(300, 1))
    found = sa.design(rows, criterion, cap=1 / most)
    wanted = conic(rows, criterion, np.eye(4), cap=1 / most)
    require_optimum(found, rows, criterion, wanted, target=np.eye(4))
    assert found.weight.max() <= (1 + 1e-12) / most
    assert found.weight.sum() == pytest.approx(1.0, abs=1e-9)
    counts = found.counts(most)
    assert counts.sum() == most
    assert counts.max() == 1


def test_counts_of_capped_designs_repeat_no_candidate():
    rng = np.random.default_rng(8)
    found = sa.design(rng.normal(size=(200, 4)), "A", cap=1 / 50)
    counts = found.counts(50)
    assert counts.sum() == 50
    assert counts.max() == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"candidates": [[1.0, np.nan]]}, r"candidates\[0, 1\] is nan; it must be finite"),
        ({"candidates": [1.0, 2.0]}, r"candidates has shape \(2,\); it must have a row for each"),
        ({"candidates": np.zeros((3, 2))}, "candidates are all 0"),
        ({"criterion": "B"}, "criterion is 'B'"),
        ({"criterion": "trace"}, "criterion trace needs a target"),
        ({"criterion": "trace", "target": np.eye(3)}, r"target has shape \(3, 3\); .* \(2, 2\)"),
        ({"criterion": "trace", "target": [[1.0, 2.0], [0.0, 1.0]]}, "target is not symmetric"),
        ({"criterion": "trace", "target": np.diag([1.0, -1.0])}, "target is not positive semidefinite"),
        ({"criterion": "trace", "target": np.zeros((2, 2))}, "target is 0"),
        ({"target": np.eye(2)}, "criterion A takes no target"),
        ({"price": [1.0, 2.0]}, r"price has shape \(2,\); it must be a list of 4"),
        ({"price": [1.0, 2.0, 0.0, 1.0]}, r"price\[2\] is 0.0; it must be positive"),
        ({"price": [1.0, 2.0, 3.0, 1.0], "ceiling": 0.5}, "ceiling is 0.5; it must be at least the lowest price, 1"),
        ({"ceiling": 0.5}, "ceiling needs price"),
        ({"cap": 0.2}, "cap is 0.2; 4 candidates need at least 1 / 4"),
        ({"cap": 1.5}, "cap is 1.5"),
        ({"price": [1.0, 2.0, 3.0, 1.0], "cap": 0.5}, "price with cap or group needs a ceiling"),
        ({"least": {"a": 0.5}}, "least and most need group"),
        ({"group": list("aabb"), "least": {"c": 0.5}}, "least names the group 'c', which no candidate has"),
        ({"group": list("aabb"), "least": {"a": 0.5, "b": 0.7}}, r"least sums to 1\.2"),
        ({"group": list("aabb"), "most": {"a": 0.5, "b": 0.3}}, r"most sums to 0\.8"),
        ({"group": list("aabb"), "least": {"a": 0.5}, "most": {"a": 0.3}}, "least of group 'a' is 0.5, and most 0.3"),
        ({"group": list("aab")}, "group has 3 entries; it must have one for each of the 4"),
        ({"prior": np.eye(2)}, "prior needs labels"),
        ({"labels": 5}, "labels changes nothing without prior"),
        ({"prior": np.eye(3), "labels": 5}, r"prior has shape \(3, 3\)"),
        ({"tolerance": 0.0}, "tolerance is 0.0"),
        ({"feature_names": ["x"]}, "feature_names has 1 entries"),
        ({"progress": 3}, "progress is 3"),
    ],
)
def test_faulty_arguments_are_told_by_name(arguments, message):
    given = {"candidates": [[1.0, 0.0], [0.0, 1.0], [1.0, 1.0], [2.0, 1.0]], "criterion": "A"} | arguments
    with pytest.raises(ValueError, match=message):
        sa.design(**given)


def test_units_that_floats_do_not_hold_are_refused_and_all_others_allowed():
    rng = np.random.default_rng(9)
    rows = rng.normal(size=(30, 3))
    for size in (1e101, 1e-101):
        with pytest.raises(ValueError, match=r"candidates has a column whose largest entry is .*; choose units"):
            sa.design(rows * np.array([1.0, size, 1.0]), "A")
    for criterion, power in (("A", -2), ("E", 2)):
        plain = sa.design(rows, criterion)
        for size in (1e-90, 1e-3, 1e90):
            found = sa.design(rows * size, criterion)
            assert found.gap <= 1e-6
            assert found.value == pytest.approx(plain.value * size**power, rel=2e-6)
    uneven = sa.design(rows * np.array([1.0, 1e-3, 1e3]), "E")
    assert uneven.gap <= 1e-6


def test_limits_that_leave_a_group_nothing_or_all_leave_the_others_out():
    rng = np.random.default_rng(10)
    rows, group = rng.normal(size=(30, 3)), [k % 3 for k in range(30)]
    for limits in ({"least": {0: 1.0}}, {"most": {1: 0.0, 2: 0.0}}):
        found = sa.design(rows, "A", group=group, **limits)
        assert set(found.index % 3) == {0}
        assert found.value == pytest.approx(sa.design(rows[::3], "A").value, rel=2e-6)
    price = np.where(np.arange(30) < 10, 1.0, 2.0)
    found = sa.design(rows, "A", price=price, ceiling=1.0)
    assert found.value == pytest.approx(sa.design(rows[:10], "A").value, rel=2e-6)
    shares = sa.design(rows, "A", group=group, least={0: 0.5, 1: 0.3, 2: 0.2})
    own = np.bincount(shares.index % 3, shares.weight)
    np.testing.assert_allclose(own, [0.5, 0.3, 0.2], atol=1e-8)
    with pytest.raises(ValueError, match="no candidate tells: x1"):
        sa.design(np.vstack([np.eye(3)] * 2), "A", group=[0, 1, 2] * 2, most={0: 0.0})
    with pytest.raises(ValueError, match=r"group\[0\] is \[1\]; it must be hashable"):
        sa.design(rows, "A", group=[[1]] * 30, least={1: 0.5})


@pytest.mark.parametrize("limits", [{}, {"cap": 1 / 20}, {"price": np.linspace(1.0, 2.0, 60)}])
def test_candidates_that_tell_of_nothing_do_no_harm(limits):
    rows = np.zeros((60, 2))
    told = [7, 21, 22, 50]
    rows[told] = [[1.0, 0.0], [0.0, 1.0], [1.0, 1.0], [2.0, -1.0]]
    found = sa.design(rows, "A", **limits)
    assert found.gap <= 1e-6
    if "cap" in limits:
        # Each of the four at its cap, and the rest anywhere.
        wanted = np.trace(np.linalg.inv(rows.T @ rows / 20))
        assert found.value == pytest.approx(wanted, rel=1e-6)
    else:
        assert set(found.index) <= set(told)


def test_entries_labelled_in_another_order_are_refused():
    rows = pd.DataFrame(np.eye(3), index=list("abc"))
    price = pd.Series([1.0, 2.0, 3.0], index=list("cab"))
    with pytest.raises(ValueError, match=r"price\[0\] is labelled 'c', candidates\[0\] 'a'"):
        sa.design(rows, "A", price=price)
    assert sa.design(rows, "A", price=price[rows.index]).gap <= 1e-6


def test_limits_without_room_are_refused():
    rows = [[1.0, 0.0], [0.0, 1.0], [1.0, 1.0], [2.0, 1.0]]
    with pytest.raises(ValueError, match="no design meets all limits"):
        sa.design(rows, "A", price=[1, 1, 9, 9], ceiling=2.0, group=list("aabb"), least={"b": 0.5})
    found = sa.design(rows, "A", price=[1.0, 1.0, 9.0, 9.0], ceiling=1.0)
    assert found.index.tolist() == [0, 1]
    with pytest.raises(ValueError, match="AllPairs takes no limits"):
        sa.design(sa.AllPairs(rows), "A", cap=0.5)
    with pytest.raises(ValueError, match="labels is 2; it must be at least 3"):
        sa.design(QUADRATIC, "A").counts(2)


def test_smallest_eigenvalues_without_their_solver_are_refused_by_name(monkeypatch):
    monkeypatch.setitem(sys.modules, "cvxpy", None)
    with pytest.raises(ValueError, match=r"^criterion E needs cvxpy, .*: seqaudit\[convex\]$"):
        sa.design(QUADRATIC, "E")
    assert sa.design(QUADRATIC, "A").value == pytest.approx(8.0)


def test_progress_is_told():
    told = []
    sa.design(QUADRATIC, "A", progress=lambda done, total: told.append((done, total)))
    assert told[-1] == (100, 100)
    assert [x for x, _ in told] == sorted(x for x, _ in told)


def test_repr_says_what_was_found():
    found = sa.design(QUADRATIC, "A")
    assert repr(found).startswith("OptimalDesign(A, ")
    assert "<table" in found._repr_html_()
    assert repr(AllPairs([[0.0], [1.0]])) == "AllPairs(2 items, 1 features)"
