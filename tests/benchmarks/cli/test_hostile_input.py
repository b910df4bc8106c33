"""Commands on hostile input: one bounded, printable line for each fault, and no name that acts on terminal or table."""

from __future__ import annotations

import csv
import gzip
import json
import os
import time
import zlib
from functools import partial
from pathlib import Path

import pandas as pd
import pytest
from oracles.command_line import caller

from seqaudit.benchmarks.data import csv_table
from seqaudit.benchmarks.runner.csv_text import csv_text, guarded, unguarded
from seqaudit.dp.machine.reading import unpacked
from seqaudit.dp.problem.toml import read_fields

GOOD = "budget = 3\nthreshold = [0.5, 0.4]\n"
HUGE = "1" + "0" * 400
ESCAPE, BREAK, FORMULA, DOLLARS = "\x1b[31mred\x07", "two\nseqaudit: lines", "=HYPERLINK(1)", "$a_{$ and $b^{$"


@pytest.fixture
def run(tmp_path, monkeypatch, capsys):
    monkeypatch.delenv("SEQAUDIT_DEBUG", raising=False)
    return caller(tmp_path, monkeypatch, capsys, good=GOOD)


TOML = {
    "deep lists": ("budget = 3\nthreshold = " + "[" * 5_000 + "]" * 5_000, "nested too deeply"),
    "deep tables": ("budget = 3\nthreshold." + "a." * 3_000 + "a = 1", "line 2: threshold is"),
    "long integer": (f"budget = {HUGE}\nthreshold = [0.5]", "line 1: budget is a whole number of 401 digits"),
    "longer integer": (f"budget = {HUGE * 20}\nthreshold = [0.5]", "a whole number has more than 4300 digits"),
    "long integers in a list": (f"budget = 3\nthreshold = [{HUGE}]", "a whole number of 401 digits, beyond 1.8e308"),
    "long integer of a belief": (GOOD + f"prior = {{kind = 'beta', a = {HUGE}, b = 1}}", "prior: belief beta: a is"),
    "long integer of a prior": (GOOD + f"prior = [{HUGE}, 1]", "line 3: prior a is"),
    "long integer of a quota": (GOOD + f"quota = [{{items = [0], labels = {HUGE}}}]", "quota 1: labels is a whole"),
    "long budget with costs": (f"budget = {HUGE}\nthreshold = [0.5]\ncost = 2", "line 1: budget is a whole number"),
    "huge exponent": (GOOD + "weight = 1e999", "line 3: weight of item 1 is inf"),
    "escape sequences": (GOOD + 'utility = "\\u001b[31m\\nforged"', r"utility is '\x1b[31m\nforged'"),
    "long key": (GOOD + "k" * 700 + " = 1", "is not a key"),
    "many faults": (f"budget = 3\nthreshold = [{'2.0, ' * 2_000}]", "threshold of item 1 is 2.0"),
    "many names alike": (f"budget = 3\nthreshold = {[0.5] * 20_000}\nname = {['n' * 700] * 20_000}", "20000 times"),
    "megabytes on a line": ("budget = 3\nthreshold = '" + "t" * 2_000_000 + "'", "line 2: threshold is 'ttt"),
}


@pytest.mark.parametrize(("text", "told"), TOML.values(), ids=TOML.keys())
def test_a_hostile_problem_file_is_refused_in_printable_lines(run, text, told):
    Path("bad.toml").write_text(text)
    assert told in run("solve", "bad.toml").assert_refused()


CSV = {
    "long names": ("item,rater,label\n" + "i" * 700 + "," + "r" * 700 + ",7\n", "label of item 'iii"),
    "many columns": (",".join(f"c{k}" for k in range(100_000)) + "\n1\n", "no column 'item'"),
    "one line of JSON": ('{"item": ["' + "x" * 2_000_000 + '"]}', "no column 'rater'"),
    "escape sequences": (f"item,rater,label\n{ESCAPE},r,7\n", r"label of item '\x1b[31mred\x07' is '7'"),
    "line breaks": (f'item,rater,label\n"{BREAK}",r,7\n', r"label of item 'two\nseqaudit: lines' is '7'"),
    "a quote that never closes": ('item,rater,label\na,r,"' + "x" * 300_000, "quotes that close"),
    "UTF-16 cut short": ("item,rater,label\na,r,1\n".encode("utf-16")[:-1], "line 2: byte 0x0a is not UTF-16"),
    "Windows-1251": (
        "item,rater,label\n\u043a\u043e\u0444\u0435,r,1\n".encode("cp1251"),
        "its encoding stated, such as encoding=cp1252",
    ),
    "deep JSON": ('{"item": ' + "[" * 100_000 + "]" * 100_000 + "}", "line 1: the line is nested too deeply"),
    "a list in JSON": ('{"item": ["a"], "rater": "r", "label": 1}', "line 1: item is ['a'], which is neither text"),
}


@pytest.mark.parametrize(("text", "told"), CSV.values(), ids=CSV.keys())
def test_a_hostile_label_file_is_refused_in_printable_lines(run, text, told):
    Path("bad.csv").write_bytes(text if isinstance(text, bytes) else text.encode())
    assert told in run("replay", "bad.csv", "--budget", 1, "--threshold", 0.5).assert_refused()
    assert not Path("runs").exists()


def test_a_long_cell_in_a_column_that_is_not_needed_is_read(run):
    Path("votes.csv").write_text("item,rater,label,note\na,r,1," + "x" * 200_000 + "\na,s,0,\nb,r,1,\n")
    before = csv.field_size_limit()
    assert run("replay", "votes.csv", "--budget", 1, "--threshold", 0.5, "-p", "kg", "--out", "run").status == 0
    assert csv.field_size_limit() == before


@pytest.mark.parametrize("path", ["/dev/zero", "/dev/urandom", "pipe", "."])
def test_what_does_not_end_is_refused_by_every_reader(run, monkeypatch, path):
    monkeypatch.setattr("seqaudit.dp.machine.reading._PATIENCE", 0.01)
    os.mkfifo("pipe")
    commands = (["solve", path], ["stress", path], ["replay", path, "--budget", 1], ["fit", path, "-m", "one-coin"])
    for command in commands:
        line = run(*command).assert_refused()
        assert line.startswith(f"{path}: this is a ")


def test_a_file_that_unpacks_to_more_than_the_limit_is_refused(run, monkeypatch):
    monkeypatch.setattr(csv_table, "unpacked", partial(unpacked, most=2**20))
    Path("bomb.csv.gz").write_bytes(gzip.compress(b"\0" * 2**21))
    line = run("replay", "bomb.csv.gz", "--budget", 1, "--threshold", 0.5).assert_refused()
    assert line == "bomb.csv.gz: it unpacks to more than 1 MiB; allowed: up to that"


@pytest.mark.parametrize(
    "filler", ["\n", " ", "[", "#\n", "\t\n"], ids=["blank lines", "spaces", "brackets", "comments", "tabs"]
)
def test_finding_the_line_of_a_fault_takes_time_in_proportion_to_the_file(tmp_path, filler):
    def seconds(count: int) -> float:
        path = tmp_path / "problem.toml"
        path.write_text("# " * (filler == "[") + filler * count + "\nbudget = 0\nthreshold = [0.5]\n")
        found = []
        for _ in range(3):
            begin = time.process_time()
            _, where = read_fields(path)
            assert where("budget is 0").startswith(f"{path}, line ")
            found.append(time.process_time() - begin)
        return min(found)

    # Eight times the input: linear work takes 8 times as long, quadratic work 64 times.
    small = max(seconds(25_000), 0.002)
    assert seconds(200_000) < 30 * small


ERRORS = [
    KeyError("key"),
    IndexError("index"),
    AttributeError("attribute"),
    AssertionError("claim"),
    RecursionError("maximum recursion depth exceeded"),
    OverflowError("int too large to convert to float"),
    UnicodeDecodeError("utf-8", b"\xff", 0, 1, "invalid start byte"),
    EOFError("the file ends"),
    zlib.error("Error -3 while decompressing data"),
    MemoryError("Unable to allocate 7.28 TiB"),
    MemoryError(),
    pd.errors.ParserError("one\ntwo \x1b[31m" + "x" * 5_000),
    ZeroDivisionError("division by zero"),
    RuntimeError("runtime"),
    ValueError("operands could not be broadcast together"),
    PermissionError(13, "Permission denied", "some\nfile"),
    OSError(28, "No space left on device"),
]


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
def test_an_error_from_anywhere_is_one_line_and_a_traceback_with_debug(run, monkeypatch, error):
    def fail(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr("seqaudit.benchmarks.cli.commands.solve.solve_problem", fail)
    (line,) = run("solve", "good.toml").faults()
    if isinstance(error, EOFError):
        assert line == "a file ends too early: the file ends"
        return
    bug = isinstance(error, (LookupError, AttributeError, AssertionError))
    assert line.startswith("this is a bug in seqaudit: ") == bug
    if isinstance(error, MemoryError):
        assert line.startswith("out of memory")
    elif not isinstance(error, OSError):
        assert "(benchmarks/cli/commands/solve.py, line " in line
    for told in (run("--debug", "solve", "good.toml"), run("solve", "good.toml", "--debug")):
        assert "Traceback" in told.err
        assert told.err.splitlines()[-1] == f"seqaudit: {line}"
    monkeypatch.setenv("SEQAUDIT_DEBUG", "1")
    assert "Traceback" in run("solve", "good.toml").err


@pytest.mark.parametrize(("command", "kept"), [("solve", False), ("allocate", False), ("compare", True)])
def test_an_interrupted_command_promises_out_only_where_it_has_one(run, monkeypatch, command, kept):
    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(f"seqaudit.benchmarks.cli.commands.{command}.read_problem", interrupt)
    outcome = run(command, "good.toml")
    assert outcome.status == 130
    assert ("--out" in outcome.err) == kept
    assert ("nothing is kept" in outcome.err) != kept


VOTES = ["votes.csv", "--threshold", 0.5]
MANY = 10**12


@pytest.mark.parametrize(
    "arguments",
    [
        ["provenance", *VOTES, "--resamples", MANY],
        ["provenance", *VOTES, "--repetitions", MANY],
        ["calibrate", "labels", *VOTES, "--bins", MANY],
        ["calibrate", "sbc", "--method", "fast", "--replications", MANY],
        ["fit", "votes.csv", "--method", "fast", "--draws", MANY],
        ["fit", "votes.csv", "--chains", MANY],
        ["fit", "votes.csv", "--tune", 10**15],
        ["replay", *VOTES, "--budget", 1, "--seeds", MANY],
        ["certify", "good.toml", "--no-exact", "--replications", MANY],
        ["curve", "good.toml", "--replications", MANY],
        ["curve", "costs.toml", "--points", MANY],
        ["statics", "costs.toml", "--vary", "protocol", "--points", MANY],
        ["statics", "good.toml", "--vary", "beta", "--replications", MANY],
        ["survey", "--problems", MANY],
        ["stress", "--replications", MANY],
    ],
    ids=lambda arguments: " ".join(str(x) for x in arguments if str(x).startswith("--") or str(x).isalpha()),
)
def test_repetitions_that_cannot_end_are_refused_before_work(run, arguments):
    Path("votes.csv").write_text(
        "item,rater,label\n" + "".join(f"i{i},r{r},{(i * r) % 2}\n" for i in range(4) for r in range(4))
    )
    Path("costs.toml").write_text(GOOD + "cost = [1.0, 1.5]\n")
    line = run(*arguments).assert_refused()
    assert "memory" in line or "days" in line or "it must be a whole number from 1 to 1000" in line
    assert not Path("runs").exists()


def test_held_out_votes_are_asked_for_in_words_that_fit_the_votes(run):
    Path("single.csv").write_text("item,rater,label\n" + "".join(f"i{i},r{i % 3},{i % 2}\n" for i in range(9)))
    single = run("calibrate", "labels", "single.csv", "--threshold", 0.5).assert_refused()
    assert single.startswith("every item has a single vote")
    Path("pairs.csv").write_text("item,rater,label\n" + "".join(f"i{i},r{r},1\n" for i in range(9) for r in range(2)))
    pairs = run("calibrate", "labels", "pairs.csv", "--threshold", 0.5, "--share", 0.1).assert_refused()
    assert pairs == "share is 0.1, and no item has more than 2 votes; give at least 0.25 to hold one of them out"


@pytest.mark.parametrize("command", ["solve", "structure", "allocate"])
def test_names_of_a_problem_are_printed_on_one_line_and_cut(run, command):
    names = ", ".join(json.dumps(x) for x in (ESCAPE, BREAK, FORMULA, DOLLARS, "n" * 700))
    Path("named.toml").write_text(f"budget = 3\nthreshold = [0.5, 0.5, 0.5, 0.5, 0.5]\nname = [{names}]\n")
    outcome = run(command, "named.toml")
    assert outcome.status == 0, outcome.err
    assert all(x.isprintable() or x == "\n" for x in outcome.out)
    assert not any(line.startswith("seqaudit: ") for line in outcome.out.splitlines())
    assert max(map(len, outcome.out.splitlines())) < 500


def test_names_reach_neither_the_terminal_nor_a_spreadsheet_as_code(run):
    names = [ESCAPE, BREAK, FORMULA, DOLLARS]
    raters = ["+1+1|cmd", "@sum", "-2+3", "'quoted", "r" * 700]
    with Path("votes.csv").open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["item", "rater", "label"])
        rows.writerows([i, r, (a * b) % 2] for a, i in enumerate(names) for b, r in enumerate(raters))
    for command in (
        ["provenance", *VOTES, "--model", "none", "--repetitions", 99, "--resamples", 9, "--out", "run"],
        ["fit", "votes.csv", "-m", "one-coin", "--method", "fast", "--out", "fit"],
    ):
        outcome = run(*command)
        assert outcome.status == 0, outcome.err
        for text in (outcome.out, outcome.err):
            assert all(x.isprintable() or x == "\n" for x in text)
            assert not any(line.startswith("seqaudit: ") for line in text.splitlines())
            assert max(map(len, text.splitlines()), default=0) < 1_000
        for path in Path(command[-1]).glob("*.csv"):
            text = path.read_text()
            assert all(x.isprintable() or x == "\n" for x in text)
            for row in csv.reader(text.splitlines()):
                for cell in row:
                    assert not cell.startswith(("=", "@", "+")), path
                    assert not cell.startswith("-") or float(cell) <= 0, path
    with Path("fit", "items.csv").open(newline="") as file:
        assert [unguarded(row["item"]) for row in csv.DictReader(file)] == names


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a",
        "=1",
        "+1",
        "-1.5e-3",
        "-",
        "-inf",
        "--x",
        "@",
        "'",
        "''=1",
        "\\n",
        "a\nb",
        "=\\\n",
        "\x1b",
        "\u2028",
        "'\\",
    ],
)
def test_a_guarded_cell_is_no_formula_and_gives_its_text_back(text):
    cell = guarded(text)
    assert unguarded(cell) == text
    assert cell.isprintable()
    assert cell[:1] not in ("=", "+", "@") or len(cell) == 1 or text == "+1"


def test_a_table_without_such_cells_is_written_as_it_always_was():
    table = pd.DataFrame(
        {"name": ["a", None, "b"], "value": [1.0, float("nan"), -0.1], "count": [1, 2, 3], "ok": [True, False, True]}
    )
    table["mixed"] = [1, None, "x"]
    assert csv_text(table) == table.to_csv(index=False)
