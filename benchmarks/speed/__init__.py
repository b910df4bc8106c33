"""Speed of the exact engine on this machine, compared with a baseline in C and with other packages."""
