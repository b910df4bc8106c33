"""Simulation-based calibration: sound models pass at the stated rate, faults are found, and work can be split."""

from dataclasses import dataclass

import numpy as np
import pytest
import xarray as xr

import seqaudit as sa
from seqaudit.benchmarks.calibration.sbc import sbc, sbc_parts, uniformity
from seqaudit.posteriors.raters.compiled import RaterSampler

SMALL = {"draws": 15, "thin": 3, "tune": 80}


def small_design(model, items=8, raters=5, votes=4):
    return sa.Design.balanced(items, raters, votes, groups=2 if model.needs_groups else 0)


@pytest.mark.deep
@pytest.mark.parametrize("name", sa.rater_model_names())
def test_every_model_draws_what_it_fits(name):
    # False alarm: 1 in 1000 for each model.
    model = sa.make_rater_model(name)
    found = uniformity(sbc(model, replications=16, design=small_design(model), seed=7, **SMALL), level=1e-3)
    assert not found["alarm"].any(), found.to_string()
    assert {"log-likelihood", "rate[0]"} <= set(found["quantity"])


@pytest.mark.deep
def test_quadrature_of_partial_pooling_is_calibrated():
    # False alarm: 1 in 100, a level at which the wrong models below are found.
    found = uniformity(sbc("partial-pooling", replications=300, method="fast", seed=7), level=0.01)
    assert not found["alarm"].any(), found.to_string()
    assert np.all(np.abs(found["mean"] - 0.5) < 5 * np.sqrt(1 / 12 / 300))


@pytest.mark.deep
def test_other_prior_constants_are_found():
    wrong = sa.PartialPooling(size_location=4.0, size_scale=0.5)
    result = sbc("partial-pooling", fitted=wrong, replications=60, method="fast", seed=7)
    found = uniformity(result, level=0.01).set_index("quantity")
    assert found["alarm"]["size"]
    # Fitted sizes are too large: true ones rank low, and rates are shrunk too far.
    assert found["mean"]["size"] < 0.3


@dataclass(frozen=True)
class Deaf(sa.PartialPooling):
    """Its posterior is its prior."""

    name = "deaf"

    def approximate(self, design, label, rng, draws):
        truth = [self.draw(rng, design, {}) for _ in range(draws)]
        return {name: np.array([x[name] for x in truth]) for name in self.dims}

    def complete(self, draws, design, label, rng):
        return {}


@pytest.mark.deep
def test_posterior_that_ignores_the_votes_is_found_by_the_log_likelihood_alone():
    found = uniformity(sbc(Deaf(), replications=100, method="fast", seed=7), level=0.01).set_index("quantity")
    assert found["alarm"]["log-likelihood"]
    assert not found["alarm"].drop("log-likelihood").any()


def test_means_of_effects_that_sum_to_zero_are_constants():
    # Their ranks would be those of rounding errors.
    found = sbc("rater-bias", replications=3, method="fast", draws=8, design=small_design(sa.RaterBias()), seed=7)
    names = set(found["quantity"].values)
    assert "mean offset" not in names
    assert {"offset[0]", "offset[4]", "mean item_logit", "log-likelihood"} <= names


@dataclass(frozen=True)
class TooSure(sa.PartialPooling):
    """Its rates have half the spread that they should have on the logit scale."""

    name = "too-sure"

    def complete(self, draws, design, label, rng):
        out = super().complete(draws, design, label, rng)
        x = np.log(out["rate"] + 1e-9) - np.log1p(1e-9 - out["rate"])
        middle = x.mean(axis=0)
        return out | {"rate": 1 / (1 + np.exp(-(middle + (x - middle) / 2)))}


@pytest.mark.deep
def test_posterior_that_is_too_narrow_is_found_and_called_so():
    result = sbc("partial-pooling", fitted=TooSure(), replications=200, method="fast", seed=7)
    found = uniformity(result, level=0.01).set_index("quantity")
    assert found["alarm"]["rate[0]"]
    assert found["spread"]["rate[0]"] > 1.3


def test_false_alarms_are_as_rare_as_stated():
    # Ranks that are uniform by construction.
    rng = np.random.default_rng(7)
    alarms = 0
    for _ in range(40):
        u = rng.random((60, 25))
        made = xr.Dataset(
            {"pit": (("replication", "quantity"), u), "autocorrelation": (("replication", "quantity"), u)},
            coords={"quantity": [str(k) for k in range(25)]},
        )
        alarms += int((uniformity(made)["p_value"] < 0.04).sum())
    # 1000 tests at 4 %: at most 1.5 times as many, plus 4 standard deviations.
    assert 10 < alarms <= 60 + 4 * np.sqrt(60)


@pytest.mark.deep
def test_compiled_sampler_has_the_posterior_of_the_outcomes_it_is_given():
    model, design = sa.PartialPooling(), sa.Design.balanced(items=12, raters=6, votes_per_item=4)
    pilot, other = (model.simulate(seed, design).labels.labels.astype(np.int64) for seed in (1, 2))
    sampler = RaterSampler(model, design, pilot, seed=3)
    draws = sampler.run(other, np.random.default_rng(4), draws=800, thin=2, tune=200)
    exact = model.fit(design.labelled(other), method="fast", seed=5, draws=20_000).draws
    # 5 standard errors, draws being nearly independent.
    for name, scale in (("mean", lambda x: x), ("size", np.log)):
        mine, right = scale(draws[name]), scale(exact[name])
        assert mine.mean() == pytest.approx(right.mean(), abs=5 * right.std() / np.sqrt(500))
        assert mine.std() == pytest.approx(right.std(), rel=0.15)
    assert draws["rate"].shape == (800, 12)
    # The same outcomes and seed give the same draws, whatever came between.
    again = sampler.run(other, np.random.default_rng(4), draws=10, thin=2, tune=200)
    assert np.array_equal(again["mean"], draws["mean"][:10])


def test_answer_does_not_depend_on_workers_or_on_interruptions():
    parts = {}
    settings = {"replications": 25, "method": "fast", "seed": 3, "draws": 15}
    alone = sbc("partial-pooling", **settings, on_part=lambda name, part: parts.setdefault(name, part))
    assert list(parts) == list(sbc_parts(25))
    del parts["replications 10-19"]
    computed = []
    again = sbc(
        "partial-pooling", **settings, n_jobs=2, finished=parts, on_part=lambda name, part: computed.append(name)
    )
    assert computed == ["replications 10-19"]
    xr.testing.assert_identical(alone, again)
    assert not sbc("partial-pooling", **settings | {"seed": 4})["rank"].equals(alone["rank"])
    assert alone["rank"].dtype.kind == "i"
    assert int(alone["rank"].min()) >= 0
    assert int(alone["rank"].max()) <= 15


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"replications": 1}, "replications is 1; it must be a whole number, at least 2"),
        ({"draws": 3}, "draws is 3; it must be a whole number, at least 4"),
        ({"thin": 0}, "thin is 0; it must be a whole number, at least 1"),
        ({"tune": 0}, "tune is 0; it must be a whole number, at least 1"),
        ({"seed": -1}, "seed is -1; it must be"),
        ({"method": "vi"}, "method is 'vi'; allowed: 'nuts', 'fast'"),
        ({"n_jobs": 0}, "the number of workers is 0"),
        ({"model": "glad"}, "rater model is 'glad'; allowed: partial-pooling"),
    ],
)
def test_bad_input_is_refused(change, message):
    with pytest.raises(ValueError, match=message):
        sbc(**{"model": "partial-pooling", "method": "fast", "replications": 4} | change)


def test_bad_level_is_refused():
    with pytest.raises(ValueError, match="level is 0; it must lie strictly between 0 and 1"):
        uniformity(sbc("partial-pooling", method="fast", replications=4), level=0)
