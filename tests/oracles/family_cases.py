"""Small problems of the whole family, as the property tests draw them."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import strategies as st
from oracles.beliefs import Belief, beliefs
from oracles.family import UTILITIES, Case, Item

utilities = st.sampled_from(tuple(UTILITIES))
scored = st.sampled_from([name for name in UTILITIES if name != "callable"])
costs = {
    "unit": st.just(1),
    "whole": st.integers(1, 3),
    "quarters": st.integers(1, 8).map(lambda x: x / 4),
    "thirds": st.integers(1, 5).map(lambda x: x / 3),
    "tenths": st.integers(3, 20).map(lambda x: x / 10),
}
prices, sizes = st.sampled_from(tuple(costs)), st.integers(1, 4)
rewards = st.sampled_from((0.0, 0.0, -0.5, 0.25, 1.0))
# Prices of a unit of cost.
fees = st.sampled_from((0.0, 0.0, 0.0, 0.01, 0.0625))
MOST = {1: 8, 2: 6, 3: 5, 4: 4, 5: 3, 6: 2}


@st.composite
def families(
    draw: st.DrawFn,
    *,
    utility: st.SearchStrategy[str] = utilities,
    prior: st.SearchStrategy[Belief] = beliefs,
    cost: st.SearchStrategy[str] = prices,
    reward: st.SearchStrategy[float] = rewards,
    fee: st.SearchStrategy[float] = fees,
    quotas: int = 2,
    batch: bool = True,
    count: st.SearchStrategy[int] = sizes,
    kinds: int = 4,
    shrink: int = 0,
) -> Case:
    """Small problems with every feature at once; many have identical items, capped ones, and ones that are dead.

    At most ``quotas`` quotas and ``kinds`` kinds of items; batches of several labels only with ``batch``; ``shrink``
    labels fewer than usual.
    """
    size = draw(count)
    most = draw(st.integers(1, MOST[size] - shrink))
    price, cap = costs[draw(cost)], st.none() | st.integers(0, most)
    threshold, weight = st.integers(3, 19).map(lambda x: x / 20), st.integers(1, 8).map(lambda x: x / 4)
    kind = st.builds(Item, threshold, weight, prior, cap, price, reward)
    pool = [draw(kind) for _ in range(draw(st.integers(1, min(size, kinds))))]
    items = tuple(draw(st.sampled_from(pool)) for _ in range(size))
    unit = all(x.cost == 1 for x in items)
    budget = most if unit else min(x.cost for x in items) * (most + draw(st.sampled_from((0, 0.3, 0.5))))
    free = Case(items, budget, draw(utility))
    target = draw(st.sampled_from(free.reachable))
    free = replace(free, label_price=draw(fee))
    asked = []
    for _ in range(draw(st.integers(0, quotas))):
        members = tuple(sorted(draw(st.sets(st.integers(0, size - 1), min_size=1))))
        asked.append((members, draw(st.integers(0, sum(target[i] for i in members)))))
    case = replace(free, quotas=tuple(asked))
    return replace(case, batch=draw(st.integers(1, case.labels))) if batch and case.labels else case
