"""Floor 1: what is believed about one item, its threshold, and what a final belief is worth."""

from .belief import Belief, BeliefTables
from .beta import Beta
from .contaminated import Contaminated
from .dawid_skene import DawidSkene
from .drift import Drift
from .grid import Grid
from .grouped import Grouped
from .kinds import make_belief
from .label_set import LabelSet
from .logit_normal import LogitNormal
from .mixture import BetaMixture
from .noisy import NoisyBeta
from .one_coin import OneCoin
from .partial_pooling import PartialPooling
from .rater_bias import RaterBias
from .rater_fit import Diagnostics, RaterFit
from .rater_model import RaterModel, SimulatedLabels
from .rater_models import make_rater_model, rater_model_names
from .rater_skill import RaterSkill
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
from .votes import Design

__all__ = [
    "Accuracy",
    "Asymmetric",
    "Belief",
    "BeliefTables",
    "Beta",
    "BetaMixture",
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
    "largest_learnable_beta",
    "log_ratio",
    "make_belief",
    "make_rater_model",
    "make_utility",
    "rater_model_names",
    "threshold",
    "threshold_slope",
]
