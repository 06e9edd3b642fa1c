"""A spec opened: with all that can be known of its cluster without asking a host."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from kanae.artifacts import catalogue, named
from kanae.artifacts.catalogue import Release
from kanae.artifacts.model import Artifact
from kanae.artifacts.store import Store
from kanae.facts.model import Facts, Query
from kanae.plan import planner
from kanae.plan.model import Plan
from kanae.plan.view import Site, View
from kanae.render import flannel, weave
from kanae.spec.load import load
from kanae.spec.models import PodNetworkProvider, Spec


@dataclass(frozen=True, slots=True)
class Project:
    """file: the spec's own; relative paths in it are meant from its folder."""

    spec: Spec
    file: Path
    site: Site
    store: Store

    @classmethod
    def open(cls, file: Path) -> Project:
        """Raises SpecError for the file, ArtifactError for what it names."""
        spec = load(file)
        store = Store()
        release = catalogue.load().release(spec.version)
        folder = file.resolve().parent
        archives = named.archives(spec.images, folder, store)
        manifests = _manifests(spec, release, folder, store)
        return cls(spec, file, Site(spec, release, {}, archives, manifests), store)

    @property
    def folder(self) -> Path:
        return self.file.resolve().parent

    @property
    def bundle(self) -> Path | None:
        """The file with the release's artifacts, where the spec names one."""
        bundle = self.spec.artifacts.bundle
        return None if bundle is None else self.folder / Path(bundle).expanduser()

    def queries(self) -> Mapping[str, Query]:
        """All that has to be asked of each host to plan for it."""
        return planner.queries(self.site)

    def view(self, facts: Facts, artifacts: Mapping[str, Artifact]) -> View:
        """What plans are made of. artifacts: those in the cache."""
        return View(replace(self.site, artifacts=artifacts), facts)

    def plan(self, facts: Facts, artifacts: Mapping[str, Artifact]) -> Plan:
        """What makes the hosts into the cluster. Raises Refused for what kanae must not do."""
        return planner.plan(self.view(facts, artifacts))


def _manifests(
    spec: Spec, release: Release, folder: Path, store: Store
) -> tuple[dict[str, object], ...]:
    """Objects of the pod network, in the order in which they are applied."""
    images = release.image_references()
    network = spec.networks.pod_network
    match network.provider:
        case PodNetworkProvider.FLANNEL:
            ours = flannel.objects(spec, images["flannel"])
        case PodNetworkProvider.WEAVE:
            ours = weave.objects(spec)
        case PodNetworkProvider.MANIFESTS | PodNetworkProvider.NONE:
            ours = []
    return (*ours, *named.documents(network.manifests, folder, store))
