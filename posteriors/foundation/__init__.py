"""General tools that know nothing of labels: array types, named objects, seeds, tolerances and validation."""
