"""What status says, above all when something is down."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from kanae.errors import ConnectError, HostError
from kanae.facts.balancer import Backend
from kanae.facts.model import (
    ApiFact,
    CertificateFact,
    EtcdFact,
    EtcdMember,
    Facts,
    HostFacts,
    ObjectKey,
    UnitFact,
)
from kanae.facts.workloads import DNS, PROXY
from kanae.plan.hosts import TYPICAL
from kanae.spec.models import LoadBalancer, Spec, VirtualAddress
from kanae.verify.status import Unreachable, balancer_query, status, status_query

NOW = datetime(2026, 11, 24, 9, tzinfo=UTC)
SPEC = Spec.model_validate(
    {
        "name": "demo",
        "kubernetes": "v1.37.2",
        "hosts": {
            "lb": {"address": "10.0.0.9", "roles": ["load-balancer"]},
            "m1": {"address": "10.0.0.11", "roles": ["control-plane"]},
            "m2": {"address": "10.0.0.12", "roles": ["control-plane"]},
            "m3": {"address": "10.0.0.13", "roles": ["control-plane"]},
        },
    }
)
RUNNING = UnitFact("loaded", "active", "enabled")


def _certificate(days: int) -> CertificateFact:
    ends = NOW + timedelta(days=days, hours=1)
    return CertificateFact("CN=x", "CN=ca", NOW, ends, frozenset(), "f", False, "", "")


def _etcd(member: str, applied: int) -> EtcdFact:
    members = tuple(EtcdMember(f"{n}", f"m{n}", (), (), False) for n in (1, 2, 3))
    return EtcdFact(members, member, "2", "3.7.3", 4096, 2048, 10, applied, applied)


def _node(name: str, ready: str) -> dict[str, object]:
    return {
        "metadata": {"name": name},
        "status": {
            "nodeInfo": {"kubeletVersion": "v1.37.2"},
            "conditions": [{"type": "Ready", "status": ready, "reason": "KubeletNotReady"}],
        },
    }


def _host(name: str, api: ApiFact | None = None) -> HostFacts:
    query = status_query(SPEC, name)
    return HostFacts(
        name,
        NOW,
        TYPICAL,
        certificates={path: _certificate(300) for path in query.certificates},
        units=dict.fromkeys(query.units, RUNNING),
        etcd=_etcd(name[1:], 100 - int(name[1:])) if name.startswith("m") else None,
        api=api,
    )


NETWORK = ObjectKey("daemonsets.apps", "kube-flannel", "kube-flannel-ds")


def _daemons(ready: int, wanted: int = 3) -> dict[str, object]:
    return {"status": {"desiredNumberScheduled": wanted, "numberReady": ready}}


SERVING: dict[ObjectKey, dict[str, object]] = {
    DNS: {"spec": {"replicas": 2}, "status": {"availableReplicas": 2}},
    PROXY: _daemons(3),
    NETWORK: _daemons(3),
}


def _api(**ready: str) -> ApiFact:
    nodes = {name: _node(name, word) for name, word in ready.items()}
    return ApiFact(True, "v1.37.2", nodes, SERVING)


def _facts(*hosts: HostFacts, **unreachable: HostError) -> Facts:
    return Facts({host.host: host for host in hosts}, unreachable)


ALL = ("lb", "m1", "m2", "m3")


def test_a_healthy_cluster_is_healthy_and_names_leader_and_lag() -> None:
    api = _api(m1="True", m2="True", m3="True")
    found = status(SPEC, _facts(*(_host(h, api) for h in ALL)), {"lb": ()}, {}, [NETWORK])
    assert found.healthy
    assert found.reasons == ()
    assert [(m.host, m.leader, m.lag) for m in found.etcd] == [
        ("m1", False, 0),
        ("m2", True, 1),
        ("m3", False, 2),
    ]
    assert found.drift == 0


def test_with_the_api_down_everything_else_is_still_told() -> None:
    found = status(SPEC, _facts(*map(_host, ALL)), {}, None)
    assert not found.healthy
    assert not found.api
    assert {node.ready for node in found.nodes} == {None}
    assert all(member.healthy for member in found.etcd)
    assert found.certificates


def test_a_dead_host_is_named_with_its_member_and_the_reason() -> None:
    api = _api(m1="True", m2="True", m3="Unknown")
    hosts = (_host(name, api) for name in ("lb", "m1", "m2"))
    lost = ConnectError("m3", "no route to host", remedy="see the route")
    found = status(SPEC, _facts(*hosts, m3=lost), {}, None)
    assert not found.healthy
    assert found.unreachable == {"m3": Unreachable("no route to host", "see the route")}
    member = found.etcd[2]
    assert (member.host, member.healthy, member.errors) == ("m3", False, ("unreachable",))
    assert [(n.host, n.ready, n.problem) for n in found.nodes][2] == (
        "m3",
        False,
        "KubeletNotReady",
    )


def test_units_that_do_not_run_nodes_that_are_missing_and_strangers_are_told() -> None:
    api = _api(m1="True", m2="True", m9="True")
    stopped = UnitFact("loaded", "failed", "enabled")
    master = _host("m1", api)
    units = {**master.units, "kubelet.service": stopped}
    master = HostFacts("m1", NOW, TYPICAL, units=units, api=api, etcd=master.etcd)
    found = status(
        SPEC,
        _facts(master, *map(_host, ("lb", "m2", "m3"))),
        {},
        {"m1": ("update file /etc/hosts",)},
    )
    assert ("m1", "kubelet.service", "failed") in found.units
    problems = {node.host: node.problem for node in found.nodes if node.problem}
    assert problems == {"m3": "not in the cluster", "m9": "not in the spec"}


def test_what_a_virtual_address_takes_is_looked_at_on_balancers() -> None:
    address = VirtualAddress.model_validate({"address": "10.0.0.100"})
    virtual = SPEC.model_copy(update={"load_balancer": LoadBalancer(virtual_address=address)})
    wanted = {"kanae-balancer-demo.service"}
    moves = {"kanae-keepalived-demo.service", "kanae-tickle-demo.service"}
    assert set(status_query(SPEC, "lb").units) == wanted
    assert set(status_query(virtual, "lb").units) == wanted | moves
    assert not set(status_query(virtual, "m1").units) & moves


@pytest.mark.parametrize(
    ("key", "live", "reason"),
    [
        (DNS, None, "kube-system/coredns: is missing"),
        (DNS, {"status": {}}, "kube-system/coredns: 0 of 1 pods serve"),
        (
            DNS,
            {"spec": {"replicas": 2}, "status": {"availableReplicas": 1}},
            "kube-system/coredns: 1 of 2 pods serve",
        ),
        (DNS, {"spec": {"replicas": 0}, "status": {}}, "kube-system/coredns: 0 of 1 pods serve"),
        (PROXY, _daemons(2), "kube-system/kube-proxy: 2 of 3 pods serve"),
        (NETWORK, _daemons(0), "kube-flannel/kube-flannel-ds: 0 of 3 pods serve"),
        (NETWORK, {}, "kube-flannel/kube-flannel-ds: has never said whether its pods serve"),
    ],
)
def test_a_cluster_without_its_dns_or_pod_network_is_not_healthy(
    key: ObjectKey, live: dict[str, object] | None, reason: str
) -> None:
    objects = {**SERVING, key: live}
    nodes = _api(m1="True", m2="True", m3="True").nodes
    told = {key: live for key, live in objects.items() if live is not None}
    api = ApiFact(True, "v1.37.2", nodes, told)
    config = ObjectKey("configmaps", "kube-flannel", "kube-flannel-cfg")
    found = status(SPEC, _facts(*(_host(h, api) for h in ALL)), {}, {}, [config, NETWORK])
    assert not found.healthy
    assert found.reasons == (reason,)


def test_certificates_come_in_the_order_of_their_end() -> None:
    host = _host("m1")
    changed = {**host.certificates, "/etc/kubernetes/admin.conf": _certificate(-2)}
    ending = HostFacts("m1", NOW, TYPICAL, certificates=changed)
    found = status(SPEC, _facts(ending), {}, None)
    first = found.certificates[0]
    assert (first.path, first.days) == ("/etc/kubernetes/admin.conf", -2)


def test_a_backend_that_is_down_makes_the_cluster_unhealthy() -> None:
    api = _api(m1="True", m2="True", m3="True")
    balancers = {"lb": (Backend("m1", True, "UP"), Backend("m2", False, "DOWN L4CON"))}
    assert not status(SPEC, _facts(*(_host(h, api) for h in ALL)), balancers, {}).healthy
    assert set(balancer_query(SPEC).servers) == {"m1", "m2", "m3"}
