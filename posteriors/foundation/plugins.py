"""Calls of objects that users plug in: policies, beliefs, utilities, and callables.

Such an object is shown read-only views of the engine's arrays, what it returns is checked before it is used, and an
error that it raises gets a note with the object, its module and the line.
"""

from __future__ import annotations

import pickle
from types import TracebackType
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from .arrays import Floats

__all__ = ["calling", "origin", "portable", "read_only", "real_array", "source_of", "text_of", "wrote_into"]

_HERE = __name__.partition(".")[0]
_RAISED = "raised in "
_LONGEST = 120


def read_only[Kind: np.generic](array: NDArray[Kind]) -> NDArray[Kind]:
    """View of an array through which it cannot be written.

    Examples
    --------
    >>> read_only(np.zeros(2))[0] = 1.0
    Traceback (most recent call last):
    ValueError: assignment destination is read-only
    """
    view = array.view()
    view.setflags(write=False)
    return view


def wrote_into(error: BaseException) -> bool:
    """True for the error of NumPy on writing into a read-only array."""
    return isinstance(error, ValueError) and "read-only" in str(error)


def real_array(what: str, given: Any) -> Floats:
    """Array of float64 with the real numbers that a plugged-in object returned, a copy.

    Parameters
    ----------
    what : str
        Start of the message on anything else.
    given : object

    Returns
    -------
    ndarray of float64
        Of the shape of `given`, in C order as kernels expect it.

    Raises
    ------
    ValueError
        For complex numbers, text, objects, nested lists of unequal lengths, and arrays with masked entries.

    Examples
    --------
    >>> real_array("kg: index", [1, 2.5])
    array([1. , 2.5])
    >>> real_array("kg: index", 1j)
    Traceback (most recent call last):
    ValueError: kg: index is of type complex128; it must be real numbers
    """
    try:
        array = np.asarray(given)
    except (TypeError, ValueError):
        raise ValueError(f"{what} is of type {type(given).__name__}; it must be an array of real numbers") from None
    if array.dtype.kind not in "biuf":
        raise ValueError(f"{what} is of type {array.dtype}; it must be real numbers")
    if isinstance(given, np.ma.MaskedArray) and np.ma.is_masked(given):
        raise ValueError(f"{what} has masked entries; it must be real numbers")
    # A copy: the object may keep the array, and write into it later. A kernel expects one in C order.
    return np.array(array, dtype=np.float64, order="C")


class calling:
    """Context of a call of a plugged-in object: its errors get a note that says where they come from.

    Errors of objects of this package, and the interrupt of a user, get none.

    Parameters
    ----------
    kind : str
        Kind of object, such as ``"policy"``.
    owner : object
    method : str
        Name of the method; empty for a function.

    Examples
    --------
    >>> import math
    >>> try:
    ...     with calling("utility", math.sqrt, ""):
    ...         math.sqrt(-1)
    ... except ValueError as error:
    ...     print(source_of(error))  # doctest: +ELLIPSIS
    utility math:sqrt (..., line 3)
    """

    __slots__ = ("kind", "method", "owner")

    def __init__(self, kind: str, owner: object, method: str) -> None:
        self.kind, self.owner, self.method = kind, owner, method

    def __enter__(self) -> Self:
        """Begin the call."""
        return self

    def __exit__(self, kind: object, error: BaseException | None, trace: TracebackType | None) -> None:
        """Add the note, unless an inner call has added one."""
        if isinstance(error, BaseException) and not isinstance(error, KeyboardInterrupt) and source_of(error) is None:
            module, name = origin(self.owner)
            root = module.partition(".")[0]
            if root != _HERE:
                called = f"{self.kind} {module}:{name}{self.method and '.'}{self.method}"
                note = f"{_RAISED}{called}{_place(trace, root)}"
                error.add_note(note)
                if isinstance(error, StopIteration) or not isinstance(error, (Exception, SystemExit)):
                    # It would end the generator that made the call, without a word, or pass for a wish to end.
                    stopped = RuntimeError(f"raised {type(error).__name__}")
                    stopped.add_note(note)
                    raise stopped from error


def origin(owner: object) -> tuple[str, str]:
    """Module and qualified name of a function or class, or of the class of another object."""
    named = owner if isinstance(getattr(owner, "__qualname__", None), str) else type(owner)
    return str(getattr(named, "__module__", None)), str(getattr(named, "__qualname__", type(owner).__name__))


def source_of(error: BaseException) -> str | None:
    """Plugged-in object that raised an error, with its module, file and line; None for an error of this package."""
    for note in getattr(error, "__notes__", ()):
        if isinstance(note, str) and note.startswith(_RAISED):
            return note.removeprefix(_RAISED)
    return None


def portable(error: BaseException) -> BaseException:
    """An error as it is if it can be pickled and restored, as from a worker process, else one with the same message."""
    try:
        if type(pickle.loads(pickle.dumps(error))) is type(error):
            return error
    except Exception:
        pass
    copy = RuntimeError(f"{type(error).__name__}: {error}")
    for note in getattr(error, "__notes__", ()):
        copy.add_note(note)
    return copy


def text_of(value: object) -> str:
    """``repr`` of a value, cut where it is long, or its type where ``repr`` fails."""
    try:
        text = repr(value)
        return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."
    except Exception as error:
        return f"<{type(value).__name__}, whose repr raises {type(error).__name__}>"


def _place(trace: TracebackType | None, root: str) -> str:
    """File and line of the innermost call in a package, or of the innermost one of all."""
    found = last = ""
    while trace is not None:
        code = trace.tb_frame.f_code
        last = f" ({code.co_filename}, line {trace.tb_lineno})"
        if str(trace.tb_frame.f_globals.get("__name__")).partition(".")[0] == root:
            found = last
        trace = trace.tb_next
    return found or last
