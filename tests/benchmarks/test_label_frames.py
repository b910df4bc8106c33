"""Label sets from data frames, remarks on names, and every faulty row of a file."""

from __future__ import annotations

from dataclasses import fields

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

import seqaudit as sa
from seqaudit.benchmarks.cli.main import app
from seqaudit.benchmarks.data.csv_table import LabelFileError

VOTES = pd.DataFrame({"item": ["a", "b", "a", "b", "c"], "rater": ["x", "x", "y", "z", "y"], "label": [1, 0, 0, 1, 1]})
ITEMS = pd.DataFrame({"item": ["c", "a", "b"], "threshold": [0.3, 0.1, 0.2], "weight": [3, 1, 2], "slice": list("tss")})
FULL = VOTES.assign(
    group=["g", "g", "h", "h", "h"],
    gold=[1.0, np.nan, 1.0, np.nan, 0.0],
    threshold=[0.1, 0.2, 0.1, 0.2, 0.3],
    weight=[1.0, 2.0, 1.0, 2.0, 3.0],
    slice=["s", "t", "s", "t", "t"],
)


def same(one, two, but=("source", "remarks", "digests")):
    for field in fields(one):
        if field.name not in but:
            x, y = getattr(one, field.name), getattr(two, field.name)
            if isinstance(x, np.ndarray):
                np.testing.assert_array_equal(x, y, err_msg=field.name)
            else:
                assert x == y, field.name


@pytest.mark.parametrize("frame", [VOTES, FULL, FULL.drop(columns=["group", "slice"])])
def test_a_frame_read_and_written_is_the_same_votes(frame):
    votes = sa.LabelSet.from_frame(frame)
    same(votes, sa.LabelSet.from_frame(votes.to_frame()))
    assert set(votes.to_frame().columns) == set(frame.columns)
    assert votes.remarks == ()


@pytest.mark.parametrize("items", [None, ITEMS])
def test_a_frame_is_read_as_the_file_that_holds_the_same_rows(items, tmp_path):
    VOTES.to_csv(tmp_path / "votes.csv", index=False)
    if items is not None:
        items.to_csv(tmp_path / "items.csv", index=False)
    of_files = sa.read_labels(tmp_path / "votes.csv", None if items is None else tmp_path / "items.csv")
    same(of_files, sa.read_labels(VOTES, items))


@pytest.mark.parametrize(
    "kinds",
    [
        {"item": "category", "rater": "category", "label": "int8"},
        {"item": "string", "rater": "string", "label": "Int64"},
        {"label": "Float64"},
        {"label": "boolean"},
        {"label": "object"},
    ],
)
def test_columns_of_any_type_that_holds_the_values_are_read_alike(kinds):
    frame = VOTES.astype(kinds)
    same(sa.LabelSet.from_frame(frame), sa.LabelSet.from_frame(VOTES))
    same(sa.read_labels(frame), sa.LabelSet.from_frame(VOTES))


def test_whole_numbers_are_names_in_a_frame_and_rows_may_have_any_index():
    frame = VOTES.assign(item=[7, 8, 7, 8, 9], rater=[1, 1, 2, 3, 2])
    votes = sa.LabelSet.from_frame(frame.set_index(pd.Index([5, 5, 5, 5, 5])))
    assert (votes.items, votes.raters) == (("7", "8", "9"), ("1", "2", "3"))
    assert sa.replay(votes, ["kg"], budget=3, seed=1, replications=1).attrs["votes"] == 5


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"label": [1, 0, pd.NA, 1, 1]}, r"^data frame, row 2: label of item 'a' is None; allowed: 0 or 1$"),
        ({"label": [1, 0, 2, 1, 0.5]}, r"row 2: label of item 'a' is 2.0; .*\n.*row 4: label of item 'c' is 0.5; "),
        ({"item": ["a", None, "a", " ", "c"]}, r"row 1: item is None; .*\n.*row 3: item is ' '; allowed: a name"),
        ({"rater": ["x", "x", "x", "z", np.nan]}, r"row 2: rater 'x' has already labelled item 'a' on row 0"),
        ({"gold": [1, 0, 0, 0, 0]}, r"row 2: gold of item 'a' is 0 but 1 on row 0; allowed: one gold per item"),
        ({"threshold": [0.1, 0.2, 0.2, 0.2, 0.2]}, r"row 2: threshold of item 'a' is 0.2 but 0.1 on row 0"),
        ({"threshold": ["0.1"] * 5}, r"threshold\[0\] is '0.1'; it must be a number"),
    ],
)
def test_rows_of_a_frame_that_are_not_allowed_are_named(changes, message):
    with pytest.raises(ValueError, match=message):
        sa.LabelSet.from_frame(VOTES.assign(**changes))


@pytest.mark.parametrize("frame", [None, 3, [1], {"item": ["a"]}, VOTES["item"]])
def test_what_is_no_frame_is_refused(frame):
    with pytest.raises(ValueError, match=r"(?s)^frame is .*; it must be a pandas DataFrame$"):
        sa.LabelSet.from_frame(frame)


def test_a_frame_without_a_column_or_rows_is_refused_and_the_nearest_column_is_named():
    with pytest.raises(ValueError, match=r"no column 'rater' \(is it 'Rater'\?\); columns found: 'item', 'Rater'"):
        sa.LabelSet.from_frame(VOTES.rename(columns={"rater": "Rater"}))
    with pytest.raises(LabelFileError, match=r"data frame, header: no column 'rater' \(is it 'Rater'\?\)"):
        sa.read_labels(VOTES.rename(columns={"rater": "Rater"}))
    for read in (sa.LabelSet.from_frame, sa.read_labels):
        with pytest.raises(ValueError, match="no rows"):
            read(VOTES.iloc[:0])


def test_every_faulty_row_of_a_file_is_counted_and_the_first_ten_are_named_in_order(tmp_path):
    path = tmp_path / "votes.csv"
    rows = [f"i{k},r{k},{k % 2}" for k in range(30)]
    for k, row in {3: "i3,r3,7", 5: "i5,r5", 8: ",r8,1", 9: "i0,r0,0", 11: "i11, ,1"}.items():
        rows[k] = row
    path.write_text("item,rater,label\n" + "\n".join(rows) + "\n")
    with pytest.raises(LabelFileError) as refused:
        sa.read_labels(path)
    lines = str(refused.value).split("\n")
    assert [int(line.split("line ")[1].split(":")[0]) for line in lines] == [5, 7, 10, 11, 13]
    assert "on line 2; allowed: one label per rater and item" in lines[3]
    path.write_text("item,rater,label\n" + "".join(f"i{k},r{k},x\n" for k in range(1000)))
    with pytest.raises(LabelFileError) as refused:
        sa.read_labels(path)
    *named, more = str(refused.value).split("\n")
    assert len(named) == 10
    assert more == "and 990 more faults"


@pytest.mark.parametrize("column", ["Weight", "weights", " weight", "WEIGHT ", "weightt"])
def test_a_near_miss_of_an_optional_column_is_told_and_not_taken(column, tmp_path):
    VOTES.to_csv(tmp_path / "votes.csv", index=False)
    items = ITEMS.drop(columns="weight").assign(**{column: [3, 1, 2]})
    items.to_csv(tmp_path / "items.csv", index=False)
    votes = sa.read_labels(tmp_path / "votes.csv", tmp_path / "items.csv")
    assert votes.weight is None
    assert votes.remarks == (f"{tmp_path / 'items.csv'}: column {column!r} is not used; is it 'weight'?",)
    assert sa.read_labels(VOTES, items).remarks == (f"data frame: column {column!r} is not used; is it 'weight'?",)
    assert sa.LabelSet.from_frame(VOTES.assign(**{column: 1.0})).remarks


@pytest.mark.parametrize("column", ["note", "height", "id", "text", "lead_time", "created_at"])
def test_other_columns_are_ignored_without_a_word(column):
    assert sa.LabelSet.from_frame(VOTES.assign(**{column: 1.0})).remarks == ()


@pytest.mark.parametrize(
    ("names", "words"),
    [
        (("Ann", "ann"), "differ only by case"),
        (("ann", "ann "), "differ only by spaces"),
        (("ann  lee", "ann lee"), "differ only by spaces"),
        (("caf\u00e9", "cafe\u0301"), "differ only by the Unicode form of their characters"),
        (("\uff21nn", "Ann"), "differ only by the Unicode form of their characters"),
        (("ann", "a\u200bnn"), "differ only by characters that cannot be seen"),
        (("Ann ", "ann"), "differ only by case, spaces or the Unicode form of their characters"),
    ],
)
def test_names_that_differ_only_a_little_are_kept_apart_and_told(names, words):
    frame = pd.DataFrame({"item": ["a", "a"], "rater": list(names), "label": [1, 0]})
    votes = sa.LabelSet.from_frame(frame)
    assert votes.raters == names
    (remark,) = votes.remarks
    assert words in remark
    assert remark.endswith("they count as 2 raters")
    items = sa.LabelSet.from_frame(pd.DataFrame({"item": list(names), "rater": ["a", "a"], "label": [1, 0]}))
    assert items.items == names
    assert items.remarks[0].startswith("items ")


@pytest.mark.parametrize("name", ["nan", "None", "NA", "n/a", "NULL", "<NA>", "NaT"])
def test_a_rater_who_is_called_like_a_gap_is_told(name, tmp_path):
    path = tmp_path / "votes.csv"
    path.write_text(f"item,rater,label\na,{name},1\na,bob,0\n")
    assert sa.read_labels(path).remarks == (f"raters: {name!r} reads like a missing value; it counts as a name",)


def test_remarks_on_many_names_are_few():
    names = [f"{letter}{k}" for k in range(50) for letter in "aA"]
    votes = sa.LabelSet.from_frame(pd.DataFrame({"item": "i", "rater": names, "label": 1}))
    assert len(votes.remarks) == 4
    assert votes.remarks[-1] == "raters: 47 more groups of names differ only so little"


def test_commands_print_the_remarks_on_label_files(tmp_path):
    (tmp_path / "votes.csv").write_text("item,rater,label\na,Ann,1\na,ann,1\na,bob,0\nb,ann,0\n")
    (tmp_path / "items.csv").write_text("item,threshold,Weight\na,0.5,100\nb,0.5,1\n")
    found = CliRunner().invoke(
        app,
        ["replay", str(tmp_path / "votes.csv"), "--items", str(tmp_path / "items.csv"), "--budget", "2", "-p", "kg"],
    )
    assert found.exit_code == 0
    told = " ".join(found.output.split())
    assert "differ only by case" in told
    assert "is not used; is it 'weight'?" in told


LOGS = {"logp_win": [-1.0, -2.0, -1.0, -2.0, -3.0], "logp_lose": [-5.0, -1.0, -5.0, -1.0, -3.0]}
RATIOS = [-4.0, 1.0, -4.0, 1.0, 0.0]


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        (
            {"c": RATIOS, "threshold": FULL["threshold"]},
            "'log_ratio', 'threshold' give the thresholds in more than one",
        ),
        (LOGS | {"threshold": FULL["threshold"]}, "'threshold' give the thresholds in more than one way"),
        (LOGS | {"c": [-4.0, 2.0, -4.0, 2.0, 0.0]}, r"log_ratio\[1\] is 2, but logp_lose - logp_win is 1"),
        ({"logp_win": LOGS["logp_win"]}, "logp_win is given alone"),
        ({"logp_lose": LOGS["logp_lose"]}, "logp_lose is given alone"),
        (LOGS | {"logp_win": 0.1}, "logp_win is 0.1; it must be a finite log-probability, at most 0"),
        (LOGS | {"logp_lose": -np.inf}, "logp_lose is -inf; it must be a finite log-probability, at most 0"),
        ({"threshold": 1.0}, "threshold is 1.0; it must be between 0 and 1, both excluded"),
        ({"threshold": 0.0}, "threshold is 0.0; it must be between 0 and 1, both excluded"),
        ({"c": np.inf}, "log_ratio is inf; it must be finite"),
    ],
)
def test_thresholds_that_no_file_could_state_are_refused_in_frames(columns, message):
    with pytest.raises(ValueError, match=message):
        sa.LabelSet.from_frame(VOTES.assign(**columns))


def test_log_ratios_beside_the_log_probabilities_that_give_them_are_taken():
    of_logs, of_both = (sa.LabelSet.from_frame(VOTES.assign(**x)) for x in (LOGS, LOGS | {"c": RATIOS}))
    same(of_logs, of_both)
    same(of_logs, sa.LabelSet.from_frame(of_logs.to_frame()))
    with pytest.raises(ValueError, match="log_ratio"):
        sa.LabelSet.from_frame(of_logs.to_frame().assign(c=0.5))


@pytest.mark.parametrize("slip", ["wieght", "weigth", "weihgt", "sliec", "gruop", "glod", "weights", " Weight"])
def test_columns_that_were_probably_meant_are_named_in_frames_and_files(slip, tmp_path):
    wanted = {"s": "slice", "g": "gold", "w": "weight"}[slip.strip().lower()[0]] if slip != "gruop" else "group"
    frame = VOTES.assign(**{slip: 1})
    frame.to_csv(tmp_path / "votes.csv", index=False)
    told = [sa.LabelSet.from_frame(frame).remarks]
    if wanted in ("gold", "group"):
        told.append(sa.read_labels(tmp_path / "votes.csv").remarks)
    else:
        told.append(sa.read_labels(VOTES, ITEMS.drop(columns=["weight", "slice"]).assign(**{slip: 1})).remarks)
    assert all(any(x.endswith(f"column {slip!r} is not used; is it {wanted!r}?") for x in remarks) for remarks in told)


@pytest.mark.parametrize("text", ["0.1_5", "٠.٥", "１", "0,5", "0x1p-1"])
def test_only_plain_digits_are_numbers_in_files(text, tmp_path):
    ITEMS.to_csv(tmp_path / "items.csv", index=False)
    content = (tmp_path / "items.csv").read_text(encoding="utf-8").replace("0.1,", f'"{text}",')
    (tmp_path / "items.csv").write_text(content, encoding="utf-8")
    with pytest.raises(LabelFileError, match=r"line 3.*allowed: a number between 0 and 1"):
        sa.read_labels(VOTES, tmp_path / "items.csv")


@pytest.mark.parametrize("gap", [None, float("nan"), pd.NA, pd.NaT])
def test_a_missing_label_can_be_mapped_by_any_word_for_it(gap):
    frame = pd.DataFrame({"item": ["a", "a", "b"], "rater": ["ann", "bob", "bob"], "label": ["A", None, "B"]})
    assert sa.LabelSet.from_frame(frame, labels={gap: "drop", "A": 1, "B": 0}).labels.tolist() == [1, 0]


def test_a_missing_rater_among_whole_numbers_is_the_only_fault():
    frame = pd.DataFrame({"item": ["a", "a", "b"], "rater": [11, None, 12], "label": [1, 0, 1]})
    with pytest.raises(ValueError, match="row 1: rater of item 'a' is None") as caught:
        sa.LabelSet.from_frame(frame)
    assert "11" not in str(caught.value)
    assert sa.LabelSet.from_frame(frame.fillna(13)).raters == ("11", "13", "12")


@pytest.mark.parametrize("how", [{"repeated": "last"}, {"labels": {0: 0, 1: 1, "?": "drop"}}])
def test_items_and_raters_are_in_order_of_first_appearance_whatever_is_left_out(how):
    rows = [("a", "ann", 0), ("b", "bob", 1), ("a", "ann", 1), ("c", "cy", 1)]
    if "labels" in how:
        rows = [("a", "ann", "?"), ("d", "dan", "?"), ("b", "bob", 1), ("a", "eve", 0), ("c", "ann", 1)]
    found = sa.LabelSet.from_frame(pd.DataFrame(rows, columns=["item", "rater", "label"]), **how)
    assert found.items == ("a", "b", "c")
    assert found.raters == (("ann", "bob", "cy") if "repeated" in how else ("ann", "bob", "eve"))


def test_numbers_that_are_names_in_json_lines_stay_as_they_are_written(tmp_path):
    names = ["9007199254740993.0", "9007199254740992.0", "0.1000000000000000055", "0.1", "1E2", "1e16", "-0"]
    rows = "".join(f'{{"item": {name}, "rater": 1, "label": 1.0}}\n' for name in names)
    (tmp_path / "votes.jsonl").write_text(rows)
    (tmp_path / "items.csv").write_text("item,c,weight\n" + "".join(f"{name},0.1,2\n" for name in names))
    found = sa.read_labels(tmp_path / "votes.jsonl", items=tmp_path / "items.csv")
    assert (found.items, found.labels.tolist()) == (tuple(names), [1] * len(names))
    assert found.weight.tolist() == [2.0] * len(names)


@pytest.mark.parametrize("number", ["Infinity", "-Infinity"])
def test_what_is_no_json_is_named(tmp_path, number):
    (tmp_path / "votes.jsonl").write_text(f'{{"item": {number}, "rater": 1, "label": 1}}\n')
    with pytest.raises(LabelFileError, match=f"line 1: the line holds {number}, which is no JSON"):
        sa.read_labels(tmp_path / "votes.jsonl")


def test_separator_of_json_lines_is_refused(tmp_path):
    (tmp_path / "votes.jsonl").write_text('{"item": "a", "rater": 1, "label": 1}\n')
    with pytest.raises(LabelFileError, match="the file is JSON Lines, in which nothing separates fields"):
        sa.read_labels(tmp_path / "votes.jsonl", separator="tab")


def test_short_row_contradicts_no_other_one(tmp_path):
    (tmp_path / "votes.csv").write_text("item,rater,label,group,gold\na,1,1,g1\na,2,1,g1,1\nb,1,1,g1,1\nb,2,1,g1,0\n")
    with pytest.raises(LabelFileError) as caught:
        sa.read_labels(tmp_path / "votes.csv")
    lines = str(caught.value).splitlines()
    assert [line.split(": ")[1][:12] for line in lines] == ["4 fields in ", "gold of item"]
    assert "line 5" in lines[1]
