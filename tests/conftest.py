"""Set-up that all tests share.

One Hypothesis profile, with the same examples in every run, so that a failure is a failure everywhere; and figures that
are looked at in place of files.
"""

from __future__ import annotations

import gc

import pytest
from hypothesis import settings

settings.register_profile("reproducible", derandomize=True, deadline=None, max_examples=50)
# For relations between problems, of which half this number are drawn: pytest --hypothesis-profile=many.
settings.register_profile("many", deadline=None, max_examples=1000)
settings.load_profile("reproducible")


# Files whose tests take longest: where files go to worker processes whole, none of these must come last. The first one
# looks at all that a process has compiled, and other tests call kernels with arrays of their own.
LONG = (
    "test_evaluate",
    *("test_docs", "test_run_study", "test_executors", "test_commands", "test_speed", "test_rater_skill", "test_sbc"),
    *("test_studies_command", "test_saved_work", "test_reductions", "test_policy_files"),
    *("test_grouped", "test_rater_bias", "test_curve", "test_session", "test_constraints", "test_interrupt"),
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Have the longest files first; with ``--no-loadscope-reorder`` they stay there."""
    rank = {name: k for k, name in enumerate(LONG)}
    items.sort(key=lambda item: rank.get(item.path.stem, len(LONG)))


def pytest_collection_finish() -> None:
    """Have Python not look for cycles among the tests, which stay to the end: a tenth of the time goes into it."""
    gc.collect()
    gc.freeze()


@pytest.fixture
def figures(monkeypatch, tmp_path):
    """Figures, in place of files, which are empty."""
    from matplotlib.figure import Figure

    saved: list[Figure] = []
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(Figure, "savefig", lambda self, *_, **__: saved.append(self))
    return saved
