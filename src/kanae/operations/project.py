"""A spec opened: with all that can be known of its cluster without asking a host."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from kanae.artifacts import catalogue, named
from kanae.artifacts.model import Artifact
from kanae.artifacts.store import Store
from kanae.facts.model import Facts, Query
from kanae.plan import bootstrap
from kanae.plan.desired import Site
from kanae.plan.model import Plan
from kanae.plan.view import View
from kanae.render import flannel, weave
from kanae.spec.load import load
from kanae.spec.models import PodNetworkProvider, Spec


@dataclass(frozen=True, slots=True)
class Project:
    """file: the spec's own; relative paths in it are meant from its folder.

    manifests: objects of the pod network, in the order in which they are applied.
    """

    spec: Spec
    file: Path
    site: Site
    manifests: tuple[dict[str, object], ...]
    store: Store

    @classmethod
    def open(cls, file: Path) -> Project:
        """Raises SpecError for the file, ArtifactError for what it names."""
        spec = load(file)
        store = Store()
        release = catalogue.load().release(spec.version)
        folder = file.resolve().parent
        site = Site(spec, release, {}, named.archives(spec.images, folder, store))
        return cls(spec, file, site, _manifests(spec, site, folder, store), store)

    @property
    def folder(self) -> Path:
        return self.file.resolve().parent

    @property
    def bundle(self) -> Path | None:
        """The file with the release's artifacts, where the spec names one."""
        bundle = self.spec.artifacts.bundle
        return None if bundle is None else self.folder / Path(bundle).expanduser()

    def query(self, host: str) -> Query:
        """All that has to be asked of a host to plan for it."""
        return bootstrap.query(self.site, host, self.manifests)

    def view(self, facts: Facts, artifacts: Mapping[str, Artifact]) -> View:
        """What plans are made of. artifacts: those in the cache."""
        return View(
            self.spec, self.site.release, facts, artifacts, self.site.archives, self.manifests
        )

    def plan(self, facts: Facts, artifacts: Mapping[str, Artifact]) -> Plan:
        """What makes the hosts into the cluster. Raises Refused for what kanae must not do."""
        return bootstrap.plan(self.view(facts, artifacts))


def _manifests(spec: Spec, site: Site, folder: Path, store: Store) -> tuple[dict[str, object], ...]:
    images = site.release.image_references()
    network = spec.networks.pod_network
    match network.provider:
        case PodNetworkProvider.FLANNEL:
            ours = flannel.objects(spec, images["flannel"])
        case PodNetworkProvider.WEAVE:
            ours = weave.objects(spec)
        case PodNetworkProvider.MANIFESTS | PodNetworkProvider.NONE:
            ours = []
    return (*ours, *named.documents(network.manifests, folder, store))
