"""Comparison of policies with the exact optimum: on one problem, over budgets, and on random problems."""
