"""Errors and warnings that plugged-in objects cause, each in one line that names the object."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO

from ...bandits.registry import POLICIES
from ...posteriors.beliefs.registry import BELIEFS
from ...posteriors.foundation.messages import lines_of
from ...posteriors.foundation.plugins import origin, source_of
from ...posteriors.raters.registry import RATER_MODELS
from ...posteriors.utilities import UTILITIES

__all__ = ["naming_plugins"]


@contextmanager
def naming_plugins() -> Iterator[None]:
    """Turn an error raised by a plugged-in object into a ``ValueError`` that names it, and each warning into one note.

    ``sys.exit`` in such an object is an error too. The original error is the cause of the new one.
    """
    with warnings.catch_warnings():
        warnings.showwarning = _note
        try:
            yield
        except (Exception, SystemExit) as error:
            source = source_of(error) or _place(error)
            if source is None:
                raise
            what = f"raised {type(error).__name__}: {error}"
            if isinstance(error, SystemExit):
                what = f"called sys.exit({error})"
            raise ValueError(f"{source} {what}; --debug shows the traceback") from error


def _note(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,
    line: str | None = None,
) -> None:
    (told,) = lines_of([str(message)], "note")
    print(f"note: {told}", file=sys.stderr)


def _place(error: BaseException) -> str | None:
    """Module and line of the innermost call in a package that registers classes; None where there is none."""
    registries = (POLICIES, BELIEFS, UTILITIES, RATER_MODELS)
    roots = {origin(cls)[0].partition(".")[0] for registry in registries for cls in registry.offered}
    found, trace = None, error.__traceback__
    while trace is not None:
        module = str(trace.tb_frame.f_globals.get("__name__"))
        if module.partition(".")[0] in roots:
            code = trace.tb_frame.f_code
            found = f"{module}:{code.co_qualname} ({code.co_filename}, line {trace.tb_lineno})"
        trace = trace.tb_next
    return found
