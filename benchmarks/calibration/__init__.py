"""Whether a model of raters can be trusted: reliability, simulation-based calibration, checks."""
