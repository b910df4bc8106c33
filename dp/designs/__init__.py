"""One-shot designs: numbers of labels for each item or candidate, fixed before any label is seen."""
