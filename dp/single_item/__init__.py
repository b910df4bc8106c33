"""One item on its own: optimal stopping, value curves and index tables."""
