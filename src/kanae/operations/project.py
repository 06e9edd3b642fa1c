"""A spec opened: with all that can be known of its cluster without asking a host."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from kanae import paths
from kanae.artifacts import catalogue, named
from kanae.artifacts.catalogue import Release
from kanae.artifacts.model import Artifact, LocalArchive
from kanae.artifacts.store import Store
from kanae.errors import ArtifactError
from kanae.facts.model import Facts, Query
from kanae.plan import hosts, planner
from kanae.plan.membership import Known, as_known, former, known, without
from kanae.plan.model import Plan
from kanae.plan.view import Site, View
from kanae.render import flannel, weave
from kanae.spec.load import STANDARD_INPUT, SpecText, read
from kanae.spec.models import PodNetworkProvider, Spec


@dataclass(frozen=True, slots=True)
class Project:
    """file: the spec's own, or `-` for standard input. text: what stands in it."""

    spec: Spec
    file: Path
    text: SpecText
    site: Site
    store: Store

    @classmethod
    def open(cls, file: Path) -> Project:
        """Raises SpecError for the file, ArtifactError for what it names, with its place there."""
        text = read(file)
        spec = text.load()
        store = Store()
        release = catalogue.load().release(spec.version)
        folder = _folder(file)
        archives: list[LocalArchive] = []
        for index, image in enumerate(spec.images):
            with _placed(text, "images", index, "source"):
                archives += named.archives([image], folder, store)
        manifests = _own_manifests(spec, release)
        for index, manifest in enumerate(spec.networks.pod_network.manifests):
            with _placed(text, "networks", "podNetwork", "manifests", index, "source"):
                manifests += named.documents([manifest], folder, store)
        site = Site(spec, release, {}, tuple(archives), tuple(manifests))
        return cls(spec, file, text, site, store)

    def known(self, facts: Facts) -> Known:
        """What the cluster remembers of itself. Raises Refused when hosts are of different
        clusters."""
        return known(self.spec, facts, self.site.away)

    def former(self, known: Known) -> Project:
        """With the hosts that are leaving the cluster still in the spec."""
        return self._of(former(self.spec, known))

    def without(self, *hosts: str) -> Project:
        """Of the cluster while some of its hosts are away."""
        known = tuple(as_known(self.spec, host) for host in hosts)
        away = self._of(without(self.spec, *hosts))
        return replace(away, site=replace(away.site, away=known))

    def _of(self, spec: Spec) -> Project:
        return replace(self, spec=spec, site=replace(self.site, spec=spec))

    @property
    def folder(self) -> Path:
        """Relative paths in the spec are meant from here."""
        return _folder(self.file)

    @property
    def bundle(self) -> Path | None:
        """The file with the release's artifacts, where the spec names one."""
        bundle = self.spec.artifacts.bundle
        return None if bundle is None else self.folder / paths.expanded(bundle)

    def queries(self) -> Mapping[str, Query]:
        """All that has to be asked of each host to plan for it."""
        return hosts.queries(self.site)

    def view(self, facts: Facts, artifacts: Mapping[str, Artifact]) -> View:
        """What plans are made of. artifacts: those in the cache."""
        return View(replace(self.site, artifacts=artifacts), facts)

    def plan(
        self,
        facts: Facts,
        artifacts: Mapping[str, Artifact],
        off: Iterable[str] = (),
        *,
        replacing: bool = False,
    ) -> Plan:
        """What makes the hosts into the cluster. off: those without power. replacing: see `Site`.
        Raises Refused for what kanae must not do."""
        view = self.view(facts, artifacts)
        site = replace(view.site, off=frozenset(off), replacing=replacing)
        return planner.plan(replace(view, site=site))


def _folder(file: Path) -> Path:
    return Path.cwd() if file == STANDARD_INPUT else file.resolve().parent


@contextmanager
def _placed(text: SpecText, *path: str | int) -> Generator[None]:
    """Errors about what a spec names begin with the place where it does."""
    try:
        yield
    except ArtifactError as error:
        raise type(error)(f"{text.place(path)}: {error.message}", remedy=error.remedy) from error


def _own_manifests(spec: Spec, release: Release) -> list[dict[str, object]]:
    """Objects of kanae's own pod networks, in the order in which they are applied."""
    match spec.networks.pod_network.provider:
        case PodNetworkProvider.FLANNEL:
            return flannel.objects(spec, release.image_references()["flannel"])
        case PodNetworkProvider.WEAVE:
            return weave.objects(spec)
        case PodNetworkProvider.MANIFESTS | PodNetworkProvider.NONE:
            return []
