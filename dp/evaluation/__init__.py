"""Exact values and operating characteristics of policies that are given."""
