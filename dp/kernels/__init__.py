"""Compiled kernels on plain arrays, without validation; the floor above calls them too."""
