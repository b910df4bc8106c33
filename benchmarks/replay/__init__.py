"""Replay of policies on recorded human votes, and scores of their decisions."""
