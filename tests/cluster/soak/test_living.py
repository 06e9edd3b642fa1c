"""Drift and edits of a living cluster on real hosts. `make soak` runs these."""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager

import pytest
from made import Cluster, whole

from kanae.layout import marks
from kanae.render import registration

pytestmark = pytest.mark.lab


NODES = ("server1", "server2", "server3", "server4")
_UNITS = "containerd kubelet etcd kanae-etcd-balancer kanae-apiserver-gate"
_PROGRAMS = "kube-apiserver|kube-controller|kube-scheduler|kube-proxy|flanneld|nginx"


def running(cluster: Cluster, host: str) -> list[str]:
    """Pids of all that a repair could restart."""
    units = cluster.on(host, f"systemctl show -P MainPID {_UNITS}")
    programs = cluster.on(host, f"ps -eo pid,comm | grep -E ' ({_PROGRAMS})' | sort")
    return [*units.split(), *programs.splitlines()]


def test_what_was_changed_by_hand_is_planned_exactly_and_repaired_alone(cluster: Cluster) -> None:
    cluster.apply()
    balancer = f"kanae-balancer-{cluster.name}.service"
    binary = "/usr/local/bin/kubelet"
    drifts: list[tuple[str, str, list[tuple[str, str, str, str]], set[str]]] = [
        # host, what is done to it, what is to be planned, hosts on which a process may be new
        (
            "lb",
            f"rm /etc/systemd/system/{balancer}",
            [
                ("lb", "create", "file", f"/etc/systemd/system/{balancer}"),
                ("lb", "run", "unit", balancer),
            ],
            {"lb"},
        ),
        (
            "server4",
            "systemctl stop kubelet",
            [("server4", "run", "unit", "kubelet.service")],
            {"server4"},
        ),
        (
            "server4",
            "sysctl -qw net.ipv4.ip_forward=0",
            [("server4", "update", "sysctl", "net.ipv4.ip_forward")],
            set(),
        ),
        (
            "server4",
            f"cp {binary} {binary}.new && echo x >>{binary}.new && mv {binary}.new {binary}",
            [
                ("server4", "update", "binary", binary),
                ("server4", "run", "unit", "kubelet.service"),
            ],
            {"server4"},
        ),
        (
            "server5",
            "kubectl -n kube-flannel delete configmap kube-flannel-cfg",
            [("server1", "create", "configmaps", "kube-flannel/kube-flannel-cfg")],
            set(),
        ),
    ]
    for host, command, planned, restarted in drifts:
        before = {each: running(cluster, each) for each in ("lb", *NODES)}
        cluster.on(host, command)
        assert cluster.changes() == planned, command
        cluster.apply()
        after = {each: running(cluster, each) for each in ("lb", *NODES)}
        assert {each for each in before if before[each] != after[each]} <= restarted, command
        whole(cluster)


@contextmanager
def asking(cluster: Cluster) -> Generator[list[str]]:
    """Ask the endpoint without a break, each time by a new connection, and collect what went
    wrong. Not for /readyz: a server that is about to stop fails that on purpose, and serves on.
    """
    lb = cluster.on("lb", "hostname -I").split()[0]
    wrong: list[str] = []
    asked: list[int] = []
    done = threading.Event()

    def ask() -> None:
        while not done.is_set():
            answer = subprocess.run(
                [
                    "curl",
                    "-sk",
                    "-m",
                    "5",
                    "-o",
                    "/dev/null",
                    "-w",
                    "%{http_code}",
                    f"https://{lb}:6440/version",
                ],
                capture_output=True,
                text=True,
            )
            asked.append(answer.returncode)
            if answer.stdout != "200":
                wrong.append(f"{answer.returncode} {answer.stdout}")
            done.wait(0.1)

    thread = threading.Thread(target=ask)
    thread.start()
    try:
        yield wrong
    finally:
        done.set()
        thread.join()
    assert len(asked) > 10


def test_edits_of_the_spec_are_applied_with_the_endpoint_answering(cluster: Cluster) -> None:
    edits: list[tuple[str, str, set[str]]] = [
        # pattern, replacement, hosts on which something changes
        (r"kind: nginx", "kind: nginx\n  connectTimeout: 700ms", {"lb"}),
        (r"(server4: *\{.*)\}", r"\1, labels: {tier: back}}", {"server1"}),
        (
            r"^hosts:",
            "apiServer: {extraArgs: {max-requests-inflight: '500'}}\nhosts:",
            {"server1", "server2", "server3"},
        ),
        (
            r"^kubelet:",
            "kubelet:\n  maxPods: 99",
            {"server1", "server2", "server3", "server4"},
        ),
    ]
    for pattern, replacement, hosts in edits:
        cluster.edit(pattern, replacement)
        changed = cluster.changes()
        assert {host for host, *_ in changed} == hosts, changed
        with asking(cluster) as wrong:
            cluster.apply()
        assert wrong == [], f"{replacement}: {wrong}"
        whole(cluster)
    running = cluster.on("server2", "ps -C kube-apiserver -o args=")
    assert "--max-requests-inflight=500" in running
    pods = cluster.on("server5", "kubectl get node server4 -o jsonpath={.status.capacity.pods}")
    assert pods == "99"


def test_an_added_worker_joins_and_nothing_else_changes(
    made_cluster: Callable[[str, int], Cluster],
) -> None:
    cluster = made_cluster("vip", 9)
    with_worker = cluster.spec.read_text()
    cluster.edit(r"^  worker2:.*\n", "")
    cluster.apply()
    assert cluster.plan() == []
    cluster.spec.write_text(with_worker)
    elsewhere = {tuple(change) for host, *change in cluster.changes() if host != "worker2"}
    assert elsewhere == {
        ("update", "file", marks.path(marks.HOSTS)),
        ("update", "validatingadmissionpolicies.admissionregistration.k8s.io", registration.NAME),
    }
    cluster.apply()
    assert cluster.plan() == []
