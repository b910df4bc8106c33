"""Floor 4: label files, replay, comparison, figures, run folders and the command line."""

from .agreement import agreement, leave_one_out_alpha
from .calibration import reliability, reliability_table
from .claims import Claim, claims, claims_table
from .compare import compare
from .coverage import LargestBeta, largest_beta, learnable_share
from .curve import budget_curve, curve_table
from .diversity import concentration, rater_diversity
from .fewest_raters import FewestRaters, fewest_raters
from .labels import LabelFileError, read_labels
from .natures import Misbelief, misbelief
from .posterior_checks import compare_fits, leave_one_out, predictive_checks, predictive_table
from .protocols import Protocol, break_even, break_even_table, protocols, protocols_table
from .provenance import Provenance, provenance
from .rater_clusters import RaterClusters, rater_clusters
from .rater_kinds import rater_kinds
from .removal import headlines, largest_movers, removals
from .replay import problem_of_labels, replay, replay_table
from .sbc import sbc, uniformity
from .scenario import Scenario, StressGrid
from .scenarios import built_in_scenarios, make_scenarios, read_scenarios
from .statics import vary, vary_table, with_noise
from .stress import stress, stress_slopes, stress_table, worse_than_uniform
from .structure_table import structure_table
from .survey import survey, survey_table

__all__ = [
    "Claim",
    "FewestRaters",
    "LabelFileError",
    "LargestBeta",
    "Misbelief",
    "Protocol",
    "Provenance",
    "RaterClusters",
    "Scenario",
    "StressGrid",
    "agreement",
    "break_even",
    "break_even_table",
    "budget_curve",
    "built_in_scenarios",
    "claims",
    "claims_table",
    "compare",
    "compare_fits",
    "concentration",
    "curve_table",
    "fewest_raters",
    "headlines",
    "largest_beta",
    "largest_movers",
    "learnable_share",
    "leave_one_out",
    "leave_one_out_alpha",
    "make_scenarios",
    "misbelief",
    "predictive_checks",
    "predictive_table",
    "problem_of_labels",
    "protocols",
    "protocols_table",
    "provenance",
    "rater_clusters",
    "rater_diversity",
    "rater_kinds",
    "read_labels",
    "read_scenarios",
    "reliability",
    "reliability_table",
    "removals",
    "replay",
    "replay_table",
    "sbc",
    "stress",
    "stress_slopes",
    "stress_table",
    "structure_table",
    "survey",
    "survey_table",
    "uniformity",
    "vary",
    "vary_table",
    "with_noise",
    "worse_than_uniform",
]
