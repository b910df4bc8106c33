"""Limit on repetitions: refused before any work if memory cannot hold their results or a month does not suffice."""

from __future__ import annotations

from ...posteriors.foundation.memory import require_memory, too_large

__all__ = ["require_repeats"]

_DAY = 86_400.0
_MOST_DAYS = 30.0


def require_repeats(name: str, count: int, *, seconds: float, memory: float = 0.0) -> None:
    """Refuse a number of repetitions that cannot end.

    Parameters
    ----------
    name : str
        The repetitions, in the plural.
    count : int
    seconds : float
        Time of one repetition, in s: a lower bound on any machine, with all its cores.
    memory : float
        Memory of the result of one repetition, in bytes; a lower bound.

    Raises
    ------
    ProblemTooLarge

    Examples
    --------
    >>> try:
    ...     require_repeats("resamples", 10**13, seconds=1e-5)
    ... except ValueError as error:
    ...     print(error)
    problem too large for 10,000,000,000,000 resamples: they take at least 1.16e+03 days; give fewer resamples
    """
    fewer = f"give fewer {name}"
    # A whole number of hundreds of digits is beyond floating point.
    number = float(count) if count < 1e300 else float("inf")
    told = f"{count:,}" if number < 1e18 else f"{number:.3g}"
    if memory:
        require_memory(memory * number, what=f"{told} {name}", instead=fewer)
    days = seconds * number / _DAY
    if days > _MOST_DAYS:
        raise too_large(f"{told} {name}", f"they take at least {days:.3g} days", fewer)
