"""Label files, items files, and the problems built from them."""
