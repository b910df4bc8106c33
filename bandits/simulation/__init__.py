"""Simulated runs of policies, and certificates made from them."""
