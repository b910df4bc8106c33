"""Figures: they show what the tables hold, are written as PNG, and need neither a display nor pyplot."""

from __future__ import annotations

import os
import pickle
import re
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import matplotlib.image
import numpy as np
import pandas as pd
import pytest
import xarray as xr

import seqaudit as sa
from seqaudit.benchmarks.figures.comparison import plot_comparison
from seqaudit.benchmarks.figures.replay import plot_replay
from seqaudit.benchmarks.figures.style import finish, handles_of, legend_beside, new_figure, save

PROBLEM = sa.Problem([0.5, 0.62, 0.75], 5, weight=[1.0, 1.5, 2.0])
POLICIES = ["kg", "round-robin", "uniform", "variance-reduction"]
VOTES = sa.LabelSet.from_pools({"x": [1, 1, 0, 1], "y": [0, 0, 1, 0], "z": [1, 0, 1, 0], "u": [1, 1, 1]})
HEADLESS = """
import pickle
import sys
from pathlib import Path
from seqaudit.benchmarks.figures.comparison import plot_comparison
from seqaudit.benchmarks.figures.replay import plot_replay
table, result = pickle.loads(Path("data.pickle").read_bytes())
plot_comparison(table, "comparison.png")
plot_replay(result, "replay.png")
assert "matplotlib.pyplot" not in sys.modules
"""


def pixels(path: Path) -> np.ndarray:
    assert path.read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"
    return matplotlib.image.imread(path)[:, :, :3]


def assert_looks_like_a_figure(path: Path, height: tuple[int, int], width: tuple[int, int]) -> None:
    image = pixels(path)
    assert height[0] <= image.shape[0] <= height[1]
    assert width[0] <= image.shape[1] <= width[1]
    inked = (image < 0.9).any(axis=2)
    assert 0.005 < inked.mean() < 0.9
    assert not inked[[0, -1]].any(), "nothing runs over the upper or lower edge"
    assert not inked[:, [0, -1]].any(), "nothing runs over the left or right edge"


@pytest.fixture(scope="module")
def table():
    return sa.compare(PROBLEM, POLICIES)


@pytest.fixture(scope="module")
def result():
    return sa.replay(VOTES, POLICIES, budget=12, seed=7, replications=4)


def test_comparison_is_written_as_a_png_of_sensible_size(table, tmp_path):
    plot_comparison(table, tmp_path / "figure.png", "3 items, 5 labels, utility accuracy")
    assert_looks_like_a_figure(tmp_path / "figure.png", (300, 900), (900, 1600))


def test_replay_is_written_as_a_png_of_sensible_size(result, tmp_path):
    plot_replay(result, tmp_path / "figure.png", "votes.csv: 4 items")
    assert_looks_like_a_figure(tmp_path / "figure.png", (500, 1200), (1500, 3000))


def test_bars_are_the_shares_and_stand_in_the_order_of_the_table(table, figures, tmp_path):
    plot_comparison(table, tmp_path / "figure.png", "title")
    (axes,) = figures[0].axes
    policies = table[table["kind"] == "policy"]
    from_above = sorted(axes.patches, key=lambda bar: -bar.get_y())
    assert [bar.get_width() for bar in from_above] == pytest.approx(list(100 * policies["share"]), rel=1e-12)
    names = [text.get_text() for text in axes.get_yticklabels()]
    assert names[::-1] == list(policies["policy"])
    assert {text.get_text() for text in axes.texts} == {f"{100 * share:.1f}" for share in policies["share"]}
    lines = {line.get_label(): line.get_xdata()[0] for line in axes.lines}
    bound = table.set_index("policy").loc["lagrangian bound", "share"]
    assert lines == pytest.approx({"exact optimum": 100.0, "Lagrangian bound": 100 * bound})
    low, high = axes.get_xlim()
    assert low <= 0
    assert high > 100 * bound
    assert axes.get_title() == "title"


def test_curves_are_the_means_over_replications(result, figures, tmp_path):
    plot_replay(result, tmp_path / "figure.png", "title")
    accuracy, decisive, override = figures[0].axes
    for axes, metric in ((accuracy, "decision_accuracy"), (decisive, "decisive_05"), (override, "override_error")):
        assert {line.get_label() for line in axes.lines} == set(POLICIES)
        for line in axes.lines:
            values = result[metric].sel(policy=line.get_label())
            assert np.array_equal(line.get_xdata(), result["labels"])
            assert line.get_ydata() == pytest.approx(values.values.mean(axis=0), rel=1e-12)
    final = [line.get_ydata()[-1] for line in accuracy.lines]
    assert final == sorted(final, reverse=True), "the legend begins with the best"
    looks = {(line.get_color(), line.get_linestyle()) for line in accuracy.lines}
    assert len(looks) == len(POLICIES)
    (legend,) = figures[0].legends
    assert [text.get_text() for text in legend.get_texts()] == [line.get_label() for line in accuracy.lines]


def test_bands_are_one_standard_error_to_either_side(result, figures, tmp_path):
    plot_replay(result, tmp_path / "figure.png")
    axes = figures[0].axes[0]
    for line, band in zip(axes.lines, axes.collections, strict=True):
        values = result["decision_accuracy"].sel(policy=line.get_label()).values
        error = values.std(axis=0, ddof=1) / np.sqrt(4)
        mean = values.mean(axis=0)
        corners = band.get_paths()[0].vertices
        assert corners[:, 1].min() == pytest.approx((mean - error).min(), abs=1e-12)
        assert corners[:, 1].max() == pytest.approx((mean + error).max(), abs=1e-12)


def test_many_policies_make_a_taller_comparison(table, figures, tmp_path):
    one = table[table["policy"] == "kg"]
    many = pd.concat([table, *[one.assign(policy=f"kg(depth={k})") for k in range(14)]], ignore_index=True)
    plot_comparison(table, tmp_path / "few.png")
    plot_comparison(many, tmp_path / "many.png")
    few, tall = figures
    assert tall.get_figheight() > 2 * few.get_figheight()
    assert tall.get_figwidth() == few.get_figwidth()
    assert len(tall.axes[0].get_yticklabels()) == 18


def test_sixteen_curves_all_look_different(result, figures, tmp_path):
    names = [f"policy {k:02d}" for k in range(16)]
    many = xr.concat([result.isel(policy=[0]).assign_coords(policy=[name]) for name in names], dim="policy")
    plot_replay(many, tmp_path / "figure.png")
    looks = [(line.get_color(), line.get_linestyle()) for line in figures[0].axes[0].lines]
    assert len(set(looks)) == len(looks) == 16
    assert all(one[0] != other[0] for one, other in pairwise(looks))


def test_one_policy_and_one_replication_are_enough(tmp_path):
    plot_replay(sa.replay(VOTES, ["kg"], budget=1, seed=7, replications=1), tmp_path / "replay.png")
    assert_looks_like_a_figure(tmp_path / "replay.png", (500, 1200), (1500, 3000))
    plot_comparison(sa.compare(PROBLEM, ["kg"]), tmp_path / "comparison.png")
    assert_looks_like_a_figure(tmp_path / "comparison.png", (200, 900), (900, 1600))


def test_one_replication_has_no_band(result, figures, tmp_path):
    plot_replay(result.isel(replication=[0]), tmp_path / "replay.png")
    plot_replay(result, tmp_path / "replay.png")
    one, four = figures
    assert [len(axes.collections) for axes in one.axes] == [0, 0, 0]
    assert [len(axes.collections) for axes in four.axes] == [4, 4, 4]


def test_shares_that_are_not_a_number_are_no_obstacle(tmp_path):
    table = sa.compare(sa.Problem([0.4, 0.6], 3, utility="linear"), POLICIES)
    assert table["share"].isna().all()
    plot_comparison(table, tmp_path / "figure.png", "linear")
    assert_looks_like_a_figure(tmp_path / "figure.png", (300, 900), (900, 1600))


def test_policy_that_loses_against_no_labels_is_shown_below_zero(table, figures, tmp_path):
    # Decisive is not convex: labels can do harm.
    worse = table.assign(share=table["share"].where(table["policy"] != "kg", -0.4))
    plot_comparison(worse, tmp_path / "figure.png")
    (axes,) = figures[0].axes
    assert min(bar.get_width() for bar in axes.patches) == pytest.approx(-40)
    assert axes.get_xlim()[0] < -40


def test_global_state_of_matplotlib_is_left_alone(table, result, tmp_path):
    import matplotlib
    from matplotlib import _pylab_helpers

    settings, managers = dict(matplotlib.rcParams), dict(_pylab_helpers.Gcf.figs)
    plot_comparison(table, tmp_path / "comparison.png")
    plot_replay(result, tmp_path / "replay.png")
    assert dict(matplotlib.rcParams) == settings
    assert dict(_pylab_helpers.Gcf.figs) == managers


def test_figures_are_drawn_without_a_display_and_without_pyplot(table, result, tmp_path):
    """A backend that needs a display is asked for, and would fail if anything asked for a backend."""
    (tmp_path / "data.pickle").write_bytes(pickle.dumps((table, result)))
    environment = {key: value for key, value in os.environ.items() if key not in ("DISPLAY", "WAYLAND_DISPLAY")}
    done = subprocess.run(
        [sys.executable, "-c", HEADLESS],
        cwd=tmp_path,
        env=environment | {"MPLBACKEND": "TkAgg"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert pixels(tmp_path / "comparison.png").size
    assert pixels(tmp_path / "replay.png").size


NAMES = ["$a_{", "$x^{$", r"a\$b$c$", "n" * 700, "two\nlines", "\x1b[31m$$", "$1 and $2", "plain"]


def test_names_are_drawn_as_they_are_whatever_they_hold(tmp_path):
    figure = new_figure(12, 6)
    axes = figure.subplots()
    for k, name in enumerate(NAMES):
        axes.plot([0, 1], [k, k], label=name)
    axes.set_yticks(range(len(NAMES)), NAMES)
    axes.set_xlabel(NAMES[1])
    finish(axes, NAMES[0])
    legend_beside(figure, handles_of(axes), NAMES[1])
    for _ in range(2):
        save(figure, tmp_path / "figure.png", NAMES[2])
    assert_looks_like_a_figure(tmp_path / "figure.png", (850, 950), (1750, 1850))
    drawn = [text.get_text() for text in (*axes.get_yticklabels(), *figure.legends[0].get_texts(), axes.title)]
    # Without a dollar sign that is not escaped, nothing is taken for a formula.
    assert not any(re.search(r"(?<!\\)\$", text) for text in drawn)
    assert [text.replace(r"\$", "$") for text in drawn[-2:]] == ["plain", "$a_{"]
    assert max(map(len, drawn)) <= 70
