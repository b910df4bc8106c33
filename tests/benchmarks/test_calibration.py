"""Reliability on held-out votes, posterior predictive checks and leave-one-out, against plain formulations."""

from __future__ import annotations

import copy
import math
from dataclasses import replace
from itertools import combinations
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import betaln

import seqaudit as sa
from seqaudit.benchmarks.calibration.fit_tables import (
    gold_accuracy,
    item_table,
    parameter_table,
    rater_table,
)
from seqaudit.benchmarks.calibration.held_out import hold_out, predicted
from seqaudit.benchmarks.calibration.posterior_checks import (
    _efficiency,
    compare_fits,
    leave_one_out,
    predictive_checks,
    predictive_table,
    vote_statistics,
)
from seqaudit.benchmarks.calibration.reliability import (
    WORKING,
    _Guess,
    _scored,
    reliability,
    reliability_table,
    scores,
)
from seqaudit.benchmarks.calibration.sbc import sbc
from seqaudit.benchmarks.figures.calibration import plot_checks, plot_ranks, plot_reliability
from seqaudit.benchmarks.runner.folder import RunFolder
from seqaudit.benchmarks.runner.kept import kept_fit
from seqaudit.posteriors.votes.design import Design

POOLED = {"mean": 0.5, "size": 1.0}


def drawn(items=60, raters=10, votes=6, groups=0, seed=7, **parameters):
    design = Design.balanced(items, raters, votes, groups)
    return sa.PartialPooling().simulate(seed, design, parameters=POOLED | parameters)


# Held-out votes


@given(
    sizes=st.lists(st.integers(1, 6), min_size=2, max_size=8),
    share=st.floats(0.05, 0.95),
    seed=st.integers(0, 99),
)
def test_held_out_votes_and_kept_ones_are_all_votes(sizes, share, seed):
    rng = np.random.default_rng(seed)
    raters = 6
    rater = np.concatenate([rng.permutation(raters)[:n] for n in sizes])
    used, rater = np.unique(rater, return_inverse=True)
    item = np.repeat(np.arange(len(sizes)), sizes)
    group = rng.integers(0, 2, item.size)
    group[:2] = [0, 1] if item.size > 1 else 0
    names = tuple(map(str, range(len(sizes))))
    design = Design(item, rater, names, tuple(f"r{k}" for k in used), group, ("x", "y"))
    labels = design.labelled(rng.integers(0, 2, item.size))
    if not any(math.floor(share * n + 0.5) for n in sizes if n > 1):
        with pytest.raises(ValueError, match=r"none can be held out|no item has more than|only one of its group"):
            hold_out(labels, share, seed)
        return
    try:
        parts = hold_out(labels, share, seed)
    except ValueError:
        # All that was held out went back to its group.
        return
    kept = parts.kept
    assert kept.items == labels.items
    assert np.all(kept.counts >= 1)
    assert kept.n_labels + len(parts.held) == labels.n_labels
    assert set(np.unique(kept.group)) == {0, 1}
    whole = {(i, labels.raters[r], y) for i, r, y in zip(item, labels.rater, labels.labels, strict=True)}
    stays = {(i, kept.raters[r], y) for i, r, y in zip(Design.of(kept).item, kept.rater, kept.labels, strict=True)}
    given_up = {
        (i, labels.raters[labels.rater[v]], labels.labels[v]) for i, v in zip(parts.item, parts.held, strict=True)
    }
    assert stays | given_up == whole
    known = [labels.raters[labels.rater[v]] in kept.raters for v in parts.held]
    assert parts.known.tolist() == known
    named = [parts.design.raters[parts.design.rater[v]] for v in parts.held[parts.known]]
    assert named == [labels.raters[labels.rater[v]] for v in parts.held[parts.known]]


def test_held_out_share_is_that_of_each_item():
    parts = hold_out(drawn(items=30, votes=10).labels, 0.3, seed=1)
    assert set(np.bincount(parts.item).tolist()) == {3}
    assert parts.known.all()
    assert not np.array_equal(parts.held, hold_out(drawn(items=30, votes=10).labels, 0.3, seed=2).held)


def test_chance_of_a_held_out_vote_is_the_posterior_mean_of_its_item():
    labels = drawn().labels
    parts = hold_out(labels, 0.3, seed=1)
    fit = sa.PartialPooling().fit(parts.kept, method="fast", seed=2, draws=4000)
    a, b = fit.draws["a"][:, None], fit.draws["b"][:, None]
    closed = ((a + parts.kept.wins) / (a + b + parts.kept.counts)).mean(axis=0)[parts.item]
    assert predicted(fit, parts, 4000).mean(axis=0) == pytest.approx(closed, abs=0.03)
    # Votes whose raters are all their own: nobody of them is known.
    alone = hold_out(sa.LabelSet.from_pools({"a": [1, 1, 0, 1], "b": [0, 0, 1, 0]}), 0.5, seed=1)
    assert not alone.known.any()
    fit = sa.PartialPooling().fit(alone.kept, method="fast", seed=2, draws=100)
    assert np.array_equal(predicted(fit, alone, 100), fit.draws["rate"][:, alone.item])


# Reliability


@given(
    cases=st.lists(
        st.tuples(st.floats(0.01, 0.99), st.integers(0, 1), st.integers(0, 3)),
        min_size=1,
        max_size=20,
    )
)
def test_scores_are_their_definitions(cases):
    p, y, b = (np.array(x) for x in zip(*cases, strict=True))
    n = len(cases)
    brier = sum((q - z) ** 2 for q, z, _ in cases) / n
    log = sum(math.log(q if z else 1 - q) for q, z, _ in cases) / n
    error = 0.0
    for k in set(b.tolist()):
        mine = [(q, z) for q, z, j in cases if j == k]
        gap = sum(q for q, _ in mine) / len(mine) - sum(z for _, z in mine) / len(mine)
        error += len(mine) / n * abs(gap)
    assert scores(p, y.astype(float), b) == pytest.approx([brier, log, error], abs=1e-12)


def test_model_that_drew_the_votes_is_reliable_and_better_than_the_working_model():
    found = reliability(drawn(items=400, raters=20, votes=5, mean=0.8, size=6.0).labels, seed=7)
    gains = found["gain"].sel(model="partial-pooling", kind=["vote", "verdict"], measure=["brier", "log_score"])
    errors = found["gain_se"].sel(model="partial-pooling", kind=["vote", "verdict"], measure=["brier", "log_score"])
    assert np.all(gains.values > 2 * errors.values)
    error = found["score"].sel(measure="calibration_error")
    spread = found["score_se"].sel(measure="calibration_error")
    for kind in ("vote", "verdict"):
        at = {"model": "partial-pooling", "kind": kind}
        assert float(error.sel(at)) < float(found["by_chance"].sel(at)) + 3 * float(spread.sel(at))
        # Beta(1, 1) takes rates for more spread than they are, and is far off.
        at["model"] = WORKING
        assert float(error.sel(at)) > float(found["by_chance"].sel(at)) + 3 * float(spread.sel(at))


def test_working_model_is_its_closed_form():
    labels = drawn(items=200, votes=6).labels
    found = reliability(labels, seed=3, draws=20_000, bins=5)
    parts = hold_out(labels, 0.3, seed=3)
    n, w = parts.kept.counts, parts.kept.wins
    p = ((1 + w) / (2 + n))[parts.item]
    at = {"model": WORKING, "kind": "vote"}
    assert float(found["score"].sel(at | {"measure": "brier"})) == pytest.approx(
        ((p - parts.label) ** 2).mean(), abs=2e-3
    )
    assert float(found["number"].sel(at)) == len(p)
    # Two votes held out each; both are 1 with a beta-binomial chance.
    wins = np.bincount(parts.item, weights=parts.label, minlength=200)
    both = np.exp(betaln(1 + w + 2, 1 + n - w) - betaln(1 + w, 1 + n - w))
    at = {"model": WORKING, "kind": "verdict", "measure": "brier"}
    assert float(found["score"].sel(at)) == pytest.approx(((both - (wins == 2)) ** 2).mean(), abs=3e-3)


def test_standard_errors_are_those_of_repetition():
    values, errors = [], []
    for seed in range(25):
        found = reliability(drawn(items=80, votes=6, seed=seed).labels, seed=seed, draws=200)
        at = {"model": "partial-pooling", "kind": "vote", "measure": "brier"}
        values.append(float(found["score"].sel(at)))
        errors.append(float(found["score_se"].sel(at)))
    # The standard deviation of 25 values is known to within 15 %: 4 of these.
    assert np.mean(errors) == pytest.approx(np.std(values, ddof=1), rel=0.6)


def test_calibration_error_by_chance_is_that_of_draws_of_all_chains():
    labels = drawn(items=40, raters=20, votes=20).labels
    parts = hold_out(labels, 0.5, seed=1)
    # Four chains laid end to end, of which the first has found something else.
    chance = np.repeat([0.9, 0.5, 0.5, 0.5], 250)[:, None] * np.ones(len(parts.held))
    guess = _Guess(chance, np.full(40, 0.5), np.random.default_rng(2))
    found = _scored(guess, parts, labels, np.full(40, 0.5), np.ones((2, 40), dtype=np.int64), 1)
    # Mean 0.6: a quarter of the replicates are off by 0.3, the others by 0.1. The errors of 200 replicates of 400 votes
    # have standard deviations of 0.002.
    assert float(found["by_chance"].sel(kind="vote")) == pytest.approx(0.15, abs=0.01)


def test_known_answers_are_judged_where_there_are_any():
    found = drawn(items=50)
    labels = found.labels
    gold = (found.truth["rate"] > 0.5).astype(float)
    gold[::5] = np.nan
    result = reliability(replace(labels, gold=gold), seed=1)
    assert result["kind"].values.tolist() == ["vote", "verdict", "tail", "gold"]
    assert float(result["number"].sel(model=WORKING, kind="gold")) == 40
    table = reliability_table(result)
    assert len(table) == 8
    fit = sa.PartialPooling().fit(replace(labels, gold=gold), method="fast", seed=1)
    found = gold_accuracy(fit)
    right = [(p > 0.5) == (g == 1) for p, g in zip(fit.tail(0.5), gold, strict=True) if not math.isnan(g)]
    assert found["model"] == pytest.approx(np.mean(right))
    assert found["items"] == 40
    assert gold_accuracy(sa.PartialPooling().fit(labels, method="fast", seed=1)) is None


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"share": 0}, "share is 0; it must lie strictly between 0 and 1"),
        ({"share": 0.01}, "no item has more than"),
        ({"threshold": 1.0}, "threshold is 1.0; it must lie strictly between 0 and 1"),
        ({"threshold": [0.5, 0.5]}, "threshold has shape"),
        ({"bins": 0}, "bins is 0; it must be a whole number, at least 1"),
        ({"draws": 2}, "draws is 2; it must be a whole number, at least 4"),
        ({"models": []}, "models are none; give one or more, each once"),
        ({"models": ["partial-pooling"] * 2}, "models are partial-pooling, partial-pooling; give"),
    ],
)
def test_bad_input_of_reliability_is_refused(change, message):
    with pytest.raises(ValueError, match=message):
        reliability(drawn(items=5).labels, **{"models": ["partial-pooling"]} | change)


# Posterior predictive checks


@given(
    st.lists(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 1)), min_size=1, max_size=4), min_size=1, max_size=5)
)
@settings(max_examples=30)
def test_statistics_are_their_definitions(pools):
    item = np.repeat(np.arange(len(pools)), [len(x) for x in pools])
    rater = np.array([r for x in pools for r, _ in x])
    label = np.array([y for x in pools for _, y in x])
    used, rater = np.unique(rater, return_inverse=True)
    labels = Design(item, rater, tuple(map(str, range(len(pools)))), tuple(map(str, used))).labelled(label)
    found = vote_statistics(labels, label)
    assert found["share of 1"] == pytest.approx(label.mean())
    assert found["variance of items"] == pytest.approx(np.var([np.mean([y for _, y in x]) for x in pools]))
    shares = [label[rater == r].mean() for r in range(len(used)) if (rater == r).sum() > 1]
    assert found["variance of raters"] == pytest.approx(np.var(shares) if shares else math.nan, nan_ok=True)
    pairs = [y == z for x in pools for (_, y), (_, z) in combinations(x, 2)]
    assert found["agreement"] == pytest.approx(np.mean(pairs) if pairs else math.nan, nan_ok=True)


def test_checks_pass_the_right_model_and_find_raters_with_a_bias_of_their_own():
    labels = drawn(items=100, raters=8, votes=5).labels
    fit = sa.PartialPooling().fit(labels, method="fast", seed=1)
    table = predictive_table(predictive_checks(fit, seed=2)).set_index("statistic")
    assert table["p_value"].between(0.01, 0.99).all()
    assert table["observed"]["share of 1"] == pytest.approx(labels.labels.mean())
    # Two raters say 1 to everything: partial pooling knows of no raters.
    votes = np.where(labels.rater < 2, 1, labels.labels)
    biased = sa.PartialPooling().fit(Design.of(labels).labelled(votes), method="fast", seed=1)
    table = predictive_table(predictive_checks(biased, seed=2)).set_index("statistic")
    assert table["p_value"]["variance of raters"] < 0.01
    assert 0.01 < table["p_value"]["share of 1"] < 0.99


# Leave-one-out


def test_leave_one_out_is_that_of_refits():
    pools = {"a": [1, 1, 1], "b": [1, 0, 1], "c": [0, 0, 0], "d": [1, 1], "e": [0, 1, 0, 0], "f": [1, 1, 1, 1, 0]}
    labels = sa.LabelSet.from_pools(pools)
    mean = (np.arange(150) + 0.5) / 150
    m, s = (x.reshape(-1) for x in np.meshgrid(mean, np.exp(np.linspace(-7.5, 9.5, 200)), indexing="ij"))
    prior = -0.5 * ((np.log(s) - 1.0) / 1.5) ** 2

    def evidence(counts, wins):
        logs = prior.copy()
        for n, w in zip(counts, wins, strict=True):
            logs += betaln(m * s + w, (1 - m) * s + n - w) - betaln(m * s, (1 - m) * s)
        return np.logaddexp.reduce(logs)

    exact = 0.0
    for i, label in zip(Design.of(labels).item, labels.labels, strict=True):
        n, w = labels.counts.copy(), labels.wins.copy()
        n[i] -= 1
        w[i] -= label
        exact += evidence(labels.counts, labels.wins) - evidence(n, w)
    fit = sa.PartialPooling().fit(labels, method="fast", seed=3, draws=8000)
    found = leave_one_out(fit, draws=8000)
    assert found.elpd == pytest.approx(exact, abs=0.05)
    assert found.n_data_points == labels.n_labels


@pytest.fixture(scope="module")
def coin_tossers():
    """Fast fit, whose draws are a chain, to votes of eight raters of whom the last two surely answer at random."""
    design, rng = Design.balanced(30, 8, 6, seed=3), np.random.default_rng(3)
    answer = rng.integers(0, 2, 30)[design.item]
    votes = np.where(rng.random(design.size) < 0.97, answer, 1 - answer)
    votes = np.where(design.rater >= 6, rng.integers(0, 2, design.size), votes)
    model = sa.make_rater_model("contaminated", kinds=("random",))
    return model.fit(design.labelled(votes), method="fast", seed=1, draws=400)


def test_votes_worth_the_same_in_most_draws_have_a_leave_one_out_and_no_bad_k(coin_tossers):
    labels = coin_tossers.labels
    logs = coin_tossers.model.log_likelihood(coin_tossers.draws, Design.of(labels), labels.labels.astype(np.int64))
    weight = np.exp(-logs)
    even = weight.sum(axis=0) ** 2 / (weight**2).sum(axis=0) > 0.99 * 400
    tossed = even & np.isclose(logs.mean(axis=0), math.log(0.5), atol=1e-2)
    assert tossed.sum() > 20
    found = leave_one_out(coin_tossers)
    # Where the weights are nearly equal there is nothing to smooth: plain importance sampling.
    plain = -np.log(weight.mean(axis=0))
    assert found.elpd_i.values[even] == pytest.approx(plain[even], abs=1e-3)
    assert np.all(found.pareto_k.values[even] < found.good_k)


def test_draws_of_a_chain_count_by_their_effective_number(coin_tossers):
    import arviz as az
    import xarray as xr

    # Chains of which every second draw repeats the one before.
    halves = coin_tossers.posterior.isel(draw=np.arange(50) // 2 * 2).assign_coords(draw=np.arange(50))
    sticky = replace(coin_tossers, sampled=coin_tossers.sampled.assign({"posterior": xr.DataTree(halves)}))
    size = az.ess(halves[["rate"]], method="mean")["rate"].values.mean()
    assert size < 0.7 * 400
    assert _efficiency(sticky) == pytest.approx(size / 400)
    # Draws that are better than independent ones count as independent.
    assert az.ess(coin_tossers.posterior[["rate"]], method="mean")["rate"].values.mean() > 400
    assert _efficiency(coin_tossers) == 1.0
    assert _efficiency(sa.PartialPooling().fit(coin_tossers.labels, method="fast", seed=1, draws=50)) == 1.0


def test_leave_one_out_needs_draws_enough_and_takes_the_fewest():
    labels, model = drawn(items=12).labels, sa.PartialPooling()
    assert np.isfinite(leave_one_out(model.fit(labels, method="fast", seed=1, draws=30)).elpd)
    with pytest.raises(ValueError, match="draws is 29; leave-one-out needs at least 30, of all chains together"):
        leave_one_out(model.fit(labels, method="fast", seed=1, draws=29))
    with pytest.raises(ValueError, match="draws is 5; leave-one-out needs at least 30"):
        leave_one_out(model.fit(labels, method="fast", seed=1, draws=60), draws=5)
    with pytest.raises(ValueError, match="draws is 0; it must be a whole number, at least 1"):
        predictive_checks(model.fit(labels, method="fast", seed=1, draws=30), draws=0)


@pytest.mark.filterwarnings("ignore:Estimated shape parameter of Pareto")
@pytest.mark.parametrize("name", sa.rater_model_names())
def test_leave_one_out_of_the_library_on_a_fit_equals_that_of_the_package(name):
    import arviz as az

    model = sa.make_rater_model(name)
    labels = model.simulate(5, Design.balanced(16, 8, 4, groups=2 if model.needs_groups else 0)).labels
    fit = model.fit(labels, method="fast", seed=1, draws=400)
    sizes = fit.posterior.sizes
    assert fit.data["log_likelihood"]["label"].shape == (sizes["chain"], sizes["draw"], 64)
    found, own = az.loo(fit.data, pointwise=True, reff=_efficiency(fit)), leave_one_out(fit)
    # The noise that makes Pareto fits possible is all that differs.
    assert found.elpd_i.values == pytest.approx(own.elpd_i.values, abs=5e-3)
    assert [found.elpd, found.se, found.p] == pytest.approx([own.elpd, own.se, own.p], abs=2e-2)


def test_log_likelihoods_of_a_fit_are_bounded_in_memory():
    fit = sa.PartialPooling().fit(drawn(items=12).labels, method="fast", seed=1, draws=60)
    thin = fit.log_likelihood(draws=7)
    assert dict(thin["log_likelihood"].sizes) == {"chain": 1, "draw": 7, "vote": 72}
    assert thin["posterior"]["rate"].dims == ("chain", "draw", "item")
    assert np.array_equal(thin["posterior"]["rate"].values[0], fit.thinned(7)["rate"])
    # However many votes there are, leave-one-out gets the draws that it needs.
    many = copy.copy(fit)
    many.__dict__.pop("data", None)
    object.__setattr__(many, "labels", SimpleNamespace(n_labels=10**8))
    assert many.most_draws == 30
    assert "log_likelihood" not in many.data.children
    with pytest.raises(ValueError, match=r"60 draws of 100000000 votes need 48000 MB of .* give draws=30 or fewer"):
        many.log_likelihood()


def test_log_likelihoods_of_a_fit_are_kept_with_it(tmp_path):
    import arviz as az

    labels, model = drawn(items=12).labels, sa.PartialPooling()
    folder = RunFolder(tmp_path, "fit", {"a": 1}, ())
    fits = [kept_fit(folder, "fit", model, labels, method="fast", seed=1, draws=60) for _ in range(2)]
    assert az.loo(fits[1].data).elpd == az.loo(fits[0].data).elpd


def test_models_are_compared_best_first():
    labels = drawn(items=60).labels
    right, wrong = sa.PartialPooling(), sa.PartialPooling(size_location=5.0, size_scale=0.1)
    found = {
        name: leave_one_out(m.fit(labels, method="fast", seed=1)) for name, m in (("wrong", wrong), ("right", right))
    }
    table = compare_fits(found)
    assert table["model"].tolist() == ["right", "wrong"]
    assert table["elpd_diff"][1] == pytest.approx(found["wrong"].elpd - found["right"].elpd)
    assert table["elpd_diff"][1] < -4 * table["dse"][1]
    assert table["k_bad"].tolist() == [0, 0]
    alone = compare_fits({"right": found["right"]})
    assert alone["elpd"][0] == table["elpd"][0]
    assert list(alone.columns) == list(table.columns)


# Tables and figures


def test_tables_hold_what_the_fit_says(tmp_path):
    labels = drawn(items=12, groups=2).labels
    model = sa.PartialPooling()
    folder = RunFolder(tmp_path, "fit", {})
    fit = kept_fit(folder, "fit", model, labels, method="fast", seed=1, draws=300)
    again = kept_fit(folder, "fit", model, labels, method="fast", seed=2, draws=10)
    assert again.method == "fast"
    for name, x in fit.draws.items():
        assert np.array_equal(x, again.draws[name])
    items = item_table(again, 0.6)
    assert items["tail"].tolist() == fit.tail(0.6).tolist()
    assert items["tail_se"].tolist() == fit.tail_error(0.6).tolist()
    assert items["rate"].to_numpy() == pytest.approx(fit.draws["rate"].mean(axis=0))
    assert items["ones"].tolist() == labels.wins.tolist()
    parameters = parameter_table(fit).set_index("parameter")
    assert list(parameters.index) == ["mean", "size", "a", "b"]
    assert parameters["sd"]["size"] == pytest.approx(fit.draws["size"].std())
    raters = rater_table(fit)
    assert raters["votes"].sum() == labels.n_labels
    assert raters["ones"].sum() == labels.wins.sum()


def test_figures_are_written(tmp_path):
    labels = drawn(items=20).labels
    checks = predictive_checks(sa.PartialPooling().fit(labels, method="fast", seed=1), draws=50)
    plot_checks({"first": checks, "second": checks}, tmp_path / "checks.png")
    plot_reliability(reliability(labels, bins=3, draws=100), tmp_path / "reliability.png", "votes")
    plot_ranks(sbc("partial-pooling", replications=12, method="fast"), tmp_path / "ranks.png")
    for name in ("checks", "reliability", "ranks"):
        assert (tmp_path / f"{name}.png").read_bytes().startswith(b"\x89PNG")
