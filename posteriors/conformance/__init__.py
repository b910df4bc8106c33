"""The shape of all conformance suites, and the suites for beliefs and models of raters."""
