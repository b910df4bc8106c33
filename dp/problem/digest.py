"""Digests of problems: equal problems have equal digests, in every process and whatever types they were stated in."""

from __future__ import annotations

import hashlib
from dataclasses import fields
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ...posteriors.beliefs.asking import ask_at
from ...posteriors.beliefs.belief import Belief
from ...posteriors.beliefs.registry import BELIEFS
from ...posteriors.foundation.arrays import Floats, Ints
from ...posteriors.foundation.canonical import canonical
from ...posteriors.utilities import UTILITIES, Custom, Utility

if TYPE_CHECKING:
    from .problem import Problem

__all__ = ["DIGEST_VERSION", "digest_of", "is_digest_of"]

# What is hashed, and how; a new field of a problem is a new version.
DIGEST_VERSION = 2
# A formula of a user enters by what it gives at so many evenly spaced tails, and in so many states.
_TAILS, _STATES, _STATED = 2**16 + 1, 2**14, 2**6 + 1


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
            content.update(canonical(_beliefs(problem, value)).encode())
    return content.hexdigest()


def is_digest_of(problem: Problem, found: Any, version: int) -> bool:
    """True if a digest of that version, read from a file, is the problem's.

    The first version knew no stopping, so that nothing in it is about a problem in which stopping can be better.
    """
    if version == 1:
        return not problem.may_stop and bool(found == _first_version(problem))
    return bool(found == digest_of(problem))


def _beliefs(problem: Problem, value: Any) -> Any:
    """Kinds and parameters of beliefs, and the tables of those whose formulas are not the package's own."""
    if not isinstance(value, tuple) or not all(isinstance(x, Belief) for x in value):
        return value
    found: list[Any] = [x.as_dict() for x in value]
    own: dict[Belief, list[int]] = {}
    for i, belief in enumerate(value):
        if type(belief) not in BELIEFS.built_in:
            own.setdefault(belief, []).append(i)
    labels, wins = _first_states(problem)
    inside = np.clip(problem.threshold, np.nextafter(0.0, 1.0), np.nextafter(1.0, 0.0))
    with np.errstate(over="ignore", under="ignore"):
        for belief, items in own.items():
            tables = ask_at(belief, labels[:, items], wins[:, items], inside[items])
            found.append([items, *(_single(x).tobytes().hex() for x in tables)])
    return found


def _utility(problem: Problem, utility: Utility) -> bytes:
    """Name and parameters of a utility, and the payoffs of one whose formula is not the package's own."""
    if type(utility) in UTILITIES.built_in:
        return canonical(utility.as_dict()).encode()
    compared = {field.name: getattr(utility, field.name) for field in fields(utility) if field.compare}
    stated = utility.name if isinstance(utility, Custom) else {"name": utility.name} | compared
    tails = np.concatenate([np.linspace(0.0, 1.0, _TAILS), problem.tail_at(*_first_states(problem)).ravel()])
    with np.errstate(over="ignore", under="ignore"):
        payoffs = utility(tails)
        # Relative to what most of them differ by: a constant, a unit, or the payoff of a tail that is never reached may
        # be far larger or smaller than what matters.
        low, high = np.quantile(payoffs, (0.01, 0.99), method="lower").tolist()
        spread = high - low or float(np.ptp(payoffs)) or 1.0
        told = f"{spread:.5e} {round(low / spread, 9) + 0.0:.12g} {round(float(utility.accept_above()), 9)} "
        relative = _single(np.round((payoffs - low) / spread, 7)).tobytes()
        return (canonical(stated) + told).encode() + relative + _decisions(utility, spread)


def _decisions(utility: Utility, spread: float) -> bytes:
    """Decisions and their payoffs, of a utility whose formulas are not the package's own."""
    tails = np.linspace(0.0, 1.0, _STATED)
    decided = np.packbits(utility.decide(tails)).tobytes()
    try:
        paid = utility.score(tails[:, None], tails)
    except (TypeError, ValueError):
        return decided
    return decided + _single(np.round(paid / spread, 6)).tobytes()


def _single(values: Floats) -> NDArray[np.float32]:
    """In single precision: the last digits of a logarithm differ between machines."""
    return (values + 0.0).astype("<f4")


def _first_states(problem: Problem) -> tuple[Ints, Ints]:
    """Labels and wins of all items in their first states, as many as there is room for, shape (S, N)."""
    most = int((np.sqrt(1 + 8 * _STATES / problem.size) - 3) / 2)
    n, w = np.tril_indices(1 + max(0, min(most, int(problem.cap.max()))))
    labels = np.minimum(n[:, None], problem.cap)
    return labels, np.minimum(w[:, None], labels)


def _first_version(problem: Problem) -> str:
    """Digest as the first version of saved policies and sessions has it: it depends on types, and not on a callable."""
    utility = problem.utility.name if isinstance(problem.utility, Custom) else repr(problem.utility)
    plain_fields = (problem.budget, problem.name, problem.beta, utility, problem.quota, problem.batch)
    content = hashlib.sha256(repr(plain_fields).encode())
    for key in ("threshold", "weight", "cap", "log_ratio", "cost", "reward"):
        content.update(getattr(problem, key).tobytes())
    content.update(problem.prior.tobytes() if isinstance(problem.prior, np.ndarray) else repr(problem.prior).encode())
    return content.hexdigest()
