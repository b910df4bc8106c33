"""Small problems on which policies are checked."""

from __future__ import annotations

from ...dp.problem.problem import Problem

__all__ = ["conformance_problems"]


def conformance_problems() -> dict[str, Problem]:
    """Small problems on which ``check_policy`` checks a policy, by name. Their utilities are convex.

    Examples
    --------
    >>> {name: problem.size for name, problem in conformance_problems().items()}
    {'unequal': 3, 'capped': 4, 'symmetric': 4, 'single': 1, 'variance': 2, 'priced': 3}
    """
    return {
        "unequal": Problem([0.55, 0.41, 0.8], 6, weight=[1.0, 2.5, 0.5], prior=[(1, 1), (2, 3), (0.5, 0.5)]),
        "capped": Problem([0.5, 0.6, 0.7, 0.3], 5, weight=[1.0, 1.0, 2.0, 1.0], cap=[2, 0, 3, 2]),
        "symmetric": Problem([0.5, 0.5, 0.5, 0.5], 5),
        "single": Problem([0.6], 9, utility={"name": "asymmetric", "gain": 1.0, "loss": 2.0}, cap=6),
        "variance": Problem.from_logratio([-0.4, 1.2], 0.8, 7, weight=[1.0, 1.5], prior=(2, 1), utility="variance"),
        "priced": Problem([0.5, 0.62, 0.4], 5, weight=[1, 2, 1], cost=[1, 1.5, 0.75], cap=[9, 9, 3], quota=[([0], 2)]),
    }
