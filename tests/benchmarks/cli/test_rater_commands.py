"""Commands fit and calibrate: what is printed, kept and taken up again, and how bad input is refused."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from oracles.command_line import caller, tree
from oracles.stores import forget_part, stored_part, stored_parts

import seqaudit as sa
from seqaudit.benchmarks.calibration.posterior_checks import leave_one_out
from seqaudit.benchmarks.calibration.sbc import sbc, uniformity

ITEMS = "item,threshold\n" + "".join(f"item {k + 1},0.7\n" for k in range(12)) + "item 99,0.5\n"
FAST = ("--method", "fast", "--draws", 200)


@pytest.fixture
def run(tmp_path, monkeypatch, capsys):
    """Run a command in a folder that holds label files. Figures, tested elsewhere, are left empty."""
    call = caller(tmp_path, monkeypatch, capsys)
    drawn = sa.PartialPooling().simulate(7, sa.Design.balanced(14, 6, 5), parameters={"mean": 0.5, "size": 1.0})
    votes = sa.Design.of(drawn.labels)
    rows = zip(votes.item, votes.rater, drawn.labels.labels, strict=True)
    lines = [f"{votes.items[i]},{votes.raters[r]},{y},{int(drawn.truth['rate'][i] > 0.5)}" for i, r, y in rows]
    Path("votes.csv").write_text("\n".join(["item,rater,label,gold", *lines]) + "\n")
    Path("items.csv").write_text(ITEMS)
    Path("single.csv").write_text("item,rater,label\na,ann,1\nb,bob,0\n")
    return call


def cells(line: str) -> list[str]:
    return re.split(r"\s{2,}", line.strip())


def test_fit_prints_and_keeps_what_the_model_says(run):
    outcome = run("fit", "votes.csv", *FAST, "--threshold", 0.6, "--out", "kept")
    assert outcome.status == 0, outcome.err
    labels = sa.read_labels("votes.csv")
    fit = sa.PartialPooling().fit(labels, method="fast", draws=200, seed=7)
    lines = outcome.out.splitlines()
    assert lines[0].strip() == "votes.csv: 14 items, 6 raters, 70 votes"
    assert cells(lines[1]) == ["parameter", "mean", "sd", "5 %", "95 %"]
    for line, name in zip(lines[2:6], ("mean", "size", "a", "b"), strict=True):
        x = fit.draws[name]
        numbers = (x.mean(), x.std(), np.quantile(x, 0.05), np.quantile(x, 0.95))
        assert cells(line) == [name, *(f"{v:.4g}" for v in numbers)]
    assert lines[6] == "partial-pooling, fast, 200 draws"
    right = ((fit.tail(0.5) > 0.5) == (labels.gold == 1)).mean()
    assert lines[7].startswith(f"known answers: model right on {right:.4f}, majority on ")
    table = pd.read_csv("kept/items.csv")
    assert table["tail"].to_numpy() == pytest.approx(fit.tail(0.6), rel=1e-15)
    assert table["tail_se"].to_numpy() == pytest.approx(fit.tail_error(0.6), rel=1e-15)
    assert table["gold"].tolist() == labels.gold.tolist()
    assert pd.read_csv("kept/raters.csv")["rater"].tolist() == list(labels.raters)
    data = xr.load_datatree("kept/fit.nc", engine="h5netcdf")
    assert np.array_equal(data["posterior"]["rate"].values[0], fit.draws["rate"])
    files = {path for path, content in tree(Path("kept")).items() if content is not None}
    assert files == {"fit.nc", "items.csv", "raters.csv", "report.txt", "run.json", "run.sqlite"}


def test_fit_is_read_again_and_other_inputs_are_refused(run):
    assert run("fit", "votes.csv", *FAST, "--out", "kept").status == 0
    before, written = stored_part("kept", "fit"), Path("kept/fit.nc").read_bytes()
    items = Path("kept/items.csv").read_bytes()
    assert run("fit", "votes.csv", *FAST, "--out", "kept").status == 0
    assert stored_part("kept", "fit") == before
    assert Path("kept/fit.nc").read_bytes() == written == before
    assert Path("kept/items.csv").read_bytes() == items
    refused = run("fit", "votes.csv", *FAST, "--seed", 8, "--out", "kept").assert_refused()
    assert refused == "kept holds another run: seed was 7, now 8; give another folder"


def test_fit_by_sampling_reports_its_chains(run):
    short = ("--draws", 20, "--tune", 50, "--chains", 2, "--jobs", 1)
    outcome = run("fit", "votes.csv", *short, "--items", "items.csv", "--json", "--out", "kept")
    steps = [f"fitting {k}/20: partial-pooling, {7 * k} of 140 steps" for k in range(1, 21)]
    assert outcome.err.splitlines() == steps
    found = outcome.json
    data = xr.load_datatree("kept/fit.nc", engine="h5netcdf")
    assert data["posterior"].sizes["draw"] == 20
    assert data["posterior"].sizes["chain"] == 2
    assert found["diagnostics"]["converged"] is False
    assert found["remarks"][0] == "2 items have labels but no row in items.csv: left out"
    told = sa.Diagnostics(**{k: v for k, v in found["diagnostics"].items() if k != "converged"}).remark()
    assert told.startswith(f"the chains have not converged: R-hat {found['diagnostics']['rhat']:.3f} of ")
    assert found["remarks"][-1] == told
    assert {row["threshold"] for row in found["items"]} == {0.7}
    assert [row["parameter"] for row in found["parameters"]] == ["mean", "size", "a", "b"]
    assert "chains: R-hat at most" in run("fit", "votes.csv", *short, "--items", "items.csv", "--out", "kept").out


def test_sbc_prints_and_keeps_what_it_finds(run):
    small = ("--method", "fast", "--replications", 12, "--items", 6, "--raters", 4, "--votes", 3, "--jobs", 1)
    outcome = run("calibrate", "sbc", "-m", "partial-pooling", *small, "--out", "kept")
    assert outcome.status == 0, outcome.err
    names = [f"partial-pooling replications {part}" for part in ("0-9", "10-11")]
    assert outcome.err.splitlines() == [f"ranking {k}/2: {name}" for k, name in enumerate(names, 1)]
    design = sa.Design.balanced(6, 4, 3)
    expected = uniformity(sbc("partial-pooling", method="fast", replications=12, design=design))
    table = pd.read_csv("kept/uniformity.csv")
    assert table["quantity"].tolist() == expected["quantity"].tolist()
    assert table["p_value"].to_numpy() == pytest.approx(expected["p_value"].to_numpy(), rel=1e-12)
    lines = outcome.out.splitlines()
    assert cells(lines[1])[:3] == ["model", "quantity", "p-value"]
    row = expected.iloc[0]
    assert cells(lines[2])[:5] == [
        "partial-pooling",
        row["quantity"],
        f"{row['p_value']:.2g}",
        f"{row['mean']:.3f}",
        f"{row['spread']:.3f}",
    ]
    least = expected.loc[expected["p_value"].idxmin()]
    assert cells(lines[-2]) == [
        "partial-pooling",
        str(len(expected)),
        f"{least['p_value']:.2g}",
        least["quantity"],
        f"{0.01 / len(expected):.2g}",
        "0",
    ]
    # Half of the work is taken up again, and the table is the same.
    before = tree(Path("kept"))
    forget_part("kept", "partial-pooling replications 0-9")
    again = run("calibrate", "sbc", "-m", "partial-pooling", *small, "--out", "kept", "--json").json
    assert Path("kept/uniformity.csv").read_bytes() == before["uniformity.csv"]
    assert [r["quantity"] for r in again["rows"]] == expected["quantity"].tolist()
    assert "ranks-partial-pooling.png" in before


def test_labels_are_held_against_a_model(run):
    arguments = ("calibrate", "labels", "votes.csv", "-m", "partial-pooling", "--draws", 200, "--out", "kept")
    outcome = run(*arguments)
    assert outcome.status == 0, outcome.err
    labels = sa.read_labels("votes.csv")
    result = sa.reliability(labels, ["partial-pooling"], draws=200, seed=7)
    lines = outcome.out.splitlines()
    assert lines[0].strip() == f"votes.csv: 14 items, 6 raters, 70 votes; {result.attrs['held_out']} votes held out"
    one = result.sel(kind="vote", model="partial-pooling", measure="brier")
    assert cells(lines[3])[:3] == [
        "vote",
        "partial-pooling",
        f"{float(one['score']):.4f} ± {float(one['score_se']):.4f}",
    ]
    checks = pd.read_csv("kept/checks.csv").set_index("statistic")
    assert checks["observed"]["share of 1"] == pytest.approx(labels.labels.mean())
    fit = sa.PartialPooling().fit(labels, method="fast", draws=200, seed=7)
    assert pd.read_csv("kept/loo.csv")["elpd"][0] == pytest.approx(leave_one_out(fit).elpd, rel=1e-12)
    parts, before = stored_parts("kept"), tree(Path("kept"))
    assert set(parts) == {"partial-pooling all", "partial-pooling kept"}
    found = run(*arguments, "--json").json
    assert len(found["reliability"]) == 8
    assert {row["kind"] for row in found["reliability"]} == {"vote", "verdict", "tail", "gold"}
    assert stored_parts("kept") == parts
    assert tree(Path("kept"))["reliability.csv"] == before["reliability.csv"]


def test_models_with_constants_have_rows_and_files_of_their_own(run):
    wide = "partial-pooling(size_scale=2.5)"
    small = ("--method", "fast", "--replications", 4, "--items", 6, "--raters", 4, "--votes", 3, "--jobs", 1)
    found = run("calibrate", "sbc", "-m", "partial-pooling", "-m", wide, *small, "--out", "ranks", "--json").json
    assert found["inputs"]["models"] == [repr(sa.PartialPooling()), repr(sa.PartialPooling(size_scale=2.5))]
    assert {row["model"] for row in found["rows"]} == {"partial-pooling", wide}
    assert {f"ranks-{name}.png" for name in ("partial-pooling", wide)} < set(tree(Path("ranks")))
    outcome = run("fit", "votes.csv", "-m", wide, *FAST, "--out", "wide")
    assert f"{wide}, fast, 200 draws" in outcome.out.splitlines()
    data = xr.load_datatree("wide/fit.nc", engine="h5netcdf")
    assert np.array_equal(
        data["posterior"]["rate"].values[0],
        sa.PartialPooling(size_scale=2.5)
        .fit(sa.read_labels("votes.csv"), method="fast", draws=200, seed=7)
        .draws["rate"],
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("fit", "none.csv"), "none.csv"),
        (("fit", "votes.csv", "-m", "glad"), "rater model is 'glad'; allowed: partial-pooling"),
        (
            ("fit", "votes.csv", "-m", "dawid-skene(easy=True)"),
            "setting 'easy' is not known; allowed: difficulty, answer_a",
        ),
        (
            ("calibrate", "sbc", "-m", "drift", "-m", "drift(mean_sd=1.5)"),
            "models are drift, drift; give one or more, each once",
        ),
        (("fit", "votes.csv", "--method", "vi"), "--method is 'vi'; allowed: 'nuts', 'fast'"),
        (("fit", "votes.csv", "--draws", 3), "draws is 3; it must be a whole number, at least 4"),
        (("fit", "votes.csv", "--chains", 0), "chains is 0; it must be a whole number, at least 1"),
        (("fit", "votes.csv", "--target-accept", 1), "target_accept is 1.0; it must lie strictly between 0 and 1"),
        (("fit", "votes.csv", "--jobs", 0), "--jobs is 0; it must be a number of worker processes"),
        (("fit", "votes.csv", "--threshold", 1), "threshold"),
        (("fit", "votes.csv", "--beta", 1), "beta is given, but there are no log-ratios"),
        (("calibrate", "sbc", "-m", "glad"), "rater model is 'glad'"),
        (("calibrate", "sbc", "--replications", 1), "replications is 1; it must be a whole number, at least 2"),
        (("calibrate", "sbc", "--level", 0), "--level is 0.0; it must lie strictly between 0 and 1"),
        (("calibrate", "sbc", "--votes", 9), "votes_per_item is 9; with 8 raters it must be at most 8"),
        (("calibrate", "labels", "votes.csv", "--share", 1), "share is 1.0; it must lie strictly between 0 and 1"),
        (("calibrate", "labels", "votes.csv", "--bins", 0), "--bins is 0; it must be a whole number, at least 1"),
        (
            ("calibrate", "labels", "votes.csv", "--draws", 29),
            "draws are 29 in all; leave-one-out needs at least 30: give more --draws",
        ),
        (
            ("calibrate", "labels", "votes.csv", "--draws", 7, "--chains", 4, "--method", "nuts"),
            "draws are 28 in all; leave-one-out needs at least 30",
        ),
        (("calibrate", "labels", "single.csv"), "every item has a single vote, so none can be held out"),
        (("calibrate", "labels", "votes.csv", "-m", "glad"), "rater model is 'glad'"),
        (("calibrate", "fit"), "No such command 'fit'"),
    ],
)
def test_bad_input_is_refused_before_a_folder_is_made(run, arguments, message):
    refused = run(*arguments).assert_refused()
    assert message in refused
    assert not Path("runs").exists()
