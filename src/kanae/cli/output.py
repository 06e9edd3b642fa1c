"""How results are written: text for people, JSON or YAML for programs."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta

import click

output_option = click.option(
    "-o",
    "--output",
    type=click.Choice(["text", "json", "yaml"]),
    default="text",
    show_default=True,
    help="How results are written.",
)


def emit(value: object, output: str, text: Callable[[], str]) -> None:
    """A result on standard output in the wanted form. value: JSON-able."""
    if output == "json":
        click.echo(json.dumps(value, indent=2))
    elif output == "yaml":
        from kanae.render.yaml import plain_yaml

        click.echo(plain_yaml(value), nl=False)
    else:
        written = text()
        if written:
            click.echo(written, nl=not written.endswith("\n"))


def ago(passed: timedelta) -> str:
    """Two units at most: `3d 4h`, `4h 12m`, `12m`."""
    minutes = max(0, int(passed.total_seconds() // 60))
    days, hours, minutes = minutes // 1440, minutes // 60 % 24, minutes % 60
    if days:
        return f"{days}d {hours}h"
    return f"{hours}h {minutes}m" if hours else f"{minutes}m"
