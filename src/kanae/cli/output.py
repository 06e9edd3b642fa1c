"""How results are written: text for people, JSON or YAML for programs."""

from __future__ import annotations

import json
from collections.abc import Callable

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
