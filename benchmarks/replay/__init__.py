"""Policies that spend a budget on votes that people gave, and how their decisions score."""
