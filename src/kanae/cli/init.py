"""`kanae init`: a short commented spec to start from."""

from __future__ import annotations

from pathlib import Path

import click

from kanae.artifacts import catalogue
from kanae.errors import Refused, UsageError
from kanae.spec.sample import SAMPLES, sample

_CHOICES = "\n".join(f"  {name:15} {chosen.summary}" for name, chosen in SAMPLES.items())


@click.command(
    help=f"Write a short commented spec to PATH (cluster.yaml by default).\n\n\b\n{_CHOICES}"
)
@click.argument("path", type=click.Path(path_type=Path), default="cluster.yaml")
@click.option(
    "--topology", type=click.Choice(list(SAMPLES)), default="three-machines", show_default=True
)
@click.option("--force", is_flag=True, help="Overwrite the file if it exists.")
def command(path: Path, topology: str, force: bool) -> None:
    text = sample(
        topology, name=topology, file=str(path), kubernetes=catalogue.load().versions()[0]
    )
    try:
        with path.open("w" if force else "x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        raise Refused(
            f"{path} exists and was left as it is", remedy="name another file, or use --force"
        ) from None
    except OSError as error:
        raise UsageError(f"{path} cannot be written: {error.strerror}") from None
    click.echo(f"wrote {path}; put in your addresses, then: kanae check {path}")
