"""Specs, artifacts and plans for tests that need no host; all made up but the examples."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from ruamel.yaml import YAML

from kanae.artifacts import catalogue
from kanae.artifacts.model import Artifact, ArtifactSet
from kanae.facts.model import Facts, HostBase, HostFacts, Interface
from kanae.plan.hosts import TYPICAL
from kanae.plan.membership import KnownHost
from kanae.plan.model import Plan, Step
from kanae.plan.planner import plan
from kanae.plan.saved import Saved
from kanae.plan.view import Site, View
from kanae.render import flannel, weave
from kanae.spec.models import PodNetworkProvider, Spec

Document = dict[str, Any]

ROOT: Final = Path(__file__).parents[2]
EXAMPLES: Final = tuple(sorted(path.stem for path in (ROOT / "examples").glob("*.yaml")))
# Certificates made by a test must be valid then.
READ_AT: Final = datetime.now(UTC)

# A plain machine of today.
V2: Final = replace(
    TYPICAL,
    hostname="host",
    machine_id="0" * 32,
    os_name="Debian GNU/Linux 12 (bookworm)",
    kernel="6.1.0",
    cpus=4,
    memory=8 * 2**30,
    kernel_features=frozenset({"br_netfilter", "overlay", "vxlan"}),
)
# A host within a host on a machine of yesterday: hybrid cgroups, few rights.
V1: Final = replace(V2, cgroup=1, hard_nofile=20000, can_lower_oom=False)
BASES: Final = {"v1": V1, "v2": V2}

# What is in the file of every snapshot.
SNAPSHOT: Final = "snapshot\n"

RELEASE: Final = catalogue.load().release("v1.37.2")


def _artifact(number: int, item: catalogue.Item) -> Artifact:
    digest = f"sha256:{hashlib.sha256(item.id.encode()).hexdigest()}"
    size = (number + 1) * 1_000_000
    return Artifact(
        item.name, item.version, item.arch, item.kind, digest, size, Path("/none"), item.reference
    )


_RELEASES: Final = (
    RELEASE,
    *(catalogue.load().release(version) for version in catalogue.load().versions()),
)
ARTIFACTS: Final = ArtifactSet(
    _artifact(number, item)
    for release in _RELEASES
    for number, item in enumerate(release.items("amd64"))
)


def document_of(name: str) -> Document:
    """An example's YAML, to be edited."""
    text = (ROOT / "examples" / f"{name}.yaml").read_text()
    loaded: Document = YAML(typ="safe", pure=True).load(text)  # pyright: ignore[reportUnknownMemberType]  # untyped
    return loaded


def grown() -> Document:
    """The single host of the example with two more masters, and two balancers with an address."""
    document = document_of("single")
    (first,) = document["hosts"].values()
    network = first["address"].rpartition(".")[0]
    hosts = {
        "m2": {"address": f"{network}.12", "roles": ["control-plane"]},
        "m3": {"address": f"{network}.13", "roles": ["control-plane"]},
        "lb1": {"address": f"{network}.21", "roles": ["load-balancer"]},
        "lb2": {"address": f"{network}.22", "roles": ["load-balancer"]},
        "w1": {"address": f"{network}.31", "roles": ["worker"]},
    }
    document["hosts"] |= hosts
    document["endpoint"] = {"port": 6440}
    document["loadBalancer"] = {
        "kind": "haproxy",
        "virtualAddress": {"address": f"{network}.100"},
    }
    return document


def to_virtual(document: Document) -> None:
    """`reference` with two balancers and a virtual address."""
    document["hosts"]["lb2"] = {"address": "10.77.1.20", "roles": ["load-balancer"]}
    document["loadBalancer"] = {"kind": "haproxy", "virtualAddress": {"address": "10.77.1.100"}}


def example(name: str) -> Spec:
    return Spec.model_validate(document_of(name))


def base_of(spec: Spec, host: str, kind: HostBase) -> HostBase:
    """The machine with its address on an interface."""
    address = f"{spec.hosts[host].address}/24"
    return replace(kind, interfaces=(Interface("eth1", "", (address,)),))


def backup_of(spec: Spec, identity: str, snapshot: str, folder: str = "") -> Saved:
    """A backup of a cluster. snapshot: a file of `SNAPSHOT`, where it is read."""
    return Saved(
        spec.name,
        identity,
        "2026-07-01T12:00:00Z",
        spec.version,
        RELEASE.components["etcd"].removeprefix("v"),
        spec.etcd_topology.value,
        1,
        tuple(spec.hosts),
        snapshot,
        hashlib.sha256(SNAPSHOT.encode()).hexdigest(),
        len(SNAPSHOT),
        folder,
    )


@dataclass(frozen=True, slots=True)
class Desk:
    """What the operator's side knows of a cluster without asking a host."""

    spec: Spec
    site: Site

    @classmethod
    def of(cls, spec: Spec) -> Desk:
        network = {
            PodNetworkProvider.FLANNEL: lambda: flannel.objects(
                spec, RELEASE.image_references()["flannel"]
            ),
            PodNetworkProvider.WEAVE: lambda: weave.objects(spec),
        }
        manifests = network[spec.networks.pod_network.provider]()
        release = catalogue.load().release(spec.version)
        return cls(spec, Site(spec, release, ARTIFACTS, (), tuple(manifests)))

    def replacing(self, *hosts: KnownHost) -> Desk:
        """While hosts leave to be replaced; none: while their successors join."""
        return replace(self, site=replace(self.site, away=hosts, replacing=True))

    def view(self, facts: Facts) -> View:
        return View(self.site, facts)

    def plan(self, facts: Facts) -> Plan:
        return plan(self.view(facts))


def bare(spec: Spec, kind: HostBase = V2) -> Facts:
    """Hosts on which nothing has been done."""
    hosts: Mapping[str, HostFacts] = {
        host: HostFacts(host, READ_AT, base_of(spec, host, kind)) for host in spec.hosts
    }
    return Facts(hosts)


def ancestors(steps: Mapping[str, Step], id_: str) -> set[str]:
    """Ids of all steps that have succeeded when this one begins."""
    found: set[str] = set()
    todo = [*steps[id_].needs]
    while todo:
        need = todo.pop()
        if need not in found:
            found.add(need)
            todo += steps[need].needs
    return found
