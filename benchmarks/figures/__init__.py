"""Figures: one module a study, in one style."""
