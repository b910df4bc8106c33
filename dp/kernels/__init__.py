"""Compiled sweeps: plain arrays in and out, no validation; the floor above calls them too."""
