"""Helpers of tests of policies and sessions: a policy that looks at the budget, and sessions that go on alike."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

import seqaudit as sa


@dataclass(frozen=True)
class Endgame(sa.IndexPolicy):
    """Fewest labels first while more than ``last`` of the budget is left, and most labels after."""

    last: float = 4.0
    name: ClassVar[str] = "endgame"
    uses_remaining: ClassVar[bool] = True

    def index(self, states):
        return np.where(states.remaining > self.last, -states.labels, states.labels + 0.1 * states.mean)


def assert_go_on_alike(one: sa.Session, other: sa.Session) -> None:
    """Both sessions know the same, and ask for the same items until the budget is spent."""
    for field in ("counts", "wins", "outstanding", "remaining", "budget_left", "tail"):
        assert np.array_equal(getattr(one, field), getattr(other, field))
    while one.remaining:
        item = one.ask()
        assert other.ask() == item
        for session in (one, other):
            session.tell(item, item % 2)
