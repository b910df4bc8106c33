"""Memory, threads and processes, and files that appear whole or not at all."""
