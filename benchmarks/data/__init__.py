"""Label files and items files, and the problem that they state."""
