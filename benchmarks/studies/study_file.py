"""Studies read from TOML files.

    name              letters, digits, blanks and . , ( ) -; default: the name of the file
    seed              default 7
    replications      runs of every policy on every problem; default 20
    checkpoints       evenly spaced numbers of labels, up to all, after which metrics are taken; default 1, the end; or
                      a list of labels an item, ascending, such as [0.1, 1, 10]
    policies          names with settings, such as "lookahead(depth=2)", or files, such as "mine.py:Mine"
    metrics           names with settings, such as "decisive-mass(eps=0.1)"; default: all
    [[problem]]       one or more, each with a name and one of
        ...               the keys of a problem file
        file              a problem file
        labels            a label file; with it items (a file, or several), ensemble, orientation, reference, map (of
                          its labels), columns, separator, encoding, repeated and strict, as of read_labels, and the
                          keywords of problem_of_labels
        generator         a generator, the number of problems that it draws as count, and its settings
    [cross]           values of axes, of which each is combined with each
    [zip]             values of axes, of which the first go together, the second, and so on
    [problem.cross], [problem.zip]    the same for the problem before them

An axis is a keyword of problems, such as ``budget``, ``beta``, ``utility`` or ``label_price``; ``labels_per_item``,
which gives the budget; or ``nature``, the name and the strength of one that differs from the priors, or ``"prior"``;
for label files also what tells of the reference: ``items``, ``ensemble``, ``orientation`` or ``reference``.
Paths are relative to the file. Everything is checked before any work starts.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

from ...bandits.choice import choose_policies
from ...bandits.policy import Policy
from ...bandits.policy_file import policy_from_file
from ...bandits.registry import make_policy
from ...dp.problem.checks import ProblemError
from ...dp.problem.problem import Problem
from ...dp.problem.toml import faults_of as faults_of_problem
from ...dp.problem.toml import read_toml
from ...posteriors.foundation.kinds import checked
from ...posteriors.foundation.messages import first_line, shown
from ...posteriors.foundation.names import nearest_name
from ...posteriors.foundation.refusals import file_path, positive, whole
from ...posteriors.utilities import make_utility
from ..metrics.metric import Metric
from ..metrics.offline import METRICS
from .axes import CROSS, ZIP, Axes, combinations, places_of_axis, require_no_near_names
from .cells import Environment
from .faults import REFUSALS, Fault, entry_lines, faults_of, line_of, places_of, require_known
from .generators import drawn_problems
from .label_pools import OF_REFERENCES, LabelFiles, LabelPools, plain_setting
from .plain_data import plain_data
from .sources import Source, Stated
from .study import Study
from .tables import require_columns

__all__ = ["StudyError", "make_study", "read_study"]

_TOP = ("name", "seed", "replications", "checkpoints", "policies", "metrics", "problem", "cross", "zip")
# Entries of problems of every kind.
_OF_ALL = ("name", CROSS, ZIP)
_OF_READING = ("columns", "separator", "encoding", "repeated", "strict")
_OF_LABELS = LabelPools.AXES
_AXES = tuple(dict.fromkeys((*Stated.AXES, *_OF_LABELS)))
_NAME = re.compile(r"\w[\w .,()-]{0,99}")


# What a run folder, and a report, can hold.
_MOST_CHECKPOINTS, _MOST_ENVIRONMENTS, _MOST_CELLS = 1_000, 100_000, 10_000_000


class StudyError(ValueError):
    """Error in a study; the message has the file and the line where there is one."""


@checked
def read_study(
    path: str | Path,
    *,
    policies: Sequence[str | Policy] | None = None,
    replications: int | None = None,
    seed: int | None = None,
) -> Study:
    """Study of a TOML file; see the module's docstring.

    Parameters
    ----------
    path : str or Path
    policies : sequence of names or policies, optional
    replications, seed : int, optional
        To replace those of the file.

    Returns
    -------
    Study

    Raises
    ------
    StudyError
        For the first fault, with the file and its line.

    Examples
    --------
    >>> import seqaudit as sa
    >>> from pathlib import Path
    >>> from tempfile import TemporaryDirectory
    >>> text = '''
    ... policies = ["kg", "round-robin"]
    ... replications = 100
    ... [[problem]]
    ... name = "two"
    ... threshold = [0.5, 0.7]
    ... budget = 6
    ... [cross]
    ... utility = ["accuracy", "variance"]
    ... '''
    >>> with TemporaryDirectory() as folder:
    ...     _ = Path(folder, "first.toml").write_text(text)
    ...     sa.read_study(f"{folder}/first.toml")
    Study(first: 2 environments, 2 policies, 100 replications, 406 cells)
    """
    path = file_path("path", path)
    try:
        text, fields = read_toml(path)
    except ProblemError as error:
        raise StudyError(str(error)) from None
    try:
        return _made({"name": path.stem, **fields}, path.parent, policies, replications, seed)
    except Fault as fault:
        line = line_of(fault.places, entry_lines(text))
        told = f"{path}, line {line}" if line else str(path)
        raise StudyError(f"{told}: {fault}") from None


@checked
def make_study(
    fields: Mapping[str, Any],
    *,
    folder: str | Path = ".",
    policies: Sequence[str | Policy] | None = None,
    replications: int | None = None,
    seed: int | None = None,
) -> Study:
    """Study of a mapping with the keys of a file.

    Parameters
    ----------
    fields : mapping
        Contents of a study file; see the module's docstring.
    folder : str or Path
        Folder to which paths are relative.
    policies : sequence of names or policies, optional
    replications, seed : int, optional
        To replace those of `fields`.

    Returns
    -------
    Study

    Raises
    ------
    StudyError
        For the first fault.

    Examples
    --------
    >>> import seqaudit as sa
    >>> problem = {"name": "two", "threshold": [0.5, 0.7], "budget": 6}
    >>> sa.make_study({"problem": [problem], "policies": ["kg", "round-robin"], "cross": {"utility": []}})
    Traceback (most recent call last):
    seqaudit.benchmarks.studies.study_file.StudyError: utility is []; it must be a list of values
    """
    try:
        return _made(fields, Path(folder), policies, replications, seed)
    except Fault as fault:
        raise StudyError(str(fault)) from None


def _made(
    fields: Mapping[str, Any],
    place: Path,
    policies: Sequence[str | Policy] | None,
    replications: int | None,
    seed: int | None,
) -> Study:
    require_known(fields, _TOP, "")
    name = _name(fields.get("name", "study"), "", "name")
    with faults_of(("", "replications")):
        repeats = whole("replications", _of(fields, "replications", 20, replications), 1)
    with faults_of(("", "seed")):
        start = whole("seed", _of(fields, "seed", 7, seed), 0)
    with faults_of(("", "checkpoints")):
        points = _checkpoints(fields.get("checkpoints", 1))
    metrics = _metrics(fields.get("metrics"))
    sources = _sources(fields.get("problem"), place, start)
    axes = Axes.of(fields, "", _AXES, _axis_value)
    count = axes.count * sum(own.count for _, own in sources)
    if count > _MOST_ENVIRONMENTS:
        most = max(sources, key=lambda x: x[1].count)[1].table
        places = [(CROSS, ""), (ZIP, ""), *places_of(most, CROSS)]
        raise Fault(f"the axes make {count:,} environments; at most {_MOST_ENVIRONMENTS:,} are allowed", *places)
    environments: list[Environment] = []
    for source, own in sources:
        combined = combinations(axes, own, source.AXES, source.name)
        with faults_of((own.table, "ensemble"), (own.table, "")):
            source.require_use(combined)
        environments += [Environment(source, values) for values in combined]
    _require_distinct(environments, {source.name: own.table for source, own in sources})
    asked = fields.get("policies") if policies is None else policies
    chosen = _policies(asked, environments, place)
    cells = len(environments) * len(chosen) * repeats
    if cells > _MOST_CELLS:
        raise Fault(
            f"replications is {repeats:,}, which makes {cells:,} cells; at most {_MOST_CELLS:,} are allowed",
            ("", "replications"),
        )
    study = Study(name, start, repeats, chosen, metrics, points, tuple(environments))
    with faults_of():
        # What cannot be told by plain data, such as a function for a utility, could not be taken up again.
        study.outline  # noqa: B018
    return study


def _checkpoints(given: Any) -> int | tuple[float, ...]:
    """Number of checkpoints, or labels an item at which they stand."""
    if not isinstance(given, (list, tuple)):
        return whole("checkpoints", given, 1, _MOST_CHECKPOINTS)
    if not 0 < len(given) <= _MOST_CHECKPOINTS:
        raise ValueError(f"checkpoints has {len(given):,} entries; allowed: 1 to {_MOST_CHECKPOINTS:,}")
    found = tuple(positive("each of checkpoints", x) for x in given)
    if any(a >= b for a, b in pairwise(found)):
        raise ValueError(f"checkpoints is {shown(given)}; labels an item must ascend")
    return found


def _of(fields: Mapping[str, Any], key: str, default: int, given: int | None) -> Any:
    return fields.get(key, default) if given is None else given


def _axis_value(key: str, value: Any) -> Any:
    """Value of an axis, which is told by the line of the axis if it is not allowed."""
    if key in OF_REFERENCES:
        return plain_setting(key, value)
    found = plain_data(key, value)
    if key == "utility":
        make_utility(found)
    return found


def _name(given: Any, table: str, key: str) -> str:
    if not isinstance(given, str) or not _NAME.fullmatch(given):
        raise Fault(
            f"{key} is {shown(given)}; it must be 1 to 100 letters, digits, blanks and . , ( ) -",
            (table, key),
            (table, ""),
        )
    return given


def _metrics(given: Any) -> tuple[Metric, ...]:
    if given is None:
        return tuple(cls() for cls in METRICS.classes().values())
    if not isinstance(given, (list, tuple)) or not given:
        raise Fault(f"metrics is {shown(given)}; it must be a list of names", ("", "metrics"))
    with faults_of(("", "metrics")):
        found = tuple(METRICS.make(one) for one in given)
    if len(set(found)) < len(found):
        raise Fault("metrics names one of them twice", ("", "metrics"))
    with faults_of(("", "metrics")):
        require_columns(found)
    return found


def _policies(given: Any, environments: Sequence[Environment], folder: Path) -> tuple[Policy, ...]:
    if not isinstance(given, (list, tuple)) or not given:
        raise Fault(f"policies is {shown(given)}; it must be a list of names", ("", "policies"))
    with faults_of(("", "policies")):
        made = [_policy(one, folder) for one in given]
    for environment in environments:
        with faults_of(("", "policies"), told=environment.name):
            choose_policies(environment.problem, made)
    return tuple(made)


def _policy(given: Any, folder: Path) -> Policy:
    if isinstance(given, str):
        return (policy_from_file(str(folder / given)) if ".py" in given else None) or make_policy(given)
    if isinstance(given, Policy):
        return given
    raise ValueError(f"policies has {shown(given)}; it must be the name of a policy")


def _sources(given: Any, folder: Path, seed: int) -> list[tuple[Source, Axes]]:
    """Sources, each with its own axes, which know the table of the file in which it stands."""
    if given is None or (isinstance(given, (list, tuple)) and not given):
        raise Fault("there is no [[problem]]; give at least one", ("problem", ""))
    if not isinstance(given, (list, tuple)) or not all(isinstance(x, Mapping) for x in given):
        raise Fault(f"problem is {shown(given)}; it must be a list of tables", ("", "problem"), ("problem", ""))
    found: list[tuple[Source, Axes]] = []
    names: set[str] = set()
    for k, one in enumerate(given, start=1):
        table = f"problem {k}"
        if "name" not in one:
            near = nearest_name("name", one)
            hint = "" if near is None else f"; did you mean it by {near}?"
            raise Fault(f"a [[problem]] has no name{hint}", (table, near or ""), (table, ""))
        name = _name(one["name"], table, "name")
        require_no_near_names(one, table, _AXES)
        own = Axes.of(one, table, _AXES, _axis_value)
        with faults_of((table, "")):
            made = _source({key: x for key, x in one.items() if key not in _OF_ALL}, name, folder, seed, table)
        for source in made:
            if source.name in names:
                raise Fault(f"name {shown(source.name)} is given twice; names must differ", (table, "name"))
            names.add(source.name)
            found.append((source, own))
    return found


def _source(given: dict[str, Any], name: str, folder: Path, seed: int, table: str) -> list[Source]:
    if "file" in given:
        require_known(given, ("file",), table)
        return [Stated(name, Problem.from_toml(_file(given, "file", folder)))]
    if isinstance(given.get("problem"), Problem):
        require_known(given, ("problem",), table)
        return [Stated(name, given["problem"])]
    if "labels" in given:
        require_known(given, ("labels", "map", *_OF_READING, *_OF_LABELS), table)
        plain = _plain(given, table, ("labels", *OF_REFERENCES))
        if not isinstance(plain.get("strict", False), bool):
            raise Fault(f"strict is {shown(plain['strict'])}; it must be true or false", *places_of(table, "strict"))
        form: dict[str, Any] = {key: plain[key] for key in _OF_READING if key in plain}
        if "map" in plain:
            form["labels"] = plain["map"]
        settings = {key: plain[key] for key in _OF_LABELS if key in plain}
        for key in settings.keys() & set(OF_REFERENCES):
            with faults_of(*places_of(table, key)):
                settings[key] = plain_setting(key, settings[key])
        return [LabelPools.of(name, LabelFiles(_file(given, "labels", folder), folder, form), settings, seed)]
    if "generator" in given:
        return [Stated(label, problem) for label, problem in drawn_problems(name, _plain(given, table), seed)]
    faults = faults_of_problem(given)
    if faults:
        key = faults[0].split()[0]
        raise Fault(faults[0], (table, key), (table, ""))
    return [Stated(name, Problem.from_dict(given))]


def _plain(given: Mapping[str, Any], table: str, but: Sequence[str] = ()) -> dict[str, Any]:
    """Entries of a problem as plain data, but for some of them."""
    found = {}
    for key, x in given.items():
        with faults_of(*places_of(table, key)):
            found[key] = x if key in but else plain_data(key, x)
    return found


def _file(given: Mapping[str, Any], key: str, folder: Path) -> Path:
    return folder / file_path(key, given[key])


def _require_distinct(environments: Sequence[Environment], tables: Mapping[str, str]) -> None:
    """Require that every environment is a problem, and has a name of its own."""
    known: set[str] = set()
    given: set[tuple[str, str]] = set()
    for one in environments:
        place = (tables[one.source.name], "")
        try:
            if not one.case.problem.labels:
                raise ValueError("budget, cost and cap allow no label; at least one must be affordable")
        except REFUSALS as error:
            said = first_line(error)
            axis = next((key for key in one.axes if re.search(rf"\b{key}\b", said)), "")
            told = f"{one.name}: {said}" if one.axes else said
            raise Fault(told, *(places_of_axis(place[0], axis) if axis else ()), place) from None
        axes = (one.source.name, json.dumps(_without_points(one.axes), sort_keys=True))
        if one.name in known or axes in given:
            raise Fault(f"{shown(one.name)} stands twice; names and values of axes must differ", place)
        known.add(one.name)
        given.add(axes)


def _without_points(value: Any) -> Any:
    """Plain data in which 1.0 is 1: equal values of an axis make one environment."""
    if isinstance(value, Mapping):
        return {key: _without_points(x) for key, x in value.items()}
    if isinstance(value, (list, tuple)):
        return [_without_points(x) for x in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value
