"""`kanae bundle`: one file with everything of releases, for operators without Internet."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from kanae.artifacts import bundle as bundles
from kanae.artifacts import fetch
from kanae.artifacts.console import progress
from kanae.artifacts.store import Store
from kanae.cli.artifacts import megabytes, mirror_urls, releases_of, selection, table
from kanae.cli.output import emit, output_option
from kanae.errors import ArtifactMismatch, UsageError
from kanae.spec.models import ArtifactSource

file_argument = click.argument("file", type=click.Path(path_type=Path, dir_okay=False))


@click.group()
def command() -> None:
    """Make and inspect one file that holds all binaries and images of releases.

    \b
    Examples:
      kanae bundle create kanae-v1.37.2.tar --kubernetes v1.37.2 --arch amd64
      kanae bundle verify kanae-v1.37.2.tar
      kanae artifacts fetch --source bundle --bundle kanae-v1.37.2.tar
    """


@command.command("create")
@file_argument
@click.option("--name", "names", multiple=True, help="Only this artifact; may be repeated.")
@selection
@output_option
def create(
    file: Path, names: tuple[str, ...], versions: tuple[str, ...], arches: tuple[str, ...],
    source: str, mirrors: tuple[str, ...], bundle: Path | None, output: str,
) -> None:  # fmt: skip
    """Write FILE with the artifacts of releases, fetching or building what the cache lacks.

    What several releases have in common is in it once.

    \b
    Examples:
      kanae bundle create kanae.tar
      kanae bundle create kanae.tar --kubernetes v1.36.3 --kubernetes v1.37.2
      kanae bundle create kanae.tar --kubernetes v1.36.3 --source build
      kanae bundle create kanae.tar --arch amd64 --arch arm64 --source upstream
    """
    if not file.absolute().parent.is_dir():
        raise UsageError(f"{file}: there is no such folder", remedy="make it, or write elsewhere")
    releases = releases_of(versions)
    store = Store()
    with progress() as telling:
        found = fetch.obtain(
            releases, arches, ArtifactSource(source), store=store, mirror=mirror_urls(mirrors),
            bundle=bundle, names=names or None, progress=telling,
        )  # fmt: skip
        made = bundles.create(file, [release.version for release in releases], found, telling)
    emit(described(made), output, lambda: summary(made))


@command.command("verify")
@file_argument
@output_option
def verify(file: Path, output: str) -> None:
    """Read all of FILE and compare every blob with its digest; exit status 7 when one is wrong.

    \b
    Example:
      kanae bundle verify kanae.tar -o json
    """
    with progress() as telling:
        found, problems = bundles.verify(file, telling)
    value = described(found) | {"problems": list(problems)}
    emit(value, output, lambda: summary(found) + "".join(f"\nwrong: {p}" for p in problems))
    if problems:
        raise ArtifactMismatch(
            f"{file} is damaged in {len(problems)} places", remedy="copy or make it again"
        )


@command.command("inspect")
@file_argument
@output_option
def inspect(file: Path, output: str) -> None:
    """Say what FILE holds, from its index alone.

    \b
    Example:
      kanae bundle inspect kanae.tar
    """
    found = bundles.inspect(file)

    def text() -> str:
        rows = [("KIND", "NAME", "VERSION", "ARCH", "SIZE", "REFERENCE")]
        rows += [
            (e.kind, e.name, e.version, e.arch, megabytes(e.size), e.reference)
            for e in found.entries
        ]
        return f"{summary(found)}\n{table(rows)}"

    emit(described(found), output, text)


def described(bundle: bundles.Bundle) -> dict[str, Any]:
    return {
        "file": str(bundle.file),
        "kubernetes": list(bundle.kubernetes),
        "digest": bundle.digest,
        "bytes": sum(bundle.sizes.values()),
        "entries": [asdict(e) | {"blobs": list(e.blobs)} for e in bundle.entries],
    }


def summary(bundle: bundles.Bundle) -> str:
    size = megabytes(sum(bundle.sizes.values()))
    return (
        f"{bundle.file}: Kubernetes {' and '.join(bundle.kubernetes)}, "
        f"{len(bundle.entries)} artifacts, {size}, index {bundle.digest}"
    )
