"""Label files: what is read, and that every fault is named with its file, its line, its value and what is allowed."""

from __future__ import annotations

import csv
import gzip
import hashlib
import io
import os
import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seqaudit.benchmarks.data.csv_table import LabelFileError
from seqaudit.benchmarks.data.labels import read_labels
from seqaudit.posteriors.votes.label_set import LabelSet

VOTES = "item,rater,label\na,ann,1\nb,ann,0\na,bob,0\nb,cat,1\nc,bob,1\n"


def write(folder: Path, content: str | bytes, name: str = "votes.csv") -> Path:
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def fault(path: Path, items: Path | None = None, *, strict: bool = False) -> str:
    with pytest.raises(LabelFileError) as caught:
        read_labels(path, items, strict=strict)
    message, *others = str(caught.value).split("\n")
    assert all("allowed: " in line or "more fault" in line for line in others)
    assert "allowed: " in message or "found: " in message or "no such file" in message
    return message


def votes_of(labels: LabelSet, i: int) -> list[tuple[str, int]]:
    votes = slice(labels.start[i], labels.start[i + 1])
    return [(labels.raters[r], int(y)) for r, y in zip(labels.rater[votes], labels.labels[votes], strict=True)]


def test_votes_on_an_item_are_contiguous_and_in_file_order(tmp_path):
    labels = read_labels(write(tmp_path, VOTES))
    assert labels.items == ("a", "b", "c")
    assert labels.raters == ("ann", "bob", "cat")
    assert [votes_of(labels, i) for i in range(3)] == [
        [("ann", 1), ("bob", 0)],
        [("ann", 0), ("cat", 1)],
        [("bob", 1)],
    ]
    assert labels.start.tolist() == [0, 2, 4, 5]
    assert (labels.labels.dtype, labels.rater.dtype, labels.start.dtype) == (np.int8, np.int32, np.int64)


@pytest.mark.parametrize("name", ["votes.csv", "votes.csv.gz"])
def test_digests_are_those_of_the_bytes_that_were_read(tmp_path, name):
    content = gzip.compress(VOTES.encode()) if name.endswith(".gz") else VOTES.encode()
    votes = write(tmp_path, content, name)
    items = write(tmp_path, "item,threshold\na,0.5\nb,0.6\n", "items.csv")
    expected = tuple(hashlib.sha256(x.read_bytes()).hexdigest() for x in (votes, items))
    assert read_labels(votes).digests == expected[:1]
    assert read_labels(votes, items).digests == expected
    assert read_labels(votes, items).subset(np.array([True, False])).digests == expected


def test_counts_wins_and_rate_describe_the_full_pool(tmp_path):
    labels = read_labels(write(tmp_path, VOTES))
    assert (labels.n_items, labels.n_labels) == (3, 5)
    assert labels.counts.tolist() == [2, 2, 1]
    assert labels.wins.tolist() == [1, 1, 1]
    assert labels.rate.tolist() == [0.5, 0.5, 1.0]


def test_optional_columns_are_none_where_the_file_has_none(tmp_path):
    labels = read_labels(write(tmp_path, VOTES))
    assert (labels.group, labels.groups, labels.gold) == (None, (), None)
    assert (labels.threshold, labels.log_ratio, labels.weight, labels.slice) == (None, None, None, None)
    assert labels.source == (str(tmp_path / "votes.csv"),)


def test_columns_may_come_in_any_order_with_others_between_them(tmp_path):
    labels = read_labels(write(tmp_path, "race,label,task,item,raw,rater\nx,1.0,t,a,,ann\nx,0.0,t,a,,bob\n"))
    assert votes_of(labels, 0) == [("ann", 1), ("bob", 0)]


def test_group_is_kept_per_vote_so_that_a_rater_may_change_it(tmp_path):
    labels = read_labels(write(tmp_path, "item,rater,label,group\na,ann,1,x\nb,ann,1,y\na,bob,0,y\n"))
    assert labels.groups == ("x", "y")
    assert labels.group.tolist() == [0, 1, 1]


def test_blank_gold_is_nan(tmp_path):
    labels = read_labels(write(tmp_path, "item,rater,label,gold\na,ann,1,1\nb,ann,1,\nc,ann,1,0.0\n"))
    np.testing.assert_array_equal(labels.gold, [1.0, np.nan, 0.0])


def test_gzip_byte_order_mark_and_blank_lines_do_not_change_what_is_read(tmp_path):
    plain = read_labels(write(tmp_path, VOTES))
    dressed = b"\xef\xbb\xbf\r\n" + VOTES.replace("\n", "\r\n\r\n").encode()
    read = read_labels(write(tmp_path, gzip.compress(dressed), "votes.csv.gz"))
    assert (read.items, read.raters) == (plain.items, plain.raters)
    np.testing.assert_array_equal(read.labels, plain.labels)
    np.testing.assert_array_equal(read.rater, plain.rater)


def test_more_rows_than_one_reading_step_takes_are_all_read(tmp_path):
    rows = "".join(f"i{k % 7},r{k},{k % 2}\n" for k in range(5_000))
    labels = read_labels(write(tmp_path, "item,rater,label\n" + rows))
    assert labels.n_labels == len(labels.raters) == 5_000
    assert labels.wins.sum() == 2_500
    path = write(tmp_path, "item,rater,label\n" + rows + "i0,r,2\n")
    assert fault(path).startswith(f"{path}, line 5002: label of item 'i0' is '2'")
    path = write(tmp_path, "item,rater,label\n" + rows + "i0,r\n")
    assert fault(path).startswith(f"{path}, line 5002: 2 fields")


def test_log_probabilities_give_the_log_ratio_lose_minus_win(tmp_path):
    text = "item,logp_win,logp_lose,slice\nb,-2.0,-0.5,s2\nc,-1.0,-3.0,s3\na,1e-10,-4,s1\n"
    items = write(tmp_path, text, "items.csv")
    labels = read_labels(write(tmp_path, VOTES), items)
    assert labels.items == ("a", "b", "c")
    assert labels.logp_win.tolist() == [0.0, -2.0, -1.0]
    assert labels.logp_lose.tolist() == [-4.0, -0.5, -3.0]
    assert labels.log_ratio.tolist() == [-4.0, 1.5, -2.0]
    assert labels.slice == ("s1", "s2", "s3")
    assert (labels.threshold, labels.weight) == (None, None)
    assert labels.source == (str(tmp_path / "votes.csv"), str(items))


def test_c_and_threshold_are_alternatives_to_log_probabilities(tmp_path):
    votes = write(tmp_path, VOTES)
    by_c = read_labels(votes, write(tmp_path, "item,c,weight\na,1.5,2\nb,-2,3\nc,0,.5\n", "c.csv"))
    assert by_c.log_ratio.tolist() == [1.5, -2.0, 0.0]
    assert by_c.weight.tolist() == [2.0, 3.0, 0.5]
    assert (by_c.logp_win, by_c.threshold) == (None, None)
    by_threshold = read_labels(votes, write(tmp_path, "item,threshold\na,.1\nb,.2\nc,.3\n", "t.csv"))
    assert by_threshold.threshold.tolist() == [0.1, 0.2, 0.3]
    assert by_threshold.log_ratio is None


def test_items_in_one_file_only_are_left_out_and_counted(tmp_path):
    items = write(tmp_path, "item,threshold\nx,.1\nc,.3\ny,.2\nb,.4\n", "items.csv")
    labels = read_labels(write(tmp_path, VOTES), items)
    assert (labels.items, labels.dropped, labels.unlabelled) == (("b", "c"), 1, 2)
    assert labels.threshold.tolist() == [0.4, 0.3]
    assert [votes_of(labels, i) for i in range(2)] == [[("ann", 0), ("cat", 1)], [("bob", 1)]]


def test_subset_keeps_votes_and_leaves_out_raters_and_groups_without_any(tmp_path):
    text = "item,rater,label,gold,group\na,ann,1,1,x\nb,bob,0,,y\nc,cat,1,0,z\nb,cat,1,,z\n"
    items = write(tmp_path, "item,threshold,weight,slice\na,.1,1,s\nb,.2,2,s\nc,.3,3,t\n", "items.csv")
    part = read_labels(write(tmp_path, text), items).subset(np.array([False, True, True]))
    assert (part.items, part.raters, part.groups, part.slice) == (("b", "c"), ("bob", "cat"), ("y", "z"), ("s", "t"))
    assert [votes_of(part, i) for i in range(2)] == [[("bob", 0), ("cat", 1)], [("cat", 1)]]
    assert part.group.tolist() == [0, 1, 1]
    assert (part.threshold.tolist(), part.weight.tolist()) == ([0.2, 0.3], [2.0, 3.0])
    np.testing.assert_array_equal(part.gold, [np.nan, 0.0])


@pytest.mark.parametrize("mask", [[0, 1, 1], [True, False]])
def test_subset_refuses_a_mask_that_is_not_one_boolean_per_item(tmp_path, mask):
    with pytest.raises(ValueError, match=r"allowed: bool, \(3,\)"):
        read_labels(write(tmp_path, VOTES)).subset(np.array(mask))


H = "item,rater,label\n"


@pytest.mark.parametrize(
    ("text", "line", "parts"),
    [
        pytest.param("", 1, ["empty", "'item', 'rater', 'label'"], id="empty"),
        pytest.param("\n\n", 1, ["empty"], id="blank-lines-only"),
        pytest.param(H, 1, ["no rows", "one row or more"], id="header-only"),
        pytest.param("\n\n" + H, 3, ["no rows"], id="header-only-below-blank-lines"),
        pytest.param("item,rater\na,ann\n", 1, ["no column 'label'", "found: 'item', 'rater'"], id="no-label"),
        pytest.param("item,Rater ,label\na,b,1\n", 1, ["no column 'rater' (is it 'Rater '?)"], id="near-name"),
        pytest.param("itme,rater,label\na,b,1\n", 1, ["no column 'item' (is it 'itme'?)"], id="typing-error"),
        pytest.param('"item";"rater"\n"a";"b"\n', 1, ["no column 'label'", "found: 'item', 'rater'"], id="semicolons"),
        pytest.param("id\twho\tvote\na\tb\t1\n", 1, ["no column 'item'", "found: 'id', 'who', 'vote'"], id="tabs"),
        pytest.param('{"item": "a", "rater": "b"}\n', 1, ["no column 'label'", "'item', 'rater'"], id="json-lines"),
        pytest.param('[{"item": "a", "rater": "b"}]', 1, ["this is JSON", "one object a line"], id="json-list"),
        pytest.param('{\n"item": "a",\n"rater": "b"}\n', 1, ["this is JSON", "one object a line"], id="json-object"),
        pytest.param("item,rater,label,label\na,b,1,1\n", 1, ["'label' occurs 2 times", "once"], id="twice"),
        pytest.param(H + "a,ann,1\na,bob,2\n", 3, ["label of item 'a' is '2'", "0 or 1"], id="label-2"),
        pytest.param(H + "a,ann,1\na,bob,\n", 3, ["label of item 'a' is ''", "0 or 1"], id="label-blank"),
        pytest.param(H + "a,ann,nan\n", 2, ["'nan'", "0 or 1"], id="label-nan"),
        pytest.param(H + "a,ann,yes\n", 2, ["'yes'", "0 or 1, or labels that map 'yes' to them"], id="label-word"),
        pytest.param(H + "a,ann, 1\n", 2, ["' 1'", "0 or 1"], id="label-space"),
        pytest.param(H + "a,ann,1\n,bob,1\n", 3, ["item is ''", "not blank"], id="item-blank"),
        pytest.param(H + "a,ann,1\na, ,1\n", 3, ["rater of item 'a' is ' '", "not blank"], id="rater-blank"),
        pytest.param(H + "a,ann,1\na,bob\n", 3, ["2 fields", "'a'", "allowed: 3"], id="too-few-fields"),
        pytest.param(H + "a,ann,1\na,bob,1,\n", 3, ["4 fields", "'a'", "allowed: 3"], id="too-many-fields"),
        pytest.param(
            H + "a,ann,1\nb,ann,1\n\na,ann,0\nb,ann,1\n",
            5,
            ["rater 'ann'", "item 'a'", "on line 2", "one label"],
            id="repeated",
        ),
        pytest.param(
            "item,rater,label,gold\na,ann,1,1\nb,ann,1,0\na,bob,1,0\n",
            4,
            ["gold of item 'a' is '0' but '1' on line 2", "one gold per item"],
            id="gold-not-constant",
        ),
        pytest.param(
            "item,rater,label,gold\na,ann,1,\na,bob,1,0\n", 3, ["is '0' but '' on line 2"], id="gold-partly-blank"
        ),
        pytest.param(
            "item,rater,label,gold\na,ann,1,1\na,bob,1,0.5\n",
            3,
            ["gold of item 'a' is '0.5'", "0, 1 or blank"],
            id="gold-not-binary",
        ),
        pytest.param(
            "item,rater,label,group\na,ann,1,x\na,bob,1,\n",
            3,
            ["group of item 'a' is ''", "not blank"],
            id="group-blank",
        ),
        pytest.param(
            H + 'a,ann,1\n"b,ann,1\nc,ann,1\n',
            3,
            ["not valid CSV", "'\"b,ann,1'", "quotes that close"],
            id="open-quote",
        ),
        pytest.param(H + '"a"x,ann,1\n', 2, ["not valid CSV", "'\"a\"x,ann,1'"], id="text-after-quote"),
        pytest.param(H + "a,ann," + 200 * "9" + "\n", 2, ["'" + 36 * "9" + " ... 9"], id="long-value-is-cut"),
    ],
)
def test_a_fault_is_named_with_file_line_value_and_what_is_allowed(tmp_path, text, line, parts):
    path = write(tmp_path, text)
    message = fault(path)
    assert message.startswith(f"{path}, line {line}: ")
    for part in parts:
        assert part in message


def test_lines_are_counted_through_blank_lines_and_quoted_line_ends(tmp_path):
    text = 'item,rater,label,note\n\n"a\nb",ann,1,"x,y"\n\n\n"c","bob\r\n\r\nbob",0,"""q"""\nd,ann,7,\n'
    path = write(tmp_path, text)
    assert fault(path).startswith(f"{path}, line 10: label of item 'd' is '7'")


def test_a_multi_line_record_is_named_by_its_first_line(tmp_path):
    path = write(tmp_path, 'item,rater,label\na,ann,1\n"b\n\nb",ann,7\n')
    assert fault(path).startswith(f"{path}, line 3: label of item 'b\\n\\nb' is '7'")


def test_a_missing_file_and_a_directory_are_named(tmp_path):
    path = tmp_path / "none.csv"
    assert fault(path) == f"{path}: there is no such file"
    assert fault(tmp_path).startswith(f"{tmp_path}: this is a directory; allowed: a file or")


def test_text_named_gz_is_refused_with_its_first_bytes(tmp_path):
    path = write(tmp_path, VOTES, "votes.csv.gz")
    assert fault(path).startswith(f"{path}, line 1: named .gz but begins with b'item,rat'; allowed: gzip data")


@pytest.mark.parametrize("keep", [5, 40, -4])
def test_truncated_gzip_is_refused(tmp_path, keep):
    path = write(tmp_path, gzip.compress(VOTES.encode())[:keep], "votes.csv.gz")
    assert fault(path).startswith(f"{path}: gzip data cut short or damaged")


def test_damaged_gzip_is_refused(tmp_path):
    data = bytearray(gzip.compress(VOTES.encode()))
    data[20] ^= 0xFF
    path = write(tmp_path, bytes(data), "votes.csv.gz")
    assert fault(path).startswith(f"{path}: gzip data cut short or damaged")


def test_empty_file_named_gz_is_called_empty(tmp_path):
    path = write(tmp_path, b"", "votes.csv.gz")
    assert fault(path).startswith(f"{path}, line 1: the file is empty")


@pytest.mark.parametrize("row", [b"\xe9,ann,1", b"\xc0\xed\xed\xe0,ann,1", b"\xa3ukasz,ann,1", b"ren\x8e,ann,1"])
def test_text_whose_encoding_is_in_doubt_is_refused_with_line_and_byte(tmp_path, row):
    path = write(tmp_path, b"item,rater,label\na,ann,1\n" + row + b"\n")
    message = fault(path)
    assert re.match(f"{re.escape(str(path))}, line 3: byte 0x[89a-f][0-9a-f] is not UTF-8; allowed: ", message)
    assert "text saved as UTF-8, or its encoding stated, such as encoding=cp1252" in message


def test_gzip_not_named_gz_is_recognised(tmp_path):
    path = write(tmp_path, gzip.compress(VOTES.encode()))
    assert fault(path).endswith("(compressed files are named .gz)")


@pytest.mark.parametrize(
    ("text", "line", "parts"),
    [
        pytest.param("item,c\n", 1, ["no rows"], id="header-only"),
        pytest.param("name,c\na,1\n", 1, ["no column 'item'", "found: 'name', 'c'"], id="no-item"),
        pytest.param("item,weight\na,1\n", 1, ["found: 'item', 'weight'", "or c, or threshold"], id="no-kind"),
        pytest.param("item,treshold\na,.1\n", 1, ["(is it 'treshold'?)", "or threshold"], id="near-kind"),
        pytest.param("item,logp_win\na,-1\n", 1, ["no column 'logp_lose'", "'logp_win'"], id="half-a-pair"),
        pytest.param(
            "item,c,logp_win,logp_lose\na,1,-1,-1\n",
            1,
            ["more than one way", "keep 'logp_win', 'logp_lose' and remove 'c'"],
            id="pair-and-c",
        ),
        pytest.param("item,threshold,c\na,.5,0\n", 1, ["keep 'c' and remove 'threshold'"], id="c-and-threshold"),
        pytest.param("item,logp_win,c\na,-1,0\n", 1, ["keep 'c' and remove 'logp_win'"], id="half-a-pair-and-c"),
        pytest.param("item,threshold\na,.1\nb,1\n", 3, ["threshold of item 'b' is '1'", "between 0 and 1"], id="t-1"),
        pytest.param("item,threshold\na,0.0\n", 2, ["'0.0'", "between 0 and 1"], id="t-0"),
        pytest.param("item,threshold\na,nan\n", 2, ["'nan'", "between 0 and 1"], id="t-nan"),
        pytest.param("item,threshold\na,\n", 2, ["threshold of item 'a' is ''"], id="t-blank"),
        pytest.param("item,c\na,1\nb,inf\n", 3, ["c of item 'b' is 'inf'", "finite number"], id="c-infinite"),
        pytest.param("item,c\na,one\n", 2, ["'one'", "finite number"], id="c-text"),
        pytest.param("item,logp_win,logp_lose\na,.1,-1\n", 2, ["logp_win of item 'a' is '.1'", "at most 0"], id="p>1"),
        pytest.param("item,logp_win,logp_lose\na,-1,2e-9\n", 2, ["logp_lose of item 'a' is '2e-9'"], id="p>1-slightly"),
        pytest.param("item,logp_win,logp_lose\na,-inf,-1\n", 2, ["'-inf'", "finite log-probability"], id="p=0"),
        pytest.param("item,c,weight\na,1,0\n", 2, ["weight of item 'a' is '0'", "greater than 0"], id="weight-0"),
        pytest.param("item,c,weight\na,1,inf\n", 2, ["weight of item 'a' is 'inf'", "finite"], id="weight-infinite"),
        pytest.param("item,c,slice\na,1,s\nb,1,\n", 3, ["slice of item 'b' is ''", "not blank"], id="slice-blank"),
        pytest.param("item,c\na,1\n ,1\n", 3, ["item is ' '", "not blank"], id="item-blank"),
        pytest.param("item,c\na,1\nb,1\n\na,1\n", 5, ["has a row already on line 2", "one row"], id="item-twice"),
        pytest.param("item,c\na,1,2\n", 2, ["3 fields", "'a'", "allowed: 2"], id="too-many-fields"),
    ],
)
def test_a_fault_in_the_items_file_is_named_with_file_line_value_and_what_is_allowed(tmp_path, text, line, parts):
    items = write(tmp_path, text, "items.csv")
    message = fault(write(tmp_path, VOTES), items)
    assert message.startswith(f"{items}, line {line}: ")
    for part in parts:
        assert part in message


def test_strict_names_the_first_item_without_a_row_its_line_and_the_count(tmp_path):
    votes = write(tmp_path, VOTES)
    items = write(tmp_path, "item,threshold\na,.1\n", "items.csv")
    message = fault(votes, items, strict=True)
    assert message.startswith(f"{votes}, line 3: item 'b' has no row in {items}; ")
    assert message.endswith("; without a row: 2 of 3 items; allowed: none when strict")
    complete = write(tmp_path, "item,threshold\na,.1\nb,.2\nc,.3\nd,.4\n", "all.csv")
    assert read_labels(votes, complete, strict=True).unlabelled == 1


def test_no_item_in_common_is_a_fault(tmp_path):
    votes = write(tmp_path, VOTES)
    items = write(tmp_path, "item,threshold\nx,.1\n", "items.csv")
    message = fault(votes, items)
    assert message.startswith(f"{votes}, line 2: item 'a' has no row in {items}; ")
    assert message.endswith("; without a row: 3 of 3 items; allowed: at most 2")


names = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=8).filter(str.strip)
awkward = st.sampled_from(["a,b", 'say "x"', "two\nlines", "two\r\nlines", "\r", " a", "é", "0", "NA", "\ufeffx"])
some_names = st.lists(names | awkward.filter(str.strip), min_size=1, max_size=5, unique=True)


@st.composite
def tables(draw):
    """Header and rows of a valid label file."""
    items, raters, groups = draw(some_names), draw(some_names), draw(some_names)
    pairs = draw(st.lists(st.tuples(st.sampled_from(items), st.sampled_from(raters)), min_size=1, unique=True))
    gold = {item: draw(st.sampled_from(["", "0", "1"])) for item in items}
    rows = [
        [item, rater, draw(st.sampled_from("01")), draw(st.sampled_from(groups)), gold[item]] for item, rater in pairs
    ]
    width = draw(st.sampled_from([3, 4, 5]))
    return [row[:width] for row in [["item", "rater", "label", "group", "gold"], *rows]]


def as_csv(rows: list[list[str]], quoting: int, blank_lines: bool) -> str:
    text = io.StringIO()
    writer = csv.writer(text, quoting=quoting)
    for row in rows:
        writer.writerow(row)
        if blank_lines:
            text.write("\n")
    return text.getvalue()


quotings = st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL])


@settings(deadline=None)
@given(table=tables(), quoting=quotings, blank_lines=st.booleans(), compressed=st.booleans())
def test_what_was_written_is_read_back(tmp_path_factory, table, quoting, blank_lines, compressed):
    data = as_csv(table, quoting, blank_lines).encode()
    folder = tmp_path_factory.mktemp("labels")
    labels = read_labels(
        write(folder, gzip.compress(data), "votes.csv.gz") if compressed else write(folder, data, "votes.csv")
    )
    header, *rows = table
    assert labels.items == tuple(dict.fromkeys(row[0] for row in rows))
    assert labels.raters == tuple(dict.fromkeys(row[1] for row in rows))
    read = []
    for i, item in enumerate(labels.items):
        for k in range(labels.start[i], labels.start[i + 1]):
            row = [item, labels.raters[labels.rater[k]], str(labels.labels[k])]
            if labels.group is not None:
                row.append(labels.groups[labels.group[k]])
            if labels.gold is not None:
                row.append("" if np.isnan(labels.gold[i]) else str(int(labels.gold[i])))
            read.append(row)
    assert read == [row for item in labels.items for row in rows if row[0] == item]
    assert all(len(row) == len(header) for row in read)


@settings(deadline=None)
@given(table=tables(), quoting=quotings, blank_lines=st.booleans(), data=st.data())
def test_the_line_of_a_bad_label_is_where_its_record_begins(tmp_path_factory, table, quoting, blank_lines, data):
    k = data.draw(st.integers(1, len(table) - 1))
    table[k] = [*table[k][:2], "maybe", *table[k][3:]]
    line = 1 + len(re.findall("\r\n|\r|\n", as_csv(table[:k], quoting, blank_lines)))
    path = write(tmp_path_factory.mktemp("labels"), as_csv(table, quoting, blank_lines))
    message = fault(path)
    assert message.startswith(f"{path}, line {line}: ")
    assert "is 'maybe'; allowed: 0 or 1" in message


def test_real_files_agree_with_an_independent_reading():
    folder = os.environ.get("SEQAUDIT_DATA")
    if not folder:
        pytest.skip("the environment variable SEQAUDIT_DATA names no folder of label files")
    pd = pytest.importorskip("pandas")
    paths = [path for path in sorted(Path(folder).glob("*.csv.gz")) if "_items" not in path.name]
    assert paths, f"no label files in {folder}"
    for path in paths:
        labels = read_labels(path)
        table = pd.read_csv(path, dtype={"item": str, "rater": str}, keep_default_na=False)
        votes = table.groupby("item", sort=False)["label"].agg(["size", "sum"])
        assert labels.items == tuple(votes.index)
        np.testing.assert_array_equal(labels.counts, votes["size"])
        np.testing.assert_array_equal(labels.wins, votes["sum"])
        assert len(labels.raters) == table["rater"].nunique()
        for items in Path(folder).glob(f"{path.name.split('_')[0]}_items*.csv.gz"):
            described = set(pd.read_csv(items, dtype={"item": str}, keep_default_na=False)["item"])
            if described & set(labels.items):
                kept = read_labels(path, items)
                assert set(kept.items) == described & set(labels.items)
                assert kept.dropped == labels.n_items - kept.n_items
                assert np.isfinite(kept.log_ratio).all()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"items": ("a", "a")}, "item 'a' occurs 2 times; names must be unique"),
        ({"items": ("a", " ")}, "its names must not be blank"),
        ({"gold": [3.0, 0.0]}, "gold is 3.0; it must be 0 or 1, or nan where it is not known"),
        ({"weight": [1.0, -1.0]}, "weight is -1.0; it must be finite and at least 0"),
        ({"weight": [1.0, np.nan]}, "weight is nan; it must be finite"),
    ],
)
def test_a_label_set_holds_what_a_file_could(changes, message):
    fields = {"items": ("a", "b"), "labels": [1, 0], "rater": [0, 1], "raters": ("x", "y"), "start": [0, 1, 2]}
    assert LabelSet(**fields, gold=[np.nan, 1.0], weight=[0.0, 2.0]).n_items == 2
    with pytest.raises(ValueError, match=message):
        LabelSet(**fields | changes)


def test_numbers_of_two_forms_are_told_apart_and_told():
    votes = LabelSet.from_pools({"7": [1], "7.0": [0], "8": [1]})
    frame = votes.to_frame()
    assert any("'7' and '7.0' differ only by the form of a number" in x for x in read_labels(frame).remarks)
