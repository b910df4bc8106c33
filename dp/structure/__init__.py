"""Diminishing returns, counterexamples to them, and what greedy labelling earns."""
