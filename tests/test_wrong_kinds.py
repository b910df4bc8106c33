"""Objects of the wrong kind, at every argument of every public function: one message that names the argument."""

from __future__ import annotations

import inspect
import re
import tempfile
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr

import seqaudit as sa
from seqaudit.posteriors.foundation.kinds import WrongKind, checked

WRONG = {"None": None, "number": 3, "text": "no such thing", "object": object(), "list": [3], "class": dict}
# Words of an annotation that allow a value of this kind.
ALLOWED = {
    "None": r"\bNone\b",
    "text": r"\bstr\b",
    "list": r"\b(Sequence|Iterable|Mapping|list)\b",
    "class": r"\bCallable\b",
    "number": r"^$",
    "object": r"^$",
}
# Kinds that ``checked`` refuses, and policies, which their converter refuses.
OBJECTS = (
    "Problem LabelSet RaterFit StressGrid Provenance Design xr.Dataset xr.DataTree pd.DataFrame Claim Protocol Policy "
    "Mapping Callable Path PathLike"
)
# The suites that judge a plugged-in class report what they find as a broken contract.
JUDGES = {"check_belief", "check_policy", "check_rater_model"}
# Asked for once a scenario is complete.
LATE = {("make_scenarios", "policies"), ("make_study", "policies"), ("read_study", "policies")}


@cache
def functions():
    """Public functions and constructors by name, those of classes under the name of the class."""
    found = {name: getattr(sa, name) for name in sa.__all__ if inspect.isfunction(getattr(sa, name))}
    found |= {"Design.of": sa.Design.of, "Lattice.of": sa.Lattice.of, "Session": sa.Session}
    return found | {"Session.load": sa.Session.load, "fit": sa.PartialPooling().fit, "simulated": sa.OneCoin().simulate}


def arguments(name):
    return inspect.signature(functions()[name]).parameters


CASES = [
    (name, argument, kind)
    for name in functions()
    if name not in JUDGES
    for argument, about in arguments(name).items()
    if (name, argument) not in LATE
    and re.search(rf"\b({'|'.join(map(re.escape, OBJECTS.split()))})\b", str(about.annotation))
    and about.kind is not about.VAR_KEYWORD
    for kind in WRONG
    if not re.search(ALLOWED[kind], str(about.annotation))
]


@cache
def right():
    """A right value of every argument without a default."""
    problem, labels = sa.Problem([0.5, 0.7], 3), sa.LabelSet.from_pools({"a": [1, 0]})
    session = Path(tempfile.mkdtemp(), "session.json")
    sa.Session(problem, "kg", seed=1).save(session)
    of_values = {"alpha": [0.5], "tables": np.zeros((2, 4, 4)), "i": 0, "items": np.arange(2), "wins": np.zeros(2)}
    of_values |= {"flip": 0.1, "knob": "offset", "kind": "noise", "strength": 0.1, "budget": 1, "seed": 1}
    of_values |= {"flips": [0.1], "baseline": 0.1, "choices": [(0.1, 1.0), (0.2, 0.5)], "c": [0.1], "target": 0.5}
    of_objects = {
        "problem": problem,
        "policy": "kg",
        "labels": labels,
        "dataset": labels,
        "design": sa.Design.of(labels),
    }
    study = {"problem": [{"name": "one", "threshold": [0.5], "budget": 2}], "policies": ["kg"]}
    of_objects |= {"study": sa.make_study(study)}
    responses = {"prompt": ["a", "a"], "response": ["1", "2"], "length": [0.0, 1.0]}
    of_objects |= {"source": pd.DataFrame(responses)}
    of_objects |= {"result": xr.Dataset(), "table": pd.DataFrame(), "checks": xr.DataTree(), "fields": {}}
    return (
        of_values
        | of_objects
        | {"path": session, "run": session, "model": "one-coin", "found": {}, "fit": None, "grid": None}
    )


def call(name, argument, value):
    given = {
        key: right().get(key)
        for key, about in arguments(name).items()
        if about.default is about.empty and about.kind is not about.VAR_KEYWORD
    }
    if name == "stress":
        # A grid takes long to make, and arguments are judged from the left.
        given["grid"] = sa.StressGrid((), 1, 1)
    return functions()[name](**given | {argument: value})


@pytest.mark.parametrize(("name", "argument", "kind"), CASES, ids=map("-".join, CASES))
def test_every_public_function_refuses_an_object_of_the_wrong_kind_by_the_name_of_its_argument(name, argument, kind):
    with pytest.raises((ValueError, TypeError), match=r"(^|\n| )\w+ is .*; (it must be|allowed:) ") as refused:
        call(name, argument, WRONG[kind])
    assert str(refused.value).startswith((argument, "policy", "policies", "belief", "utility"))


def test_every_public_function_that_takes_objects_is_checked():
    taken = {name for name, argument, _ in CASES if "Policy" not in str(arguments(name)[argument].annotation)}
    assert len(taken) > 60
    missing = {
        name
        for name in taken
        if inspect.isfunction(functions()[name]) and not hasattr(functions()[name], "__wrapped__")
    }
    assert missing == set()


def test_a_wrong_kind_is_a_type_error_and_a_value_error_in_one_short_line():
    with pytest.raises(WrongKind) as refused:
        sa.solve(None)
    assert isinstance(refused.value, TypeError)
    assert isinstance(refused.value, ValueError)
    assert str(refused.value) == "problem is None; it must be a Problem or a SharedProblem"
    with pytest.raises(WrongKind, match=r"^result is 3; it must be an xarray Dataset$"):
        sa.curve_table(3)
    with pytest.raises(WrongKind, match=r"^progress is 3; it must be|^fit is 3; it must be a RaterFit or None$"):
        sa.rater_clusters(right()["labels"], 3)


def test_checked_functions_keep_their_name_signature_and_answers():
    assert sa.solve.__name__ == "solve"
    assert list(inspect.signature(sa.solve).parameters)[:2] == ["problem", "keep_policy"]

    @checked
    def both(a: dict[str, int], b: str | None = None, *, c: list[int] | tuple[int, ...] = ()) -> tuple[object, ...]:
        return a, b, c

    assert both({}) == ({}, None, ())
    assert both({"x": 1}, "y", c=[1]) == ({"x": 1}, "y", [1])
    for wrong in ({"a": None}, {"a": {}, "b": 3}, {"a": {}, "c": "text"}, {"a": {}, "c": None}):
        with pytest.raises(WrongKind):
            both(**wrong)


@pytest.mark.smoke
@pytest.mark.parametrize(
    "use",
    [
        lambda p, x: sa.evaluate(p, x).value,
        lambda p, x: sa.expected_labels(p, x).tolist(),
        lambda p, x: sa.passage(p, x).ended.tolist(),
        lambda p, x: sa.expected_final(p, x, np.ones((2, 5, 5))).tolist(),
        lambda p, x: sa.operating_characteristics(p, x, [0.3]).payoff.values.tolist(),
        lambda p, x: sa.simulate(p, x, seed=1, replications=5).mean,
        lambda p, x: sa.certify(p, x).lower,
        lambda p, x: sa.Session(p, x, seed=1).ask(),
        lambda p, x: sa.compare(p, [x]).value.tolist(),
        lambda p, x: sa.compare(p, x).value.tolist(),
    ],
)
def test_a_policy_and_its_name_give_the_same_answer_wherever_a_policy_is_taken(use):
    problem = sa.Problem([0.5, 0.7], 4)
    assert use(problem, "kg") == use(problem, sa.KnowledgeGradient())
    assert use(problem, "top-two(leader=0.75)") == use(problem, sa.TopTwo(leader=0.75))
    with pytest.raises(ValueError, match="policy 'kgg' is not known; did you mean 'kg'"):
        use(problem, "kgg")
    for wrong in (3, sa.KnowledgeGradient):
        with pytest.raises(ValueError, match=r"^polic(y|ies) is "):
            use(problem, wrong)


@pytest.mark.parametrize(
    "work",
    [
        lambda p, told: sa.solve(p, progress=told).value,
        lambda p, told: sa.solve(p.replace(batch=2), progress=told).value,
        lambda p, told: sa.evaluate(p, "kg", progress=told).value,
        lambda p, told: sa.evaluate(p, "thompson", progress=told).value,
        lambda p, told: sa.passage(p, "kg", progress=told).asked.tolist(),
        lambda p, told: sa.operating_characteristics(p, "kg", [0.3], progress=told).payoff.values.tolist(),
    ],
)
def test_progress_is_shown_passed_on_or_left_out_and_changes_no_answer(work, capsys):
    problem, steps = sa.Problem([0.5, 0.7], 6), []
    plain = work(problem, None)
    assert capsys.readouterr() == ("", "")
    assert work(problem, lambda done, total: steps.append((done, total))) == plain
    assert steps[-1][0] == steps[-1][1] > 0
    assert work(problem, True) == plain
    out, err = capsys.readouterr()
    assert out == ""
    assert err.endswith(": 100 %\n")
    assert work(problem, False) == plain
    assert capsys.readouterr() == ("", "")
    with pytest.raises(WrongKind, match=r"^progress is 3; it must be True, False or a function"):
        work(problem, 3)
