"""The comment at the head of every rendered file."""

from __future__ import annotations

from kanae.layout.marks import MANAGED


def banner(comment: str = "#") -> str:
    """One line with the format's comment sign, ending with a newline."""
    return f"{comment} {MANAGED}\n"
