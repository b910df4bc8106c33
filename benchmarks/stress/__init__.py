"""Stress tests: the cost of a wrong model to each policy, exactly or by simulation."""
