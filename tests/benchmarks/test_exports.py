"""Votes in the form in which other tools export them: stated columns and labels, forms of text, repeated votes."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from oracles.command_line import caller

import seqaudit as sa
from seqaudit.benchmarks.data.csv_table import LabelFileError
from seqaudit.posteriors.votes.mapping import HALF

ROWS = [("a", "ann", 1), ("b", "ann", 0), ("a", "bob", 0), ("b", "cat", 1), ("c", "bob", 1)]
PLAIN = "item,rater,label\n" + "".join(f"{item},{rater},{label}\n" for item, rater, label in ROWS)
EXPORT = '"HITId","WorkerId","Input.id","Answer.choice"\n' + "".join(
    f'"h{k}","{rater}","{item}","{"BA"[label]}"\n' for k, (item, rater, label) in enumerate(ROWS)
)
COLUMNS = {"item": "Input.id", "rater": "WorkerId", "label": "Answer.choice"}
LABELS = {"A": 1, "B": 0}


def write(folder: Path, content: str | bytes, name: str = "votes.csv") -> Path:
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def votes_of(labels: sa.LabelSet) -> list[tuple[str, str, int]]:
    rows = labels.to_frame()
    return list(zip(rows["item"], rows["rater"], rows["label"].tolist(), strict=True))


@pytest.fixture
def plain(tmp_path):
    return votes_of(sa.read_labels(write(tmp_path, PLAIN, "plain.csv")))


@pytest.fixture
def run(tmp_path, monkeypatch, capsys):
    return caller(tmp_path, monkeypatch, capsys)


@pytest.mark.smoke
def test_an_export_is_read_with_stated_columns_and_labels(tmp_path, plain):
    path = write(tmp_path, EXPORT)
    read = sa.read_labels(path, columns=COLUMNS, labels=LABELS)
    assert (votes_of(read), read.remarks) == (plain, ())
    frame = pd.read_csv(path)
    assert votes_of(sa.read_labels(frame, columns=COLUMNS, labels=LABELS)) == plain
    assert votes_of(sa.LabelSet.from_frame(frame, columns=COLUMNS, labels=LABELS)) == plain


@pytest.mark.parametrize("dtype", ["object", "category", "string"])
def test_labels_of_any_type_are_mapped_by_their_text(dtype):
    frame = pd.DataFrame(ROWS, columns=["item", "rater", "label"])
    expected = votes_of(sa.LabelSet.from_frame(frame))
    named = frame.assign(label=frame["label"].map({1: "yes", 0: "no"}).astype(dtype))
    numbered = frame.assign(label=frame["label"] + 1.0)
    for read in (sa.LabelSet.from_frame, sa.read_labels):
        assert votes_of(read(named, labels={"yes": 1, "no": 0})) == expected
        assert votes_of(read(frame.assign(label=frame["label"] == 1), labels={True: 1, False: 0})) == expected
        assert votes_of(read(numbered, labels={1: 0, 2: 1})) == expected


def test_columns_can_be_exchanged_and_an_optional_one_can_be_given_another_meaning(tmp_path):
    path = write(tmp_path, "item,rater,group\na,ann,1\nb,ann,0\n")
    read = sa.read_labels(path, columns={"item": "rater", "rater": "item", "label": "group"})
    assert votes_of(read) == [("ann", "a", 1), ("ann", "b", 0)]
    assert read.group is None


FORMS = {
    "semicolons": (PLAIN.replace(",", ";").encode(), "semicolons separate the fields"),
    "quoted semicolons": (EXPORT.replace(",", ";").encode(), "semicolons separate the fields"),
    "semicolons of a spreadsheet": (
        b"\xef\xbb\xbf" + PLAIN.replace(",", ";").replace("\n", "\r\n").encode(),
        "semicolons separate the fields",
    ),
    "a stated separator": (b"sep=;\n" + PLAIN.replace(",", ";").encode(), "semicolons separate the fields"),
    "tabs": (PLAIN.replace(",", "\t").encode(), "tabs separate the fields"),
    "bars": (PLAIN.replace(",", "|").encode(), "vertical bars separate the fields"),
    "UTF-16": (PLAIN.replace(",", "\t").encode("utf-16"), "it is read as UTF-16"),
    "UTF-16 without a mark": (PLAIN.encode("utf-16-le"), "it is read as UTF-16-LE"),
    "UTF-32": (PLAIN.encode("utf-32"), "it is read as UTF-32"),
    "rows of commas": ((PLAIN + ",,\n,,\n").encode(), "rows of separators alone are left out: 2"),
    "JSON Lines": (
        "".join(json.dumps(dict(zip(("item", "rater", "label"), row, strict=True))) + "\r\n" for row in ROWS).encode(),
        "it is read as JSON Lines",
    ),
    "JSON Lines with booleans": (
        "\n\n".join(json.dumps({"label": y == 1, "x": [1], "item": i, "rater": r}) for i, r, y in ROWS).encode(),
        "it is read as JSON Lines",
    ),
}


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize(("content", "remark"), FORMS.values(), ids=FORMS.keys())
def test_other_forms_of_text_are_found_read_and_said(tmp_path, plain, content, remark, packed):
    path = write(tmp_path, gzip.compress(content) if packed else content, "votes.txt" + ".gz" * packed)
    mapping = {"columns": COLUMNS, "labels": LABELS} if b"HITId" in content else {}
    read = sa.read_labels(path, **mapping)
    assert votes_of(read) == plain
    assert f"{path}: {remark}" in read.remarks


@pytest.mark.parametrize(
    "text",
    [
        PLAIN.encode(),
        b"\xef\xbb\xbf" + PLAIN.encode(),
        b'\xef\xbb\xbf"item",' + PLAIN[5:].encode(),
        PLAIN.replace("1", "True").replace("0", "False").encode(),
        PLAIN.replace("1", "TRUE").replace("0", "FALSE").encode(),
        PLAIN.replace("\n", "\r\n", 3).encode(),
        PLAIN.replace("\n", "\r").encode(),
    ],
)
def test_plain_forms_are_read_without_a_word(tmp_path, plain, text):
    read = sa.read_labels(write(tmp_path, text))
    assert (votes_of(read), read.remarks) == (plain, ())


@pytest.mark.parametrize("encoding", ["cp1252", "latin-1"])
def test_western_text_that_is_not_utf8_is_read_and_a_word_is_shown(tmp_path, encoding):
    path = write(tmp_path, "item,rater,label\ncaf\xe9,Ren\xe9e,1\ncaf\xe9,bob,0\n".encode(encoding))
    read = sa.read_labels(path)
    assert (read.items, read.raters) == (("caf\xe9",), ("Ren\xe9e", "bob"))
    assert read.remarks == (
        f"{path}: it is not UTF-8 and is read as Windows-1252, as in 'Ren\xe9e'; if that is wrong, state the encoding",
    )
    stated = sa.read_labels(path, encoding=encoding)
    assert (stated.items, stated.raters, stated.remarks) == (read.items, read.raters, ())
    assert stated.digests == read.digests


@pytest.mark.parametrize(
    ("encoding", "name"),
    [("cp1251", "\u0410\u043d\u043d\u0430"), ("shift_jis", "\u82b1\u5b50"), ("mac-roman", "Ren\xe9")],
)
def test_text_in_doubt_is_read_once_its_encoding_is_stated(tmp_path, encoding, name):
    path = write(tmp_path, f"item,rater,label\na,{name},1\n".encode(encoding))
    items = write(tmp_path, f"item,threshold,slice\na,0.5,{name}\n".encode(encoding), "items.csv")
    with pytest.raises(LabelFileError, match=r"line 2: byte 0x.. is not UTF-8; .* such as encoding=cp1252"):
        sa.read_labels(path)
    read = sa.read_labels(path, items, encoding=encoding)
    assert (read.raters, read.slice) == ((name,), (name,))
    items.write_text(f"item,threshold,slice\na,0.5,{name}\n", encoding="utf-8")
    assert sa.read_labels(path, items, encoding=encoding).slice == (name,)


def test_a_header_that_several_separators_fit_asks_for_one(tmp_path):
    path = write(tmp_path, "item,rater,label,x;item;rater;label;y\na,ann,1,x;a;bob;0;y\n")
    with pytest.raises(LabelFileError, match=r"line 1: commas or semicolons may separate .* or the separator stated"):
        sa.read_labels(path)
    assert sa.read_labels(path, separator="comma").raters == ("ann",)
    assert sa.read_labels(path, separator=";").raters == ("bob",)


@pytest.mark.parametrize("mapped", [{"A": 1, "B": 0, "tie": "drop"}, {"A": 1, "B": 0, "tie": "drop", "": "drop"}])
def test_a_file_with_ties_left_out_is_the_file_without_them(tmp_path, mapped):
    head = "item,rater,label,gold,group\n"
    rows = ["a,ann,A,A,x", "b,ann,B,,x", "a,bob,A,A,y", "b,cat,A,,x"]
    ties = ["t,dan,tie,tie,z", "a,dan,tie,A,z", *(["b,eve,,,z"] if "" in mapped else [])]
    without = sa.read_labels(write(tmp_path, head + "\n".join(rows)), labels={"A": 1, "B": 0})
    path = write(tmp_path, head + "\n".join([ties[0], *rows, *ties[1:]]), "ties.csv")
    for read in (
        sa.read_labels(path, labels=mapped),
        sa.LabelSet.from_frame(pd.read_csv(path), labels=mapped),
    ):
        assert (read.items, read.raters, read.groups) == (without.items, without.raters, without.groups)
        np.testing.assert_array_equal(read.labels, without.labels)
        np.testing.assert_array_equal(read.start, without.start)
        np.testing.assert_array_equal(read.gold, [1.0, np.nan])
        (remark,) = (x for x in read.remarks if "left out" in x)
        assert f"{len(ties)} of {len(ties) + 4} rows left out, labelled 'tie'" in remark


def test_items_keep_their_own_values_where_others_are_left_out():
    frame = pd.DataFrame({"item": list("tab"), "rater": "r", "label": ["tie", "A", "B"], "weight": [9.0, 1.0, 2.0]})
    read = sa.LabelSet.from_frame(frame, labels={"A": 1, "B": 0, "tie": "drop"})
    assert (read.items, read.weight.tolist()) == (("a", "b"), [1.0, 2.0])


@pytest.mark.parametrize("seed", range(5))
def test_ties_that_are_half_a_win_leave_the_share_of_wins_between_those_of_two_sides(tmp_path, seed):
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame(
        [(f"i{i}", f"r{k}", rng.choice(["A", "B", "tie"])) for i in range(12) for k in range(rng.integers(1, 9))],
        columns=["item", "rater", "label"],
    )
    half = {"A": 1, "B": 0, "tie": "half"}
    read = sa.LabelSet.from_frame(frame, labels=half)
    said = frame.groupby("item")["label"].value_counts().unstack(fill_value=0)
    for item, wins, count in zip(read.items, read.wins, read.counts, strict=True):
        a, b, tie = said.loc[item, ["A", "B", "tie"]]
        assert (wins, count) == (a + tie // 2, a + b + tie - tie % 2)
    odd = int((said["tie"] % 2).sum())
    pairs = int((said["tie"] // 2).sum())
    told = f"data frame: {2 * pairs + odd} ties: {pairs} wins, as many losses, {odd} odd ones left out"
    assert read.remarks == (told,)

    def votes(labels):
        owner = np.repeat(np.arange(len(labels.items)), labels.counts)
        rows = zip(owner, labels.rater, labels.labels, strict=True)
        return {(labels.items[i], labels.raters[r]): vote for i, r, vote in rows}

    shuffled = sa.LabelSet.from_frame(frame.sample(frac=1, random_state=seed), labels=half)
    assert votes(shuffled) == votes(read)
    path = tmp_path / "votes.csv"
    frame.to_csv(path, index=False)
    assert votes(sa.read_labels(path, labels=half)) == votes(read)


def test_known_answer_that_is_a_tie_is_unknown():
    frame = pd.DataFrame({"item": list("ab"), "rater": "r", "label": ["A", "B"], "gold": ["tie", "B"]})
    read = sa.LabelSet.from_frame(frame, labels={"A": 1, "B": 0, "tie": "half"})
    np.testing.assert_array_equal(read.gold, [np.nan, 0.0])


@pytest.mark.parametrize("meaning", [0.5, "Half", 2, None, HALF])
def test_label_stands_for_one_of_four_meanings(meaning):
    with pytest.raises(ValueError, match=r"'tie' stands for .*; allowed: 0, 1, half or drop"):
        sa.read_labels("votes.csv", labels={"A": 1, "B": 0, "tie": meaning})


REVISED = "item,rater,label,group\na,ann,1,x\nb,ann,1,x\na,bob,0,y\na,ann,0,z\n"


def test_revised_votes_are_refused_until_it_is_said_which_counts(tmp_path):
    path = write(tmp_path, REVISED)
    frame = pd.read_csv(path)
    told = r"rater 'ann' has already labelled item 'a' on (line 2|row 0); .* unless repeated=first or repeated=last"
    expected = {
        "first": [("a", "ann", 1), ("a", "bob", 0), ("b", "ann", 1)],
        "last": [("a", "bob", 0), ("a", "ann", 0), ("b", "ann", 1)],
    }
    for read in (lambda **k: sa.read_labels(path, **k), lambda **k: sa.LabelSet.from_frame(frame, **k)):
        with pytest.raises(ValueError, match=told):
            read()
        for repeated, votes in expected.items():
            found = read(repeated=repeated)
            assert votes_of(found) == votes
            (remark,) = found.remarks
            assert remark.endswith(
                f": 1 row repeats a rater on an item, such as 'ann' on 'a': the {repeated} vote counts"
            )


def test_the_vote_that_counts_is_chosen_before_ties_are_left_out(tmp_path):
    path = write(tmp_path, "item,rater,label\na,ann,A\na,bob,B\na,ann,tie\n")
    mapped = {"A": 1, "B": 0, "tie": "drop"}
    assert votes_of(sa.read_labels(path, labels=mapped, repeated="last")) == [("a", "bob", 0)]
    assert votes_of(sa.read_labels(path, labels=mapped, repeated="first")) == [("a", "ann", 1), ("a", "bob", 0)]
    with pytest.raises(LabelFileError, match="every row is left out"):
        sa.read_labels(write(tmp_path, "item,rater,label\na,ann,tie\n"), labels=mapped)


WRONG = [
    ({"columns": {"itme": "x"}}, "columns: 'itme' is no field; .*did you mean 'item'"),
    ({"columns": {"item": "WorkerId", "rater": "WorkerId"}}, "'WorkerId' is both item and rater"),
    ({"columns": {"rater": "item"}}, "columns: column 'item' is both rater and item"),
    ({"columns": {"item": 3}}, "columns: item is 3; it must be the name of a column"),
    ({"columns": "item=x"}, "columns is 'item=x'; it must be a mapping"),
    (
        {"columns": COLUMNS | {"item": "Input.ID"}},
        r"line 1: no column 'Input.ID' for item \(is it 'Input.id'\?\); .*'HITId'",
    ),
    ({"columns": COLUMNS | {"group": "team"}, "labels": LABELS}, "no column 'team' for group"),
    ({"labels": {"A": 2, "B": 0}}, "labels: 'A' stands for 2; allowed: 0, 1, half or drop"),
    ({"labels": {"A": 1, "B": None}}, "labels: 'B' stands for None"),
    ({"labels": {"A": 1, "B": "Drop"}}, "labels: 'B' stands for 'Drop'"),
    ({"labels": {"A": 1, "B": 1}}, "labels: no label stands for 0"),
    ({"labels": {}}, "labels: no label stands for 0"),
    ({"labels": {1: 1, "1": 0}}, "labels: '1' is given twice"),
    ({"labels": [("A", 1)]}, r"labels is \[\('A', 1\)\]; it must be a mapping"),
    ({"columns": COLUMNS}, "line 2: label of item 'a' is 'A'; allowed: 0 or 1, or labels that map 'A', 'B' to them"),
    (
        {"columns": COLUMNS, "labels": {"a": 1, "B": 0}},
        r"label of item 'a' is 'A'; allowed: 'a', 'B', as mapped; in the column: 'A', 'B' \(is 'A' meant to be 'a'\?\)",
    ),
    ({"columns": COLUMNS, "labels": {"A": "drop", "B": 0, "C": 1}, "repeated": "lst"}, "repeated is 'lst'; allowed:"),
    ({}, "no column 'item'.*; columns, as in item=Input.id, says which of them to use"),
    ({"separator": ":"}, "separator is ':'; allowed: 'comma', 'semicolon', 'tab', 'bar', or the sign itself"),
    ({"separator": "tab"}, "line 1: not valid CSV .*, or another separator"),
    ({"separator": "bar"}, "line 1: not valid CSV .*, or another separator"),
    ({"encoding": "utf8x"}, "encoding is 'utf8x'; allowed: .*did you mean 'utf-8'"),
    ({"encoding": "rot13"}, "encoding is 'rot13'; allowed:"),
    ({"encoding": "idna"}, "encoding is 'idna'; allowed:"),
    ({"encoding": "a\0b"}, "encoding is "),
    ({"columns": {"item": "", "rater": "WorkerId"}}, "no column '' for item"),
    ({"labels": {"A": np.array([1, 2]), "B": 0}}, r"labels: 'A' stands for array\(\[1, 2\]\); allowed"),
    ({"labels": {"A": pd.NA, "B": 0}}, "labels: 'A' stands for <NA>; allowed"),
    ({"encoding": "utf-32"}, r"line 1: byte 0x.. is not UTF-32; allowed: text in that encoding"),
]


@pytest.mark.parametrize(("given", "message"), WRONG)
def test_a_wrong_statement_names_the_value_and_what_there_is(tmp_path, given, message):
    path = write(tmp_path, EXPORT)
    with pytest.raises(ValueError, match=message) as refused:
        sa.read_labels(path, **({"columns": COLUMNS} | given if "encoding" in given else given))
    assert all(len(line) < 400 for line in str(refused.value).split("\n"))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"PK\x03\x04\x14\x00\xff", "line 1: this is a spreadsheet or a ZIP archive; allowed: text, such as a sheet"),
        (b"PAR1\x15\x04\xff", "line 1: this is a Parquet file; allowed: text, or in Python a data frame"),
        (b"BZh91AY&SY\xff", "line 1: this is compressed by bzip2; allowed: text, plain or compressed by gzip"),
        (b"\0" * 100, "line 1: no column 'item'"),
        (PLAIN.encode() + b"\0" * 100, "line 7: 1 fields in a row that begins with"),
        ((PLAIN + PLAIN).encode(), "line 7: label of item 'item' is 'label'"),
        (b"\xff\xfe", "line 1: the file is empty"),
        (b"item rater label\na r 1\n", "line 1: no column 'item'; columns found: 'item rater label'"),
        (b"sep=;\nitem,rater,label\na,r,1\n", "line 1: no column 'item'; columns found: 'sep=;'"),
        (b"sep=;\nitem;rater;label\na;r;7\n", "line 3: label of item 'a' is '7'"),
        (b"item;rater;label\n;;\n\na;r;1;2\n", "line 4: 4 fields in a row that begins with 'a'; allowed: 3"),
        (PLAIN.encode("utf-16")[:-1], "byte 0x0a is not UTF-16"),
        (b'{"item": "\\ud800", "rater": "r", "label": 1}', "item is '.ud800', which is neither text"),
    ],
)
def test_what_is_no_table_of_votes_is_refused_with_its_line(tmp_path, content, message):
    with pytest.raises(LabelFileError, match=message):
        sa.read_labels(write(tmp_path, content))


def test_numbers_with_a_decimal_comma_are_named_and_items_files_have_the_same_forms(tmp_path):
    votes = write(tmp_path, PLAIN)
    comma = write(tmp_path, "item;threshold\na;0,5\nb;0,25\nc;1\n", "comma.csv")
    with pytest.raises(LabelFileError, match=r"line 2: .* '0,5'; allowed: .*, with a decimal point"):
        sa.read_labels(votes, comma)
    text = "item\tthreshold\na\t0.5\nb\t0.25\nc\t0.125\n"
    for content in (text.encode(), text.encode("utf-16"), text.replace("\t", ";").encode("utf-8-sig")):
        items = write(tmp_path, content, "items.csv")
        read = sa.read_labels(votes, items)
        assert read.threshold.tolist() == [0.5, 0.25, 0.125]
        assert read.remarks[-1].startswith(f"{items}: ")
    with pytest.raises(LabelFileError, match="no column says where the thresholds lie"):
        sa.read_labels(votes, write(tmp_path, "item\na\n", "one.csv"))


def test_the_forms_of_a_file_are_not_stated_for_a_frame():
    with pytest.raises(ValueError, match="separator and encoding are those of a file"):
        sa.read_labels(pd.DataFrame(ROWS, columns=["item", "rater", "label"]), separator=";")


JSON_FAULTS = {
    '{"item": "a", "rater": "r"}\n': "no column 'label'",
    '{"item": "a", "rater": "r", "label": 1}\n{"item": "b", "rater": "r"}\n': "line 2: label of item 'b' is ''",
    '{"item": "a", "rater": "r", "label": 1}\n\n[1]\n': "line 3: the line is no JSON object: '\\[1\\]'; allowed: one",
    '{"item": "a", "rater": "r", "label": 1}\nx\n': "line 2: the line is no JSON object: 'x'",
    '{"item": "a", "rater": "r", "label": 1, "label": 0}': "line 1: key 'label' is given twice",
    '{"item": null, "rater": "r", "label": 1}\n': "line 1: item is ''",
    '{"item": "a", "rater": {"id": 1}, "label": 1}\n': "line 1: rater is {'id': 1}, which is neither text",
    '{"item": "a", "rater": "r", "label": NaN}\n': "label of item 'a' is 'nan'",
    '{"item": "a", "rater": "r", "label": 1e400}\n': "label of item 'a' is '1e400'",
}


@pytest.mark.parametrize(("text", "message"), JSON_FAULTS.items())
def test_a_fault_in_json_lines_is_named_with_its_line(tmp_path, text, message):
    with pytest.raises(LabelFileError, match=message):
        sa.read_labels(write(tmp_path, text, "votes.jsonl"))


COMMANDS = {
    "replay": ("--budget", 2, "-p", "kg", "--seeds", 1, "--jobs", 1),
    "fit": ("-m", "one-coin", "--method", "fast", "--draws", 100),
    "calibrate labels": ("-m", "one-coin", "--draws", 100, "--share", 0.4, "--jobs", 1),
    "provenance": ("--model", "none", "--resamples", 0, "--repetitions", 19),
}


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_that_reads_labels_takes_and_records_a_mapping(run, command):
    rows = [f"i{k % 6},w{k // 6},{'ABA'[(k * k + k // 6) % 3]}\n" for k in range(24)]
    rows += ["i0,w9,tie\n", "i1,w0,B\n"]
    Path("votes.csv").write_text("Input.id,WorkerId,Answer\n" + "".join(rows))
    given = ("--columns", "item=Input.id,rater=WorkerId, label=Answer", "--labels", "A=1, B=0,tie=drop")
    words = (*command.split(), "votes.csv", *given, "--repeated", "last", *COMMANDS[command], "--out", "run")
    found = run(*words)
    assert found.status == 0, found.err
    told = " ".join((found.out + found.err).split())
    assert "1 of 26 rows left out, labelled 'tie'" in told
    assert "1 row repeats a rater on an item, such as 'w0' on 'i1': the last vote counts" in told
    recorded = json.loads(Path("run/run.json").read_text())["inputs"]["labels"]
    assert recorded["columns"] == {"item": "Input.id", "label": "Answer", "rater": "WorkerId"}
    assert recorded["labels"] == {"A": 1, "B": 0, "tie": "drop"}
    assert recorded["repeated"] == "last"
    other = [word if word != given[3] else "A=0,B=1,tie=drop" for word in words]
    assert "run" in run(*other).assert_refused()


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (("--columns", "item"), "--columns: 'item' is not of the form name=value"),
        (("--columns", ""), "--columns: '' is not of the form name=value"),
        (("--columns", "item=,rater=x"), "--columns: 'item=' is not of the form name=value"),
        (("--columns", "item=x,item=y"), "--columns: 'item' is given twice"),
        (("--labels", "A=1,A=0"), "--labels: 'A' is given twice"),
        (("--labels", "A=1;B=0"), "labels: no label stands for 1"),
        (("--labels", ""), "labels: no label stands for 0"),
        (("--labels", "A=1,B=0,tie=0.5"), "labels: 'tie' stands for '0.5'; allowed: 0, 1, half or drop"),
        (("--labels", "A=1,B=2"), "labels: 'B' stands for '2'; allowed: 0, 1, half or drop"),
        (("--labels", "A\n=1,B=0"), "labels: no label stands for 1"),
    ],
)
def test_a_statement_that_cannot_be_read_is_one_line(run, given, message):
    Path("votes.csv").write_text(PLAIN)
    assert message in run("replay", "votes.csv", "--budget", 2, *given).assert_refused()
    assert not Path("runs").exists()


def test_labels_with_commas_and_equals_signs_are_quoted(run):
    Path("votes.csv").write_text('item,rater,label\na,r,"yes, x=1"\na,s,no\nb,r,no\n')
    given = ("--labels", '"yes, x=1=1",no=0')
    assert run("replay", "votes.csv", "--budget", 1, "-p", "kg", "--seeds", 1, *given).status == 0
