"""Finished runs: what is shown of their cells, and the tables that are made of them."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from oracles.stores import change_part

from seqaudit.benchmarks.runner.export import export_run, run_table
from seqaudit.benchmarks.runner.finished import FinishedRun
from seqaudit.benchmarks.runner.folder import RunFolder, RunFolderError
from seqaudit.benchmarks.runner.kept import DATASETS, JSON
from seqaudit.benchmarks.runner.store import _reading

GRID = xr.Dataset(
    {"value": (("policy", "budget"), [[0.5, np.nan]]), "exact": ("budget", [True, False])},
    coords={"policy": ["kg"], "budget": [3.0, 8.0]},
)


@pytest.fixture
def run(tmp_path):
    """A run with three kinds of results, and a cell that failed."""
    folder = RunFolder(tmp_path / "run", "compare", {"seed": 7})
    folder.kept("kg", JSON, lambda: {"policy": "kg", "value": 1.5, "seconds": 2.0, "more": {"mean": [1, 2]}})
    folder.kept("=formula", JSON, lambda: [4, None])
    folder.kept("number", JSON, lambda: 2.5)
    folder.kept("grid", DATASETS, lambda: GRID)
    failed = folder.store.named("number")._replace(name="gone", inputs='{"part": "gone"}', status="failed")
    folder.store.write(failed._replace(result=b"no memory"))
    folder.store.close()
    return tmp_path / "run"


def test_cells_are_rows_and_the_numbers_of_datasets_too(run):
    table = run_table(run)
    assert table["cell"].tolist() == ["kg", "=formula", "number", *["grid"] * 4, "gone"]
    assert table["status"].tolist() == ["done"] * 7 + ["failed"]
    assert (table["cell_seconds"] >= 0).all()
    rows = table.to_dict(orient="records")
    assert [rows[0][x] for x in ("policy", "value", "seconds", "more.mean.0", "more.mean.1")] == ["kg", 1.5, 2.0, 1, 2]
    assert rows[1]["0"] == 4
    assert rows[2]["value"] == 2.5
    found = {(row["variable"], row["policy"], row["budget"]): row["value"] for row in rows[3:7]}
    assert found.pop(("value", "kg", 3.0)) == 0.5
    assert np.isnan(found.pop(("value", "kg", 8.0)))
    assert [value for _, value in sorted(found.items(), key=lambda x: x[0][2])] == [True, False]
    assert rows[7]["message"] == "no memory"
    assert len(set(table["key"])) == 5


def test_entry_with_the_name_of_a_column_of_every_row_stands_beside_it(tmp_path):
    folder = RunFolder(tmp_path / "run", "compare", {})
    folder.kept("kg", JSON, lambda: {"status": "odd", "value": 1})
    assert run_table(tmp_path / "run").loc[0, ["status", "result.status", "value"]].tolist() == ["done", "odd", 1]


def test_csv_holds_the_table_and_no_formulas(run, tmp_path):
    assert export_run(run, tmp_path / "t.csv") == tmp_path / "t.csv"
    found = pd.read_csv(tmp_path / "t.csv")
    assert found["cell"].tolist()[:3] == ["kg", "'=formula", "number"]
    np.testing.assert_array_equal(found["cell_seconds"], run_table(run)["cell_seconds"])


def test_parquet_and_netcdf_hold_the_table(run, tmp_path):
    pytest.importorskip("pyarrow")
    table = run_table(run)
    export_run(run, tmp_path / "t.parquet")
    export_run(run, tmp_path / "t.nc")
    of_parquet = pd.read_parquet(tmp_path / "t.parquet")
    of_netcdf = xr.load_dataset(tmp_path / "t.nc", engine="h5netcdf").to_dataframe()
    for found in (of_parquet, of_netcdf):
        assert list(found.columns) == list(table.columns)
        assert found["cell"].tolist() == table["cell"].tolist()
        np.testing.assert_array_equal(found["budget"], table["budget"])
    # Numbers and truth values in one column are texts.
    assert [x for x in of_parquet["value"].tolist() if x][:2] == ["1.5", "2.5"]


def test_missing_library_is_named_before_anything_is_written(run, tmp_path, monkeypatch):
    import builtins

    found = builtins.__import__

    def without(name, *more):
        if name == "pyarrow":
            raise ImportError(name)
        return found(name, *more)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(ValueError, match=r"Parquet needs pyarrow, .* install seqaudit with its extra"):
        export_run(run, tmp_path / "t.parquet")
    assert not (tmp_path / "t.parquet").exists()


@pytest.mark.parametrize("name", ["t", "t.xlsx", "parquet"])
def test_other_formats_are_refused(run, tmp_path, name):
    with pytest.raises(ValueError, match=r"its name must end in \.parquet, \.csv or \.nc"):
        export_run(run, tmp_path / name)


def test_a_run_without_cells_is_a_table_without_rows(tmp_path):
    RunFolder(tmp_path / "run", "compare", {}).store.close()
    assert run_table(tmp_path / "run").shape == (0, 4)


def test_cells_are_found_by_name_and_by_the_beginning_of_a_key(run):
    found = FinishedRun.of(run)
    kg = found.cell("kg")
    assert json.loads(kg.result)["value"] == 1.5
    assert found.cell(kg.key) == found.cell(kg.key[:6]) == found.cell(kg.key[:4].upper()) == kg
    with pytest.raises(RunFolderError, match="has no cell 'kgg'; did you mean 'kg'"):
        found.cell("kgg")
    with pytest.raises(RunFolderError, match=r"has no cell '\*'"):
        found.cell("*")
    with closing(sqlite3.connect(run / "run.sqlite")) as store, store:
        store.execute("UPDATE cells SET key = '12345' || key WHERE name IN ('kg', 'grid')")
    with pytest.raises(RunFolderError, match=r"'12345' stands for 2 cells, .*; give more digits"):
        found.cell("12345")


def test_cell_that_is_not_as_it_was_written_is_named(run):
    change_part(run, "grid", result=b"other")
    with pytest.raises(RunFolderError, match="row 4 is not as it was written"):
        run_table(run)
    with pytest.raises(RunFolderError, match=r"'grid' in .* is not as it was written"):
        FinishedRun.of(run).cell("grid")


@pytest.mark.parametrize("missing", ["run.json", "run.sqlite"])
def test_folders_that_hold_no_run_are_refused_and_left_alone(run, missing):
    (run / missing).unlink()
    before = sorted(run.iterdir())
    with pytest.raises(RunFolderError, match=missing):
        run_table(run)
    assert sorted(run.iterdir()) == before


def test_looking_at_a_run_changes_nothing(run):
    before = {x.name: x.read_bytes() for x in run.iterdir()}
    run_table(run)
    assert {x.name: x.read_bytes() for x in run.iterdir()} == before


def test_run_in_a_folder_that_cannot_be_written_is_read(run, monkeypatch):
    # This user may write everywhere, so the answer is that of another one.
    monkeypatch.setattr("os.access", lambda place, mode: place != run)
    assert "immutable" in _reading(run / "run.sqlite")
    assert len(run_table(run)) == 8


def test_run_that_goes_on_is_shown_as_it_stands(run):
    writing = RunFolder(run, "compare", {"seed": 7})
    writing.kept("late", JSON, lambda: {"value": 3})
    assert "late" in run_table(run)["cell"].tolist()


def test_dimensions_with_names_of_columns_keep_their_places(tmp_path):
    """A design choice is a dimension called value: the number must not stand in for its place."""
    grid = xr.Dataset({"gain": (("value", "cell"), [[0.1, 0.2], [0.3, 0.4]])}, coords={"value": [5.0, 6.0]})
    folder = RunFolder(tmp_path / "run", "statics", {})
    folder.kept("beta", DATASETS, lambda: grid)
    folder.store.close()
    table = run_table(tmp_path / "run")
    assert table[["variable", "at.value", "at.cell", "value"]].values.tolist() == [
        ["gain", 5.0, 0, 0.1],
        ["gain", 5.0, 1, 0.2],
        ["gain", 6.0, 0, 0.3],
        ["gain", 6.0, 1, 0.4],
    ]
    assert table["cell"].unique().tolist() == ["beta"]


def test_files_of_a_run_are_not_written_over(run, tmp_path, monkeypatch):
    before = {x.name: x.read_bytes() for x in run.iterdir()}
    link = tmp_path / "link"
    link.symlink_to(run)
    for to in (run / "run.csv", run / "sub" / ".." / "run.json.csv", link / "x.csv"):
        with pytest.raises(RunFolderError, match="in the run folder, whose files stay as they are"):
            export_run(run, to)
    monkeypatch.chdir(run)
    with pytest.raises(RunFolderError, match="in the run folder"):
        export_run(".", "x.csv")
    assert {x.name: x.read_bytes() for x in run.iterdir()} == before


def test_a_killed_run_is_read_and_left_as_it_is(run):
    """What it had not yet taken over into the store is read, and stays where it is."""
    writing = RunFolder(run, "compare", {"seed": 7})
    writing.kept("late", JSON, lambda: {"value": 3})
    killed = run.parent / "killed"
    killed.mkdir()
    for path in run.iterdir():
        (killed / path.name).write_bytes(path.read_bytes())
    writing.store.close()
    before = {x.name: x.read_bytes() for x in killed.iterdir() if not x.name.endswith("-shm")}
    assert "run.sqlite-wal" in before
    assert "late" in run_table(killed)["cell"].tolist()
    assert {x.name: x.read_bytes() for x in killed.iterdir() if not x.name.endswith("-shm")} == before


@pytest.mark.parametrize(
    "record",
    [
        {"command": "stress", "inputs": {"seed": 7}},
        {"command": "compare", "inputs": {"seed": 8}},
        {"command": 5, "inputs": {}},
        {"command": "compare", "inputs": []},
    ],
)
def test_record_of_another_run_is_refused(run, record):
    (run / "run.json").write_text(json.dumps(record))
    with pytest.raises(RunFolderError, match=r"run\.json.* not (a run|the) record"):
        run_table(run)
    with pytest.raises(RunFolderError, match=r"run\.json.* not (a run|the) record"):
        FinishedRun.of(run).cell("kg")


def test_a_cell_without_json_is_named(run):
    with closing(sqlite3.connect(run / "run.sqlite")) as store, store:
        store.execute("DROP TABLE cells")
    with pytest.raises(RunFolderError, match=r"run\.sqlite: "):
        run_table(run)


@pytest.mark.parametrize("content", [b"not json", b"1,2", b""])
def test_a_result_that_is_no_json_is_named(tmp_path, content):
    folder = RunFolder(tmp_path / "run", "compare", {})
    for k in range(3):
        folder.kept(f"cell {k}", JSON, lambda: 1.5)
    folder.store.write(folder.store.named("cell 1")._replace(result=content))
    folder.store.close()
    with pytest.raises(RunFolderError, match=r"^cell 'cell 1' holds no JSON: "):
        run_table(tmp_path / "run")


def test_long_tables_are_written_in_pieces(tmp_path, monkeypatch):
    monkeypatch.setattr("seqaudit.benchmarks.runner.export._AT_A_TIME", 3)
    folder = RunFolder(tmp_path / "run", "compare", {})
    for k in range(10):
        folder.kept(f"=cell {k}", JSON, lambda k=k: {"value": k / 7})
    folder.store.close()
    export_run(tmp_path / "run", tmp_path / "t.csv")
    monkeypatch.undo()
    export_run(tmp_path / "run", tmp_path / "u.csv")
    assert (tmp_path / "t.csv").read_bytes() == (tmp_path / "u.csv").read_bytes()
    assert pd.read_csv(tmp_path / "t.csv")["value"].tolist() == [k / 7 for k in range(10)]
