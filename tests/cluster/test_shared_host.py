"""One host that is everything and that others use, too: Docker and podman with containers, a data
disk, kubelet's folder a link to it with somebody's mount below. The tests run in the order in which
they stand.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from made import Cluster

from kanae.lab import base, sources
from kanae.lab.release import Image

pytestmark = pytest.mark.lab

PACKAGES = ("docker.io", "podman", "containernetworking-plugins", "busybox-static")
# Also with what others run there, whose networks' files make CoreDNS a guest of podman's network.
IGNORED = ("--ignore", "runtime", "--ignore", "pod-network")
# Mounted folders stand for disks. Each program runs a container that leaves a file in a volume.
OTHERS = """set -e
mkdir -p /srv/disk/theirs /srv/disk/kubelet/mine /srv/precious /data
echo precious >/srv/precious/file
echo data >/srv/disk/theirs/file
mount --bind /srv/disk /data
mount --bind /srv/precious /data/kubelet/mine
ln -s /data/kubelet /var/lib/kubelet
mkdir -p /tmp/image/bin
cp /usr/bin/busybox /tmp/image/bin/
tar -C /tmp/image -cf /tmp/image.tar .
for program in docker podman; do
  $program import /tmp/image.tar theirs:1
  $program network create theirs
  $program volume create theirs
  $program run -d --name theirs --stop-signal KILL -v theirs:/volume theirs:1 \\
    /bin/busybox sh -c 'echo theirs >/volume/file; exec /bin/busybox sleep 1000000'
done
"""
MOUNT = "/data/kubelet/mine"


def apt(*words: str) -> None:
    subprocess.run(["apt-get", "-qq", *words], check=True, timeout=300)


def packages(folder: Path) -> Path:
    """Their packages and what those need, for a lab host: from where the base root's came."""
    lists, archives, places = (folder / name for name in ("lists", "archives", "sources"))
    for each in (lists, archives, places):
        (each / "partial").mkdir(parents=True)
    found = sources.mirrors(Image.BOOKWORM, places)
    assert found, "this machine's apt is not configured for Debian 12"
    for source in found:
        (places / source.name).write_text(source.read_text())
    settings = {
        "Dir::State::lists": lists,
        "Dir::State::status": base.path(Image.BOOKWORM) / "var/lib/dpkg/status",
        "Dir::Cache": folder,
        "Dir::Cache::archives": archives,
        "Dir::Etc::sourcelist": "/dev/null",
        "Dir::Etc::sourceparts": places,
        "APT::Install-Recommends": "false",
        "APT::Sandbox::User": "root",
        "Debug::NoLocking": "true",
    }
    options = [word for name, value in settings.items() for word in ("-o", f"{name}={value}")]
    apt(*options, "update")
    apt(*options, "--yes", "--download-only", "install", *PACKAGES)
    return archives


@pytest.fixture(scope="module")
def cluster(
    made_cluster: Callable[[str, int], Cluster], tmp_path_factory: pytest.TempPathFactory
) -> Cluster:
    """Not yet built; its host is as others have left it."""
    cluster = made_cluster("single", 9)
    cluster.edit(r"roles: \[.*\]", "roles: [control-plane, worker, etcd, load-balancer, client]")
    cluster.edit(r"\Z", "endpoint: {port: 6440}\nloadBalancer: {kind: haproxy}\n")
    cluster.edit(r"\Z", "etcd: {dataDir: /data/etcd}\n")
    debs = packages(tmp_path_factory.mktemp("packages"))
    tar = subprocess.run(
        ["tar", "-C", debs, "--exclude=partial", "-cf", "-", "."], check=True, capture_output=True
    )
    cluster.on("only", "mkdir /root/packages && tar -C /root/packages -xf -", stdin=tar.stdout)
    install = "apt-get install -qq -y --no-install-recommends /root/packages/*.deb"
    cluster.on("only", f"DEBIAN_FRONTEND=noninteractive {install} >/dev/null 2>&1", timeout=300)
    cluster.on("only", OTHERS)
    return cluster


def untouched(cluster: Cluster) -> None:
    """All that is theirs is there, and works."""
    for program in ("docker", "podman"):
        running = cluster.on("only", f"{program} ps --filter name=theirs --format '{{{{.Names}}}}'")
        assert running.split() == ["theirs"], program
        inside = f"{program} exec theirs /bin/busybox cat /volume/file"
        assert cluster.in_time("only", inside).strip() == "theirs"
        assert "theirs" in cluster.on("only", f"{program} network ls")
    read = "cat /srv/precious/file /srv/disk/theirs/file"
    assert cluster.on("only", read).split() == ["precious", "data"]
    networks = set(cluster.on("only", "ls /etc/cni/net.d").split())
    assert {"87-podman-bridge.conflist", "theirs.conflist"} <= networks
    links = "readlink /var/lib/kubelet; findmnt -n -o TARGET --target /data"
    assert cluster.on("only", links).split() == ["/data/kubelet", "/data"]


def findings(cluster: Cluster, check: str) -> list[tuple[str, str]]:
    said = json.loads(cluster.kanae("check", str(cluster.spec), "-o", "json", status=None).stdout)
    return [(each["severity"], each["evidence"]) for each in said if each["check"] == check]


def test_other_runtimes_with_containers_stop_an_apply(cluster: Cluster) -> None:
    errors = [
        evidence for severity, evidence in findings(cluster, "runtime") if severity == "error"
    ]
    assert {evidence.split()[0] for evidence in errors} == {"containerd", "docker", "podman"}
    assert "runtime" in cluster.kanae("apply", str(cluster.spec), "--yes", status=4).stderr
    untouched(cluster)


def test_an_apply_that_is_told_to_leaves_them_running(cluster: Cluster) -> None:
    cluster.apply(*IGNORED)
    assert cluster.plan() == []
    untouched(cluster)


def test_kubeadm_itself_is_content(cluster: Cluster) -> None:
    """Its health job runs the pause image with -v and waits for its end. Of what could be upgraded
    to it would ask the Internet: a version is given."""
    said = cluster.on("only", "kubeadm upgrade plan v1.37.2 2>&1", timeout=180)
    assert "Running cluster health checks" in said
    assert "Latest version in the v1.37 series: v1.37.2" in said


def test_a_reset_cuts_no_container_loose(cluster: Cluster) -> None:
    """Debian's containerd cannot speak with what kanae's has started; that stays as it is."""
    cluster.on("only", "docker run -d --name later theirs:1 /bin/busybox sleep 1000000")
    refused = cluster.kanae("reset", str(cluster.spec), "--yes", status=None)
    assert refused.returncode != 0
    assert "a container that kanae's containerd has started for others" in refused.stderr
    assert cluster.on("only", "docker exec later /bin/busybox echo alive").strip() == "alive"
    cluster.on("only", "docker rm -f later")
    untouched(cluster)


def test_reset_takes_kanae_away_and_leaves_what_others_have(cluster: Cluster) -> None:
    refused = cluster.kanae("reset", str(cluster.spec), "--yes", status=None)
    assert refused.returncode != 0
    assert f"/var/lib/kubelet stays: mounted in it, and not for a pod or still in use: {MOUNT}" in (
        refused.stderr
    )
    untouched(cluster)
    cluster.on("only", f"umount {MOUNT}")
    cluster.kanae("reset", str(cluster.spec), "--yes")
    untouched(cluster)
    cluster.on("only", "docker restart -t 0 theirs && podman restart -t 0 theirs")
    untouched(cluster)
    masked = "systemctl show -P LoadState -P ActiveState haproxy.service"
    assert cluster.on("only", masked).split() == ["loaded", "inactive"]
    assert cluster.on("only", "systemctl is-active containerd").strip() == "active"
    left = (
        "find /etc/kanae /etc/kubernetes /var/lib/kanae /opt/cni /usr/local/bin /data/etcd "
        "/run/flannel /var/lib/cni/flannel /data/kubelet -mindepth 1 ! -path /data/kubelet/mine "
        "2>/dev/null || true; ls /etc/cni/net.d | grep flannel || true; "
        "ls /etc/systemd/system /etc/sysctl.d /etc/modules-load.d | grep kanae || true; "
        "ip -br link | grep -E 'flannel|cni0' || true; ctr -n k8s.io images ls -q"
    )
    mine = cluster.on("only", left).split()
    assert mine == ["kanae-lab.service"], mine
