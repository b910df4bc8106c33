"""Ask/tell session: labels bought from people, one question at a time.

``ask`` names the item to label next; ``tell`` enters an answer. Answers may come late, in any order, for items that
were never asked for, and more than once:

- While an answer is outstanding, its label counts as bought: towards budget, cap and quotas. Its item is passed over as
  long as another one can be asked. So several people can work at once.
- Every answer that is entered counts against the budget, asked for or not.
- With batches of B, the questions of a batch are chosen from the answers entered before the first of them was asked.
  Answers that come earlier than the next batch are entered, and affect choices from the next batch on.
- An answer with an ``answer_id`` that is already known is ignored if it agrees with the earlier one, and refused
  otherwise.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from ...dp.machine.files import write_whole
from ...dp.problem.problem import Problem
from ...posteriors.foundation.arrays import Bools, Floats, Ints
from ...posteriors.foundation.kinds import checked
from ...posteriors.foundation.refusals import shown, vote_or_none, whole
from ...posteriors.foundation.seeds import Seed
from ..policy import Policy
from ..registry import make_policy
from ..simulation.board import Board
from ..simulation.seeds import replication_keys

__all__ = ["BudgetSpent", "Session"]

_FORMAT, _VERSION = "seqaudit-session", 1


class BudgetSpent(ValueError):
    """Error: the budget affords no further label, or not the one that was entered."""


class Session:
    """A labelling session of one policy on one problem.

    Parameters
    ----------
    problem : Problem
    policy : Policy or registered name
    seed : int, SeedSequence or Generator
        Seed of tie-breaks and draws: the same answers in the same order then give the same questions.

    Examples
    --------
    >>> import seqaudit as sa
    >>> session = sa.Session(sa.Problem([0.5, 0.7], budget=2), "variance-reduction", seed=7)
    >>> i = session.ask()
    >>> session.tell(i, 1)
    >>> session.remaining
    1
    """

    @checked
    def __init__(self, problem: Problem, policy: str | Policy, *, seed: Seed) -> None:
        self.problem, self.policy = problem, make_policy(policy)
        _, keys = replication_keys(seed, 1)
        self._board = Board(problem, self.policy, keys)
        self._asked = 0
        self._events: list[list[Any]] = []
        self._answers: dict[str, tuple[int, int]] = {}

    @property
    def counts(self) -> Ints:
        """Labels entered of each item, shape (N,)."""
        return np.array(self._board.counts[0])

    @property
    def wins(self) -> Ints:
        """Wins among them, shape (N,)."""
        return np.array(self._board.wins[0])

    @property
    def outstanding(self) -> Ints:
        """Questions asked and not yet answered, by item, shape (N,)."""
        return np.array(self._board.bought[0] - self._board.counts[0])

    @property
    def remaining(self) -> int:
        """Largest number of questions that can still be asked; with unequal costs it depends on the items asked for."""
        return self._board.rules.labels(self._board.bought[0])

    @property
    def budget_left(self) -> float:
        """Budget that is not used by answers or outstanding questions."""
        return max(0.0, self.problem.budget - self._board.rules.spent(self._board.bought[0]))

    @property
    def tail(self) -> Floats:
        """P(alpha > t) of each item now, shape (N,)."""
        return self.problem.tail_at(self.counts, self.wins)

    def decisions(self) -> Bools:
        """Decision on each item if labelling stopped now.

        Returns
        -------
        ndarray of bool, shape (N,)
            True for an item that would be declared learnable.
        """
        return self.problem.utility.decide(self.tail)

    def ask(self) -> int:
        """Item to label next.

        Returns
        -------
        int
            Number of the item, from 0.

        Raises
        ------
        BudgetSpent
            When no item is available: answers and outstanding questions have used up the budget, or every item's cap.
        """
        item = int(self._board.choose(self._asked)[0])
        if item < 0:
            raise BudgetSpent(f"{self._spent}: {self._entered} entered, {int(self.outstanding.sum())} outstanding")
        self._board.ask(np.array([0]), np.array([item]))
        self._asked += 1
        self._events.append(["ask", item])
        return item

    def tell(self, item: int, label: int, *, answer_id: str | None = None) -> None:
        """Enter an answer.

        Parameters
        ----------
        item : int
            Number of the item, from 0.
        label : {0, 1}
            1 for a win.
        answer_id : str, optional
            Identifier of the answer; an answer that is entered again with the same one counts once.

        Raises
        ------
        ValueError
            For an item or label that does not exist, an item whose cap is reached, or an answer that contradicts an
            earlier one of the same ``answer_id``.
        BudgetSpent
            When the answers entered so far leave too little budget for it, or only what the quotas need for other
            items.
        """
        item = whole("item", item, 0, self.problem.size - 1)
        vote = vote_or_none(label)
        if vote is None:
            raise ValueError(f"label of {self.problem.name[item]} is {shown(label)}; allowed: 0 and 1")
        answer = (item, vote)
        if answer_id is not None and answer_id in self._answers:
            if self._answers[answer_id] != answer:
                known, said = self._answers[answer_id]
                raise ValueError(
                    f"answer {answer_id!r} was label {said} for {self.problem.name[known]} and is now label "
                    f"{label} for {self.problem.name[item]}"
                )
            return
        self._require_payable(int(item))
        # An unasked answer can use the budget of an outstanding question, whose own answer is then refused.
        enter = self._board.enter if self.outstanding[item] else self._board.record
        enter(np.array([0]), np.array([item]), np.array([vote]))
        self._events.append(["tell", *answer, answer_id])
        if answer_id is not None:
            self._answers[answer_id] = answer

    def _require_payable(self, item: int) -> None:
        """Raise unless one more label of an item can be bought, by the answers entered so far."""
        counts, rules = self._board.counts, self._board.rules
        available = rules.items(counts)[0]
        if available[item]:
            return
        name, cap, cost = self.problem.name[item], int(self.problem.cap[item]), float(self.problem.cost[item])
        if not available.any():
            raise BudgetSpent(f"{self._spent}; a label for {name} is one too many")
        spent = rules.spent(counts[0])
        affordable = spent + cost <= rules.limit
        if affordable and counts[0, item] >= cap:
            raise ValueError(f"{name} has its {cap} labels already")
        left = max(0.0, self.problem.budget - spent)
        needed = ", which the quotas need for other items" if affordable else ""
        raise BudgetSpent(f"a label for {name} costs {cost:g}; {left:g} is left of the budget{needed}")

    @property
    def _spent(self) -> str:
        unit = " labels" if self.problem.unit_costs else ""
        return f"the budget of {self.problem.budget}{unit} is spent"

    @property
    def _entered(self) -> int:
        return int(self._board.counts.sum())

    def save(self, path: str | Path) -> None:
        """Write all questions and answers as JSON; the file is written whole or not at all.

        Parameters
        ----------
        path : str or Path
        """
        text = json.dumps(
            {
                "format": _FORMAT,
                "version": _VERSION,
                "policy": repr(self.policy),
                "problem": self.problem.digest(),
                "key": self._board.keys[0].tolist(),
                "events": self._events,
            }
        )
        write_whole(path, text)

    @classmethod
    @checked
    def load(cls, path: str | Path, problem: Problem, policy: str | Policy) -> Session:
        """Resume a saved session.

        Parameters
        ----------
        path : str or Path
        problem : Problem
        policy : Policy or registered name
            Problem and policy of the saved session.

        Returns
        -------
        Session

        Raises
        ------
        ValueError
            For a file that is not a session, of another version, policy or problem.
        """
        try:
            saved = json.loads(Path(path).read_text(encoding="utf-8"))
            if saved["format"] != _FORMAT:
                raise ValueError(saved["format"])
            version, name, events = saved["version"], saved["policy"], saved["events"]
            keys = np.array(saved["key"], dtype=np.uint64).reshape(1, 2)
        except (ValueError, OverflowError, KeyError, TypeError):
            raise ValueError(f"{path}: not a saved session") from None
        session = cls(problem, policy, seed=0)
        if version != _VERSION:
            raise ValueError(f"{path}: session format {version}; this version reads {_VERSION}")
        if name != repr(session.policy):
            raise ValueError(f"{path}: a session of policy {name}, not {session.policy!r}")
        if saved.get("problem") != problem.digest():
            raise ValueError(f"{path}: a session on another problem")
        session._board.keys = keys
        try:
            for kind, item, *rest in events:
                if kind == "ask":
                    if session.ask() != item:
                        raise ValueError("another item would be asked for")
                else:
                    session.tell(item, rest[0], answer_id=rest[1])
        except (ValueError, TypeError, IndexError) as error:
            raise ValueError(f"{path}: the session was not made with this problem and policy: {error}") from None
        return session
