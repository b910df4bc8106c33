"""How the optimum moves with beta, the reference, label noise and the labelling protocol."""
