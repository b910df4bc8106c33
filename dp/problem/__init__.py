"""The problem statement: its checks, files, variants, budget and the tables that solvers read."""
