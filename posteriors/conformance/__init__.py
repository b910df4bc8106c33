"""Conformance suites for beliefs and models of raters, and the framework of all suites."""
