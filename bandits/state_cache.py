"""Numbers that belong to states of single items, computed once and remembered.

Simulation, replay and exact evaluation meet the same state of an item in many joint states. Its number is a function of
that state alone, so remembering it changes no answer.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

import numpy as np

from ..posteriors.foundation.arrays import Floats, Ints
from .kernels import ahead as _kernels

__all__ = ["MOST_ANSWERS", "ItemNumbers", "Memory", "state_keys"]


_FIRST_ROOM = 1024
# With more answers than this, of 32 to 64 bytes each, all are dropped before the next question.
MOST_ANSWERS = 4_000_000
# A key has 35 bits for labels and wins.
_MOST_LABELS = 262_142


def state_keys(kind: Ints, labels: Ints, wins: Ints, ahead: Ints, most: int) -> Ints:
    """Key of each state and look-ahead; EMPTY for an impossible state or a look-ahead of no labels."""
    key = ((kind * (most + 1) + ahead) << 35) + labels * (labels + 1) // 2 + wins
    return np.where((wins >= 0) & (wins <= labels) & (ahead > 0), key, _kernels.EMPTY)


class Memory:
    """Numbers by key, looked up many at a time."""

    def __init__(self) -> None:
        self._keys = np.full(_FIRST_ROOM, _kernels.EMPTY, dtype=np.int64)
        self._values = np.empty(_FIRST_ROOM)
        self._last = np.empty(0, dtype=np.int64), np.empty(0)
        self.used = 0

    def find(self, keys: Ints) -> Floats:
        """Number of each key: NaN where it is not known, zero for EMPTY."""
        out = np.empty(len(keys))
        _kernels.find(self._keys, self._values, keys, out)
        return out

    def answers(self, keys: Ints, states: tuple[Ints, ...], work_out: Callable[..., None]) -> Floats:
        """Number of each key; ``work_out(keys, *states)`` enters those that are not known, each of them once."""
        asked, given = self._last
        if len(asked) == len(keys):
            # One label changes one state, so that most keys are those of the last question.
            new, out = np.flatnonzero(keys != asked), given.copy()
        else:
            new, out = np.arange(len(keys)), np.empty(len(keys))
        out[new] = self.find(keys[new])
        missing = new[np.isnan(out[new])]
        if missing.size:
            fresh, first = np.unique(keys[missing], return_index=True)
            work_out(fresh, *(x.reshape(-1)[missing[first]] for x in states))
            out[missing] = self.find(keys[missing])
        self._last = keys, out.copy()
        return out

    def enter(self, keys: Ints, values: Floats) -> None:
        """Remember new keys."""
        self.used += len(keys)
        if 2 * self.used > len(self._keys):
            room = 1 << (4 * self.used - 1).bit_length()
            old = self._keys, self._values
            self._keys, self._values = np.full(room, _kernels.EMPTY, dtype=np.int64), np.empty(room)
            _kernels.enter(self._keys, self._values, *old)
        _kernels.enter(self._keys, self._values, keys, values)


class ItemNumbers:
    """Values of an elementwise rule at states of items, each computed once.

    Parameters
    ----------
    rule : callable
        Function of items, labels and wins, arrays of one shape; its values are finite.
    """

    def __init__(self, rule: Callable[[Ints, Ints, Ints], Floats]) -> None:
        self.rule = rule
        self._known = Memory()
        self._lock = threading.Lock()

    def at(self, counts: Ints, wins: Ints) -> Floats:
        """Number of every item in S joint states, (S, N) from labels and wins (S, N)."""
        items = np.broadcast_to(np.arange(counts.shape[1]), counts.shape)
        if counts.max(initial=0) > _MOST_LABELS:
            # Their keys would run into those of the next item.
            return np.asarray(self.rule(items, counts, wins), dtype=np.float64)
        keys = state_keys(items, counts, wins, np.ones_like(counts), 1).reshape(-1)
        with self._lock:
            if self._known.used > MOST_ANSWERS:
                self._known = Memory()
            out = self._known.answers(keys, (items, counts, wins), self._work_out)
        return out.reshape(counts.shape)

    def _work_out(self, keys: Ints, items: Ints, counts: Ints, wins: Ints) -> None:
        # A copy, since the kernel would be compiled again for a read-only array.
        self._known.enter(keys, np.array(self.rule(items, counts, wins), dtype=np.float64))
