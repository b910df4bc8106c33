"""Run folders, work in parts and in parallel, and kernels compiled ahead."""
