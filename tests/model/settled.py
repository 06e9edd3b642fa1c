"""Whether simulated hosts are a whole cluster, judged by what runs, not by what plans compare."""

from __future__ import annotations

from collections.abc import Iterator

from kanae.facts.workloads import PROXY
from kanae.layout import marks
from kanae.layout import paths as at
from kanae.plan.actions import Form
from kanae.plan.addons import ADDONS
from kanae.plan.certificates import AUTHORITIES, leaves
from kanae.render import kubeadm
from kanae.render.kubelet_config import kubelet_configuration
from kanae.spec.models import Role

from . import in_cluster
from .certificate import certificate, embedded, matches
from .effects.base import STATIC_PODS
from .effects.node import kubelet_config, manifest
from .fixtures import READ_AT
from .machine import READERS
from .world import World


def unsettled(world: World) -> list[str]:
    """Everything that is not as it should be; nothing for a whole cluster."""
    found = list(world.violations)
    spec = world.spec
    planes = spec.having(Role.CONTROL_PLANE)
    if set(world.nodes) != set(spec.nodes):
        found.append(f"nodes are {sorted(world.nodes)}")
    if world.ready_hosts() != list(planes):
        found.append(f"API servers answer on {world.ready_hosts()}")
    if sum(world.inits.values()) != 1:
        found.append(f"kubeadm init succeeded on {world.inits}")
    found += [f"{host} joined {n} times" for host, n in world.joins.items() if n > 1]
    if world.members != dict.fromkeys(spec.etcd_hosts, True):
        found.append(f"etcd's members are {world.members}")
    found += _dns(world)
    for host in spec.hosts:
        found += _units(world, host)
        found += _certificates(world, host)
    for host in spec.nodes:
        found += _kubelet(world, host)
    for host in planes:
        found += _manifests(world, host)
    found += in_cluster.unsettled(world)
    found += _proxy(world)
    for name, (public, _) in AUTHORITIES.items():
        if len({here.text(public) for here in world.hosts.values() if here.has(public)}) != 1:
            found.append(f"hosts have different {name}")
    return found


def _units(world: World, host: str) -> Iterator[str]:
    """Every process runs with what its files say now."""
    here = world.hosts[host]
    for unit in world.units_of(host):
        is_now = here.unit(unit.unit)
        if unit.running and not is_now.active:
            yield f"{host}: {unit.unit} does not run"
        for path, sha in is_now.reads.items():
            if path not in here.files or here.files[path].sha != sha:
                yield f"{host}: {unit.unit} runs with an older {path}"
    for path in here.files:
        if path.startswith((f"{marks.FOLDER}/restart-", f"{marks.FOLDER}/reload-")):
            yield f"{host}: {path} is left"


def _dns(world: World) -> Iterator[str]:
    """No host takes cluster DNS along, wherever its pods may be."""
    world.schedule()
    places = world.dns.places
    if not places or "" in places:
        yield f"CoreDNS's pods are on {places}"
    elif len(world.spec.dns_hosts) > 1 and len(set(places)) < len(places):
        yield f"CoreDNS's pods share a host: {places}"


def _kubelet(world: World, host: str) -> Iterator[str]:
    here = world.hosts[host]
    if not here.marked(marks.JOINED):
        yield f"{host} has not joined"
    if here.text(at.KUBELET_CONFIG) != kubelet_config(here, kubelet_configuration(world.spec)):
        yield f"{host}: kubelet's configuration is not the spec's"


def _proxy(world: World) -> Iterator[str]:
    settings = next(key for key in ADDONS["kube-proxy"] if key.resource == "configmaps")
    if world.objects[PROXY].get("reads") != world.objects[settings]["data"]:
        yield "kube-proxy runs with older settings"


def _manifests(world: World, host: str) -> Iterator[str]:
    here = world.hosts[host]
    config = kubeadm.cluster_configuration(world.spec)
    for pod in STATIC_PODS:
        if here.text(f"{at.MANIFESTS}/{pod}.yaml") != manifest(world, here, pod, config):
            yield f"{host}: {pod} is not as the spec says"
    for pod, sha in here.pods.items():
        if here.files[f"{at.MANIFESTS}/{pod}.yaml"].sha != sha:
            yield f"{host}: {pod} runs with an older manifest"
    for pod, path in READERS.items():
        if here.read.get(pod) != here.files[path].sha:
            yield f"{host}: {pod} runs with an older {path}"


def _certificates(world: World, host: str) -> Iterator[str]:
    """Everybody can show everybody who he is, and nobody else can."""
    here = world.hosts[host]
    for certificate_, leaf in leaves(world.spec, host):
        if not here.has(leaf.path):
            if not certificate_.optional:
                yield f"{host}: no {leaf.path}"
            continue
        held = certificate(embedded(here.text(leaf.path)))
        issuers = {
            certificate(embedded(each.text(public))).subject_key_id
            for each in world.hosts.values()
            if each.has(public := AUTHORITIES[leaf.authority][0])
        }
        if held.not_after <= READ_AT:
            yield f"{host}: {leaf.path} has ended"
        if {held.authority_key_id} != issuers:
            yield f"{host}: {leaf.path} was issued by another {leaf.authority}"
        if leaf.form is Form.PAIR and not matches(
            embedded(here.text(leaf.path)), here.text(at.key(leaf.path))
        ):
            yield f"{host}: {leaf.path} is not of its key"
        if (mode := here.files[certificate_.secret].mode) & 0o077:
            yield f"{host}: {certificate_.secret} has mode {mode:o}"
