"""Compiled loops of policies and simulated runs: plain arrays in and out, no validation."""
