"""Machine resources: memory, threads, worker processes, and atomic writing of files."""
