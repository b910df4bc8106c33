"""Beliefs about one item's rate: their contract, the built-in kinds and their registry."""
