"""Objects of the wrong kind, such as None where a problem is wanted, refused by one rule."""

from __future__ import annotations

from typing import Any

from .refusals import shown

__all__ = ["WrongKind", "require_type"]


class WrongKind(TypeError, ValueError):
    """Error of an argument that is not the kind of object that is wanted.

    It is a ``TypeError``, as Python raises, and a ``ValueError``, like every other refusal of the package.
    """


def require_type(field: str, value: Any, kind: type | tuple[type, ...], wanted: str | None = None) -> None:
    """Raise unless an argument is an object of the kind that is wanted.

    Parameters
    ----------
    field : str
        Name of the argument in the error message.
    value : object
    kind : type or tuple of type
    wanted : str, optional
        Words for the kind; default: "a" and the name of the type.

    Raises
    ------
    WrongKind
        A ``TypeError`` and ``ValueError`` that says what was found and what is wanted.

    Examples
    --------
    >>> require_type("problem", None, dict)
    Traceback (most recent call last):
    seqaudit.posteriors.foundation.kinds.WrongKind: problem is None; it must be a dict
    """
    if not isinstance(value, kind):
        raise WrongKind(f"{field} is {shown(value)}; it must be {wanted or _named(kind)}")


def _named(kind: type | tuple[type, ...]) -> str:
    """Words for kinds of objects.

    Examples
    --------
    >>> _named((int, str))
    'an int or a str'
    """
    kinds = kind if isinstance(kind, tuple) else (kind,)
    names = [x.__name__ for x in kinds]
    return " or ".join(f"{'an' if name[0].lower() in 'aeiou' else 'a'} {name}" for name in names)
