"""`kanae schema`: the JSON Schema of a spec on standard output."""

from __future__ import annotations

import json

import click

from kanae.spec.schema import json_schema


@click.command()
def command() -> None:
    """Print the JSON Schema of a spec.

    An editor that speaks the YAML language server reads it from a first line
    `# yaml-language-server: $schema=spec.schema.json`.
    """
    click.echo(json.dumps(json_schema(), indent=2))
