"""Labels that columns, frames and arrays bring along: parameters by their names, and items never in another order."""

from __future__ import annotations

from collections import namedtuple

import numpy as np
import pandas as pd
import pytest
import xarray as xr

import seqaudit as sa

NAMES, OTHER = ["x", "y"], ["y", "x"]
PROBLEM = sa.Problem([0.4, 0.7], budget=3, name=NAMES)
SWAPPED = pd.DataFrame({"b": [1, 2.0], "a": [3, 4.0]})
BY_NAME = [[3.0, 1.0], [4.0, 2.0]]
Pair = namedtuple("Pair", "b a")
Columns = namedtuple("Columns", "a b")
Counted = namedtuple("Counted", "wins losses")


@pytest.mark.parametrize(
    "prior",
    [
        SWAPPED,
        list(SWAPPED.itertuples(index=False)),
        tuple(SWAPPED.itertuples(index=False)),
        pd.Series(list(SWAPPED.itertuples(index=False))),
        [row for _, row in SWAPPED.iterrows()],
        [xr.DataArray(row, dims="parameter", coords={"parameter": ["b", "a"]}) for row in SWAPPED.to_numpy()],
        SWAPPED.T,
        SWAPPED.set_axis(pd.MultiIndex.from_product([["prior"], ["b", "a"]]), axis=1),
        xr.DataArray(SWAPPED.to_numpy(), dims=("item", "parameter"), coords={"parameter": ["b", "a"]}),
        xr.DataArray(SWAPPED.T.to_numpy(), dims=("parameter", "item"), coords={"parameter": ["b", "a"]}),
        SWAPPED.to_records(index=False),
    ],
)
def test_parameters_of_priors_go_by_their_names(prior):
    assert sa.Problem([0.4, 0.7], budget=3, prior=prior).prior.tolist() == BY_NAME
    assert sa.Problem.bandit(prior, 3).prior.tolist() == BY_NAME


@pytest.mark.parametrize(
    "pair", [Pair(b=1, a=3), pd.Series({"b": 1, "a": 3}), xr.DataArray([1, 3], dims="p", coords={"p": ["b", "a"]})]
)
@pytest.mark.parametrize("threshold", [[0.4, 0.7], pd.Series([0.4, 0.7], index=NAMES)])
@pytest.mark.parametrize("more", [{}, {"name": ["a", "b"]}, {"weight": pd.Series([1, 2], index=NAMES)}])
def test_one_pair_for_all_items_goes_by_its_names(pair, threshold, more):
    assert sa.Problem(threshold, budget=3, prior=pair, **more).prior.tolist() == [[3.0, 1.0]] * 2


@pytest.mark.parametrize("size", [2, 3])
@pytest.mark.parametrize("kind", [Columns, Pair, dict, "structured"])
def test_record_of_columns_is_a_prior_for_each_item(size, kind):
    a, b = [float(1 + k) for k in range(size)], [9.0] * size
    if kind == "structured":
        prior = np.array((a, b), dtype=[("a", float, size), ("b", float, size)])[()]
    else:
        prior = pd.Series({"a": [*a, 0], "b": [*b, 0]}).map(lambda x: x[:size]) if kind is dict else kind(a=a, b=b)
    if kind is dict and size == 2:
        # Two items may be called a and b.
        with pytest.raises(sa.ProblemError, match="prior is labelled a and b, which may be items too"):
            sa.Problem([0.5] * size, 4, prior=prior)
        return
    for problem in (sa.Problem([0.5] * size, 4, prior=prior), sa.Problem.bandit(prior, 4)):
        assert problem.prior.tolist() == [list(x) for x in zip(a, b, strict=True)]


def test_record_of_columns_of_other_sizes_is_refused():
    with pytest.raises(sa.ProblemError, match=r"prior has a and b of shapes \(2,\) and \(3,\)"):
        sa.Problem([0.5, 0.6], 4, prior=Columns([1, 2], [1, 2, 3]))


@pytest.mark.parametrize("prior", [{"kind": "beta", "a": 1, "b": 1}, sa.Beta(1, 1), Pair(1, 2), (1, 1)])
def test_bandit_of_one_belief_is_refused(prior):
    with pytest.raises(sa.ProblemError, match="a bandit needs one prior, a pair or a belief, for each arm"):
        sa.Problem.bandit(prior, 5)


@pytest.mark.parametrize(
    "prior",
    [
        Counted(9, 1),
        [Counted(9, 1), Counted(2, 1)],
        pd.Series({"losses": 9, "wins": 1}),
        [pd.Series({"losses": 9, "wins": 1})] * 2,
        pd.Series([2, 1], index=NAMES),
        pd.DataFrame({"losses": [9, 2], "wins": [1, 1]}),
    ],
)
def test_parameters_of_other_names_are_refused(prior):
    with pytest.raises(sa.ProblemError, match=r"prior has the columns .*; they must be a and b"):
        sa.Problem([0.4, 0.7], budget=3, prior=prior)


def test_parameters_without_names_go_by_position():
    unnamed = pd.DataFrame([[3, 1], [4, 2]])
    rows = list(unnamed.itertuples(index=False))
    assert rows[0]._fields == ("_0", "_1")
    for prior in (unnamed, rows, [pd.Series(row) for row in BY_NAME], np.array(BY_NAME), BY_NAME):
        assert sa.Problem([0.4, 0.7], budget=3, prior=prior).prior.tolist() == BY_NAME
    assert sa.Problem([0.4, 0.7], budget=3, prior=pd.Series([2, 1])).prior.tolist() == [[2, 1]] * 2


def test_masked_field_of_a_prior_is_no_number():
    masked = np.ma.array([(2.0, 1.0), (3.0, 4.0)], mask=[(0, 0), (0, 1)], dtype=[("b", float), ("a", float)])
    with pytest.raises(sa.ProblemError, match="prior a of item 2 is masked"):
        sa.Problem([0.4, 0.7], budget=3, prior=masked)


@pytest.mark.parametrize("items", [["x", "y"], ["x", "y", "z"]])
@pytest.mark.parametrize("kind", ["frame", "array"])
@pytest.mark.parametrize("by", ["threshold", "name"])
def test_items_that_stand_side_by_side_in_a_prior_are_compared(items, kind, by):
    def stated(order):
        numbers = [[1.0 + k for k in range(len(items))], [9.0] * len(items)]
        prior = pd.DataFrame(numbers, index=["a", "b"], columns=order)
        if kind == "array":
            prior = xr.DataArray(prior.to_numpy(), dims=("p", "item"), coords={"p": ["a", "b"], "item": order})
        threshold = np.full(len(items), 0.5)
        more = {"name": items} if by == "name" else {}
        return sa.Problem(pd.Series(threshold, index=items) if by != "name" else threshold, 3, prior=prior, **more)

    assert stated(items).prior[:, 0].tolist() == [1.0 + k for k in range(len(items))]
    with pytest.raises(sa.ProblemError, match="entries go by position"):
        stated(items[::-1])


@pytest.mark.parametrize("held", [list, tuple, np.array, pd.Index, pd.Series, pd.Categorical, pd.array, "object"])
@pytest.mark.parametrize("kind", ["pandas", "xarray"])
def test_names_in_another_order_than_labels_are_refused_whatever_holds_them(held, kind):
    def stated(names):
        names = np.array(names, dtype=object) if held == "object" else held(names)
        threshold = pd.Series([0.2, 0.8], index=NAMES)
        if kind == "xarray":
            threshold = xr.DataArray(threshold.to_numpy(), dims="item", coords={"item": NAMES})
        return sa.Problem(threshold, budget=3, name=names), lambda: sa.Problem.from_logratio(
            threshold, 0.1, 3, name=names
        )

    assert stated(NAMES)[0].name == ("x", "y")
    assert stated(["p", "q"])[0].name == ("p", "q")
    with pytest.raises(sa.ProblemError, match=r"name\[0\] is labelled 'y', threshold\[0\] 'x'"):
        stated(OTHER)


def test_equal_labels_of_other_types_are_equal():
    one = pd.Series([0.4, 0.5], index=pd.CategoricalIndex(NAMES))
    two = pd.Series([1, 2], index=pd.CategoricalIndex(NAMES, categories=["y", "x", "q"]))
    assert sa.Problem(one, budget=3, weight=two).weight.tolist() == [1, 2]
    with pytest.raises(sa.ProblemError, match=r"weight\[0\] is labelled 'y'"):
        sa.Problem(one, budget=3, weight=two[::-1])


def frame(rows, order):
    return pd.DataFrame(rows, columns=order)


DOORS = {
    "tail_at": lambda order: PROBLEM.tail_at(pd.Series([1, 0], order), pd.Series([1, 0], order)),
    "action": lambda order: sa.solve(PROBLEM, keep_policy=True).action(
        pd.Series([1, 0], order), pd.Series([1, 0], order)
    ),
    "rates": lambda order: sa.operating_characteristics(PROBLEM, "kg", alpha=frame([[0.2, 0.8]], order)).rate,
    "scores": lambda order: sa.KnowledgeGradient().scores(PROBLEM, frame([[1, 0]], order), frame([[1, 0]], order)),
    "risk": lambda order: sa.evaluate(PROBLEM, sa.RiskWeighted("kg", risk=pd.Series([5, 1], order))).value,
    "slices": lambda order: (
        sa.evaluate(PROBLEM, sa.MinimumCoverage("kg", slices=pd.Series(["s", "t"], order), minimum={"s": 2})).value
    ),
    "risk of slices": lambda order: (
        sa.evaluate(PROBLEM, sa.RiskWeighted("kg", risk={"s": 5, "t": 1}, slices=pd.Series(["s", "t"], order))).value
    ),
    "features": lambda order: (
        sa.simulate(
            PROBLEM.replace(batch=2, budget=4),
            sa.DiverseBatch("kg", features=pd.DataFrame([[1, 0], [0, 1.0]], index=order)),
            replications=2,
            seed=1,
        ).mean
    ),
    "usable": lambda order: sa.Thompson().action_probabilities(
        PROBLEM, np.zeros((1, 2), int), np.zeros((1, 2), int), frame([[True, False]], order)
    ),
    "tables": lambda order: sa.expected_final(
        PROBLEM, "kg", xr.DataArray(np.ones((2, 4, 4)), dims=("item", "labels", "wins"), coords={"item": order})
    ),
}


@pytest.mark.parametrize("door", DOORS.values(), ids=DOORS)
def test_labels_that_are_the_names_in_another_order_are_refused_everywhere(door):
    by_position = np.asarray(door([0, 1]))
    np.testing.assert_array_equal(by_position, door(NAMES))
    np.testing.assert_array_equal(by_position, door(["p", "q"]))
    with pytest.raises(ValueError, match=r"\[0\] is labelled 'y', name\[0\] 'x'; entries go by position"):
        door(OTHER)


def test_arrays_of_xarray_go_by_the_names_of_their_dimensions():
    alpha = xr.DataArray([[0.2, 0.8], [0.1, 0.3]], dims=("item", "alpha"))
    found = sa.operating_characteristics(PROBLEM, "kg", alpha=alpha)
    np.testing.assert_array_equal(found.rate, alpha.T)
    labels = np.broadcast_to(np.arange(4.0)[:, None], (2, 4, 4))
    tables = xr.DataArray(labels, dims=("item", "labels", "wins"))
    np.testing.assert_array_equal(
        sa.expected_final(PROBLEM, "kg", tables.transpose("wins", "item", "labels")),
        sa.expected_final(PROBLEM, "kg", labels),
    )


def test_data_with_other_labels_are_other_data():
    plain, labelled, other = (sa.RiskWeighted("kg", risk=pd.Series([5, 1], x)) for x in ([0, 1], NAMES, OTHER))
    assert len({plain, labelled, other, sa.RiskWeighted("kg", risk=[5, 1])}) == 3
    import pickle

    assert pickle.loads(pickle.dumps(other)) == other


VOTES = sa.LabelSet.from_pools({"x": [1, 1, 0, 1], "y": [0, 0, 1, 0]})
DOORS_OF_VOTES = {
    "weight": lambda given: sa.concentration(VOTES, weight=given),
    "reliability": lambda given: sa.reliability(VOTES, threshold=given, seed=1, models=["partial-pooling"]),
    "tail": lambda given: fitted().tail(given),
    "beliefs": lambda given: fitted().beliefs(given),
}


def fitted():
    return sa.PartialPooling().fit(VOTES, method="fast", seed=7, draws=20)


@pytest.mark.parametrize("door", DOORS_OF_VOTES.values(), ids=DOORS_OF_VOTES)
def test_labels_that_are_the_items_of_votes_in_another_order_are_refused(door):
    with pytest.raises(ValueError, match=r"\[0\] is labelled 'y', name\[0\] 'x'"):
        door(pd.Series([0.2, 0.4], index=OTHER))


AB = pd.DataFrame([[8.0, 2.0], [3.0, 7.0]], index=["a", "b"])


def test_rows_a_and_b_may_be_items_or_parameters():
    with pytest.raises(ValueError, match="prior has rows a and b, which are items too; name its columns a and b"):
        sa.Problem([0.5, 0.5], 4, prior=AB, name=["a", "b"])
    by_item = AB.set_axis(["x", "y"], axis=1)
    assert sa.Problem([0.5, 0.5], 4, prior=by_item).prior.tolist() == [[8.0, 3.0], [2.0, 7.0]]
    assert sa.Problem([0.5, 0.5], 4, prior=AB).prior.tolist() == [[8.0, 3.0], [2.0, 7.0]]
    by_parameter = AB.set_axis(["a", "b"], axis=1)
    named = xr.DataArray(AB, dims=("item", "parameter"), coords={"item": ["a", "b"]})
    for prior in (by_parameter, AB.rename_axis("item"), named):
        for given in ({}, {"name": ["a", "b"]}):
            assert sa.Problem([0.5, 0.5], 4, prior=prior, **given).prior.tolist() == [[8.0, 2.0], [3.0, 7.0]]


def test_labels_of_columns_within_a_record_are_compared():
    a, b = pd.Series([8.0, 3.0], index=NAMES), pd.Series([2.0, 7.0], index=NAMES)
    assert sa.Problem([0.5, 0.5], 4, prior=Columns(a, b), name=NAMES).prior.tolist() == [[8.0, 2.0], [3.0, 7.0]]
    with pytest.raises(ValueError, match=r"prior b.0. is labelled 'y', prior a.0. 'x'"):
        sa.Problem([0.5, 0.5], 4, prior=Columns(a, b[::-1]), name=NAMES)
    with pytest.raises(ValueError, match=r"name.0. is labelled 'y', prior.0. 'x'"):
        sa.Problem([0.5, 0.5], 4, prior=Columns(a, b), name=OTHER)


ONE = pd.Series([2.0, 1.0], index=NAMES)
TURNED = ONE[::-1]
DESIGN = sa.Design.balanced(2, 2, 2)
ITEMS_TURNED = pd.Series([0.9, 0.1], index=["item 2", "item 1"])


@pytest.mark.parametrize(
    "door",
    [
        lambda: PROBLEM.tail_at([TURNED.astype(int)], [TURNED.astype(int)]),
        lambda: sa.states_at(PROBLEM, np.arange(2), TURNED, TURNED),
        lambda: sa.operating_characteristics(PROBLEM, "kg", alpha=[TURNED / 4]),
        lambda: sa.operating_characteristics(PROBLEM, "kg", alpha=(ONE / 4, TURNED / 4)),
        lambda: sa.DiverseBatch("kg", [ONE, TURNED, ONE]),
        lambda: sa.Problem([0.5, 0.5], budget=2, quota=[([0], ONE)]),
        lambda: sa.RaterBias().simulate(3, DESIGN, rate=ITEMS_TURNED),
        lambda: sa.RaterBias().simulate(
            3, DESIGN, parameters={"item_logit": pd.Series([2, 0.1], ["item 2", "item 1"])}
        ),
    ],
)
def test_labels_are_seen_through_lists_and_at_every_door(door):
    with pytest.raises(ValueError, match=r"is labelled|labels is"):
        door()


def test_lists_of_equal_labels_are_taken():
    found = sa.operating_characteristics(PROBLEM, "kg", alpha=[ONE / 4, ONE / 4])
    wanted = sa.operating_characteristics(PROBLEM, "kg", alpha=[[0.5, 0.25], [0.5, 0.25]])
    assert found.equals(wanted)
    other_rows = [pd.Series([1, 0], index=[0, 1]), pd.Series([0, 1], index=[2, 3])]
    assert PROBLEM.tail_at(other_rows, other_rows).shape == (2, 2)


def test_two_numbers_with_names_go_by_these():
    priced, quota = namedtuple("Priced", "cost flip"), namedtuple("Quota", "labels items")
    problem = sa.Problem([0.55, 0.41], 8)
    frame = pd.DataFrame({"cost": [0.3, 0.45], "flip": [0.1, 0.2]})
    wanted = ["noise 0.1 at cost 0.3", "noise 0.2 at cost 0.45"]
    for choices in (
        [priced(0.3, 0.1), priced(0.45, 0.2)],
        [row for _, row in frame.iterrows()],
        frame.to_records(index=False),
        frame.to_dict("records"),
        [sa.Protocol(0.1, 0.3), (0.2, 0.45)],
    ):
        assert sa.protocols(problem, choices, points=2).protocol.values.tolist() == wanted
    assert sa.Problem([0.3, 0.6], 4, quota=[quota(2, 1)]).quota == (((1,), 2),)


@pytest.mark.parametrize(
    "choices",
    [[(0.1,)], [(0.1, 1, 2), (0.2, 1)], [0.1, 0.2], [None, (0.1, 1)], [{"flip": 0.1}, (0.1, 1)], ["ab", "cd"]],
)
def test_what_is_no_protocol_is_refused(choices):
    with pytest.raises(ValueError, match=r"^choices\[0\] (is|has) .*; it must"):
        sa.protocols(PROBLEM, choices, points=2)


@pytest.mark.parametrize("prior", [np.array(3.0), xr.DataArray(3.0)])
def test_a_single_number_is_no_prior_of_arms(prior):
    with pytest.raises(sa.ProblemError, match="a bandit needs one prior, a pair or a belief, for each arm"):
        sa.Problem.bandit(prior, 4)


@pytest.mark.parametrize("columns", [("prior_a", "prior_b"), ("a_prior",), ("Prior a",), ("priors",)])
def test_columns_that_speak_of_priors_are_not_passed_over(columns):
    frame = pd.DataFrame({"threshold": [0.5, 0.6]} | {x: [1.0, 2.0] for x in columns})
    with pytest.raises(sa.ProblemError, match="give its Beta parameters as columns a and b, or the keyword prior"):
        sa.Problem.from_frame(frame, 4)
    # One that is stated is enough.
    assert sa.Problem.from_frame(frame, 4, prior=(2, 1)).prior.tolist() == [[2.0, 1.0]] * 2


@pytest.mark.parametrize("called", ["item", "name"])
def test_names_may_be_an_index(called):
    frame = pd.DataFrame({"threshold": [0.5, 0.6]}, index=pd.Index(["sky", "sea"], name=called))
    assert sa.Problem.from_frame(frame, 4).name == ("sky", "sea")
    assert sa.Problem.from_frame(frame, 4, name=["p", "q"]).name == ("p", "q")
    assert sa.Problem.from_frame(frame.assign(item=["u", "v"]), 4).name == ("u", "v")
