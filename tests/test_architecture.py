"""The floors, rooms and names of the package, read from the source: the plan of the house as a test."""

from __future__ import annotations

import ast
import itertools
import json
import re
import subprocess
import sys
import tomllib
from functools import cache
from pathlib import Path

import pytest

import seqaudit

ROOT = Path(__file__).resolve().parents[1]
FLOORS = ("posteriors", "dp", "bandits", "benchmarks")
MOST_FILES, MOST_LINES = 25, 450

# What ``import seqaudit as sa`` offers, by the floor that it comes from. A name that leaves this list breaks somebody's
# script.
PUBLIC = {
    "posteriors": """
        Accuracy Asymmetric Belief BeliefTables Beta BetaMixture ComparisonFit ConformanceError Contaminated Custom
        DawidSkene Decisive Design Diagnostics Drift Entropy Grid Grouped LabelSet Linear LogitNormal NoPayoff NoisyBeta
        OneCoin PartialPooling RaterBias RaterFit RaterModel RaterSkill SimulatedLabels Utility Variance belief_cases
        check_belief check_rater_model fit_comparisons label_information largest_learnable_beta log_ratio make_belief
        make_rater_model make_utility pair_rows policy_information rater_model_cases rater_model_names threshold
        threshold_slope
    """,
    "dp": """
        AllPairs Allocation BeliefPayoff BestChoice Counterexample Evaluation IndexTable ItemStates Lattice
        OptimalDesign Passage Problem ProblemError ProblemTooLarge RegularisedChoice SharedProblem SharedSolution
        SharedStates Solution Stopping Structure ThresholdDecisions UpperBound allocate design evaluate expected_final
        expected_labels gittins_bernoulli gittins_index load_policy operating_characteristics passage solve
        solve_stopping states_at states_of_item structure upper_bound whittle_index
    """,
    "bandits": """
        APT AuditIndex BudgetSpent Certificate DiverseBatch EpsilonAudit Exact Gittins HighLogRatio IndexPolicy
        JointPolicy KGStar KnowledgeGradient LSA Lagrangian LinearGain Lookahead MinimumCoverage OptimisticKG Policy
        RiskWeighted Rollout RoundRobin Session Simulation SoftmaxAudit StopWhen Thompson TopTwo TreeSearch
        UncertaintySampling Uniform VarianceReduction Whittle certify check_policy make_policy policy_cases policy_names
        simulate
    """,
    "benchmarks": """
        Audit Claim Cluster ClusterError FewestRaters LabelFileError LargestBeta Metric Misbelief Protocol
        Provenance RaterClusters Responses RunFolderError Scenario StressGrid Study StudyError StudyResults agreement
        break_even break_even_table budget_curve built_in_scenarios claims claims_table compare compare_fits
        concentration curve_table export_run fewest_raters headlines label_efficiency largest_beta
        largest_movers learnable_share leave_one_out leave_one_out_alpha make_scenarios make_study metric_names
        misbelief predictive_checks predictive_table problem_of_labels protocols protocols_table provenance
        rater_clusters rater_diversity rater_kinds read_labels read_responses read_scenarios read_study reliability
        reliability_table removals replay replay_table run_study run_table sbc stress stress_slopes stress_table
        structure_table study_differences study_table survey survey_table uniformity vary vary_table with_noise
        worse_than_uniform
    """,
}


@cache
def sources() -> dict[str, Path]:
    """Path of each module of the four floors, by its name without the package's."""
    paths = [path for floor in FLOORS for path in sorted((ROOT / floor).rglob("*.py"))]
    return {".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path for path in paths}


def rooms() -> list[Path]:
    return sorted({path.parent for path in sources().values()})


@cache
def imports(module: str) -> dict[str, bool]:
    """Modules of the package that one imports, and whether it does so while it is itself imported."""
    path = sources()[module]
    package = module.split(".") if path.name == "__init__.py" else module.split(".")[:-1]
    found: dict[str, bool] = {}

    def visit(node: ast.AST, at_once: bool) -> None:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.ImportFrom) and child.level:
                base = [*package[: len(package) + 1 - child.level], *(child.module or "").split(".")]
                for alias in child.names:
                    whole = ".".join(filter(None, [*base, alias.name]))
                    target = whole if whole in sources() else ".".join(filter(None, base))
                    found[target] = found.get(target, False) or at_once
            types_only = isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test)
            visit(child, at_once and not types_only and not isinstance(child, (ast.FunctionDef, ast.Lambda)))

    visit(ast.parse(path.read_text(encoding="utf-8")), True)
    return {target: at_once for target, at_once in found.items() if target != module}


@pytest.mark.smoke
def test_public_names_are_those_of_the_list():
    for floor, names in PUBLIC.items():
        assert sorted(getattr(seqaudit, floor).__all__) == names.split()
    assert {name for names in PUBLIC.values() for name in names.split()} <= set(dir(seqaudit))


@pytest.mark.parametrize("module", sources())
def test_no_import_leads_upward_or_outside_the_package_by_its_name(module):
    floor = FLOORS.index(module.split(".")[0])
    for target in imports(module):
        assert target in sources(), f"{module} imports {target}, which is no module"
        assert FLOORS.index(target.split(".")[0]) <= floor
        assert target not in FLOORS, f"{module} imports from the face of {target}, not from the module that defines"
    for node in ast.walk(ast.parse(sources()[module].read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            assert not [alias.name for alias in node.names if alias.name.split(".")[0] in ("seqaudit", *FLOORS)]
        if isinstance(node, ast.ImportFrom) and not node.level:
            assert (node.module or "").split(".")[0] not in ("seqaudit", *FLOORS)


def test_no_modules_import_each_other_in_a_circle():
    done: set[str] = set()

    def visit(module: str, way: tuple[str, ...]) -> None:
        assert module not in way, " -> ".join((*way[way.index(module) :], module))
        if module not in done:
            for target, at_once in imports(module).items():
                if at_once:
                    visit(target, (*way, module))
            done.add(module)

    for module in sources():
        visit(module, ())


def test_compiled_code_lives_in_kernels_and_depends_on_kernels_only():
    """Otherwise code compiled for an old version could be called: make throws it away where a kernel has changed."""
    for module, path in sources().items():
        if "kernels" in module.split("."):
            assert [target for target in imports(module) if "kernels" not in target.split(".")] == [], module
        else:
            text = path.read_text(encoding="utf-8")
            assert not re.search(r"^\s*(from|import) (numba|llvmlite)\b", text, re.MULTILINE), module


def test_rooms_are_small_and_modules_hold_one_idea():
    folders = [*rooms(), *{path.parent for path in (ROOT / "tests").rglob("*.py")}]
    files = {room: [path for path in room.iterdir() if path.is_file()] for room in folders}
    assert {room.name: len(found) for room, found in files.items() if len(found) > MOST_FILES} == {}
    lines = {module: len(path.read_text(encoding="utf-8").splitlines()) for module, path in sources().items()}
    assert {module: count for module, count in lines.items() if count > MOST_LINES} == {}


def test_faces_of_rooms_are_one_sentence_and_export_nothing():
    for room in rooms():
        if room.parent == ROOT:
            continue
        (only,) = ast.parse((room / "__init__.py").read_text(encoding="utf-8")).body
        text = ast.literal_eval(only.value)
        assert "\n" not in text, room
        assert text.endswith("."), room


def test_distribution_lists_every_room_and_its_data():
    setup = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["setuptools"]
    names = [".".join(("seqaudit", *room.relative_to(ROOT).parts)) for room in rooms()]
    assert sorted(setup["packages"]) == sorted(["seqaudit", *names])
    listed = {
        path
        for package, patterns in setup["package-data"].items()
        for pattern in patterns
        for path in ROOT.joinpath(*package.split(".")[1:]).glob(pattern)
    }
    data = itertools.chain(*((ROOT / floor).rglob("*.*") for floor in FLOORS))
    found = {path for path in data if path.is_file() and path.suffix != ".py" and "__pycache__" not in path.parts}
    assert listed == found | {ROOT / "py.typed"}


def test_tests_stand_on_the_floor_that_they_test():
    beside = {path.name for path in (ROOT / "tests").iterdir() if path.is_dir() and path.name != "__pycache__"}
    assert beside == {*FLOORS, "docs", "oracles"}


@pytest.mark.smoke
@pytest.mark.parametrize(
    ("use", "floors"),
    [
        ("pass", []),
        ("seqaudit.Beta", ["posteriors"]),
        ("seqaudit.solve", ["dp", "posteriors"]),
        ("seqaudit.Thompson", ["bandits", "dp", "posteriors"]),
        ("from seqaudit import *", ["bandits", "benchmarks", "dp", "posteriors"]),
    ],
)
def test_names_load_their_floor_and_those_below_and_no_heavy_library(use, floors, tmp_path):
    code = f"import sys, json, seqaudit; {use}; print(json.dumps(sorted(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path, check=True)
    loaded = set(json.loads(done.stdout))
    assert [floor for floor in sorted(FLOORS) if f"seqaudit.{floor}" in loaded] == floors
    assert bool(floors) == ("numba" in loaded)
    assert not loaded & {"pymc", "arviz", "matplotlib", "pandas", "pytensor", "scipy.special", "joblib"}


@pytest.mark.smoke
def test_unknown_public_names_are_refused_as_python_does():
    with pytest.raises(AttributeError, match=r"^module 'seqaudit' has no attribute 'Problm'$"):
        seqaudit.Problm  # noqa: B018
    with pytest.raises(ImportError, match="cannot import name 'Problm' from 'seqaudit'"):
        exec("from seqaudit import Problm")
