"""Ask and tell: the board's choices, answers that come late, twice, unasked or wrong, and sessions that are resumed."""

from __future__ import annotations

import errno
import json
import os

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles.policies import assert_go_on_alike

import seqaudit as sa
from seqaudit.bandits.registry import registered_policies
from seqaudit.bandits.simulation.board import Board
from seqaudit.bandits.simulation.seeds import replication_keys
from seqaudit.dp.machine.seal import sealed

POLICIES = list(registered_policies())
PROBLEM = sa.Problem([0.5, 0.7, 0.6], 8, weight=[1.0, 1.5, 1.0], name=["sky", "sea", "sun"])
CAPPED = sa.Problem([0.5, 0.7, 0.6], 8, cap=[1, 0, 2])


def session(problem=PROBLEM, policy="variance-reduction", seed=7):
    return sa.Session(problem, policy, seed=seed)


@pytest.mark.smoke
@pytest.mark.parametrize("name", POLICIES)
def test_questions_are_the_boards_choices(name):
    asked = session(policy=name, seed=11)
    _, keys = replication_keys(11, 1)
    board = Board(PROBLEM, sa.make_policy(name), keys)
    rng = np.random.default_rng(2)
    for step in range(PROBLEM.labels):
        item, label = asked.ask(), int(rng.integers(2))
        assert item == board.choose(step)[0]
        asked.tell(item, label)
        board.record(np.array([0]), np.array([item]), np.array([label]))
    assert np.array_equal(asked.counts, board.counts[0])
    assert np.array_equal(asked.wins, board.wins[0])
    assert asked.remaining == 0
    with pytest.raises(sa.BudgetSpent, match="budget of 8 labels is spent: 8 entered, 0 outstanding"):
        asked.ask()


def test_seed_breaks_ties():
    def questions(seed):
        asked = session(policy="uniform", seed=seed)
        return [asked.ask() for _ in range(8)]

    assert questions(1) == questions(1)
    assert len({tuple(questions(seed)) for seed in range(10)}) > 5


def test_exact_policy_asks_for_optimal_items():
    asked = session(policy="exact")
    solution = sa.solve(PROBLEM, keep_policy=True)
    rng = np.random.default_rng(5)
    for _ in range(PROBLEM.labels):
        best = solution.optimal_items(asked.counts, asked.wins)
        item = asked.ask()
        assert item in best
        asked.tell(item, int(rng.integers(2)))


def test_counts_wins_tail_and_decisions_follow_the_answers():
    asked = session()
    assert asked.tail == pytest.approx(PROBLEM.prior_tail)
    for item, label in [(0, 1), (0, 1), (1, 0), (2, 1), (0, 0)]:
        asked.tell(item, label)
    assert asked.counts.tolist() == [3, 1, 1]
    assert asked.wins.tolist() == [2, 0, 1]
    # 1 - I_t: Beta(3, 2) at .5, Beta(1, 2) at .7, Beta(2, 1) at .6.
    assert asked.tail == pytest.approx([0.6875, 0.09, 0.64], rel=1e-12)
    assert asked.decisions().tolist() == [True, False, True]


def test_decisions_use_the_utilitys_own_bar():
    strict = sa.Problem([0.5, 0.7, 0.6], 8, utility={"name": "asymmetric", "gain": 1, "loss": 3})
    asked = session(strict)
    for _ in range(2):
        asked.tell(0, 1)
    asked.tell(2, 1)
    assert asked.tail == pytest.approx([0.875, 0.3, 0.64], rel=1e-12)
    assert asked.decisions().tolist() == [True, False, False]


def test_arrays_handed_out_are_copies():
    asked = session()
    asked.ask()
    for array in (asked.counts, asked.wins, asked.outstanding):
        array += 5
    assert asked.counts.sum() == asked.wins.sum() == 0
    assert asked.outstanding.sum() == 1


def test_outstanding_items_are_passed_over_while_another_can_be_asked():
    asked = session()
    assert sorted(asked.ask() for _ in range(3)) == [0, 1, 2]
    assert asked.outstanding.tolist() == [1, 1, 1]
    again = asked.ask()
    assert asked.outstanding[again] == 2
    assert asked.remaining == 4
    asked.tell(again, 1)
    assert asked.outstanding.tolist() == [1, 1, 1]
    assert asked.remaining == 4


def test_late_and_out_of_order_answers_lead_to_the_same_state():
    prompt, late = session(), session()
    items = [late.ask() for _ in range(3)]
    for item in reversed(items):
        late.tell(item, item % 2)
        prompt.tell(item, item % 2)
    assert late.outstanding.tolist() == [0, 0, 0]
    assert np.array_equal(late.counts, prompt.counts)
    assert np.array_equal(late.wins, prompt.wins)
    assert late.remaining == prompt.remaining == 5


def test_questions_out_use_up_the_budget():
    asked = session()
    for _ in range(8):
        asked.ask()
    assert asked.remaining == 0
    with pytest.raises(sa.BudgetSpent, match="0 entered, 8 outstanding"):
        asked.ask()


def test_questions_out_use_up_the_caps():
    asked = session(CAPPED)
    assert asked.remaining == 3
    assert sorted(asked.ask() for _ in range(3)) == [0, 2, 2]
    with pytest.raises(sa.BudgetSpent):
        asked.ask()
    asked.tell(0, 1)
    with pytest.raises(ValueError, match="item 1 has its 1 labels already"):
        asked.tell(0, 1)
    with pytest.raises(ValueError, match="item 2 has its 0 labels already"):
        asked.tell(1, 1)
    assert asked.counts.tolist() == [1, 0, 0]


def test_no_item_is_asked_for_beyond_its_cap_while_answers_are_out():
    roomy = sa.Problem([0.5, 0.7], 6, cap=[2, 4])
    asked = session(roomy, "high-logratio")
    items = [asked.ask() for _ in range(6)]
    assert sorted(items) == [0, 0, 1, 1, 1, 1]


def test_unasked_answer_counts_against_the_budget_and_steers():
    asked = session()
    first = asked.ask()
    other = (first + 1) % 3
    for _ in range(3):
        asked.tell(other, 1)
    assert asked.counts[other] == 3
    assert asked.outstanding.tolist() == [int(i == first) for i in range(3)]
    assert asked.remaining == 4


def test_unasked_answer_can_take_the_place_of_a_question_that_is_out():
    small = sa.Problem([0.5, 0.7, 0.6], 2)
    asked = session(small)
    out = [asked.ask(), asked.ask()]
    (unasked,) = {0, 1, 2} - set(out)
    asked.tell(unasked, 1)
    assert asked.remaining == 0, "never below zero"
    with pytest.raises(sa.BudgetSpent, match="1 entered, 2 outstanding"):
        asked.ask()
    asked.tell(out[0], 0)
    with pytest.raises(sa.BudgetSpent, match=f"a label for item {out[1] + 1} is one too many"):
        asked.tell(out[1], 0)
    assert asked.counts.sum() == 2


def test_budget_spent_is_a_value_error():
    assert issubclass(sa.BudgetSpent, ValueError)


def test_repeated_answer_is_ignored():
    asked = session()
    item = asked.ask()
    for _ in range(3):
        asked.tell(item, 1, answer_id="form-1")
    assert asked.counts.sum() == 1
    asked.tell(item, 1, answer_id="form-2")
    asked.tell(item, 1)
    asked.tell(item, 1)
    assert asked.counts[item] == 4


def test_repeated_answer_is_ignored_even_when_the_budget_is_spent():
    asked = session(sa.Problem([0.5, 0.7], 1))
    asked.tell(0, 1, answer_id="a")
    asked.tell(0, 1, answer_id="a")
    with pytest.raises(sa.BudgetSpent):
        asked.tell(0, 1, answer_id="b")


@pytest.mark.parametrize(("item", "label", "now"), [(0, 0, "label 0 for sky"), (1, 1, "label 1 for sea")])
def test_contradictory_answer_is_refused(item, label, now):
    asked = session()
    asked.tell(0, 1, answer_id="form-1")
    with pytest.raises(ValueError, match=f"answer 'form-1' was label 1 for sky and is now {now}"):
        asked.tell(item, label, answer_id="form-1")
    assert asked.counts.tolist() == [1, 0, 0]


@pytest.mark.parametrize("item", [-1, 3, 1.0, "sky", None, True])
def test_item_that_does_not_exist_is_refused(item):
    asked = session()
    with pytest.raises(ValueError, match=r"item is .*; it must be a whole number from 0 to 2"):
        asked.tell(item, 1)
    assert asked.counts.sum() == 0


@pytest.mark.parametrize("label", [2, -1, 0.5, "1", None, float("nan")])
def test_label_that_does_not_exist_is_refused(label):
    asked = session()
    with pytest.raises(ValueError, match=r"label of sea is .*; allowed: 0 and 1"):
        asked.tell(1, label)
    assert asked.counts.sum() == 0


def test_refused_answer_does_not_use_up_its_id():
    asked = session()
    with pytest.raises(ValueError, match="allowed: 0 and 1"):
        asked.tell(0, 7, answer_id="x")
    asked.tell(0, 1, answer_id="x")
    assert asked.counts.tolist() == [1, 0, 0]


@pytest.mark.parametrize("label", [True, np.int64(1), np.bool_(True), 1.0])
def test_labels_of_other_number_types_are_understood_and_saved(label, tmp_path):
    asked = session()
    asked.tell(np.int64(2), label)
    asked.save(tmp_path / "s.json")
    assert sa.Session.load(tmp_path / "s.json", PROBLEM, "variance-reduction").wins.tolist() == [0, 0, 1]


@given(data=st.data(), name=st.sampled_from(POLICIES), seed=st.integers(0, 2**40))
@settings(max_examples=40)
def test_saved_session_goes_on_exactly_where_it_was_left(data, name, seed, tmp_path_factory):
    path = tmp_path_factory.mktemp("session") / "s.json"
    asked = session(policy=name, seed=seed)
    out = []
    for _ in range(data.draw(st.integers(0, 7))):
        if data.draw(st.booleans()) and asked.remaining:
            out.append(asked.ask())
        elif out and data.draw(st.booleans()):
            asked.tell(out.pop(data.draw(st.integers(0, len(out) - 1))), data.draw(st.integers(0, 1)))
        else:
            k = data.draw(st.integers(0, 2))
            asked.tell(k, k % 2, answer_id=f"id-{k}")
    asked.save(path)
    again = sa.Session.load(path, PROBLEM, name)
    assert_go_on_alike(asked, again)
    asked.save(path)
    saved = path.read_text()
    again.save(path)
    assert path.read_text() == saved


def test_loaded_session_remembers_answer_ids(tmp_path):
    asked = session()
    asked.tell(0, 1, answer_id="a")
    asked.save(tmp_path / "s.json")
    again = sa.Session.load(tmp_path / "s.json", PROBLEM, sa.VarianceReduction())
    again.tell(0, 1, answer_id="a")
    assert again.counts.sum() == 1
    with pytest.raises(ValueError, match="was label 1 for sky"):
        again.tell(0, 0, answer_id="a")


def test_save_leaves_no_scratch_file_and_replaces_the_old_one(tmp_path):
    asked = session()
    path = tmp_path / "s.json"
    asked.save(path)
    empty = path.read_text()
    asked.tell(0, 1)
    asked.save(str(path))
    assert path.read_text() != empty
    assert [p.name for p in tmp_path.iterdir()] == ["s.json"]


def test_save_that_fails_leaves_the_old_file_whole(tmp_path, monkeypatch):
    asked = session()
    path = tmp_path / "s.json"
    asked.save(path)
    old = path.read_text()
    asked.tell(0, 1)

    def full(_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match=r"No space left on device: '.*s\.json'$"):
        asked.save(path)
    assert path.read_text() == old
    assert [p.name for p in tmp_path.iterdir()] == ["s.json"]


@pytest.fixture
def saved(tmp_path):
    """A saved session and a way to change it."""
    asked = session()
    for k in range(3):
        asked.tell(asked.ask(), k % 2)
    path = tmp_path / "s.json"
    asked.save(path)

    def change(**fields):
        path.write_text(json.dumps(sealed(json.loads(path.read_text()) | fields)))
        return path

    return change


@pytest.mark.parametrize(
    "text",
    ["", "[]", "3", "null", "{}", "item,label\n0,1\n", '{"version": 1}', b"\xff\xfe\x00".decode("latin-1"), "NaN"],
)
def test_file_that_is_no_session_is_refused(text, tmp_path):
    path = tmp_path / "s.json"
    path.write_text(text, encoding="latin-1")
    with pytest.raises(ValueError, match=r"s\.json: not a saved session"):
        sa.Session.load(path, PROBLEM, "variance-reduction")


@pytest.mark.parametrize("key", [[1], [1, 2, 3], ["x", 2], [-1, 2], [2**64, 2], None, "ab", {}])
def test_key_that_cannot_be_one_is_refused(key, saved):
    with pytest.raises(ValueError, match=r"s\.json: not a saved session"):
        sa.Session.load(saved(key=key), PROBLEM, "variance-reduction")


def test_other_version_is_refused(saved):
    with pytest.raises(ValueError, match=r"s\.json: session format 3; this version reads 1 and 2"):
        sa.Session.load(saved(version=3), PROBLEM, "variance-reduction")


def test_other_policy_is_refused(saved):
    with pytest.raises(ValueError, match=r"s\.json: a session of policy VarianceReduction\(.*\), not Know"):
        sa.Session.load(saved(), PROBLEM, "kg")


@pytest.mark.parametrize(
    "events",
    [
        3,
        [3],
        [[]],
        [["ask"]],
        [["tell", 0]],
        [["skip", 0, 1, None]],
        [["skip", 0]],
        [["tell", 0, 1, None, "more"]],
        [["ask", 0, 1]],
        [["tell", 0, 1, ""]],
        [["tell", 0, 1, [1]]],
        [["tell", 0, 1]],
        [["tell", 9, 1, None]],
        [["tell", 0, 5, None]],
        [["ask", 9]],
        [["tell", 0, 1, None]] * 9,
    ],
)
def test_events_that_cannot_have_happened_are_refused(events, saved):
    with pytest.raises(ValueError, match=r"s\.json: the session was not made with this problem and policy: "):
        sa.Session.load(saved(events=events), PROBLEM, "variance-reduction")


@pytest.mark.parametrize(
    "other",
    [sa.Problem([0.9, 0.5, 0.1], 8), sa.Problem([0.5], 8), sa.Problem([0.5, 0.7, 0.6], 2)],
    ids=["thresholds", "items", "budget"],
)
def test_other_problem_is_refused(other, saved):
    with pytest.raises(ValueError, match=r"s\.json: a session on another problem"):
        sa.Session.load(saved(), other, "variance-reduction")


def test_missing_file_is_a_missing_file(tmp_path):
    with pytest.raises(FileNotFoundError):
        sa.Session.load(tmp_path / "none.json", PROBLEM, "kg")


@pytest.mark.parametrize("seed", [None, "7"])
def test_seed_must_be_one(seed):
    with pytest.raises(ValueError, match=r"seed is .*; it must be"):
        session(seed=seed)


def test_names_of_any_kind_are_shown_on_one_line():
    problem = sa.Problem([0.5, 0.6], budget=3, cap=[1, 2], name=["a\x1b[31m\n" * 999, "b"])
    session = sa.Session(problem, "kg", seed=1)
    session.tell(0, 1)
    with pytest.raises(ValueError, match="has its 1 labels already") as error:
        session.tell(0, 1)
    session.tell(1, 1)
    session.tell(1, 1)
    with pytest.raises(sa.BudgetSpent) as spent:
        session.tell(0, 1)
    for told in (str(error.value), str(spent.value)):
        assert told.isprintable()
        assert len(told) < 200
