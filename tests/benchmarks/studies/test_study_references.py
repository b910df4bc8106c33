"""Label files with other references: ensembles, the side that label 1 stands for, and emulated ones, by hand."""

from __future__ import annotations

import gzip
import hashlib
import math
import pickle
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import seqaudit as sa
from seqaudit.benchmarks.data.references import emulated_log_ratio, ensemble_of, turned_to_majority
from seqaudit.benchmarks.studies.label_pools import LabelFiles

VOTES = {"a": [1, 1, 1, 0], "b": [0, 0, 1], "c": [1, 0], "d": [0, 0, 0, 0, 1]}
LOGP = {
    "big": {"a": (-1.0, -3.0), "b": (-2.0, -0.5), "c": (-1.0, -1.0), "d": (-4.0, -1.0)},
    "small": {"d": (-2.0, -2.5), "a": (-3.0, -1.0), "b": (-1.0, -1.5)},
}
FIELDS = {
    "name": "small",
    "seed": 5,
    "replications": 2,
    "checkpoints": 3,
    "policies": ["kg", "round-robin"],
    "metrics": ["decision-accuracy", "oracle-welfare"],
}
POOL = {"name": "v", "labels": "votes.csv", "labels_per_item": 2}


@pytest.fixture
def made(tmp_path):
    """Function that makes a study of the label file with a problem's keys, and axes."""
    rows = [f"{item},r{j},{vote}" for item, votes in VOTES.items() for j, vote in enumerate(votes)]
    Path(tmp_path, "votes.csv").write_text("\n".join(["item,rater,label", *rows]))
    for name, pairs in LOGP.items():
        rows = [f"{item},{win},{lose},{2 if item == 'a' else 1}" for item, (win, lose) in pairs.items()]
        Path(tmp_path, f"{name}.csv").write_text("\n".join(["item,logp_win,logp_lose,weight", *rows]))
    Path(tmp_path, "c.csv").write_text("item,c\na,0.5\nb,0\nc,2\nd,-1\n")
    Path(tmp_path, "t.csv").write_text("item,threshold\na,0.3\nb,0.4\nc,0.6\nd,0.9\n")

    def made(keys: dict | None = None, **fields) -> sa.Study:
        return sa.make_study({**FIELDS, "problem": [POOL | (keys or {})], **fields}, folder=tmp_path)

    return made


def only(study: sa.Study) -> sa.Problem:
    (environment,) = study.environments
    return environment.problem


def log_mean(values) -> float:
    return math.log(sum(map(math.exp, values)) / len(values))


@pytest.mark.parametrize("rule", ["mean-log-probability", "log-mean-probability"])
def test_an_ensemble_has_the_items_of_all_its_members(made, rule):
    problem = only(made({"items": ["big.csv", "small.csv"], "ensemble": rule}))
    mean = log_mean if rule.startswith("log") else lambda values: sum(values) / len(values)
    wanted = []
    # c is in one of the two files only, and its votes are not bought.
    for item in "abd":
        pairs = [LOGP[name][item] for name in LOGP]
        wanted.append(mean([lose for _, lose in pairs]) - mean([win for win, _ in pairs]))
    assert problem.name == ("a", "b", "d")
    assert problem.log_ratio.tolist() == pytest.approx(wanted, abs=1e-14)
    assert problem.threshold.tolist() == pytest.approx([1 / (1 + math.exp(-c)) for c in wanted], abs=1e-14)
    assert (problem.budget, problem.cap.tolist(), problem.weight.tolist()) == (6, [4, 3, 5], [2.0, 1.0, 1.0])


def test_rules_for_ensembles_differ():
    one = sa.LabelSet.from_pools({"a": [1]})
    members = [replace(one, logp_win=[x], logp_lose=[-1.0]) for x in (-1.0, -3.0)]
    found = [float(ensemble_of(members, f"{rule}-probability").log_ratio[0]) for rule in ("mean-log", "log-mean")]
    # In closed form: the log-probabilities of the winner have the mean -2, and log((e^-1 + e^-3) / 2).
    assert found == pytest.approx([1.0, -1.0 - math.log((math.exp(-1) + math.exp(-3)) / 2)], abs=1e-14)
    with pytest.raises(ValueError, match="did you mean 'mean-log-probability'"):
        ensemble_of(members, "mean-log")


def test_majority_turns_votes_reference_and_truth(made, tmp_path):
    given_, turned = made({"items": "big.csv"}, cross={"orientation": ["given", "majority"]}).environments
    assert turned.name == "v, orientation=majority"
    votes = turned.case.votes
    assert [votes.labels[votes.start[i] : votes.start[i + 1]].tolist() for i in range(4)] == [
        [1, 1, 1, 0],
        [1, 1, 0],
        [1, 0],
        [1, 1, 1, 1, 0],
    ]
    # b and d are turned; of c the votes tie.
    c = [lose - win for win, lose in LOGP["big"].values()]
    assert given_.problem.log_ratio.tolist() == c
    assert turned.problem.log_ratio.tolist() == [c[0], -c[1], c[2], -c[3]]
    assert (votes.logp_win[1], votes.logp_lose[1]) == (-0.5, -2.0)
    for environment, wins in ((given_, [3, 1, 1, 1]), (turned, [3, 2, 1, 4])):
        case = environment.case
        rate = np.array(wins) / [4, 3, 2, 5]
        truth = environment.source.draws(case, 5, [0]).truth[0]
        assert truth.tolist() == (rate > case.problem.threshold).tolist()
        low, high = wilson(np.array(wins), np.array([4, 3, 2, 5]))
        unsure = (low <= case.problem.threshold) & (case.problem.threshold <= high)
        assert environment.source.unsure(case) == pytest.approx(float(unsure @ [2, 1, 1, 1]) / 5)
    assert given_.source.draws(given_.case, 5, [0]).truth[0].tolist() == [True, False, False, False]
    assert turned.source.draws(turned.case, 5, [0]).truth[0].tolist() == [True, True, False, True]
    by_threshold = only(made({"items": "t.csv", "orientation": "majority"}))
    assert by_threshold.threshold.tolist() == pytest.approx([0.3, 0.6, 0.6, 0.1], abs=1e-15)
    by_c = only(made({"items": "c.csv", "orientation": "majority"}))
    assert by_c.log_ratio.tolist() == [0.5, 0.0, 2.0, 1.0]
    # One threshold of the study is that of the side for which label 1 then stands.
    assert only(made({"threshold": 0.7, "orientation": "majority"})).threshold.tolist() == [0.7] * 4


def wilson(wins, counts):
    """Ends of the 95 % interval, by the roots of (rate - p)^2 = z^2 p (1 - p) / n."""
    z, rate = 1.959963984540054, wins / counts
    ends = [np.roots([1 + z * z / n, -2 * r - z * z / n, r * r]) for r, n in zip(rate, counts, strict=True)]
    return np.array([min(x) for x in ends]), np.array([max(x) for x in ends])


@given(
    st.lists(st.lists(st.sampled_from([0, 1]), min_size=1, max_size=6), min_size=1, max_size=8), st.integers(0, 2**32)
)
def test_turning_is_done_once_and_keeps_what_items_say(pools, seed):
    rng = np.random.default_rng(seed)
    size = len(pools)
    votes = replace(
        sa.LabelSet.from_pools({f"i{k}": x for k, x in enumerate(pools)}),
        logp_win=-rng.random(size),
        logp_lose=-rng.random(size),
        gold=rng.choice([0.0, 1.0, np.nan], size),
    )
    turned = turned_to_majority(votes)
    again = turned_to_majority(turned)
    assert (2 * turned.wins >= turned.counts).all()
    assert np.maximum(votes.wins, votes.counts - votes.wins).tolist() == turned.wins.tolist()
    swapped = turned.wins != votes.wins
    assert np.where(swapped, turned.logp_lose, turned.logp_win).tolist() == votes.logp_win.tolist()
    assert np.where(swapped, turned.logp_win, turned.logp_lose).tolist() == votes.logp_lose.tolist()
    np.testing.assert_array_equal(np.where(swapped, 1 - turned.gold, turned.gold), votes.gold)
    assert again.labels.tolist() == turned.labels.tolist()
    assert again.logp_win.tolist() == turned.logp_win.tolist()


def test_emulated_references_agree_as_often_as_they_should():
    """Each figure lies within 4 standard errors of its expectation: false alarms in about 1 of 1000 runs."""
    size = 3000
    kinds = ([1, 1, 0], [0, 0, 0, 1], [1, 0])
    votes = sa.LabelSet.from_pools({f"i{k}": kinds[k % 3] for k in range(size)})
    majority = np.resize([1, -1, 0], size)
    clear = majority != 0
    for agreement in (0.0, 0.35, 0.8, 1.0):
        c = emulated_log_ratio(votes, agreement, 2.0, np.random.default_rng(11))
        # c > 0 speaks for the side of label 0.
        share = np.mean(np.sign(c[clear]) == -majority[clear])
        assert abs(share - agreement) <= 4 * math.sqrt(agreement * (1 - agreement) / clear.sum())
        assert abs(np.mean(c[~clear] > 0) - 0.5) <= 4 * 0.5 / math.sqrt(size / 3)
        assert abs(np.mean(c**2) - 4.0) <= 4 * 4 * math.sqrt(2 / size)
        assert abs(np.mean(np.abs(c) < 2.0) - 0.6826895) <= 4 * math.sqrt(0.6826895 * 0.3173105 / size)


def test_emulated_references_are_alike_for_all_axes_and_replications(made):
    qualities = [{"agreement": a, "spread": s} for a, s in ((0.8, 1.0), (0.8, 3.0), (0.0, 1.0), (1, 1.0))]
    axes = {"reference": qualities, "orientation": ["given", "majority"], "beta": [1.0, 0.5]}
    study = made(cross=axes)
    first = study.environments[0]
    assert first.name == "v, reference=(agreement=0.8, spread=1.0), orientation=given, beta=1.0"
    found = {}
    for environment in study.environments:
        found.setdefault((*environment.axes["reference"].values(), environment.axes["orientation"]), []).append(
            environment.problem.log_ratio
        )
    assert all(len({tuple(x) for x in c}) == 1 for c in found.values())
    c = {key: values[0] for key, values in found.items()}
    assert c[0.8, 3.0, "given"] == pytest.approx(3 * c[0.8, 1.0, "given"])
    assert np.abs(c[0.0, 1.0, "given"]).tolist() == np.abs(c[1.0, 1.0, "given"]).tolist()
    # The majority is for label 1 of a, for label 0 of b and d; of c the votes tie, whatever the agreement.
    assert np.sign(c[1.0, 1.0, "given"])[[0, 1, 3]].tolist() == [-1, 1, 1]
    assert np.sign(c[0.0, 1.0, "given"])[[0, 1, 3]].tolist() == [1, -1, -1]
    assert c[0.0, 1.0, "given"][2] == c[1.0, 1.0, "given"][2]
    for agreement in (0.0, 0.8, 1.0):
        turned = c[agreement, 1.0, "majority"]
        assert turned.tolist() == (c[agreement, 1.0, "given"] * [1, -1, 1, -1]).tolist()
    again, other = made(cross=axes), made(cross=axes, seed=6)
    assert again.outline == study.outline
    assert other.environments[0].problem.log_ratio.tolist() != first.problem.log_ratio.tolist()
    # What is not drawn by the seed alone would be kept under the same key.
    keys = [{plan.key for plan in one.outline.plans() if plan.way is None} for one in (study, other)]
    assert not keys[0] & keys[1]
    stated = only(made({"reference": qualities[0]}))
    assert np.isfinite(stated.log_ratio).all()
    assert stated.log_ratio.all()


def test_votes_are_bought_in_one_order_for_all_references_of_the_same_items(made):
    axes = {"items": ["big.csv", "c.csv", ["big.csv", "small.csv"]], "orientation": ["given", "majority"]}
    study = made({"ensemble": "log-mean-probability"}, cross=axes)
    draws = [x.source.draws(x.case, 5, range(20)) for x in study.environments]
    votes = [x.labels.votes for x in draws]
    start = draws[0].labels.start
    turned = votes[0].copy()
    for item in (1, 3):
        turned[:, start[item] : start[item + 1]] ^= 1
    assert (votes[2] == votes[0]).all()
    assert (votes[1] == turned).all()
    assert (votes[3] == turned).all()
    # The ensemble does not have item c.
    assert votes[4].shape == (20, 12)
    assert len({x.keys.tobytes() for x in draws}) == 1
    assert len({row.tobytes() for row in votes[0]}) > 10


def test_a_study_of_references_runs_and_is_taken_up(made, tmp_path):
    problem = {
        "items": "c.csv",
        "cross": {"items": ["big.csv", ["big.csv", "small.csv"]]},
        "zip": {"orientation": ["given", "majority"], "budget": [6, 12]},
        "ensemble": "mean-log-probability",
    }
    del (keys := POOL | problem)["labels_per_item"]
    study = made(problem=[keys], replications=3)
    folder = sa.run_study(study, tmp_path / "run", n_jobs=2)
    results = sa.StudyResults.of(folder)
    assert (results.failed, results.missing) == ([], 0)
    welfare = {}
    for group in results.groups:
        (welfare[group.environment],) = set(group.columns["oracle-welfare"].ravel().tolist())
    # Rates (3/4, 1/3, 1/2, 1/5) and weights (2, 1, 1, 1), of the ensemble without c. Of big.csv the log-ratios are
    # (-2, 1.5, 0, 3), of the ensemble (0, 0.5, 1.25). Only a is above its threshold; of b and d the other side is.
    ensemble = 'v, items=["big.csv", "small.csv"]'
    assert welfare == {
        "v, items=big.csv, orientation=given, budget=6": 2.0,
        "v, items=big.csv, orientation=majority, budget=12": 4.0,
        f"{ensemble}, orientation=given, budget=6": 2.0,
        f"{ensemble}, orientation=majority, budget=12": 4.0,
    }
    assert study.environments[3].problem.log_ratio.tolist() == [0.0, -0.5, -1.25]
    first = "v, items=big.csv, orientation=given, budget=6"
    assert results.references[first].unsure == study.environments[0].source.unsure(study.environments[0].case)
    Path(tmp_path, "moved.csv").write_bytes(Path(tmp_path, "big.csv").read_bytes())
    assert study.outline.settings[0].inputs["axes"]["items"] == {
        "file": "big.csv",
        "sha256": hashlib.sha256(Path(tmp_path, "big.csv").read_bytes()).hexdigest(),
    }
    assert len(study.outline.settings[2].inputs["axes"]["items"]) == 2
    before = {plan.name: plan.key for plan in study.outline.plans()}
    Path(tmp_path, "small.csv").write_text("item,logp_win,logp_lose\na,-3,-1\nb,-1,-1.5\nd,-2,-2.25\n")
    changed = made(problem=[keys], replications=3)
    differ = {plan.name for plan in changed.outline.plans() if before[plan.name] != plan.key}
    assert differ == {name for name in before if "small.csv" in name}
    with pytest.raises(sa.RunFolderError, match="axes items entry 2 sha256 was"):
        sa.run_study(changed, folder)


def test_workers_get_the_votes_of_their_own_case_alone(made):
    study = made(cross={"items": ["big.csv", "c.csv"]})
    environment = study.environments[1]
    sent = pickle.loads(pickle.dumps(environment))
    assert sent.source.files._read == {}
    for name in ("votes", "start"):
        here, there = (getattr(x.source.draws(x.case, 5, range(3)).labels, name) for x in (environment, sent))
        assert here.tolist() == there.tolist()


def test_files_are_read_once_and_may_be_packed(made, tmp_path):
    Path(tmp_path, "big.csv.gz").write_bytes(gzip.compress(Path(tmp_path, "big.csv").read_bytes()))
    study = made({"items": tmp_path / "big.csv.gz"}, cross={"beta": [1.0, 2.0]})
    votes = [x.case.votes for x in study.environments]
    assert votes[0] is votes[1]
    assert votes[0].log_ratio.tolist() == only(made({"items": "big.csv"})).log_ratio.tolist()


def test_a_label_file_that_changes_meanwhile_has_the_votes_that_it_had(made, tmp_path):
    made({"items": "big.csv"})
    files = LabelFiles(tmp_path / "votes.csv", tmp_path, {})
    before = files.votes("big.csv")
    with Path(tmp_path, "votes.csv").open("a") as file:
        file.write("\na,new,1")
    assert files.votes("c.csv").digests[0] == before.digests[0]
    assert "new" not in files.votes("c.csv").raters
    assert files.votes("big.csv") is before
    assert pickle.loads(pickle.dumps(files)).votes("big.csv").raters[-1] == "new"
    after = sa.read_labels(tmp_path / "votes.csv", tmp_path / "small.csv")
    with pytest.raises(ValueError, match="have different votes; they must be of one label file"):
        ensemble_of([before, after], "mean-log-probability")


# SHA-256 of the keys of all cells, joined by line ends, as they were before references could differ.
BEFORE = {
    "labels": "80108f2ab1cc6ae0c0ec5e9f20a86c2b3c2478a000aa3392d9146e04e423605c",
    "plain": "dd6730b1e3b898f62a6a82317d573102946909498beba0973636508ba0442206",
}


def test_studies_without_such_keys_keep_their_cells(tmp_path):
    rows = [f"{i},{j},{(i * j + j) % 3 % 2}\n" for i in range(4) for j in range(5)]
    Path(tmp_path, "votes.csv").write_text("".join(["item,rater,label\n", *rows]))
    Path(tmp_path, "items.csv").write_text("item,logp_win,logp_lose,weight\n0,-2,-1,2\n1,-1,-3,1\n3,-1,-1.5,1\n")
    fields = FIELDS | {"metrics": ["decision-accuracy", "decisive-mass(eps=0.1)"]}
    labels = POOL | {"items": "items.csv", "columns": {"item": "item"}, "repeated": "first", "prior": [2, 1]}
    plain = {"name": "v", "labels": "votes.csv", "budget": 7}
    studies = {
        "labels": fields | {"problem": [labels], "cross": {"beta": [0.5, 1.0]}},
        "plain": fields | {"problem": [plain], "cross": {"threshold": [0.4, 0.6], "utility": ["accuracy"]}},
    }
    for name, one in studies.items():
        keys = [plan.key for plan in sa.make_study(one, folder=tmp_path).outline.plans()]
        assert hashlib.sha256("\n".join(keys).encode()).hexdigest() == BEFORE[name]


# Keys of the problem, axes of the study, and what the message says.
REFUSED = [
    ({"items": ["big.csv"]}, {}, "it must be a file, or a list of two or more files"),
    ({"items": ["big.csv", "big.csv"]}, {}, "its files must differ"),
    ({"items": ["big.csv", 3]}, {}, "items is 3; it must be text or a path"),
    ({"items": ["big.csv", "small.csv"]}, {}, "items is a list of files, and ensemble is missing; give mean-log-prob"),
    ({"items": ["big.csv", "c.csv"], "ensemble": "mean-log-probability"}, {}, "c.csv has no log-probabilities"),
    ({"items": ["big.csv", "t.csv"], "ensemble": "mean-log-probability"}, {}, "t.csv has no log-probabilities"),
    ({"items": ["big.csv", "none.csv"], "ensemble": "mean-log-probability"}, {}, "none.csv"),
    ({"items": ["big.csv", "w.csv"], "ensemble": "mean-log-probability"}, {}, "weight of item 'a' is 2 in"),
    ({"items": ["one.csv", "two.csv"], "ensemble": "mean-log-probability"}, {}, "no item with labels is in each"),
    ({"items": ["big.csv", "small.csv"], "ensemble": "mean-log"}, {}, "did you mean 'mean-log-probability'?"),
    ({"items": "big.csv", "ensemble": "mean-log-probability"}, {}, "ensemble is given, but items is no list of files"),
    ({"ensemble": "mean-log-probability"}, {}, "ensemble is given, but items is no list of files"),
    ({"ensemble": "mean-log-probability"}, {"items": ["big.csv", "c.csv"]}, "ensemble is given, but items is no list"),
    ({"items": "big.csv"}, {"ensemble": ["mean-log-probability"]}, "ensemble is given, but items is no list of files"),
    ({}, {"items": [["big.csv", "small.csv"]]}, "ensemble is missing"),
    ({}, {"items": ["big.csv", "none.csv"]}, "v, items=none.csv: items: "),
    ({}, {"items": [3]}, "items is 3"),
    ({}, {"ensemble": ["log-men"]}, "did you mean 'log-mean-probability'?"),
    ({"orientation": "majorty"}, {}, "did you mean 'majority'?"),
    ({"orientation": 1}, {}, "orientation is 1; allowed: given, majority"),
    ({}, {"orientation": ["givn"]}, "did you mean 'given'?"),
    ({"reference": 0.8}, {}, "reference is 0.8; it must be a table with agreement and spread"),
    ({"reference": {"agreement": 0.8}}, {}, "reference has no spread; give agreement and spread"),
    ({"reference": {"agreemnt": 0.8, "spread": 1}}, {}, "did you mean agreement?"),
    (
        {"reference": {"agreement": 1.1, "spread": 1}},
        {},
        "agreement of reference is 1.1; it must be a number from 0 to 1",
    ),
    ({"reference": {"agreement": math.nan, "spread": 1}}, {}, "agreement of reference is nan"),
    (
        {"reference": {"agreement": 1, "spread": -1}},
        {},
        "spread of reference is -1; it must be a finite number, at least 0",
    ),
    ({"reference": {"agreement": 1, "spread": math.inf}}, {}, "spread of reference is inf"),
    ({}, {"reference": [{"agreement": 1, "spread": "1"}]}, "spread of reference is '1'"),
    ({"reference": {"agreement": 1, "spread": 1}, "items": "c.csv"}, {}, "reference and items are given"),
    ({"reference": {"agreement": 1, "spread": 1}, "threshold": 0.5}, {}, "reference and threshold are given"),
    ({"items": "c.csv"}, {"reference": [{"agreement": 1, "spread": 1}]}, "reference and items are given"),
    ({"reference": {"agreement": 1, "spread": 1}}, {"threshold": [0.5]}, "reference and threshold are given"),
    ({"reference": {"agreement": 1, "spread": 1}}, {"items": ["c.csv"]}, "reference and items are given"),
]


@pytest.mark.parametrize(("keys", "axes", "said"), REFUSED, ids=lambda x: str(x)[:60])
def test_what_contradicts_itself_is_refused(made, tmp_path, keys, axes, said):
    Path(tmp_path, "w.csv").write_text("item,logp_win,logp_lose,weight\na,-1,-1,3\n")
    for name, item in (("one", "a"), ("two", "b")):
        Path(tmp_path, f"{name}.csv").write_text(f"item,logp_win,logp_lose\n{item},-1,-1\n")
    with pytest.raises(sa.StudyError, match=r"^[^\n]+$") as error:
        made(keys, cross=axes)
    assert said in str(error.value)


@pytest.mark.parametrize(
    ("lines", "line", "said"),
    [
        ('orientation = "majorty"', 7, "did you mean 'majority'"),
        ("[problem.reference]\nagreement = 2\nspread = 1", 7, "agreement of reference is 2"),
        ('\nitems = ["big.csv", "small.csv"]', 3, "ensemble is missing"),
        ('[problem.cross]\nbeta = [1]\nitems = ["big.csv", "nine.csv"]', 9, "nine.csv"),
        ('[cross]\norientation = ["given", "majorty"]', 8, "did you mean 'majority'"),
        (
            '[zip]\nitems = ["c.csv", "big.csv"]\nensemble = ["mean-log-probability", "log-mean-probability"]',
            8,
            "no list",
        ),
        ('ensemble = "mean-log-probability"\n[cross]\nitems = ["big.csv", "c.csv"]', 7, "items is no list of files"),
        ('[cross]\norientaton = ["given"]', 8, "did you mean orientation?"),
    ],
)
def test_faults_of_references_are_told_with_their_line(made, tmp_path, lines, line, said):
    text = f'policies = ["kg"]\n\n[[problem]]\nname = "v"\nlabels = "votes.csv"\nbudget = 2\n{lines}\n'
    Path(tmp_path, "study.toml").write_text(text)
    with pytest.raises(sa.StudyError) as error:
        sa.read_study(tmp_path / "study.toml")
    assert f"study.toml, line {line}: " in str(error.value)
    assert said in str(error.value)


def test_references_are_no_axes_of_other_problems():
    problem = {"name": "two", "threshold": [0.5, 0.7], "budget": 4}
    fields = {"problem": [problem], "policies": ["kg"], "cross": {"orientation": ["given"]}}
    with pytest.raises(sa.StudyError, match="orientation is no axis of 'two'"):
        sa.make_study(fields)
    with pytest.raises(sa.StudyError, match="orientation is not a key"):
        sa.make_study(fields | {"problem": [problem | {"orientation": "given"}], "cross": {}})
