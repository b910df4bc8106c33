"""Information of comparisons and fits of their parameter: definitions, other optimisers, and what a label is worth."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import scipy
from hypothesis import given, settings
from hypothesis import strategies as st

import seqaudit as sa


@st.composite
def answers(draw, most=5):
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    items, width, size = draw(st.integers(2, 6)), draw(st.integers(1, 3)), draw(st.integers(1, 12))
    features = rng.normal(size=(items, width))
    pairs = np.array([rng.choice(items, 2, replace=False) for _ in range(size)])
    labels = rng.integers(0, most, size)
    labels[0] += 1
    return features, pairs, rng.binomial(labels, 0.5), labels, rng


def log_posterior(theta, features, pairs, wins, labels, beta, offset, prior):
    """Of plain Python numbers."""
    total = -0.5 * sum(theta[i] * prior[i][j] * theta[j] for i in range(len(theta)) for j in range(len(theta)))
    for e, (i, j) in enumerate(pairs):
        u = offset[e] + beta * sum((features[i][d] - features[j][d]) * theta[d] for d in range(len(theta)))
        chance = 1.0 / (1.0 + math.exp(-u))
        total += wins[e] * math.log(chance) + (labels[e] - wins[e]) * math.log1p(-chance)
    return total


@settings(max_examples=40, deadline=None)
@given(answers(), st.sampled_from([0.5, 1.0, 3.0]))
def test_map_is_the_maximum_of_the_plain_log_posterior(given_answers, beta):
    features, pairs, wins, labels, rng = given_answers
    width = features.shape[1]
    root = rng.normal(size=(width, width))
    prior = root @ root.T + 0.1 * np.eye(width)
    offset = rng.normal(size=len(pairs))
    found = sa.fit_comparisons(features, pairs, wins, labels, beta=beta, offset=offset, prior=prior)
    assert not found.separated

    def height(theta):
        return log_posterior(theta, features, pairs, wins, labels, beta, offset, prior)

    best = height(found.theta)
    for step in (1e-4, 1e-2, 1.0):
        for _ in range(4):
            assert height(found.theta + step * rng.normal(size=width)) <= best + 1e-12
    assert found.log_likelihood == pytest.approx(best + 0.5 * found.theta @ prior @ found.theta, rel=1e-9, abs=1e-9)
    # The precision is minus the second derivative.
    h = 1e-4
    unit = h * np.eye(width)
    for a, b in itertools.product(range(width), repeat=2):
        change = [s * t * height(found.theta + s * unit[a] + t * unit[b]) for s in (1, -1) for t in (1, -1)]
        assert found.precision[a, b] == pytest.approx(-sum(change) / (4 * h * h), rel=1e-4, abs=1e-4)


@settings(max_examples=150, deadline=None)
@given(answers(most=2))
def test_separation_is_found_just_where_the_likelihood_has_no_maximum(given_answers):
    features, pairs, wins, labels, _ = given_answers
    features = np.round(2 * features)
    found = sa.fit_comparisons(features, pairs, wins, labels)
    x = features[pairs[:, 0]] - features[pairs[:, 1]]

    def loss(theta):
        u = x @ theta
        return -(wins @ u - labels @ np.logaddexp(0.0, u)) + 1e-9 * theta @ theta

    held = scipy.optimize.minimize(loss, np.zeros(x.shape[1]), method="BFGS", options={"gtol": 1e-12}).x
    # With next to no prior the maximum is far away just where there is none without.
    assert found.separated == (np.abs(x[labels > 0] @ held).max() > 10.0)
    if not found.separated:
        np.testing.assert_allclose(x @ found.theta, x @ held, atol=1e-3)


def test_rewards_of_two_items_have_their_closed_form():
    for wins, labels in ((3, 4), (1, 10), (50, 99)):
        found = sa.fit_comparisons(np.eye(2), [[0, 1]], [wins], [labels], beta=2.0)
        margin = math.log(wins / (labels - wins))
        assert 2.0 * (found.theta[0] - found.theta[1]) == pytest.approx(margin, rel=1e-10)
        # Nothing tells of their sum.
        assert found.theta.sum() == pytest.approx(0.0, abs=1e-12)


def test_what_is_known_of_margins_far_from_zero_is_made_up_for():
    for offset in (-1000.0, -50.0, 700.0):
        found = sa.fit_comparisons(np.eye(2), [[0, 1]], [3], [4], offset=offset)
        assert found.theta[0] - found.theta[1] + offset == pytest.approx(math.log(3.0), abs=1e-9)
    # Two comparisons that cannot both be near 0, with plains between them.
    found = sa.fit_comparisons([[1.0], [0.0]], [[0, 1], [0, 1]], [1, 2], [4, 4], offset=[-400.0, 400.0])
    # There 3 - 4 sigma(theta - 400) - 4 sigma(theta + 400) is 0.
    assert found.theta[0] == pytest.approx(-400.0 + math.log(3.0), abs=1e-9)


def test_units_of_features_do_not_matter_and_any_prior_ends_separation():
    for size in (1e-90, 1e-8, 1e8, 1e90):
        found = sa.fit_comparisons(size * np.eye(2), [[0, 1]], [3], [4])
        assert size * (found.theta[0] - found.theta[1]) == pytest.approx(math.log(3.0), rel=1e-9)
    for prior in (1e-12, 1e-6, 1.0):
        found = sa.fit_comparisons(np.eye(2), [[0, 1]], [4], [4], prior=prior)
        margin = found.theta[0] - found.theta[1]
        # Where the slope is 0: 4 (1 - sigma(u)) = prior u / 2.
        assert 4.0 / (1.0 + math.exp(margin)) == pytest.approx(prior * margin / 2.0, rel=1e-6)
    # A prior that holds only the sum of both does not.
    assert sa.fit_comparisons(np.eye(2), [[0, 1]], [4], [4], prior=[[1.0, 1.0], [1.0, 1.0]]).separated


def test_information_is_that_of_its_definition():
    margin = np.array([0.0, 1.0, -3.0, 30.0, -700.0])
    chance = np.array([float(1 / (1 + scipy.special.exp10(-u / math.log(10)))) for u in margin])
    np.testing.assert_allclose(sa.label_information(margin)[:3], (chance * (1 - chance))[:3], rtol=1e-12)
    assert sa.label_information(-700.0) == sa.label_information(700.0) == pytest.approx(math.exp(-700), rel=1e-12)
    rng = np.random.default_rng(2)
    features, p = rng.normal(size=(6, 3)), np.concatenate([rng.dirichlet(np.ones(4)), rng.dirichlet(np.ones(2))])
    group, weight = list("aaaabb"), [1.0, 3.0]
    wanted = np.zeros((3, 3))
    for name, share in (("a", 0.25), ("b", 0.75)):
        own = [k for k in range(6) if group[k] == name]
        mean = sum(p[k] * features[k] for k in own)
        wanted += share * sum(p[k] * np.outer(features[k] - mean, features[k] - mean) for k in own)
    np.testing.assert_allclose(sa.policy_information(features, p, group=group, weight=weight), wanted, atol=1e-14)
    rows = sa.pair_rows(features, [[0, 5], [3, 1]], beta=0.5, margin=[0.0, 2.0])
    chance = 1 / (1 + math.exp(-2.0))
    np.testing.assert_allclose(rows[0], 0.25 * (features[0] - features[5]))
    np.testing.assert_allclose(rows[1], 0.5 * math.sqrt(chance * (1 - chance)) * (features[3] - features[1]))


@pytest.mark.deep
def test_labels_times_the_gap_of_a_trained_policy_is_half_beta_times_the_trace():
    """n (J* - J(fit)) tends to (beta / 2) tr(I M^+), for the optimal design and for uniform comparisons."""
    beta, n, runs = 0.7, 40_000, 12_000
    rng = np.random.default_rng(11)
    prior = np.array([0.5, 0.3, 0.2])
    reward = np.array([0.3, -0.2, 0.1])
    best = prior * np.exp(reward / beta)
    best /= best.sum()
    pairs = np.array([[0, 1], [0, 2], [1, 2]])
    margin = reward[pairs[:, 0]] - reward[pairs[:, 1]]
    rows = sa.pair_rows(np.eye(3), pairs, beta=beta, margin=margin)
    fisher = sa.policy_information(np.eye(3), best)
    optimal = sa.design(rows, target=fisher)
    for weight in (optimal.weight, np.full(3, 1 / 3)):
        counts = np.round(n * weight).astype(int)
        trace = np.trace(fisher @ np.linalg.pinv((rows.T * counts) @ rows))
        gaps = []
        for wins in rng.binomial(counts, 1 / (1 + np.exp(-margin)), size=(runs, 3)):
            theta = sa.fit_comparisons(np.eye(3), pairs, wins, counts, beta=beta).theta
            policy = prior * np.exp(theta)
            policy /= policy.sum()
            # J* - J(pi) is beta times the divergence of pi from the best policy.
            gaps.append(beta * (policy @ np.log(policy / best)))
        ratio = np.array(gaps) / (0.5 * beta * trace)
        error = ratio.std() / math.sqrt(runs)
        assert error <= 0.011
        assert abs(ratio.mean() - 1.0) <= 4 * error


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: sa.pair_rows(np.eye(2), [[0, 0]]), r"pairs\[0\] compares item 0 with itself"),
        (lambda: sa.pair_rows(np.eye(2), [[0, 2]]), r"pairs\[0, 1\] is 2; the items are 0 to 1"),
        (lambda: sa.pair_rows(np.eye(2), [0, 1]), r"pairs has shape \(2,\)"),
        (lambda: sa.pair_rows([[1.0], [np.inf]], [[0, 1]]), r"features\[1, 0\] is inf"),
        (lambda: sa.pair_rows(np.eye(2), [[0, 1]], beta=0.0), "beta is 0.0"),
        (lambda: sa.label_information([np.nan]), "margin has entries that are nan"),
        (lambda: sa.policy_information(1e200 * np.eye(2), [0.5, 0.5]), "features has a column whose largest entry is"),
        (lambda: sa.pair_rows(np.eye(2), [[0, 1]], margin=[1.0, 2.0]), r"margin has shape \(2,\)"),
        (lambda: sa.policy_information(np.eye(2), [0.5, 0.6]), r"probability sums to 1\.1 over all responses"),
        (lambda: sa.policy_information(np.eye(2), [0.5, 0.0]), r"probability\[1\] is 0\.0"),
        (lambda: sa.policy_information(np.eye(2), [1.0, 0.9], group=["a", "b"]), r"sums to 0\.9 over the prompt 'b'"),
        (lambda: sa.policy_information(np.eye(2), [1.0, 1.0], group=["a"]), "group has 1 entries"),
        (lambda: sa.policy_information(np.eye(2), [0.5, 0.5], weight=[0.0]), "weight sums to 0"),
        (lambda: sa.fit_comparisons(np.eye(2), [[0, 1]], [2]), r"wins\[0\] is 2; it must be at most"),
        (lambda: sa.fit_comparisons(np.eye(2), [[0, 1]], [1, 0]), r"wins has shape \(2,\)"),
        (lambda: sa.fit_comparisons(np.eye(2), [[0, 1]], [1], prior=-1.0), "prior is not symmetric and positive"),
        (lambda: sa.fit_comparisons(np.eye(2), [[0, 1]], [1], prior=np.eye(3)), r"prior has shape \(3, 3\)"),
        (lambda: sa.fit_comparisons(np.eye(2), [[0, 1]], [1], offset=np.nan), "offset has entries that are not finite"),
    ],
)
def test_faulty_arguments_are_told_by_name(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_repr_says_what_was_found():
    found = sa.fit_comparisons(np.eye(3), [[0, 1], [1, 2]], [1, 2], [3, 4])
    assert repr(found) == f"ComparisonFit(3 features, log-likelihood {found.log_likelihood:.6g})"
    assert found == sa.fit_comparisons(np.eye(3), [[0, 1], [1, 2]], [1, 2], [3, 4])
