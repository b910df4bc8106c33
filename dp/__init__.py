"""Floor 2: the problem statement, its exact optimum, exact values of policies, and upper bounds."""

from ..posteriors.foundation.memory import ProblemTooLarge
from .bounds.upper_bound import UpperBound, upper_bound
from .designs.allocation import Allocation, allocate
from .designs.candidates import AllPairs
from .designs.optimal import OptimalDesign, design
from .evaluation.characteristics import operating_characteristics
from .evaluation.evaluate import evaluate
from .evaluation.evaluation import Evaluation
from .evaluation.forward import expected_labels
from .evaluation.passage import Passage, expected_final, passage
from .exact.lattice import Lattice
from .exact.solve import Solution, load_policy, solve
from .problem.checks import ProblemError
from .problem.problem import Problem
from .problem.states import ItemStates, states_at, states_of_item
from .shared.payoffs import BeliefPayoff, BestChoice, RegularisedChoice, ThresholdDecisions
from .shared.problem import SharedProblem
from .shared.solve import SharedSolution
from .shared.states import SharedStates
from .single_item.stopping import IndexTable, Stopping, gittins_bernoulli, gittins_index, solve_stopping, whittle_index
from .structure.report import Counterexample, Structure
from .structure.structure import structure

__all__ = [
    "AllPairs",
    "Allocation",
    "BeliefPayoff",
    "BestChoice",
    "Counterexample",
    "Evaluation",
    "IndexTable",
    "ItemStates",
    "Lattice",
    "OptimalDesign",
    "Passage",
    "Problem",
    "ProblemError",
    "ProblemTooLarge",
    "RegularisedChoice",
    "SharedProblem",
    "SharedSolution",
    "SharedStates",
    "Solution",
    "Stopping",
    "Structure",
    "ThresholdDecisions",
    "UpperBound",
    "allocate",
    "design",
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
