"""Models of raters: their contract, their fits by sampling or approximation, and one module for each model."""
