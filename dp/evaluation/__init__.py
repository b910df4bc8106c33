"""Exact values and operating characteristics of given policies."""
