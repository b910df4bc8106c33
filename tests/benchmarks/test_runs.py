"""Run folders: what a run records, when a folder is taken up again, what of it is, and when it is refused."""

from __future__ import annotations

import datetime
import importlib.metadata
import json
import os
import platform
import re
import sqlite3
import subprocess
import sys
import threading
import time
from contextlib import closing
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from oracles.faults import each_failure, failing_call
from oracles.stores import change_part, stored_part

import seqaudit as sa
from seqaudit.bandits.registry import label
from seqaudit.benchmarks.runner.folder import RunFolder, RunFolderError
from seqaudit.benchmarks.runner.kept import DATASETS, JSON, fits, kept_fit
from seqaudit.benchmarks.runner.parts import run_parts

INPUTS = {"budget": 20, "seed": 7, "prior": (1.0, 1.0), "policies": ["kg", "uniform"]}


def contents(folder: Path) -> dict[str, bytes | None]:
    return {str(path.relative_to(folder)): path.read_bytes() if path.is_file() else None for path in folder.rglob("*")}


def refusal(path: Path, command: str = "replay", inputs: dict | None = None) -> str:
    with pytest.raises(RunFolderError) as caught:
        RunFolder(path, command, INPUTS if inputs is None else inputs)
    message = str(caught.value)
    assert "\n" not in message
    assert str(path) in message
    return message


def test_record_holds_command_inputs_seed_versions_and_machine(tmp_path):
    before = datetime.datetime.now(datetime.UTC).replace(microsecond=0)
    folder = RunFolder(tmp_path / "run", "replay", INPUTS)
    assert folder.path == tmp_path / "run"
    record = json.loads((tmp_path / "run" / "run.json").read_text())
    assert record["command"] == "replay"
    assert record["inputs"] == {"budget": 20, "seed": 7, "prior": [1.0, 1.0], "policies": ["kg", "uniform"]}
    for name in ("seqaudit", "numpy", "scipy", "numba"):
        assert record["versions"][name] == importlib.metadata.version(name)
    assert record["versions"]["python"] == platform.python_version()
    assert record["machine"]["cores"] >= 1
    assert before <= datetime.datetime.fromisoformat(record["started"]) <= datetime.datetime.now(datetime.UTC)
    folder.store.close()
    assert contents(folder.path).keys() == {"run.json", "run.sqlite"}


def test_folder_and_its_parents_are_made(tmp_path):
    RunFolder(tmp_path / "a" / "b" / "run", "replay", INPUTS)
    assert (tmp_path / "a" / "b" / "run" / "run.sqlite").is_file()


def test_empty_folder_is_taken(tmp_path):
    RunFolder(tmp_path, "replay", INPUTS)
    assert (tmp_path / "run.json").is_file()


def test_same_inputs_take_the_folder_up_again_and_change_nothing(tmp_path):
    first = RunFolder(tmp_path / "run", "replay", INPUTS)
    first.parts(["kg"], lambda _: None, JSON).keep("kg", row(1))
    first.store.close()
    before = contents(first.path)
    again = RunFolder(str(tmp_path / "run"), "replay", INPUTS | {"prior": [1.0, 1.0]})
    assert again.parts(["kg", "uniform"], lambda _: None, JSON).finished == {"kg": row(1)}
    again.store.close()
    assert contents(again.path) == before


@pytest.mark.parametrize(
    ("change", "difference"),
    [
        ({"seed": 8}, "seed was 7, now 8"),
        ({"budget": 21}, "budget was 20, now 21"),
        ({"policies": ["kg"]}, "policies had 2 entries, now 1"),
        ({"policies": ["kg", "exact"]}, 'policies entry 2 was "uniform", now "exact"'),
        ({"prior": (1.0, 2.0)}, "prior entry 2 was 1.0, now 2.0"),
        ({"prior": None}, "prior was [1.0, 1.0], now null"),
        ({"beta": 2.0}, "beta was null, now 2.0"),
    ],
)
def test_other_inputs_are_refused_and_the_difference_is_named(tmp_path, change, difference):
    folder = RunFolder(tmp_path / "run", "replay", INPUTS)
    before = contents(folder.path)
    assert f"holds another run: {difference}; give another folder" in refusal(folder.path, inputs=INPUTS | change)
    assert contents(folder.path) == before


def test_input_that_is_gone_is_a_difference_too(tmp_path):
    folder = RunFolder(tmp_path / "run", "replay", INPUTS)
    fewer = {key: value for key, value in INPUTS.items() if key != "seed"}
    assert "seed was 7, now null" in refusal(folder.path, inputs=fewer)


def test_other_command_is_refused(tmp_path):
    folder = RunFolder(tmp_path / "run", "replay", INPUTS)
    assert 'was "replay", now "compare"' in refusal(folder.path, command="compare")


def test_difference_within_a_nested_input_is_found(tmp_path):
    problem = {"name": [f"item {k}" for k in range(20)], "budget": 20, "utility": {"name": "decisive", "eps": 0.05}}
    RunFolder(tmp_path / "run", "compare", {"problem": problem})
    assert "problem budget was 20, now 21" in refusal(
        tmp_path / "run", "compare", {"problem": problem | {"budget": 21}}
    )
    other = problem | {"utility": {"name": "decisive", "eps": 0.1}}
    assert "problem utility eps was 0.05, now 0.1" in refusal(tmp_path / "run", "compare", {"problem": other})


def test_difference_between_long_texts_is_shown_cut(tmp_path):
    RunFolder(tmp_path / "run", "replay", {"name": "item " * 1000})
    assert len(refusal(tmp_path / "run", inputs={"name": "thing " * 1000})) < 250 + len(str(tmp_path))


def test_difference_far_down_a_long_list_is_found(tmp_path):
    RunFolder(tmp_path / "run", "compare", {"threshold": [0.5] * 99})
    assert "threshold entry 99 was 0.5, now 0.6" in refusal(
        tmp_path / "run", "compare", {"threshold": [0.5] * 98 + [0.6]}
    )


@pytest.mark.skipif(os.name == "nt", reason="links need a right that users do not have")
def test_a_link_to_nothing_is_named_as_such(tmp_path):
    (tmp_path / "run").symlink_to(tmp_path / "gone")
    assert refusal(tmp_path / "run").endswith("run is a link to something that does not exist; give another folder")
    assert not (tmp_path / "gone").exists()


def test_folder_that_is_not_a_run_is_refused_and_left_alone(tmp_path):
    (tmp_path / "thesis.tex").write_text("years of work")
    assert refusal(tmp_path).endswith("exists and is not a run folder")
    assert refusal(tmp_path / "thesis.tex").endswith("exists and is not a run folder")
    assert contents(tmp_path) == {"thesis.tex": b"years of work"}


@pytest.mark.parametrize("text", ["", "{", "[]", "3", "null", b"\xff\xfe"])
def test_record_that_is_none_is_refused(tmp_path, text):
    record = tmp_path / "run.json"
    record.write_bytes(text if isinstance(text, bytes) else text.encode())
    assert refusal(tmp_path).endswith("run.json: not a run record")


def test_record_of_something_else_is_refused(tmp_path):
    (tmp_path / "run.json").write_text("{}")
    assert refusal(tmp_path).endswith("run.json: not a run record")


def test_failed_write_leaves_what_was_there_and_nothing_beside_it(tmp_path):
    folder = RunFolder(tmp_path / "run", "replay", INPUTS)
    assert folder.write("table.csv", "old").read_text() == "old"
    with pytest.raises(UnicodeEncodeError):
        folder.write("table.csv", "new \ud800")
    folder.store.close()
    assert contents(folder.path).keys() == {"run.json", "run.sqlite", "table.csv"}
    assert (folder.path / "table.csv").read_text() == "old"
    folder.write("table.csv", "new")
    assert (folder.path / "table.csv").read_text() == "new"


def test_every_name_has_a_part_of_its_own(tmp_path):
    names = [label(sa.make_policy(name)) for name in sa.policy_names()]
    names += ["kg(ties=first)", "no labels", "no_labels", "a/b", "A/B", "../up/x", "x" * 300, "x" * 301, "", "'; --"]
    for again in (False, True):
        parts = RunFolder(tmp_path / "run", "compare", INPUTS).parts(names, lambda name: None, JSON)
        assert parts.finished == ({name: name for name in names} if again else {})
        for name in names:
            if not again:
                parts.keep(name, name)


def dataset(k: int) -> xr.Dataset:
    return xr.Dataset({"value": ("budget", [0.1 * k, 1 / 3])}, coords={"budget": [1, 2]}, attrs={"kind": "exact"})


def row(k: int) -> dict:
    return {"policy": f"no. {k}", "value": 0.1 * k, "list": [None, "ä", 1e-300]}


VOTES = sa.LabelSet.from_pools({"a": [1, 1, 1], "b": [1, 0, 1], "c": [0, 0, 0], "d": [1, 1]})


def fit(k: int) -> sa.RaterFit:
    return sa.PartialPooling().fit(VOTES, method="fast", draws=20, seed=k)


# Format, a result by its number, and what tells one result from another.
FORMATS = {
    "datasets": (
        DATASETS,
        dataset,
        lambda found: (found["value"].values.tolist(), found["budget"].values.tolist(), found.attrs),
    ),
    "JSON": (JSON, row, lambda found: found),
    "fits": (
        fits(sa.PartialPooling(), VOTES),
        fit,
        lambda found: (found.method, repr(found.model), found.labels.counts.tolist(), found.draws["rate"].tolist()),
    ),
}


@pytest.mark.parametrize("of", ["", "model "])
@pytest.mark.parametrize("form", FORMATS)
def test_parts_that_are_kept_are_taken_up(tmp_path, form, of):
    form, result, content = FORMATS[form]
    names = ["kg(ties=first)", "noise 0.3 at cost 1", "uniform"]
    folder, told = RunFolder(tmp_path / "run", "replay", INPUTS), []
    parts = folder.parts(names, told.append, form, of)
    for k in (0, 2):
        parts.keep(names[k], result(k))
    again = RunFolder(tmp_path / "run", "replay", INPUTS)
    parts = again.parts(names, told.append, form, of)
    assert told == [of + names[0], of + names[2]] * 2
    assert list(parts.finished) == [names[0], names[2]]
    assert [content(x) for x in parts.finished.values()] == [content(result(k)) for k in (0, 2)]
    parts.keep(names[1], result(1))
    assert again.store.names() == [of + names[k] for k in (0, 2, 1)]
    last = RunFolder(tmp_path / "run", "replay", INPUTS)
    taken = last.parts(names, told.append, form, of).finished
    assert [content(x) for x in taken.values()] == [content(result(k)) for k in range(3)]
    assert again.notes == last.notes == []


@pytest.fixture
def finished(tmp_path):
    """A run folder with two parts of each format."""
    folder = RunFolder(tmp_path / "run", "replay", INPUTS)
    for form, result, _ in FORMATS.values():
        parts = folder.parts(["kg", "uniform"], lambda _: None, form, f"{result.__name__} ")
        for k, name in enumerate(["kg", "uniform"]):
            parts.keep(name, result(k))
    return folder.path


def taken_up(path: Path, form: str) -> tuple[list[str], list[str]]:
    """Parts that are taken up, and notes."""
    form, result, _ = FORMATS[form]
    folder = RunFolder(path, "replay", INPUTS)
    return list(folder.parts(["kg", "uniform"], lambda _: None, form, f"{result.__name__} ").finished), folder.notes


@pytest.mark.parametrize("form", FORMATS)
def test_part_with_any_flipped_bit_is_computed_again_and_named(finished, form):
    name = f"{FORMATS[form][1].__name__} kg"
    content = stored_part(finished, name)
    noted = [f"{name} in {finished / 'run.sqlite'} is not as it was written: computed again"]
    for bit in [0, 7, 8 * len(content) - 1, *np.random.default_rng(7).integers(0, 8 * len(content), 12).tolist()]:
        damaged = bytearray(content)
        damaged[bit // 8] ^= 1 << bit % 8
        change_part(finished, name, result=bytes(damaged))
        assert taken_up(finished, form) == (["uniform"], noted)
    change_part(finished, name, result=content)
    assert taken_up(finished, form) == (["kg", "uniform"], [])


@pytest.mark.parametrize("text", ["", "{}", "null", '{"policy": "kg", ', '{"policy": "no. 0", "value": 0.2}'])
def test_anything_in_place_of_a_part_is_computed_again(finished, text):
    change_part(finished, "row kg", result=text.encode())
    found, notes = taken_up(finished, "JSON")
    assert (found, len(notes)) == (["uniform"], 1)


@pytest.mark.parametrize("with_digest", [False, True])
def test_part_of_another_name_is_not_taken_for_one(finished, with_digest):
    with closing(sqlite3.connect(finished / "run.sqlite")) as store:
        (sha256,) = store.execute("SELECT sha256 FROM cells WHERE name = 'row uniform'").fetchone()
    change_part(
        finished, "row kg", result=stored_part(finished, "row uniform"), **{"sha256": sha256} if with_digest else {}
    )
    assert taken_up(finished, "JSON")[0] == ["uniform"]


@pytest.mark.parametrize("value", ["x", b"x", 3])
@pytest.mark.parametrize("column", ["key", "name", "inputs", "status", "form", "result", "sha256"])
def test_damage_in_any_column_costs_one_part_and_no_more(finished, column, value):
    change_part(finished, "row kg", **{column: value})
    found, notes = taken_up(finished, "JSON")
    assert (found, len(notes)) == (["uniform"], column != "key")


def test_interrupted_writing_of_a_part_leaves_no_part(tmp_path):
    folder = RunFolder(tmp_path / "run", "replay", INPUTS)
    parts = folder.parts(["kg"], pytest.fail, JSON)
    with pytest.raises(TypeError):
        parts.keep("kg", {"value": object()})
    assert folder.parts(["kg"], pytest.fail, JSON).finished == {}


def test_kept_result_is_computed_once(tmp_path):
    folder, computed = RunFolder(tmp_path / "run", "fit", INPUTS), []
    for _ in range(2):
        assert folder.kept("row", JSON, lambda: computed.append(1) or row(3)) == row(3)
    assert computed == [1]
    first = kept_fit(folder, "fit", sa.PartialPooling(), VOTES, method="fast", draws=20, seed=1)
    again = kept_fit(folder, "fit", sa.PartialPooling(), VOTES, method="fast", draws=30, seed=2)
    assert np.array_equal(first.draws["rate"], again.draws["rate"])
    change_part(folder.path, "fit", result=stored_part(folder.path, "fit")[:-1])
    fresh = kept_fit(folder, "fit", sa.PartialPooling(), VOTES, method="fast", draws=30, seed=2)
    assert fresh.size == 30
    assert folder.notes == [f"fit in {folder.path / 'run.sqlite'} is not as it was written: computed again"]


def test_row_of_a_part_says_what_it_is_of_its_seed_and_its_time(tmp_path):
    folder = RunFolder(tmp_path / "run", "stress", {"seed": 7, "sizes": [1, 2]})
    parts = folder.parts(["slow", "quick"], print, JSON, of="noise ")
    run_parts({"slow": partial(time.sleep, 0.2), "quick": partial(abs, -1)}, 1, parts.finished, parts.keep)
    folder.kept("fit", JSON, partial(time.sleep, 0.1))
    slow, quick, fit = (folder.store.named(name) for name in ("noise slow", "noise quick", "fit"))
    assert json.loads(slow.inputs) | {"inputs": ""} == {
        "command": "stress",
        "inputs": "",
        "part": "noise slow",
        "form": ".json",
    }
    assert (slow.seed, slow.status, quick.result) == ("7", "done", b"1")
    assert slow.seconds >= 0.2 > 0.1 > quick.seconds
    assert fit.seconds >= 0.1
    folder.store.write(slow._replace(status="failed", result=b"no memory"))
    assert folder.parts(["slow", "quick"], print, JSON, of="noise ").finished == {"quick": 1}


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_only_parts_that_are_missing_are_computed_and_handed_over(n_jobs):
    def never() -> None:
        raise AssertionError("it is finished")

    finished = {"b": 2, "other": 5}
    jobs, told = {"a": partial(int, 1), "b": never, "c": partial(int, 3)}, {}
    assert run_parts(jobs, n_jobs, finished, told.__setitem__) == {"a": 1, "b": 2, "c": 3, "other": 5}
    assert told == {"a": 1, "c": 3}
    assert finished == {"b": 2, "other": 5}
    assert run_parts({"b": never}, n_jobs, finished, told.__setitem__, before=never) == finished


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_parts_that_ended_before_a_fault_were_handed_over(tmp_path, n_jobs):
    def fail() -> None:
        # Beside it the first part ends, and is told.
        import time  # in a worker process

        while not (tmp_path / "told").exists():
            time.sleep(0.01)
        raise ValueError("no more")

    told = []
    with pytest.raises(ValueError, match="no more"):
        run_parts(
            {"a": partial(int, 1), "b": fail},
            n_jobs,
            on_part=lambda name, part: told.append((name, part)) or (tmp_path / "told").touch(),
        )
    assert told == [("a", 1)]


def test_folders_without_a_name_never_collide(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    paths = [RunFolder(None, "replay", INPUTS).path for _ in range(3)]
    assert len(set(paths)) == 3
    assert all(re.fullmatch(r"runs/replay-\d{8}-\d{6}(-\d)?", path.as_posix()) for path in paths)
    assert all((tmp_path / path / "run.json").is_file() for path in paths)


def test_files_are_told_apart_by_their_content_and_not_by_their_name(tmp_path):
    inputs = INPUTS | {"labels": {"file": "a.csv", "sha256": "12"}, "items": None}
    RunFolder(tmp_path / "run", "replay", inputs)
    assert json.loads((tmp_path / "run" / "run.json").read_text())["inputs"]["labels"]["file"] == "a.csv"
    RunFolder(tmp_path / "run", "replay", inputs | {"labels": {"file": "63", "sha256": "12"}})
    other = inputs | {"labels": {"file": "a.csv", "sha256": "13"}}
    assert 'labels sha256 was "12", now "13"' in refusal(tmp_path / "run", inputs=other)


@pytest.mark.parametrize("left", [[], [".seqaudit-1.part"], ["run.json.part", ".seqaudit-2.part"]])
def test_folder_left_before_its_record_was_written_is_taken_up(tmp_path, left):
    (tmp_path / "run").mkdir()
    for name in left:
        (tmp_path / "run" / name).write_text("half")
    RunFolder(tmp_path / "run", "replay", INPUTS)
    assert "was 20, now 21" in refusal(tmp_path / "run", inputs=INPUTS | {"budget": 21})


def test_results_without_a_record_are_not_a_run(finished):
    (finished / "run.json").unlink()
    assert refusal(finished).endswith("exists and is not a run folder")


def test_folder_of_an_earlier_version_is_refused(tmp_path):
    RunFolder(tmp_path, "replay", INPUTS).store.close()
    (tmp_path / "parts").mkdir()
    assert "was begun by an earlier version of seqaudit, which kept its parts as files" in refusal(tmp_path)


def work_in(path: Path) -> list[dict]:
    """What a command does with a run folder; figures and tables included."""
    folder, names = RunFolder(path, "replay", INPUTS), ["a", "b"]
    with closing(folder.store):
        parts = folder.parts(names, lambda _: None, JSON)
        done = run_parts({name: partial(row, k) for k, name in enumerate(names)}, 1, parts.finished, parts.keep)
        folder.write("table.csv", "a,b\n")
    return [done[name] for name in names]


def test_command_that_fails_at_any_call_can_be_taken_up(tmp_path):
    """A full disk: the error names a file of the run, no scratch file is left, and a second try finishes the work."""
    expected, failures = work_in(tmp_path / "whole"), 0
    for k, error in each_failure(lambda k: work_in(tmp_path / f"run-{k}")):
        path = tmp_path / f"run-{k}"
        if error is not None:
            failures += 1
            assert str(error).startswith("[Errno 28] No space left on device: ")
            assert ".part" not in str(error)
        assert [x for x in path.rglob("*") if x.name.endswith(".part")] == []
        assert work_in(path) == expected
        assert contents(path).keys() == contents(tmp_path / "whole").keys()
    assert failures > 12


KILLED = """
import itertools, os, sys
sys.path[:0] = sys.argv[2:]
from pathlib import Path
from benchmarks.test_runs import contents, work_in
from oracles.faults import failing_call, killed

root = Path(sys.argv[1])
expected = work_in(root / "whole")
for n in itertools.count(1):
    child = os.fork()
    if not child:
        with failing_call(n, killed) as calls:
            work_in(root / f"{n}")
        os._exit(0)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert work_in(root / f"{n}") == expected
    assert contents(root / f"{n}").keys() == contents(root / "whole").keys(), (n, contents(root / f"{n}").keys())
    if status == 0:
        break
print(n)
"""


def test_command_that_is_killed_at_any_call_can_be_taken_up(tmp_path):
    """What it left half is gone after the second try."""
    tests = Path(__file__).resolve().parents[1]
    command = [sys.executable, "-W", "ignore", "-c", KILLED, str(tmp_path), str(tests)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.stderr == ""
    assert int(done.stdout) > 20


def test_first_of_many_calls_that_fails_leaves_no_new_folder(tmp_path):
    with failing_call(2), pytest.raises(OSError, match="No space left"):
        RunFolder(tmp_path / "a" / "run", "replay", INPUTS)
    assert list(tmp_path.iterdir()) == []


def test_commands_that_start_on_one_new_folder_all_end(tmp_path):
    start, found = threading.Barrier(8), []

    def work(k: int) -> None:
        start.wait()
        try:
            found.append(work_in(tmp_path / "run"))
        except Exception as error:
            found.append(error)

    threads = [threading.Thread(target=work, args=(k,)) for k in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [[row(k) for k in range(2)]] * 8
    assert contents(tmp_path / "run").keys() == {"run.json", "run.sqlite", "table.csv"}
    last = RunFolder(tmp_path / "run", "replay", INPUTS)
    assert list(last.parts(["a", "b"], lambda _: None, JSON).finished) == ["a", "b"]
    assert last.notes == []


def test_of_two_commands_with_other_inputs_one_gets_the_new_folder(tmp_path):
    start, told = threading.Barrier(8), []

    def work(k: int) -> None:
        start.wait()
        try:
            told.append(RunFolder(tmp_path / "run", "replay", INPUTS | {"seed": k}).path)
        except RunFolderError as error:
            told.append(str(error))

    threads = [threading.Thread(target=work, args=(k,)) for k in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(isinstance(x, Path) for x in told) == [False] * 7 + [True]
    assert all("holds another run: seed was" in x for x in told if isinstance(x, str))


def test_scratch_file_of_a_killed_command_is_removed_and_that_of_a_working_one_is_not(tmp_path):
    RunFolder(tmp_path / "run", "replay", INPUTS)
    code = """
import os, sys
from seqaudit.dp.machine import files
def killed(*_):
    print("writing", flush=True)
    sys.stdin.read(1)
    os._exit(9)
os.fsync = killed
files.write_whole(sys.argv[1], "half")
"""
    command = [sys.executable, "-c", code, str(tmp_path / "run" / "kg.csv")]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}

    def scratch() -> list[Path]:
        return [*(tmp_path / "run").glob("*.part")]

    with subprocess.Popen(command, text=True, **pipes) as process:
        assert process.stdout.readline() == "writing\n"
        RunFolder(tmp_path / "run", "replay", INPUTS)
        assert len(scratch()) == 1
        process.communicate("x")
    assert process.returncode == 9
    assert len(scratch()) == 1
    RunFolder(tmp_path / "run", "replay", INPUTS)
    assert scratch() == []


@pytest.mark.skipif(os.name == "nt", reason="links need a right that users do not have")
@pytest.mark.parametrize("place", ["run.sqlite", "comparison.csv", "run.sqlite-wal"])
def test_a_link_in_a_run_folder_is_refused_and_what_it_points_to_is_left_alone(tmp_path, place):
    folder = RunFolder(tmp_path / "run", "compare", INPUTS)
    folder.parts(["kg"], lambda name: None, JSON).keep("kg", 1)
    folder.store.close()
    (tmp_path / "precious").write_text("years of work")
    (folder.path / place).unlink(missing_ok=True)
    (folder.path / place).symlink_to(tmp_path / "precious")
    with pytest.raises(RunFolderError, match=f"{place} is a link, through which another file would be changed"):
        RunFolder(tmp_path / "run", "compare", INPUTS)
    assert (tmp_path / "precious").read_text() == "years of work"
