"""The checks that a policy of your own must pass."""
