"""Work that commands save: known by the bytes that were read, checked when it is taken up, and whole on a full disk."""

from __future__ import annotations

import hashlib
import json
import os
import threading
from contextlib import contextmanager
from pathlib import Path

import pytest
from oracles.command_line import caller, tree
from oracles.faults import failing_call
from oracles.stores import change_part, stored_part

VOTES = "item,rater,label\na,ann,1\nb,ann,0\na,bob,1\nb,bob,1\n"
OTHER = "item,rater,label\na,ann,0\nb,ann,0\na,bob,1\nb,bob,0\n"
ITEMS = "item,threshold\na,0.4\nb,0.7\n"
REPLAY = ("--budget", 3, "--jobs", 1, "--seeds", 2, "-p", "kg", "-p", "round-robin")


@pytest.fixture
def run(tmp_path, monkeypatch, capsys):
    call = caller(tmp_path, monkeypatch, capsys, problem="budget = 4\nthreshold = [0.5, 0.6]\n")
    Path("votes.csv").write_text(VOTES)
    return call


@contextmanager
def piped(*texts: str):
    """Names of pipes that hold texts, as a shell's process substitution gives them."""
    ends = [os.pipe() for _ in texts]

    def fill(end: int, text: str) -> None:
        with os.fdopen(end, "w") as file:
            file.write(text)

    writers = [threading.Thread(target=fill, args=(end[1], text)) for end, text in zip(ends, texts, strict=True)]
    for writer in writers:
        writer.start()
    try:
        yield [f"/dev/fd/{end[0]}" for end in ends]
    finally:
        for writer, end in zip(writers, ends, strict=True):
            writer.join()
            os.close(end[0])


def untimed(rows: list[dict]) -> list[dict]:
    return [{key: value for key, value in row.items() if key != "seconds"} for row in rows]


@pytest.mark.skipif(not Path("/dev/fd").is_dir(), reason="pipes have no names here")
def test_pipes_are_known_by_what_came_through_them(run):
    with piped(VOTES, ITEMS) as (votes, items):
        first = run("replay", votes, "--items", items, *REPLAY, "--out", "d", "--json")
    assert (first.status, first.err.count("replaying")) == (0, 2)
    recorded = json.loads(Path("d/run.json").read_text())["inputs"]
    assert recorded["labels"]["sha256"] == hashlib.sha256(VOTES.encode()).hexdigest()
    assert recorded["items"]["sha256"] == hashlib.sha256(ITEMS.encode()).hexdigest()
    before = tree(Path("d"))
    with piped(OTHER, ITEMS) as (votes, items):
        refused = run("replay", votes, "--items", items, *REPLAY, "--out", "d")
    assert "d holds another run: labels sha256 was" in refused.assert_refused()
    with piped(VOTES, ITEMS.replace("0.7", "0.8")) as (votes, items):
        refused = run("replay", votes, "--items", items, *REPLAY, "--out", "d")
    assert "d holds another run: items sha256 was" in refused.assert_refused()
    assert tree(Path("d")) == before
    # The same bytes through other pipes, or from a file.
    with piped("", VOTES, ITEMS) as (_, votes, items):
        again = run("replay", votes, "--items", items, *REPLAY, "--out", "d", "--json")
    Path("items.csv").write_text(ITEMS)
    last = run("replay", "votes.csv", "--items", "items.csv", *REPLAY, "--out", "d", "--json")
    assert first.json["rows"] == again.json["rows"] == last.json["rows"]


@pytest.mark.skipif(not Path("/dev/fd").is_dir(), reason="pipes have no names here")
@pytest.mark.parametrize("command", ["compare", "stress"])
def test_problems_and_scenarios_may_come_through_pipes(run, command):
    text = Path("problem.toml").read_text()
    if command == "stress":
        text = f'policies = ["kg"]\n[problem]\n{text}[[scenario]]\nname = "x"\nmodel = "flipped"\nvalues = [0, 0.2]\n'
    found = []
    for content in (text, text, text.replace("0.6", "0.61")):
        with piped(content) as (name,):
            one_process = ("--jobs", 1) if command == "stress" else ()
            found.append(run(command, name, "-p", "kg", *one_process, "--out", "d"))
    assert [x.status for x in found] == [0, 0, 2]
    assert "d holds another run" in found[2].assert_refused()


@pytest.mark.parametrize(("command", "damage"), [("replay", "bit"), ("replay", "{}"), ("compare", "{}")])
def test_damaged_part_is_computed_again_and_named(run, command, damage):
    arguments = {"replay": ("votes.csv", *REPLAY), "compare": ("problem.toml", "-p", "kg")}[command]
    first = run(command, *arguments, "--out", "d", "--json").json
    assert first["remarks"] == []
    content = bytearray(stored_part("d", "kg"))
    content[len(content) // 2] ^= 4
    change_part("d", "kg", result=bytes(content) if damage == "bit" else damage.encode())
    again = run(command, *arguments, "--out", "d", "--json").json
    assert again["remarks"] == ["kg in d/run.sqlite is not as it was written: computed again"]
    assert untimed(again["rows"]) == untimed(first["rows"])
    change_part("d", "kg", result=b"{}")
    assert "note: kg in d/run.sqlite is not as" in run(command, *arguments, "--out", "d").out
    assert "note:" not in run(command, *arguments, "--out", "d").out


@pytest.mark.deep
def test_full_disk_is_one_line_and_the_work_can_be_taken_up(run):
    expected = untimed(run("replay", "votes.csv", *REPLAY, "--out", "whole", "--json").json["rows"])
    n, failures = -2, 0
    while True:
        # Every third call: parts, records and tables are tested at each of them.
        n += 3
        with failing_call(n) as calls:
            found = run("replay", "votes.csv", *REPLAY, "--out", f"d{n}")
        if found.status:
            failures += 1
            told = [line for line in found.err.splitlines() if not line.startswith("replaying")]
            assert (found.status, found.out, len(told)) == (2, "", 1)
            assert told[0].startswith("seqaudit: ")
        assert [x for x in Path(f"d{n}").rglob("*") if x.name.endswith(".part")] == []
        if n % 4 == 0 or len(calls) < n:
            assert untimed(run("replay", "votes.csv", *REPLAY, "--out", f"d{n}", "--json").json["rows"]) == expected
            assert tree(Path(f"d{n}")).keys() == tree(Path("whole")).keys()
        if len(calls) < n:
            break
    assert failures > 5
