"""`seqaudit provenance`: it prints what `provenance` returns, keeps it, takes it up again, and refuses bad input."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from oracles.command_line import caller, tree

import seqaudit as sa
from seqaudit.posteriors.raters.diagnostics import Diagnostics
from seqaudit.posteriors.raters.fit import RaterFit

QUICK = ("--model", "none", "--resamples", 20, "--repetitions", 19)


def write_votes(path: str) -> None:
    design = sa.Design.balanced(items=20, raters=6, votes_per_item=4, groups=2, seed=2)
    votes = np.random.default_rng(2).integers(0, 2, design.size)
    votes[design.rater == 4] = votes[design.rater == 1].repeat(2)[: (design.rater == 4).sum()]
    rows = zip(design.item.tolist(), design.rater.tolist(), votes.tolist(), strict=True)
    lines = [f"{design.items[i]},{design.raters[r]},{y},{design.groups[r % 2]},{i % 2}" for i, r, y in rows]
    Path(path).write_text("\n".join(["item,rater,label,group,gold", *lines]) + "\n")


@pytest.fixture
def run(tmp_path, monkeypatch, capsys):
    call = caller(tmp_path, monkeypatch, capsys)
    write_votes("votes.csv")
    Path("items.csv").write_text("item,c\n" + "".join(f"item {k + 1},{(k - 9) / 10}\n" for k in range(19)))
    return call


def test_provenance_prints_and_keeps_what_provenance_returns(run):
    outcome = run("provenance", "votes.csv", *QUICK, "--share", 0.1, "--out", "run")
    assert outcome.status == 0
    assert outcome.err.splitlines() == [f"tracing {k}/3: {x}" for k, x in enumerate(sa_parts(), start=1)]
    votes = sa.read_labels("votes.csv")
    found = sa.provenance(votes, model=None, resamples=20, repetitions=19, shares=[0.1])
    assert "votes.csv: 20 items, 80 votes, 6 raters, utility accuracy" in outcome.out.splitlines()
    words = " ".join(outcome.out.split())
    for row in found.agreement.itertuples():
        numbers = f"{row.items} {row.votes} {row.agreement:.4f} {row.alpha:.4f} {row.low:.4f} to {row.high:.4f}"
        assert f"{row.scope} {numbers}" in words
    for row in found.movers.itertuples():
        if row.number != "flipped_weight" and row.removed:
            assert f"largest change of {row.number}: {row.change:+.4f} without {row.removed}" in outcome.out
    kept = pd.read_csv("run/raters.csv", keep_default_na=False)
    assert kept["removed"].tolist() == list(votes.raters)
    assert kept["mass"].tolist() == pytest.approx(found.raters["mass"].tolist())
    assert kept["flipped"].tolist() == ["; ".join(x) for x in found.raters["flipped"]]
    assert pd.read_csv("run/sets.csv")["removed"].tolist() == found.sets["removed"].tolist()
    assert {"items.csv", "agreement.csv", "clusters.csv", "provenance.png", "run.json"} <= {*tree(Path("run"))}


def sa_parts() -> tuple[str, ...]:
    return "agreement", "leave-one-out", "clusters"


def test_json_holds_all_tables_and_bounds(run):
    shown = run("provenance", "votes.csv", *QUICK, "--items", "items.csv", "--beta", 2, "--out", "run", "--json").json
    votes = sa.read_labels("votes.csv", "items.csv")
    found = sa.provenance(votes, beta=2, model=None, resamples=20, repetitions=19)
    assert shown["remarks"][0] == "1 items have labels but no row in items.csv: left out"
    assert shown["headlines"] == pytest.approx(found.headlines)
    assert [x["flipped"] for x in shown["raters"]] == [list(x) for x in found.raters["flipped"]]
    assert [(x["lower"], x["upper"]) for x in shown["fewest"]] == [(x.lower, x.upper) for x in found.fewest]
    assert [x["alpha"] for x in shown["agreement"]] == pytest.approx(found.agreement["alpha"].tolist())
    assert shown["concentration"]["gini"] == found.concentration["gini"]
    assert (shown["kinds"], shown["suspects"]) == (None, [])
    assert shown["inputs"]["groups"] is True


def test_kinds_of_a_model_are_listed_and_finished_pieces_taken_up(run, monkeypatch):
    arguments = ("provenance", "votes.csv", "--resamples", 20, "--repetitions", 19, "--no-groups", "--out", "run")
    first = run(*arguments)
    assert first.status == 0
    assert first.err.splitlines()[-1] == "tracing 4/4: kinds"
    versions = json.loads(Path("run/run.json").read_text())["versions"]
    assert {"pymc", "pytensor", "arviz"} <= versions.keys()
    kinds = pd.read_csv("run/kinds.csv")
    assert kinds["honest"].tolist() == sorted(kinds["honest"])
    module = sys.modules["seqaudit.benchmarks.provenance.provenance"]
    monkeypatch.setattr(module, "rater_kinds", lambda fit: pytest.fail("computed again"))
    assert run(*arguments).out == first.out
    assert run(*arguments, "--seed", 8).assert_refused() == (
        "run holds another run: seed was 7, now 8; give another folder"
    )


def test_options_of_the_sampler_reach_the_model_and_are_inputs(run, monkeypatch):
    asked = {}

    def fast(self, votes, **settings):
        asked.update(settings)
        found = fit(self, votes, seed=settings["seed"], method="fast", draws=settings["draws"])
        return replace(found, method="nuts")

    fit = sa.Contaminated.fit
    monkeypatch.setattr(sa.Contaminated, "fit", fast)
    monkeypatch.setattr(RaterFit, "diagnostics", lambda self: Diagnostics(1.3, 20.0, 30.0, 1, "share"))
    sampling = ("--nuts", "--draws", 50, "--tune", 60, "--target-accept", 0.99)
    quick = ("--resamples", 0, "--repetitions", 19)
    shown = run("provenance", "votes.csv", *quick, *sampling, "--out", "run", "--json").json
    expected = {"draws": 50, "tune": 60, "target_accept": 0.99}
    for found in (asked, shown["inputs"]):
        assert {key: found[key] for key in expected} == expected
    assert asked["method"] == "nuts"
    assert any("R-hat 1.300 of share, 20 effective draws, 1 divergences" in x for x in shown["remarks"])


def test_figure_is_drawn(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_votes("votes.csv")
    from seqaudit.benchmarks.figures.provenance import plot_provenance

    found = sa.provenance(sa.read_labels("votes.csv"), model=None, resamples=20, repetitions=19)
    plot_provenance(found, "provenance.png", "votes")
    assert Path("provenance.png").read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("alone.csv",), "provenance: rater 'ann' is the only one; at least two are needed"),
        (("own.csv",), "provenance: every vote has a separate rater"),
        (("plain.csv", "--groups"), "provenance: the votes have no groups; a column 'group' of at least two is needed"),
        (("one.csv", "--groups"), "provenance: all votes are of group 'x'; at least two groups are needed"),
        (("votes.csv", "--model", "glad"), "rater model is 'glad'; allowed: partial-pooling"),
        (("votes.csv", "--model", "partial-pooling"), "model is 'partial-pooling', which has no kinds of raters"),
        (("votes.csv", "--model", "none", "--nuts"), "--nuts samples a model, but --model is 'none'"),
        (("votes.csv", "--nuts", "--draws", "3"), "draws is 3; it must be a whole number, at least 4"),
        (("votes.csv", "--nuts", "--target-accept", "1"), "target_accept is 1.0; it must lie strictly between 0 and 1"),
        (("votes.csv", "--beyond", "glad"), "beyond is 'glad'; allowed: items, partial-pooling"),
        (("votes.csv", "--share", "0"), "--share is 0.0; it must be above 0 and at most 1"),
        (("votes.csv", "--beta", "1"), "beta is given, but there are no log-ratios"),
        (("votes.csv", "--repetitions", "5"), "'--repetitions'"),
        (("nowhere.csv",), "nowhere.csv: there is no such file"),
    ],
)
def test_bad_input_is_one_line_and_leaves_nothing(run, arguments, message):
    Path("alone.csv").write_text("item,rater,label\na,ann,1\nb,ann,0\n")
    Path("own.csv").write_text("item,rater,label\na,ann,1\na,bob,0\n")
    Path("plain.csv").write_text("item,rater,label\na,ann,1\na,bob,0\nb,bob,0\n")
    Path("one.csv").write_text("item,rater,label,group\na,ann,1,x\na,bob,0,x\nb,bob,0,x\n")
    before = tree(Path())
    assert message in run("provenance", *arguments).assert_refused()
    assert tree(Path()) == before
