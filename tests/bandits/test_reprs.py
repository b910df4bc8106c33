"""Results as short text and as HTML: one line each, and no name is taken for HTML."""

from __future__ import annotations

import re

import pytest

import seqaudit as sa

EVIL = "<script>alert(1)</script>"
PROBLEM = sa.Problem([0.5, 0.6, 0.7], budget=6, name=[EVIL, "b & c", "d"])
MANY = sa.Problem([0.5] * 1000, budget=300)


def session(problem: sa.Problem) -> sa.Session:
    found = sa.Session(problem, "kg", seed=7)
    found.tell(0, 1)
    found.ask()
    return found


RESULTS = {
    "session": session,
    "structure": sa.structure,
    "certificate": lambda problem: sa.certify(problem, "variance-reduction", replications=2),
    "allocation": sa.allocate,
    "indices": lambda problem: sa.whittle_index(problem, 0),
}


@pytest.mark.parametrize("problem", [PROBLEM, MANY], ids=["few", "many"])
@pytest.mark.parametrize("kind", RESULTS)
def test_a_result_is_shown_in_one_short_line_and_as_a_table_of_bounded_size(kind, problem):
    result = RESULTS[kind](problem)
    text = repr(result)
    assert re.fullmatch(rf"{type(result).__name__}\(.{{10,170}}\)", text)
    shown = result._repr_html_()
    assert len(shown) < 100_000
    assert shown.count("<table") == shown.count("</table>") == 1
    assert "<script" not in shown


def test_names_of_items_are_escaped_in_tables():
    for kind in ("session", "structure"):
        shown = RESULTS[kind](PROBLEM)._repr_html_()
        assert "&lt;script&gt;alert(1)&lt;/script&gt;" in shown
        assert "b &amp; c" in shown


def test_reprs_tell_the_state():
    assert repr(session(PROBLEM)) == (
        "Session(Problem(3 items, budget 6, utility accuracy), kg: 1 labels entered, 1 outstanding)"
    )
    exact = sa.certify(PROBLEM, "exact")
    assert repr(exact) == f"Certificate(exact: {exact.lower:.6g}, none above {exact.upper:.6g}, gap 0.000%)"
    found = sa.allocate(PROBLEM)
    assert repr(found) == f"Allocation(6 labels of 3 items, value {found.value:.6g}, none above {found.upper:.6g})"
    assert repr(sa.structure(PROBLEM)).endswith("utility accuracy), monotone True, submodular False)")
