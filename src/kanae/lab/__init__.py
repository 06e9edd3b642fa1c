"""Hosts on this machine that behave like bare metal (docs/lab.md)."""
