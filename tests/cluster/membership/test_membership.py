"""Whole lives of clusters on real hosts: one grows to three, to five and shrinks, and hosts
of every kind are replaced. `make membership` runs these.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

import pytest
from made import APPLY_TIMEOUT, Cluster, Running, until
from seen import (
    KUBECTL,
    endpoint_answers,
    get,
    healthy_members,
    kubeadm_is_content,
    offered_key,
    ready_nodes,
    voters,
)

pytestmark = pytest.mark.lab

Make = Callable[..., Cluster]
# Where one `kanae replace` of master1 is killed, in the order in which its runs come there.
KILLS = (
    ("step-started", "lb1/balancer/converge"),
    ("step-started", "master2/departure/member-master1"),
    ("step-started", "master2/departure/converge"),
    ("step-ended", "master1/system/converge"),
    ("step-started", "master1/images/converge"),
    ("step-started", "master1/control-plane/join"),
)


def up(cluster: Cluster) -> None:
    """Hosts that the spec has and the lab has not come up, blank."""
    cluster.kanae("lab", "up", str(cluster.spec))


def whole(cluster: Cluster, master: str, nodes: set[str], members: set[str], member: str) -> None:
    """Nothing to do, all nodes Ready, every member a healthy voter. member: a host with one."""
    assert cluster.plan() == []
    until(lambda: ready_nodes(cluster, master) == nodes, f"{nodes} to be Ready")
    assert {node["metadata"]["name"] for node in get(cluster, master, "nodes")["items"]} == nodes
    assert set(voters(cluster, member)) == members
    assert healthy_members(cluster, member) == len(members)


def servers(cluster: Cluster, master: str, nodes: Sequence[str]) -> set[str]:
    """Where everybody is led: hosts that join, kube-proxy, and the hosts' own kubeconfigs, but for
    kubelets of control-plane hosts, which have their own API server."""
    info = get(cluster, master, "configmap cluster-info -n kube-public")["data"]["kubeconfig"]
    proxy = get(cluster, master, "configmap kube-proxy -n kube-system")["data"]["kubeconfig.conf"]
    texts = [info, proxy]
    for node in nodes:
        kubeconfig = "/etc/kubernetes/admin.conf"
        texts.append(cluster.on(node, f"cat {kubeconfig} 2>/dev/null || true"))
    return set(re.findall(r"server: (\S+)", "\n".join(texts)))


def test_one_grows_to_three_and_five_and_shrinks_to_three_without_the_first(
    made_cluster: Make,
) -> None:
    cluster = made_cluster("single", 14)
    cluster.apply()
    (subnet,) = re.findall(r"only: *\{address: ([\d.]+)\.10,", cluster.spec.read_text())
    old, new = f"https://{subnet}.10:6443", f"https://{subnet}.100:6440"
    assert endpoint_answers(cluster, "only") == old

    def host(number: int, *roles: str) -> str:
        return f"  node{number}: {{address: {subnet}.1{number}, roles: [{', '.join(roles)}]}}"

    everything = ("control-plane", "worker", "load-balancer")
    three = "\n".join(host(number, *everything) for number in (2, 3))
    cluster.edit(r"^(  only: .*), worker\]\}$", rf"\1, worker, load-balancer]}}\n{three}")
    virtual = f"{{virtualAddress: {{address: {subnet}.100}}}}"
    cluster.edit(r"^(kubernetes: .*)$", rf"\1\nendpoint: {{port: 6440}}\nloadBalancer: {virtual}")
    up(cluster)
    cluster.apply()
    names = {"only", "node2", "node3"}
    whole(cluster, "node2", names, names, "node2")
    assert servers(cluster, "node2", sorted(names)) == {new}
    assert endpoint_answers(cluster, "node3") == new
    assert cluster.on("node2", f"curl -sk {old}/readyz") == "ok"
    kubeadm_is_content(cluster, "node2")

    cluster.kanae("lab", "power-cut", "only", "--lab", cluster.name)
    until(lambda: cluster.on("node2", f"curl -sk -m 2 {new}/readyz", status=None) == "ok", new, 15)
    cluster.on("node2", f"{KUBECTL} create configmap survives --from-literal=a=b")
    cluster.kanae("lab", "power-on", "only", "--lab", cluster.name)
    until(lambda: ready_nodes(cluster, "node2") == names, "the first one to come back")

    five = "\n".join(host(number, "control-plane", "worker") for number in (4, 5))
    cluster.edit(r"^(  node3: .*)$", rf"\1\n{five}")
    up(cluster)
    cluster.apply()
    names |= {"node4", "node5"}
    whole(cluster, "node3", names, names, "node3")

    cluster.edit(r"^  (only|node5): .*\n", "")
    cluster.apply("--remove", "only", "--remove", "node5")
    names -= {"only", "node5"}
    whole(cluster, "node2", names, names, "node2")
    assert servers(cluster, "node2", sorted(names)) == {new}
    kubeadm_is_content(cluster, "node4")
    get(cluster, "node4", "configmap survives")
    for gone in ("only", "node5"):
        left = "ls -A /etc/kubernetes /etc/kanae /var/lib/etcd /var/lib/kubelet 2>/dev/null; true"
        assert not [line for line in cluster.on(gone, left).split() if not line.endswith(":")]
    cluster.kanae("lab", "down", cluster.name, "--yes")


def test_behind_a_virtual_address_every_kind_of_host_is_replaced(made_cluster: Make) -> None:
    cluster = made_cluster("vip", 12)
    cluster.apply()
    masters = {"master1", "master2", "master3"}
    nodes = masters | {"worker1", "worker2"}
    address = re.findall(r"virtualAddress: \{address: ([\d.]+)\}", cluster.spec.read_text())[0]

    dead(cluster, "master1")
    accepted = ("--accept-host-key", offered_key(cluster))
    replacing = ("replace", "master1", str(cluster.spec), "--off", "--yes", *accepted)
    for record, step in KILLS:
        with Running(cluster, *replacing) as running:
            running.wait_for(record, step)
    cluster.kanae(*replacing)
    whole(cluster, "master2", nodes, masters, "master1")
    kubeadm_is_content(cluster, "master1")

    holder = next(lb for lb in ("lb1", "lb2") if address in cluster.on(lb, "hostname -I"))
    dead(cluster, holder)
    replace_blank(cluster, holder)
    whole(cluster, "master1", nodes, masters, "master2")
    other = "lb2" if holder == "lb1" else "lb1"
    cluster.kanae("lab", "power-cut", other, "--lab", cluster.name)
    until(lambda: address in cluster.on(holder, "hostname -I"), f"{address} on {holder}")
    endpoint_answers(cluster, "master3")
    cluster.kanae("lab", "power-on", other, "--lab", cluster.name)

    dead(cluster, "worker1")
    replace_blank(cluster, "worker1")
    whole(cluster, "master1", nodes, masters, "master2")

    # A live one moves to another machine.
    (subnet,) = re.findall(r"master3: *\{address: ([\d.]+)\.12,", cluster.spec.read_text())
    cluster.edit(r"^(  master3: .*)$", rf"\1\n  spare: {{address: {subnet}.30, roles: [worker]}}")
    up(cluster)
    cluster.edit(r"^  spare: .*\n", "")
    successor = f"spare={subnet}.30"
    cluster.kanae("replace", "master3", str(cluster.spec), "--with", successor, "--yes")
    nodes, masters = (each - {"master3"} | {"spare"} for each in (nodes, masters))
    whole(cluster, "master1", nodes, masters, "spare")
    cluster.kanae("lab", "down", cluster.name, "--yes")


def test_etcd_hosts_of_their_own_are_replaced_and_so_are_masters_in_front_of_them(
    made_cluster: Make,
) -> None:
    cluster = made_cluster("dedicated-etcd", 13)
    cluster.apply()
    members = {"etcd1", "etcd2", "etcd3"}
    nodes = {"master1", "master2", "master3", "worker1"}
    for host in ("etcd1", "master1"):
        dead(cluster, host)
        replace_blank(cluster, host)
        whole(cluster, "master2", nodes, members, "etcd1")
    kubeadm_is_content(cluster, "master1")
    cluster.kanae("lab", "down", cluster.name, "--yes")


def test_one_of_three_machines_that_are_everything_is_replaced(made_cluster: Make) -> None:
    cluster = made_cluster("three-machines", 15)
    cluster.apply()
    nodes = {"node1", "node2", "node3"}
    address = re.findall(r"virtualAddress: \{address: ([\d.]+)\}", cluster.spec.read_text())[0]
    holder = next(node for node in sorted(nodes) if address in cluster.on(node, "hostname -I"))
    dead(cluster, holder)
    replace_blank(cluster, holder)
    whole(cluster, holder, nodes, nodes, holder)
    endpoint_answers(cluster, holder)
    kubeadm_is_content(cluster, holder)
    cluster.kanae("lab", "down", cluster.name, "--yes")


def dead(cluster: Cluster, host: str) -> None:
    """It loses its power for good; a blank machine of its name and address is there instead."""
    cluster.kanae("lab", "power-cut", host, "--lab", cluster.name)
    cluster.kanae("lab", "power-on", "--blank", host, "--lab", cluster.name)


def replace_blank(cluster: Cluster, host: str) -> None:
    accepted = ("--accept-host-key", offered_key(cluster))
    cluster.kanae(
        "replace", host, str(cluster.spec), "--off", "--yes", *accepted, timeout=APPLY_TIMEOUT
    )
