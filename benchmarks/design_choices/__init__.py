"""Comparative statics: the optimum against beta, the reference, label noise and the labelling protocol."""
