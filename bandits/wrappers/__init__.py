"""Policies that wrap another policy and change its choices."""
