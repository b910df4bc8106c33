"""Structure of a problem: diminishing returns, counterexamples to them, and guarantees of greedy labelling."""
