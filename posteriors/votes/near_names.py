"""Remarks on names that may be mistaken for each other, or for a missing value: they are kept apart, and told."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence

__all__ = ["name_remarks"]

_TOLD = 3
_PLAIN = ("case", "spaces", "the form of a number")
_MISSING = frozenset(["nan", "none", "na", "n/a", "<na>", "null", "nat", "#n/a"])


def name_remarks(kind: str, names: Sequence[str]) -> list[str]:
    """Remarks on names that differ only by case, spaces or the form of their characters, or that read like a gap.

    Parameters
    ----------
    kind : str
        Plural of what is named, such as "raters".
    names : sequence of str
        Different names.

    Returns
    -------
    list of str
        One remark for each of the first few groups of such names, and one on the number of the others.

    Examples
    --------
    >>> name_remarks("raters", ["Ann", "bob", "ann", "nan"])[0]
    "raters 'Ann' and 'ann' differ only by case: they count as 2 raters"
    >>> name_remarks("raters", ["Ann", "bob", "ann", "nan"])[1]
    "raters: 'nan' reads like a missing value; it counts as a name"
    """
    alike: dict[str, list[str]] = {}
    for name in names:
        alike.setdefault(_key(name), []).append(name)
    groups = [group for group in alike.values() if len(group) > 1]
    told = []
    for group in groups[:_TOLD]:
        difference = _difference(group)
        # Letters of another form may look the same.
        quote = repr if difference in _PLAIN else ascii
        listed = " and ".join(quote(name[:60]) for name in group[:4]) + (" and others" if len(group) > 4 else "")
        told.append(f"{kind} {listed} differ only by {difference}: they count as {len(group)} {kind}")
    if len(groups) > _TOLD:
        told.append(f"{kind}: {len(groups) - _TOLD} more groups of names differ only so little")
    gaps = [name for name in names if name.strip().casefold() in _MISSING]
    if gaps:
        verb = "reads like a missing value; it counts as a name"
        several = "read like missing values; they count as names"
        told.append(f"{kind}: {', '.join(map(repr, gaps[:_TOLD]))} {verb if len(gaps) == 1 else several}")
    return told


def _key(name: str) -> str:
    """Form that is equal for names that are easily mistaken for each other."""
    name = _whole(name)
    if name.isascii():
        return " ".join(name.casefold().split())
    return " ".join(_seen(unicodedata.normalize("NFKC", name)).casefold().split())


def _whole(name: str) -> str:
    """Whole number without a point, such as 7 for 7.0; any other name unchanged."""
    written = re.fullmatch(r"\s*([+-]?\d+)\.0*\s*", name)
    return written[1] if written else name


def _seen(text: str) -> str:
    """Text without characters that show nothing."""
    return "".join(letter for letter in text if unicodedata.category(letter) != "Cf")


def _difference(names: Iterable[str]) -> str:
    """Words for the smallest change that makes the names equal."""
    steps = (
        ("spaces", lambda name: " ".join(name.split())),
        ("case", str.casefold),
        ("the form of a number", _whole),
        ("the Unicode form of their characters", lambda name: unicodedata.normalize("NFKC", name)),
        ("characters that cannot be seen", _seen),
    )
    for words, change in steps:
        if len({change(name) for name in names}) == 1:
            return words
    return "case, spaces or the Unicode form of their characters"
