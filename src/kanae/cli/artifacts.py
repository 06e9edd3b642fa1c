"""`kanae artifacts`: what a release consists of, and getting, checking and removing it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import click

from kanae.artifacts import catalogue, fetch
from kanae.artifacts.console import progress
from kanae.artifacts.model import Arch, Artifact
from kanae.artifacts.store import Store
from kanae.cli.output import emit, output_option
from kanae.errors import ArtifactMismatch, UsageError
from kanae.spec.models import ArtifactSource


def selection(function: Callable[..., None]) -> Callable[..., None]:
    """The options that say which artifacts are meant and where they come from."""
    newest = catalogue.load().versions()[0]
    for option in reversed(
        (
            click.option("--kubernetes", default=newest, show_default=True, metavar="VERSION",
                         help="Kubernetes version."),
            click.option("--arch", "arches", multiple=True, default=("amd64",), show_default=True,
                         type=click.Choice([a.value for a in Arch]), help="CPU; may be repeated."),
            click.option("--source", type=click.Choice([s.value for s in ArtifactSource]),
                         default="auto", show_default=True,
                         help="Where from; auto is upstream if it answers, else build."),
            click.option("--mirror", "mirrors", multiple=True, metavar="HOST=URL",
                         help="Base URL instead of an upstream host; may be repeated."),
            click.option("--bundle", type=click.Path(path_type=Path, dir_okay=False),
                         help="File made by `kanae bundle create`, for --source bundle."),
        )
    ):  # fmt: skip
        function = option(function)
    return function


def mirror_urls(mirrors: Sequence[str]) -> dict[str, str]:
    """HOST=URL words as a mapping. Raises UsageError for a word of another shape."""
    pairs = [word.partition("=") for word in mirrors]
    bad = [host + sep + url for host, sep, url in pairs if not (host and sep and "://" in url)]
    if bad:
        raise UsageError(
            f"--mirror {bad[0]} is not HOST=URL",
            remedy="as in --mirror dl.k8s.io=https://mirror.example.org/k8s",
        )
    return {host: url for host, _, url in pairs}


def described(artifact: Artifact) -> dict[str, Any]:
    return {
        "kind": artifact.kind.value,
        "name": artifact.name,
        "version": artifact.version,
        "arch": artifact.arch,
        "digest": artifact.digest,
        "size": artifact.size,
        "path": str(artifact.path),
        "reference": artifact.reference,
    }


def table(rows: Sequence[Sequence[str]]) -> str:
    """Columns aligned by spaces, the way kubectl writes lists."""
    widths = [max(len(cell) for cell in column) for column in zip(*rows, strict=True)]
    lines = ("   ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)) for row in rows)
    return "\n".join(line.rstrip() for line in lines)


def megabytes(size: int) -> str:
    return f"{size / 1e6:.1f} MB"


@click.group()
def command() -> None:
    """Fetch, list and verify the binaries and images of a Kubernetes release.

    \b
    Examples:
      kanae artifacts list --kubernetes v1.37.2
      kanae artifacts fetch --source build
      kanae artifacts fetch kubeadm kubelet --source mirror --mirror dl.k8s.io=http://mirror/k8s
      kanae artifacts verify
      kanae artifacts prune --kubernetes v1.37.2
    """


@command.command("list")
@selection
@output_option
def list_(
    kubernetes: str, arches: tuple[str, ...], source: str, mirrors: tuple[str, ...],
    bundle: Path | None, output: str,
) -> None:  # fmt: skip
    """What a release consists of, and what of it is in the cache already.

    \b
    Examples:
      kanae artifacts list
      kanae artifacts list --kubernetes v1.36.3 --source build -o json
    """
    release = catalogue.load().release(kubernetes)
    items = [item for arch in arches for item in release.items(arch)]
    cached = fetch.lookup(
        release, arches, ArtifactSource(source), store=Store(), mirror=mirror_urls(mirrors),
        bundle=bundle, names={f"{i.kind.value}/{i.name}" for i in items},
    )  # fmt: skip
    value = [
        {"kind": i.kind.value, "name": i.name, "version": i.version, "arch": i.arch,
         "reference": i.reference, "optional": i.optional, "buildable": i.build is not None,
         "cached": described(cached[i.id]) if i.id in cached else None}
        for i in items
    ]  # fmt: skip

    def text() -> str:
        rows = [("KIND", "NAME", "VERSION", "ARCH", "CACHED", "REFERENCE")]
        for item in items:
            found = cached.get(item.id)
            size = megabytes(found.size) if found is not None else "-"
            shown = found.version if found is not None else item.version
            rows.append((item.kind.value, item.name, shown, item.arch, size, item.reference))
        return table(rows)

    emit(value, output, text)


@command.command("fetch")
@click.argument("names", nargs=-1)
@selection
@output_option
def fetch_(
    names: tuple[str, ...], kubernetes: str, arches: tuple[str, ...], source: str,
    mirrors: tuple[str, ...], bundle: Path | None, output: str,
) -> None:  # fmt: skip
    """Get artifacts into the cache: all of a release, or only NAMES (kubeadm, image/etcd).

    \b
    Examples:
      kanae artifacts fetch
      kanae artifacts fetch --kubernetes v1.36.3 --source build
      kanae artifacts fetch kubectl --arch arm64
      kanae artifacts fetch --source bundle --bundle kanae-v1.37.2-amd64.tar
    """
    release = catalogue.load().release(kubernetes)
    with progress() as telling:
        found = fetch.obtain(
            release, arches, ArtifactSource(source), store=Store(), mirror=mirror_urls(mirrors),
            bundle=bundle, names=names or None, progress=telling,
        )  # fmt: skip

    def text() -> str:
        rows = [("KIND", "NAME", "VERSION", "ARCH", "SIZE", "DIGEST")]
        rows += [
            (a.kind.value, a.name, a.version, a.arch, megabytes(a.size), a.digest[:19])
            for a in found.values()
        ]
        return table(rows)

    emit([described(artifact) for artifact in found.values()], output, text)


@command.command("verify")
@output_option
def verify(output: str) -> None:
    """Read everything in the cache again and compare it with its digest.

    What does not agree is removed (the next fetch gets it again) and the exit status is 7.

    \b
    Examples:
      kanae artifacts verify
      kanae artifacts verify -o json
    """
    store = Store()
    with progress() as telling:
        checked, removed = store.verify_all(telling)
    value = {"checked": checked, "removed": removed, "store": str(store.root)}
    bad = "".join(f"\nremoved: {digest}" for digest in removed)
    emit(value, output, lambda: f"{checked} blobs read in {store.root}{bad}")
    if removed:
        raise ArtifactMismatch(
            f"{len(removed)} blobs in {store.root} were not what their names say",
            remedy="they were removed; run `kanae artifacts fetch` to get them again",
        )


@command.command("prune")
@click.option(
    "--kubernetes", "versions", multiple=True, metavar="VERSION",
    help="Keep what this release needs; may be repeated. None: remove everything.",
)  # fmt: skip
@output_option
def prune(versions: tuple[str, ...], output: str) -> None:
    """Remove from the cache what no named release needs.

    \b
    Examples:
      kanae artifacts prune --kubernetes v1.37.2 --kubernetes v1.36.3
      kanae artifacts prune
    """
    store = Store()
    releases = [catalogue.load().release(version) for version in versions]
    needed = {
        (item.kind.value, item.name, version)
        for release in releases
        for arch in Arch
        for item in release.items(arch)
        for version in (item.version, item.build.version if item.build is not None else "")
    }
    keep = [
        key
        for key, entry in store.entries().items()
        if (entry.kind, entry.name, entry.version) in needed or (releases and entry.kind == "layer")
    ]
    count, size = store.prune(keep)
    value = {"removed": count, "bytes": size, "store": str(store.root)}
    emit(value, output, lambda: f"{count} blobs removed, {megabytes(size)} freed in {store.root}")
