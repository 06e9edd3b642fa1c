"""`kanae artifacts`: what releases consist of, and getting, checking and removing it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import click

from kanae.artifacts import catalogue, fetch
from kanae.artifacts.archives import Archives
from kanae.artifacts.catalogue import Release
from kanae.artifacts.console import progress
from kanae.artifacts.entry import LAYER, Entry
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
            click.option("--kubernetes", "versions", multiple=True, default=(newest,),
                         show_default=True, metavar="VERSION",
                         help="Kubernetes version; may be repeated."),
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


def releases_of(versions: Sequence[str]) -> list[Release]:
    """The releases of these versions, each once, oldest first; ArtifactError for an unknown one."""
    found = {release.version: release for release in map(catalogue.load().release, versions)}
    return [found[version] for version in sorted(found, key=catalogue.version_key)]


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
    """Fetch, list and verify the binaries and images of Kubernetes releases.

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
    versions: tuple[str, ...], arches: tuple[str, ...], source: str, mirrors: tuple[str, ...],
    bundle: Path | None, output: str,
) -> None:  # fmt: skip
    """What releases consist of, and what of it is in the cache already.

    \b
    Examples:
      kanae artifacts list
      kanae artifacts list --kubernetes v1.36.3 --kubernetes v1.37.2
      kanae artifacts list --kubernetes v1.36.3 --source build -o json
    """
    releases = releases_of(versions)
    items = fetch.items_of(releases, arches)
    cached = fetch.lookup(
        releases, arches, ArtifactSource(source), store=Store(), mirror=mirror_urls(mirrors),
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
    names: tuple[str, ...], versions: tuple[str, ...], arches: tuple[str, ...], source: str,
    mirrors: tuple[str, ...], bundle: Path | None, output: str,
) -> None:  # fmt: skip
    """Get artifacts into the cache: all of releases, or only NAMES (kubeadm, image/etcd).

    \b
    Examples:
      kanae artifacts fetch
      kanae artifacts fetch --kubernetes v1.36.3 --kubernetes v1.37.2 --source build
      kanae artifacts fetch kubectl --arch arm64
      kanae artifacts fetch --source bundle --bundle kanae-v1.37.2-amd64.tar
    """
    releases = releases_of(versions)
    with progress() as telling:
        found = fetch.obtain(
            releases, arches, ArtifactSource(source), store=Store(), mirror=mirror_urls(mirrors),
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

    Blobs, and the image archives that were put together for hosts. What does not agree is removed
    (the next fetch or apply has it again) and the exit status is 7.

    \b
    Examples:
      kanae artifacts verify
      kanae artifacts verify -o json
    """
    store, archives = Store(), Archives()
    with progress() as telling:
        checked, removed = store.verify_all(telling)
        archives_checked, archives_removed = archives.verify_all(telling)
    value = {
        "checked": checked, "removed": removed, "store": str(store.root),
        "archives": {"checked": archives_checked, "removed": archives_removed,
                     "folder": str(archives.root)},
    }  # fmt: skip
    bad = [*removed, *archives_removed]

    def text() -> str:
        lines = [f"{checked} blobs read in {store.root}"]
        if archives_checked:
            lines.append(f"{archives_checked} image archives read in {archives.root}")
        return "\n".join((*lines, *(f"removed: {name}" for name in bad)))

    emit(value, output, text)
    if bad:
        raise ArtifactMismatch(
            f"{len(removed)} blobs and {len(archives_removed)} image archives in the cache were "
            "not what they were when they were stored",
            remedy="they were removed; `kanae artifacts fetch` gets blobs again, and archives are "
            "made again when they are needed",
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
    store, archives = Store(), Archives()
    items = fetch.items_of(releases_of(versions), tuple(Arch))

    def needed(entry: Entry) -> bool:
        if entry.kind == LAYER:
            return bool(items)
        return any(i.admits(entry.kind, entry.name, entry.version, entry.arch) for i in items)

    kept = {key: entry for key, entry in store.entries().items() if needed(entry)}
    count, size = store.prune(tuple(kept))
    archives_count, archives_size = archives.prune({entry.digest for entry in kept.values()})
    value = {
        "removed": count, "archives": archives_count, "bytes": size + archives_size,
        "store": str(store.root),
    }  # fmt: skip
    told = f"{count} blobs and {archives_count} image archives removed"
    emit(value, output, lambda: f"{told}, {megabytes(size + archives_size)} freed")
