"""Metrics of an audit after some labels: one registry, each metric with its formula and source."""
