"""Floor 1: beliefs about one item's rate, its threshold, the utility of a final belief, and models of raters."""

from .beliefs.belief import Belief, BeliefTables
from .beliefs.beta import Beta
from .beliefs.beta_mixture import BetaMixture
from .beliefs.grid import Grid
from .beliefs.logit_normal import LogitNormal
from .beliefs.noisy_beta import NoisyBeta
from .beliefs.registry import make_belief
from .comparisons.bradley_terry import ComparisonFit, fit_comparisons
from .comparisons.information import label_information, pair_rows, policy_information
from .conformance.beliefs import belief_cases, check_belief
from .conformance.rater_models import check_rater_model, rater_model_cases
from .conformance.suite import ConformanceError
from .raters.contaminated import Contaminated
from .raters.dawid_skene import DawidSkene
from .raters.diagnostics import Diagnostics
from .raters.drift import Drift
from .raters.fit import RaterFit
from .raters.grouped import Grouped
from .raters.model import RaterModel, SimulatedLabels
from .raters.one_coin import OneCoin
from .raters.partial_pooling import PartialPooling
from .raters.rater_bias import RaterBias
from .raters.rater_skill import RaterSkill
from .raters.registry import make_rater_model, rater_model_names
from .thresholds import largest_learnable_beta, log_ratio, threshold, threshold_slope
from .utilities import (
    Accuracy,
    Asymmetric,
    Custom,
    Decisive,
    Entropy,
    Linear,
    NoPayoff,
    Utility,
    Variance,
    make_utility,
)
from .votes.design import Design
from .votes.label_set import LabelSet

__all__ = [
    "Accuracy",
    "Asymmetric",
    "Belief",
    "BeliefTables",
    "Beta",
    "BetaMixture",
    "ComparisonFit",
    "ConformanceError",
    "Contaminated",
    "Custom",
    "DawidSkene",
    "Decisive",
    "Design",
    "Diagnostics",
    "Drift",
    "Entropy",
    "Grid",
    "Grouped",
    "LabelSet",
    "Linear",
    "LogitNormal",
    "NoPayoff",
    "NoisyBeta",
    "OneCoin",
    "PartialPooling",
    "RaterBias",
    "RaterFit",
    "RaterModel",
    "RaterSkill",
    "SimulatedLabels",
    "Utility",
    "Variance",
    "belief_cases",
    "check_belief",
    "check_rater_model",
    "fit_comparisons",
    "label_information",
    "largest_learnable_beta",
    "log_ratio",
    "make_belief",
    "make_rater_model",
    "make_utility",
    "pair_rows",
    "policy_information",
    "rater_model_cases",
    "rater_model_names",
    "threshold",
    "threshold_slope",
]
