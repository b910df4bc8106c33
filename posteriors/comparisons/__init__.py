"""Comparisons of two items that share a parameter: what a label tells, and fits of the parameter."""
