"""Tables, figures and studies that are given results: those of other studies and other kinds are refused."""

from __future__ import annotations

import pandas as pd
import pytest
import xarray as xr

import seqaudit as sa
from seqaudit.benchmarks.figures.calibration import plot_ranks, plot_reliability
from seqaudit.benchmarks.figures.comparison import plot_comparison
from seqaudit.benchmarks.figures.curve import plot_curve
from seqaudit.benchmarks.figures.design_choices import plot_break_even, plot_protocols, plot_vary
from seqaudit.benchmarks.figures.replay import plot_replay
from seqaudit.benchmarks.figures.stress import plot_stress

PROBLEM = sa.Problem.from_logratio([0.0, 1.0], beta=1.0, budget=3)
VOTES = sa.LabelSet.from_pools({"x": [1, 1, 0, 1], "y": [0, 0, 1, 0], "z": [1, 0, 1, 0]})
STUDIES = {
    "budget_curve": lambda **more: sa.budget_curve(PROBLEM, ["kg"], points=2, seed=7, **more),
    "survey": lambda **more: sa.survey(2, ["kg"], seed=7, **more),
    "vary": lambda **more: sa.vary(PROBLEM, "beta", [0.5, 1.0], **more),
    "protocols": lambda **more: sa.protocols(PROBLEM, [(0.3, 1), (0.05, 3)], points=1, **more),
    "replay": lambda **more: sa.replay(VOTES, ["kg", "round-robin"], budget=4, seed=7, **more),
}
TABLES = {
    "budget_curve": sa.curve_table,
    "survey": sa.survey_table,
    "vary": sa.vary_table,
    "protocols": sa.protocols_table,
    "break_even": sa.break_even_table,
    "replay": sa.replay_table,
    "reliability": sa.reliability_table,
    "sbc": sa.uniformity,
}
FIGURES = {
    "sbc": plot_ranks,
    "reliability": plot_reliability,
    "vary": plot_vary,
    "protocols": plot_protocols,
    "break_even": plot_break_even,
    "replay": plot_replay,
}


@pytest.fixture(scope="module")
def results():
    return {name: study() for name, study in STUDIES.items()}


@pytest.mark.parametrize("of", TABLES)
def test_a_table_is_made_of_the_results_of_its_own_study_only(of, results):
    for study, result in results.items():
        if study == of:
            assert len(TABLES[of](result))
        else:
            with pytest.raises(ValueError, match=rf"^result has no '.*; it must be what {of} returned$"):
                TABLES[of](result)
    for none in (None, {}, TABLES):
        with pytest.raises(TypeError, match=r"result is .*; it must be "):
            TABLES[of](none)


@pytest.mark.parametrize("of", FIGURES)
def test_a_figure_is_drawn_of_the_results_of_its_own_study_only(of, results, tmp_path):
    for study in results.keys() - {of}:
        with pytest.raises(ValueError, match=f"it must be what {of} returned"):
            FIGURES[of](results[study], tmp_path / "figure.png")
    assert not list(tmp_path.iterdir())


def test_a_stress_table_refuses_a_part_that_is_none(results):
    for bad in (results["vary"], xr.Dataset()):
        with pytest.raises(ValueError, match=r"^result\['cell'\] has no .*; it must be what stress returned$"):
            sa.stress_table({"cell": bad})


@pytest.mark.parametrize("study", STUDIES)
def test_a_finished_part_of_another_kind_is_refused(study):
    with pytest.raises(TypeError, match=r"finished\['kg'\] is 3; it must be a result of type"):
        STUDIES[study](finished={"kg": 3})


COMPARED = sa.compare(PROBLEM, ["kg"])


@pytest.mark.parametrize(
    ("function", "of"),
    [(sa.stress_slopes, "stress_table"), (sa.worse_than_uniform, "stress_table"), (sa.largest_movers, "removals")],
    ids=lambda x: getattr(x, "__name__", x),
)
def test_a_table_of_another_study_is_refused(function, of):
    with pytest.raises(ValueError, match=f"table has no column '.*; it must be what {of} returned"):
        function(COMPARED)
    with pytest.raises(TypeError, match=r"table is .*; it must be "):
        function([1, 2])


def test_figures_refuse_tables_of_other_studies(tmp_path):
    wrong = pd.DataFrame({"policy": ["kg"]})
    for draw, paths in ((plot_stress, "ab"), (plot_curve, "a"), (plot_comparison, "a")):
        with pytest.raises(ValueError, match="table has no column"):
            draw(wrong, *(tmp_path / x for x in paths))
    assert not list(tmp_path.iterdir())


def test_results_that_are_no_claims_and_no_cross_validation_are_refused(results):
    for bad in (results["vary"], 3, [3], None):
        with pytest.raises(TypeError, match=r"found.* is .*; it must be "):
            sa.claims_table(bad)
    fit = sa.PartialPooling().fit(VOTES, method="fast", seed=7, draws=40)
    for bad in ({"a": fit}, {"a": fit, "b": fit}, {"a": results["vary"]}, [fit]):
        with pytest.raises(TypeError, match=r"found.* is .*; it must be "):
            sa.compare_fits(bad)
