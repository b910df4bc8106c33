"""Policies that plan ahead: lookahead, rollout and tree search."""
