"""The shape that all conformance suites share: clauses by name, tried together or one by one.

A suite cuts its clauses into *scenes*: the object by itself, or the object on one problem. ``check`` tries the scenes
one after the other and reports each clause once, for the first scene where it fails. In a scene that ends at its first
fault, later clauses lean on earlier ones and would only repeat it. ``cases_of`` makes one callable of each clause of
each object, for test frameworks that count and name them:

>>> import seqaudit as sa
>>> cases = sa.belief_cases([sa.Beta(1, 1), sa.Grid([0.2, 0.7], [1, 1])])
>>> cases[0], len({case.clause for case in cases})
(Case(Beta(a=1.0, b=1.0)-kind), 20)
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

__all__ = ["Broken", "Case", "ConformanceError", "Scene", "Test", "cases_of", "check", "expect", "expect_refusal"]

Test = Callable[[], None]


class ConformanceError(AssertionError):
    """An object that breaks a contract.

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
    """A clause that fails; the message says where, what was found and what was expected."""


def expect(kept: bool, fault: str) -> None:
    """Refuse with a fault unless a clause is kept."""
    if not kept:
        raise Broken(fault)


def expect_refusal(what: str, call: Callable[[], object]) -> None:
    """Refuse a call that does not end in a ``ValueError`` of one line."""
    try:
        call()
    except ValueError as error:
        expect("\n" not in str(error), f"{what}: the message has several lines; expected one")
    except Exception as error:
        raise Broken(f"{what}: raised {type(error).__name__}: {error}; expected a ValueError") from None
    else:
        raise Broken(f"{what}: was accepted; expected a ValueError")


@dataclass(frozen=True)
class Scene:
    """Clauses that are tried in one place, in order.

    Attributes
    ----------
    where : str
        What faults begin with: the place, or nothing.
    tests : dict of str to callable
        One test for each clause.
    ends_at_fault : bool
        Whether later tests lean on earlier ones.
    """

    where: str
    tests: Mapping[str, Test]
    ends_at_fault: bool = True


@dataclass(frozen=True, repr=False)
class Case:
    """One clause on one object; a call tries it. ``__name__``, by which pytest names it, says both.

    Attributes
    ----------
    subject : str
        Name of the object.
    clause : str
    scenes : tuple of Scene
        Those that have the clause.
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
        """Try the clause.

        Raises
        ------
        ConformanceError
            With the fault in the first scene where the clause fails.
        """
        for scene in self.scenes:
            if fault := _fault(scene, self.clause):
                raise ConformanceError(f"{self.clause}: {fault}")


def check(scenes: Iterable[Scene]) -> None:
    """Try all clauses of some scenes.

    Raises
    ------
    ConformanceError
        With one line for each clause that failed.
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
    """One case for each clause of each object, by the names in a mapping, or those that ``name`` gives."""
    if not isinstance(subjects, Mapping):
        named: dict[str, Any] = {}
        for subject in subjects:
            called, times = name(subject), 1
            while called in named:
                times += 1
                called = f"{name(subject)} {times}"
            named[called] = subject
        subjects = named
    found = []
    for called, subject in subjects.items():
        places = tuple(scenes(subject))
        clauses = dict.fromkeys(clause for scene in places for clause in scene.tests)
        found += [Case(called, clause, tuple(x for x in places if clause in x.tests)) for clause in clauses]
    return found


def _fault(scene: Scene, clause: str) -> str | None:
    """Run one test; what it found, or None."""
    try:
        scene.tests[clause]()
    except Broken as broken:
        fault = str(broken)
    except Exception as error:
        fault = f"raised {type(error).__name__}: {error}; expected no error"
    else:
        return None
    return scene.where + " ".join(fault.split())
