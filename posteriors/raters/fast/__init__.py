"""Approximations that fit models of raters without sampling by PyMC."""
