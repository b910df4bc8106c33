"""Run folders, work split into parts that run in parallel, and compilation of kernels in advance."""
