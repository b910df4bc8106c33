"""Partial pooling: quadrature and sampling against a plain integral, published-style maximum likelihood, bad input."""

import dataclasses
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import betaln

import seqaudit as sa

VOTES = sa.LabelSet.from_pools(
    {"a": [1, 1, 1], "b": [1, 0, 1], "c": [0, 0, 0], "d": [1, 1], "e": [0, 1, 0, 0], "f": [1], "g": [1, 1, 1, 1, 0]}
)

# Constants of each model's priors that are numbers.
NUMBERS = {
    name: [x.name for x in dataclasses.fields(sa.make_rater_model(name)) if isinstance(x.default, float)]
    for name in sa.rater_model_names()
}


def plain_posterior():
    """Points (mean, size) with their posterior weights: midpoints of a fine grid, from the model's equations."""
    mean = (np.arange(300) + 0.5) / 300
    log_size = np.linspace(-7.5, 9.5, 400)
    m, s = (x.reshape(-1) for x in np.meshgrid(mean, np.exp(log_size), indexing="ij"))
    logs = -0.5 * ((np.log(s) - 1.0) / 1.5) ** 2
    for n, w in zip(VOTES.counts, VOTES.wins, strict=True):
        logs = logs + betaln(m * s + w, (1 - m) * s + n - w) - betaln(m * s, (1 - m) * s)
    weight = np.exp(logs - logs.max())
    return m, s, weight / weight.sum()


def plain_tail(t):
    from scipy.stats import beta

    m, s, weight = plain_posterior()
    pairs = zip(VOTES.counts, VOTES.wins, strict=True)
    return np.array([weight @ beta.sf(t, m * s + w, (1 - m) * s + n - w) for n, w in pairs])


@pytest.mark.deep
def test_quadrature_has_the_tails_and_parameters_of_a_plain_integral():
    fit = sa.PartialPooling().fit(VOTES, method="fast", seed=7, draws=20_000)
    m, s, weight = plain_posterior()
    # 4.5 standard errors each; ten numbers: false alarm below 1e-4.
    for name, values in (("mean", m), ("size", np.log(s))):
        mine = fit.draws["mean"] if name == "mean" else np.log(fit.draws["size"])
        expected = weight @ values
        spread = math.sqrt(weight @ (values - expected) ** 2)
        assert mine.mean() == pytest.approx(expected, abs=4.5 * spread / math.sqrt(20_000))
        assert mine.std() == pytest.approx(spread, rel=0.05)
    assert np.all(np.abs(fit.tail(0.6) - plain_tail(0.6)) < 4.5 * fit.tail_error(0.6))


@pytest.mark.deep
def test_sampling_agrees_with_the_plain_integral_and_converges():
    fit = sa.PartialPooling().fit(VOTES, seed=7, draws=1000, cores=1)
    assert fit.diagnostics().converged
    assert np.all(np.abs(fit.tail(0.6) - plain_tail(0.6)) < 4.5 * fit.tail_error(0.6))
    loose = [float(x.at(0, 0, 0.6).tail) for x in fit.beliefs()]
    assert loose == pytest.approx(fit.tail(0.6), abs=0.01)


def test_belief_about_a_new_item_has_the_mean_of_the_draws():
    fit = sa.PartialPooling().fit(VOTES, method="fast", seed=7)
    assert fit.new_item().mean == pytest.approx(fit.draws["mean"].mean(), abs=0.005)


def test_simulated_rates_come_from_the_parameters():
    model = sa.PartialPooling()
    found = model.simulate(
        7, sa.Design.balanced(items=4000, raters=3, votes_per_item=2), parameters={"mean": 0.3, "size": 4}
    )
    rate = found.truth["rate"]
    assert rate.mean() == pytest.approx(0.3, abs=4 * rate.std() / math.sqrt(4000))
    assert rate.var() == pytest.approx(0.3 * 0.7 / 5, rel=0.1)
    assert found.labels.rate.mean() == pytest.approx(0.3, abs=4 * 0.4 / math.sqrt(4000))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda m: m.fit(VOTES, seed=1, method="vi"), "method is 'vi'; allowed: 'nuts', 'fast'"),
        (lambda m: m.fit(VOTES, seed=1, sampler="stan"), "sampler is 'stan'; allowed: 'pymc', 'nutpie'"),
        (lambda m: m.fit(VOTES, seed=-1), "seed is -1; it must be a whole number, at least 0"),
        (lambda m: m.fit(VOTES, seed=1, draws=2), "draws is 2; it must be a whole number, at least 4"),
        (lambda m: m.fit(VOTES, seed=1, target_accept=1), "target_accept is 1; it must lie strictly between 0 and 1"),
        (
            lambda m: m.simulate(1, parameters={"skill": 1}),
            "has no parameter 'skill'; it has mean, size",
        ),
        (lambda m: sa.make_rater_model("glad"), "rater model is 'glad'; allowed: partial-pooling, "),
        (
            lambda m: sa.make_rater_model("partial-pooling", x=1),
            "has no constant 'x'; allowed: size_loc",
        ),
        (lambda m: sa.make_rater_model("glad(x=1)"), "rater model is 'glad'; allowed: partial-pooling, "),
        (lambda m: sa.make_rater_model("drift(x=1)"), "setting 'x' is not known; allowed: mean_sd, "),
        (lambda m: sa.make_rater_model("drift(2)"), r"'drift\(2\)': '2' is not a setting; write name=value"),
        (lambda m: sa.make_rater_model("drift(mean_sd=2"), r"rater model is 'drift\(mean_sd=2'; allowed: partial-"),
        (lambda m: sa.make_rater_model("drift(mean_sd=max)"), "mean_sd is 'max'; it must be a number"),
        (lambda m: sa.make_rater_model("drift(mean_sd=-2)"), "mean_sd is -2; it must be from 0.001 to 100"),
    ],
)
def test_bad_input_is_refused_in_one_line(call, message):
    with pytest.raises(ValueError, match=message) as refused:
        call(sa.PartialPooling())
    assert "\n" not in str(refused.value)


@given(
    st.sampled_from(sa.rater_model_names()).flatmap(
        lambda name: st.tuples(st.just(name), st.lists(st.sampled_from(NUMBERS[name]), unique=True), st.floats(0.1, 9))
    )
)
def test_titles_are_read_again(case):
    name, constants, value = case
    model = sa.make_rater_model(name, **dict.fromkeys(constants, value))
    assert sa.make_rater_model(model.title) == model
    assert (model.title == name) == (model == sa.make_rater_model(name))
