"""Dimensions of a model's parameters, written in one line."""

from __future__ import annotations

import re

__all__ = ["dims_of"]


def dims_of(parameters: str) -> dict[str, tuple[str, ...]]:
    """Dimensions of each parameter, from names that are followed by their dimensions in brackets.

    Parameters
    ----------
    parameters : str
        Names, separated by blanks; a name without brackets is a number.

    Returns
    -------
    dict of str to tuple of str

    Examples
    --------
    >>> dims_of("item_mean rate[item] deviation[item,group]")
    {'item_mean': (), 'rate': ('item',), 'deviation': ('item', 'group')}
    """
    found = re.findall(r"(\w+)(?:\[([\w,]+)\])?", parameters)
    return {name: tuple(dims.split(",")) if dims else () for name, dims in found}
