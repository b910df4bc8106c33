"""Declared studies: problems, policies, metrics and replications in a file, computed cell by cell and reported."""
