"""Bayesian sequential design for scarce human labels.

>>> import seqaudit as sa
>>> problem = sa.Problem(threshold=[0.55, 0.41, 0.32], budget=12)
>>> best = sa.solve(problem)
>>> mine = sa.evaluate(problem, sa.VarianceReduction())
>>> round((mine.value - best.prior_value) / (best.value - best.prior_value), 3)
0.993

The floors are loaded when the first of their names is used, from the lowest up: whoever only solves problems never
waits for the studies.
"""

from importlib import import_module
from sys import modules
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .bandits import *  # noqa: F403
    from .benchmarks import *  # noqa: F403
    from .dp import *  # noqa: F403
    from .posteriors import *  # noqa: F403
else:
    # Type checkers read the names above; to them, a ``__getattr__`` would make every name right.
    _FLOORS = ("posteriors", "dp", "bandits", "benchmarks")

    def _floor(name):
        floor = import_module(f".{name}", __name__)
        if name == "dp" and f"{__name__}.bandits" not in modules:
            # A name of a policy loads the floor of policies, which then reads all further names itself.
            floor.evaluation.named.read_names_by(lambda policy: _floor("bandits").make_policy(policy))
        return floor

    def __getattr__(name):
        if name == "__all__":
            return [public for floor in _FLOORS for public in _floor(floor).__all__]
        if name in _FLOORS:
            return _floor(name)
        if not name.startswith("_"):
            for floor in _FLOORS:
                if name in _floor(floor).__all__:
                    globals()[name] = getattr(_floor(floor), name)
                    return globals()[name]
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

    def __dir__():
        return sorted({*globals(), *__getattr__("__all__")})
