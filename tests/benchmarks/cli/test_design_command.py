"""``seqaudit design``: comparisons of responses from a table, what is printed, and what is refused."""

from __future__ import annotations

import csv
import gzip
import itertools
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import seqaudit as sa
from seqaudit.benchmarks.cli import main as cli

RNG = np.random.default_rng(5)
ROWS = [
    [f"p{x}", f"r{i}", *RNG.normal(size=3).round(4).tolist(), round(float(p), 4)]
    for x in range(6)
    for i, p in enumerate(RNG.dirichlet(np.ones(4)))
]
HEADER = ["prompt", "response", "depth", "length", "tone", "probability"]


def write(path: Path, header=HEADER, rows=ROWS) -> Path:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(header)
        writer.writerows(rows)
    return path


@pytest.fixture
def command(tmp_path, monkeypatch, capsys):
    """Run ``seqaudit design``; its status, standard output and standard error."""
    monkeypatch.chdir(tmp_path)

    def call(*arguments):
        with pytest.raises(SystemExit) as stop:
            cli.main(["design", *map(str, arguments)])
        return (stop.value.code, *capsys.readouterr())

    return call


def test_comparisons_are_those_of_the_design(command, tmp_path):
    path = write(tmp_path / "responses.csv")
    status, out, error = command(path, "--labels", 8, "--beta", 0.5, "--to", "buy.csv", "--json")
    assert (status, error) == (0, "")
    found = json.loads(out)
    bought = [(x["prompt"], x["first"], x["second"]) for x in found["comparisons"]]
    assert len(set(bought)) == 8
    assert all(x["labels"] == 1 for x in found["comparisons"])
    # The same from Python, from the definition.
    features = np.array([x[2:5] for x in ROWS])
    chance = np.array([x[5] for x in ROWS])
    group = [x[0] for x in ROWS]
    pairs = [(i, j) for i, j in itertools.combinations(range(len(ROWS)), 2) if group[i] == group[j]]
    for x in set(group):
        own = np.array([g == x for g in group])
        chance[own] /= chance[own].sum()
    best = sa.design(
        sa.pair_rows(features, pairs, beta=0.5),
        target=sa.policy_information(features, chance, group=group),
        cap=1 / 8,
    )
    assert found["value"] == pytest.approx(best.value, rel=1e-9)
    chosen = [pairs[e] for e, n in zip(best.index, best.counts(8), strict=True) if n]
    assert set(bought) == {(ROWS[i][0], ROWS[i][1], ROWS[j][1]) for i, j in chosen}
    table = pd.read_csv("buy.csv")
    assert [*table.columns] == ["prompt", "first", "second", "labels", "weight", "score", "reason"]
    assert list(zip(table["prompt"], table["first"], table["second"], strict=True)) == bought
    assert table["score"].is_monotonic_decreasing
    assert (table["score"] * table["labels"]).sum() / 8 == pytest.approx(1.0)
    assert table["reason"].str.match(r"^tells most of (depth|length|tone)$").all()


def test_what_is_printed_has_the_certificate(command, tmp_path):
    status, out, _ = command(write(tmp_path / "responses.csv"), "--labels", 12)
    assert status == 0
    assert "36 comparisons of 24 responses, 12 labels" in out
    assert "and 2 further comparisons" in out
    assert "another choice could save at most" in out


@pytest.mark.parametrize("criterion", ["trace", "A", "D", "E"])
def test_repeats_and_criteria(command, tmp_path, criterion):
    path = write(tmp_path / "responses.csv")
    status, out, _ = command(path, "--labels", 100, "--repeat", "--criterion", criterion, "--json")
    found = json.loads(out)
    assert status == 0
    assert sum(x["labels"] for x in found["comparisons"]) == 100
    assert found["gap"] <= 1e-6


def test_forms_of_files_give_the_same(command, tmp_path):
    plain = write(tmp_path / "responses.csv")
    (tmp_path / "responses.csv.gz").write_bytes(gzip.compress(plain.read_bytes()))
    frame = pd.read_csv(plain)
    frame.to_json(tmp_path / "responses.jsonl", orient="records", lines=True)
    frame.to_parquet(tmp_path / "responses.parquet", index=False)
    np.save(tmp_path / "features.npy", frame[["depth", "length", "tone"]].to_numpy())
    frame[["prompt", "response", "probability"]].to_csv(tmp_path / "names.csv", index=False)
    found = []
    for name in ("responses.csv", "responses.csv.gz", "responses.jsonl", "responses.parquet"):
        status, out, error = command(name, "--labels", 8, "--json")
        assert (status, error) == (0, "")
        found.append(json.loads(out))
    status, out, _ = command("names.csv", "--labels", 8, "--features", "features.npy", "--json")
    found.append(json.loads(out))
    status, out, _ = command("responses.csv", "--labels", 8, "--features", "depth, length,tone", "--json")
    found.append(json.loads(out))
    assert len({json.dumps([[x["prompt"], x["first"], x["second"]] for x in one["comparisons"]]) for one in found}) == 1
    assert sa.read_responses(frame) == sa.read_responses(frame, ["depth", "length", "tone"])
    assert repr(sa.read_responses(frame)) == "Responses(24 to 6 prompts, 3 features, 36 comparisons)"


def test_what_a_file_leaves_out_is_told(command, tmp_path):
    rows = [x[:5] for x in ROWS] + [["alone", "r0", 1.0, 2.0, 3.0]]
    path = write(tmp_path / "responses.csv", HEADER[:5], rows)
    status, out, _ = command(path, "--labels", 2)
    assert status == 0
    assert "no column 'probability'; all responses to a prompt are taken as equally likely" in out
    assert "prompts with a single response, which cannot be compared: 1" in out
    assert "2 labels cannot tell of all 3 directions; say what is known before with --prior" in out
    assert "cannot tell" not in command(path, "--labels", 2, "--prior", 1)[1]


def changed(row: int, column: int, value: object) -> list[list[object]]:
    rows = [list(x) for x in ROWS]
    rows[row][column] = value
    return rows


@pytest.mark.parametrize(
    ("header", "rows", "arguments", "message"),
    [
        (HEADER, ROWS, ["--labels", "0"], "Invalid value for '--labels'"),
        (HEADER, ROWS, ["--labels", "99"], r"--labels is 99; responses.csv has 36 comparisons"),
        (HEADER, ROWS, ["--labels", "5", "--criterion", "c"], "--criterion is 'c'"),
        (HEADER, ROWS, ["--labels", "5", "--beta", "0"], "--beta is 0.0; it must be positive"),
        (HEADER, ROWS, ["--labels", "5", "--prior", "-1"], "--prior is -1.0; it must be positive"),
        (HEADER, ROWS, ["--labels", "2", "--repeat"], "labels is 2; it must be at least"),
        (
            HEADER,
            ROWS,
            ["--labels", "5", "--features", "depht"],
            "responses.csv, line 1: no column 'depht' (is it 'depth'?)",
        ),
        (HEADER, ROWS, ["--labels", "5", "--features", "prompt"], "features names 'prompt'"),
        (HEADER, ROWS, ["--labels", "5", "--features", "no.npy"], "no.npy: there is no such file"),
        (HEADER, ROWS, ["--labels", "5", "--features", "responses.csv.npy"], "there is no such file"),
        (["prompt", "answer", *HEADER[2:]], ROWS, ["--labels", "5"], "line 1: no column 'response'"),
        (HEADER, changed(3, 2, "much"), ["--labels", "5"], "line 5: depth is 'much'; allowed: a finite number"),
        (HEADER, changed(3, 2, "nan"), ["--labels", "5"], "line 5: depth is 'nan'"),
        (HEADER, changed(3, 5, 0.0), ["--labels", "5"], "line 5: probability is '0.0'"),
        (HEADER, changed(3, 5, 0.9), ["--labels", "5"], "line 2: probability sums to"),
        (
            HEADER,
            changed(3, 1, "r2"),
            ["--labels", "5"],
            "line 5: response 'r2' to prompt 'p0' has a row already on line 4",
        ),
        (HEADER, changed(3, 0, " "), ["--labels", "5"], "line 5: prompt is ' '; allowed: a name that is not blank"),
        (HEADER, [[*ROWS[0][:5], 1.0]], ["--labels", "1"], "no prompt has two responses"),
        (HEADER[:2], [x[:2] for x in ROWS], ["--labels", "5"], "no column has features"),
        (HEADER, changed(3, 2, 1e200), ["--labels", "5"], "features has a column whose largest entry is 1e+200"),
        (HEADER, [[*x[:2], 1.0, 1.0, 1.0, x[5]] for x in ROWS], ["--labels", "5"], "candidates are all 0"),
    ],
)
def test_faults_are_one_line_and_nothing_is_written(command, tmp_path, header, rows, arguments, message):
    write(tmp_path / "responses.csv", header, rows)
    status, out, error = command("responses.csv", *arguments, "--to", "buy.csv")
    assert (status, out) == (2, "")
    lines = [x for x in error.splitlines() if not x.startswith("note:")]
    assert message in lines[-1]
    assert all(len(x) <= 300 for x in lines)
    assert not Path("buy.csv").exists()


def test_places_that_cannot_be_written_are_refused_before_work(command, tmp_path):
    before = write(tmp_path / "responses.csv").read_bytes()
    for place, message in (
        ("responses.csv", "--to is 'responses.csv', the file that is read; name another one"),
        (".", "--to is '.', which is a folder"),
        ("no/buy.csv", "--to is 'no/buy.csv'; there is no folder 'no'"),
    ):
        status, out, error = command("responses.csv", "--labels", 3, "--to", place)
        assert (status, out, error) == (2, "", error)
        assert message in error
    assert (tmp_path / "responses.csv").read_bytes() == before


def test_arrays_of_other_kinds_are_refused(tmp_path):
    frame = pd.DataFrame(ROWS, columns=HEADER)[["prompt", "response"]]
    for name, array, message in (
        ("few", np.ones((3, 2)), r"3 rows of features; allowed: 24"),
        ("flat", np.ones(24), r"shape \(24,\) of float64; allowed: numbers with a row"),
        ("text", np.array([["a"]] * 24), "of <U1; allowed: numbers"),
        ("objects", np.array([[None]] * 24), "it is no array of NumPy"),
    ):
        np.save(tmp_path / f"{name}.npy", array, allow_pickle=True)
        with pytest.raises(ValueError, match=message):
            sa.read_responses(frame, tmp_path / f"{name}.npy")
    (tmp_path / "broken.npy").write_bytes(b"\x93NUMPY\x01\x00")
    with pytest.raises(ValueError, match="it is no array of NumPy"):
        sa.read_responses(frame, tmp_path / "broken.npy")
    (tmp_path / "broken.parquet").write_bytes(b"PAR1")
    with pytest.raises(ValueError, match="it is no Parquet file"):
        sa.read_responses(tmp_path / "broken.parquet")
    with pytest.raises(ValueError, match="features is 3; it must be a sequence"):
        sa.read_responses(frame, 3)
