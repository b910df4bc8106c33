"""The figure of docs/exact.md: the command draws it, as it stands beside the page, without a display."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import matplotlib.image
import numpy as np
import pytest
from exact_layout import draw_layout, main
from matplotlib.figure import Figure

DRAWN = Path(__file__).resolve().parents[2] / "docs" / "exact.png"
SCRIPT = Path(__file__).resolve().parents[2] / "docs" / "figures" / "exact_layout.py"
SHOWN = f"import runpy, sys; runpy.run_path({str(SCRIPT)!r}); assert 'matplotlib' not in sys.modules"


def pixels(path: Path) -> np.ndarray:
    assert path.read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"
    return matplotlib.image.imread(path)[:, :, :3]


@pytest.mark.smoke
def test_command_writes_the_figure_of_the_page(tmp_path):
    main([str(tmp_path / "layout.png")])
    image = pixels(tmp_path / "layout.png")
    height, width = image.shape[:2]
    assert 600 < height < 1200
    assert 1500 < width < 3000
    assert image.shape == pixels(DRAWN).shape
    inked = (image < 0.9).any(axis=2)
    # Each panel shows something, and nothing runs over an edge.
    for part in np.array_split(inked, 3, axis=1):
        assert 0.01 < part.mean() < 0.9
    assert not inked[[0, -1]].any()
    assert not inked[:, [0, -1]].any()
    assert [path.name for path in tmp_path.iterdir()] == ["layout.png"]


def test_command_without_a_file_name_says_what_is_missing(capsys):
    with pytest.raises(SystemExit) as stop:
        main([])
    assert stop.value.code == 2
    assert "OUT.png" in capsys.readouterr().err


def test_module_loads_without_matplotlib():
    environment = os.environ | {"MPLBACKEND": "TkAgg"}
    subprocess.run([sys.executable, "-c", SHOWN], check=True, env=environment, timeout=120)


@pytest.fixture(scope="module")
def panels(tmp_path_factory):
    """The three axes, in place of a file."""
    saved: list[Figure] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Figure, "savefig", lambda self, *_, **__: saved.append(self))
        draw_layout(tmp_path_factory.mktemp("figure") / "layout.png")
    return saved[0].axes


def test_cells_of_memory_are_the_blocks_of_two_layers(panels):
    """Slots 0 and 1 hold layer 3, the others layer 4; win vectors stand in the order in which they are stored."""
    rows: dict[float, list[str]] = {}
    for text in panels[0].texts:
        if text.get_text().isdigit():
            rows.setdefault(text.get_position()[1], []).append(text.get_text())
    counts = [(3, 0), (2, 1), (2, 2), (1, 3), (0, 4)]
    assert list(rows.values()) == [[f"{w}{v}" for w in range(n + 1) for v in range(k + 1)] for n, k in counts]


def test_curves_of_states_fall_with_every_reduction(panels):
    ten, alike, of_these, three, live = (line.get_ydata() for line in panels[2].lines)
    assert (ten > alike).all()
    assert (alike > of_these).all()
    assert (three > live).all()
    assert three[-1] == 470155077
    assert alike[-1] == 117030279
