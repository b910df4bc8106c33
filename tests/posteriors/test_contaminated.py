"""Contaminated raters: sampling and the chain over kinds against plain sums over all kinds, recovery, bad input."""

import itertools
import math

import numpy as np
import pytest
from scipy.special import expit, gammaln, logit
from scipy.stats import beta, dirichlet, halfnorm, norm

import seqaudit as sa
from seqaudit.posteriors.raters import noncentred

ALL = ("random", "inverted", "colluding")
# Rater 2 gives item 0 two votes.
DESIGN = sa.Design(
    item=np.array([0, 0, 0, 0, 1, 1, 1, 2, 2, 3, 3, 3]),
    rater=np.array([0, 1, 2, 2, 0, 1, 2, 1, 2, 0, 1, 2]),
    items=("a", "b", "c", "d"),
    raters=("r", "s", "t"),
)
LABEL = np.array([1, 1, 0, 0, 1, 1, 0, 0, 0, 1, 1, 1])
VOTES = DESIGN.labelled(LABEL)


def chance_of(kind, y, rate, script):
    one = {"honest": rate, "random": 0.5, "inverted": 1 - rate, "colluding": script}[kind]
    return one if y else 1 - one


def plain_log_likelihood(model, p, left_out=None, kinds_of=None):
    """Sum over the kinds of all raters at once; ``kinds_of`` fixes them."""
    kinds = ("honest", *model.kinds)
    weight = dict(zip(kinds, [1 - p["share"], *(p["share"] * p["kind_share"])], strict=True))
    rate, script = expit(p["item_logit"]), expit(2.5 * p.get("script", np.zeros(4)))
    total = 0.0
    for chosen in itertools.product(kinds, repeat=3) if kinds_of is None else [kinds_of]:
        term = math.prod(weight[k] for k in chosen)
        for v in range(12):
            if v != left_out:
                i = DESIGN.item[v]
                term *= chance_of(chosen[DESIGN.rater[v]], LABEL[v], rate[i], script[i])
        total += term
    return math.log(total)


def some_parameters(model, seed):
    truth = model.simulate(seed, DESIGN).truth
    return {name: np.asarray(x, dtype=float) for name, x in truth.items()}


def draws_of(p):
    return {name: np.asarray(x)[None] for name, x in p.items()}


@pytest.mark.deep
@pytest.mark.parametrize(("kinds", "many"), [(ALL, 1000), (("inverted",), 0)])
def test_log_posterior_of_the_sampled_model_is_that_of_the_equations(kinds, many, monkeypatch):
    monkeypatch.setattr(noncentred, "MANY_VOTES", many)
    model = sa.Contaminated(kinds=kinds)
    density = model.build(DESIGN, LABEL).compile_logp(jacobian=False)
    found, plain = [], []
    for seed in range(4):
        p = some_parameters(model, seed)
        values = {"item_mean": p["item_mean"], "item_sd_log__": np.log(p["item_sd"])}
        if many:
            values["item_logit_standard__"] = (p["item_logit"] - p["item_mean"]) / p["item_sd"]
        else:
            values["item_logit"] = p["item_logit"]
        values["share_interval__"] = logit(2 * p["share"])
        expected = norm.logpdf(p["item_mean"], 0, 1.5) + halfnorm.logpdf(p["item_sd"], 0, 1.5)
        expected += norm.logpdf(p["item_logit"], p["item_mean"], p["item_sd"]).sum()
        expected += beta.logpdf(2 * p["share"], 1, 3) + plain_log_likelihood(model, p)
        if kinds == ALL:
            values["script"] = p["script"]
            logs = np.log(p["kind_share"])
            values["kind_share_simplex__"] = (logs - logs.mean())[:-1]
            expected += norm.logpdf(p["script"]).sum() + dirichlet.logpdf(p["kind_share"], np.ones(3))
        found.append(density(values))
        plain.append(expected)
    assert np.diff(found) == pytest.approx(np.diff(plain), rel=1e-9)


@pytest.mark.parametrize("kinds", [ALL, ("random", "inverted")])
def test_votes_and_kinds_have_the_chances_of_a_plain_sum(kinds):
    model = sa.Contaminated(kinds=kinds)
    p = some_parameters(model, 6)
    whole = plain_log_likelihood(model, p)
    found = model.log_likelihood(draws_of(p), DESIGN, LABEL)[0]
    assert found == pytest.approx([whole - plain_log_likelihood(model, p, left_out=v) for v in range(12)])
    chance = model.complete(draws_of(p), DESIGN, LABEL, np.random.default_rng(1))["kind_chance"][0]
    expected = np.zeros((3, len(kinds) + 1))
    for chosen in itertools.product(range(len(kinds) + 1), repeat=3):
        names = [("honest", *kinds)[k] for k in chosen]
        expected[range(3), chosen] += math.exp(plain_log_likelihood(model, p, kinds_of=names) - whole)
    assert chance == pytest.approx(expected)


def plain_posterior(kinds, t):
    """Tails, share, mean and spread of item_sd, and chances of kinds: all kinds, all values of the rest, summed."""
    mean, sd = np.linspace(-5.5, 5.5, 34), (np.arange(36) + 0.5) * 0.16
    z = np.linspace(-5, 5, 51)
    x = mean[:, None, None] + sd[:, None] * z
    normal = norm.pdf(z) / norm.pdf(z).sum()
    prior = norm.pdf(mean, 0, 1.5)[:, None] * halfnorm.pdf(sd, 0, 1.5)
    # Shares given the number of dishonest raters, and the normalising constants of the Dirichlet distribution.
    half = (np.arange(2000) + 0.5) / 2000
    shares = [beta.pdf(half, 1, 3) * (half / 2) ** d * (1 - half / 2) ** (3 - d) for d in range(4)]
    total, tail, share, spread = 0.0, np.zeros(4), 0.0, np.zeros(2)
    chance = np.zeros((3, len(kinds) + 1))
    names = ("honest", *kinds)
    for chosen in itertools.product(range(len(names)), repeat=3):
        counts = np.bincount(chosen, minlength=len(names))[1:]
        constant = math.exp(gammaln(counts + 1).sum() - gammaln(counts.sum() + len(kinds)))
        weight, aside = prior * constant, []
        for i in range(4):
            on_rate, on_script = np.ones_like(x), np.ones_like(z)
            for v in np.flatnonzero(DESIGN.item == i):
                kind = names[chosen[DESIGN.rater[v]]]
                if kind == "colluding":
                    on_script = on_script * chance_of(kind, LABEL[v], 0.5, expit(2.5 * z))
                else:
                    on_rate = on_rate * chance_of(kind, LABEL[v], expit(x), 0.5)
            here = on_rate @ normal
            weight = weight * here * (on_script @ normal)
            aside.append((on_rate * (x > logit(t))) @ normal / here)
        mass = weight.sum() * shares[counts.sum()].sum()
        total += mass
        share += weight.sum() * (shares[counts.sum()] @ half) / 2
        tail += [(weight * a).sum() * shares[counts.sum()].sum() for a in aside]
        spread += [(weight * sd**k).sum() * shares[counts.sum()].sum() for k in (1, 2)]
        chance[range(3), chosen] += mass
    return tail / total, share / total, spread / total, chance / total


@pytest.mark.deep
@pytest.mark.parametrize("kinds", [ALL, ("random",)])
def test_chain_over_kinds_has_the_posterior_of_a_plain_sum(kinds):
    tail, share, (sd, squared), chance = plain_posterior(kinds, 0.6)
    fit = sa.Contaminated(kinds=kinds).fit(VOTES, method="fast", seed=7, draws=40_000)
    # Draws are not independent: errors as if there were a tenth as many, times 4.5; and the step at the threshold.
    error = 4.5 / math.sqrt(4_000)
    assert np.all(np.abs(fit.tail(0.6) - tail) < error * np.sqrt(tail * (1 - tail)) + 0.01)
    assert fit.draws["share"].mean() == pytest.approx(share, abs=error * 0.12)
    assert fit.draws["item_sd"].mean() == pytest.approx(sd, abs=error * math.sqrt(squared - sd**2))
    assert np.all(np.abs(fit.draws["kind_chance"].mean(axis=0) - chance) < error * 0.5)


@pytest.mark.deep
def test_sampling_and_the_chain_agree():
    model = sa.Contaminated(kinds=("random", "inverted"))
    found = model.simulate(4, sa.Design.balanced(10, 8, 7), parameters={"share": 0.25, "item_sd": 1.5})
    sampled = model.fit(found.labels, seed=7, chains=2, draws=600, tune=600, cores=1)
    fast = model.fit(found.labels, seed=7, draws=4000, method="fast")
    # The chains are short, and differ from machine to machine in their last digits and then in all.
    assert sampled.diagnostics().rhat < 1.1
    assert np.all(np.abs(sampled.tail(0.5) - fast.tail(0.5)) < 4.5 * sampled.tail_error(0.5) + 0.03)


def test_dishonest_raters_are_found_by_their_kind():
    design = sa.Design.balanced(80, 20, 12)
    kind = np.array([0] * 13 + [1, 1, 2, 2, 3, 3, 3])
    found = sa.Contaminated().simulate(3, design, parameters={"kind": kind, "item_sd": 3.0, "item_mean": 0.0})
    fit = sa.Contaminated().fit(found.labels, method="fast", seed=1)
    assert np.array_equal(fit.draws["kind_chance"].mean(axis=0).argmax(axis=1), kind)
    right = (fit.tail(0.5) > 0.5) == (found.truth["rate"] > 0.5)
    assert right.mean() > 0.9
    without = (found.labels.rate > 0.5) == (found.truth["rate"] > 0.5)
    assert right.sum() > without.sum()


def test_the_larger_bloc_is_honest():
    kind = np.array([0] * 7 + [2] * 5)
    model = sa.Contaminated(kinds=("inverted",))
    for wrong in (kind, 2 - kind):
        found = sa.Contaminated().simulate(
            3, sa.Design.balanced(40, 12, 12), parameters={"kind": wrong, "item_mean": 0.0, "item_sd": 3.0}
        )
        suspected = model.fit(found.labels, method="fast", seed=1).draws["kind_chance"].mean(axis=0)[:, 1]
        assert np.array_equal(suspected > 0.5, kind == 2)


@pytest.mark.parametrize("kinds", [ALL, ("random", "inverted"), ("colluding",)])
def test_a_fresh_rater_says_what_the_channel_says(kinds):
    model = sa.Contaminated(kinds=kinds)
    parameters = {"share": 0.4, "kind_share": np.array([0.2, 0.5, 0.3])[: len(kinds)]}
    parameters["kind_share"] = parameters["kind_share"] / parameters["kind_share"].sum()
    found = model.simulate(7, sa.Design.balanced(1000, 1000, 8), parameters=parameters, rate=0.85)
    expected = model.channel(draws_of(parameters), np.array([0.85]))
    # 4.5 standard errors of 1000 raters who differ by .25 at most, and of the votes.
    assert found.labels.rate.mean() == pytest.approx(expected[0], abs=4.5 * math.hypot(0.25 / 31.6, 0.5 / 89.4))
    heard = model.channel(draws_of(parameters), np.linspace(0, 1, 5)[None])
    assert np.all(np.diff(heard) > 0)


def test_number_of_dishonest_raters_is_binomial():
    found = sa.Contaminated().simulate(7, sa.Design.balanced(3000, 3000, 1), parameters={"share": 0.3})
    assert (found.truth["kind"] > 0).sum() == pytest.approx(900, abs=4.5 * math.sqrt(630))


def test_votes_of_a_script_without_doubts_have_a_likelihood():
    # The log-odds of a script of such a scale reach 700: the inverse of a chance overflows.
    model = sa.Contaminated(script_scale=3000)
    p = some_parameters(model, 5)
    p["script"] = np.array([1.0, -1.0, 1.0, -1.0])
    found = model.log_likelihood(draws_of(p), DESIGN, LABEL)
    assert np.all(np.isfinite(found))
    # A vote against the script is not a colluder's: each rater has one, and has one left when another is taken away.
    without = sa.Contaminated(kinds=("random", "inverted"))
    honest = 1 - p["share"]
    rest = p["share"] * p["kind_share"][:2]
    share = rest.sum() / (honest + rest.sum())
    same = p | {"share": np.asarray(share), "kind_share": rest / rest.sum()}
    expected = without.log_likelihood(draws_of(same), DESIGN, LABEL)
    script_says = (p["script"] > 0)[DESIGN.item]
    against = np.bincount(DESIGN.rater, weights=script_says != LABEL)
    sure = against[DESIGN.rater] - (script_says != LABEL) > 0
    assert sure.sum() > 3
    assert found[0][sure] == pytest.approx(expected[0][sure])


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: sa.Contaminated(kinds=("lazy",)), "kinds has 'lazy'; allowed: random, inverted, colluding"),
        (lambda: sa.Contaminated(kinds=()), r"kinds is \(\); it must list at least one of random"),
        (lambda: sa.Contaminated(kinds="random"), "kinds is 'random'; it must list at least one"),
        (lambda: sa.Contaminated(share_a=0), "share_a is 0; it must be from 0.001 to 1000000"),
        (
            lambda: sa.Contaminated(kinds=["random"]).simulate(1, DESIGN, parameters={"script": np.zeros(4)}),
            "contaminated has no parameter 'script'",
        ),
        (
            lambda: sa.Contaminated().fit(sa.LabelSet.from_pools({"a": [1, 0]}), seed=1),
            "no rater has labelled more than one item",
        ),
        (
            lambda: sa.Contaminated().fit(
                sa.Design(
                    np.repeat([0, 1], [2, 901]), np.append([0, 1], np.arange(901) % 3), ("a", "b"), ("r", "s", "t")
                ).labelled(np.ones(903, dtype=np.int64)),
                seed=1,
                method="fast",
            ),
            "contaminated: item 'b' has 901 votes; the fast method takes at most 900 on an item: use method=\"nuts\"",
        ),
    ],
)
def test_bad_input_is_refused_in_one_line(call, message):
    with pytest.raises(ValueError, match=message) as refused:
        call()
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("kinds", [("random",), ("inverted", "random"), ALL])
def test_only_colluders_have_a_script(kinds):
    assert ("script" in sa.Contaminated(kinds=kinds).dims) == ("colluding" in kinds)


def test_chains_start_where_the_votes_at_hand_say():
    import pymc as pm
    from pymc.initial_point import make_initial_point_fn

    model = sa.Contaminated()
    built = model.build(DESIGN, 1 - LABEL)
    with built:
        pm.set_data(model.data(DESIGN, LABEL))
    start, other = (make_initial_point_fn(model=x)(0) for x in (built, model.build(DESIGN, LABEL)))
    assert start.keys() == other.keys()
    for name, x in start.items():
        assert np.array_equal(x, other[name])
    sd = np.exp(start["item_sd_log__"])
    about = start["item_mean"] + sd * start["item_logit_standard__"]
    wins, votes = np.bincount(DESIGN.item, weights=LABEL), np.bincount(DESIGN.item)
    assert about == pytest.approx(logit((wins + 1) / (votes + 2)))
