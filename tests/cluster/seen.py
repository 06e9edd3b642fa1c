"""What a cluster of any topology looks like, asked on one of its hosts."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any

from made import WORKLOAD, Cluster, etcdctl, until

from kanae.facts.nodes import readiness

KUBECTL = "kubectl --kubeconfig /etc/kubernetes/admin.conf"


def get(cluster: Cluster, master: str, words: str) -> Any:
    return json.loads(cluster.on(master, f"{KUBECTL} get {words} -o json"))


def ready_nodes(cluster: Cluster, master: str) -> set[str]:
    return {
        node["metadata"]["name"]
        for node in get(cluster, master, "nodes")["items"]
        if readiness(node).ready
    }


def voters(cluster: Cluster, host: str) -> dict[str, str]:
    """Started voters of etcd by name -> id. Fails when there is any other member, or one without
    TLS."""
    members = json.loads(etcdctl(cluster, "member list -w json", host=host))["members"]
    assert all(each.get("name") for each in members), members
    assert not any(each.get("isLearner") for each in members), members
    assert all(url.startswith("https://") for each in members for url in each["peerURLs"])
    return {each["name"]: f"{each['ID']:x}" for each in members}


def healthy_members(cluster: Cluster, host: str) -> int:
    health = json.loads(etcdctl(cluster, "endpoint health --cluster -w json", host=host))
    assert all(each["health"] for each in health), health
    return len(health)


def endpoint_answers(cluster: Cluster, host: str) -> str:
    """The endpoint's URL as kubeadm gave it to this host's kubectl, after it said ok."""
    answer = cluster.on(host, f"{KUBECTL} get --raw /readyz --request-timeout=10s")
    assert answer == "ok"
    config = cluster.on(host, "cat /etc/kubernetes/admin.conf")
    return re.findall(r"server: (\S+)", config)[0]


def servers(cluster: Cluster, master: str, nodes: Sequence[str]) -> set[str]:
    """Where everybody is led: hosts that join, kube-proxy, and the hosts' own kubeconfigs, but for
    kubelets of control-plane hosts, which have their own API server."""
    info = get(cluster, master, "configmap cluster-info -n kube-public")["data"]["kubeconfig"]
    proxy = get(cluster, master, "configmap kube-proxy -n kube-system")["data"]["kubeconfig.conf"]
    texts = [info, proxy]
    for node in nodes:
        own = "for each in admin kubelet; do cat $each.conf 2>/dev/null && break; done"
        texts.append(cluster.on(node, f"cd /etc/kubernetes && {own}"))
    return set(re.findall(r"server: (\S+)", "\n".join(texts)))


def kubeadm_is_content(cluster: Cluster, master: str) -> None:
    said = cluster.on(master, "kubeadm upgrade plan v1.37.2 2>&1", timeout=180)
    assert "error" not in said.lower(), said


def offered_key(cluster: Cluster) -> str:
    """The fingerprint of another host key than the known one, as `plan` tells it."""
    said = cluster.kanae("plan", str(cluster.spec), status=13).stderr
    assert "shows another host key than the known one" in said
    found = re.search(r"--accept-host-key (SHA256:\S+)", said)
    assert found is not None, said
    return found[1]


def whole(cluster: Cluster, master: str, nodes: set[str], members: set[str], member: str) -> None:
    """Nothing to do, all nodes Ready, every member a healthy voter. member: a host with one."""
    assert cluster.plan() == []
    until(lambda: ready_nodes(cluster, master) == nodes, f"{nodes} to be Ready")
    assert {node["metadata"]["name"] for node in get(cluster, master, "nodes")["items"]} == nodes
    assert set(voters(cluster, member)) == members
    assert healthy_members(cluster, member) == len(members)


def traffic_flows(cluster: Cluster, master: str, one: str, other: str) -> None:
    """A pod on `one` reaches a pod on `other` by service name."""
    pods = [(f"web-{one}", one), (f"ask-{other}", other)]
    items: list[dict[str, Any]] = [
        {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": name, "labels": {"app": name}},
            "spec": {
                "nodeName": node,
                "tolerations": [{"operator": "Exists"}],
                "containers": [
                    {"name": "main", "image": WORKLOAD, "imagePullPolicy": "Never"},
                ],
            },
        }
        for name, node in pods
    ]
    items.append(
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": f"web-{one}"},
            "spec": {
                "selector": {"app": f"web-{one}"},
                "ports": [{"port": 80, "targetPort": 8080}],
            },
        }
    )
    objects = json.dumps({"apiVersion": "v1", "kind": "List", "items": items})
    cluster.on(master, f"{KUBECTL} apply -f - <<'EOF'\n{objects}\nEOF")
    names = " ".join(f"pod/{name}" for name, _ in pods)
    cluster.on(master, f"{KUBECTL} wait --for=condition=Ready {names} --timeout=120s")
    asked = cluster.in_time(
        master,
        f"{KUBECTL} exec ask-{other} -- /workload get http://web-{one}.default.svc.cluster.local/",
    )
    assert asked.strip() == f"web-{one}"
