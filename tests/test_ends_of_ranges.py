"""Values at and beyond the ends of what is allowed are refused by name, by one rule for each kind of value."""

from __future__ import annotations

import os
from dataclasses import fields
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import seqaudit as sa
from seqaudit.benchmarks.runner.folder import RunFolder, RunFolderError, problem_as_inputs
from seqaudit.dp.exact.lattice import Lattice
from seqaudit.posteriors.foundation.messages import LONGEST_FAULT

PROBLEM = sa.Problem([0.5, 0.62, 0.75], 4)
VOTES = sa.LabelSet.from_pools({"a": [1, 0, 1], "b": [0, 1]})
DESIGN = sa.Design.of(VOTES)
BELIEFS = [sa.Beta(1, 1), sa.NoisyBeta(1, 1, 0.1), sa.Grid([0.2, 0.4], [1, 1]), sa.BetaMixture([1, 1], [1, 2], [2, 1])]

REFUSED = {
    "sum of gain and loss": (lambda: sa.Asymmetric(1e308, 1e308), "gain is 1e.308; it must be positive, and at most"),
    "sum of weights": (lambda: sa.Problem([0.5] * 4, 4, weight=1e308), "payoffs and prices add up to inf"),
    "sum of rewards": (lambda: sa.Problem([0.5], 4, reward=-1e308), "payoffs and prices add up to inf"),
    "sum of prices": (lambda: sa.Problem([0.5], 4, label_price=1e308), "payoffs and prices add up to inf"),
    "cost": (lambda: sa.Problem([0.5], 1.0, cost=5e-324), "cost of item 1 is 5e-324; it must be from 1e-100"),
    "budget": (lambda: sa.Problem([0.5], 1e308, cost=0.5), "budget is 1e.308; it must be positive, and at most"),
    "names in no order": (lambda: sa.Problem([0.5, 0.6], 4, name={"a", "b"}), "name is .* it must be a list"),
    "item of a belief": (lambda: PROBLEM.belief(9), "item is 9; it must be a whole number from 0 to 2"),
    "item of tables": (lambda: PROBLEM.tables(-1), "item is -1; it must be a whole number from 0 to 2"),
    "vote on no item": (lambda: sa.Design(*map(np.array, ([5], [0])), ("a",), ("r",)), r"item\[0\] is 5"),
    "vote of no rater": (lambda: sa.Design(*map(np.array, ([0], [-1])), ("a",), ("r",)), r"rater\[0\] is -1"),
    "votes without raters": (lambda: sa.Design(*map(np.array, ([0, 0], [0])), ("a",), ("r",)), "rater has shape"),
    "weights of votes": (lambda: sa.concentration(VOTES, [1, -1]), "weight is -1.0; it must be finite, and at least"),
    "no weight": (lambda: sa.concentration(VOTES, [0, 0]), "weight is 0 for every item"),
    "lengths": (lambda: sa.log_ratio([-1, -2], [-2, -1, -3]), "they must have the same length"),
    "draws": (lambda: sa.PartialPooling().fit(VOTES, seed=1, method="fast").thinned(0), "draws is 0; it must be"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_value_beyond_its_range_is_refused_by_name(name):
    call, message = REFUSED[name]
    with pytest.raises(ValueError, match=message) as refused:
        call()
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("belief", BELIEFS, ids=repr)
@pytest.mark.parametrize("labels", [10**30, 10**400])
def test_labels_beyond_machine_integers_are_refused(belief, labels):
    with pytest.raises(ValueError, match=r"wins is .*; it must be a whole number from 0 to 9223372036854775807"):
        belief.after(labels, 0)


@pytest.mark.parametrize("belief", BELIEFS, ids=repr)
@pytest.mark.parametrize("alpha", [2, -5, float("nan"), [0.5, 1.0000001]])
def test_chances_of_rates_that_are_none_are_refused(belief, alpha):
    with pytest.raises(ValueError, match=r"alpha is .*; it must be from 0 to 1"):
        belief.label_chance(alpha)
    assert np.all(belief.label_chance([0.0, 1.0]) <= 1.0)


@pytest.mark.parametrize("flag", ["no", "", 1, 0, 1.0, [True]])
def test_flag_is_true_or_false(flag):
    calls = (
        lambda: sa.solve(PROBLEM, keep_policy=flag),
        lambda: sa.certify(PROBLEM, exact=flag),
        lambda: sa.structure(PROBLEM, exact=flag),
    )
    for call in calls:
        with pytest.raises(ValueError, match=r"it must be True or False"):
            call()
    assert sa.solve(PROBLEM, keep_policy=np.True_).value == sa.solve(PROBLEM, keep_policy=True).value


@pytest.mark.parametrize("seed", [None, True, 1.5, "1", -1, [1]])
def test_seed_of_simulated_votes_is_a_seed(seed):
    with pytest.raises(ValueError, match=r"seed is .* it must be a whole number"):
        sa.PartialPooling().simulate(seed, DESIGN)
    with pytest.raises(ValueError, match=r"seed is .* it must be a whole number"):
        sa.Design.balanced(3, 2, 1, seed=seed)


@pytest.mark.parametrize(
    ("quota", "message"),
    [
        ({"items": [0], "labels": 1}, r"quota is .*; it must be a list of \(items, labels\), in a file of tables"),
        (5, "quota is 5; it must be a list"),
        ([{"item": [0], "labels": 1}], "quota 1: item is not a key; did you mean items?"),
        ([{"items": [0]}], "quota 1: the key labels is missing"),
        ([([0], 1), {"items": [0], "labels": 1, "cap": [1, 1]}], "quota 2: cap is not a key"),
        ([[[0], 1, 5]], r"quota 1 is .*; it must be a pair \(items, labels\)"),
    ],
)
def test_quota_is_a_list_of_items_and_labels(quota, message):
    with pytest.raises(sa.ProblemError, match=message):
        sa.Problem([0.5, 0.6], 3, quota=quota)


def test_fault_in_a_file_is_put_on_its_line(tmp_path):
    path = tmp_path / "p.toml"
    quotas = "\n[[quota]]\nitems = [0]\nlabels = 1\n\n[[quota]]\nitems = [7]\nlabels = 2\n"
    two = f"threshold = [0.5, 0.6]\nbudget = 3\n{quotas}"
    texts = {two: 8, "name = [\n'budget',\n'b']\nthreshold = [0.5, 0.6]\nbudget = 0\n": 5}
    for text, line in texts.items():
        path.write_text(text)
        with pytest.raises(sa.ProblemError, match=rf"p\.toml, line {line}: "):
            sa.Problem.from_toml(path)
    path.write_bytes(b"\xef\xbb\xbfthreshold = 0.5\nthreshold2 = 1\n")
    with pytest.raises(sa.ProblemError, match=r"p\.toml, line 2: threshold2 is not a key"):
        sa.Problem.from_toml(path)


def test_run_record_and_printed_json_state_the_whole_problem():
    assert set(problem_as_inputs(PROBLEM)) == {field.name for field in fields(sa.Problem)}
    assert problem_as_inputs(PROBLEM.replace(label_price=0.3)) != problem_as_inputs(PROBLEM)


@pytest.mark.parametrize("cost", [[1e-9, 1], [1e-6, 1], [1e-6, 1e-6]])
def test_budget_of_very_many_labels_is_refused_without_counting_states(cost):
    problem = sa.Problem([0.5, 0.6], 3, cost=cost)
    for call in (sa.solve, lambda x: sa.evaluate(x, "kg")):
        with pytest.raises(sa.ProblemTooLarge, match=r"problem too large"):
            call(problem)


WRONG_PATHS = [None, 7, b"a.toml", "", "a\0b", "a\udc00b\ud800"]


@pytest.mark.parametrize("path", WRONG_PATHS)
def test_path_is_text_that_can_name_a_file(path):
    session = sa.Session(PROBLEM, "kg", seed=7)
    for call in (
        lambda: sa.Problem.from_toml(path),
        lambda: PROBLEM.to_toml(path),
        lambda: session.save(path),
        lambda: sa.Session.load(path, PROBLEM, "kg"),
        lambda: sa.load_policy(path),
        lambda: sa.solve(PROBLEM, keep_policy=True).save(path),
        lambda: sa.read_labels(path),
        lambda: sa.read_scenarios(path),
    ):
        with pytest.raises(ValueError, match=r"^path is .*; it must be text (or a path|that can name a file)"):
            call()


def test_session_is_read_to_a_limit(tmp_path):
    for path, why in ((tmp_path, "this is a directory"), ("/dev/zero", "this is a device")):
        if Path(path).exists():
            with pytest.raises(ValueError, match=why):
                sa.Session.load(path, PROBLEM, "kg")


def test_identifiers_of_answers_are_saved(tmp_path):
    session = sa.Session(PROBLEM, "kg", seed=7)
    for answer_id in (10**5000, 2**128):
        with pytest.raises(ValueError, match=r"a whole number of at most 128 bits"):
            session.tell(0, 1, answer_id=answer_id)
    session.tell(0, 1, answer_id=2**128 - 1)
    session.save(tmp_path / "session.json")
    again = sa.Session.load(tmp_path / "session.json", PROBLEM, "kg")
    again.tell(0, 1, answer_id=2**128 - 1)
    assert again.counts.tolist() == session.counts.tolist() == [1, 0, 0]


BELIEFS = (
    sa.Beta(1, 1),
    sa.BetaMixture([1, 1], [1, 2], [1, 1]),
    sa.Grid([0.2, 0.8], [1, 1]),
    sa.LogitNormal(0, 1),
    sa.LogitNormal(0, 1).after(1, 0),
    sa.NoisyBeta(1, 1, 0.1),
    sa.NoisyBeta(1, 1, 0.1).after(1, 0),
)


@pytest.mark.parametrize("belief", BELIEFS, ids=lambda x: x.kind)
def test_beliefs_refuse_what_is_no_generator_and_tables_beyond_memory(belief):
    with pytest.raises(ValueError, match=r"rng is 7; it must be a numpy\.random\.Generator"):
        belief.draw(7)
    with pytest.raises(sa.ProblemTooLarge, match=r"tables of 10000000 labels: .* of memory are needed"):
        belief.tables(10**7, 0.5)
    with pytest.raises(ValueError, match=r"labels, wins and threshold have shapes \(3,\), \(2,\), \(\)"):
        belief.at([1, 2, 3], [0, 1], 0.5)


def test_index_that_takes_very_many_plays_is_refused_at_once():
    for discount in (1 - 1e-6, 1 - 1e-12, np.nextafter(1.0, 0.0)):
        with pytest.raises(sa.ProblemTooLarge, match=r"an index of [0-9]+ plays"):
            sa.gittins_bernoulli(1, 1, discount)


def test_every_faulty_policy_is_told():
    with pytest.raises(ValueError, match=r"(?s)kgg.*did you mean.*nearly.*"):
        sa.compare(PROBLEM, policies=["kgg", "uniform", "nearly"])


def test_votes_on_an_item_are_in_order():
    with pytest.raises(ValueError, match=r"votes on item 'a' are \{0, 1\}; they must be a list"):
        sa.LabelSet.from_pools({"a": {0, 1}})


def test_rates_to_evaluate_at_are_not_empty():
    with pytest.raises(ValueError, match=r"alpha is empty; give one rate or more"):
        sa.operating_characteristics(PROBLEM, "kg", [])


def test_run_folder_whose_store_is_a_folder_is_refused(tmp_path):
    RunFolder(tmp_path / "run", "compare", {}).store.close()
    (tmp_path / "run" / "run.sqlite").unlink()
    (tmp_path / "run" / "run.sqlite").mkdir()
    with pytest.raises(RunFolderError, match=r"run\.sqlite is not a plain file, so the run cannot be taken up"):
        RunFolder(tmp_path / "run", "compare", {})


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no pipes with names here")
def test_what_is_no_file_is_neither_replaced_nor_waited_for(tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    for write in (PROBLEM.to_toml, sa.Session(PROBLEM, "kg", seed=7).save):
        with pytest.raises(OSError, match=r"this is a device or a pipe; allowed: a file"):
            write(pipe)
    assert pipe.is_fifo()
    assert list(tmp_path.iterdir()) == [pipe]
    sa.solve(PROBLEM, keep_policy=True).save(tmp_path / "kept")
    (tmp_path / "kept" / "actions.npy").unlink()
    os.mkfifo(tmp_path / "kept" / "actions.npy")
    with pytest.raises(ValueError, match=r"damaged policy folder: .*is not a file"):
        sa.load_policy(tmp_path / "kept")
    RunFolder(tmp_path / "run", "compare", {}).store.close()
    (tmp_path / "run" / "run.sqlite").unlink()
    os.mkfifo(tmp_path / "run" / "run.sqlite")
    with pytest.raises(RunFolderError, match=r"is not a plain file, so the run cannot be taken up"):
        RunFolder(tmp_path / "run", "compare", {})


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such permissions")
def test_file_that_is_written_again_keeps_its_permissions(tmp_path):
    path = PROBLEM.to_toml(tmp_path / "p.toml") or tmp_path / "p.toml"
    path.chmod(0o600)
    PROBLEM.to_toml(path)
    assert path.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("column", ["item", "rater", "group"])
def test_names_that_differ_in_type_alone_are_refused(column):
    columns = {"item": ["a", "b"], "rater": ["x", "y"], "group": ["u", "v"], "label": [1, 0]}
    frame = pd.DataFrame(columns | {column: [7, "7"]}, dtype=object)
    with pytest.raises(
        ValueError, match=rf"row 1: {column} is '7', and 7 on row 0; allowed: names that differ as text"
    ):
        sa.LabelSet.from_frame(frame)


def test_votes_that_were_read_as_text_are_votes():
    frame = pd.DataFrame({"item": ["a", "a"], "rater": ["x", "y"], "label": ["1", "0"], "gold": ["1", "1"]})
    read = sa.LabelSet.from_frame(frame)
    assert (read.labels.tolist(), read.gold.tolist()) == ([1, 0], [1.0])


@pytest.mark.parametrize("prior", [(1, 1), [2, 3], np.array([1.0, 1.0]), sa.Beta(1, 1), 1])
def test_bandit_has_a_prior_for_each_arm(prior):
    with pytest.raises(sa.ProblemError, match=r"a bandit needs one prior, a pair or a belief, for each arm"):
        sa.Problem.bandit(prior, 5)


class Doubtful(sa.PartialPooling):
    """Model whose answers are wrong in a way that its case states."""

    name = "doubtful"
    given = None
    more = None

    def chances(self, parameters, design):
        return super().chances(parameters, design) if self.given is None else self.given

    def complete(self, draws, design, label, rng):
        found = super().complete(draws, design, label, rng)
        return found if self.more is None else self.more(found)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (np.full(DESIGN.size, 2.0), r"doubtful: a chance is 2\.0; it must be from 0 to 1"),
        (np.full(DESIGN.size, np.nan), "doubtful: a chance is nan"),
        (np.zeros(1), r"doubtful: chances have shape \(1,\); it must be \(5,\)"),
        (["a"], "doubtful: chances"),
    ],
)
def test_chances_of_a_model_are_checked(given, message):
    model = type("Case", (Doubtful,), {"given": given})
    with pytest.raises(ValueError, match=message):
        model().simulate(1, DESIGN)


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (lambda found: found | {"rate": found["rate"] + 2.0}, "doubtful: a rate is .*; it must be from 0 to 1"),
        (lambda found: found | {"rate": found["rate"] * np.nan}, "doubtful: a rate is nan"),
        (lambda found: {}, "doubtful: complete returns no 'rate'"),
        (lambda found: 3, "doubtful: what complete returns is 3"),
    ],
)
def test_rates_of_a_model_are_checked(more, message):
    votes = sa.PartialPooling().simulate(1, DESIGN).labels
    model = type("Case", (Doubtful,), {"more": staticmethod(more)})
    with pytest.raises(ValueError, match=message):
        model().fit(votes, seed=1, method="fast", draws=8)


def test_numbers_of_draws_and_items_beyond_memory_are_refused():
    votes = sa.PartialPooling().simulate(1, DESIGN).labels
    with pytest.raises(sa.ProblemTooLarge, match=r"1,000,000,000,000 draws"):
        sa.PartialPooling().fit(votes, seed=1, method="fast", draws=10**12)
    with pytest.raises(ValueError, match=r"items is 10+; it must be a whole number from 1 to 10000000"):
        sa.Design.balanced(items=10**12)
    with pytest.raises(sa.ProblemTooLarge, match=r"10,000,000 items with votes of 10,000,000 raters"):
        sa.Design.balanced(items=10**7, raters=10**7, votes_per_item=10**7)


def test_one_label_can_go_to_each_of_two_thousand_items_and_no_second_one_to_any():
    problem = sa.Problem(np.linspace(0.1, 0.9, 2000), 1)
    lattice = Lattice.of(problem)
    assert (lattice.raised[0] >= 0).all()
    assert (lattice.raised[1:] == -1).all()


@pytest.mark.parametrize("policy", [("kg", "uniform"), ["kg"], b"kg", {"kg": 1}])
def test_several_policies_are_not_one(policy):
    with pytest.raises(ValueError, match=r"it must be one policy, or the name of one"):
        sa.evaluate(PROBLEM, policy)


def test_messages_with_lists_of_names_are_short():
    for policy in ("zz", "lookahead(leaf=foo)", "KG"):
        with pytest.raises(ValueError, match=r".") as told:
            sa.evaluate(PROBLEM, policy)
        assert len(str(told.value)) <= LONGEST_FAULT


class Sure(sa.Accuracy):
    """Utility of a class that is not registered."""

    name = "sure"


def test_problem_that_could_not_be_read_again_is_not_written(tmp_path):
    problem = PROBLEM.replace(utility=Sure())
    with pytest.raises(sa.ProblemError, match=r"the problem could not be read again: .*sure"):
        problem.to_toml(tmp_path / "p")
    with pytest.raises(sa.ProblemError, match=r"half a character"):
        sa.Problem([0.5], 3, name=["\ud800"])
    assert not list(tmp_path.iterdir())


def test_states_are_of_items_and_labels_that_there_are():
    one = np.array([1])
    for items in (-1, 3):
        with pytest.raises(ValueError, match=r"items\[0\] is .*; it must be a whole number from 0 to 2"):
            sa.states_at(PROBLEM, np.array([items]), one, one)
    for call in (
        lambda: sa.states_at(PROBLEM, np.array([0]), one, 2 * one),
        lambda: PROBLEM.tail_at([1, 1, 1], [2, 1, 1]),
    ):
        with pytest.raises(ValueError, match=r"wins are more than labels"):
            call()
    with pytest.raises(ValueError, match=r"mean is 2.0; it must be from 0 to 1"):
        sa.solve_stopping(np.full((3, 3), 2.0), np.ones((3, 3)))


class Ending(sa.IndexPolicy):
    """Policy that raises what ends a generator."""

    name = "ending"

    def index(self, states):
        raise StopIteration


def test_policy_that_raises_stop_iteration_is_named():
    for call in (
        lambda: sa.simulate(PROBLEM, Ending(), replications=2, seed=1),
        lambda: sa.evaluate(PROBLEM, Ending()),
    ):
        with pytest.raises(RuntimeError, match=r"raised StopIteration") as told:
            call()
        assert any("Ending.index" in note for note in told.value.__notes__)


def test_nothing_to_compare_or_to_hold_out_is_said():
    with pytest.raises(ValueError, match=r"there are no fits to compare"):
        sa.compare_fits({})
    with pytest.raises(ValueError, match=r"there are no items"):
        sa.reliability(sa.LabelSet.from_pools({}))


def test_curve_of_items_that_cannot_be_labelled_is_flat():
    found = sa.budget_curve(sa.Problem([0.5, 0.6], 6, cap=0), ["kg"], seed=1)
    assert np.ptp(found["value"].values) == 0.0


def test_replay_of_a_policy_that_stops_early_ends_in_its_last_state():
    pools = sa.LabelSet.from_pools({"a": [1, 0, 1], "b": [1, 1, 0], "c": [0, 0, 0]})
    found = sa.replay(pools, ["stop-when"], budget=9, threshold=0.5, replications=200, seed=7)
    bought = found["labels_bought"].sum("slice").isel(policy=0)
    assert (bought.diff("labels") >= 0).all()
    assert int(bought.max()) < 9


def test_overflowing_log_ratio_is_refused_without_a_warning():
    with pytest.raises(sa.ProblemError, match=r"log_ratio|threshold|c of"):
        sa.Problem.from_logratio([1e308, -1e308], 1e10, 6)
