"""What API servers do by themselves to the Service `kubernetes` of the simulated cluster, and what
must hold of it: pkg/controlplane/reconcilers/lease.go of Kubernetes v1.37.2."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from ipaddress import IPv4Address
from typing import TYPE_CHECKING, Any, Final

from kanae.facts.model import ObjectKey
from kanae.layout import marks, ports
from kanae.layout import paths as at
from kanae.render import in_cluster
from kanae.render.objects import key_of
from kanae.spec.models import Role

if TYPE_CHECKING:
    from .world import World

ENDPOINTS: Final = ObjectKey("endpoints", in_cluster.NAMESPACE, in_cluster.SERVICE)
_MANIFEST: Final = f"{at.MANIFESTS}/kube-apiserver.yaml"
_NONE: Final = '{"name": "endpoint-reconciler-type", "value": "none"}'
# Looks that pass until a policy has come to an API server that runs already.
_LATE: Final = 4

Pair = tuple[str, int]


@dataclass(slots=True)
class Reconcilers:
    """running: API servers that write, by the digest of their manifest. leases: their keys in etcd.
    told: looks since an API server could know of the policy. named: somebody was behind it once.
    """

    running: dict[str, str] = field(default_factory=dict[str, str])
    leases: set[str] = field(default_factory=set[str])
    told: dict[str, int] = field(default_factory=dict[str, int])
    named: bool = False

    def copy(self) -> Reconcilers:
        return Reconcilers(dict(self.running), set(self.leases), dict(self.told), self.named)

    def look(self, world: World) -> None:
        """Everything that can have happened has: those that stop, then those that run, write."""
        policy = all(key in world.objects for key in in_cluster.guard_keys())
        for host in world.hosts:
            if not policy:
                self.told.pop(host, None)
            elif "kube-apiserver" not in world.hosts[host].pods:
                # Admission waits for its policies before an API server answers.
                self.told[host] = _LATE
            else:
                self.told[host] = self.told.get(host, 0) + 1
        for host, sha in list(self.running.items()):
            here = world.hosts[host]
            if here.pods.get("kube-apiserver") == sha:
                continue
            del self.running[host]
            self.leases.discard(host)
            if here.powered and world.quorum():
                self._write(world, host, stops=True)
        for host, here in world.hosts.items():
            sha = here.pods.get("kube-apiserver")
            if sha is None or not here.has(_MANIFEST) or here.files[_MANIFEST].sha != sha:
                continue
            if _NONE not in here.text(_MANIFEST) and world.api_ready(host):
                self.running[host] = sha
                self.leases.add(host)
                self._write(world, host, stops=False)

    def keeps_off(self, host: str) -> bool:
        return self.told.get(host, 0) >= _LATE

    def _write(self, world: World, host: str, *, stops: bool) -> None:
        """One that goes on leaves a port that is there."""
        if self.keeps_off(host):
            return
        there = {port for _, port in behind(world)}
        port = ports.API_SERVER if stops or not there else min(there)
        addresses = [IPv4Address(world.address(each)) for each in self.leases]
        documents: list[Any] = list(in_cluster.named(addresses, port))
        if not addresses:
            documents[0]["subsets"] = documents[1]["endpoints"] = documents[1]["ports"] = []
        for key, document in zip((ENDPOINTS, in_cluster.SLICE), documents, strict=True):
            world.objects[key] = document

    def broken(self, world: World) -> Iterator[str]:
        """Somebody is behind the Service, and not only who does not answer."""
        pairs = behind(world)
        # A cluster that is built anew begins anew.
        there = any(here.marked(marks.JOINED) for here in world.hosts.values())
        self.named = (self.named or bool(pairs)) and there
        # The only API server takes itself out as it restarts, and nobody could be there instead.
        if not self.named or not world.ready_hosts():
            return
        if not pairs:
            yield "nobody is behind the Service kubernetes"
        elif not any(world.answering(*pair) for pair in pairs):
            # A balancer's own address, alone, is away with it, as it is to all other clients.
            own = {world.address(host) for host in world.spec.having(Role.LOAD_BALANCER)}
            if len(pairs) > 1 or pairs[0][0] not in own:
                yield f"only {sorted(pairs)} are behind the Service kubernetes and none answers"


def behind(world: World) -> list[Pair]:
    """Addresses and ports, as kube-proxy reads them."""
    live = world.objects.get(in_cluster.SLICE, {})
    return [
        (address, port["port"])
        for port in live.get("ports", ())
        for endpoint in live.get("endpoints", ())
        for address in endpoint["addresses"]
    ]


def wanted(world: World) -> tuple[set[Pair], bool]:
    """Who should be behind it, and whether API servers are kept from saying so."""
    spec = world.spec
    if spec.in_cluster.value == "balancer":
        return {(str(each), spec.endpoint.port) for each in spec.balancer_addresses}, True
    masters = spec.having(Role.CONTROL_PLANE)
    return {(world.address(host), ports.API_SERVER) for host in masters}, False


def unsettled(world: World) -> Iterator[str]:
    pairs, kept = wanted(world)
    if set(behind(world)) != pairs:
        yield f"behind the Service kubernetes are {behind(world)}, not {sorted(pairs)}"
    subsets = world.objects.get(ENDPOINTS, {}).get("subsets", ())
    if len(subsets) != 1 or len(subsets[0]["addresses"]) != len(pairs):
        yield f"the Endpoints of the Service kubernetes are {subsets}"
    if kept != all(key in world.objects for key in in_cluster.guard_keys()):
        yield f"API servers are kept off the Service kubernetes: {not kept}"
    endpoint = f"{world.spec.endpoint_host}:{world.spec.endpoint.port}"
    for key in map(key_of, world.desk.site.manifests):
        if elsewhere := set(in_cluster.led(world.objects.get(key, {}))) - {endpoint}:
            yield f"pods of {key.name} are led to {sorted(elsewhere)}"
    if kept and world.reconcilers.running:
        yield f"{sorted(world.reconcilers.running)} write who is behind the Service kubernetes"
