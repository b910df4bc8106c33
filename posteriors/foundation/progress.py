"""Progress of long work: passed on to a function of the caller's, or shown on standard error."""

from __future__ import annotations

import sys
from collections.abc import Callable

from .kinds import WrongKind
from .messages import shown

__all__ = ["Progress", "progress_of"]

Progress = Callable[[int, int], object]

# Parts in which progress is shown: on a terminal in one line, elsewhere as a line each.
_ON_TERMINAL, _IN_LINES = 100, 10


def progress_of(progress: Progress | bool | None, what: str) -> Progress | None:
    """Function to call with the steps done and the steps in all; None where nobody is to be told.

    Parameters
    ----------
    progress : callable, bool or None
        True shows percentages on standard error.
    what : str
        Word for the work, such as "solving".

    Returns
    -------
    callable or None

    Raises
    ------
    WrongKind
        For anything else.

    Examples
    --------
    >>> progress_of(None, "solving") is progress_of(False, "solving") is None
    True
    >>> progress_of(print, "solving")(3, 4)
    3 4
    """
    if progress is None or progress is False:
        return None
    if progress is True:
        return _shown(what)
    if not callable(progress):
        allowed = "True, False or a function of the steps done and the steps in all"
        raise WrongKind(f"progress is {shown(progress)}; it must be {allowed}")
    return progress


def _shown(what: str) -> Progress:
    terminal = sys.stderr.isatty()
    parts = _ON_TERMINAL if terminal else _IN_LINES
    told = -1

    def step(done: int, total: int) -> None:
        nonlocal told
        part = parts * done // max(total, 1)
        if part > told:
            told = part
            text = f"{what}: {100 * part // parts} %"
            end = "\n" if not terminal or part >= parts else ""
            print(f"\r{text}" if terminal else text, end=end, file=sys.stderr, flush=True)

    return step
