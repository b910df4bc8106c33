"""One-coin and Dawid-Skene: against sums over all answers, against their own simulations, NUTS against Gibbs."""

import itertools
import math
import re

import numpy as np
import pytest
from scipy import stats

import seqaudit as sa
from seqaudit.posteriors.kernels import answers as _kernels_answers

MODELS = {
    "one-coin": sa.OneCoin(),
    "one-coin, difficulty": sa.OneCoin(difficulty=True, answer_a=2.0, skill_scale=1.0),
    "dawid-skene": sa.DawidSkene(answer_b=3.0, lean_scale=0.5),
    "dawid-skene, difficulty": sa.DawidSkene(difficulty=True, difficulty_scale=0.7),
}
every_model = pytest.mark.parametrize("name", MODELS)
SMALL = sa.Design.balanced(items=4, raters=5, votes_per_item=3, seed=3)
MIDDLE = sa.Design.balanced(items=14, raters=8, votes_per_item=5, seed=5)
# Raters good enough for the posterior to have one mode.
PARAMETERS = {
    "one-coin": {"answer_rate": 0.6, "skill_mean": 1.5, "skill_sd": 0.6},
    "dawid-skene": {"answer_rate": 0.5, "skill": 1.8, "lean": 0.3, "sensitivity_sd": 0.5, "specificity_sd": 0.5},
}


def logistic(x):
    return 1 / (1 + math.exp(-x))


def plain_chances(values, i, j):
    """Chance that rater j says 1 of item i, answer 0 and answer 1, from the models' equations."""
    ease = math.exp(-values["difficulty"][i]) if "difficulty" in values else 1.0
    if "skill_mean" in values:
        right = logistic(values["skill"][j] * ease)
        return 1 - right, right
    a, b = (math.log(values[x][j] / (1 - values[x][j])) for x in ("sensitivity", "specificity"))
    return 1 - logistic(ease * (a + b) / 2 - (a - b) / 2), logistic(ease * (a + b) / 2 + (a - b) / 2)


def plain_likelihood(values, design, label, votes=None):
    """Probability of some of the votes: the sum over all answers of all items."""
    votes = range(design.size) if votes is None else votes
    total = 0.0
    for answers in itertools.product((0, 1), repeat=len(design.items)):
        chance = 1.0
        for z in answers:
            chance *= values["answer_rate"] if z else 1 - values["answer_rate"]
        for v in votes:
            q = plain_chances(values, design.item[v], design.rater[v])[answers[design.item[v]]]
            chance *= q if label[v] else 1 - q
        total += chance
    return total


def plain_prior(model, values, design):
    """Log density of the variables that PyMC samples."""
    half, normal = stats.halfnorm.logpdf, stats.norm.logpdf
    n = np.bincount(design.rater, minlength=len(design.raters))
    w = n / (n + 20)
    total = stats.beta.logpdf(values["answer_rate"], model.answer_a, model.answer_b)
    if "skill_mean" in values:
        mean, sd = values["skill_mean"], values["skill_sd"]
        total += half(mean, scale=model.skill_scale) + half(sd, scale=model.spread_scale)
        total += normal(values["skill_part"], w * mean, sd**w).sum()
    else:
        total += half(values["skill"], scale=model.skill_scale) + normal(values["lean"], scale=model.lean_scale)
        for side, sign in (("sensitivity", 1), ("specificity", -1)):
            mean, sd = values["skill"] + sign * values["lean"], values[f"{side}_sd"]
            total += half(sd, scale=model.spread_scale) + normal(values[f"{side}_part"], w * mean, sd**w).sum()
    if "difficulty_sd" in values:
        total += half(values["difficulty_sd"], scale=model.difficulty_scale) + normal(values["difficulty_unit"]).sum()
    return total


def as_draws(truths):
    return {key: np.stack([np.asarray(x[key], dtype=np.float64) for x in truths]) for key in truths[0]}


@pytest.mark.deep
@every_model
def test_log_posterior_is_the_sum_over_all_answers(name):
    model = MODELS[name]
    label = model.simulate(1, SMALL).labels.labels.astype(np.int64)
    built = model.build(SMALL, label)
    log_posterior = built.compile_logp(jacobian=False, mode="FAST_COMPILE")
    for seed in range(3):
        values = model.simulate(seed, SMALL).truth
        point = {}
        for variable in built.free_RVs:
            x, value = np.asarray(values[variable.name]), built.rvs_to_values[variable]
            change = {"_log__": np.log, "_logodds__": lambda p: np.log(p / (1 - p))}
            ending = value.name.removeprefix(variable.name)
            point[value.name] = change[ending](x) if ending else x
        expected = plain_prior(model, values, SMALL) + math.log(plain_likelihood(values, SMALL, label))
        assert float(log_posterior(point)) == pytest.approx(expected, abs=1e-6)


@every_model
def test_log_likelihood_and_chances_of_answers_are_those_of_sums_over_all_answers(name):
    model = MODELS[name]
    truths = [model.simulate(seed, SMALL).truth for seed in range(3)]
    label = model.simulate(9, SMALL).labels.labels.astype(np.int64)
    draws = as_draws(truths)
    draws |= model.complete(draws, SMALL, label, np.random.default_rng(1))
    found = model.log_likelihood(draws, SMALL, label)
    for s, values in enumerate(truths):
        whole = plain_likelihood(values, SMALL, label)
        for v in range(SMALL.size):
            others = [u for u in range(SMALL.size) if u != v]
            expected = math.log(whole / plain_likelihood(values, SMALL, label, others))
            assert found[s, v] == pytest.approx(expected, abs=1e-7)
        for i in range(len(SMALL.items)):
            votes = np.flatnonzero(SMALL.item == i)
            each = [values["answer_rate"] if z else 1 - values["answer_rate"] for z in (0, 1)]
            for z, v in itertools.product((0, 1), votes):
                q = plain_chances(values, i, SMALL.rater[v])[z]
                each[z] *= q if label[v] else 1 - q
            assert draws["answer_chance"][s, i] == pytest.approx(each[1] / sum(each), abs=1e-8)
    for key in set(model.dims) - {"answer_chance", "answer", "rate"}:
        np.testing.assert_allclose(draws[key], as_draws(truths)[key], atol=1e-9)


@pytest.mark.deep
@every_model
def test_truth_ranks_evenly_among_draws_of_the_fast_method(name):
    """Simulation-based calibration (Talts et al. 2018): 24 checks at p < 1e-4 would be chance in 1 of 400 seeds."""
    model, size = MODELS[name], 150
    rng = np.random.default_rng(11)
    ranks = {key: np.empty(size) for key in model.dims if key != "answer_chance"}
    for k in range(size):
        found = model.simulate(rng, SMALL)
        label = found.labels.labels.astype(np.int64)
        draws = model.approximate(SMALL, label, rng, 90)
        draws |= model.complete(draws, SMALL, label, rng)
        for key, rank in ranks.items():
            x, truth = (np.reshape(y, (len(y), -1))[:, 0] for y in (draws[key], np.asarray(found.truth[key])[None]))
            rank[k] = (x[9::10] < truth).sum() + rng.random() * (1 + (x[9::10] == truth).sum())
    for key, rank in ranks.items():
        assert stats.kstest(rank / 10, "uniform").pvalue > 1e-4, key


def test_softplus_is_read_off_its_table_to_nine_digits():
    x = np.concatenate([np.random.default_rng(1).normal(0, 12, 5000), [0.0, 32.0, -32.0, 800.0, -800.0]])
    found = np.array([_kernels_answers.softplus(value) for value in x])
    assert np.abs(found - np.logaddexp(0, x)).max() < 1e-9
    assert _kernels_answers.log_sum(-2.0, -math.inf) == -2.0


@pytest.fixture(scope="module", params=["one-coin", "dawid-skene, difficulty"])
def fast(request):
    """A model's fast fit to what it drew."""
    model = MODELS[request.param]
    found = model.simulate(4, MIDDLE, parameters=PARAMETERS[model.name])
    return model.fit(found.labels, seed=7, method="fast", draws=4000)


@pytest.mark.deep
def test_gibbs_agrees_with_nuts(fast):
    model = fast.model
    sampled = model.fit(fast.labels, seed=7, draws=300, tune=300, chains=2, cores=1)
    assert sampled.diagnostics().rhat < 1.05
    assert set(sampled.draws) == set(fast.draws) == set(model.dims)
    gap = np.abs(sampled.tail(0.5) - fast.tail(0.5))
    assert gap.mean() < 0.02
    assert gap.max() < 0.06


def test_beliefs_predict_the_next_vote(fast):
    model = fast.model
    beliefs = fast.beliefs()
    draws = fast.draws
    assert [float(x.at(0, 0, 0.3).tail) for x in beliefs] == pytest.approx(list(fast.tail(0.7)), abs=1e-12)
    rng = np.random.default_rng(3)
    # A fresh rater of each draw, on the first item; standard error .01.
    size = fast.size
    if model.name == "one-coin":
        skill, lean = rng.normal(draws["skill_mean"], draws["skill_sd"]), 0.0
    else:
        a = rng.normal(draws["skill"] + draws["lean"], draws["sensitivity_sd"])
        b = rng.normal(draws["skill"] - draws["lean"], draws["specificity_sd"])
        skill, lean = (a + b) / 2, (a - b) / 2
    ease = np.exp(-draws["difficulty"][:, 0]) if model.difficulty else 1.0
    yes = draws["answer"][:, 0] == 1
    says = rng.random(size) < 1 / (1 + np.exp(-(np.where(yes, 1, -1) * skill * ease + lean)))
    assert says.mean() == pytest.approx(beliefs[0].mean, abs=0.04)


@every_model
def test_channel_is_the_share_of_ones_that_simulated_strangers_give(name):
    model = MODELS[name]
    names = tuple(str(k) for k in range(20_000))
    many = sa.Design(np.arange(20_000), np.arange(20_000), names, names)
    given = {"answer_rate": 0.5} | {k: 0.7 for k in model.dims if k in ("skill_mean", "skill", "lean")}
    if model.name == "one-coin":
        del given["skill"]
    found = model.simulate(5, many, parameters=given | {k: 0.8 for k in model.dims if k.endswith("_sd")})
    one = {key: np.asarray(x)[None] for key, x in found.truth.items()}
    rate = found.truth["rate"]
    heard = model.channel(one, np.array([[0.0, 1.0]]))[0]
    for z in (0, 1):
        # Five standard errors of a share of 10,000.
        assert found.labels.rate[rate == z].mean() == pytest.approx(heard[z], abs=0.025)


@every_model
def test_what_is_given_is_not_drawn(name):
    model = MODELS[name]
    rate = np.array([0.0, 1.0, 1.0, 0.0])
    drawn = model.simulate(2, SMALL).truth
    for key in model.dims:
        given = {key: drawn[key]}
        again = model.simulate(8, SMALL, parameters=given)
        np.testing.assert_array_equal(again.truth[key], drawn[key])
    again = model.simulate(8, SMALL, rate=rate)
    np.testing.assert_array_equal(again.truth["answer"], rate)
    np.testing.assert_array_equal(again.truth["rate"], rate)


@pytest.mark.parametrize("name", ["one-coin", "dawid-skene"])
def test_answers_and_raters_are_recovered(name):
    model = MODELS[name]
    design = sa.Design.balanced(items=120, raters=30, votes_per_item=12, seed=2)
    level = {"skill_mean": 1.0} if name == "one-coin" else {"skill": 1.0, "lean": 0.4}
    spread = {key: 1.0 for key in model.dims if key.endswith("_sd")}
    found = model.simulate(3, design, parameters={"answer_rate": 0.5} | level | spread)
    fit = model.fit(found.labels, method="fast", seed=1)
    tail, answer = fit.tail(0.5), found.truth["answer"]
    share = ((tail > 0.5) == answer).mean()
    # Calibrated: it is right as often as it says, to three standard errors.
    promised = np.maximum(tail, 1 - tail)
    assert abs(share - promised.mean()) < 3 * math.sqrt((promised * (1 - promised)).sum()) / 120 + 1e-3
    majority = ((found.labels.rate > 0.5) == answer).mean()
    assert share >= majority
    side = "skill" if name == "one-coin" else "sensitivity"
    assert np.corrcoef(fit.draws[side].mean(axis=0), found.truth[side])[0, 1] > 0.7


def test_majorities_that_are_wrong_are_seen_through():
    """Two careful raters against five who answer at random: the careful ones agree with each other."""
    design = sa.Design.balanced(items=80, raters=7, votes_per_item=7)
    skill = np.array([5.0, 5.0, 0.0, 0.0, 0.0, 0.0, 0.0])
    found = sa.OneCoin().simulate(6, design, parameters={"skill": skill, "skill_mean": 1.5, "skill_sd": 2.0})
    fit = sa.OneCoin().fit(found.labels, method="fast", seed=1)
    right = [((x > 0.5) == found.truth["answer"]).mean() for x in (fit.tail(0.5), found.labels.rate)]
    assert right[0] > 0.97
    assert right[1] < 0.9


def test_new_items_have_the_answer_rate(fast):
    model = fast.model
    new = fast.new_item()
    assert new.points == (0.0, 1.0)
    assert new.weights[1] == pytest.approx(fast.draws["answer_rate"].mean())
    assert model.new_rates(fast.draws, np.random.default_rng(1)).mean() == pytest.approx(new.weights[1], abs=0.04)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: sa.OneCoin(skill_scale=0), "skill_scale is 0; it must be from 0.001 to 100"),
        (lambda: sa.DawidSkene(lean_scale="wide"), "lean_scale is 'wide'; it must be a number"),
        (lambda: sa.DawidSkene(answer_a=-1), "answer_a is -1; it must be from 0.001 to 1000000"),
        (lambda: sa.OneCoin(difficulty=0.5), "difficulty is 0.5; it must be True or False"),
        (lambda: sa.make_rater_model("one-coin", lean_scale=1), "rater model one-coin has no constant 'lean_scale'"),
        (lambda: sa.OneCoin().simulate(1, parameters={"difficulty": 0}), "one-coin has no parameter 'difficulty'"),
        (
            lambda: sa.DawidSkene().fit(sa.LabelSet.from_pools({"a": [1, 0]}), seed=1),
            "dawid-skene: no rater has labelled more than one item",
        ),
    ],
)
def test_bad_input_is_refused_in_one_line(call, message):
    with pytest.raises(ValueError, match=message) as refused:
        call()
    assert "\n" not in str(refused.value)


def contradicting(raters: int, items: int):
    """Two halves of items, each with its own raters, of whom one half contradicts the other on everything."""
    votes = [
        (half * items + i, 2 * half * raters + j, (i % 2) ^ (j >= raters))
        for half in (0, 1)
        for i in range(items)
        for j in range(2 * raters)
    ]
    item, rater, label = np.array(votes, dtype=np.int64).T
    names = [tuple(f"{kind} {k}" for k in range(size)) for kind, size in (("item", 2 * items), ("rater", 4 * raters))]
    return sa.Design(item, rater, *names).labelled(label)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_modes_that_explain_votes_equally_well_are_found_and_in_the_error(seed):
    # In each half either side may be right: four modes, of equal probability by symmetry, in which answers are certain.
    fit = sa.DawidSkene().fit(contradicting(100, 4), method="fast", seed=seed, draws=200)
    tail, error = fit.tail(0.5), fit.tail_error(0.5)
    assert np.all(error > 0.05)
    # By Student's t with 7 degrees of freedom, one of six halves is further off in 1 of 30 choices of seeds.
    assert np.all(np.abs(tail - 0.5) < 4 * error)
    assert re.search(r"8 chains of the fast method disagree about \d+ of 8 items \(answer_chance, R-hat", fit.remark())


def test_chains_of_the_fast_method_agree_where_the_votes_have_one_explanation():
    votes = sa.DawidSkene().simulate(1, sa.Design.balanced(40, 12, 6)).labels
    fit = sa.DawidSkene().fit(votes, method="fast", seed=1)
    assert fit.remark() is None
    assert dict(fit.posterior.sizes)["chain"] == 8
    assert sa.DawidSkene().fit(votes, method="fast", seed=1, draws=17).size == 18
    same = sa.DawidSkene().fit(votes, method="fast", seed=1)
    assert np.array_equal(same.tail(0.5), fit.tail(0.5))


def test_chains_forget_where_they_start_before_the_first_draw():
    # Many raters with few votes each and a lean: the answer rate of a long chain is .27, where it starts is 1/2.
    given = {"skill": 0.8, "lean": 0.8, "answer_rate": 0.2, "sensitivity_sd": 0.6, "specificity_sd": 0.6}
    votes = sa.DawidSkene().simulate(5, sa.Design.balanced(600, 60, 5), parameters=given).labels
    fits = [sa.DawidSkene().fit(votes, method="fast", seed=seed, draws=4) for seed in range(6)]
    first = np.mean([fit.draws["answer_rate"] for fit in fits], axis=1)
    assert first.mean() == pytest.approx(0.27, abs=0.08)
    assert first.max() < 0.6
