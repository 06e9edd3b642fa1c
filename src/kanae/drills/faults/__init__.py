"""Faults: each is injected, proven to have taken effect, and undone."""
