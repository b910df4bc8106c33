"""Claims from the literature, each with a verdict and its smallest counterexample."""
