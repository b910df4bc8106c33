"""What functions that draw take as their seed."""

from __future__ import annotations

import numpy as np

__all__ = ["Seed"]

Seed = int | np.random.SeedSequence | np.random.Generator
