"""Other packages, if installed, on the classical two-armed Bernoulli bandit."""

from __future__ import annotations

import importlib
import importlib.metadata
import importlib.util
import time
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import scipy

from ...dp.problem.problem import Problem
from ...posteriors.foundation.arrays import Floats, Ints
from .fresh_process import solved

__all__ = ["PEERS", "measure_peer"]

Row = dict[str, Any]


def measure_peer(name: str, horizon: int, threads: int) -> Row:
    """Measure one package, and ``solve`` if it solves the same problem.

    If the package is missing, the row has only its name and ``installed``, False.
    """
    if importlib.util.find_spec(name) is None:
        return {"peer": name, "installed": False}
    distribution, measure, solves_it = PEERS[name]
    row = {
        "peer": name,
        "installed": True,
        "package": f"{name} {importlib.metadata.version(distribution)}",
        "horizon": horizon,
        **measure(horizon),
    }
    if solves_it:
        problem = Problem.bandit(prior=[(1, 1), (1, 1)], horizon=horizon)
        solved(problem, threads=threads)
        ours = solved(problem, threads=threads)
        row |= {"engine_value": ours["value"], "engine_seconds": ours["seconds"]}
    return row


def _quantecon(horizon: int) -> Row:
    """Backward induction of ``quantecon.markov.DiscreteDP`` on the joint chain, transitions in a sparse matrix."""
    markov = importlib.import_module("quantecon.markov")

    def once(horizon: int) -> Row:
        begin = time.perf_counter()
        state, action, reward, transition = _joint_chain(horizon)
        with warnings.catch_warnings():
            # It warns that an undiscounted problem has no infinite horizon.
            warnings.simplefilter("ignore")
            decisions = markov.DiscreteDP(reward, scipy.sparse.csr_array(transition), 1.0, state, action)
        ready = time.perf_counter()
        values, _ = markov.backward_induction(decisions, horizon, np.zeros(transition.shape[1]))
        return {
            "what": "optimum by backward induction",
            "value": float(values[0][0]),
            "states": transition.shape[1],
            "build_seconds": ready - begin,
            "seconds": time.perf_counter() - ready,
        }

    once(2)
    return once(horizon)


def _joint_chain(horizon: int) -> tuple[Ints, Ints, Floats, Any]:
    """State, action, expected reward and transitions of every state-action pair; states are (n_1, w_1, n_2, w_2)."""
    sides = (horizon + 1,) * 4
    arm = np.stack(np.tril_indices(horizon + 1))
    first, second = np.indices((arm.shape[1],) * 2).reshape(2, -1)
    joint = np.concatenate([arm[:, first], arm[:, second]])
    joint = joint[:, joint[0] + joint[2] <= horizon]
    number = np.full(sides, -1, dtype=np.int64)
    number[tuple(joint)] = np.arange(joint.shape[1])
    over = joint[0] + joint[2] == horizon
    here = number[tuple(joint[:, over])]
    state, action, reward, entries = [here], [0 * here], [0.0 * here], [(here, here, 0 * here + 1.0)]
    here = number[tuple(joint[:, ~over])]
    for a in (0, 1):
        loss = joint[:, ~over]
        mean = (loss[2 * a + 1] + 1) / (loss[2 * a] + 2)
        loss[2 * a] += 1
        win = loss.copy()
        win[2 * a + 1] += 1
        state.append(here)
        action.append(0 * here + a)
        reward.append(mean)
        entries += [(here, number[tuple(win)], mean), (here, number[tuple(loss)], 1 - mean)]
    # One row for each pair, in the order of the pairs: the two outcomes of an action are in the same row.
    size = [len(x) for x in state]
    begin = [0, size[0], size[0], size[0] + size[1], size[0] + size[1]]
    row = np.concatenate([first + np.arange(len(e[0])) for first, e in zip(begin, entries, strict=True)])
    column, chance = (np.concatenate([e[k] for e in entries]) for k in (1, 2))
    transition = scipy.sparse.coo_array((chance, (row, column)), shape=(sum(size), joint.shape[1]))
    return np.concatenate(state), np.concatenate(action), np.concatenate(reward), transition


def _markovianbandit(horizon: int) -> Row:
    """Gittins indices of one arm cut off after ``horizon`` pulls: the package has indices, not a horizon's optimum."""
    bandit = importlib.import_module("markovianbandit")

    def once(horizon: int) -> Row:
        n, w = np.tril_indices(horizon + 1)
        mean = (w + 1) / (n + 2)
        over = n == horizon
        chain = np.zeros((n.size, n.size))
        state = np.arange(n.size)
        after = (n + 1) * (n + 2) // 2 + w
        chain[state[over], state[over]] = 1
        chain[state[~over], after[~over]] = 1 - mean[~over]
        chain[state[~over], after[~over] + 1] = mean[~over]
        begin = time.perf_counter()
        index = bandit.rested_bandit_from_P1_R1(chain, mean).gittins_indices(discount=0.9)
        return {
            "what": "Gittins indices of one arm, discount 0.9",
            "value": float(index[0]),
            "states": n.size,
            "build_seconds": None,
            "seconds": time.perf_counter() - begin,
        }

    once(2)
    return once(horizon)


# By module: the distribution's name, the measurement, and True if it solves the two-armed problem.
PEERS: dict[str, tuple[str, Callable[[int], Row], bool]] = {
    "quantecon": ("quantecon", _quantecon, True),
    "markovianbandit": ("markovianbandit-pkg", _markovianbandit, False),
}
