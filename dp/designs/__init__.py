"""One-shot designs: numbers of labels for each item, fixed before any label is seen."""
