"""Floor 2: the problem, its exact optimum, exact values of policies, and upper bounds."""

from .allocation import Allocation, allocate
from .backward import Solution, load_policy, solve
from .bounds import UpperBound, upper_bound
from .characteristics import operating_characteristics
from .evaluate import Evaluation, evaluate
from .expectations import Passage, expected_final, passage
from .forward import expected_labels
from .lattice import Lattice, ProblemTooLarge
from .problem import Problem, ProblemError
from .states import ItemStates, states_at, states_of_item
from .stopping import IndexTable, Stopping, gittins_bernoulli, gittins_index, solve_stopping, whittle_index
from .structure import Counterexample, Structure, structure

__all__ = [
    "Allocation",
    "Counterexample",
    "Evaluation",
    "IndexTable",
    "ItemStates",
    "Lattice",
    "Passage",
    "Problem",
    "ProblemError",
    "ProblemTooLarge",
    "Solution",
    "Stopping",
    "Structure",
    "UpperBound",
    "allocate",
    "evaluate",
    "expected_final",
    "expected_labels",
    "gittins_bernoulli",
    "gittins_index",
    "load_policy",
    "operating_characteristics",
    "passage",
    "solve",
    "solve_stopping",
    "states_at",
    "states_of_item",
    "structure",
    "upper_bound",
    "whittle_index",
]
