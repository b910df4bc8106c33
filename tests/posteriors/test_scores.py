"""Scores of final beliefs: what is right and what is decisive, against counts of single items in plain Python."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seqaudit import Accuracy, Asymmetric
from seqaudit.posteriors.scores import decisions_right, item_scores

UTILITIES = [Accuracy(), Asymmetric(gain=1.0, loss=3.0)]
RATES = st.floats(0.0, 1.0)


@pytest.mark.parametrize("utility", UTILITIES)
@given(pairs=st.lists(st.tuples(RATES, st.booleans()), min_size=1, max_size=8), eps=st.sampled_from([0.05, 0.1, 0.3]))
def test_scores_where_the_truth_is_known_count_items(utility, pairs, eps):
    stated, truth = np.array([q for q, _ in pairs]), np.array([x for _, x in pairs])
    found = item_scores(utility, stated, truth, eps)
    for k, (q, x) in enumerate(pairs):
        right = (q > utility.accept_above() + 1e-12) == x
        decisive = q <= eps + 1e-12 or q >= 1.0 - eps - 1e-12
        assert (found.right[k], found.decisive[k], found.decisive_right[k]) == (right, decisive, right and decisive)


@pytest.mark.parametrize("utility", UTILITIES)
@given(q=RATES, p=RATES)
def test_expected_score_is_the_mean_over_both_truths(utility, q, p):
    stated = np.array([q])
    win, loss = (decisions_right(utility, stated, [x])[0] for x in (1, 0))
    assert {win, loss} == {0.0, 1.0}
    assert decisions_right(utility, stated, [p])[0] == pytest.approx(p * win + (1.0 - p) * loss, abs=1e-15)


def test_a_truth_that_is_not_known_leaves_what_is_decisive():
    found = item_scores(Accuracy(), np.array([0.99, 0.5]), np.nan, 0.05)
    assert found.decisive.tolist() == [1.0, 0.0]
    assert all(map(math.isnan, found.right))
