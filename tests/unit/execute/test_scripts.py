"""Every script that hosts are sent, as it is recorded, and each as a shell reads it."""

from __future__ import annotations

import ast
import inspect
import subprocess
from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Final

import pytest

from kanae.execute import scripts
from kanae.execute.scripts import (
    backup,
    clear,
    etcd,
    files,
    guarded,
    images,
    kubeadm,
    kubectl,
    lease,
    nodes,
    proxies,
    reset,
    resources,
    restore,
    scratch,
    snapshot,
)
from kanae.facts.model import ObjectKey
from kanae.layout import marks, units
from kanae.layout import paths as at
from kanae.plan.actions import (
    Addon,
    AwaitApi,
    AwaitEtcd,
    AwaitGuard,
    AwaitKubelet,
    AwaitProxies,
    AwaitSameData,
    ClearNode,
    Converge,
    DeleteObjects,
    DiscardReplaced,
    EndRestore,
    Fence,
    KubeadmInit,
    KubeadmJoin,
    LeadTo,
    ReconfigureControlPlane,
    ReconfigureKubelet,
    RemoveCluster,
    RemoveEtcd,
    ReplaceData,
    RestartAgents,
    RestoreSnapshot,
    SaveSnapshot,
    SetNode,
    Unfence,
)
from kanae.plan.preflight import left_by_init
from kanae.resources.artifact import Image
from kanae.resources.file import Absent, File
from kanae.resources.system import SwapOff
from kanae.resources.unit import NoUnit, Unit
from kanae.spec.models import ProxyMode

from ...model.fixtures import Desk, bare, example
from ..golden import GOLDEN, agree

HERE: Final = GOLDEN / "scripts"
# Between them every kind of host, balancer and etcd.
BUILT: Final = ("reference", "three-machines")
LIMIT: Final = 585.0
INIT: Final = KubeadmInit("", "f" * 64, "e" * 64, "prod")
JOIN: Final = KubeadmJoin("", "worker", "e" * 64, False, "m1")
LEAD: Final = LeadTo("https://10.0.0.9:6440", (at.ADMIN_CONF, at.KUBELET_CONF), kubelet=True)
CLEAR: Final = ClearNode("m2", "m1", control_plane=True)
MEMBER: Final = "https://192.168.1.11:2380"
IMAGES: Final = (
    Image("registry.k8s.io/pause:3.10.2", "", "", 0),
    Image("registry.k8s.io/etcd:3.6.0", "", "", 0),
)
ATTEMPT: Final = "abababababababab-1"
RESTORE: Final = RestoreSnapshot(
    "/none/snapshot.db",
    "ab" * 32,
    1000,
    f"{at.RESTORES}/{ATTEMPT}.db",
    "/var/lib/etcd",
    ATTEMPT,
    "m1",
    "https://192.168.1.10:2380",
    "m1=https://192.168.1.10:2380,m2=https://192.168.1.11:2380",
    1_000_000_000,
)
FENCE: Final = Fence(("kube-apiserver", "etcd"), False, '{"snapshot": "it\'s"}')
REMOVE: Final = RemoveCluster(
    ("kubelet.service", "containerd.service"),
    (at.KUBELET_UNIT, at.SYSCTLS),
    (at.KUBERNETES, at.STATE),
    node=True,
    keep_images=False,
)
SCRIPTS: Final[Mapping[str, str]] = {
    "backup-snapshot": backup.snapshot(900),
    "backup-read": backup.read((at.SERVICE_ACCOUNT_PUBLIC, "/etc/it's")),
    "backup-listed": backup.listed("/srv/it's"),
    "backup-folder": backup.folder("/srv/it's"),
    "backup-sha256": backup.sha256("/srv/b.tar"),
    "backup-send": backup.send("/srv/b.tar"),
    "backup-remove": backup.remove("/srv/b.tar"),
    "guarded-succeeded": guarded.succeeded(marks.JOINED, 60),
    "kubeadm-init": kubeadm.init(INIT, LIMIT),
    "kubeadm-init-resumed": kubeadm.init(
        replace(INIT, ignored=left_by_init(example("three-machines"))), LIMIT
    ),
    "kubeadm-join-control-plane": kubeadm.join(
        replace(JOIN, control_plane=True, fingerprint="f" * 64), LIMIT
    ),
    "kubeadm-join-worker": kubeadm.join(JOIN, LIMIT),
    "kubeadm-reconfigure-control-plane": kubeadm.reconfigure_control_plane(
        ReconfigureControlPlane("", "f" * 64, "192.168.1.10", 6443), LIMIT
    ),
    "kubeadm-upload-config": kubeadm.upload_config(LIMIT),
    "kubeadm-addon-coredns": kubeadm.addon(Addon("coredns", ""), LIMIT),
    "kubeadm-addon-kube-proxy-restart": kubeadm.addon(Addon("kube-proxy", "", restart=True), LIMIT),
    "kubeadm-reconfigure-kubelet": kubeadm.reconfigure_kubelet(ReconfigureKubelet("e" * 64), LIMIT),
    "clear-host-worker": clear.host(replace(CLEAR, control_plane=False), LIMIT),
    "clear-host-control-plane": clear.host(CLEAR, LIMIT),
    "clear-host-stacked": clear.host(
        replace(CLEAR, etcd_member=MEMBER, data_dir="/var/lib/etcd"), LIMIT
    ),
    "reset-stop-api-server": reset.stop_api_server(),
    "reset-stop-node": reset.stop_node(),
    "reset-remove-etcd": reset.remove_etcd(RemoveEtcd("/var/lib/etcd/member")),
    "reset-remove-cluster-node": reset.remove_cluster(REMOVE),
    "reset-remove-cluster-node-keep-images": reset.remove_cluster(
        replace(REMOVE, keep_images=True)
    ),
    "reset-remove-cluster-shared": reset.remove_cluster(
        replace(REMOVE, units=(), trees=(), node=False)
    ),
    "kubectl-apply": kubectl.apply(),
    "kubectl-create-token": kubectl.create_token(),
    "kubectl-set-node": kubectl.set_node(
        SetNode("w1", (("zone", "it's a"),), ("old",), '[{"effect": "NoSchedule", "key": "k"}]')
    ),
    "kubectl-set-node-unlabel": kubectl.set_node(SetNode("w1", unlabel=("old",))),
    "kubectl-answers": kubectl.answers(LEAD),
    "kubectl-lead-to": kubectl.lead_to(LEAD),
    "kubectl-lead-to-without-kubelet": kubectl.lead_to(replace(LEAD, kubelet=False)),
    "kubectl-ready": kubectl.ready(AwaitApi("192.168.1.10", 6443)),
    "kubectl-ready-by-name": kubectl.ready(AwaitApi("192.168.1.100", 6440, "kubernetes")),
    "kubectl-delete": kubectl.delete(
        DeleteObjects((ObjectKey("services", "", "a"), ObjectKey("nodes", "", "b")))
    ),
    "kubectl-guarded": kubectl.guarded(
        AwaitGuard(("https://192.168.1.10:6443", "https://192.168.1.11:6443"))
    ),
    "proxies-led-elsewhere-nftables": proxies.led_elsewhere(
        AwaitProxies("nftables", ("192.168.1.5:6443", "192.168.1.6:6443"))
    ),
    "proxies-led-elsewhere-iptables": proxies.led_elsewhere(
        AwaitProxies("iptables", ("192.168.1.5:6443",))
    ),
    "proxies-led-to-nftables": proxies.led_to(ProxyMode.NFTABLES),
    "proxies-led-to-iptables": proxies.led_to(ProxyMode.IPTABLES),
    "kubectl-kubelet-healthy": kubectl.kubelet_healthy(AwaitKubelet(10248)),
    "kubectl-kubelet-healthy-without-port": kubectl.kubelet_healthy(AwaitKubelet(0)),
    "kubectl-nodes": kubectl.nodes(),
    "kubectl-dns": kubectl.dns(),
    "etcd-health": etcd.health(
        AwaitEtcd(("https://192.168.1.10:2379", "https://192.168.1.11:2379"))
    ),
    "etcd-answering": etcd.answering(("https://192.168.1.10:2379", "https://192.168.1.11:2379")),
    "etcd-members": etcd.members(),
    "etcd-status": etcd.status(),
    "etcd-move-leader": etcd.move_leader("https://192.168.1.10:2379", "91bc3c398fb3c146"),
    "etcd-remove": etcd.remove("91bc3c398fb3c146"),
    "etcd-add": etcd.add(MEMBER),
    "etcd-promote": etcd.promote("91bc3c398fb3c146"),
    "nodes-get": nodes.get("w1"),
    "nodes-cordon": nodes.cordon("w1"),
    "nodes-drain": nodes.drain("w1", 10),
    "nodes-pods": nodes.pods("w1"),
    "nodes-budgets": nodes.budgets(),
    "nodes-release-volumes": nodes.release_volumes("w1"),
    "nodes-attached": nodes.attached("w1"),
    "nodes-delete": nodes.delete("w1"),
    "images-load": images.load(f"{at.IMAGES}/a.tar", unpack=True),
    "images-load-no-unpack": images.load(f"{at.IMAGES}/a.tar", unpack=False),
    "images-pin": images.pin(IMAGES),
    "files-read": files.read(at.ADMIN_CONF),
    "files-read-if-there": files.read_if_there("/home/ann/.kube/config"),
    "files-folder-of": files.folder_of("/home/ann/.kube/config", "ann:"),
    "files-remove": files.remove("/home/ann/.kube/config"),
    "lease-acquire": lease.acquire(at.LEASE, "run-2", "ann@desk boot 7 8 9", take=(), before=()),
    "lease-acquire-taking": lease.acquire(
        at.LEASE,
        "run-2",
        "ann@desk boot 7 8 9",
        take={"run-1", "run-0"},
        before={"run-0", "run-a"},
    ),
    "lease-renew": lease.renew(at.LEASE, "run-2", "ann@desk boot 7 8 9", before={"run-0"}),
    "lease-release-well": lease.release(at.LEASE, "run-2", "ann@desk boot 7 8 9", (), well=True),
    "lease-release-not-well": lease.release(
        at.LEASE, "run-2", "ann@desk boot 7 8 9", {"run-0"}, well=False
    ),
    "lease-guard": lease.guard(at.LEASE, "run-2"),
    "restore-save": restore.save(SaveSnapshot(f"{at.RESTORES}/before-{ATTEMPT}.db")),
    "restore-objects": restore.objects(),
    "restore-looked": restore.looked(RESTORE),
    "restore-restore": restore.restore(RESTORE),
    "restore-fence": restore.fence(FENCE, LIMIT),
    "restore-fence-etcd": restore.fence(replace(FENCE, pods=(), etcd=True), LIMIT),
    "restore-replace": restore.replace(ReplaceData("/var/lib/etcd", ATTEMPT)),
    "restore-unfence": restore.unfence(Unfence(("kube-controller-manager", "kube-scheduler"))),
    "restore-unfence-etcd": restore.unfence(Unfence((), etcd=True)),
    "restore-hashes": restore.hashes(
        AwaitSameData(("https://192.168.1.10:2379", "https://192.168.1.11:2379"), 1_000_000_007)
    ),
    "restore-restart-agents": restore.restart_agents(
        RestartAgents(("kube-proxy", "kube-flannel")), LIMIT
    ),
    "restore-end": restore.end(EndRestore(f"{at.RESTORES}/{ATTEMPT}.db")),
    "restore-end-without-snapshot": restore.end(EndRestore("")),
    "restore-discard": restore.discard(DiscardReplaced("/var/lib/etcd")),
    "scratch-prepare": scratch.prepare(),
    "scratch-stop": scratch.stop(),
    "scratch-copy": scratch.copy("/var/lib/etcd"),
    "scratch-restore": scratch.restore("m1"),
    "scratch-start": scratch.start("m1", own=True, alone=True),
    "scratch-start-sent": scratch.start("m1", own=False, alone=False),
    "scratch-healthy": scratch.healthy(),
    "scratch-take": scratch.take(),
    "scratch-hash-of-file": scratch.hash_of_file(7),
    "scratch-hash-of-living": scratch.hash_of_living(7),
    "scratch-keys": scratch.keys(),
    "scratch-value": scratch.value("/registry/namespaces/default"),
    "scratch-first-secret": scratch.first_secret(),
    "scratch-old-watch": scratch.old_watch(),
    "resources-units": resources.apply(
        Converge(
            (
                File(at.ETCD_UNIT, ""),
                Unit(units.ETCD, restart_on=("file:/etc/kanae/etcd.yaml",)),
                Unit(units.KUBELET, running=False),
                Unit("other.service", enabled=False),
            )
        )
    ),
    "resources-gone": resources.apply(
        Converge((NoUnit(units.GATE, at.GATE_UNIT), Absent(at.GATE_SCRIPT), SwapOff()))
    ),
}


@cache
def of_example(name: str) -> Mapping[str, str]:
    """What the resources of bare hosts come to, by file name; equal ones of several hosts once."""
    spec = example(name)
    found: dict[str, str] = {}
    for step in Desk.of(spec).plan(bare(spec)):
        text = resources.apply(step.action) if isinstance(step.action, Converge) else ""
        if text and text not in found.values():
            found[f"{name}/{step.host}-{step.stage}"] = text
    return found


@pytest.mark.parametrize("name", SCRIPTS)
def test_a_script_is_as_recorded(name: str) -> None:
    agree(HERE / f"{name}.sh", f"{SCRIPTS[name].rstrip()}\n")


@pytest.mark.parametrize("name", BUILT)
def test_scripts_for_bare_hosts_of_an_example_are_as_recorded(name: str) -> None:
    for path, text in of_example(name).items():
        agree(HERE / f"{path}.sh", f"{text}\n")


def test_every_recorded_script_is_one_of_these_and_a_shell_can_read_it() -> None:
    recorded = sorted(HERE.rglob("*.sh"))
    names = {str(path.relative_to(HERE).with_suffix("")) for path in recorded}
    assert names == {*SCRIPTS, *(each for name in BUILT for each in of_example(name))}
    for path in recorded:
        done = subprocess.run(["sh", "-n", str(path)], capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{path}: {done.stderr}"


def test_every_function_that_makes_a_script_is_recorded() -> None:
    """By the names of the files: module, function, variant."""
    made_of_others = {
        "backup-alone",
        "guarded-deadline",
        "guarded-locked",
        "guarded-run",
        "resources-apply",
        "resources-contents",
        "snapshot-printed",
    }
    modules = (
        backup,
        clear,
        etcd,
        files,
        guarded,
        images,
        kubeadm,
        kubectl,
        lease,
        nodes,
        proxies,
        reset,
        resources,
        restore,
        scratch,
        snapshot,
    )
    for module in modules:
        for name, _ in inspect.getmembers(module, inspect.isfunction):
            if inspect.getmodule(getattr(module, name)) is module and not name.startswith("_"):
                file = f"{module.__name__.rpartition('.')[2]}-{name.replace('_', '-')}"
                assert file in made_of_others or any(each.startswith(file) for each in SCRIPTS)


def test_no_script_is_written_where_it_is_sent() -> None:
    """It would not be recorded."""
    execute = Path(scripts.__file__).parents[1]
    sent = 0
    for path in (*(execute / "actions").glob("*.py"), execute / "lease.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            match node:
                case ast.Call(func=ast.Name(id="must"), args=[_, text]):
                    pass
                case ast.Call(func=ast.Attribute(attr="run"), args=[text]):
                    pass
                case ast.Call(func=ast.Attribute(attr="run_unfenced"), args=[_, text]):
                    pass
                case _:
                    continue
            sent += 1
            assert isinstance(text, ast.Name | ast.Call), f"{path}:{node.lineno}"
    assert sent > 20
