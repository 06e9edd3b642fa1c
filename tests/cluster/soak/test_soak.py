"""What goes wrong in the middle, and edits of a living cluster. `make soak` runs these."""

from __future__ import annotations

import json
import subprocess
import threading
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Any, Protocol

import pytest

pytestmark = pytest.mark.lab

# Spread over a whole apply, in the order in which a run comes to them.
KILLS = (
    ("step-started", "server1/certificates/authorities"),
    ("step-ended", "lb/system/converge"),
    ("step-started", "server1/images/converge"),
    ("step-ended", "server2/etcd/converge"),
    ("step-started", "server1/control-plane/init"),
    ("step-started", "server2/control-plane/join"),
    ("step-ended", "server4/workers/join"),
    ("step-started", "server1/nodes/ready"),
)


class Applying(Protocol):
    process: subprocess.Popen[str]

    def wait_for(self, record: str, step: str) -> None: ...
    def stderr(self) -> str: ...
    def __enter__(self) -> Applying: ...
    def __exit__(self, *_: object) -> None: ...


class Made(Protocol):
    """What conftest's Cluster offers."""

    name: str
    spec: Any

    def kanae(self, *words: str, status: int | None = 0, timeout: float = 900.0) -> Any: ...
    def apply(self, *words: str) -> Any: ...
    def plan(self) -> list[dict[str, Any]]: ...
    def changes(self) -> list[tuple[str, str, str, str]]: ...
    def edit(self, pattern: str, replacement: str) -> None: ...
    def on(
        self, host: str, command: str, *, status: int | None = 0, timeout: float = 120.0
    ) -> str: ...
    def start_apply(self) -> Applying: ...
    def kill_apply_when(self, record: str, step: str) -> None: ...


@pytest.fixture(scope="module")
def cluster(made_cluster: Callable[[str, int], Made]) -> Made:
    return made_cluster("reference", 8)


def whole(cluster: Made) -> None:
    """Nothing left to do, and four nodes Ready. When only the wait for that was cut off, the next
    apply finds nothing to do and does not wait.
    """
    assert cluster.plan() == []
    cluster.on(
        "server5", "kubectl wait --for=condition=Ready node --all --timeout=120s", timeout=180
    )
    nodes = json.loads(cluster.on("server5", "kubectl get nodes -o json"))["items"]
    names = sorted(node["metadata"]["name"] for node in nodes)
    assert names == ["server1", "server2", "server3", "server4"]


def inits(cluster: Made) -> int:
    """How often `kubeadm init` made certificates on the first master."""
    log = "/var/lib/kanae/log/kubeadm-init.log"
    return int(cluster.on("server1", f"grep -c 'Generating \"apiserver\" certificate' {log}"))


def test_killed_at_eight_points_it_converges(cluster: Made) -> None:
    for record, step in KILLS:
        cluster.kill_apply_when(record, step)
    cluster.apply()
    whole(cluster)
    cluster.kanae("reset", str(cluster.spec), "--yes", "--keep-artifacts")


def test_a_host_that_loses_power_in_the_middle_is_named_and_comes_back(cluster: Made) -> None:
    with cluster.start_apply() as applying:
        applying.wait_for("step-started", "server2/control-plane/join")
        cluster.kanae("lab", "power-cut", "server2", "--lab", cluster.name)
        said = applying.stderr()
        assert applying.process.returncode not in (0, 1)
    assert "server2" in said
    assert "Traceback" not in said
    assert "remedy" in said
    again = cluster.kanae("apply", str(cluster.spec), "--yes", status=None)
    assert again.returncode == 10
    assert "server2" in again.stderr
    cluster.kanae("lab", "power-on", "server2", "--lab", cluster.name)
    cluster.apply()
    whole(cluster)
    cluster.kanae("reset", str(cluster.spec), "--yes", "--keep-artifacts")


def test_a_connection_lost_during_init_is_not_a_second_init(cluster: Made) -> None:
    with cluster.start_apply() as applying:
        applying.wait_for("step-started", "server1/control-plane/init")
        cluster.kanae("lab", "partition", "server1", "--lab", cluster.name)
        # Long enough for keepalives to give the connection up.
        time.sleep(25)
        cluster.kanae("lab", "heal", "--lab", cluster.name)
        said = applying.stderr()
    assert "Traceback" not in said
    if applying.process.returncode != 0:
        cluster.apply()
    whole(cluster)
    assert inits(cluster) == 1


@contextmanager
def asking(cluster: Made) -> Generator[list[str]]:
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


def test_edits_of_the_spec_are_applied_with_the_endpoint_answering(cluster: Made) -> None:
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
            r"^hosts:",
            "kubelet: {maxPods: 99}\nhosts:",
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
    made_cluster: Callable[[str, int], Made],
) -> None:
    cluster = made_cluster("vip", 9)
    with_worker = cluster.spec.read_text()
    cluster.edit(r"^  worker2:.*\n", "")
    cluster.apply()
    assert cluster.plan() == []
    cluster.spec.write_text(with_worker)
    assert {host for host, *_ in cluster.changes()} == {"worker2"}
    cluster.apply()
    assert cluster.plan() == []
