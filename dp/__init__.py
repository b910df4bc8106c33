"""Floor 2: the problem, its exact optimum, exact values of policies, and upper bounds."""

from .allocation import Allocation, allocate
from .backward import Solution, load_policy, solve
from .bounds import UpperBound, upper_bound
from .characteristics import operating_characteristics
from .evaluate import Evaluation, evaluate
from .forward import expected_labels
from .lattice import Lattice, ProblemTooLarge
from .problem import Problem, ProblemError
from .states import ItemStates, states_at, states_of_item
from .stopping import IndexTable, Stopping, gittins_bernoulli, gittins_index, solve_stopping, whittle_index

__all__ = [
    "Allocation",
    "Evaluation",
    "IndexTable",
    "ItemStates",
    "Lattice",
    "Problem",
    "ProblemError",
    "ProblemTooLarge",
    "Solution",
    "Stopping",
    "UpperBound",
    "allocate",
    "evaluate",
    "expected_labels",
    "gittins_bernoulli",
    "gittins_index",
    "load_policy",
    "operating_characteristics",
    "solve",
    "solve_stopping",
    "states_at",
    "states_of_item",
    "upper_bound",
    "whittle_index",
]
