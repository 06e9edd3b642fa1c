"""Runs: from a whole cluster through a fault back to a whole cluster, and what they leave."""
