"""Questions to the person at the terminal."""

from __future__ import annotations

import sys

import click

from kanae.errors import SudoRefused


def confirmed(question: str) -> bool:
    """Ask before harm. Raises UsageError where nobody can answer."""
    if not sys.stdin.isatty():
        raise click.UsageError("there is no terminal to ask on; say --yes")
    return click.confirm(question, err=True)


def ask_password() -> str:
    if not sys.stdin.isatty():
        raise SudoRefused(
            "sudo",
            "it wants a password and there is no terminal to ask on",
            remedy="put it into the variable KANAE_SUDO_PASSWORD",
        )
    answer: str = click.prompt("sudo password", hide_input=True, err=True)
    return answer
