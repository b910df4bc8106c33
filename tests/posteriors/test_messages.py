"""Messages: bounded, on one line, printable, and still telling."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seqaudit.posteriors.foundation.messages import cut, lines_of, listed, named, printable, shown
from seqaudit.posteriors.foundation.names import nearest_name, unknown_key, unknown_name


class Unwritable:
    """Object whose text cannot be made."""

    def __repr__(self) -> str:
        raise KeyError("no text")


def nested(depth: int) -> list:
    out: list = []
    for _ in range(depth):
        out = [out]
    return out


HOSTILE = {
    "long name": "n" * 700,
    "megabytes": "m" * 2_000_000,
    "escapes": "\x1b[31m\x9b0m\x07" * 50,
    "line breaks": "one\ntwo\r\nthree\x85four\u2028five",
    "reversed": "\u202egpj.exe\u2066",
    "surrogate": "\udce9\ud800",
    "quotes": "'\"" * 100,
    "whole number": 10**5_000,
    "negative number": -(10**400),
    "many": list(range(100_000)),
    "deep": nested(100_000),
    "array": np.zeros((300, 300)),
    "unwritable": Unwritable(),
    "bytes": b"\x00\x1b" * 1000,
    "no text": "",
}


@pytest.mark.smoke
@pytest.mark.parametrize("value", HOSTILE.values(), ids=HOSTILE.keys())
def test_any_value_is_shown_on_one_printable_line_of_bounded_length(value):
    for text in (
        shown(value),
        listed([value] * 12),
        listed([value] * 12, 3, quoted=False) if isinstance(value, str) else "",
    ):
        assert len(text) <= 10 * 62 + 20
        assert text.splitlines() in ([text], [])
        assert printable(text) == text
        text.encode()
    assert len(shown(value)) <= 60


@given(st.text(), st.integers(6, 80))
def test_a_text_is_cut_to_its_limit_and_keeps_both_ends(text, most):
    found = cut(text, most)
    assert len(found) <= most
    if len(text) <= most:
        assert found == text
    else:
        start, end = found.split(" ... ", 1) if text.count(" ... ") == 0 else ("", "")
        assert text.startswith(start)
        assert text.endswith(end)


@given(st.text(max_size=40))
def test_what_is_printed_has_no_character_that_a_terminal_obeys(text):
    found = printable(text)
    assert not any(x in found for x in "\x1b\n\r\x07\x9b\u2028\u202e")
    assert found == text or len(found) > len(text)
    assert printable(found) == found


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("item 1", "'item 1'"),
        (0.5, "0.5"),
        (np.float64(0.5), "0.5"),
        (True, "True"),
        (None, "None"),
        (10**50, "1" + 50 * "0"),
    ],
)
def test_an_ordinary_value_is_shown_as_python_writes_it(value, text):
    assert shown(value) == text


def test_whole_numbers_that_python_refuses_to_write_are_counted_in_digits():
    for digits in (70, 400, 4_301, 20_000):
        assert shown(10 ** (digits - 1)) == f"a whole number of {digits} digits"
        assert shown(10**digits - 1) == f"a whole number of {digits} digits"


def test_ten_faults_are_told_and_the_others_counted():
    faults = [f"fault {k}\nwith two lines {'x' * 400}" for k in range(12)]
    lines = lines_of(faults)
    assert len(lines) == 11
    assert all(
        len(f"seqaudit: {line}") == 300 and line.startswith(f"fault {k} with") for k, line in enumerate(lines[:10])
    )
    assert lines[10] == "and 2 more faults"
    assert lines_of(faults[:11])[10] == "and 1 more fault"
    assert lines_of(["one"], "note") == ["one"]


def test_messages_on_unknown_names_are_bounded_by_the_names_they_list():
    known = [f"{'c' * 700}{k}" for k in range(10_000)]
    for told in (unknown_key("x" * 10_000, known), unknown_name("{name}; {known}{hint}", "\x1b" * 10_000, known)):
        assert len(told) < 3_000
        assert printable(told) == told
    assert nearest_name("trehsold" + "x" * 10_000, ["threshold"]) is None
    assert named("a\tb") == r"a\tb"
