"""Claims judged in a run folder: a small study of the shipped form, verdicts from its cells, and the page."""

from __future__ import annotations

import re
import tomllib
from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest
from oracles.command_line import caller

import seqaudit as sa
from seqaudit.benchmarks.claims import run_claims
from seqaudit.benchmarks.claims.claims import CLAIM_GROUPS
from seqaudit.benchmarks.claims.evidence import Evidence
from seqaudit.benchmarks.claims.policy_claims import policy_claims
from seqaudit.benchmarks.studies.results import StudyResults

PAGE = Path(__file__).resolve().parents[3] / "docs" / "claims.md"
# Sources of the shipped study, and few settings.
FEW = {"replications": 4, "checkpoints": [0.5, 1, 10], "cross": {"beta": [0.05, 0.5, 1.0, 4.0]}}
VOTES = """
[[problem]]
name = "two, emulated"
labels = "votes.csv"
labels_per_item = 2
[problem.cross]
reference = [{ agreement = 0.6, spread = 2.0 }, { agreement = 0.9, spread = 2.0 }]

[[problem]]
name = "two, language model"
labels = "votes.csv"
labels_per_item = 2
[problem.cross]
items = ["sum.csv", "mean.csv"]
"""


def shipped(name: str) -> dict:
    return tomllib.loads(files("seqaudit.benchmarks.claims").joinpath(name).read_text())


def few(name: str) -> dict:
    """A file of the study with smaller problems."""
    if name != "synthetic.toml":
        return tomllib.loads(VOTES) if name == "votes.toml" else {"problem": []}
    fields = shipped(name) | FEW
    kept = [x for x in fields["problem"] if x["name"] in ("normal", "heavy tail", "weak judges")]
    return fields | {"problem": [x | {"items": 6, "count": 1} for x in kept]}


@pytest.fixture(scope="module")
def ran(tmp_path_factory):
    """Folder with votes, and the answers of the command in it."""
    folder = tmp_path_factory.mktemp("claims")
    rng = np.random.default_rng(1)
    rows = [f"i{k},r{j},{int(rng.random() < 0.1 + 0.8 * (k % 3) / 2)}" for k in range(12) for j in range(5)]
    (folder / "votes.csv").write_text("item,rater,label\n" + "\n".join(rows) + "\n")
    for name, scale in (("sum", 9.0), ("mean", 1.0)):
        logs = "\n".join(f"i{k},{-scale * (1 + k % 4)},{-scale * (1 + k % 5)}" for k in range(12))
        (folder / f"{name}.csv").write_text(f"item,logp_win,logp_lose\n{logs}\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(run_claims, "_read", few)
        groups = {name: CLAIM_GROUPS[name] for name in ("conditions", "thresholds")}
        patch.setattr(run_claims, "CLAIM_GROUPS", groups)
        patch.chdir(folder)
        yield folder, patch, groups


@pytest.fixture
def call(ran, monkeypatch, capsys):
    folder, _, groups = ran
    monkeypatch.setattr(run_claims, "_read", few)
    monkeypatch.setattr(run_claims, "CLAIM_GROUPS", groups)
    return caller(folder, monkeypatch, capsys)


def test_the_command_judges_writes_and_takes_up(call, ran):
    done = call("claims", "--votes", ".", "--out", "kept", "--jobs", 1)
    assert done.status == 0, done.err
    page = (ran[0] / "kept/claims.md").read_text()
    assert "seqaudit claims --votes VOTES --out claims" in page
    assert (ran[0] / "kept/claims.png").exists()
    rows = call("claims", "--votes", ".", "--out", "kept", "--jobs", 1, "--json").json["rows"]
    found = {(row["key"], row["on"]): row for row in rows}
    assert found["c2", "small cases"]["verdict"] == "FAILS"
    # Eq. 24 is 0 in every state: its choices are those of uniform sampling, draw for draw.
    assert found["9d linear-gain", "drawn problems"]["verdict"] == "VACUOUS"
    assert found["9d linear-gain", "votes"]["verdict"] == "VACUOUS"
    again = call("claims", "--votes", ".", "--out", "kept", "--jobs", 1)
    assert again.err.strip().splitlines()[-1].startswith("judging 1/1")
    assert (ran[0] / "kept/claims.md").read_text() == page


def test_every_verdict_leads_to_its_cells(call, ran):
    call("claims", "--votes", ".", "--out", "kept", "--jobs", 1)
    page = (ran[0] / "kept/claims.md").read_text()
    cells = set(re.findall(r"`((?:claim |small cases).*?)`", page))
    assert len(cells) > 40
    cell = "claim 9d variance-reduction, votes"
    assert cell in cells
    told = call("show", "kept", cell, "--json").json["result"]
    finding = told["finding"]
    study = sa.study_differences("kept", "decision-accuracy", "uniform", checkpoint=0)
    for row in finding["table"]:
        assert len(row["cells"]) == 2
        if row["case"].endswith(" 0.5 labels an item"):
            environment, policy = row["cells"][0].rsplit(" | ", 1)
            (own,) = study[(study["environment"] == environment) & (study["policy"] == policy)].to_dict("records")
            assert row["mean"] == pytest.approx(own["mean"])
    run = call("show", "kept", f"{finding['table'][0]['cells'][0]} | 1", "--json").json["result"]
    assert "decision-accuracy" in run
    status = call("status", "kept", "--json").json
    assert (status["missing"], status["failed"], status["of_earlier_forms"]) == (0, 0, 0)


def test_verdicts_are_those_of_the_form_that_was_asked_for(call, ran):
    """Other forms of the study were judged in the same folder meanwhile."""
    call("claims", "--votes", ".", "--out", "kept", "--jobs", 1)
    page = (ran[0] / "kept/claims.md").read_text()
    assert call("claims", "--votes", ".", "--quick", "--out", "kept", "--jobs", 1).status == 0
    assert (ran[0] / "kept/claims.md").read_text() != page
    done = call("claims", "--out", "kept", "--jobs", 1)
    assert {row["on"] for row in done.table("claim")} == {"small cases", "drawn problems"}
    assert call("claims", "--votes", ".", "--out", "kept", "--jobs", 1).status == 0
    assert (ran[0] / "kept/claims.md").read_text() == page
    assert call("show", "kept", "claim 2a, votes").status == 0


def test_small_cases_alone(call, ran):
    done = call("claims", "--small-cases", "--out", "small", "--jobs", 1)
    assert done.status == 0, done.err
    assert {row["on"] for row in done.table("claim")} == {"small cases"}
    assert not (ran[0] / "small/claims.png").exists()
    assert "## Section 8" in (ran[0] / "small/claims.md").read_text()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("audit",), "SOURCE is 'audit'; allowed: audit-index; did you mean 'audit-index'?"),
        (("--small-cases", "--quick"), "--small-cases does not go with --quick"),
        (("--small-cases", "--votes", "."), "--small-cases does not go with --votes"),
        (("--votes", "nowhere"), "nowhere"),
        (("--jobs", 0), "--jobs is 0"),
    ],
)
def test_bad_input_is_refused_before_a_folder_is_made(call, arguments, message):
    assert message in call("claims", *arguments).assert_refused()
    assert not Path("runs").exists()


def test_a_folder_without_claims_is_refused(call, ran):
    problem = {"name": "small", "threshold": [0.5, 0.7], "budget": 4}
    study = sa.make_study({"policies": ["kg"], "replications": 2, "problem": [problem]})
    with pytest.raises(ValueError, match="holds no claims that this version judged"):
        run_claims.JudgedClaims.of(sa.run_study(study, ran[0] / "plain"))


def test_cases_are_differences_of_runs(call, ran):
    """Second formulation: gains by beta, straight from the cells."""
    call("claims", "--votes", ".", "--out", "kept", "--jobs", 1)
    study = run_claims.claims_study(Path())
    results = StudyResults.of("kept")
    evidence = Evidence.of(study, results, from_pools=False)
    claims = {x.key: x for x in policy_claims()}
    finding = claims["9h variance-reduction"].judged(evidence)
    columns = {(x.environment, x.policy): x.columns["decision-accuracy"] for x in results.groups}

    def gain(environment: str, k: int) -> np.ndarray:
        return columns[environment, "variance-reduction"][:, k] - columns[environment, "uniform"][:, k]

    rows = {row["case"]: row for row in finding.table}
    row = rows["normal 1, beta=1.0 to normal 1, beta=4.0, 1 label an item"]
    assert row["mean"] == pytest.approx(float((gain("normal 1, beta=4.0", 1) - gain("normal 1, beta=1.0", 1)).mean()))
    heavier = claims["9j audit-index"].judged(evidence)
    assert {x["case"].split(" to ")[0].split(",")[0] for x in heavier.table} == {"normal 1"}
    assert claims["9p audit-index"].judged(evidence) is None
    votes = Evidence.of(study, results, from_pools=True)
    assert claims["9p audit-index"].judged(votes).cases > 0
    assert claims["9n audit-index"].judged(votes).cases > 0
    assert claims["2c uniform"].judged(votes) is None
    assert claims["2c uniform"].judged(evidence).cases == 4


def test_the_shipped_study_names_what_the_claims_need():
    study = run_claims.claims_study(quick=True)
    assert study.replications == 3
    names = {x.source.name.rsplit(" ", 1)[0] for x in study.environments}
    assert {"normal", "heavy tail", "weak judges"} <= names
    assert {x.axes["beta"] for x in study.environments} == {0.05, 0.5, 1.0, 4.0}
    for name in ("votes.toml", "large_votes.toml"):
        assert all("labels" in x for x in shipped(name)["problem"])


def test_the_page_has_the_verdicts_of_this_version():
    """What small cases say on the page is what they say now; the rest of it is checked by the command that wrote it."""
    page = PAGE.read_text()
    for claim in (x for name in ("conditions", "thresholds", "allocation") for x in CLAIM_GROUPS[name]()):
        assert f"**{claim.key} {claim.verdict}**: {claim.statement}." in page
        assert f": {claim.detail}\n" in page
    for one in policy_claims():
        assert one.statement in page
