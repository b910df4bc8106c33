"""Claims of the source paper on design choices, each judged by a search of small cases (Lemma 2026, section 8).

A claim HOLDS if it is true in every case searched; the verdict then gives a reason why it holds beyond them, if one is
known. It FAILS if it is false in some case, and the smallest such case is shown: cases are searched in order of items,
then labels, then along a grid that is stated with each claim. Differences below 1e-10 count as 0, and where numbers of
labels are compared the claim must fail however ties are broken. Nothing is simulated.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from typing import TYPE_CHECKING, Any

from ...posteriors.foundation.kinds import checked, require_type
from ...posteriors.utilities import Utility
from .labels import label_claims
from .noise import noise_claims
from .small_cases import Claim
from .threshold import threshold_claims

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["CLAIM_COUNT", "claims", "claims_table", "described"]

# Number of claims, for progress bars.
CLAIM_COUNT = 29


@checked
def claims(on_claim: Callable[[Claim], None] | None = None) -> list[Claim]:
    """Judge all claims, in order of their letters.

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


@checked
def claims_table(found: list[Claim]) -> pd.DataFrame:
    """Table with a row for each claim.

    Parameters
    ----------
    found : list of Claim
        From ``claims``.

    Returns
    -------
    pandas.DataFrame
        Columns named as the attributes of ``Claim``, with ``case`` as text.

    Examples
    --------
    >>> from seqaudit import Claim, claims_table
    >>> claim = Claim("x", "t rises with beta", "FAILS", searched=1, order="betas 1, 2", case={"c": -1.0}, detail="")
    >>> claims_table([claim])[["key", "verdict", "case"]].values.tolist()
    [['x', 'FAILS', 'c -1']]
    """
    import pandas as pd

    require_type("found", found, (list, tuple), "a list of claims, as claims returns it")
    for k, claim in enumerate(found):
        require_type(f"found[{k}]", claim, Claim, "a Claim")
    columns: dict[str, list[Any]] = {
        field.name: [getattr(claim, field.name) for claim in found] for field in fields(Claim)
    }
    return pd.DataFrame(columns | {"case": [described(claim) for claim in found]})


def described(claim: Claim) -> str:
    """The failing case in one line; empty if the claim holds."""
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
