"""Floor 2: the problem, its exact optimum, exact values of policies, and upper bounds."""

from .backward import Solution, load_policy, solve
from .bounds import UpperBound, upper_bound
from .characteristics import operating_characteristics
from .evaluate import Evaluation, evaluate
from .lattice import Lattice, ProblemTooLarge
from .problem import Problem, ProblemError
from .states import ItemStates, states_at, states_of_item

__all__ = [
    "Evaluation",
    "ItemStates",
    "Lattice",
    "Problem",
    "ProblemError",
    "ProblemTooLarge",
    "Solution",
    "UpperBound",
    "evaluate",
    "load_policy",
    "operating_characteristics",
    "solve",
    "states_at",
    "states_of_item",
    "upper_bound",
]
