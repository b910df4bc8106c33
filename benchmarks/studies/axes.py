"""Axes: values that stand in for entries of the problems of a study, and how they are combined.

Those of a study stand in its tables ``cross`` and ``zip`` and hold for all of its problems; those of one problem stand
in tables of the same names under the problem. Of ``cross`` each value is combined with each; of ``zip`` the first
values go together, the second, and so on. The combinations of a problem's own axes vary fastest.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ...posteriors.foundation.messages import shown
from ...posteriors.foundation.names import nearest_name, unknown_key
from .faults import Fault, faults_of, places_of, require_known

__all__ = ["CROSS", "ZIP", "Axes", "combinations", "places_of_axis", "require_no_near_names"]

CROSS, ZIP = "cross", "zip"


@dataclass(frozen=True)
class Axes:
    """Axes of a study, or of one of its problems.

    Attributes
    ----------
    table : str
        Table in which the axes stand: "" for those of a study, and such as "problem 2".
    crossed, zipped : dict of str to list
        Values of each axis.
    """

    table: str
    crossed: Mapping[str, Sequence[Any]]
    zipped: Mapping[str, Sequence[Any]]

    @classmethod
    def of(cls, fields: Mapping[str, Any], table: str, known: Sequence[str], value: Callable[[str, Any], Any]) -> Axes:
        """Axes that a study, or a problem, has.

        Parameters
        ----------
        fields : mapping
            Entries of the study, or of the problem.
        table : str
        known : sequence of str
            Names of axes.
        value : callable
            Value of an axis of a name, in plain form; raises ValueError or TypeError for one that is not allowed.

        Returns
        -------
        Axes

        Raises
        ------
        Fault
            For an unknown axis, or values that are no list of allowed ones.
        """
        return cls(table, *(_values(fields, table, part, known, value) for part in (CROSS, ZIP)))

    @property
    def count(self) -> int:
        """Number of combinations; of lists of ``zip`` that differ in length, by the longest."""
        return math.prod(len(x) for x in self.crossed.values()) * max((len(x) for x in self.zipped.values()), default=1)

    @property
    def parts(self) -> list[tuple[str, Mapping[str, Sequence[Any]]]]:
        """Tables of the axes as they are named in the file of a study, with what they hold."""
        return [(_inside(self.table, CROSS), self.crossed), (_inside(self.table, ZIP), self.zipped)]

    def combined(self) -> list[dict[str, Any]]:
        """Values that go together, in the order of the file."""
        sizes = {key: len(values) for key, values in self.zipped.items()}
        if len(set(sizes.values())) > 1:
            told = ", ".join(f"{key} {size}" for key, size in sizes.items())
            at = self.parts[1][0]
            raise Fault(f"the lists of [{_title(at)}] have different lengths ({told})", *places_of(self.table, ZIP))
        crossed = [dict(zip(self.crossed, x, strict=True)) for x in itertools.product(*self.crossed.values())]
        together = [dict(zip(self.zipped, x, strict=True)) for x in zip(*self.zipped.values(), strict=True)] or [{}]
        return [a | b for a in crossed for b in together]


def combinations(study: Axes, own: Axes, allowed: Sequence[str], name: str) -> list[dict[str, Any]]:
    """Values of the axes of a study and of one of its problems that go together.

    Parameters
    ----------
    study, own : Axes
    allowed : sequence of str
        Axes that the problem may have.
    name : str
        Name of the problem.

    Returns
    -------
    list of dict

    Raises
    ------
    Fault
        For an axis that is not allowed or stands in two tables, and for lists of ``zip`` of different lengths.
    """
    stands: dict[str, str] = {}
    for table, axes in (*study.parts, *own.parts):
        for key in axes:
            if key not in allowed:
                raise Fault(f"{key} is no axis of {shown(name)}; allowed: {', '.join(allowed)}", (table, key))
            if key in stands:
                both = f"[{_title(stands[key])}] and in [{_title(table)}]"
                raise Fault(f"{key} stands in {both}; it must stand in one of them", (table, key))
            stands[key] = table
    return [a | b for a in study.combined() for b in own.combined()]


def places_of_axis(table: str, key: str) -> list[tuple[str, str]]:
    """Places in which an axis of a problem may stand."""
    return [(_inside(at, part), key) for at in (table, "") for part in (CROSS, ZIP)]


def require_no_near_names(fields: Mapping[str, Any], table: str, known: Sequence[str]) -> None:
    """Require that a problem has no table, but those of known names, that was probably meant for its axes."""
    for key, value in fields.items():
        if (
            key not in (CROSS, ZIP, *known)
            and isinstance(value, Mapping)
            and nearest_name(key, (CROSS, ZIP)) is not None
        ):
            raise Fault(unknown_key(key, (CROSS, ZIP), "a table of axes"), *places_of(table, key))


def _values(
    fields: Mapping[str, Any], table: str, part: str, known: Sequence[str], value: Callable[[str, Any], Any]
) -> dict[str, list[Any]]:
    """Axes of one table, each with its values."""
    given = fields.get(part, {})
    inside = _inside(table, part)
    if not isinstance(given, Mapping):
        raise Fault(f"{part} is {shown(given)}; it must be a table of lists", *places_of(table, part))
    require_known(given, known, inside, "an axis")
    found: dict[str, list[Any]] = {}
    for key, values in given.items():
        place = (inside, key)
        if not isinstance(values, (list, tuple)) or not values:
            raise Fault(f"{key} is {shown(values)}; it must be a list of values", place)
        with faults_of(place, *places_of(table, part)):
            found[key] = [value(key, x) for x in values]
    return found


def _inside(table: str, part: str) -> str:
    return f"{table}.{part}" if table else part


def _title(table: str) -> str:
    """Header of a table as it stands in the file: without the number of its problem.

    Examples
    --------
    >>> _title("problem 12.cross"), _title("zip")
    ('problem.cross', 'zip')
    """
    first, _, rest = table.partition(" ")
    return f"{first}.{rest.partition('.')[2]}" if rest else first
