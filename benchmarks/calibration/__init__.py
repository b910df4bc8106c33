"""Checks of rater models: reliability, simulation-based calibration, posterior predictive checks, leave-one-out."""
