"""What the verbs that work on a cluster have in common: from a spec file to facts and a plan."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from kanae.artifacts import catalogue, fetch, named
from kanae.artifacts.catalogue import Release
from kanae.artifacts.model import Artifact
from kanae.artifacts.store import Store
from kanae.facts.gather import gather
from kanae.facts.model import Facts
from kanae.plan.model import Plan
from kanae.plan.planner import plan, queries
from kanae.plan.view import Site, View
from kanae.render import flannel, weave
from kanae.spec.load import load
from kanae.spec.models import PodNetworkProvider, Spec
from kanae.transport.fleet import Fleet

# Facts may have to hash binaries that are on the hosts for the first time.
FACTS_TIMEOUT = 120.0


@dataclass(frozen=True, slots=True)
class Session:
    """A spec with all that can be known of it without asking a host."""

    spec: Spec
    folder: Path
    site: Site
    store: Store

    @classmethod
    def open(cls, path: Path) -> Session:
        spec = load(path)
        store = Store()
        release = catalogue.load().release(spec.version)
        folder = path.resolve().parent
        archives = named.archives(spec.images, folder, store)
        manifests = _manifests(spec, release, folder, store)
        return cls(spec, folder, Site(spec, release, {}, archives, manifests), store)

    def lookup(self, arches: frozenset[str]) -> Mapping[str, Artifact]:
        """Those artifacts that the cache has: nothing is fetched or built."""
        wanted = self.spec.artifacts
        return fetch.lookup(
            [self.site.release],
            sorted(arches),
            wanted.source,
            store=self.store,
            mirror=wanted.mirror.urls if wanted.mirror else None,
            bundle=self._bundle,
        )

    def lacking(self, arches: frozenset[str], had: Mapping[str, Artifact]) -> tuple[str, ...]:
        """Ids of artifacts that a cluster of this spec may need and `had` does not hold."""
        items = fetch.select([self.site.release], sorted(arches), None)
        return tuple(item.id for item in items if item.id not in had)

    def obtain(self, arches: frozenset[str]) -> Mapping[str, Artifact]:
        """All artifacts, from wherever the spec says; tells on standard error what it does."""
        from kanae.artifacts.console import progress  # rich is slow to import

        wanted = self.spec.artifacts
        with progress() as telling:
            return fetch.obtain(
                [self.site.release],
                sorted(arches),
                wanted.source,
                store=self.store,
                mirror=wanted.mirror.urls if wanted.mirror else None,
                bundle=self._bundle,
                progress=telling,
            )

    @property
    def _bundle(self) -> Path | None:
        bundle = self.spec.artifacts.bundle
        return None if bundle is None else self.folder / Path(bundle).expanduser()

    async def survey(self, fleet: Fleet) -> Facts:
        """Ask every host that is connected, one round trip each."""
        asked = queries(self.site)
        facts = await gather(
            {host: fleet[host] for host in fleet},
            {host: asked[host] for host in fleet},
            parallel=self.spec.policies.parallel_hosts,
            timeout=FACTS_TIMEOUT,
        )
        return replace(facts, unreachable={**facts.unreachable, **fleet.unreachable})

    def view(self, facts: Facts, artifacts: Mapping[str, Artifact]) -> View:
        return View(replace(self.site, artifacts=artifacts), facts)

    def plan(self, facts: Facts, artifacts: Mapping[str, Artifact]) -> Plan:
        return plan(self.view(facts, artifacts))


def arches(facts: Facts) -> frozenset[str]:
    return frozenset(host.base.arch for host in facts.hosts.values())


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
