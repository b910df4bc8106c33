"""The kept policy as an object: asked at any state, saved to files, and read back."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles.family import Case, Item, Oracle, arrays, counts_of
from oracles.family_cases import families

import seqaudit as sa
from seqaudit.dp.machine.seal import sealed

# As the first version of the format has it for the problem below.
FIRST_DIGEST = "206623aa8d03bcc527684f3c43f6f43af6499f8be46c0b8c67d86d8207bf093d"
FIRST_SHA256 = {
    "ranges.npy": "814dbfccacb669ed2919e6f442719453c0d061be8328c398c266a0b014108788",
    "actions.npy": "5a1fdfd910c6f2f7dc1ac4e31faf80d0bf03db4dbedbd6f42b41729d805c23ce",
}
PROBLEM = sa.Problem([0.55, 0.4, 0.6], 7, cost=[1, 1, 1.5], quota=[([0, 2], 1)], reward=0.1)


@pytest.fixture
def folder(tmp_path):
    path = tmp_path / "policy"
    sa.solve(PROBLEM, keep_policy=True).save(path)
    return path


@settings(max_examples=30)
@given(case=families(batch=False), reduce=st.sampled_from((True, False, frozenset({"dead"}))))
def test_policy_read_back_answers_as_before(case, reduce, tmp_path_factory):
    problem = case.stated()
    solution = sa.solve(problem, keep_policy=True, reduce=reduce)
    path = tmp_path_factory.mktemp("policies") / "policy"
    solution.save(path)
    again = sa.load_policy(path, problem) if case.utility == "callable" else sa.load_policy(path)
    assert again.problem == problem
    assert (again.value, again.prior_value) == (solution.value, solution.prior_value)
    for state in Oracle(case).optimum()[1]:
        assert again.optimal_items(*arrays(state)).tolist() == solution.optimal_items(*arrays(state)).tolist()
        assert again.action(*arrays(state)) == solution.action(*arrays(state))


def test_policy_is_read_in_another_process(folder):
    code = "import sys, seqaudit as sa; print(sa.load_policy(sys.argv[1]).optimal_items([1, 0, 0], [0, 0, 0]))"
    done = subprocess.run([sys.executable, "-c", code, str(folder)], capture_output=True, text=True, check=True)
    expected = sa.solve(PROBLEM, keep_policy=True).optimal_items([1, 0, 0], [0, 0, 0])
    assert done.stdout.strip() == str(expected)


@pytest.mark.smoke
def test_policy_followed_by_hand_earns_its_value():
    case = Case((Item(0.5, cost=0.5), Item(0.6, 2.0, reward=0.5), Item(0.95)), 4)
    solution = sa.solve(case.stated(), keep_policy=True)
    value = Oracle(case).value_of(lambda state: {solution.action(*arrays(state)): 1})
    assert value == pytest.approx(solution.value, abs=1e-12)


@given(families(batch=False))
def test_state_without_a_choice_or_out_of_reach_is_refused(case):
    solution = sa.solve(case.stated(), keep_policy=True)
    last = [n for n in case.reachable if not case.moves(n)]
    for n in last[:3]:
        with pytest.raises(ValueError, match="nothing is left to choose") as caught:
            solution.optimal_items(n, [0] * len(n))
        assert len(str(caught.value).splitlines()) == 1


def test_state_that_a_quota_rules_out_is_refused():
    solution = sa.solve(sa.Problem([0.5, 0.5], 4, quota=[([1], 2)]), keep_policy=True)
    assert solution.optimal_items([2, 0], [1, 0]).tolist() == [1]
    with pytest.raises(ValueError, match=r"\[3, 0\] labels|item 1|quota"):
        solution.optimal_items([3, 0], [1, 0])


@settings(max_examples=40)
@given(families())
def test_optimal_batches_are_the_maximisers_at_every_state(case):
    solution = sa.solve(case.stated(), keep_policy=True)
    for state, best in Oracle(case).optimum()[1].items():
        assert sorted(map(tuple, solution.optimal_batches(*arrays(state)).tolist())) == sorted(best)


def test_batches_have_no_optimal_single_item():
    solution = sa.solve(sa.Problem([0.5, 0.6], 4, batch=2), keep_policy=True)
    with pytest.raises(ValueError, match="optimal_batches"):
        solution.optimal_items()
    with pytest.raises(ValueError, match="optimal_batches"):
        solution.action()


def test_middle_of_a_batch_has_no_next_batch():
    solution = sa.solve(sa.Problem([0.5, 0.6], 4, batch=2), keep_policy=True)
    with pytest.raises(ValueError, match="batch"):
        solution.optimal_batches([1, 0], [0, 0])


def test_callable_utility_needs_its_problem_again(tmp_path):
    def pays(p):
        return np.abs(p - 0.3)

    problem = sa.Problem([0.5, 0.6], 4, utility=pays)
    solution = sa.solve(problem, keep_policy=True)
    solution.save(tmp_path / "policy")
    with pytest.raises(ValueError, match="callable utility"):
        sa.load_policy(tmp_path / "policy")
    for other in (lambda p: p**2, lambda p: np.abs(p - 0.3001), lambda p: np.abs(p - 0.3) + (p > 0.9991)):
        with pytest.raises(ValueError, match="policy of another problem"):
            sa.load_policy(tmp_path / "policy", problem.replace(utility=other))
    same = problem.replace(utility=lambda p: np.maximum(p - 0.3, 0.3 - p))
    assert sa.load_policy(tmp_path / "policy", same).value == solution.value
    again = sa.load_policy(tmp_path / "policy", problem)
    assert again.optimal_items([1, 0], [1, 0]).tolist() == solution.optimal_items([1, 0], [1, 0]).tolist()


def test_policy_of_another_problem_is_refused(folder):
    assert sa.load_policy(folder, PROBLEM).value == sa.load_policy(folder).value
    with pytest.raises(ValueError, match="policy of another problem"):
        sa.load_policy(folder, sa.Problem([0.55, 0.4, 0.6], 7))


def test_policy_that_was_not_kept_cannot_be_saved(tmp_path):
    with pytest.raises(ValueError, match="keep_policy=True"):
        sa.solve(PROBLEM).save(tmp_path / "policy")
    assert list(tmp_path.iterdir()) == []


def test_policy_never_replaces_what_is_there(folder):
    with pytest.raises(ValueError, match="exists"):
        sa.solve(PROBLEM, keep_policy=True).save(folder)
    sa.load_policy(folder)


def refused(folder, match: str) -> None:
    with pytest.raises(ValueError, match=match) as caught:
        sa.load_policy(folder)
    assert str(folder) in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1


@pytest.mark.smoke
@pytest.mark.parametrize("version", [0, 1, 3, "2", None])
def test_policy_of_another_version_is_refused(folder, version):
    about = json.loads((folder / "policy.json").read_text())
    (folder / "policy.json").write_text(json.dumps(about | {"version": version}))
    refused(folder, "version")


@pytest.mark.parametrize("text", ["", "{", "[]", "null", "3", '{"format": "other"}', "{}", "\0\0", "budget = 3"])
def test_foreign_description_is_refused(folder, text):
    (folder / "policy.json").write_text(text)
    refused(folder, "polic")


@pytest.mark.parametrize("key", ["problem", "digest", "value", "sha256", "reach", "checksum"])
def test_description_that_lacks_something_is_refused(folder, key):
    about = json.loads((folder / "policy.json").read_text())
    del about[key]
    (folder / "policy.json").write_text(json.dumps(about))
    refused(folder, "polic")


@pytest.mark.parametrize("value", [math.nan, math.inf, "1", None])
@pytest.mark.parametrize("key", ["value", "prior_value", "seconds"])
def test_sealed_description_with_a_value_that_is_none_is_refused(folder, key, value):
    about = json.loads((folder / "policy.json").read_text())
    (folder / "policy.json").write_text(json.dumps(sealed(about | {key: value})))
    refused(folder, f"damaged policy folder: policy.json: {key} is ")


@pytest.mark.parametrize("name", ["policy.json", "actions.npy", "ranges.npy"])
@pytest.mark.parametrize("keep", [0, 1, 60, -3], ids=["empty", "one byte", "part of a header", "all but its end"])
def test_truncated_file_is_refused(folder, name, keep):
    content = (folder / name).read_bytes()
    (folder / name).write_bytes(content[:keep])
    refused(folder, "polic")


@pytest.mark.parametrize("name", ["actions.npy", "ranges.npy"])
def test_changed_byte_is_noticed(folder, name):
    content = bytearray((folder / name).read_bytes())
    content[-3] ^= 1
    (folder / name).write_bytes(content)
    refused(folder, "damaged")


def answers(solution) -> list:
    states = ([0, 0, 0], [0, 0, 0]), ([1, 0, 0], [0, 0, 0]), ([2, 0, 1], [1, 0, 1])
    return [solution.value, solution.prior_value, *(solution.optimal_items(n, w).tolist() for n, w in states)]


@pytest.mark.parametrize("name", ["policy.json", "actions.npy", "ranges.npy"])
def test_any_flipped_bit_is_noticed_or_changes_nothing(folder, name):
    expected, content = answers(sa.load_policy(folder)), (folder / name).read_bytes()
    # Many of the first bytes, where the arrays are described, and some of the others.
    bits = {*range(0, 1024, 7), *np.random.default_rng(7).integers(0, 8 * len(content), 60).tolist()}
    for bit in bits & set(range(8 * len(content))):
        damaged = bytearray(content)
        damaged[bit // 8] ^= 1 << bit % 8
        (folder / name).write_bytes(damaged)
        try:
            found, told = answers(sa.load_policy(folder)), str(folder)
        except ValueError as error:
            found, told = expected, str(error)
        assert (found, told.startswith(str(folder)), len(told.splitlines())) == (expected, True, 1)


@pytest.mark.parametrize("field", ["value", "prior_value", "reach", "seconds", "bytes"])
def test_changed_number_of_the_description_is_noticed(folder, field):
    about = json.loads((folder / "policy.json").read_text())
    number = about[field]
    about[field] = [*number[:-1], number[-1] + 1] if isinstance(number, list) else 2 * number + 1
    (folder / "policy.json").write_text(json.dumps(about))
    refused(folder, "damaged")


def test_policy_of_the_first_version_is_read(folder):
    expected = answers(sa.load_policy(folder))
    about = json.loads((folder / "policy.json").read_text())
    del about["checksum"]
    about |= {"version": 1, "digest": FIRST_DIGEST, "sha256": FIRST_SHA256}
    (folder / "policy.json").write_text(json.dumps(about))
    assert answers(sa.load_policy(folder, PROBLEM)) == answers(sa.load_policy(folder)) == expected
    with pytest.raises(ValueError, match="policy of another problem"):
        sa.load_policy(folder, sa.Problem([0.55, 0.4, 0.6], 7))


@pytest.mark.parametrize("umask", [0o022, 0o027, 0o077])
def test_modes_are_those_of_the_umask(tmp_path, umask):
    before = os.umask(umask)
    try:
        sa.solve(PROBLEM, keep_policy=True).save(tmp_path / "policy")
    finally:
        os.umask(before)
    assert (tmp_path / "policy").stat().st_mode & 0o777 == 0o777 & ~umask
    assert {x.stat().st_mode & 0o777 for x in (tmp_path / "policy").iterdir()} == {0o666 & ~umask}


@pytest.mark.parametrize("name", ["policy.json", "actions.npy", "ranges.npy"])
def test_missing_file_is_refused(folder, name):
    (folder / name).unlink()
    refused(folder, "polic")


def test_what_is_no_folder_is_refused(tmp_path):
    refused(tmp_path / "nothing", "polic")
    (tmp_path / "file").write_text("policy")
    refused(tmp_path / "file", "polic")


def test_large_policy_leaves_nothing_in_the_temporary_folder(tmp_path, monkeypatch):
    from seqaudit.dp.exact import kept_policy as kept

    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    monkeypatch.setattr(kept, "_SHARE", 0.0)
    case = Case((Item(0.5), Item(0.6, 2.0)), 8)
    solution = sa.solve(case.stated(), keep_policy=True)
    assert list(tmp_path.iterdir()) == []
    monkeypatch.setattr(kept, "_SHARE", 0.25)
    memory = sa.solve(case.stated(), keep_policy=True)
    for state in case.states():
        if case.moves(counts_of(state)):
            assert solution.optimal_items(*arrays(state)).tolist() == memory.optimal_items(*arrays(state)).tolist()


@pytest.mark.skipif(os.geteuid() == 0, reason="the superuser writes everywhere")
def test_folder_that_cannot_be_written_is_refused(tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises((ValueError, OSError), match=r"policy|ermission"):
        sa.solve(PROBLEM, keep_policy=True).save(tmp_path / "policy")
