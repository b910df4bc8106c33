"""Upper bounds that no policy exceeds."""
