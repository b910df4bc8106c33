"""Floor 4: label files, replay, comparison, figures, run folders and the command line."""

from .calibration import reliability, reliability_table
from .claims import Claim, claims, claims_table
from .compare import compare
from .coverage import LargestBeta, largest_beta, learnable_share
from .curve import budget_curve, curve_table
from .labels import LabelFileError, read_labels
from .posterior_checks import compare_fits, leave_one_out, predictive_checks, predictive_table
from .protocols import Protocol, break_even, break_even_table, protocols, protocols_table
from .replay import problem_of_labels, replay, replay_table
from .sbc import sbc, uniformity
from .statics import vary, vary_table, with_noise
from .structure_table import structure_table
from .survey import survey, survey_table

__all__ = [
    "Claim",
    "LabelFileError",
    "LargestBeta",
    "Protocol",
    "break_even",
    "break_even_table",
    "budget_curve",
    "claims",
    "claims_table",
    "compare",
    "compare_fits",
    "curve_table",
    "largest_beta",
    "learnable_share",
    "leave_one_out",
    "predictive_checks",
    "predictive_table",
    "problem_of_labels",
    "protocols",
    "protocols_table",
    "read_labels",
    "reliability",
    "reliability_table",
    "replay",
    "replay_table",
    "sbc",
    "structure_table",
    "survey",
    "survey_table",
    "uniformity",
    "vary",
    "vary_table",
    "with_noise",
]
