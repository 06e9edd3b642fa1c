"""Obtaining artifacts: from the store when they are there and verify, else from a source.

`obtain` is synchronous and uses threads inside; call it by `asyncio.to_thread` from async code.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from kanae.artifacts.catalogue import Item, Release
from kanae.artifacts.model import Artifact, ArtifactSet
from kanae.artifacts.progress import Progress, Silent
from kanae.artifacts.sources import choose
from kanae.artifacts.store import Store
from kanae.artifacts.supplier import Supplier, held
from kanae.errors import ArtifactError
from kanae.spec.models import ArtifactSource


def obtain(
    releases: Sequence[Release],
    arches: Collection[str],
    source: ArtifactSource,
    *,
    store: Store,
    mirror: Mapping[str, str] | None = None,
    bundle: Path | None = None,
    names: Collection[str] | None = None,
    progress: Progress | None = None,
) -> ArtifactSet:
    """Everything of these releases that `names` asks for, from the store or from the source.

    releases: what several of them have in common is obtained once. arches: Go's
    names, as in ("amd64",). mirror: upstream host -> base URL, for source `mirror`. bundle: the
    file, for source `bundle`. names: as in "kubeadm" (of either kind) or "image/etcd"; None is all
    that is not optional. Raises ArtifactError, ArtifactMismatch and MachineUnfit; what was obtained
    before the error stays in the store.
    """
    telling = progress if progress is not None else Silent()
    items = select(releases, arches, names)
    store.sweep()
    with (
        store.in_use(),
        choose(source, releases, items, store, mirror=mirror, bundle=bundle) as choice,
    ):
        if choice.reason:
            telling.say(choice.reason)
        missing = [item for item in items if held(choice.supplier, item, store) is None]
        _supply(choice.supplier, missing, store, telling)
        return _collect(choice.supplier, items, store)


def lookup(
    releases: Sequence[Release],
    arches: Collection[str],
    source: ArtifactSource,
    *,
    store: Store,
    mirror: Mapping[str, str] | None = None,
    bundle: Path | None = None,
    names: Collection[str] | None = None,
) -> ArtifactSet:
    """As `obtain`, but only what the store already has: nothing is fetched, built or probed."""
    items = select(releases, arches, names)
    with choose(
        source, releases, items, store, mirror=mirror, bundle=bundle, probing=False
    ) as choice:
        found = [held(choice.supplier, item, store) for item in items]
    return ArtifactSet(artifact for artifact in found if artifact is not None)


def items_of(releases: Sequence[Release], arches: Collection[str]) -> tuple[Item, ...]:
    """Every item of these releases, release by release; what they share once."""
    every = (item for release in releases for arch in arches for item in release.items(arch))
    return tuple({item.id: item for item in every}.values())


def select(
    releases: Sequence[Release], arches: Collection[str], names: Collection[str] | None
) -> tuple[Item, ...]:
    """The catalogue's items for these architectures and names; ArtifactError for unknown names."""
    items = items_of(releases, arches)
    if names is None:
        return tuple(item for item in items if not item.optional)
    known = {name for item in items for name in (item.name, f"{item.kind.value}/{item.name}")}
    unknown = sorted(set(names) - known)
    if unknown:
        versions = " and ".join(release.version for release in releases)
        raise ArtifactError(
            f"the catalogue of {versions} has no {', '.join(unknown)}",
            remedy="see `kanae artifacts list` for the names",
        )
    wanted = set(names)
    return tuple(i for i in items if {i.name, f"{i.kind.value}/{i.name}"} & wanted)


def _supply(supplier: Supplier, missing: Sequence[Item], store: Store, progress: Progress) -> None:
    groups = supplier.groups(missing)
    with ThreadPoolExecutor(max_workers=supplier.parallel) as pool:
        jobs = [pool.submit(_supply_group, supplier, g, store, progress) for g in groups]
        try:
            for job in jobs:
                job.result()
        except BaseException:
            for job in jobs:
                job.cancel()
            # Transfers under way end at once, so that an interrupted user does not wait for them.
            supplier.close()
            raise


def _supply_group(
    supplier: Supplier, group: Sequence[Item], store: Store, progress: Progress
) -> None:
    """One group under its locks; what another process made meanwhile is taken as it is."""
    names = ", ".join(item.name for item in group)

    def on_wait() -> None:
        progress.say(f"waiting for {names}: another process is getting it")

    with store.locked([supplier.key(item) for item in group], on_wait):
        missing = [item for item in group if held(supplier, item, store) is None]
        if missing:
            supplier.supply(missing, store, progress)


def _collect(supplier: Supplier, items: Sequence[Item], store: Store) -> ArtifactSet:
    found: list[Artifact] = []
    for item in items:
        artifact = held(supplier, item, store)
        if artifact is None:
            raise ArtifactError(
                f"{item.id} was obtained but is gone or damaged again in {store.root}",
                remedy="check that disk and that nobody else writes there",
            )
        found.append(artifact)
    return ArtifactSet(found)
