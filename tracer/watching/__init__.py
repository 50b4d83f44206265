"""Watching: a node's traffic and state, for days."""
