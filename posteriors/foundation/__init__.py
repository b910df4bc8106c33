"""Types of arrays, names with settings, and refusals of bad values: nothing about labels."""
