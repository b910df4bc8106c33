"""The C baseline computes what the engine computes; ``seqaudit speed`` says what it measured and leaves nothing."""

from __future__ import annotations

import json
import math
import os
import re
import shutil
import tempfile
from pathlib import Path

import numpy as np
import pytest

import seqaudit as sa
from seqaudit.bandits.simulation.simulate import spend
from seqaudit.benchmarks.cli import main as cli
from seqaudit.benchmarks.speed import fresh_process as apart
from seqaudit.benchmarks.speed import peers, speed, throughput
from seqaudit.benchmarks.speed.dense_baseline import compiled_baseline
from seqaudit.benchmarks.speed.fresh_process import Case, largest, solve_apart

NO_COMPILER = "no C compiler found: the baseline column is skipped"
THRESHOLD = [0.555, 0.408, 0.316, 0.62, 0.5, 0.7, 0.45]
SIZES = [(1, 1), (1, 30), (2, 1), (2, 25), (3, 14), (4, 9), (5, 7), (6, 6), (7, 4)]


@pytest.fixture(scope="module")
def baseline():
    with compiled_baseline() as (program, remarks):
        if program is None:
            pytest.skip(remarks[0])
        yield program


@pytest.fixture
def scratch(tmp_path, monkeypatch):
    """Where temporary folders are made."""
    folder = tmp_path / "scratch"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


@pytest.fixture
def speed_command(tmp_path, monkeypatch, capsys):
    """Run ``seqaudit speed``; its status, standard output and standard error."""
    monkeypatch.chdir(tmp_path)
    for name in ("FORCE_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE", "COLUMNS"):
        monkeypatch.delenv(name, raising=False)

    def call(*arguments):
        with pytest.raises(SystemExit) as stop:
            cli.main(["speed", *map(str, arguments)])
        return (stop.value.code, *capsys.readouterr())

    return call


def compiler_script(folder: Path, body: str) -> str:
    """A compiler that is a shell script; it may pass its arguments on."""
    script = folder / "compiler"
    script.write_text(f"#!/bin/sh\n{body}\n")
    script.chmod(0o755)
    return str(script)


def real_compiler() -> str:
    path = next(filter(None, map(shutil.which, ("cc", "gcc", "clang"))), None)
    if path is None:
        pytest.skip(NO_COMPILER)
    return path


# baseline


@pytest.mark.smoke
@pytest.mark.parametrize(("items", "budget"), SIZES)
def test_baseline_and_engine_agree(baseline, items, budget):
    problem = sa.Problem(
        THRESHOLD[:items],
        budget,
        weight=np.linspace(1, 2, items),
        prior=[(1 + i / 3, 2 - i / 7) for i in range(items)],
        utility="variance" if items % 2 else "accuracy",
    )
    found = baseline.solve(problem, 2)
    assert found["value"] == pytest.approx(sa.solve(problem, reduce=False).value, rel=0, abs=1e-9)
    assert found["states"] == math.comb(budget + 2 * items, 2 * items)
    assert found["seconds"] > 0


@pytest.mark.parametrize(("items", "budget"), [(2, 60), (3, 24), (4, 14), (6, 9)])
def test_baseline_does_not_depend_on_threads(baseline, items, budget):
    problem = sa.Problem(THRESHOLD[:items], budget)
    one, two = (baseline.solve(problem, threads) for threads in (1, 2))
    assert one["value"] == two["value"]
    assert one["value"] == pytest.approx(sa.solve(problem).value, rel=0, abs=1e-9)
    assert (one["threads"], two["threads"]) == (1, 2 if baseline.parallel else 1)


def test_baseline_leaves_no_folder(scratch):
    with compiled_baseline() as (program, _):
        assert (program is None) == (not any(scratch.iterdir()))
    assert not any(scratch.iterdir())


def test_without_a_compiler_there_is_no_baseline(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("CC", "nowhere -O9")
    with compiled_baseline() as found:
        assert found == (None, [NO_COMPILER])


def test_compiler_named_in_the_environment_comes_first(tmp_path, monkeypatch):
    log = tmp_path / "log"
    monkeypatch.setenv("CC", compiler_script(tmp_path, f'echo "$@" >>{log}\nexec {real_compiler()} "$@"') + " -g0")
    with compiled_baseline() as (program, remarks):
        assert program is not None
        assert remarks == ([] if program.parallel else ["no OpenMP: what is compared runs on one thread"])
    assert log.read_text().startswith("-g0 -O3 ")


def test_compiler_without_openmp_gives_a_baseline_of_one_thread(tmp_path, monkeypatch):
    body = f'for flag; do [ "$flag" = -fopenmp ] && exit 1; done\nexec {real_compiler()} "$@"'
    monkeypatch.setenv("CC", compiler_script(tmp_path, body))
    with compiled_baseline() as (program, remarks):
        assert remarks == ["no OpenMP: what is compared runs on one thread"]
        assert not program.parallel
        problem = sa.Problem(THRESHOLD[:2], 25)
        found = program.solve(problem, 2)
        assert found["threads"] == 1
        assert found["value"] == pytest.approx(sa.solve(problem).value, rel=0, abs=1e-9)
        (row,) = (part() for table, _, part in speed.speed_parts(program, runs=1, quick=True) if table == "reduced")
        assert row["threads"] == 1


def test_compiler_that_fails_is_quoted(tmp_path, scratch, monkeypatch):
    monkeypatch.setenv("CC", compiler_script(tmp_path, "echo 'x.c:1: error: no headers here' >&2\nexit 1"))
    with compiled_baseline() as (program, remarks):
        assert program is None
        assert remarks == [
            f"{os.environ['CC']} cannot compile dense_baseline.c, x.c:1: error: no headers here: "
            "the baseline column is skipped"
        ]
    assert not any(scratch.iterdir())


# processes of their own


def test_memory_of_a_fresh_process_is_its_own(baseline):
    ballast = np.ones(40_000_000)
    case = Case((0.5, 0.6), 200)
    layer = 8 * math.comb(203, 3)
    assert layer < baseline.solve(case.problem(), 1)["peak_bytes"] < ballast.nbytes / 4
    found = solve_apart(case, reduce=False, threads=1)
    assert found["peak_bytes"] < ballast.nbytes + 100e6
    assert layer / 2 < found["solve_bytes"] < 4 * layer
    assert found["value"] == sa.solve(case.problem(), reduce=False, threads=1).value
    assert found["states"] == case.states


def test_process_that_takes_too_long_is_ended():
    assert solve_apart(Case((0.5, 0.6), 10), patience=0.01) == {"refused": "time"}


def test_problem_too_large_is_refused_as_such():
    assert solve_apart(Case((0.5,) * 3, 100_000), reduce=False) == {"refused": "memory"}


def test_defect_in_a_process_is_not_taken_for_a_limit():
    with pytest.raises(RuntimeError, match=r"(?s)N=1 K=3, t=0\.5: .*nonsense"):
        solve_apart(Case((0.5,), 3), nonsense=1)


@pytest.mark.parametrize("power", [1.0, 0.8, 0.5])
@pytest.mark.parametrize(("items", "seconds", "memory"), [(2, 20, None), (3, 5, None), (10, 20, None), (3, 1e9, 2e9)])
def test_largest_problem_is_found_in_few_trials(monkeypatch, power, items, seconds, memory):
    threshold = (0.5,) * items
    tried = []

    def model(budget):
        states = Case(threshold, budget).states
        layer = math.comb(budget + 2 * items - 1, budget)
        return {"seconds": 1e-3 + 2e-8 * states**power, "solve_bytes": 16 * layer**power}

    def fits(budget):
        found = model(budget)
        return found["seconds"] <= seconds and found["solve_bytes"] + 150e6 <= (memory or math.inf)

    def apart_by_model(case, **_):
        tried.append(case.budget)
        found = model(case.budget)
        return found | {"value": 0.0, "states": case.states, "peak_bytes": 150e6 + found["solve_bytes"]}

    monkeypatch.setattr(apart, "solve_apart", apart_by_model)
    row = largest(threshold, seconds, memory, 1)
    most = next(k for k in range(1, 10**6) if not fits(k + 1))
    assert 0.9 * most - 1 <= row["budget"] <= most
    assert row["limit"] == ("memory" if memory else "time")
    assert row["budget"] in tried
    assert len(tried) <= 16


def test_largest_problem_within_nothing_is_none(monkeypatch):
    monkeypatch.setattr(apart, "solve_apart", lambda case, **_: {"refused": "memory"})
    row = largest((0.5, 0.5), 1.0, None, 1)
    assert (row["budget"], row["seconds"], row["limit"]) == (0, None, "memory")


# measuring


def test_turns_alternate_and_the_first_is_not_counted():
    calls = []
    results = speed._in_turn(2, lambda: calls.append("a") or {"n": len(calls)}, lambda: calls.append("b") or {})
    assert calls == ["a", "b"] * 3
    assert results == [[{"n": 3}, {"n": 5}], [{}, {}]]


def test_disagreement_is_a_defect():
    speed._must_agree(Case((0.5,), 3), "float64", 2.0, 2.0 + 1e-9)
    with pytest.raises(RuntimeError, match=re.escape("t=0.5: the value is 2.0, and 2.00001 was computed in float64")):
        speed._must_agree(Case((0.5,), 3), "float64", 2.0, 2.00001)


def test_replays_that_differ_are_a_defect(monkeypatch):
    def one_vote_more(*arguments):
        counts, wins = spend(*arguments)
        return counts + (np.arange(counts.shape[1]) == 0), wins

    monkeypatch.setattr(throughput, "run_policy", one_vote_more)
    with pytest.raises(RuntimeError, match="kg: the compiled replay and the board bought different labels"):
        throughput.measure_replay("kg", 5, 9, 2, 1)


def test_chain_given_to_peers_is_the_two_armed_bandit():
    horizon = 7
    state, action, reward, transition = peers._joint_chain(horizon)
    states = transition.shape[1]
    assert states == math.comb(horizon + 4, 4)
    assert np.allclose(transition.sum(axis=1), 1)
    value = np.zeros(states)
    for _ in range(horizon):
        gain = reward + transition @ value
        value = np.full(states, -np.inf)
        np.maximum.at(value, state, gain)
    assert set(action) == {0, 1}
    expected = sa.solve(sa.Problem.bandit(prior=[(1, 1), (1, 1)], horizon=horizon)).value
    assert value[0] == pytest.approx(expected, rel=0, abs=1e-12)


def test_quantecon_agrees_with_the_engine():
    pytest.importorskip("quantecon")
    row = peers.measure_peer("quantecon", 7, 1)
    assert row["value"] == pytest.approx(row["engine_value"], rel=0, abs=1e-12)


def test_index_by_markovianbandit_makes_an_unknown_arm_as_good_as_a_known_one():
    pytest.importorskip("markovianbandit")
    horizon, discount = 30, 0.9
    index = peers.measure_peer("markovianbandit", horizon, 1)["value"]
    known = index / (1 - discount)
    wins = np.arange(horizon + 1)
    value = np.maximum((wins + 1) / (horizon + 2) / (1 - discount), known)
    for n in range(horizon - 1, -1, -1):
        mean = (wins[: n + 1] + 1) / (n + 2)
        go = mean + discount * (mean * value[1 : n + 2] + (1 - mean) * value[: n + 1])
        value = np.maximum(go, known)
    assert go[0] == pytest.approx(known, rel=1e-9)


# command


def test_json_holds_every_measurement(speed_command, baseline):
    status, out, err = speed_command("--quick", "--runs", 2, "--json")
    assert status == 0
    found = json.loads(out)
    assert list(found) == ["machine", "runs", "remarks", *speed.TABLES]
    assert set(found["machine"]) == {"processor", "threads", "versions", "compiler"}
    for row in [*found["dense"], *found["reduced"]]:
        problem = sa.Problem(row["threshold"], row["budget"])
        assert row["value"] == pytest.approx(sa.solve(problem).value, rel=0, abs=1e-12)
        assert row["ratio"] == row["engine_seconds"] / row["baseline_seconds"]
        assert row["best_ratio"] == min(row["engine_runs"]) / min(row["baseline_runs"])
        for name in ("engine", "baseline"):
            assert len(row[f"{name}_runs"]) == 2
            assert row[f"{name}_seconds"] == np.median(row[f"{name}_runs"])
    for row in found["dense"]:
        assert row["visited"] == row["states"]
        for name in ("engine", "baseline", "float32"):
            assert row[f"{name}_ns_per_state"] == pytest.approx(1e9 * row[f"{name}_seconds"] / row["states"])
    for row in found["reduced"]:
        assert row["engine"] == sa.solve(sa.Problem(row["threshold"], row["budget"])).engine
        assert row["per_state_ratio"] == row["ns_per_visited"] / row["dense_ns_per_state"]
        assert row["best_per_state_ratio"] > 0
    (evaluation,) = found["evaluation"]
    problem = sa.Problem(evaluation["threshold"], evaluation["budget"])
    assert evaluation["value"] == sa.evaluate(problem, sa.KnowledgeGradient()).value
    assert [row["policy"] for row in found["replays"]] == ["variance-reduction", "kg", "lsa"]
    for row in found["replays"]:
        assert row["ratio"] == row["seconds"] / row["board_seconds"]
        assert (len(row["runs"]), len(row["board_runs"])) == (2, 2)
    (row,) = found["largest"]
    assert row["seconds"] <= 0.2
    assert row["value"] == pytest.approx(sa.solve(sa.Problem(row["threshold"], row["budget"])).value, abs=1e-12)
    missing = [f"{row['peer']} is not installed: not measured" for row in found["peers"] if not row["installed"]]
    assert found["remarks"][-len(missing) :] == missing
    lines = err.splitlines()
    assert [line.split(":")[0] for line in lines] == [f"measuring {k + 1}/{len(lines)}" for k in range(len(lines))]


def test_without_a_compiler_the_engine_is_measured_alone(speed_command, tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CC", raising=False)
    monkeypatch.setattr(speed, "PEERS", {})
    status, out, _ = speed_command("--quick", "--runs", 1, "--seconds", 0)
    assert status == 0
    lines = [line.strip() for line in out.splitlines()]
    assert lines[0] == f"note: {NO_COMPILER}"
    titles = [speed.TABLES[table][0] for table in ("dense", "reduced", "evaluation")]
    assert [line for line in lines if line in titles] == titles
    assert speed.TABLES["largest"][0] not in lines
    (row,) = (line.split() for line in lines if line.startswith("N=2 K=12"))
    states, c, engine, ratio = row[4:8]
    assert (states, c, ratio) == ("1,820", "-", "-")
    assert float(engine) > 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--memory", 0), "--memory is 0.0; it must be a positive number of GiB"),
        (("--memory", "nan"), "--memory is nan; it must be a positive number of GiB"),
        (("--seconds", "inf"), "--seconds is inf; it must be finite"),
        (("--seconds", -1), "Invalid value for '--seconds': "),
        (("--runs", 0), "Invalid value for '--runs': "),
        (("--threads", 0), "Invalid value for '--threads': "),
    ],
)
def test_bad_arguments_are_refused_in_one_line(speed_command, arguments, message):
    status, out, err = speed_command(*arguments)
    assert (status, out) == (2, "")
    (line,) = err.splitlines()
    assert line.startswith(f"seqaudit: {message}")


def test_interrupted_command_leaves_nothing(speed_command, scratch, monkeypatch):
    def stop(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(speed, "solved", stop)
    status, out, err = speed_command("--quick")
    assert (status, out, err) == (130, "", "seqaudit: interrupted; nothing is kept\n")
    assert not any(scratch.iterdir())
    assert [path.name for path in scratch.parent.iterdir()] == ["scratch"]
