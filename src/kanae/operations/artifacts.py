"""The artifacts of a cluster: which are there, which are not, and getting those.

arches: of the cluster's hosts, as in {"amd64"}.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping

from kanae.artifacts import fetch
from kanae.artifacts.catalogue import Item
from kanae.artifacts.model import Artifact
from kanae.artifacts.progress import Progress
from kanae.artifacts.sources import choose
from kanae.errors import KanaeError
from kanae.operations.project import Project
from kanae.spec.models import ArtifactSource


def cached(project: Project, arches: frozenset[str]) -> Mapping[str, Artifact]:
    """Those in the cache, by id: nothing is fetched or built."""
    return fetch.lookup(
        [project.site.release],
        sorted(arches),
        project.spec.artifacts.source,
        store=project.store,
        mirror=_mirror(project),
        bundle=project.bundle,
    )


def lacking(
    project: Project, arches: frozenset[str], had: Mapping[str, Artifact]
) -> tuple[Item, ...]:
    """What a cluster of this spec may need and `had` does not hold."""
    items = fetch.select([project.site.release], sorted(arches), None)
    return tuple(item for item in items if item.id not in had)


def obtain(project: Project, arches: frozenset[str], progress: Progress) -> Mapping[str, Artifact]:
    """All of them, by id, from wherever the spec says. Takes minutes: for a thread.

    Raises ArtifactError, ArtifactMismatch and MachineUnfit.
    """
    return fetch.obtain(
        [project.site.release],
        sorted(arches),
        project.spec.artifacts.source,
        store=project.store,
        mirror=_mirror(project),
        bundle=project.bundle,
        progress=progress,
    )


def unobtainable(project: Project, arches: frozenset[str]) -> tuple[str, ...]:
    """Ids of those that are not in the cache and whose source does not answer."""
    lost = lacking(project, arches, cached(project, arches))
    if not lost or _obtainable(project, lost):
        return ()
    return tuple(item.id for item in lost)


def _obtainable(project: Project, items: tuple[Item, ...]) -> bool:
    source = project.spec.artifacts.source
    if source is ArtifactSource.BUNDLE:
        return False  # what a bundle has was found by the look-up
    try:
        with choose(
            ArtifactSource.BUILD if source is ArtifactSource.BUILD else ArtifactSource.AUTO,
            [project.site.release],
            items,
            project.store,
            mirror=_mirror(project),
        ) as choice:
            builds = choice.supplier.label == "build"
    except KanaeError:
        return False
    if not builds:
        return True
    # `auto` falls back to building when nothing answers; only where the spec lets it, and with Go.
    allowed = source in {ArtifactSource.BUILD, ArtifactSource.AUTO}
    return allowed and shutil.which("go") is not None


def _mirror(project: Project) -> Mapping[str, str] | None:
    mirror = project.spec.artifacts.mirror
    return mirror.urls if mirror else None
