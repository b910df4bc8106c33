"""Framework of all conformance suites: named clauses, checked together or one by one.

A suite groups its clauses into *scenes*: the object by itself, or the object on one problem. ``check`` runs the scenes
one after the other and reports each clause once, for the first scene where it fails. Some scenes end at their first
fault, because their later clauses depend on earlier ones and would only repeat it. ``cases_of`` makes one callable for
each clause of each object, for test frameworks that count and name them:

>>> import seqaudit as sa
>>> cases = sa.belief_cases([sa.Beta(1, 1), sa.Grid([0.2, 0.7], [1, 1])])
>>> cases[0], len({case.clause for case in cases})
(Case(Beta(a=1.0, b=1.0)-kind), 18)
>>> for case in cases:
...     case()

With pytest, a failure names the object and the clause::

    @pytest.mark.parametrize("case", sa.belief_cases([MyBelief(1.0), MyBelief(2.0)]))
    def test_my_beliefs_conform(case):
        case()
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from ..foundation.plugins import text_of, wrote_into

__all__ = [
    "Broken",
    "Case",
    "ConformanceError",
    "Scene",
    "Test",
    "cases_of",
    "check",
    "expect",
    "expect_no_write",
    "expect_refusal",
]

Test = Callable[[], None]


class ConformanceError(AssertionError):
    """Error for an object that breaks a contract.

    Attributes
    ----------
    faults : tuple of str
        One line for each clause that failed.
    """

    @property
    def faults(self) -> tuple[str, ...]:
        """One line for each clause that failed."""
        return self.args

    def __str__(self) -> str:
        return "\n".join(self.args)


class Broken(Exception):
    """Failure of a clause; the message says where, what was found and what was expected."""


def expect(kept: bool, fault: str) -> None:
    """Raise ``Broken`` with a message unless a condition holds."""
    if not kept:
        raise Broken(fault)


def expect_refusal(what: str, call: Callable[[], object]) -> None:
    """Raise ``Broken`` unless a call raises a ``ValueError`` with a message of one line."""
    try:
        call()
    except ValueError as error:
        expect("\n" not in str(error), f"{what}: the message has several lines; expected one")
    except Exception as error:
        raise Broken(f"{what}: raised {type(error).__name__}: {error}; expected a ValueError") from None
    else:
        raise Broken(f"{what}: was accepted; expected a ValueError")


def expect_no_write[Result](what: str, call: Callable[[], Result]) -> Result:
    """Result of a call; raises ``Broken`` where it writes into one of the read-only arrays that it is shown."""
    try:
        return call()
    except Exception as error:
        if wrote_into(error):
            raise Broken(f"{what} writes into an array that it is shown; expected it to leave arrays alone") from None
        raise


@dataclass(frozen=True)
class Scene:
    """Clauses that are checked on one problem, in order.

    Attributes
    ----------
    where : str
        Prefix of the messages: the problem, or the empty string.
    tests : dict of str to callable
        One test for each clause.
    ends_at_fault : bool
        True if later tests depend on earlier ones.
    """

    where: str
    tests: Mapping[str, Test]
    ends_at_fault: bool = True


@dataclass(frozen=True, repr=False)
class Case:
    """One clause for one object; a call checks it. ``__name__``, which pytest shows, names both.

    Attributes
    ----------
    subject : str
        Name of the object.
    clause : str
    scenes : tuple of Scene
        Scenes that contain the clause.
    """

    subject: str
    clause: str
    scenes: tuple[Scene, ...]

    @property
    def __name__(self) -> str:
        return f"{self.subject}-{self.clause}"

    def __repr__(self) -> str:
        return f"Case({self.__name__})"

    def __call__(self) -> None:
        """Check the clause in each of its scenes.

        Raises
        ------
        ConformanceError
            If the clause fails, with the fault in the first such scene.
        """
        for scene in self.scenes:
            if fault := _fault(scene, self.clause):
                raise ConformanceError(f"{self.clause}: {fault}")


def check(scenes: Iterable[Scene]) -> None:
    """Check all clauses of some scenes.

    Raises
    ------
    ConformanceError
        If any clause fails, with one line for each.
    """
    faults: dict[str, str] = {}
    for scene in scenes:
        for clause in scene.tests:
            if fault := _fault(scene, clause):
                faults.setdefault(clause, fault)
                if scene.ends_at_fault:
                    break
    if faults:
        raise ConformanceError(*(f"{clause}: {fault}" for clause, fault in faults.items()))


def cases_of(
    subjects: Mapping[str, Any] | Iterable[Any],
    name: Callable[[Any], str],
    scenes: Callable[[Any], Iterable[Scene]],
) -> list[Case]:
    """One case for each clause of each object; objects are named by the keys of a mapping, or by ``name``."""
    if not isinstance(subjects, (Mapping, Iterable)):
        raise ValueError(f"found {text_of(subjects)}; expected a mapping or a list of objects to check")
    found: list[Case] = []
    named = set()
    for key, subject in subjects.items() if isinstance(subjects, Mapping) else ((None, x) for x in subjects):
        # These raise for an object of another kind, which may have no name.
        places = tuple(scenes(subject))
        called, times = name(subject) if key is None else str(key), 1
        while called in named:
            times += 1
            called = f"{name(subject)} {times}"
        named.add(called)
        clauses = dict.fromkeys(clause for scene in places for clause in scene.tests)
        found += [Case(called, clause, tuple(x for x in places if clause in x.tests)) for clause in clauses]
    return found


def _fault(scene: Scene, clause: str) -> str | None:
    """Fault that a test reports, or None if it passes."""
    try:
        scene.tests[clause]()
    except Broken as broken:
        fault = str(broken)
    except Exception as error:
        fault = f"raised {type(error).__name__}: {error}; expected no error"
    else:
        return None
    return scene.where + " ".join(fault.split())
