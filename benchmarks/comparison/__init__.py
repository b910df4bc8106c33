"""Policies beside the exact optimum: comparison, value against budget, survey of random problems."""
