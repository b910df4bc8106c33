"""One Hypothesis profile for all tests: the same examples in every run, so that a failure is a failure everywhere."""

from __future__ import annotations

from hypothesis import settings

settings.register_profile("reproducible", derandomize=True, deadline=None, max_examples=50)
settings.load_profile("reproducible")
