"""Every member's disk is lost at once, and the cluster comes back from its backup.

On the cluster of test_reference.py, after its drills and replacements.
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from made import MASTERS, NODES, WORKLOAD, Cluster, kubectl, until, whole
from seen import healthy_members, voters

from kanae.backup import writer
from kanae.backup.archive import open_archive

pytestmark = pytest.mark.lab

# Ordinary containers: agents that follow the API are restarted on purpose.
ORDINARY = "main|coredns"


@pytest.fixture(scope="module", autouse=True)
def whole_before(cluster: Cluster) -> None:
    whole(cluster)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("backups")


def deployed(cluster: Cluster, name: str, replicas: int) -> None:
    labels = {"app": name}
    deployment = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": labels},
            "template": {
                "metadata": {"labels": labels},
                "spec": {
                    "terminationGracePeriodSeconds": 0,
                    "containers": [{"name": "main", "image": WORKLOAD, "imagePullPolicy": "Never"}],
                },
            },
        },
    }
    cluster.on("server5", f"kubectl apply -f - <<'EOF'\n{json.dumps(deployment)}\nEOF")
    kubectl(cluster, f"rollout status deployment/{name} --timeout=120s")


def made(cluster: Cluster, name: str) -> None:
    kubectl(cluster, f"create configmap {name} --from-literal=key={name}")


def names(cluster: Cluster) -> set[str]:
    listed = kubectl(cluster, "get configmaps -o jsonpath={.items[*].metadata.name}").split()
    return {name for name in listed if name.startswith("lost-")}


def processes(cluster: Cluster) -> set[tuple[str, str]]:
    """Pid and start of the ordinary containers' first processes, by host."""
    asked = (
        f"for id in $(crictl ps -q --state running --name '^({ORDINARY})$'); do "
        """pid=$(crictl inspect "$id" | sed -n 's/^ *"pid": \\([0-9]*\\),*$/\\1/p' | head -n 1); """
        'ps -o pid=,lstart=,comm= -p "$pid"; done'
    )
    return {
        (host, " ".join(line.split()))
        for host in NODES
        for line in cluster.on(host, asked).splitlines()
        if line.strip()
    }


def revision(cluster: Cluster) -> int:
    listed = kubectl(cluster, "get --raw /api/v1/namespaces/default/configmaps")
    return int(json.loads(listed)["metadata"]["resourceVersion"])


def watched(cluster: Cluster, since: int) -> str:
    """What a watch that goes on from a revision is told, until it ends."""
    path = f"/api/v1/namespaces/default/configmaps?watch=1&resourceVersion={since}&timeoutSeconds=5"
    return cluster.on("server5", f"kubectl get --raw '{path}' 2>&1 || true")


@pytest.fixture(scope="module")
def backup(cluster: Cluster, folder: Path) -> Path:
    """Taken while there is something to lose."""
    deployed(cluster, "lost-web", 2)
    made(cluster, "lost-before")
    made(cluster, "lost-deleted")
    cluster.kanae("backup", "create", str(cluster.spec), "--to", str(folder))
    [file] = folder.glob("*.tar*")
    return file


def test_a_good_file_passes_the_drill_and_says_how_long_it_takes(
    cluster: Cluster, backup: Path
) -> None:
    before = voters(cluster, "server2")
    done = cluster.kanae("backup", "test", str(cluster.spec), "--file", str(backup), "-o", "json")
    told: dict[str, Any] = json.loads(done.stdout)
    assert told["passed"], told
    assert 0 < told["rto_seconds"] < 120
    assert told["rpo_seconds"] > 0
    # The cluster does not encrypt what is in etcd.
    tried = {part["name"]: part["passed"] for part in told["parts"]}
    assert [name for name, passed in tried.items() if not passed] == ["secret"], told
    assert voters(cluster, "server2") == before
    assert cluster.plan() == []


def damaged(backup: Path, folder: Path, how: str) -> Path:
    """A file that is not what it was."""
    there = folder / f"{how}.tar"
    content = backup.read_bytes()
    match how:
        case "changed":
            middle = len(content) // 2
            there.write_bytes(
                content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]
            )
        case "short":
            there.write_bytes(content[:-1])
        case _:
            snapshot = folder / "snapshot.db"
            archive = open_archive(backup, snapshot=snapshot)
            other = replace(archive.manifest, identity="0" * 32)
            writer.write(there, other, archive.files, [snapshot.read_bytes()])
    return there


@pytest.mark.parametrize(
    ("how", "words"),
    [
        ("changed", "damaged"),
        ("short", "cut short"),
        ("of another", "another cluster"),
    ],
)
def test_a_file_that_is_not_good_is_told_and_nothing_is_touched(
    cluster: Cluster, backup: Path, tmp_path: Path, how: str, words: str
) -> None:
    file = damaged(backup, tmp_path, how)
    for verb in (("backup", "test", str(cluster.spec), "--file", str(file)),
                 ("restore", str(cluster.spec), "--from", str(file),
                  "--confirm", cluster.name)):  # fmt: skip
        done = cluster.kanae(*verb, status=None)
        assert done.returncode not in (0, 1, 70), done.stderr
        assert words in done.stderr + done.stdout, done.stderr
    assert cluster.plan() == []


def test_every_member_is_lost_and_the_cluster_comes_back(cluster: Cluster, backup: Path) -> None:
    kubectl(cluster, "delete configmap lost-deleted")
    made(cluster, "lost-after")
    since = revision(cluster)
    running = processes(cluster)
    assert running
    for host in MASTERS:
        cluster.on(host, "systemctl kill -s KILL etcd; systemctl stop etcd; rm -rf /var/lib/etcd/*")
    unconfirmed = cluster.kanae("restore", str(cluster.spec), "--from", str(backup), status=2)
    assert f"--confirm {cluster.name}" in unconfirmed.stderr
    done = cluster.kanae(
        "restore", str(cluster.spec), "--from", str(backup), "--confirm", cluster.name
    )
    assert "is lost" in done.stderr
    assert names(cluster) == {"lost-before", "lost-deleted"}
    assert healthy_members(cluster, "server1") == 3
    assert processes(cluster) == running
    told = watched(cluster, since)
    assert "410" in told or "too old" in told, told
    assert revision(cluster) > since + 500_000_000
    deployed(cluster, "lost-later", 2)
    until(lambda: cluster.plan() == [], "nothing to be left to do")
    whole(cluster)


def test_a_second_restore_goes_back_in_time_and_says_what_is_lost(
    cluster: Cluster, backup: Path
) -> None:
    made(cluster, "lost-again")
    before = revision(cluster)
    done = cluster.kanae(
        "restore", str(cluster.spec), "--from", str(backup), "--confirm", cluster.name
    )
    assert "lost-again" in done.stderr
    assert names(cluster) == {"lost-before", "lost-deleted"}
    assert revision(cluster) > before + 500_000_000
    whole(cluster)
    kept = cluster.on("server1", "ls /var/lib/etcd; ls /var/lib/kanae/restores")
    assert kept.count("kanae-before-") == 1
    assert ".db" in kept
    cluster.kanae("restore", str(cluster.spec), "--discard", "--confirm", cluster.name)
    left = [cluster.on(host, "ls /var/lib/etcd") for host in MASTERS]
    assert [each.split() for each in left] == [["member"]] * 3
    whole(cluster)
