"""Claims of the source paper, each judged by a search of small cases (Lemma 2026, sections 5 to 8).

They are on the audit index (section 5), the allocation of labels (6), the greedy rule (7) and design choices (8). A
claim HOLDS if it is true in every case searched; the verdict then gives a reason why it holds beyond them, if one is
known. It FAILS if it is false in some case, and the smallest such case is shown: cases are searched in order of items,
then labels, then along a grid that is stated with each claim. It is VACUOUS if it is true of a quantity that is always
0 or constant. Differences below 1e-10 count as 0, and where numbers of labels or rules are compared the claim must fail
however ties are broken. Nothing is simulated.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import fields
from typing import TYPE_CHECKING, Any

from ...posteriors.foundation.kinds import checked, require_type
from .allocation import allocation_claims
from .greedy import condition_claims, greedy_claims
from .index import index_claims
from .labels import label_claims
from .noise import budget_claims, noise_claims
from .small_cases import Claim, case_text
from .threshold import threshold_claims

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["CLAIM_COUNT", "CLAIM_GROUPS", "claims", "claims_table", "described"]

# Claims that are judged together, by the name of the group: each function can be run in a process of its own.
CLAIM_GROUPS: dict[str, Callable[[], Iterable[Claim]]] = {
    "index": index_claims,
    "allocation": allocation_claims,
    "greedy": greedy_claims,
    "conditions": condition_claims,
    "thresholds": threshold_claims,
    "labels": label_claims,
    "noise": noise_claims,
    "budgets": budget_claims,
}

# Number of claims of all groups, for progress bars.
CLAIM_COUNT = 60


@checked
def claims(on_claim: Callable[[Claim], None] | None = None) -> list[Claim]:
    """Judge all claims, in order of their sections and letters.

    Parameters
    ----------
    on_claim : callable, optional
        Called with each claim as it is judged, group by group of ``CLAIM_GROUPS``.

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
    for group in CLAIM_GROUPS.values():
        for claim in group():
            found.append(claim)
            if on_claim:
                on_claim(claim)
    return sorted(found, key=lambda claim: (claim.section, claim.key))


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
    """The failing case in one line; empty if there is none."""
    return case_text(claim.case)
