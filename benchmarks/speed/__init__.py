"""Times of the engine on this machine, beside a baseline in C and other packages."""
