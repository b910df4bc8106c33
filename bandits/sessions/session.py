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

Threads may share a session: each call sees all earlier ones whole.
"""

from __future__ import annotations

import copy
import json
import threading
from collections.abc import Callable
from contextlib import suppress
from functools import wraps
from pathlib import Path
from typing import Any, Concatenate
from uuid import UUID

import numpy as np

from ...dp.machine.files import write_whole
from ...dp.machine.reading import Unreadable, read_json
from ...dp.machine.seal import seal_is_whole, sealed
from ...dp.problem.digest import is_digest_of
from ...dp.problem.problem import Problem
from ...posteriors.foundation.arrays import Bools, Floats, Ints
from ...posteriors.foundation.canonical import canonical
from ...posteriors.foundation.kinds import checked
from ...posteriors.foundation.messages import named, shown
from ...posteriors.foundation.notebook import html_table
from ...posteriors.foundation.refusals import file_path, vote_or_none, whole, whole_or_none
from ...posteriors.foundation.seeds import Seed
from ..policy import Policy
from ..registry import label, make_policy
from ..simulation.board import Board
from ..simulation.seeds import replication_keys

__all__ = ["BudgetSpent", "Session"]

_FORMAT, _VERSION = "seqaudit-session", 2
# Bits of a whole number that identifies an answer: those of a UUID.
_ID_BITS = 128


class BudgetSpent(ValueError):
    """Error: the budget affords no further label, or not the one that was entered."""


def _locked[**P, Found](method: Callable[Concatenate[Session, P], Found]) -> Callable[Concatenate[Session, P], Found]:
    """Method that one thread at a time runs."""

    @wraps(method)
    def run(self: Session, /, *args: P.args, **kwargs: P.kwargs) -> Found:
        with self._lock:
            return method(self, *args, **kwargs)

    return run


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
        self._lock = threading.RLock()
        _, keys = replication_keys(seed, 1)
        self._board = Board(problem, self.policy, keys)
        self._asked = 0
        self._events: list[list[Any]] = []
        self._answers: dict[str | int, tuple[int, int]] = {}

    @property
    @_locked
    def counts(self) -> Ints:
        """Labels entered of each item, shape (N,)."""
        return np.array(self._board.counts[0])

    @property
    @_locked
    def wins(self) -> Ints:
        """Wins among them, shape (N,)."""
        return np.array(self._board.wins[0])

    @property
    @_locked
    def outstanding(self) -> Ints:
        """Questions asked and not yet answered, by item, shape (N,)."""
        return np.array(self._board.bought[0] - self._board.counts[0])

    @property
    @_locked
    def remaining(self) -> int:
        """Largest number of questions that can still be asked; with unequal costs it depends on the items asked for."""
        return self._board.rules.labels(self._board.bought[0])

    @property
    @_locked
    def budget_left(self) -> float:
        """Budget that is not used by answers or outstanding questions."""
        return max(0.0, self.problem.budget - self._board.rules.spent(self._board.bought[0]))

    @property
    def stopped(self) -> bool:
        """True if the policy, when it was last asked, bought no further label although one could be bought."""
        board = self._board
        return not board.open.size and bool(board.rules.items(board.bought).any())

    @property
    @_locked
    def tail(self) -> Floats:
        """P(alpha > t) of each item now, shape (N,)."""
        return self.problem.tail_at(self.counts, self.wins)

    @_locked
    def __repr__(self) -> str:
        told, asked = self._entered, int(self.outstanding.sum())
        return f"Session({self.problem!r}, {label(self.policy)}: {told} labels entered, {asked} outstanding)"

    @_locked
    def _repr_html_(self) -> str:
        import pandas as pd

        columns = {
            "item": self.problem.name,
            "labels": self.counts,
            "wins": self.wins,
            "outstanding": self.outstanding,
            "tail": self.tail,
            "decision": self.decisions(),
        }
        return html_table(self.__repr__(), pd.DataFrame(columns))

    def decisions(self) -> Bools:
        """Decision on each item if labelling stopped now.

        Returns
        -------
        ndarray of bool, shape (N,)
            True for an item that would be declared learnable.
        """
        return self.problem.utility.decide(self.tail)

    @_locked
    def ask(self) -> int:
        """Item to label next.

        Returns
        -------
        int
            Number of the item, from 0.

        Raises
        ------
        BudgetSpent
            When no item is available: answers and outstanding questions have used up the budget, or every item's cap;
            or when the policy buys no further label (``stopped``).
        """
        item = int(self._board.choose(self._asked)[0])
        if item < 0 and self.stopped:
            if self._events[-1:] != [["stop"]]:
                self._events.append(["stop"])
            raise BudgetSpent(f"{self.policy.name} buys no further label: {self._entered} entered")
        if item < 0:
            raise BudgetSpent(f"{self._spent}: {self._entered} entered, {int(self.outstanding.sum())} outstanding")
        self._board.ask(np.array([0]), np.array([item]))
        self._asked += 1
        self._events.append(["ask", item])
        return item

    @_locked
    def tell(self, item: int, label: int, *, answer_id: str | int | UUID | None = None) -> None:
        """Enter an answer.

        Parameters
        ----------
        item : int
            Number of the item, from 0.
        label : {0, 1}
            1 for a win.
        answer_id : str, int or UUID, optional
            Identifier of the answer; an answer that is entered again with the same one counts once. A UUID is the same
            as its text; a number is not.

        Raises
        ------
        ValueError
            For an item or label that does not exist, an item whose cap is reached, an answer that contradicts an
            earlier one of the same ``answer_id``, or an ``answer_id`` that is none, such as a blank one or nan.
        BudgetSpent
            When the answers entered so far leave too little budget for it, or only what the quotas need for other
            items.
        """
        item = whole("item", item, 0, self.problem.size - 1)
        vote = vote_or_none(label)
        if vote is None:
            raise ValueError(f"label of {named(self.problem.name[item])} is {shown(label)}; allowed: 0 and 1")
        answer, answer_id = (item, vote), _checked_id(answer_id)
        if answer_id is not None and answer_id in self._answers:
            if self._answers[answer_id] != answer:
                known, said = self._answers[answer_id]
                raise ValueError(
                    f"answer {shown(answer_id)} was label {said} for {named(self.problem.name[known])} and is "
                    f"now label {vote} for {named(self.problem.name[item])}"
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
        name, cap, cost = named(self.problem.name[item]), int(self.problem.cap[item]), float(self.problem.cost[item])
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
        if (self._board.bought[0] >= self.problem.cap).all():
            return "all items have as many labels as their caps allow"
        return f"the budget of {self.problem.budget}{unit} is spent"

    @property
    def _entered(self) -> int:
        return int(self._board.counts.sum())

    @_locked
    def save(self, path: str | Path) -> None:
        """Write all questions and answers as JSON; the file is written whole or not at all.

        Parameters
        ----------
        path : str or Path
        """
        record = {
            "format": _FORMAT,
            "version": _VERSION,
            "policy": repr(self.policy),
            "settings": canonical(self.policy),
            "problem": self.problem.digest(),
            "key": self._board.keys[0].tolist(),
            "events": self._events,
        }
        write_whole(path, json.dumps(sealed(record)))

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
            For a file that is not a session, that is damaged, or that is of another version, policy or problem.
        """
        path = file_path("path", path)
        try:
            saved = read_json(path)
            if saved["format"] != _FORMAT:
                raise ValueError(saved["format"])
            version, name, events = saved["version"], saved["policy"], saved["events"]
            keys = np.array(saved["key"], dtype=np.uint64).reshape(1, 2)
        except Unreadable as error:
            raise ValueError(f"{path}: {error}") from None
        except (ValueError, OverflowError, KeyError, TypeError):
            raise ValueError(f"{path}: not a saved session") from None
        session = cls(problem, policy, seed=0)
        if isinstance(version, bool) or version not in (1, _VERSION):
            raise ValueError(f"{path}: session format {version}; this version reads 1 and {_VERSION}")
        # The first version has no checksum, and knows a policy by its repr.
        if version == _VERSION and not seal_is_whole(saved):
            raise ValueError(f"{path}: damaged: the session differs from the checksum in it")
        known, wanted = (
            (name, repr(session.policy)) if version == 1 else (saved.get("settings"), canonical(session.policy))
        )
        if known != wanted:
            other = "with other settings" if name == repr(session.policy) else f"not {shown(session.policy)}"
            raise ValueError(f"{path}: a session of policy {named(name)}, {other}")
        if not is_digest_of(problem, saved.get("problem"), version):
            raise ValueError(f"{path}: a session on another problem")
        session._board.keys = keys
        try:
            for event in events:
                session._replay(event, version)
        except (ValueError, TypeError, IndexError) as error:
            raise ValueError(f"{path}: the session was not made with this problem and policy: {error}") from None
        return session

    def _replay(self, event: Any, version: int) -> None:
        """Repeat a saved question or answer."""
        match event:
            case ["ask", item]:
                if self.ask() != item:
                    raise ValueError("another item would be asked for")
            case ["stop"]:
                with suppress(BudgetSpent):
                    raise ValueError(f"{self.problem.name[self.ask()]} would be asked for")
            case ["tell", item, label, answer_id]:
                # In the first version a missing identifier could be blank, or nan, which equals nothing.
                missing = version == 1 and (answer_id == "" or answer_id != answer_id)
                self.tell(item, label, answer_id=None if missing else answer_id)
            case _:
                raise ValueError(f"there is no event {shown(event)}")

    def __copy__(self) -> Session:
        """Session of its own: half a copy would share the answers and not the number of questions."""
        return copy.deepcopy(self)

    def __getstate__(self) -> dict[str, Any]:
        """All but the lock, which cannot be copied."""
        return {key: value for key, value in self.__dict__.items() if key != "_lock"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state, _lock=threading.RLock())


def _checked_id(answer_id: Any) -> str | int | None:
    """Identifier as it is saved: a text or a whole number; None for none."""
    given = str(answer_id) if isinstance(answer_id, (str, UUID)) else answer_id
    if given is None or (isinstance(given, str) and given.strip()):
        return given
    number = whole_or_none(given)
    if number is None or number.bit_length() > _ID_BITS:
        raise ValueError(
            f"answer_id is {shown(given)}; it must be a text that is not blank, a whole number of at most {_ID_BITS} "
            "bits, a UUID, or None"
        )
    return number
