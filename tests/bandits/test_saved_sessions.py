"""Sessions that are saved: what can be an identifier, damage, earlier versions, equal problems, and threads."""

from __future__ import annotations

import copy
import json
import math
import pickle
import threading
import uuid

import numpy as np
import pandas as pd
import pytest
from oracles.faults import each_failure

import seqaudit as sa

PROBLEM = sa.Problem([0.5, 0.7, 0.6], 8, weight=[1.0, 1.5, 1.0], name=["sky", "sea", "sun"])
# As the first version of the format wrote it for this problem.
FIRST = {
    "format": "seqaudit-session",
    "version": 1,
    "policy": "VarianceReduction(ties='random')",
    "problem": "9ddef45498e3bbf7a849564efdbe91084969d0d1a72663bad38955239c50bfe6",
    "key": [1, 2],
    "events": [
        ["ask", 1],
        ["tell", 1, 1, "form-1"],
        ["tell", 0, 0, ""],
        ["tell", 0, 0, math.nan],
        ["tell", 2, 1, None],
    ],
}
IDENTIFIER = uuid.UUID("12345678123456781234567812345678")


def session(problem=PROBLEM, policy="variance-reduction"):
    return sa.Session(problem, policy, seed=7)


def again(asked, path, problem=PROBLEM):
    asked.save(path)
    return sa.Session.load(path, problem, asked.policy)


@pytest.mark.parametrize("missing", [math.nan, "", "  ", pd.NA, pd.NaT, np.nan, 1.5, True, np.True_, (1, 2), [1], b"a"])
def test_identifier_that_is_none_is_refused_and_nothing_is_told(missing):
    asked = session()
    with pytest.raises(ValueError, match=r"answer_id is .*; it must be a text that is not blank, a whole") as caught:
        asked.tell(0, 1, answer_id=missing)
    assert len(str(caught.value).splitlines()) == 1
    assert asked.counts.sum() == 0


@pytest.mark.parametrize(
    ("given", "same", "other"),
    [
        ("form-1", np.str_("form-1"), "form-2"),
        (7, np.int64(7), "7"),
        (np.uint8(7), 7, 8),
        (IDENTIFIER, str(IDENTIFIER), uuid.UUID(int=7)),
        (2**80, 2**80, 2**80 + 1),
    ],
)
def test_identifier_counts_once_before_and_after_saving(given, same, other, tmp_path):
    asked = session()
    asked.tell(0, 1, answer_id=given)
    loaded = again(asked, tmp_path / "s.json")
    for one in (asked, loaded):
        one.tell(0, 1, answer_id=same)
        assert one.counts.sum() == 1
        with pytest.raises(ValueError, match="was label 1 for sky and is now label 0"):
            one.tell(0, 0, answer_id=given)
        one.tell(0, 1, answer_id=other)
        assert one.counts.sum() == 2


def test_answers_without_an_identifier_all_count():
    asked = session()
    for _ in range(3):
        asked.tell(0, 1)
    assert asked.counts.sum() == 3


def test_any_flipped_bit_is_noticed(tmp_path):
    asked = session()
    for k in range(4):
        asked.tell(asked.ask(), k % 2, answer_id=f"form-{k}")
    asked.save(tmp_path / "s.json")
    content = (tmp_path / "s.json").read_bytes()
    for bit in range(0, 8 * len(content), 17):
        damaged = bytearray(content)
        damaged[bit // 8] ^= 1 << bit % 8
        (tmp_path / "s.json").write_bytes(damaged)
        try:
            loaded, told = sa.Session.load(tmp_path / "s.json", PROBLEM, "variance-reduction"), ""
        except ValueError as error:
            loaded, told = asked, str(error)
        # A flip in the white space between two entries changes nothing.
        assert (loaded.wins.tolist(), len(told.splitlines()) <= 1) == (asked.wins.tolist(), True)
        assert told.startswith(str(tmp_path)) or not told


@pytest.mark.parametrize("fields", [{"events": [["tell", 0, 1, None]]}, {"key": [1, 1]}, {"note": 1}])
def test_changed_session_is_refused(tmp_path, fields):
    session().save(tmp_path / "s.json")
    (tmp_path / "s.json").write_text(json.dumps(json.loads((tmp_path / "s.json").read_text()) | fields))
    with pytest.raises(ValueError, match=r"s\.json: damaged"):
        sa.Session.load(tmp_path / "s.json", PROBLEM, "variance-reduction")


def test_session_of_the_first_version_is_read(tmp_path):
    (tmp_path / "s.json").write_text(json.dumps(FIRST))
    loaded = sa.Session.load(tmp_path / "s.json", PROBLEM, "variance-reduction")
    assert (loaded.counts.tolist(), loaded.wins.tolist()) == ([2, 1, 1], [0, 1, 1])
    loaded.tell(1, 1, answer_id="form-1")
    assert loaded.counts.sum() == 4
    assert again(loaded, tmp_path / "s.json").counts.tolist() == [2, 1, 1]
    (tmp_path / "s.json").write_text(json.dumps(FIRST | {"problem": "0" * 64}))
    with pytest.raises(ValueError, match="another problem"):
        sa.Session.load(tmp_path / "s.json", PROBLEM, "variance-reduction")


@pytest.mark.parametrize(
    ("policy", "same"),
    [
        (sa.EpsilonAudit(epsilon=np.float64(0.25)), sa.EpsilonAudit(epsilon=0.25)),
        (sa.Lookahead(depth=np.int64(2)), sa.Lookahead(depth=2)),
    ],
)
def test_session_goes_on_with_an_equal_policy_whatever_the_types_of_its_settings(policy, same, tmp_path):
    session(policy=policy).save(tmp_path / "s.json")
    assert sa.Session.load(tmp_path / "s.json", PROBLEM, same).remaining == 8


def test_session_goes_on_with_an_equal_problem_only(tmp_path):
    asked = session(PROBLEM.replace(utility=sa.Asymmetric(1, 3)))
    equal = PROBLEM.replace(
        utility=sa.Asymmetric(1.0, 3.0), name=np.array(PROBLEM.name), weight=[1, 1.5, np.float32(1)]
    )
    assert again(asked, tmp_path / "s.json", equal).remaining == 8
    asked = session(PROBLEM.replace(utility=lambda p: p**2))
    assert again(asked, tmp_path / "s.json", PROBLEM.replace(utility=lambda p: p * p)).remaining == 8
    with pytest.raises(ValueError, match="another problem"):
        again(asked, tmp_path / "s.json", PROBLEM.replace(utility=lambda p: p**3))


def test_threads_share_a_session_and_what_they_save_is_read(tmp_path):
    problem = sa.Problem([0.5, 0.6, 0.7] * 3, budget=120)
    asked, start, errors = session(problem), threading.Barrier(4), []

    def work(who: int) -> None:
        try:
            start.wait()
            for k in range(30):
                item = asked.ask()
                asked.tell(item, (k + who) % 2, answer_id=f"{who}-{k}")
                if k % 10 == 0:
                    asked.save(tmp_path / "s.json")
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=work, args=(who,)) for who in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert asked.counts.sum() == 120
    assert not asked.outstanding.any()
    assert [x.name for x in tmp_path.iterdir()] == ["s.json"]
    sa.Session.load(tmp_path / "s.json", problem, "variance-reduction")
    loaded = again(asked, tmp_path / "s.json", problem)
    assert (loaded.counts.tolist(), loaded.wins.tolist()) == (asked.counts.tolist(), asked.wins.tolist())


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x))])
def test_copy_of_a_session_goes_on_by_itself(copied):
    asked = session()
    asked.tell(asked.ask(), 1)
    other = copied(asked)
    other.tell(other.ask(), 0)
    assert (asked.counts.sum(), other.counts.sum()) == (1, 2)


def test_saving_that_fails_at_any_call_leaves_the_old_file_and_nothing_else(tmp_path):
    asked = session()
    asked.save(tmp_path / "s.json")
    old, told = (tmp_path / "s.json").read_bytes(), []
    asked.tell(0, 1)
    for _, error in each_failure(lambda _: asked.save(tmp_path / "s.json")):
        assert [x.name for x in tmp_path.iterdir()] == ["s.json"]
        if error is not None:
            told.append(str(error))
            assert (tmp_path / "s.json").read_bytes() == old
    assert set(told) == {f"[Errno 28] No space left on device: '{tmp_path / 's.json'}'"}
    assert len(told) >= 4
    assert sa.Session.load(tmp_path / "s.json", PROBLEM, "variance-reduction").counts.tolist() == [1, 0, 0]
