"""Exact optimal values by backward induction over the lattice of labels and wins."""
