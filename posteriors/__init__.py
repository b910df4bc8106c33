"""Floor 1: what is believed about one item, its threshold, and what a final belief is worth."""

from .beta import BeliefTables, Beta
from .thresholds import largest_learnable_beta, log_ratio, threshold, threshold_slope
from .utilities import Accuracy, Asymmetric, Custom, Decisive, Entropy, Linear, Utility, Variance, make_utility

__all__ = [
    "Accuracy",
    "Asymmetric",
    "BeliefTables",
    "Beta",
    "Custom",
    "Decisive",
    "Entropy",
    "Linear",
    "Utility",
    "Variance",
    "largest_learnable_beta",
    "log_ratio",
    "make_utility",
    "threshold",
    "threshold_slope",
]
