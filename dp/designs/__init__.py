"""One-shot designs: how many labels each item gets before any is seen."""
