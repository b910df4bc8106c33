"""Policies that change what another policy asks for."""
