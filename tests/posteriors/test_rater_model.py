"""What all models of raters have in common beside the conformance suite: messages, predictions, and planning."""

import dataclasses
import re

import numpy as np
import pytest
from oracles.rater_models import log_bernoulli

import seqaudit as sa
from seqaudit.posteriors.raters.class_model import _two_points

DESIGN = sa.Design.balanced(items=8, raters=5, votes_per_item=3, groups=2)
MODELS = [
    *(sa.make_rater_model(name) for name in sa.rater_model_names()),
    sa.Contaminated(kinds=("inverted",)),
    sa.DawidSkene(difficulty=True),
]
every_model = pytest.mark.parametrize("model", MODELS, ids=lambda model: model.title)


@every_model
@pytest.mark.parametrize("seed", [1, 2])
def test_beliefs_predict_what_the_draws_predict_and_have_their_tails(model, seed):
    votes = model.simulate(seed, DESIGN).labels
    fit = model.fit(votes, method="fast", seed=seed, draws=200)
    draws = model.for_group(fit.draws, DESIGN, None)
    beliefs = fit.beliefs(0.5)
    if model.name == "partial-pooling":
        # Mixtures of Betas of averaged parameters.
        assert [x.mean for x in beliefs] == pytest.approx(fit.draws["rate"].mean(axis=0), abs=0.05)
        return
    rates = draws["rate"]
    said, above = model.channel(draws, rates).mean(axis=0), (rates > 0.5).mean(axis=0)
    if "answer_chance" in draws:
        above = draws["answer_chance"].mean(axis=0)
        one, zero = (model.channel(draws, np.full(rates.shape, x)) for x in (1.0, 0.0))
        said = (zero + (one - zero) * draws["answer_chance"]).mean(axis=0)
    assert [float(x.at(0, 0, 0.5).tail) for x in beliefs] == pytest.approx(above, abs=1e-9)
    if not getattr(model, "difficulty", False):
        assert [x.mean for x in beliefs] == pytest.approx(said, abs=1e-9)


@every_model
def test_beliefs_can_be_planned_with(model):
    votes = model.simulate(1, DESIGN).labels
    fit = model.fit(votes, method="fast", seed=1, draws=200)
    group = votes.groups[0] if model.needs_groups else None
    threshold = np.linspace(0.4, 0.6, votes.n_items)
    problem = sa.Problem(threshold, prior=fit.beliefs(threshold, parts=16, group=group), budget=2)
    tail = fit.tail(threshold, group=group)
    # Beliefs of partial pooling are mixtures of Betas of averaged parameters.
    off = 0.02 * votes.n_items if model.name == "partial-pooling" else 1e-9
    assert problem.prior_value == pytest.approx(np.maximum(tail, 1 - tail).sum(), abs=off)
    # Two labels may turn no decision, but they lower the variance of every indicator that is not settled.
    fresh = sa.Problem([0.5] * 2, prior=fit.new_item(parts=8, group=group), budget=2)
    for planned in (problem.replace(utility="variance"), fresh.replace(utility="variance")):
        assert sa.solve(planned).value > planned.prior_value + 1e-6


@pytest.mark.parametrize("model", [sa.RaterBias(), sa.RaterSkill(), sa.Grouped()], ids=repr)
def test_log_likelihood_is_what_a_vote_adds_to_the_joint(model):
    votes = model.simulate(2, DESIGN).labels
    fit = model.fit(votes, method="fast", seed=1, draws=4)
    label = votes.labels.astype(np.int64)
    found = model.log_likelihood(fit.draws, sa.Design.of(votes), label)
    for s in range(3):
        chance = model.chances({name: x[s] for name, x in fit.draws.items()}, sa.Design.of(votes))
        whole = log_bernoulli(label, chance)
        without = [log_bernoulli(np.delete(label, v), np.delete(chance, v)) for v in range(len(label))]
        assert found[s] == pytest.approx(whole - np.array(without), abs=1e-9)


def test_answers_that_are_heard_the_wrong_way_round_leave_the_prediction_as_it_is():
    # Under the one draw where the answer may be 1, a fresh rater rarely says so.
    belief = _two_points(np.array([0.0, 0.0, 0.9]), np.array([0.5, 0.5, 0.1]), np.array([0.9, 0.9, 0.2]))
    assert belief.mean == pytest.approx((0.5 + 0.5 + 0.1 * 0.1 + 0.9 * 0.2) / 3)
    assert belief.weights[1] == pytest.approx(0.3)


@every_model
def test_shapes_and_ranges_of_given_parameters_are_checked(model):
    for name, dims in model.dims.items():
        wrong = np.full((3,) * (len(dims) + 1), 0.5)
        with pytest.raises(ValueError, match=f"^{name} has shape .*; it must be a number"):
            model.simulate(1, DESIGN, parameters={name: wrong})
        with pytest.raises(ValueError, match=f"^{name} is 'much'; it must be a number"):
            model.require_parameters({name: "much"}, DESIGN)
        if name.endswith(("_sd", "_scale")):
            for value in (-0.1, np.inf, np.nan):
                with pytest.raises(ValueError, match=f"^{name} has {value:g}; it must be at least 0 and finite"):
                    model.simulate(1, DESIGN, parameters={name: value})
    for rate in ([1.5] * 8, [-0.1] * 8, np.nan):
        with pytest.raises(ValueError, match=r"^rate has .*; it must be at least 0 and at most 1"):
            model.simulate(1, DESIGN, rate=rate)
    with pytest.raises(ValueError, match=r"^rate has shape \(7,\); it must be a number or of shape \(8,"):
        model.simulate(1, DESIGN, rate=[0.5] * 7)


def test_a_number_stands_for_all_entries_and_rates_of_groups_can_be_given():
    assert np.array_equal(sa.RaterBias().simulate(1, DESIGN, parameters={"offset": 0.5}).truth["offset"], [0.5] * 5)
    cells = np.linspace(0.1, 0.9, 16).reshape(8, 2)
    assert sa.Grouped().simulate(1, DESIGN, rate=cells).truth["rate"] == pytest.approx(cells)


def test_parameters_that_follow_from_others_are_taken_or_refused():
    truth = sa.PartialPooling().simulate(1, DESIGN, parameters={"a": 2.0, "b": 6.0}).truth
    assert (truth["mean"], truth["size"]) == (0.25, 8.0)
    kinds = [0, 1, 2, 3, 0]
    truth = sa.Contaminated().simulate(1, DESIGN, parameters={"kind": kinds, "kind_chance": np.eye(4)[kinds]}).truth
    assert np.array_equal(truth["kind"], kinds)


@pytest.mark.parametrize(
    ("model", "given", "message"),
    [
        ("partial-pooling", {"a": 2.0}, "a is given without b; give both, or mean and size"),
        ("partial-pooling", {"a": 2, "b": 6, "mean": 0.5}, r"mean is 0.5; with a = 2.0 and b = 6.0 it is 0.25"),
        ("partial-pooling", {"size": 0}, "size has 0; it must be at least 1e-12 and finite"),
        ("contaminated", {"kind_chance": 0.25}, "kind_chance is given without kind, which determines it; give kind"),
        ("contaminated", {"kind": [0, 1, 2, 3, 4]}, "kind has 4; it must be at least 0 and at most 3"),
        ("contaminated", {"kind": 0.5}, "kind has 0.5; it must be whole numbers"),
        ("contaminated", {"share": 0.6}, "share has 0.6; it must be at least 0 and at most 0.5"),
        ("contaminated", {"kind_share": [0.5, 0.5, 0.5]}, "kind_share sums to 1.5; it must sum to 1"),
        ("rater-skill", {"skill": 0.0}, "skill has 0; it must be at least"),
        ("rater-bias", {"item_mean": np.inf}, "item_mean has inf; it must be finite"),
    ],
)
def test_values_that_make_no_sense_are_refused_in_one_line(model, given, message):
    with pytest.raises(ValueError, match=message) as refused:
        sa.make_rater_model(model).simulate(1, DESIGN, parameters=given)
    assert "\n" not in str(refused.value)


def test_rates_are_given_once():
    for model, name in ((sa.RaterBias(), "rate"), (sa.Drift(), "first_rate"), (sa.OneCoin(), "answer")):
        with pytest.raises(ValueError, match=f"rate is given, and {name} in parameters too; give one of them"):
            model.simulate(1, DESIGN, rate=0.5, parameters={name: 1.0})


def test_votes_must_be_sorted_by_item():
    with pytest.raises(ValueError, match=r"item\[2\] is 0 after 1; votes must be sorted by item"):
        sa.Design(np.array([0, 1, 0]), np.array([0, 0, 1]), ("a", "b"), ("r", "s"))


@pytest.mark.parametrize("left", ["Not enough samples to build a trace.", "No traces to slice.", (1, 8), (2, 5)])
def test_interrupted_sampling_is_an_interruption_and_no_fit_of_fewer_draws(left, monkeypatch):
    """After Ctrl-C PyMC returns what it has, perhaps fewer chains, or complains that it has nothing."""
    import pymc
    import xarray as xr

    def sample(*_, **__):
        if isinstance(left, str):
            raise ValueError(left)
        return {"posterior": xr.Dataset({"x": (("chain", "draw"), np.zeros(left))})}

    monkeypatch.setattr(pymc, "sample", sample)
    model = sa.OneCoin()
    votes = model.simulate(0, sa.Design.balanced(items=2, raters=2, votes_per_item=2)).labels
    with pytest.raises(KeyboardInterrupt):
        model.fit(votes, seed=0, draws=8, tune=4, chains=2)
    if left == "No traces to slice.":
        left = "another fault"
        with pytest.raises(ValueError, match="another fault"):
            model.fit(votes, seed=0, draws=8, tune=4, chains=2)


def test_a_balanced_design_is_a_permutation_of_the_raters_for_each_item(monkeypatch):
    monkeypatch.setattr("seqaudit.posteriors.votes.design._PLACES_AT_ONCE", 50)
    rng = np.random.default_rng(3)
    wanted = np.concatenate([rng.permutation(7)[:4] for _ in range(40)])
    np.testing.assert_array_equal(sa.Design.balanced(40, 7, 4, seed=3).rater, wanted)


def test_a_sampled_fit_leaves_no_temporary_files(tmp_path, monkeypatch):
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    votes = sa.PartialPooling().simulate(7, DESIGN).labels
    fit = sa.PartialPooling().fit(votes, seed=7, draws=10, tune=10, chains=2, cores=2)
    fit.log_likelihood()
    assert [x.name for x in tmp_path.iterdir() if x.name.startswith("tmp")] == []


@every_model
@pytest.mark.parametrize(
    ("label", "message"),
    [
        (np.full(24, 10**9), "label[0] is 1000000000; it must be a whole number from 0 to 1"),
        (np.full(24, -(10**12)), "label[0] is -1000000000000; it must be"),
        (np.full(24, 0.5), "label[0] is 0.5; it must be"),
        (np.zeros(23, dtype=np.int64), "label has shape (23,); it must be (24,), one for each vote"),
        (None, "label is None; it must be"),
    ],
    ids=["large", "negative", "half", "too few", "none"],
)
def test_labels_that_are_none_are_refused_before_compiled_code_reads_them(model, label, message):
    rng = np.random.default_rng(1)
    draws = model.fit(model.simulate(1, DESIGN).labels, method="fast", seed=1, draws=8).draws
    for ask in (
        lambda: model.approximate(DESIGN, label, rng, 8),
        lambda: model.log_likelihood(draws, DESIGN, label),
        lambda: model.complete(draws, DESIGN, label, rng),
        lambda: model.conditional_tails(draws, DESIGN, label, np.full(8, 0.5)),
        lambda: model.build(DESIGN, label),
    ):
        with pytest.raises(ValueError, match=re.escape(message)):
            ask()
    with pytest.raises(ValueError, match="draws is -3; it must be a whole number, at least 1"):
        model.approximate(DESIGN, np.zeros(24, dtype=int), rng, -3)


def test_a_fit_belongs_to_its_votes():
    model = sa.PartialPooling()
    votes = model.simulate(1, DESIGN).labels
    fit = model.fit(votes, method="fast", seed=1, draws=8)
    for other in (model.simulate(2, DESIGN).labels, model.simulate(1, sa.Design.balanced(4, 3, 2)).labels):
        with pytest.raises(ValueError, match="labels are not the votes of the fit"):
            dataclasses.replace(fit, labels=other)
