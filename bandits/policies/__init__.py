"""Policies that score items by a rule, one module for each rule."""
