"""Types of arrays, names with settings, seeds, tolerances, and refusals of bad values: nothing about labels."""
