"""Figures, with one module for each study, in a common style."""
