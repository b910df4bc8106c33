"""Lines that tell a user why a command failed.

A refusal, raised by the package for what it was given, is told in its own words; one with ``faults`` has a line for
each. All else is told with its type and the place in the code. Errors of the kinds that only wrong code raises are
called bugs.
"""

from __future__ import annotations

import os
import re
import traceback
from pathlib import Path

import typer

from ...posteriors.foundation.messages import cut, first_line, lines_of

__all__ = ["failure_lines", "wants_traceback"]

_ROOT = Path(__file__).parents[2]
# Raised by the interpreter for code that is wrong, whatever the input.
_BUGS = (AssertionError, AttributeError, LookupError, NameError, NotImplementedError, TypeError)
_REMOTE_FRAME = re.compile(r'^  File "([^"\n]*)", line (\d+), in .*\n(.*)', re.MULTILINE)
_LONGEST_MESSAGE = 160
_UNPARSED = re.compile(r"Input should be a valid (number|integer), unable to parse string as an? \w+")
_KINDS = {"number": "a number", "integer": "a whole number"}


def wants_traceback(arguments: list[str]) -> bool:
    """Remove ``--debug`` from the arguments; True if it was there, or if the variable SEQAUDIT_DEBUG is set."""
    end = arguments.index("--") if "--" in arguments else len(arguments)
    debug = "--debug" in arguments[:end]
    arguments[:end] = [x for x in arguments[:end] if x != "--debug"]
    return debug or os.environ.get("SEQAUDIT_DEBUG", "") not in ("", "0")


def failure_lines(error: Exception) -> list[str]:
    """Lines for an error that ended a command, each short enough to be read."""
    if isinstance(error, typer.TyperException):
        return lines_of([_usage(error)])
    if isinstance(error, OSError) and error.strerror:
        named = f"{error.filename}: " if error.filename is not None else ""
        return lines_of([f"{named}{error.strerror}"])
    frames = _frames(error)
    if _refused(error, frames):
        faults = getattr(error, "faults", None)
        if isinstance(faults, tuple) and faults:
            return lines_of(faults, count=getattr(error, "count", None))
        return lines_of([str(error) or type(error).__name__])
    where = _place(frames)
    told = cut(first_line(error), _LONGEST_MESSAGE)
    name = type(error).__name__
    if isinstance(error, MemoryError):
        detail = f" ({told})" if told != name else ""
        return lines_of([f"out of memory{detail}; take a smaller problem"])
    if isinstance(error, RecursionError):
        return lines_of([f"the input is nested too deeply{where}"])
    if isinstance(error, _BUGS):
        said = f"{name}: {told}" if told != name else name
        return lines_of([f"this is a bug in seqaudit: {said}{where}; --debug shows the traceback"])
    return lines_of([f"the command failed: {name}: {told}{where}; --debug shows the traceback"])


def _usage(error: typer.TyperException) -> str:
    """Message for a command line that is wrong."""
    return _UNPARSED.sub(lambda found: f"must be {_KINDS[found[1]]}", error.format_message())


def _frames(error: BaseException) -> list[tuple[str, int, str]]:
    """File, line and source of each call that led to an error, the innermost last, in its own process."""
    remote = str(error.__cause__) if type(error.__cause__).__name__ == "_RemoteTraceback" else ""
    found = [(file, int(line), source) for file, line, source in _REMOTE_FRAME.findall(remote)]
    return found or [(x.filename, x.lineno or 0, x.line or "") for x in traceback.extract_tb(error.__traceback__)]


def _refused(error: Exception, frames: list[tuple[str, int, str]]) -> bool:
    """True for an error that a ``raise`` statement of the package made."""
    if not frames:
        return True
    file, _, source = frames[-1]
    # Without the source code, which need not be installed, an error of the usual class counts as one.
    stated = source.lstrip().startswith("raise ") if source else isinstance(error, ValueError)
    return stated and _ROOT in Path(file).parents


def _place(frames: list[tuple[str, int, str]]) -> str:
    """Innermost place in the package, in brackets."""
    own = [(Path(file), line) for file, line, _ in frames if _ROOT in Path(file).parents]
    if not own:
        return ""
    file, line = own[-1]
    return f" ({file.relative_to(_ROOT).as_posix()}, line {line})"
