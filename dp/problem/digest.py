"""Digests of problems: equal problems have equal digests, in every process and whatever types they were stated in."""

from __future__ import annotations

import hashlib
from dataclasses import fields
from typing import TYPE_CHECKING, Any

import numpy as np

from ...posteriors.beliefs.belief import Belief
from ...posteriors.foundation.arrays import Floats
from ...posteriors.foundation.canonical import canonical
from ...posteriors.utilities import Custom, Utility

if TYPE_CHECKING:
    from .problem import Problem

__all__ = ["DIGEST_VERSION", "digest_of", "is_digest_of"]

# What is hashed, and how; a new field of a problem is a new version.
DIGEST_VERSION = 2
# A callable utility enters by its payoffs at so many evenly spaced tails, and at those of so many states.
_TAILS, _STATES = 2**16 + 1, 2**14


def digest_of(problem: Problem) -> str:
    """Digest of a problem; see ``Problem.digest``."""
    content = hashlib.sha256(f"seqaudit problem {DIGEST_VERSION}".encode())
    for field in fields(problem):
        value = getattr(problem, field.name)
        content.update(f"\n{field.name}: ".encode())
        if isinstance(value, np.ndarray):
            # Minus zero is zero.
            content.update(repr(value.shape).encode() + np.ascontiguousarray(value + 0.0, dtype="<f8").tobytes())
        elif isinstance(value, Utility):
            content.update(_utility(problem, value))
        else:
            content.update(canonical(_beliefs(value)).encode())
    return content.hexdigest()


def is_digest_of(problem: Problem, found: Any, version: int) -> bool:
    """True if a digest of that version, read from a file, is the problem's.

    The first version knew no stopping, so that nothing in it is about a problem in which stopping can be better.
    """
    if version == 1:
        return not problem.may_stop and bool(found == _first_version(problem))
    return bool(found == digest_of(problem))


def _beliefs(value: Any) -> Any:
    every = isinstance(value, tuple) and all(isinstance(x, Belief) for x in value)
    return [x.as_dict() for x in value] if every else value


def _utility(problem: Problem, utility: Utility) -> bytes:
    """Name and parameters of a utility, or its payoffs if it cannot be written down."""
    try:
        return canonical(utility.as_dict()).encode()
    except (TypeError, ValueError):
        tails = np.concatenate([np.linspace(0.0, 1.0, _TAILS), _first_tails(problem)])
        with np.errstate(over="ignore", under="ignore"):
            # To single precision: the last digits of a logarithm differ between machines.
            payoffs = (utility(tails) + 0.0).astype("<f4")
        return canonical(utility.name).encode() + payoffs.tobytes()


def _first_tails(problem: Problem) -> Floats:
    """Tail probabilities of all items after up to as many labels as there is room for."""
    most = int((np.sqrt(1 + 8 * _STATES / problem.size) - 3) / 2)
    n, w = np.tril_indices(1 + max(0, min(most, int(problem.cap.max()))))
    labels = np.minimum(n[:, None], problem.cap)
    return problem.tail_at(labels, np.minimum(w[:, None], labels)).ravel()


def _first_version(problem: Problem) -> str:
    """Digest as the first version of saved policies and sessions has it: it depends on types, and not on a callable."""
    utility = problem.utility.name if isinstance(problem.utility, Custom) else repr(problem.utility)
    plain_fields = (problem.budget, problem.name, problem.beta, utility, problem.quota, problem.batch)
    content = hashlib.sha256(repr(plain_fields).encode())
    for key in ("threshold", "weight", "cap", "log_ratio", "cost", "reward"):
        content.update(getattr(problem, key).tobytes())
    content.update(problem.prior.tobytes() if isinstance(problem.prior, np.ndarray) else repr(problem.prior).encode())
    return content.hexdigest()
