"""Studies read from TOML files.

    name              letters, digits, blanks and . , ( ) -; default: the name of the file
    seed              default 7
    replications      runs of every policy on every problem; default 20
    checkpoints       evenly spaced numbers of labels, up to all, after which metrics are taken; default 1, the end
    policies          names with settings, such as "lookahead(depth=2)", or files, such as "mine.py:Mine"
    metrics           names with settings, such as "decisive-mass(eps=0.1)"; default: all
    [[problem]]       one or more, each with a name and one of
        ...               the keys of a problem file
        file              a problem file
        labels            a label file; with it items (a file), map (of its labels), columns, separator, encoding,
                          repeated and strict, as of read_labels, and the keywords of problem_of_labels
        generator         a generator, the number of problems that it draws as count, and its settings
    [cross]           values of axes, of which each is combined with each
    [zip]             values of axes, of which the first go together, the second, and so on

An axis is a keyword of problems, such as ``budget``, ``beta``, ``utility`` or ``label_price``; ``labels_per_item``,
which gives the budget; or ``nature``, the name and the strength of one that differs from the priors, or ``"prior"``.
Paths are relative to the file. Everything is checked before any work starts.
"""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ...bandits.choice import choose_policies
from ...bandits.policy import Policy
from ...bandits.policy_file import policy_from_file
from ...bandits.registry import make_policy
from ...dp.problem.checks import ProblemError
from ...dp.problem.problem import Problem
from ...dp.problem.toml import faults_of, read_toml
from ...posteriors.foundation.kinds import checked
from ...posteriors.foundation.messages import first_line, shown
from ...posteriors.foundation.names import nearest_name, unknown_key
from ...posteriors.foundation.refusals import file_path, whole
from ...posteriors.utilities import make_utility
from ..data.labels import read_labels
from ..metrics.metric import Metric
from ..metrics.offline import METRICS
from .cells import Environment
from .generators import drawn_problems
from .sources import LabelPools, Source, Stated
from .study import Study

__all__ = ["StudyError", "make_study", "read_study"]

_TOP = ("name", "seed", "replications", "checkpoints", "policies", "metrics", "problem", "cross", "zip")
_OF_PROBLEMS = (
    "budget",
    "labels_per_item",
    "beta",
    "utility",
    "label_price",
    "batch",
    "weight",
    "cost",
    "reward",
    "prior",
    "nature",
)
_OF_LABELS = ("budget", "labels_per_item", "beta", "threshold", "utility", "prior")
_OF_READING = ("columns", "separator", "encoding", "repeated", "strict")
_AXES = tuple(dict.fromkeys((*_OF_PROBLEMS, *_OF_LABELS)))
_HEAD = re.compile(r"\s*+(\[\[?)\s*+([\w.]++)\s*+\]")
_ENTRY = re.compile(r"\s*+([\w-]++)\s*+=")
_NAME = re.compile(r"\w[\w .,()-]{0,99}")


# What a run folder, and a report, can hold.
_MOST_CHECKPOINTS, _MOST_ENVIRONMENTS, _MOST_CELLS = 1_000, 100_000, 10_000_000
# Refusals by what the parts of a study are made of.
_REFUSALS = (ValueError, TypeError, OSError, MemoryError)


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
    where = _lines(text)
    try:
        return _made({"name": path.stem, **fields}, path.parent, policies, replications, seed)
    except _Fault as fault:
        line = next((where[at] for at in fault.places if at in where), None)
        told = f"{path}, line {line}" if line else str(path)
        raise StudyError(f"{told}: {fault}") from None


class _Fault(StudyError):
    """Fault of an entry of a study.

    Attributes
    ----------
    places : tuple
        Table and key of the entry, and then of what it stands in.
    """

    def __init__(self, message: str, *places: tuple[str, str]) -> None:
        super().__init__(message)
        self.places = places


def _lines(text: str) -> dict[tuple[str, str], int]:
    """Lines of the entries of a study, by table and key, and of the tables, with an empty key."""
    found: dict[tuple[str, str], int] = {}
    table, problems = "", 0
    for number, line in enumerate(text.split("\n"), start=1):
        if head := _HEAD.match(line):
            table = head[2]
            if table == "problem":
                problems += 1
            if table.partition(".")[0] == "problem":
                table = f"problem {problems}{table.removeprefix('problem')}"
            found.setdefault((table, ""), number)
        elif entry := _ENTRY.match(line):
            found.setdefault((table, entry[1]), number)
    return found


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
    except _Fault as fault:
        raise StudyError(str(fault)) from None


def _made(
    fields: Mapping[str, Any],
    place: Path,
    policies: Sequence[str | Policy] | None,
    replications: int | None,
    seed: int | None,
) -> Study:
    _require_known(fields, _TOP, "")
    name = _name(fields.get("name", "study"), "", "name")
    with _faults_of(("", "replications")):
        repeats = whole("replications", _of(fields, "replications", 20, replications), 1)
    with _faults_of(("", "seed")):
        start = whole("seed", _of(fields, "seed", 7, seed), 0)
    with _faults_of(("", "checkpoints")):
        points = whole("checkpoints", fields.get("checkpoints", 1), 1, _MOST_CHECKPOINTS)
    metrics = _metrics(fields.get("metrics"))
    sources = _sources(fields.get("problem"), place, start)
    _require_known({key: None for table in ("cross", "zip") for key in _axes(fields, table)}, _AXES, "", "an axis")
    zipped = max((len(values) for values in _axes(fields, "zip").values()), default=1)
    count = len(sources) * zipped * math.prod(len(values) for values in _axes(fields, "cross").values())
    if count > _MOST_ENVIRONMENTS:
        raise _Fault(f"the axes make {count:,} environments; at most {_MOST_ENVIRONMENTS:,} are allowed", ("cross", ""))
    environments = tuple(Environment(source, axes) for _, source in sources for axes in _combinations(fields, source))
    _require_distinct(environments, {source.name: table for table, source in sources})
    asked = fields.get("policies") if policies is None else policies
    chosen = _policies(asked, environments, place)
    cells = len(environments) * len(chosen) * repeats
    if cells > _MOST_CELLS:
        raise _Fault(
            f"replications is {repeats:,}, which makes {cells:,} cells; at most {_MOST_CELLS:,} are allowed",
            ("", "replications"),
        )
    study = Study(name, start, repeats, chosen, metrics, points, environments)
    with _faults_of():
        # What cannot be told by plain data, such as a function for a utility, could not be taken up again.
        study.outline  # noqa: B018
    return study


def _of(fields: Mapping[str, Any], key: str, default: int, given: int | None) -> Any:
    return fields.get(key, default) if given is None else given


@contextmanager
def _faults_of(*places: tuple[str, str], told: str = "") -> Iterator[None]:
    """Refusals as faults of an entry."""
    try:
        yield
    except _Fault:
        raise
    except _REFUSALS as error:
        said = first_line(error)
        raise _Fault(f"{told}: {said}" if told else said, *places) from None


def _require_known(fields: Mapping[str, Any], allowed: Iterable[str], table: str, kind: str = "a key") -> None:
    for key in fields:
        if key not in allowed:
            raise _Fault(unknown_key(key, allowed, kind), (table, key), (key, ""), ("cross", key), ("zip", key))


def _name(given: Any, table: str, key: str) -> str:
    if not isinstance(given, str) or not _NAME.fullmatch(given):
        raise _Fault(
            f"{key} is {shown(given)}; it must be 1 to 100 letters, digits, blanks and . , ( ) -",
            (table, key),
            (table, ""),
        )
    return given


def _metrics(given: Any) -> tuple[Metric, ...]:
    if given is None:
        return tuple(cls() for cls in METRICS.classes().values())
    if not isinstance(given, (list, tuple)) or not given:
        raise _Fault(f"metrics is {shown(given)}; it must be a list of names", ("", "metrics"))
    with _faults_of(("", "metrics")):
        found = tuple(METRICS.make(one) for one in given)
    if len(set(found)) < len(found):
        raise _Fault("metrics names one of them twice", ("", "metrics"))
    return found


def _policies(given: Any, environments: Sequence[Environment], folder: Path) -> tuple[Policy, ...]:
    if not isinstance(given, (list, tuple)) or not given:
        raise _Fault(f"policies is {shown(given)}; it must be a list of names", ("", "policies"))
    with _faults_of(("", "policies")):
        made = [_policy(one, folder) for one in given]
    for environment in environments:
        with _faults_of(("", "policies"), told=environment.name):
            choose_policies(environment.problem, made)
    return tuple(made)


def _policy(given: Any, folder: Path) -> Policy:
    if isinstance(given, str):
        return (policy_from_file(str(folder / given)) if ".py" in given else None) or make_policy(given)
    if isinstance(given, Policy):
        return given
    raise ValueError(f"policies has {shown(given)}; it must be the name of a policy")


def _sources(given: Any, folder: Path, seed: int) -> list[tuple[str, Source]]:
    """Sources, each with the table of the file in which it stands."""
    if not isinstance(given, (list, tuple)) or not given or not all(isinstance(x, Mapping) for x in given):
        raise _Fault("there is no [[problem]]; give at least one", ("problem", ""))
    found: list[tuple[str, Source]] = []
    names: set[str] = set()
    for k, one in enumerate(given, start=1):
        table = f"problem {k}"
        if "name" not in one:
            near = nearest_name("name", one)
            hint = "" if near is None else f"; did you mean it by {near}?"
            raise _Fault(f"a [[problem]] has no name{hint}", (table, near or ""), (table, ""))
        name = _name(one["name"], table, "name")
        with _faults_of((table, "")):
            made = _source(dict(one), name, folder, seed, table)
        for source in made:
            if source.name in names:
                raise _Fault(f"name {shown(source.name)} is given twice; names must differ", (table, "name"))
            names.add(source.name)
            found.append((table, source))
    return found


def _source(given: dict[str, Any], name: str, folder: Path, seed: int, table: str) -> list[Source]:
    del given["name"]
    if "file" in given:
        _require_known(given, ("file",), table)
        return [Stated(name, Problem.from_toml(_file(given, "file", folder)))]
    if isinstance(given.get("problem"), Problem):
        _require_known(given, ("problem",), table)
        return [Stated(name, given["problem"])]
    if "labels" in given:
        _require_known(given, ("labels", "items", "map", *_OF_READING, *_OF_LABELS), table)
        files = {key: _file(given, key, folder) for key in ("labels", "items") if key in given}
        form: dict[str, Any] = {key: given[key] for key in _OF_READING if key in given}
        if "map" in given:
            form["labels"] = given["map"]
        votes = read_labels(files["labels"], files.get("items"), **form)
        settings = {key: given[key] for key in _OF_LABELS if key in given}
        records = {key: {"file": path.name, "sha256": votes.digests[k]} for k, (key, path) in enumerate(files.items())}
        return [LabelPools(name, votes, records | {"form": form}, settings)]
    if "generator" in given:
        return [Stated(label, problem) for label, problem in drawn_problems(name, given, seed)]
    faults = faults_of(given)
    if faults:
        key = faults[0].split()[0]
        raise _Fault(faults[0], (table, key), (table, ""))
    return [Stated(name, Problem.from_dict(given))]


def _file(given: Mapping[str, Any], key: str, folder: Path) -> Path:
    return folder / file_path(key, given[key])


def _axes(fields: Mapping[str, Any], table: str) -> Mapping[str, Sequence[Any]]:
    """Axes of a table, each with its values."""
    given = fields.get(table, {})
    if not isinstance(given, Mapping):
        raise _Fault(f"{table} is {shown(given)}; it must be a table of lists", (table, ""), ("", table))
    for key, values in given.items():
        if not isinstance(values, (list, tuple)) or not values:
            raise _Fault(f"{key} is {shown(values)}; it must be a list of values", (table, key))
        if key == "utility":
            for value in values:
                with _faults_of((table, key)):
                    make_utility(value)
    return given


def _combinations(fields: Mapping[str, Any], source: Source) -> list[dict[str, Any]]:
    """Values of the axes that go together, in the order of the file."""
    allowed = _OF_LABELS if isinstance(source, LabelPools) else _OF_PROBLEMS
    cross, zipped = (_axes(fields, table) for table in ("cross", "zip"))
    for key in (*cross, *zipped):
        if key not in allowed:
            raise _Fault(f"{key} is no axis of {shown(source.name)}; allowed: {', '.join(allowed)}", *_lines_of(key))
    twice = cross.keys() & zipped.keys()
    if twice:
        raise _Fault(f"{min(twice)} stands in [cross] and in [zip]; it must stand in one of them", ("zip", min(twice)))
    sizes = {key: len(values) for key, values in zipped.items()}
    if len(set(sizes.values())) > 1:
        told = ", ".join(f"{key} {size}" for key, size in sizes.items())
        raise _Fault(f"the lists of [zip] have different lengths ({told})", ("zip", ""))
    crossed = [dict(zip(cross, x, strict=True)) for x in itertools.product(*cross.values())]
    together = [dict(zip(zipped, x, strict=True)) for x in zip(*zipped.values(), strict=True)] or [{}]
    return [a | b for a in crossed for b in together]


def _lines_of(key: str) -> list[tuple[str, str]]:
    """Where an axis may stand."""
    return [("cross", key), ("zip", key)]


def _require_distinct(environments: Sequence[Environment], tables: Mapping[str, str]) -> None:
    """Require that every environment is a problem, and has a name of its own."""
    known: set[str] = set()
    for one in environments:
        place = (tables[one.source.name], "")
        try:
            one.case  # noqa: B018
        except _REFUSALS as error:
            said = first_line(error)
            axis = next((key for key in one.axes if re.search(rf"\b{key}\b", said)), "")
            told = f"{one.name}: {said}" if one.axes else said
            raise _Fault(told, *(_lines_of(axis) if axis else ()), place) from None
        if one.name in known:
            raise _Fault(f"{shown(one.name)} stands twice; names and values of axes must differ", place)
        known.add(one.name)
