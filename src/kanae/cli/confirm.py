"""Questions to the person at the terminal."""

from __future__ import annotations

import sys

import click


def confirmed(question: str) -> bool:
    """Ask before harm. Raises UsageError where nobody can answer."""
    if not sys.stdin.isatty():
        raise click.UsageError("there is no terminal to ask on; say --yes")
    return click.confirm(question, err=True)


def ask_password() -> str | None:
    """None where nobody can answer."""
    if not sys.stdin.isatty():
        return None
    answer: str = click.prompt("sudo password", hide_input=True, err=True)
    return answer
