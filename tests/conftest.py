"""Set-up that all tests share.

One Hypothesis profile, with the same examples in every run, so that a failure is a failure everywhere; and figures that
are looked at in place of files.
"""

from __future__ import annotations

import pytest
from hypothesis import settings

settings.register_profile("reproducible", derandomize=True, deadline=None, max_examples=50)
# For relations between problems, of which half this number are drawn: pytest --hypothesis-profile=many.
settings.register_profile("many", deadline=None, max_examples=1000)
settings.load_profile("reproducible")


@pytest.fixture
def figures(monkeypatch, tmp_path):
    """Figures, in place of files, which are empty."""
    from matplotlib.figure import Figure

    saved: list[Figure] = []
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(Figure, "savefig", lambda self, *_, **__: saved.append(self))
    return saved
