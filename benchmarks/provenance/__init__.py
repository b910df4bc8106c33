"""Dependence of decisions on raters: removal, agreement, diversity, clusters and kinds of raters."""
