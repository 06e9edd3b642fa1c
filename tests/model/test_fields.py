"""Every field of a spec, edited on a living cluster: either the plan changes something, or the edit
is refused. Nothing is accepted and ignored but what no host has anything of."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any, Final, get_args, get_origin

import pytest
from pydantic import BaseModel

from kanae.errors import Refused
from kanae.spec.models import Spec

from .fixtures import V1, Desk, Document, document_of, example
from .simulator import Simulator
from .world import World

# Of the operator's side alone: how hosts are reached, where artifacts come from, how kanae works.
# policies.swap: off and refuse differ only on a host that has swap.
OPERATORS: Final = (
    "ssh",
    "artifacts",
    "images",
    "networks.podNetwork.manifests",
    "policies.parallelHosts",
    "policies.drainTimeout",
    "policies.maxUnavailableWorkers",
    "policies.destructiveDrills",
    "hosts.*.ssh",
    "hosts.*.power",
    "backup.target",
    "backup.recipients",
    "backup.s3",
    # Of the schedule's backups too, see below.
    "backup.keep",
)
PLANNED: Final[Mapping[str, tuple[str, Any]]] = {
    "hosts.worker1.labels": ("vip", {"tier": "back"}),
    "hosts.worker1.taints": ("vip", [{"key": "a", "effect": "NoSchedule"}]),
    "hosts.worker1.kubelet": ("vip", {"maxPods": 77}),
    "endpoint.inCluster": ("vip", "masters"),
    "endpoint.name": ("vip", "api.example.org"),
    "endpoint.former": (
        "vip",
        [{"address": "10.77.2.101", "port": 6443, "vrrp": {"routerId": 52}}],
    ),
    "loadBalancer.kind": ("vip", "nginx"),
    "loadBalancer.connectTimeout": ("vip", "777ms"),
    "loadBalancer.check.interval": ("vip", "777ms"),
    "loadBalancer.check.fastInterval": ("vip", "177ms"),
    "loadBalancer.check.fall": ("vip", 7),
    "loadBalancer.check.rise": ("vip", 7),
    "loadBalancer.virtualAddress.routerId": ("vip", 177),
    "loadBalancer.virtualAddress.advertisementInterval": ("vip", 0.7),
    "loadBalancer.virtualAddress.interface": ("vip", "eth7"),
    "etcd.heartbeatInterval": ("reference", 77),
    "etcd.electionTimeout": ("reference", 777),
    "etcd.extraArgs": ("reference", {"snapshot-count": "7777"}),
    "apiServer.extraArgs": ("vip", {"v": "3"}),
    "apiServer.certSans": ("vip", ["api.example.org"]),
    "controllerManager.extraArgs": ("vip", {"v": "3"}),
    "scheduler.extraArgs": ("vip", {"v": "3"}),
    "dns.replicas": ("vip", 2),
    "kubeProxy.mode": ("vip", "iptables"),
    "kubeProxy.settings": ("vip", {"metricsBindAddress": "127.0.0.1:10249"}),
    "kubelet": ("vip", {"maxPods": 77}),
    "backup.schedule.every": ("vip", "6h"),
    "backup.schedule.folder": ("reference", "/srv/backups"),
    "policies.swap": ("vip", "tolerate"),
    "policies.allowCgroupV1": ("old", False),
}
REFUSED: Final[Mapping[str, tuple[str, Any]]] = {
    "name": ("vip", "other"),
    "kubernetes": ("vip", "v1.36.3"),
    "hosts.worker1.address": ("vip", "10.77.2.99"),
    "hosts.worker1.roles": ("vip", ["client"]),
    "endpoint.address": ("reference", "10.77.1.8"),
    "endpoint.port": ("vip", 6555),
    "loadBalancer.virtualAddress.address": ("vip", "10.77.2.101"),
    "etcd.topology": ("reference", "stacked"),
    "etcd.dataDir": ("vip", "/data/other"),
    "etcd.heartbeatInterval": ("vip", 77),
    "etcd.electionTimeout": ("vip", 777),
    "etcd.extraArgs": ("vip", {"snapshot-count": "7777"}),
    "networks.pods": ("vip", "10.200.0.0/16"),
    "networks.services": ("vip", "10.111.0.0/16"),
    "networks.dnsDomain": ("vip", "other.local"),
    "networks.podNetwork.provider": ("vip", "weave"),
}


@cache
def _built(name: str) -> World:
    """old: of machines with cgroup v1."""
    kinds = {"kind": V1} if name == "old" else {}
    sim = Simulator(World.bare(Desk.of(example("vip" if name == "old" else name)), **kinds))
    sim.converge()
    return sim.world


def edited(field: str, name: str, value: Any) -> Simulator:
    document = document_of("vip" if name == "old" else name)
    *way, last = field.split(".")
    here = document
    for each in way:
        here = here.setdefault(each, {})
    here[last] = value
    sim = Simulator(_built(name).copy())
    sim.world.edit(Spec.model_validate(document))
    return sim


@pytest.mark.parametrize("field", PLANNED)
def test_an_edit_is_planned(field: str) -> None:
    assert not edited(field, *PLANNED[field]).plan().empty


@pytest.mark.parametrize("keep", [{"count": 3}, {"age": "30d"}], ids=str)
def test_how_long_the_schedules_backups_are_kept_is_planned(keep: Mapping[str, object]) -> None:
    assert not edited("backup", "vip", {"schedule": {}, "keep": keep}).plan().empty
    changed = edited("backup", "vip", {"schedule": {}})
    changed.converge()
    assert changed.plan().empty
    document: Document = document_of("vip") | {"backup": {"schedule": {}, "keep": keep}}
    changed.world.edit(Spec.model_validate(document))
    assert not changed.plan().empty
    changed.world.edit(Spec.model_validate(document_of("vip")))
    changed.converge()
    for host in changed.world.hosts.values():
        assert not [path for path in host.files if "backup" in path]
        assert not [unit for unit in host.units if "backup" in unit and host.units[unit].active]


@pytest.mark.parametrize("field", REFUSED)
def test_an_edit_that_cannot_be_carried_out_is_refused(field: str) -> None:
    with pytest.raises(Refused):
        edited(field, *REFUSED[field]).plan()


def test_the_value_that_was_there_is_no_edit() -> None:
    """So that what is planned and refused above is for the edit's sake."""
    for name in ("vip", "reference", "old"):
        assert Simulator(_built(name).copy()).plan().empty


def fields(model: type[BaseModel], prefix: str = "") -> Iterator[str]:
    """All that have no fields of their own, in the names of the file; * for a name of one's own. A
    list is one field."""
    for name, field in model.model_fields.items():
        path = f"{prefix}{field.alias or name}"
        parts = [field.annotation, *get_args(field.annotation)]
        models = [each for each in parts if isinstance(each, type) and issubclass(each, BaseModel)]
        if path in OPERATORS or not models or get_origin(field.annotation) in (list, tuple):
            yield path
        elif "dict" in str(field.annotation):
            yield from fields(models[0], f"{path}.*.")
        else:
            yield from fields(models[0], f"{path}.")


def test_every_field_of_the_schema_is_among_these() -> None:
    tried = {field.replace("worker1", "*") for field in (*PLANNED, *REFUSED)} | set(OPERATORS)
    assert tried == set(fields(Spec))
