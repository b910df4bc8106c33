"""Floor 1: what is believed about one item, its threshold, and what a final belief is worth."""

from .belief import Belief, BeliefTables
from .beta import Beta
from .grid import Grid
from .kinds import make_belief
from .label_set import LabelSet
from .logit_normal import LogitNormal
from .mixture import BetaMixture
from .noisy import NoisyBeta
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

__all__ = [
    "Accuracy",
    "Asymmetric",
    "Belief",
    "BeliefTables",
    "Beta",
    "BetaMixture",
    "Custom",
    "Decisive",
    "Entropy",
    "Grid",
    "LabelSet",
    "Linear",
    "LogitNormal",
    "NoPayoff",
    "NoisyBeta",
    "Utility",
    "Variance",
    "largest_learnable_beta",
    "log_ratio",
    "make_belief",
    "make_utility",
    "threshold",
    "threshold_slope",
]
