"""Problem statement: fields, validation, files, variants, budget rules, and the tables that solvers read."""
