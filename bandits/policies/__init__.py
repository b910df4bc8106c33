"""Policies that score items by a rule, one rule a module."""
