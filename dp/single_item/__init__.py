"""Single-item problems: optimal stopping, value curves and index tables."""
