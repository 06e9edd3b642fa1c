"""Row 12 of the reference procedure goes on: a worker comes and goes, the dead master is replaced.

On the cluster of test_reference.py, after its drills.
"""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from made import MASTERS, NODES, WORKLOAD, Cluster, kubectl, kubectl_json, until, whole
from seen import healthy_members, kubeadm_is_content, offered_key, voters

from kanae.facts.nodes import readiness
from kanae.layout import ports

pytestmark = pytest.mark.lab

HOST = "server1"
MORE = "server6"
_UNITS = "containerd kubelet etcd kanae-etcd-balancer kanae-apiserver-gate"
# Controller manager and scheduler end by themselves when they lose their lease on a busy machine.
_PROGRAMS = "kube-apiserver|kube-proxy|flanneld|nginx"


@pytest.fixture(scope="module", autouse=True)
def whole_before(cluster: Cluster) -> None:
    whole(cluster)


def power(cluster: Cluster, verb: str, *words: str) -> None:
    cluster.kanae("lab", verb, HOST, *words, "--lab", cluster.name)


def processes(cluster: Cluster) -> set[tuple[str, str]]:
    """Pid and start of everything that the joining of a host elsewhere could restart, by host."""
    shown = f"systemctl show -P MainPID {_UNITS}; ps -eo pid,lstart,comm | grep -E ' ({_PROGRAMS})'"
    return {
        (host, line)
        for host in ("lb", *NODES)
        for line in cluster.on(host, f"{shown} || true").splitlines()
    }


@pytest.fixture(scope="module")
def worker(cluster: Cluster) -> str:
    """One more in the spec and in the lab."""
    (address,) = re.findall(r"server5: *\{address: ([\d.]+)\.\d+,", cluster.spec.read_text())
    line = f"  {MORE}: {{address: {address}.15, roles: [worker]}}"
    cluster.edit(r"^(  server5:.*)$", rf"\1\n{line}")
    cluster.edit(r"\Z", "policies: {drainTimeout: 20}\n")
    cluster.kanae("lab", "up", str(cluster.spec))
    return MORE


def test_a_worker_comes_and_nothing_restarts_elsewhere(cluster: Cluster, worker: str) -> None:
    before = processes(cluster)
    cluster.apply()
    assert processes(cluster) == before
    nodes = kubectl_json(cluster, "get nodes")["items"]
    ready = {node["metadata"]["name"] for node in nodes if readiness(node).ready}
    assert ready == {*NODES, worker}
    assert cluster.plan() == []


def held(node: str) -> list[dict[str, Any]]:
    labels = {"app": "held"}
    return [
        {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {"name": "held"},
            "spec": {
                "replicas": 1,
                "selector": {"matchLabels": labels},
                "template": {
                    "metadata": {"labels": labels},
                    "spec": {
                        "affinity": {"nodeAffinity": prefers(node)},
                        "terminationGracePeriodSeconds": 0,
                        "containers": [
                            {"name": "main", "image": WORKLOAD, "imagePullPolicy": "Never"}
                        ],
                    },
                },
            },
        },
        {
            "apiVersion": "policy/v1",
            "kind": "PodDisruptionBudget",
            "metadata": {"name": "held"},
            "spec": {"minAvailable": 1, "selector": {"matchLabels": labels}},
        },
    ]


def prefers(node: str) -> dict[str, Any]:
    term = {"key": "kubernetes.io/hostname", "operator": "In", "values": [node]}
    weighed = {"weight": 100, "preference": {"matchExpressions": [term]}}
    return {"preferredDuringSchedulingIgnoredDuringExecution": [weighed]}


def test_a_worker_goes_when_its_budgets_let_it(cluster: Cluster, worker: str) -> None:
    objects = json.dumps({"apiVersion": "v1", "kind": "List", "items": held(worker)})
    cluster.on("server5", f"kubectl apply -f - <<'EOF'\n{objects}\nEOF")
    kubectl(cluster, "rollout status deployment/held --timeout=120s")
    assert kubectl(cluster, "get pods -l app=held -o jsonpath={.items[0].spec.nodeName}") == worker
    cluster.edit(rf"^  {worker}:.*\n", "")
    unnamed = cluster.kanae("apply", str(cluster.spec), "--yes", status=2)
    assert f"--remove {worker}" in unnamed.stderr
    blocked = cluster.kanae("apply", str(cluster.spec), "--yes", "--remove", worker, status=None)
    assert blocked.returncode not in (0, 1)
    assert "default/held" in blocked.stderr
    assert "budget" in blocked.stderr.lower()
    assert kubectl(cluster, "rollout status deployment/held --timeout=60s")
    kubectl(cluster, "delete poddisruptionbudget held")
    cluster.apply("--remove", worker)
    names = kubectl(cluster, "get nodes -o jsonpath={.items[*].metadata.name}").split()
    assert sorted(names) == sorted(NODES)
    kubectl(cluster, "rollout status deployment/held --timeout=60s")
    kubectl(cluster, "delete deployment held")
    left = cluster.on(worker, "ls -A /etc/kubernetes /etc/kanae /var/lib/kubelet 2>/dev/null; true")
    assert not [line for line in left.split() if not line.endswith(":")]
    assert cluster.plan() == []


def test_the_dead_first_master_is_replaced_by_a_blank_machine_of_its_name_and_address(
    cluster: Cluster,
) -> None:
    before = voters(cluster, "server2")
    power(cluster, "power-cut")
    power(cluster, "power-on", "--blank")
    accepted = ("--accept-host-key", offered_key(cluster))
    cluster.kanae("replace", HOST, str(cluster.spec), "--off", "--yes", *accepted)
    whole(cluster)
    after = voters(cluster, "server2")
    assert set(after) == set(MASTERS)
    assert before[HOST] not in after.values()
    assert {name: after[name] for name in ("server2", "server3")} == {
        name: before[name] for name in ("server2", "server3")
    }
    assert healthy_members(cluster, HOST) == 3
    addresses = {name: cluster.on(name, "hostname -I").split()[0] for name in MASTERS}
    balancer = cluster.on("lb", f"cat /etc/kanae/balancer-{cluster.name}.cfg")
    assert sorted(re.findall(r"server ([\d.]+):6443", balancer)) == sorted(addresses.values())
    answering = f"curl -sk https://{addresses[HOST]}:6443/readyz"
    assert cluster.on("lb", answering) == "ok"


def test_kubeadm_is_content_with_what_it_finds_afterwards(cluster: Cluster) -> None:
    kubeadm_is_content(cluster, HOST)
    config = kubectl_json(cluster, "-n kube-system get configmap kubeadm-config")
    endpoints = re.findall(r"https://[\d.]+:23\d\d", config["data"]["ClusterConfiguration"])
    # API servers reach etcd by their own host's balancer.
    assert set(endpoints) == {f"https://127.0.0.1:{ports.ETCD_BALANCER}"}, endpoints


def test_the_old_disk_is_kept_out_when_it_comes_back(cluster: Cluster) -> None:
    before = voters(cluster, "server2")
    power(cluster, "power-off")
    power(cluster, "power-on", "--old")
    offered_key(cluster)
    # Its etcd is told that its member has been removed for good.
    until(lambda: left_out(cluster), "the old member of etcd to give up")
    assert voters(cluster, "server2") == before
    power(cluster, "power-off")
    power(cluster, "power-on", "--new")
    whole(cluster)
    assert voters(cluster, HOST) == before


def left_out(cluster: Cluster) -> bool:
    command = ("journalctl", "-b", "-u", "etcd", "--no-pager")
    said = cluster.kanae("lab", "ssh", HOST, "--lab", cluster.name, "--", *command)
    return "removed" in said.stdout
