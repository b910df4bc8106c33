"""The figure and the table of docs/headroom.md, drawn from a small run of the same form."""

from __future__ import annotations

from importlib.resources import as_file, files
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from headroom import draw_headroom, headroom, main, text_of

import seqaudit as sa

PAGE = Path(__file__).resolve().parents[2] / "docs" / "headroom.md"
NAMES = ["base", "spread 0.25", "spread 3", "weights equal", "weights 2", "prior 0.5, 0.5", "prior 4, 4"]
NAMES += ["items 4", "items 200"]


def table() -> pd.DataFrame:
    """Gains of two policies on two draws of each problem."""
    rows = []
    for name in NAMES:
        for draw in (1, 2):
            for labels in (0.5, 2.0):
                gains = {"round-robin": 0.4 + 0.1 * draw, "kg": 0.9 - 0.1 * draw, "uniform": 0.3}
                for policy, gain in gains.items():
                    environment = f"{name} {draw}, labels_per_item={labels:g}"
                    row = {"environment": environment, "axis.labels_per_item": labels, "policy": policy}
                    rows.append(row | {"gain": gain, "gain_se": 0.02})
    return pd.DataFrame(rows)


def test_headroom_is_what_round_robin_leaves():
    found = headroom(table())
    assert found["problem"].unique().tolist() == NAMES
    assert len(found) == 2 * len(NAMES)
    # Gains of .5 and .6, and best ones of .8 and .7.
    assert found["most"].tolist() == pytest.approx([0.45] * len(found))
    assert found["attained"].tolist() == pytest.approx([0.2] * len(found))
    assert found["error"].tolist() == pytest.approx([0.02 / np.sqrt(2)] * len(found))
    assert text_of(found).splitlines()[2:4] == ["| base | 20-45 | 20-45 |", "| spread 0.25 | 20-45 | 20-45 |"]


def test_study_that_is_shipped_has_the_problems_of_the_figure(figures, tmp_path):
    with as_file(files("seqaudit.benchmarks.studies") / "headroom.toml") as path:
        study = sa.read_study(path)
    assert {x.source.name.rpartition(" ")[0] for x in study.environments} == set(NAMES)
    draw_headroom(headroom(table()), tmp_path / "headroom.png")
    (figure,) = figures
    assert [axes.get_title() for axes in figure.axes] == [
        "spread of log-ratios",
        "spread of log-weights",
        "prior",
        "items",
    ]
    for axes in figure.axes:
        assert len(axes.lines) == 3
        for line in axes.lines:
            assert line.get_ydata().tolist() == pytest.approx([45.0, 45.0])


def test_script_prints_the_rows_of_a_run(figures, tmp_path, capsys):
    generated = {"generator": "log-ratios", "count": 2, "items": 3, "labels_per_item": 1}
    problems = [{"name": name, **generated} for name in NAMES]
    fields = {"replications": 2, "policies": ["round-robin", "kg"], "metrics": ["decision-accuracy"]}
    study = sa.make_study(fields | {"problem": problems, "cross": {"labels_per_item": [1, 2]}})
    main([str(sa.run_study(study, tmp_path / "run")), str(tmp_path / "headroom.png")])
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(" | ")[0] for line in lines[2:11]] == [f"| {name}" for name in NAMES]
    assert lines[-1].startswith("Standard errors of the most are at most ")


def test_page_has_every_problem():
    text = PAGE.read_text(encoding="utf-8")
    assert all(f"| {name} | " in text for name in NAMES)
