"""Floor 4: label files, replay, comparison, figures, run folders and the command line."""

from .claims import Claim, claims, claims_table
from .compare import compare
from .coverage import LargestBeta, largest_beta, learnable_share
from .curve import budget_curve, curve_table
from .labels import LabelFileError, read_labels
from .natures import Misbelief, misbelief
from .protocols import Protocol, break_even, break_even_table, protocols, protocols_table
from .replay import problem_of_labels, replay, replay_table
from .scenario import Scenario, StressGrid
from .scenarios import built_in_scenarios, make_scenarios, read_scenarios
from .statics import vary, vary_table, with_noise
from .stress import stress, stress_slopes, stress_table, worse_than_uniform
from .structure_table import structure_table
from .survey import survey, survey_table

__all__ = [
    "Claim",
    "LabelFileError",
    "LargestBeta",
    "Misbelief",
    "Protocol",
    "Scenario",
    "StressGrid",
    "break_even",
    "break_even_table",
    "budget_curve",
    "built_in_scenarios",
    "claims",
    "claims_table",
    "compare",
    "curve_table",
    "largest_beta",
    "learnable_share",
    "make_scenarios",
    "misbelief",
    "problem_of_labels",
    "protocols",
    "protocols_table",
    "read_labels",
    "read_scenarios",
    "replay",
    "replay_table",
    "stress",
    "stress_slopes",
    "stress_table",
    "structure_table",
    "survey",
    "survey_table",
    "vary",
    "vary_table",
    "with_noise",
    "worse_than_uniform",
]
