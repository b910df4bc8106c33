"""Models of raters: their contract, fits by sampling or approximation, and one module a model."""
