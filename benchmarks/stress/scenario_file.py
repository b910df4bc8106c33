"""Scenarios of a stress test, read from a TOML file: nature, strengths, problem and policies.

    seed, replications        of the simulated scenarios
    policies                  names for all scenarios, or a table with a list under ``exact`` and under ``simulated``
    [problem]                 the problem of scenarios that do not name one
    [problems.NAME]           problems that scenarios name
    [[scenario]]
      name                    letters, digits, blanks and . , ( ) -; part of the names of files, so 100 bytes at most
      kind                    "exact" or "simulated"; default: exact if the nature's labels are exchangeable
      model                   a nature of ``benchmarks.stress.natures``, or a registered model of raters
      parameter               with a model of raters: the parameter that is the strength
      values                  strengths, the mildest first, rising or falling
      problem, policies       if they differ from those for all scenarios
      eps                     level at which a belief is decisive; default 0.05
      script                  with ``colluding``
      votes                   simulated: votes in the pool of each item; default 12
      raters                  with a model of raters: number of raters, or "fresh" for a different one for each vote
      groups                  with a model of raters: number of groups to which raters are assigned
      refit                   with a model of raters: false, or the model that decides after the fact;
                              default: the same model
      draws                   draws of each such fit; default 200
      constants, fixed        with a model of raters: constants of its priors, and fixed parameters; a number
                              instead of a list applies to all items, raters or groups

A problem is a table with the keys of a problem file, or with ``file``, a path relative to that of the scenarios.
Everything is checked, and every cell is tried out, before any work starts.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from fractions import Fraction
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any

import numpy as np

from ...bandits.choice import choose_policies
from ...bandits.policies.uniform import Uniform
from ...bandits.policy import Policy
from ...bandits.registry import label
from ...bandits.simulation.seeds import replication_keys
from ...dp.evaluation.choices import check_policy
from ...dp.evaluation.evaluate import natural_problem, score_tables
from ...dp.evaluation.forward import require_forward
from ...dp.machine.repeats import require_repeats
from ...dp.problem.budget import with_slack
from ...dp.problem.checks import ProblemError
from ...dp.problem.problem import Problem
from ...dp.problem.toml import faults_of, read_toml
from ...posteriors.foundation.kinds import checked
from ...posteriors.foundation.messages import shown
from ...posteriors.foundation.names import unknown_key, unknown_name
from ...posteriors.foundation.refusals import file_path, number, probability, whole
from ...posteriors.raters.registry import RATER_MODELS, make_rater_model, rater_model_names
from .natures import exchangeable_names, misbelief
from .scenario import Scenario, StressGrid

__all__ = ["built_in_scenarios", "make_scenarios", "read_scenarios"]

_TOP = ("seed", "replications", "policies", "problem", "problems", "scenario")
_COMMON = ("name", "kind", "model", "values", "problem", "policies", "eps", "script", "votes")
_RATERS = ("parameter", "raters", "groups", "refit", "draws", "constants", "fixed")
_MOST_VALUES = 100
# Largest length of a name in bytes: with the strength and an ending it is a file name, of at most 255 bytes.
_LONGEST_NAME = 100


def built_in_scenarios(**options: Any) -> StressGrid:
    """Scenarios that come with the package.

    Parameters
    ----------
    **options
        As for ``read_scenarios``.

    Returns
    -------
    StressGrid
        What the command ``stress`` runs if it is given no file.

    Examples
    --------
    >>> built_in_scenarios().scenarios[0].name
    'flipped labels'
    """
    with as_file(files("seqaudit.benchmarks.stress") / "built_in.toml") as path:
        return read_scenarios(path, **options)


@checked
def read_scenarios(path: str | Path, **options: Any) -> StressGrid:
    """Read scenarios from a TOML file.

    Parameters
    ----------
    path : str or Path
    **options
        ``policies``, ``replications`` and ``seed``, to replace those of the file.

    Returns
    -------
    StressGrid
        Scenarios and strengths are in the order of the file.

    Raises
    ------
    ValueError
        For a file that cannot be read, and for any fault in it; the message names scenario, key, value and what is
        allowed.

    Examples
    --------
    >>> from pathlib import Path
    >>> from tempfile import TemporaryDirectory
    >>> from seqaudit import read_scenarios
    >>> text = '''
    ... policies = ["kg"]
    ... [problem]
    ... budget = 4
    ... threshold = [0.5, 0.6]
    ... [[scenario]]
    ... name = "noise"
    ... model = "flipped"
    ... values = [0, 0.2]
    ... '''
    >>> with TemporaryDirectory() as folder:
    ...     path = Path(folder, "scenarios.toml")
    ...     _ = path.write_text(text)
    ...     list(read_scenarios(path).cells)
    ['noise=0.0', 'noise=0.2']
    """
    path = file_path("path", path)
    _, fields = read_toml(path)
    try:
        return make_scenarios(fields, folder=path.parent, **options)
    except ValueError as error:
        raise ValueError(f"{path}: {str(error).splitlines()[0]}") from None


@checked
def make_scenarios(
    fields: Mapping[str, Any],
    *,
    folder: str | Path = ".",
    policies: Sequence[str | Policy] | None = None,
    replications: int | None = None,
    seed: int | None = None,
) -> StressGrid:
    """Scenarios from a mapping with the keys of a file.

    Parameters
    ----------
    fields : mapping
        Contents of a scenario file; see the module's docstring.
    folder : str or Path
        Folder to which paths in ``file`` keys are relative.
    policies : sequence of names or policies, optional
        Policies for all scenarios, to replace those of `fields`.
    replications : int, optional
        Replications of simulated scenarios, at least 2; default: as in `fields`, else 100.
    seed : int, optional
        Seed of simulated scenarios; default: as in `fields`, else 7.

    Returns
    -------
    StressGrid
        Every scenario has the policy ``uniform``, with which the others are compared.

    Raises
    ------
    ValueError
        For any fault; the message names scenario, key, value and what is allowed.

    Examples
    --------
    >>> scenario = {"name": "noise", "model": "flipped", "values": [0, 0.2]}
    >>> grid = make_scenarios({"problem": {"budget": 4, "threshold": [0.5, 0.6]}, "policies": ["kg"],
    ...                        "scenario": [scenario]})
    >>> list(grid.cells), [policy.name for policy in grid.scenarios[0].policies]
    (['noise=0.0', 'noise=0.2'], ['uniform', 'kg'])
    """
    _known(fields, _TOP, "")
    problems = {None: fields["problem"]} if "problem" in fields else {}
    named = fields.get("problems", {})
    if not isinstance(named, Mapping):
        raise ValueError(f"problems is {shown(named)}; it must be tables, [problems.NAME]")
    stated = {name: _problem(x, Path(folder), name) for name, x in (problems | dict(named)).items()}
    given = fields.get("scenario", [])
    if not isinstance(given, list) or not given or not all(isinstance(x, Mapping) for x in given):
        raise ValueError("there is no [[scenario]]; give at least one")
    asked = fields.get("policies") if policies is None else policies
    made = [_scenario(x, k, stated, asked, policies is not None) for k, x in enumerate(given, start=1)]
    grid = StressGrid(
        tuple(made),
        whole("replications", fields.get("replications", 100) if replications is None else replications, 2),
        whole("seed", fields.get("seed", 7) if seed is None else seed, 0),
    )
    require_repeats("replications", grid.replications, seconds=1e-6, memory=500)
    names = [re.sub(r"\s+", "_", one.name) for one in made]
    for name in names:
        if names.count(name) > 1:
            raise ValueError(f"scenario {shown(name)} is given {names.count(name)} times; names must differ")
    for one in made:
        for x in one.values:
            try:
                _try_out(one, x)
            except (ValueError, TypeError, IndexError) as error:
                raise ValueError(f"scenario {shown(one.name)}, value {x:g}: {_first_line(error)}") from None
            except ArithmeticError as error:
                told = f"a number is out of range ({_first_line(error)})"
                raise ValueError(f"scenario {shown(one.name)}, value {x:g}: {told}") from None
    return grid


def _first_line(error: Exception) -> str:
    return next(iter(str(error).splitlines()), type(error).__name__)


def _known(fields: Mapping[str, Any], allowed: Sequence[str], where: str) -> None:
    for key in fields:
        if key not in allowed:
            raise ValueError(where + unknown_key(key, allowed))


def _problem(given: Any, folder: Path, name: str | None) -> Problem:
    where = "problem" if name is None else f"problems.{name}"
    if not isinstance(given, Mapping):
        raise ValueError(f"{where} is {shown(given)}; it must be a table with the keys of a problem, or with file")
    if "file" in given:
        _known(given, ("file",), f"{where}: ")
        return Problem.from_toml(folder / str(given["file"]))
    faults = faults_of(dict(given))
    if faults:
        raise ValueError(f"{where}: {faults[0]}")
    try:
        return Problem.from_dict(dict(given))
    except ProblemError as error:
        raise ValueError(f"{where}: {error.faults[0]}") from None


def _scenario(
    given: Mapping[str, Any], number: int, problems: Mapping[str | None, Problem], policies: Any, override: bool
) -> Scenario:
    name = given.get("name")
    if not isinstance(name, str) or not re.fullmatch(r"\w[\w .,()-]*", name) or len(name.encode()) > _LONGEST_NAME:
        raise ValueError(
            f"scenario {number}: name is {shown(name)}; it must be letters, digits, blanks and . , ( ) -, at most "
            f"{_LONGEST_NAME} bytes of them"
        )
    try:
        return _stated(given, name, problems, policies, override)
    except (ValueError, TypeError) as error:
        raise ValueError(f"scenario {shown(name)}: {_first_line(error)}") from None


def _stated(
    given: Mapping[str, Any], name: str, problems: Mapping[str | None, Problem], policies: Any, override: bool
) -> Scenario:
    _known(given, (*_COMMON, *_RATERS), "")
    model = given.get("model")
    exchangeable = model in exchangeable_names()
    if not exchangeable and model not in rater_model_names():
        names = (*exchangeable_names(), *rater_model_names())
        raise ValueError(unknown_name("model is {name}; allowed: {known}{hint}", model, names))
    kind = given.get("kind", "exact" if exchangeable else "simulated")
    allowed = ("exact", "simulated") if exchangeable else ("simulated",)
    if kind not in allowed:
        raise ValueError(f"kind is {shown(kind)}; with model {model} it must be {' or '.join(allowed)}")
    for key in given:
        if (exchangeable and key in _RATERS) or (not exchangeable and key == "script"):
            raise ValueError(f"{key} does not go with model {model}")
    if kind == "exact" and "votes" in given:
        raise ValueError("votes does not go with kind exact; labels have no pool there")
    which = given.get("problem")
    if not (which is None or isinstance(which, str)) or which not in problems:
        known = ", ".join(str(x) for x in problems if x is not None) or "none"
        found = "is missing, and there is no [problem]" if which is None else f"is {shown(which)}"
        raise ValueError(f"problem {found}; [problems.NAME] there are: {known}")
    problem = problems[which]
    eps = probability("eps", given.get("eps", 0.05), most=Fraction(1, 2))
    fields: dict[str, Any] = {"eps": eps}
    if kind == "simulated":
        fields["votes"] = whole("votes", given.get("votes", 12), 1)
        room = problem.cap if problem.asked_cap is None else problem.asked_cap
        problem = problem.replace(cap=np.minimum(room, fields["votes"]))
        if problem.utility.name == "entropy":
            raise ValueError("utility entropy has no finite score where the truth is known; use kind exact")
    if "script" in given:
        fields["settings"] = {"script": given["script"]}
    if not exchangeable:
        fields |= _of_raters(given, str(model), problem)
    chosen = given.get("policies", policies) if not override else policies
    if isinstance(chosen, Mapping):
        _known(chosen, ("exact", "simulated"), "policies: ")
        chosen = chosen.get(kind)
    listed = isinstance(chosen, Sequence) and not isinstance(chosen, str)
    if not listed or not all(isinstance(x, (str, Policy)) for x in chosen):
        said = "missing" if chosen is None else shown(chosen)
        raise ValueError(f"policies is {said}; it must be a list of names")
    kept = choose_policies(problem, chosen)[0]
    if "uniform" not in [label(x) for x in kept]:
        kept.insert(0, Uniform())
    return Scenario(name, kind, str(model), _values(given.get("values")), problem, tuple(kept), **fields)


def _values(given: Any) -> tuple[float, ...]:
    if not isinstance(given, list) or not 1 <= len(given) <= _MOST_VALUES:
        raise ValueError(f"values is {shown(given)}; it must be a list of 1 to {_MOST_VALUES} numbers")
    values = [number(f"values[{k}]", x, np.isfinite, "finite") for k, x in enumerate(given)]
    step = np.diff(values)
    if not (np.all(step > 0) or np.all(step < 0)):
        raise ValueError(f"values is {shown(given)}; they must rise or fall, the mildest first")
    return tuple(values)


def _of_raters(given: Mapping[str, Any], name: str, problem: Problem) -> dict[str, Any]:
    """Fields of a scenario that describe its model of raters."""
    tables = {key: given.get(key, {}) for key in ("constants", "fixed")}
    for key, table in tables.items():
        if not isinstance(table, Mapping):
            raise ValueError(f"{key} is {shown(table)}; it must be a table")
    constants = {key: tuple(x) if isinstance(x, list) else x for key, x in tables["constants"].items()}
    # A constant called ``name`` would clash with the first parameter of make_rater_model.
    model = RATER_MODELS.make(name, **constants)
    numbers = [key for key, dims in model.dims.items() if not dims]
    parameter = given.get("parameter")
    if parameter not in numbers:
        raise ValueError(f"parameter is {shown(parameter)}; the numbers of {name} are {', '.join(numbers)}")
    # The rates are drawn from the problem's priors.
    free = [key for key in model.dims if key not in (parameter, "rate")]
    for key in tables["fixed"]:
        if key not in free:
            raise ValueError(f"fixed names {shown(key)}; allowed: {', '.join(free)}")
    raters = given.get("raters", 40)
    fresh = raters == "fresh"
    if not fresh and (isinstance(raters, str) or whole("raters", raters, 1) < int(problem.cap.max())):
        raise ValueError(f"raters is {shown(raters)}; it must be at least the votes on an item, or 'fresh'")
    groups = whole("groups", given.get("groups", 2 if model.needs_groups else 0), 2 if model.needs_groups else 0)
    refit = given.get("refit", not (fresh and model.needs_raters))
    if not isinstance(refit, (bool, str)):
        raise ValueError(f"refit is {shown(refit)}; it must be true, false or the name of a model of raters")
    after = (model if refit else None) if isinstance(refit, bool) else make_rater_model(refit)
    if after is not None and after.needs_raters:
        if fresh:
            raise ValueError(f"refit is {after.name}, which learns from raters with several votes; raters are 'fresh'")
        # A policy goes on while it can pay for a label of an item below its cap, so it buys at least as many labels as
        # the budget allows of the most expensive.
        least = min(int(problem.cap.sum()), int(with_slack(problem.budget) // problem.cost.max()))
        if least <= max(int(raters), problem.size):
            raise ValueError(
                f"refit is {after.name}, which learns from raters with several votes; {least} labels are too "
                f"few for {raters} raters and {problem.size} items"
            )
    return {
        "nature": model,
        "parameter": parameter,
        # Shapes and ranges are checked when the scenario is tried out.
        "fixed": dict(tables["fixed"]),
        "raters": None if fresh else int(raters),
        "groups": groups,
        "refit": after,
        "draws": whole("draws", given.get("draws", 200), 4),
    }


def _try_out(one: Scenario, strength: float) -> None:
    """Raise if a cell cannot be computed; long computations are left out."""
    if one.kind == "exact":
        wrong = misbelief(one.problem, one.model, strength, **one.settings)
        score_tables(wrong.working, natural_problem(wrong.working, wrong.nature))
        for policy in one.policies:
            policy.require(wrong.working)
            check_policy(wrong.working, policy)
            require_forward(wrong.working, policy)
        return
    working = one.working(strength)
    for policy in one.policies:
        policy.require(working)
    seeds, _ = replication_keys(0, 1)
    pools = one.pools(strength, seeds)
    working.utility.score(np.array([0.5]), np.array([1.0]))
    if not np.isfinite(pools.rate).all():
        raise ValueError(f"{one.strength} {strength:g} gives rates that are not numbers")
    if one.refit is not None:
        one.refit.require(pools.bought(0, one.problem.cap))
