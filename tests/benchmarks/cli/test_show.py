"""Commands show and export: cells of runs with what determines them, and files of them."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest
import xarray as xr
from oracles.command_line import caller
from oracles.stores import change_part, stored_part

PROBLEM = "budget = 6\nthreshold = [0.5, 0.62]\n"


@pytest.fixture
def run(tmp_path, monkeypatch, capsys):
    """Run a command in a folder that holds a finished comparison and a finished curve."""
    call = caller(tmp_path, monkeypatch, capsys, problem=PROBLEM)
    assert call("compare", "problem.toml", "-p", "kg", "--out", "first").status == 0
    curve = ("curve", "problem.toml", "-p", "kg", "--points", 2, "--jobs", 1, "--out", "second")
    assert call(*curve).status == 0
    return call


def test_cells_of_a_run_are_listed(run):
    outcome = run("show", "first")
    assert outcome.status == 0
    rows = outcome.table("cell")
    assert [row["cell"] for row in rows] == ["optimum", "lagrangian bound", "clairvoyant bound", "kg", "no labels"]
    assert {row["status"] for row in rows} == {"done"}
    found = run("show", "first", "--json").json
    assert found["command"] == "compare"
    assert [cell["key"][:10] for cell in found["cells"]] == [row["key"] for row in rows]


def test_a_number_is_traced_to_its_cell_and_what_determines_it(run):
    table = pd.read_csv("first/comparison.csv").set_index("policy")
    found = run("show", "first", "kg", "--json").json
    assert found["result"]["value"] == table.loc["kg", "value"]
    assert found["inputs"]["problem"]["threshold"] == [0.5, 0.62]
    assert found["determined_by"]["part"] == "kg"
    assert found["versions"]["numpy"]
    assert run("show", "first", found["key"][:8], "--json").json == found
    text = run("show", "first", "kg").out
    assert f'"value": {table.loc["kg", "value"]}' in text
    assert found["key"] in text


def test_datasets_are_shown_and_written_as_they_were_kept(run):
    assert "<xarray.Dataset>" in run("show", "second", "kg").out
    found = run("show", "second", "kg", "--json").json
    assert found["seed"] == 7
    assert found["result"]["/"]["coords"]["budget"]["data"][-1] == 6
    assert run("show", "second", "kg", "--to", "kg.nc").status == 0
    assert Path("kg.nc").read_bytes() == stored_part("second", "kg")
    assert "value" in xr.load_dataset("kg.nc", engine="h5netcdf")


@pytest.mark.parametrize("ending", ["csv", "nc"])
def test_cells_are_exported(run, ending):
    outcome = run("export", "first", "--to", f"cells.{ending}")
    assert (outcome.status, outcome.out) == (0, f"written: cells.{ending}\n")
    if ending == "csv":
        assert pd.read_csv("cells.csv")["value"].tolist() == [
            json.loads(stored_part("first", name))["value"]
            for name in ("optimum", "lagrangian bound", "clairvoyant bound", "kg", "no labels")
        ]


@pytest.mark.parametrize(
    ("command", "message"),
    [
        (("show", "nowhere"), "nowhere is not a run folder: it has no run.json"),
        (("show", "."), ". is not a run folder: it has no run.json"),
        (("show", "first", "kgg"), "first has no cell 'kgg'; did you mean 'kg'? (5 cells; show lists them)"),
        (("show", "first", "--to", "x"), "--to writes the result of a cell; name one"),
        (("export", "first", "--to", "cells.xls"), "to is 'cells.xls'; its name must end in .parquet, .csv or .nc"),
        (("export", "first", "--to", "none/cells.csv"), "none/cells.csv: No such file or directory"),
        (("export", "problem.toml", "--to", "cells.csv"), "problem.toml is not a run folder: it has no run.json"),
    ],
)
def test_bad_input_is_one_line(run, command, message):
    outcome = run(*command)
    assert outcome.status == 2
    assert outcome.err == f"seqaudit: {message}\n"
    assert not list(Path().glob("cells*"))


def test_changed_cell_is_named_and_nothing_is_written(run):
    change_part("first", "kg", result=b"{}")
    for command in (("show", "first"), ("export", "first", "--to", "cells.csv")):
        outcome = run(*command)
        assert (outcome.status, outcome.out) == (2, "")
        assert "row 4 is not as it was written" in outcome.err
    assert not Path("cells.csv").exists()
