"""What a reset does on a host, with real mounts, links and processes: what is not the cluster's
stays, and what is left of the cluster is told."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from kanae.execute.scripts import clear, reset
from kanae.layout import families, marks
from kanae.layout import paths as at
from kanae.layout.family import Need
from kanae.plan.actions import ClearNode, RemoveCluster, RemoveEtcd
from kanae.plan.belongings import FOLDERS, left_by
from kanae.resources.found import Found
from kanae.resources.system import Packages, SwapOff
from kanae.spec.models import PodNetworkProvider

from .own_root import OwnRoot

KUBELET = at.KUBELET_STATE
VOLUMES = f"{KUBELET}/pods/u1/volumes"
REMOVE = RemoveCluster(
    ("containerd.service",),
    (at.CONTAINERD_CONFIG, f"{at.CNI_BIN}/bridge", f"{at.CNI_BIN}/flannel"),
    (at.KUBERNETES, at.STATE),
    node=True,
    keep_images=False,
    patterns=left_by(PodNetworkProvider.FLANNEL, plugins=True),
)
RECORD = Found(
    (at.CONTAINERD_CONFIG, f"{at.CNI_BIN}/bridge"), FOLDERS, ("containerd.service",), "/none"
)


@pytest.fixture
def host(tmp_path: Path) -> OwnRoot:
    return OwnRoot.at(tmp_path)


def remove(action: RemoveCluster = REMOVE) -> str:
    return reset.remove_cluster(action)


def test_a_linked_kubelet_folder_with_a_mount_below_it_keeps_what_is_mounted(
    host: OwnRoot,
) -> None:
    precious = host.write("/data/precious/file", "precious")
    host.path("/data/kubelet/mine").mkdir(parents=True)
    host.path(KUBELET).symlink_to("/data/kubelet")
    host.write(f"{marks.FOLDER}/cluster", "c")
    done = host.run(remove(), before="mount --bind /data/precious /data/kubelet/mine")
    assert precious.read_text() == "precious"
    assert done.returncode == 1
    assert f"{KUBELET} stays: mounted in it" in done.stderr
    assert "/data/kubelet/mine" in done.stderr
    assert host.path(f"{marks.FOLDER}/cluster").exists()


def test_what_was_theirs_runs_again_though_something_of_the_cluster_stays(host: OwnRoot) -> None:
    """And a reset that is called again does not stop it."""
    theirs = host.write(at.CONTAINERD_CONFIG, "# theirs")
    host.program("systemctl", 'case "$1" in is-enabled) exit 0 ;; is-*) exit 3 ;; esac\n')
    assert host.run(RECORD.apply()).returncode == 0
    theirs.write_text("ours")
    host.write(f"{at.UNITS}/containerd.service", "ours")
    script = remove(replace(REMOVE, files=(*REMOVE.files, f"{at.UNITS}/containerd.service")))
    host.path("/data").mkdir()
    mounted = f"mkdir -p {KUBELET}/mine; mount --bind /data {KUBELET}/mine"
    stop, start = "disable -q --now containerd.service", "enable -q --now containerd.service"
    for calls in ([f"systemctl {stop}", f"systemctl {start}"], [f"systemctl {start}"]):
        host.path("/calls").unlink()
        assert host.run(script, before=mounted).returncode == 1
        assert theirs.read_text() == "# theirs"
        assert [line for line in host.calls() if line.endswith("--now containerd.service")] == calls


def test_swap_that_kanae_turned_off_comes_back(host: OwnRoot) -> None:
    text = "/dev/sda1 / ext4 defaults 0 1\n/dev/sda2 none swap sw 0 0\n"
    fstab = host.write(at.FSTAB, text)
    for name in ("swapoff", "swapon"):
        host.program(name, "")
    assert host.run(SwapOff().apply()).returncode == 0
    assert "# kanae: /dev/sda2 none swap" in fstab.read_text()
    assert host.run(remove()).returncode == 0
    assert fstab.read_text() == text
    assert "swapon -a" in host.calls()
    assert not host.path(f"{at.FSTAB}.kanae").exists()


def test_a_mask_of_somebody_elses_stays(host: OwnRoot) -> None:
    packages = Packages((Need.HAPROXY,), families.of("debian", ()))
    masked = host.path(f"{at.UNITS}/haproxy.service")
    masked.parent.mkdir(parents=True)
    host.program("apt-get", "")
    host.program("systemctl", f'[ "$1" != mask ] || ln -s /dev/null {at.UNITS}/haproxy.service\n')
    bare = f"mkdir -p {at.STATE}; mount -t tmpfs none /usr/lib/systemd/system"
    assert host.run(packages.apply(), before=bare).returncode == 0
    assert host.path(at.MASKED).read_text() == "haproxy.service\n"
    host.path(at.MASKED).unlink()
    assert host.run(packages.apply(), before=bare).returncode == 0
    assert not host.path(at.MASKED).exists()


def test_an_interrupted_join_is_cleared_without_what_is_not_of_it(host: OwnRoot) -> None:
    precious = host.write("/data/volume/file", "precious")
    host.write(f"{at.KUBERNETES}/kubelet.conf")
    mine = f"{KUBELET}/mine"
    script = clear.host(ClearNode("w1", "m1", control_plane=False), 60)
    mounted = f"mkdir -p {mine} {KUBELET}/pki {marks.FOLDER}; mount --bind /data/volume {mine}"
    done = host.run(script, before=mounted, after=f"mountpoint -q {mine} && echo mounted")
    assert done.returncode == 1
    assert f"{KUBELET} stays: mounted in it" in done.stderr
    assert done.stdout.split() == ["mounted"]
    assert precious.read_text() == "precious"
    assert host.path(marks.path(marks.CLEARING)).exists()
    assert not host.path(f"{at.KUBERNETES}/kubelet.conf").exists()
    assert host.run(script).returncode == 0
    assert not host.path(f"{KUBELET}/pki").exists()


@pytest.mark.parametrize("linked", [False, True], ids=["folder", "link"])
def test_volumes_of_pods_are_unmounted_and_keep_what_is_in_them(
    host: OwnRoot, linked: bool
) -> None:
    place = "/data/kubelet" if linked else KUBELET
    precious = host.write("/data/volume/file", "precious")
    host.path(place).mkdir(parents=True)
    if linked:
        host.path(KUBELET).symlink_to(place)
    mounts = "\n".join(
        f"mkdir -p '{VOLUMES}/{name}'; {how} '{VOLUMES}/{name}'"
        for name, how in (
            ("kubernetes.io~projected/token", "mount -t tmpfs none"),
            ("kubernetes.io~secret/with space", "mount -t tmpfs none"),
            ("kubernetes.io~local-volume/pv", "mount --bind /data/volume"),
        )
    )
    done = host.run(remove(), before=mounts, after="grep -c kubelet /proc/self/mountinfo")
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "0"
    assert precious.read_text() == "precious"
    assert host.path(KUBELET).is_symlink() is linked
    assert not host.path(KUBELET).exists() or not any(host.path(KUBELET).iterdir())


def test_a_volume_that_somebody_uses_is_told_of_and_left(host: OwnRoot) -> None:
    precious = host.write("/data/volume/file", "precious")
    volume = f"{VOLUMES}/kubernetes.io~local-volume/pv"
    done = host.run(
        remove(),
        before=f"mkdir -p {volume}; mount --bind /data/volume {volume}; exec 7<{volume}/file",
    )
    assert done.returncode == 1
    assert volume in done.stderr
    assert precious.read_text() == "precious"


def test_a_disk_of_its_own_is_emptied_of_the_clusters_files_and_stays(host: OwnRoot) -> None:
    host.path(KUBELET).mkdir()
    before = (
        f"mount -t tmpfs none {KUBELET}; mkdir {KUBELET}/lost+found\n"
        f"sh -c {_quoted(RECORD.apply())}\n"
        f"touch {KUBELET}/config.yaml"
    )
    done = host.run(remove(), before=before, after=f"ls -A {KUBELET}; mountpoint -q {KUBELET}")
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["lost+found"]


@pytest.mark.parametrize("folder", [at.KUBERNETES, at.CONTAINERD_STATE, f"{at.STATE}/images"])
def test_no_folder_is_removed_through_a_mount(host: OwnRoot, folder: str) -> None:
    precious = host.write("/data/volume/file", "precious")
    before = f"mkdir -p {folder}/deep/er; mount --bind /data/volume {folder}/deep/er"
    done = host.run(remove(), before=before)
    assert done.returncode == 1
    assert f"{folder}/deep/er" in done.stderr
    assert precious.read_text() == "precious"


def test_data_of_etcd_is_not_removed_through_a_mount(host: OwnRoot) -> None:
    precious = host.write("/data/volume/file", "precious")
    member = "/var/lib/etcd/member"
    script = reset.remove_etcd(RemoveEtcd(member))
    before = f"mkdir -p {member}/wal; mount --bind /data/volume {member}/wal"
    assert host.run(script, before=before).returncode == 1
    assert precious.read_text() == "precious"
    assert host.run(script).returncode == 0
    assert not host.path(member).exists()


THEIRS = {
    f"{at.CNI_CONF}/87-podman-bridge.conflist": "podman's",
    f"{at.CNI_BIN}/bridge": "theirs",
    f"{at.CNI_BIN}/dnsname": "theirs",
    f"{at.CNI_STATE}/networks/podman/10.88.0.2": "theirs",
    f"{at.KUBERNETES}/audit-policy.yaml": "theirs",
    at.CONTAINERD_CONFIG: "# theirs",
    "/var/lib/docker/containers/c1/config.v2.json": "{}",
}
OURS = {
    f"{at.CNI_CONF}/10-flannel.conflist": "ours",
    f"{at.CNI_BIN}/bridge": "ours",
    f"{at.CNI_BIN}/flannel": "ours",
    f"{at.CNI_STATE}/networks/cbr0/10.244.0.2": "ours",
    f"{at.CNI_STATE}/results/cbr0-abc-eth0": "ours",
    f"{at.KUBERNETES}/kubelet.conf": "ours",
    f"{at.KUBERNETES}/pki/ca.crt": "ours",
    at.CONTAINERD_CONFIG: "ours",
    f"{KUBELET}/config.yaml": "ours",
}


def _files(host: OwnRoot) -> dict[str, str]:
    return {
        f"/{path.relative_to(host.root)}": path.read_text()
        for folder in ("etc", "opt", "var")
        for path in host.path(folder).rglob("*")
        if path.is_file()
    }


def test_what_was_there_before_is_there_afterwards_and_nothing_else(host: OwnRoot) -> None:
    for path, text in THEIRS.items():
        host.write(path, text)
    host.program("systemctl", 'case "$1" in is-enabled) exit 0 ;; is-*) exit 3 ;; esac\n')
    assert host.run(RECORD.apply()).returncode == 0
    for path, text in OURS.items():
        host.write(path, text)
    host.write(at.MASKED, "haproxy.service\n")
    # What a later program of theirs brings is not ours either.
    later = f"{at.CNI_CONF}/nerdctl-bridge.conflist"
    host.write(later, "nerdctl's")
    done = host.run(remove())
    assert done.returncode == 0, done.stderr
    assert _files(host) == THEIRS | {later: "nerdctl's"}
    calls = host.calls()
    assert "systemctl unmask -q haproxy.service" in calls
    assert calls.index("systemctl disable -q haproxy.service") > 0
    assert "systemctl enable -q --now containerd.service" in calls


def test_the_record_is_made_once(host: OwnRoot) -> None:
    host.write(f"{at.CNI_CONF}/87-podman-bridge.conflist")
    host.run(RECORD.apply())
    host.write(f"{at.CNI_CONF}/10-flannel.conflist")
    host.run(RECORD.apply())
    listed = host.path(at.FOUND_LIST).read_text().splitlines()
    assert [path for path in listed if path.startswith(at.CNI_CONF)] == [
        f"{at.CNI_CONF}/87-podman-bridge.conflist"
    ]


def test_kept_artifacts_keep_the_record_too(host: OwnRoot) -> None:
    host.write(f"{at.CNI_BIN}/dnsname")
    host.run(RECORD.apply())
    host.write(f"{marks.FOLDER}/cluster", "c")
    trees = (at.KUBERNETES, at.IMAGES, marks.FOLDER)
    done = host.run(remove(replace(REMOVE, keep_images=True, trees=trees)))
    assert done.returncode == 0, done.stderr
    assert host.path(at.FOUND_LIST).exists()
    assert not host.path(marks.FOLDER).exists()


# containerd, until it is stopped.
RUNS = (
    'case "$1 $3" in "is-active containerd.service") [ ! -e /off ] ;;\n'
    "is-active*) false ;; 'disable --now') >/off ;; esac\n"
)


def _a_namespace(host: OwnRoot) -> None:
    host.program("ctr", '[ "$1" = namespaces ] && printf "k8s.io\\nmoby\\n"\n')


def _a_task(host: OwnRoot) -> None:
    host.write(f"{at.CONTAINERD_RUN}/io.containerd.runtime.v2.task/moby/c/pid")


@pytest.mark.parametrize(
    "theirs",
    [
        _a_namespace,
        _a_task,
    ],
    ids=["namespace", "task"],
)
def test_containers_of_others_in_containerd_stay(
    host: OwnRoot, theirs: Callable[[OwnRoot], object]
) -> None:
    theirs(host)
    blob = host.write(f"{at.CONTAINERD_STATE}/io.containerd.content.v1.content/blobs/sha256/a")
    host.program("systemctl", RUNS)
    done = host.run(remove())
    assert done.returncode == 0, done.stderr
    assert blob.exists()
    assert "ctr -n k8s.io containers ls -q" in host.calls()


def test_containers_that_kanaes_containerd_runs_for_others_are_not_cut_loose(host: OwnRoot) -> None:
    """Theirs does not know how to speak with them. One that was there before it does know."""
    bundles = f"{at.CONTAINERD_RUN}/io.containerd.runtime.v2.task"
    host.write(f"{bundles}/moby/old/shim-binary-path", "/usr/bin/containerd-shim-runc-v2")
    host.write(f"{bundles}/k8s.io/p/shim-binary-path", f"{at.BIN}/containerd-shim-runc-v2")
    new = host.write(f"{bundles}/moby/new/shim-binary-path", f"{at.BIN}/containerd-shim-runc-v2")
    config = host.write(at.CONTAINERD_CONFIG, "ours")
    host.program("systemctl", RUNS)
    done = host.run(remove())
    assert done.returncode == 1
    assert "moby/new; stop it" in done.stderr
    assert "moby/old" not in done.stderr
    assert config.exists()
    assert not [call for call in host.calls() if "disable" in call]
    new.unlink()
    done = host.run(remove())
    assert done.returncode == 0, done.stderr
    assert not config.exists()


def test_network_namespaces_of_others_stay(host: OwnRoot) -> None:
    mine, other = "cni-11111111-aaaa", "cni-22222222-bbbb"
    bundle = f"{at.CONTAINERD_RUN}/io.containerd.runtime.v2.task/k8s.io/s1/config.json"
    host.write(bundle, f'{{"namespaces":[{{"type":"network","path":"/var/run/netns/{mine}"}}]}}')
    host.path("/var/run").symlink_to("/run")
    script = f"sh -c {_quoted(reset.stop_node())} && {remove()}"
    done = host.run(
        script, before=f"ip netns add {mine}; ip netns add {other}", after="ls /run/netns"
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == [other]


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'"


def shim(namespace: str) -> str:
    """A process with a shim's arguments, and a child of it."""
    return (
        f"sh -c 'sleep 600 & echo $$ $! >/tmp/{namespace}; wait' "
        "/usr/local/bin/containerd-shim-runc-v2 "
        f"-namespace {namespace} -id c1 -address {at.CONTAINERD_SOCKET} >/dev/null 2>&1 &\n"
        f"until [ -s /tmp/{namespace} ]; do sleep 0.05; done\n"
    )


def test_pods_end_without_containerd_and_containers_of_others_live(host: OwnRoot) -> None:
    alive = (
        "for pid in $(cat /tmp/k8s.io /tmp/moby); do\n"
        "grep -q '^State:.[^Z]' /proc/$pid/status 2>/dev/null && echo alive || echo ended\n"
        "done"
    )
    done = host.run(reset.stop_node(), before=shim("k8s.io") + shim("moby"), after=alive)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["ended", "ended", "alive", "alive"]


def test_what_does_not_end_is_told(host: OwnRoot) -> None:
    host.program("systemctl", 'case "$1" in is-active) [ "$3" = kubelet.service ] ;; esac\n')
    done = host.run(reset.stop_node())
    assert done.returncode == 1
    assert "kubelet.service still runs" in done.stderr
    host.program("systemctl", 'case "$1" in is-active) [ "$3" = containerd.service ] ;; esac\n')
    done = host.run(remove())
    assert done.returncode == 1
    assert "containerd.service still runs" in done.stderr
