"""Compiled loops of beliefs and models of raters: plain arrays in and out, no validation."""
