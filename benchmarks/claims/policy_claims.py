"""Claims of the source paper that speak of policies on many items (Lemma 2026, sections 2, 5 and 8 to 10).

They are judged by runs on drawn problems and on recorded votes. Where the paper says "moderate" it names no number:
here it means from half a label to five labels an item. Where it speaks of its index, three are judged: that of eq. 24
(``linear-gain``), that of eq. 22 (``audit-index``), and its repair, its drop by a label (``variance-reduction``).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np

from ...posteriors.foundation.arrays import Floats
from .evidence import Evidence, Place, apart, contrast, difference_of_policies, pairs_of
from .findings import Case, Finding, judge
from .rank_claims import judge_ranks

__all__ = ["INDICES", "MODERATE", "PolicyClaim", "policy_claims"]

# The index of eq. 24, which is 0 in every state; that of eq. 22; and the drop of the latter by a label.
LINEAR = "linear-gain"
INDICES = ("audit-index", "variance-reduction")
MODERATE = (0.5, 1.0, 2.0, 5.0)
_UNIFORM = "uniform"
# Strengths between which a trend is looked for, and one so small that thresholds are near 1/2.
_BETAS = (0.5, 1.0, 4.0)
_WEAK = 0.05
_FEW, _MANY = 1.0, 10.0
_ENDS = (1.0, 2.0, 5.0, 10.0)
# Half the width of the band in which gains, and shares of labels, count as equal.
_EQUAL, _ALIKE = 0.01, 0.02


@dataclass(frozen=True, eq=False)
class PolicyClaim:
    """A claim that is judged by runs of policies.

    Attributes
    ----------
    key : str
        Section, letter, and the policy where there are several.
    section : int
    statement : str
    measure : str
        What a case is, and what the effect is.
    judged : callable
        Gives a finding, or None where the sources have no such case.
    unit : {"points", "correlation"}
        Effects are shares, told in percentage points, or correlations.
    """

    key: str
    section: int
    statement: str
    measure: str
    judged: Callable[[Evidence], Finding | None]
    unit: str = "points"


def _claim(
    key: str,
    statement: str,
    measure: str,
    cases: Callable[[Evidence], list[Case]],
    within: float | None = None,
    is_property: bool = False,
) -> PolicyClaim:
    """Claim by cases; a property of the source does not differ between replications on recorded votes."""

    def judged(evidence: Evidence) -> Finding | None:
        return judge(cases(evidence), within=within, fixed=is_property and evidence.from_pools)

    section = int("".join(x for x in key.split()[0] if x.isdigit()))
    return PolicyClaim(key, section, statement, measure, judged)


def policy_claims() -> list[PolicyClaim]:
    """Claims in the order of the paper."""
    found = [*_facts()]
    found += _against_others(LINEAR)
    for policy in INDICES:
        found += [*_against_others(policy), *_trends(policy), *_references(policy), *_coverage_of(policy)]
    found.append(_coverage())
    return sorted(found, key=lambda x: (x.section, x.key))


def _facts() -> list[PolicyClaim]:
    """Stylised facts of section 2."""
    return [
        _claim(
            "2a",
            "flips are rare: less than half of the weight on which the reference is against the winner is learnable",
            "1/2 less the share; a case is an environment",
            _rare,
            is_property=True,
        ),
        _claim(
            "2b",
            "difficulty goes by the log-ratio: a smaller share of the weight is learnable where c > 0 than elsewhere",
            "difference of the shares; a case is an environment",
            _harder,
            is_property=True,
        ),
        *(
            _claim(
                f"2c {policy}",
                "weak judges amplify mistakes: ten of their labels an item leave more weight decided surely and "
                "wrongly than one does",
                "difference of the shares of the weight, where three labels in ten say 1 whatever is true",
                partial(_amplified, policy=policy),
            )
            for policy in (_UNIFORM, "variance-reduction")
        ),
    ]


def _learnable(place: Place) -> tuple[Floats, Floats] | None:
    """Shares of the weight that are learnable, with c > 0 and elsewhere; None where one has no weight."""
    share = place.override_share
    whole, over = (place.values(_UNIFORM, x, _FEW) for x in ("oracle-welfare", "oracle-override-mass"))
    if whole is None or over is None or not 0.0 < share < 1.0:
        return None
    return over / share, (whole - over) / (1.0 - share)


def _rare(evidence: Evidence) -> list[Case]:
    def difference(place: Place, labels: float) -> Floats | None:
        found = _learnable(place)
        return None if found is None else 0.5 - found[0]

    return apart(evidence.plain(), [_FEW], difference, [_UNIFORM])


def _harder(evidence: Evidence) -> list[Case]:
    def difference(place: Place, labels: float) -> Floats | None:
        found = _learnable(place)
        return None if found is None else found[1] - found[0]

    return apart(evidence.plain(), [_FEW], difference, [_UNIFORM])


def _wrongly_sure(place: Place, policy: str, labels: float) -> Floats | None:
    sure, right = (place.values(policy, x, labels) for x in ("decisive-mass", "decisive-right"))
    return None if sure is None or right is None else sure - right


def _amplified(evidence: Evidence, policy: str) -> list[Case]:
    def difference(place: Place, labels: float) -> Floats | None:
        before, after = _wrongly_sure(place, policy, _FEW), _wrongly_sure(place, policy, labels)
        return None if before is None or after is None else after - before

    return apart([x for x in evidence.places if x.is_misled], [_MANY], difference, [policy])


def _compared(evidence: Evidence, policy: str, reference: str, metric: str, sign: float = 1.0) -> list[Case]:
    """Cases of a metric under two policies with a moderate number of labels."""
    difference = difference_of_policies(policy, reference, metric, sign)
    return apart(evidence.plain(), MODERATE, difference, [policy, reference])


def _against_others(policy: str) -> list[PolicyClaim]:
    """Expectations of section 9, and that of section 5 on where labels go."""
    share = "difference of the shares of the weight, at moderate numbers of labels"
    return [
        _claim(
            f"5h {policy}",
            "labels go to items with c > 0 more often than under uniform sampling",
            "difference of the shares of the labels, at moderate numbers of them",
            partial(_compared, policy=policy, reference=_UNIFORM, metric="labels-on-c"),
        ),
        _claim(
            f"9a {policy}",
            "more weight is decided surely (ConfMass, eps = .05) than by uniform sampling",
            share,
            partial(_compared, policy=policy, reference=_UNIFORM, metric="decisive-mass"),
        ),
        _claim(
            f"9b {policy}",
            "the believed override mass is higher than with uniform sampling",
            share + "; p is a martingale: where the beliefs are right no policy changes its mean",
            partial(_compared, policy=policy, reference=_UNIFORM, metric="override-mass"),
        ),
        _claim(
            f"9c {policy}",
            "the believed welfare is nearer to the true one than with uniform sampling",
            "difference of |W - W*| in shares of the weight, at moderate numbers of labels",
            partial(_compared, policy=policy, reference=_UNIFORM, metric="welfare-error", sign=-1.0),
        ),
        *(
            _claim(
                f"{key} {policy}",
                f"more weight is decided rightly than {than}",
                share,
                partial(_compared, policy=policy, reference=reference, metric="decision-accuracy"),
            )
            for key, than, reference in (
                ("9d", "by uniform sampling", _UNIFORM),
                ("9e", "by uncertainty sampling", "uncertainty"),
                ("9f", "by labelling the largest c first", "high-logratio"),
            )
        ),
        _claim(
            f"9g {policy}",
            "a larger share of the labels goes to items with c > 0 that are still open than by uniform sampling",
            "difference of the shares of the labels, at moderate numbers of them",
            partial(_compared, policy=policy, reference=_UNIFORM, metric="tail-targeting"),
        ),
    ]


def _rising(evidence: Evidence, policy: str, reference: str) -> list[Case]:
    pairs = pairs_of(evidence.plain(), "beta", _BETAS)
    difference = difference_of_policies(policy, reference, "decision-accuracy")
    return contrast(pairs, MODERATE, difference, [policy, reference])


def _heavier(evidence: Evidence, policy: str) -> list[Case]:
    """Cases of sources that differ in the tail of c: drawn ones by their names, votes by their emulated references."""
    pairs = pairs_of([x for x in evidence.plain(_BETAS) if "spread" in x.source], "reference")
    normal = {(x.source, x.beta): x for x in evidence.plain(_BETAS)}
    pairs += [
        (other, x)
        for x in evidence.plain(_BETAS)
        if x.source.startswith("heavy tail")
        and (other := normal.get((x.source.replace("heavy tail", "normal"), x.beta))) is not None
    ]
    difference = difference_of_policies(policy, _UNIFORM, "decision-accuracy")
    return contrast(pairs, MODERATE, difference, [policy, _UNIFORM])


def _sequential(evidence: Evidence, policy: str) -> list[Case]:
    """Cases at the end of the budget, for which the allocation is made."""
    cases = []
    for place in evidence.plain():
        stops = [x for x in _ENDS if place.at(x) is not None]
        if stops and place.at(stops[-1]) == len(place.runs[policy].labels) - 1:
            difference = difference_of_policies(policy, "one-shot", "decision-accuracy")
            cases += apart([place], stops[-1:], difference, [policy, "one-shot"])
    return cases


def _trends(policy: str) -> list[PolicyClaim]:
    gain = "difference of the gains in weight decided rightly"
    return [
        _claim(
            f"6f {policy}",
            "more weight is decided rightly by labels bought one at a time than by the best one-shot allocation",
            "difference of the shares of the weight at the end of the budget",
            partial(_sequential, policy=policy),
        ),
        _claim(
            f"8n {policy}",
            "with small beta labels do not go to items with c > 0 more often than under uniform sampling",
            f"difference of the shares of the labels at beta = {_WEAK:g}; equal where it is within {_ALIKE:g}",
            partial(_with_small_beta, policy=policy),
            within=_ALIKE,
        ),
        _claim(
            f"9h {policy}",
            "the gain over uniform sampling grows with beta",
            f"{gain}, between neighbours of beta = .5, 1, 4",
            partial(_rising, policy=policy, reference=_UNIFORM),
        ),
        _claim(
            f"9i {policy}",
            "the gain over uncertainty sampling grows with beta",
            f"{gain}, between neighbours of beta = .5, 1, 4",
            partial(_rising, policy=policy, reference="uncertainty"),
        ),
        _claim(
            f"9j {policy}",
            "the gain over uniform sampling grows with a heavier tail of c",
            f"{gain}, between normal c and c of Student's t, or between emulated references of spread 1 and 4",
            partial(_heavier, policy=policy),
        ),
        PolicyClaim(
            f"9k {policy}",
            9,
            "the gain over uniform sampling goes with Pr(c > 0)",
            "Spearman's correlation over the sources, by beta and moderate number of labels",
            partial(_goes_with, policy=policy, of=_share_against),
            "correlation",
        ),
        PolicyClaim(
            f"9l {policy}",
            9,
            "the gain over uniform sampling goes with the 90 % quantile of c",
            "Spearman's correlation over the sources, by beta and moderate number of labels",
            partial(_goes_with, policy=policy, of=_upper_quantile),
            "correlation",
        ),
    ]


def _with_small_beta(evidence: Evidence, policy: str) -> list[Case]:
    difference = difference_of_policies(policy, _UNIFORM, "labels-on-c")
    return apart(evidence.plain([_WEAK]), MODERATE, difference, [policy, _UNIFORM])


def _share_against(place: Place) -> float:
    return place.override_share


def _upper_quantile(place: Place) -> float:
    return float(np.quantile(place.problem.log_ratio, 0.9))


def _goes_with(evidence: Evidence, policy: str, of: Callable[[Place], float]) -> Finding | None:
    difference = difference_of_policies(policy, _UNIFORM, "decision-accuracy")
    groups = {
        f"beta = {beta:g}, labels an item {labels:g}": apart(
            evidence.plain([beta]), [labels], difference, [policy, _UNIFORM]
        )
        for beta in _BETAS
        for labels in MODERATE
    }
    level = {x.name: of(x) for x in evidence.plain(_BETAS)}
    return judge_ranks({name: (cases, [level[_place_of(x)] for x in cases]) for name, cases in groups.items()})


def _place_of(case: Case) -> str:
    return case.cells[0].rpartition(" | ")[0]


def _equal(
    evidence: Evidence, policy: str, axis: str, values: tuple[float, ...] | None = None, named: str = ""
) -> list[Case]:
    """Cases of the gain over uniform sampling in environments that differ in one axis, of sources that are so named."""
    places = evidence.plain() if axis == "beta" else evidence.plain(_BETAS)
    difference = difference_of_policies(policy, _UNIFORM, "decision-accuracy")
    pairs = pairs_of([x for x in places if "spread" not in x.source and named in x.source], axis, values)
    return contrast(pairs, MODERATE, difference, [policy, _UNIFORM])


def _references(policy: str) -> list[PolicyClaim]:
    """Claims on what the gain owes to the reference."""
    gain = f"difference of the gains in weight decided rightly; equal where it is within {_EQUAL:g}"
    return [
        _claim(
            f"9m {policy}",
            "the gain over uniform sampling does not depend on the temperature of the reference",
            f"{gain}; temperatures 1 and 2, which halves c",
            partial(_equal, policy=policy, axis="beta", values=(0.5, 1.0)),
            within=_EQUAL,
        ),
        _claim(
            f"9n {policy}",
            "the gain over uniform sampling does not depend on normalisation by length",
            f"{gain}; log-probabilities summed and per token",
            partial(_equal, policy=policy, axis="items", named="language model"),
            within=_EQUAL,
        ),
        _claim(
            f"9o {policy}",
            "the gain over uniform sampling is the same for ensembles by mean log-probability and by log mean "
            "probability",
            gain,
            partial(_equal, policy=policy, axis="ensemble"),
            within=_EQUAL,
        ),
        _claim(
            f"9q {policy}",
            "the gain over uniform sampling does not depend on which fine-tuning is the reference",
            f"{gain}; fine-tunings of one classifier that differ in their seeds",
            partial(_equal, policy=policy, axis="items", named="classifiers"),
            within=_EQUAL,
        ),
        _claim(
            f"9p {policy}",
            "the gain over uniform sampling does not depend on the quality of the reference",
            f"{gain}; references that agree with 60, 80 and 95 % of the votes' majorities",
            partial(_equal, policy=policy, axis="reference"),
            within=_EQUAL,
        ),
    ]


def _gap(place: Place, policy: str, labels: float) -> Floats | None:
    """Decisive share of the weight where c < 0, less that where c > 0."""
    low, high = (place.values(policy, x, labels) for x in ("decisive-on-c(least=-inf, below=0.0)", "decisive-on-c"))
    if low is None or high is None or not 0.0 < place.override_share < 1.0:
        return None
    return low - high


def _illusory(evidence: Evidence) -> list[Case]:
    return apart(evidence.plain(), MODERATE, lambda x, labels: _gap(x, _UNIFORM, labels), [_UNIFORM])


def _coverage() -> PolicyClaim:
    return _claim(
        "10a",
        "illusory coverage: uniform sampling decides more surely where c < 0 than where c > 0",
        "difference of the decisive shares of the weight (eps = .05), at moderate numbers of labels",
        _illusory,
    )


def _narrower(evidence: Evidence, policy: str) -> list[Case]:
    def difference(place: Place, labels: float) -> Floats | None:
        plain, own = _gap(place, _UNIFORM, labels), _gap(place, policy, labels)
        return None if plain is None or own is None else plain - own

    return apart(evidence.plain(), MODERATE, difference, [policy, _UNIFORM])


def _coverage_of(policy: str) -> list[PolicyClaim]:
    return [
        _claim(
            f"10b {policy}",
            "illusory coverage is smaller than with uniform sampling",
            "difference of the gaps between the decisive shares, c < 0 less c > 0, at moderate numbers of labels",
            partial(_narrower, policy=policy),
        )
    ]
