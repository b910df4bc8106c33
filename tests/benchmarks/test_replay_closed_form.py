"""Replay against the law of drawing without replacement."""

from __future__ import annotations

import numpy as np
from scipy.stats import beta, hypergeom

import seqaudit as sa


def test_round_robin_at_two_labels_an_item_scores_what_the_hypergeometric_law_says():
    # An item has two labels drawn without replacement, so the expected accuracy and its variance are sums over items.
    # False alarms: 6 in 100,000 seeds.
    rng = np.random.default_rng(11)
    items, votes, replications = 400, 20, 20
    rate, threshold = rng.beta(0.7, 0.7, items), 0.62
    pools = {f"item {i}": rng.binomial(1, rate[i], votes).tolist() for i in range(items)}
    wins = np.array([sum(pool) for pool in pools.values()])
    truth = wins / votes > threshold
    right = np.zeros(items)
    for w in range(3):
        decided = beta.sf(threshold, 1 + w, 3 - w) > 0.5
        right += hypergeom.pmf(w, votes, wins, 2) * (decided == truth)
    result = sa.replay(
        sa.LabelSet.from_pools(pools),
        ["round-robin"],
        budget=2 * items,
        seed=3,
        replications=replications,
        threshold=threshold,
    )
    seen = float(result["decision_accuracy"].isel(labels=-1).mean())
    error = np.sqrt((right * (1 - right)).sum() / replications) / items
    assert 0.5 < right.mean() < 0.95
    assert abs(seen - right.mean()) < 4 * error
