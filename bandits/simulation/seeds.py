"""One key for each replication, so that results do not depend on the division of work."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ...posteriors.foundation.memory import how_many_fit
from ...posteriors.foundation.seeds import Seed, seed_sequence

__all__ = ["replication_keys"]


# A seed and its key, as Python objects: 384 bytes by tracemalloc, and some for the results.
_BYTES_A_REPLICATION = 500


def replication_keys(seed: Seed, replications: int) -> tuple[list[np.random.SeedSequence], NDArray[np.uint64]]:
    """Independent seed and Philox key (R, 2) of each replication; the r-th is the same for any number of them.

    See ``seed_sequence``.

    Raises
    ------
    ValueError
        For more replications than fit in memory.
    """
    most = how_many_fit(_BYTES_A_REPLICATION)
    if replications > most:
        raise ValueError(f"replications is {replications}; {most} fit in the memory available")
    children = seed_sequence(seed).spawn(replications)
    return children, np.array([c.generate_state(2, np.uint64) for c in children]).reshape(replications, 2)
