"""Floor 4: label files, replay, comparison, figures, run folders and the command line."""

from ..dp.problem.variants import with_noise
from .calibration.posterior_checks import compare_fits, leave_one_out, predictive_checks, predictive_table
from .calibration.reliability import reliability, reliability_table
from .calibration.sbc import sbc, uniformity
from .claims.claims import claims, claims_table
from .claims.small_cases import Claim
from .comparison.compare import compare
from .comparison.curve import budget_curve, curve_table
from .comparison.structure_table import structure_table
from .comparison.survey import survey, survey_table
from .data.csv_table import LabelFileError
from .data.labels import read_labels
from .data.problem_of_labels import problem_of_labels
from .data.responses import Responses, read_responses
from .design_choices.largest_beta import LargestBeta, largest_beta, learnable_share
from .design_choices.protocols import Protocol, break_even, break_even_table, protocols, protocols_table
from .design_choices.vary import vary, vary_table
from .metrics.audit import Audit
from .metrics.metric import Metric
from .metrics.offline import metric_names
from .provenance.agreement import agreement, leave_one_out_alpha
from .provenance.diversity import concentration, rater_diversity
from .provenance.fewest_raters import FewestRaters, fewest_raters
from .provenance.provenance import Provenance, provenance
from .provenance.rater_clusters import RaterClusters, rater_clusters
from .provenance.rater_kinds import rater_kinds
from .provenance.removal import headlines, largest_movers, removals
from .replay.replay import replay, replay_table
from .runner.executors import Cluster, ClusterError
from .runner.export import export_run, run_table
from .runner.folder import RunFolderError
from .stress.natures import Misbelief, misbelief
from .stress.scenario import Scenario, StressGrid
from .stress.scenario_file import built_in_scenarios, make_scenarios, read_scenarios
from .stress.stress import stress, stress_slopes, stress_table, worse_than_uniform
from .studies.results import StudyResults
from .studies.run_study import run_study
from .studies.study import Study
from .studies.study_file import StudyError, make_study, read_study
from .studies.tables import label_efficiency, study_differences, study_table

__all__ = [
    "Audit",
    "Claim",
    "Cluster",
    "ClusterError",
    "FewestRaters",
    "LabelFileError",
    "LargestBeta",
    "Metric",
    "Misbelief",
    "Protocol",
    "Provenance",
    "RaterClusters",
    "Responses",
    "RunFolderError",
    "Scenario",
    "StressGrid",
    "Study",
    "StudyError",
    "StudyResults",
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
    "export_run",
    "fewest_raters",
    "headlines",
    "label_efficiency",
    "largest_beta",
    "largest_movers",
    "learnable_share",
    "leave_one_out",
    "leave_one_out_alpha",
    "make_scenarios",
    "make_study",
    "metric_names",
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
    "read_responses",
    "read_scenarios",
    "read_study",
    "reliability",
    "reliability_table",
    "removals",
    "replay",
    "replay_table",
    "run_study",
    "run_table",
    "sbc",
    "stress",
    "stress_slopes",
    "stress_table",
    "structure_table",
    "study_differences",
    "study_table",
    "survey",
    "survey_table",
    "uniformity",
    "vary",
    "vary_table",
    "with_noise",
    "worse_than_uniform",
]
