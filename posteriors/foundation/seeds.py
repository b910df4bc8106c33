"""Random seeds: whole numbers, seed sequences and generators, converted to a seed sequence."""

from __future__ import annotations

import numpy as np

from .messages import shown
from .refusals import whole_or_none

__all__ = ["Seed", "generator_of", "seed_sequence"]

Seed = int | np.random.SeedSequence | np.random.Generator


def seed_sequence(seed: Seed) -> np.random.SeedSequence:
    """Seed sequence of a seed, from which nothing has been spawned yet.

    A ``SeedSequence`` is copied, because spawning changes its state; so the same one gives the same results twice. A
    ``Generator`` is a stream: its state advances at each call.

    Raises
    ------
    ValueError
        For a value that is not a seed, and for a whole number below 0.

    Examples
    --------
    >>> seed_sequence(7).entropy
    7
    >>> seed_sequence(-1)
    Traceback (most recent call last):
    ValueError: seed is -1; it must be a whole number, at least 0, a SeedSequence or a Generator
    """
    if isinstance(seed, np.random.SeedSequence):
        return np.random.SeedSequence(entropy=seed.entropy, spawn_key=seed.spawn_key, pool_size=seed.pool_size)
    number = int(seed.integers(2**63)) if isinstance(seed, np.random.Generator) else whole_or_none(seed)
    if number is None or number < 0:
        allowed = "a whole number, at least 0, a SeedSequence or a Generator"
        raise ValueError(f"seed is {shown(seed)}; it must be {allowed}")
    return np.random.SeedSequence(number)


def generator_of(seed: Seed) -> np.random.Generator:
    """Generator of a seed: the generator itself if it is one, or else a new one.

    Raises
    ------
    ValueError
        As for ``seed_sequence``.
    """
    return seed if isinstance(seed, np.random.Generator) else np.random.default_rng(seed_sequence(seed))
