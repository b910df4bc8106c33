"""The page on the claims of the source paper, written from the cells of a run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any

from ..studies.outline import Outline
from .findings import FAILS, HOLDS, MIXED, VACUOUS
from .run_claims import DRAWN, SMALL, VOTES, JudgedClaims

__all__ = ["claims_page", "effect_text"]

_VERDICTS = (HOLDS, MIXED, FAILS, VACUOUS)
_SECTIONS = {
    2: "Section 2: stylised facts",
    5: "Section 5: the audit index",
    6: "Section 6: allocation of labels",
    7: "Section 7: near-optimality of the greedy rule",
    8: "Section 8: comparative statics",
    9: "Section 9: what auditing by an index attains",
    10: "Section 10: coverage",
}
_HEAD = """\
# Claims of the source paper

This page says which claims of the source paper (Lemma 2026) hold, which fail, and which say nothing. It is written by

```text
{command}
```

as `claims/claims.md`, and stands here as it was written. Each verdict has a cell, from which its numbers come:
`seqaudit show claims CELL` shows it, with every case and the cells of the [study](studies.md) behind it.

- **HOLDS.** On small cases: in every case searched, with the reason if one is known. Elsewhere: the 95 % interval of
  the effect lies on the side of the claim, and no case is significantly against it.
- **FAILS.** On small cases: the smallest case in which it is false is shown, and nothing is simulated. Elsewhere: the
  effect lies on the other side, or cannot be told from 0 while no case is for the claim.
- **MIXED.** Some cases are for the claim and others against it, or too few are for it to move the mean.
- **VACUOUS.** It speaks of a quantity that is always 0, or constant.

Where a claim says that two things are equal, the side of the claim is a stated band around 0: a case is for it where
its interval lies within the band.

A case on drawn problems and on votes is one environment at one number of labels an item; it is for or against a claim
where a paired t-test over the replications says so after Holm's correction for all cases of the claim. The effect is
the mean over the sources, positive where the claim is right, in percentage points or as a correlation. Its interval
speaks of other sources like these: of problems drawn alike, and of pools of votes that were found, not drawn. No policy
here looks at the budget that is left; there are {replications} replications, strengths beta of {betas}, and up to ten
labels an item.
{votes}
"""
_OF_VOTES = """
Votes are those of ChaosNLI (with log-probabilities of fine-tuned classifiers, which are no language model's), alphaNLI,
ukpconvarg1 and PandaLM (the last two with log-probabilities of SmolLM2-135M-Instruct), POPQUORN, RTE, bluebirds, CEMS
and a sentiment corpus. References that agree with a stated share of the votes' majorities are emulated where there is
no other. The files are not part of the package; `benchmarks/claims/votes.toml` and `large_votes.toml` name them and
what is done with them. The truth is the share of wins among all votes of an item.
"""


def claims_page(found: JudgedClaims, outline: Outline | None, command: str) -> str:
    """Page on the claims of a run, as Markdown.

    Parameters
    ----------
    found : JudgedClaims
    outline : Outline or None
        Of the study of the run; None where small cases alone were judged.
    command : str
        Command that judges the claims.

    Returns
    -------
    str
    """
    judged_on = {x["on"] for x in found.others if x["finding"] is not None}
    betas = sorted({x.axes["beta"] for x in outline.settings}) if outline else []
    lines = _HEAD.format(
        command=command,
        replications=outline.replications if outline else "no",
        betas=", ".join(f"{x:g}" for x in betas) or "none",
        votes=_OF_VOTES if VOTES in judged_on else "",
    ).splitlines()
    lines += ["## Verdicts", "", *_counts(found), ""]
    sections = sorted({x["section"] for x in (*found.small, *found.others)})
    for section in sections:
        lines += [f"## {_SECTIONS[section]}", ""]
        for claim in (x for x in found.small if x["section"] == section):
            lines += [*_small(claim), ""]
        others = [x for x in found.others if x["section"] == section]
        for _, part in groupby(sorted(others, key=_order), key=lambda x: x["key"].split()[0]):
            lines += [*_others(list(part)), ""]
    return "\n".join(lines).rstrip() + "\n"


def _order(claim: Mapping[str, Any]) -> tuple[int, str, str, str]:
    letter, _, policy = claim["key"].partition(" ")
    return claim["section"], letter, policy, claim["on"]


def _counts(found: JudgedClaims) -> Iterator[str]:
    """Table of how often each verdict was reached."""
    yield "| judged on | " + " | ".join(_VERDICTS) + " |"
    yield "|---" * (len(_VERDICTS) + 1) + "|"
    for on in (SMALL, DRAWN, VOTES):
        some = (
            [x["verdict"] for x in found.small]
            if on == SMALL
            else [x["finding"]["verdict"] for x in found.others if x["on"] == on and x["finding"] is not None]
        )
        if some:
            count = Counter(some)
            yield f"| {on} | " + " | ".join(str(count[x]) for x in _VERDICTS) + " |"


def _small(claim: Mapping[str, Any]) -> Iterator[str]:
    yield f"**{claim['key']} {claim['verdict']}**: {claim['statement']}."
    yield ""
    if claim["case"]:
        yield f"- smallest case: {claim['case']}"
    yield f"- {'numbers' if claim['verdict'] == FAILS else 'because'}: {claim['detail']}"
    yield f"- searched: {claim['searched']:,} cases; {claim['order']} (`{claim['cell']}`)"


def _others(claims: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    first = claims[0]
    key = first["key"].split()[0]
    yield f"**{key}**: {first['statement']}."
    yield ""
    yield f"Effect: {first['measure']}."
    yield ""
    yield "| cell | verdict | effect | for | against | cases | smallest case that is not for it |"
    yield "|---|---|---|---|---|---|---|"
    for claim in claims:
        found = claim["finding"]
        if found is None:
            continue
        counts = f"{found['supporting']} | {found['opposing']} | {found['cases']}"
        smallest = "" if found["verdict"] == VACUOUS else found["smallest"].get("case", "")
        effect = effect_text(found, claim["unit"])
        yield f"| `{claim['cell']}` | {found['verdict']} | {effect} | {counts} | {smallest} |"
    missing = [x for x in claims if x["finding"] is None]
    if missing:
        yield ""
        yield f"Not judged on {' and '.join(sorted({x['on'] for x in missing}))}: the sources have no such cases."


def effect_text(finding: Mapping[str, Any], unit: str) -> str:
    """Effect with its interval.

    Examples
    --------
    >>> effect_text({"effect": 0.0284, "low": 0.0242, "high": 0.0327}, "points")
    '+2.84 [+2.42, +3.27]'
    """
    scale = 100.0 if unit == "points" else 1.0
    ends = [finding[key] for key in ("low", "high")]
    told = f"{scale * finding['effect']:+.2f}"
    return told if None in ends else f"{told} [{scale * ends[0]:+.2f}, {scale * ends[1]:+.2f}]"
