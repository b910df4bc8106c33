"""Upper bounds on the value of every policy."""
