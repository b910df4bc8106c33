"""Claims drawn from the source paper on design choices, each judged by a search of small cases (Lemma 2026, section 8).

A claim HOLDS where it does in every case searched, and then has a reason why it holds beyond them. It FAILS where it
does not in some case; the one shown is the smallest: cases are gone through in order of items, then labels, then of a
grid that is stated with each claim. Differences below 1e-10 count as none, and where labels are compared the claim must
fail however ties are broken. There is no simulation.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from typing import TYPE_CHECKING, Any

from ...posteriors.utilities import Utility
from .labels import label_claims
from .noise import noise_claims
from .small_cases import Claim
from .threshold import threshold_claims

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["CLAIM_COUNT", "claims", "claims_table", "described"]

# How many there are; for showing progress.
CLAIM_COUNT = 29


def claims(on_claim: Callable[[Claim], None] | None = None) -> list[Claim]:
    """Judge every claim, in order of their letters.

    Parameters
    ----------
    on_claim : callable, optional
        Called with each claim as it is judged.

    Returns
    -------
    list of Claim

    Examples
    --------
    >>> from seqaudit import claims
    >>> found = {claim.key: claim for claim in claims()}
    >>> found["d2"].verdict, found["d2"].case
    ('FAILS', {'a': 1, 'b': 2, 'labels': 1})
    """
    found = []
    for part in (threshold_claims, label_claims, noise_claims):
        for claim in part():
            found.append(claim)
            if on_claim:
                on_claim(claim)
    return sorted(found, key=lambda claim: claim.key)


def claims_table(found: list[Claim]) -> pd.DataFrame:
    """One row a claim.

    Parameters
    ----------
    found : list of Claim
        From ``claims``.

    Returns
    -------
    pandas.DataFrame
        Columns as the attributes of ``Claim``; ``case`` as text.
    """
    import pandas as pd

    columns: dict[str, list[Any]] = {
        field.name: [getattr(claim, field.name) for claim in found] for field in fields(Claim)
    }
    return pd.DataFrame(columns | {"case": [described(claim) for claim in found]})


def described(claim: Claim) -> str:
    """The failing case in a line; empty where the claim holds."""
    case = dict(claim.case)
    parts = []
    if "a" in case:
        parts.append(f"Beta({case.pop('a')}, {case.pop('b')})")
    for key, value in case.items():
        if key in ("item", "items"):
            kinds = [value] if key == "item" else value
            parts.append(" and ".join(f"Beta({a}, {b}) with m = {m}" for a, b, m in kinds))
        elif isinstance(value, Utility):
            parts.append(" ".join(str(x) for x in value.as_dict().values()))
        elif isinstance(value, tuple):
            parts.append(f"{key} {' and '.join(f'{x:g}' for x in value)}")
        else:
            parts.append(f"{key} {value:g}")
    return ", ".join(parts)
