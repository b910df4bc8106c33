"""Commands, one module each, or one for those of one idea."""
