"""Bayesian sequential design for scarce human labels.

>>> import seqaudit as sa
>>> problem = sa.Problem(threshold=[0.55, 0.41, 0.32], budget=12)
>>> best = sa.solve(problem)
>>> mine = sa.evaluate(problem, sa.VarianceReduction())
>>> round((mine.value - best.prior_value) / (best.value - best.prior_value), 3)
0.993
"""

from .bandits import *  # noqa: F403
from .benchmarks import *  # noqa: F403
from .dp import *  # noqa: F403
from .posteriors import *  # noqa: F403
