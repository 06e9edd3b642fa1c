"""Every check finds what it is for, and nothing on healthy hosts."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from kanae.errors import ConnectError, UsageError
from kanae.facts.model import (
    ApiFact,
    BootSetting,
    FileFact,
    Interface,
    Listener,
    Route,
    UnitFact,
)
from kanae.facts.ports import Outcome, Port
from kanae.facts.probe import ProbeFacts
from kanae.layout import paths as at
from kanae.layout import units
from kanae.layout.marks import MANAGED
from kanae.layout.runtimes import CONTAINERD
from kanae.verify.checks import CHECKS
from kanae.verify.model import Finding, Severity, Subject
from kanae.verify.run import alike, as_line, errors, judge
from kanae.verify.traffic import Path as Way
from kanae.verify.traffic import Tried

from .subjects import change, ending, errors_of, file, make_spec, make_subject, node
from .subjects import found as findings


def _boot(file: str, value: str) -> Mapping[str, BootSetting]:
    return {"net.ipv4.ip_forward": BootSetting(value, file)}


def _dropin(name: str) -> UnitFact:
    path = f"/etc/systemd/system/{name}.conf"
    return UnitFact("loaded", "active", "enabled", dropins=(path,))


@pytest.mark.parametrize(
    ("field", "told"),
    [
        ("boot_sysctls", _boot("/etc/sysctl.d/99-same.conf", "1")),
        ("boot_sysctls", _boot("/etc/sysctl.d/10-earlier.conf", "0")),
        ("boot_sysctls", _boot("/etc/sysctl.d/90-kanae.conf", "0")),
        ("units", {"kubelet.service": _dropin("kubelet.service.d/10-kubeadm")}),
        ("units", {"kubelet.service": _dropin("service.d/10-timeout")}),
        ("units", {"ssh.service": _dropin("ssh.service.d/20-x")}),
    ],
)
def test_what_changes_nothing_of_ours_at_boot_is_not_told(field: str, told: object) -> None:
    assert not findings(change(make_subject(), "w1", **{field: told}), "boot")


def test_healthy_hosts_have_no_errors_and_no_warnings() -> None:
    assert {f.severity for f in judge(make_subject())} <= {Severity.INFO}


VIP = {"loadBalancer": {"virtualAddress": {"address": "10.0.0.100", "routerId": 51}}}


def test_folders_without_anything_of_anybody_are_no_finding() -> None:
    folder = "/var/lib/containers/storage/overlay-containers"
    for spec in (make_spec(), make_spec(etcd={"topology": "stacked"})):
        subject = change(make_subject(spec), "m1", folders={"/var/lib/etcd": ("lost+found",)})
        subject = change(subject, "w1", folders={folder: ("containers.json", "containers.lock")})
        assert not findings(subject, "etcd-data")
        assert not findings(subject, "runtime")


def test_kanaes_own_containerd_that_a_reset_left_is_nobody_elses() -> None:
    held = {CONTAINERD.images: ("ab" * 32,)}
    config = file(f"# {MANAGED}\nversion = 3\n")
    subject = change(make_subject(), "w1", folders=held)
    assert errors_of(subject, "runtime")
    subject = change(subject, "w1", files={at.CONTAINERD_CONFIG: config})
    assert not findings(subject, "runtime")


LOST = {"w1": ConnectError("w1", "no route")}

BROKEN: list[tuple[str, Severity, str | None, Callable[[Subject], Subject]]] = [
    (
        "reachable",
        Severity.ERROR,
        "w1",
        lambda s: replace(s, facts=replace(s.facts, unreachable=LOST)),
    ),
    ("system", Severity.ERROR, "m1", lambda s: change(s, "m1", systemd=0)),
    (
        "etcd-data",
        Severity.ERROR,
        "m1",
        lambda s: change(s, "m1", folders={"/var/lib/etcd": ("lost+found", "dump.sql")}),
    ),
    (
        "runtime",
        Severity.ERROR,
        "w1",
        lambda s: change(s, "w1", folders={"/var/lib/docker/containers": ("c1",)}),
    ),
    ("system", Severity.ERROR, "m1", lambda s: change(s, "m1", arch="riscv64")),
    ("programs", Severity.ERROR, "w1", lambda s: change(s, "w1", missing_programs=("losetup",))),
    (
        "programs",
        Severity.ERROR,
        "w1",
        lambda s: change(s, "w1", missing_programs=("conntrack", "apt-get")),
    ),
    ("programs", Severity.INFO, "lb", lambda s: change(s, "lb", missing_programs=("haproxy",))),
    (
        "programs",
        Severity.ERROR,
        "w1",
        lambda s: change(s, "w1", os_id="fedora", missing_programs=("apt-get", "dnf", "conntrack")),
    ),
    (
        "programs",
        Severity.INFO,
        "w1",
        lambda s: change(s, "w1", os_id="fedora", missing_programs=("apt-get", "conntrack")),
    ),
    ("distribution", Severity.WARNING, "w1", lambda s: change(s, "w1", os_id="fedora")),
    ("distribution", Severity.WARNING, "w1", lambda s: change(s, "w1", os_version="11")),
    ("distribution", Severity.WARNING, "w1", lambda s: change(s, "w1", os_id="void")),
    (
        "distribution",
        Severity.ERROR,
        "w1",
        lambda s: change(s, "w1", os_id="void", missing_programs=("socat",)),
    ),
    ("distribution", Severity.ERROR, "lb", lambda s: change(s, "lb", os_id="void")),
    (
        "boot",
        Severity.WARNING,
        "w1",
        lambda s: change(s, "w1", boot_sysctls=_boot("/usr/lib/sysctl.d/99-hard.conf", "0")),
    ),
    (
        "boot",
        Severity.WARNING,
        "w1",
        lambda s: change(s, "w1", units={"kubelet.service": _dropin("kubelet.service.d/20-x")}),
    ),
    ("hostname", Severity.INFO, "w1", lambda s: change(s, "w1", hostname="debian")),
    ("hostname", Severity.WARNING, None, lambda s: change(s, "w1", hostname="m1")),
    ("machine-id", Severity.ERROR, None, lambda s: change(s, "w1", machine_id=f"{11:032x}")),
    ("machine-id", Severity.ERROR, "w1", lambda s: change(s, "w1", machine_id="")),
    (
        "mac",
        Severity.ERROR,
        None,
        lambda s: change(
            s, "w1", interfaces=(Interface("eth0", "02:00:00:00:00:11", ("10.0.0.21/24",)),)
        ),
    ),
    (
        "product-uuid",
        Severity.WARNING,
        None,
        lambda s: change(s, "w1", product_uuid="00000000-0000-0000-0000-000000000011"),
    ),
    ("clock", Severity.WARNING, "w1", lambda s: change(s, "w1", clock_offset=-1.5)),
    ("clock", Severity.ERROR, "w1", lambda s: change(s, "w1", clock_offset=6.0)),
    (
        "clock",
        Severity.WARNING,
        None,
        lambda s: change(change(s, "m1", clock_offset=-0.8), "m2", clock_offset=0.9),
    ),
    ("cpus", Severity.ERROR, "m2", lambda s: change(s, "m2", cpus=1)),
    ("memory", Severity.ERROR, "m2", lambda s: change(s, "m2", memory=1600 << 20)),
    ("memory", Severity.WARNING, "w1", lambda s: change(s, "w1", memory=512 << 20)),
    (
        "disk",
        Severity.ERROR,
        "w1",
        lambda s: change(s, "w1", disks={"/var/lib": (1 << 30, 90 << 30)}),
    ),
    (
        "disk",
        Severity.WARNING,
        "w1",
        lambda s: change(s, "w1", disks={"/var/lib": (9 << 30, 90 << 30)}),
    ),
    (
        "disk",
        Severity.WARNING,
        "m1",
        lambda s: change(
            s, "m1", disks={"/var/lib": (50 << 30, 90 << 30), "/var/lib/etcd": (1 << 30, 2 << 30)}
        ),
    ),
    ("open-files", Severity.INFO, "w1", lambda s: change(s, "w1", hard_nofile=20000)),
    ("swap", Severity.ERROR, "w1", lambda s: change(s, "w1", swap=1 << 30)),
    ("kernel", Severity.ERROR, "w1", lambda s: change(s, "w1", kernel_features=frozenset[str]())),
    ("kernel", Severity.ERROR, "w1", lambda s: change(s, "w1", kernel="5.4.0-1")),
    (
        "kernel",
        Severity.ERROR,
        "w1",
        lambda s: change(s, "w1", sysctls={"net.ipv4.ip_forward": None}),
    ),
    ("cgroup", Severity.INFO, "w1", lambda s: change(s, "w1", cgroup=1)),
    (
        "cgroup",
        Severity.ERROR,
        "w1",
        lambda s: change(s, "w1", controllers=frozenset({"cpu", "cpuset", "pids", "io"})),
    ),
    ("selinux", Severity.WARNING, "w1", lambda s: change(s, "w1", selinux="enforcing")),
    (
        "cgroup-driver",
        Severity.ERROR,
        "w1",
        lambda s: change(
            s,
            "w1",
            files={
                "/etc/containerd/config.toml": file("      SystemdCgroup = true\n"),
                "/var/lib/kubelet/config.yaml": file("cgroupDriver: cgroupfs\n"),
            },
        ),
    ),
    (
        "runtime",
        Severity.WARNING,
        "w1",
        lambda s: change(s, "w1", packages={"docker-ce": "5:28.0"}),
    ),
    (
        "address",
        Severity.ERROR,
        "w1",
        lambda s: change(s, "w1", interfaces=(Interface("eth0", "02::1", ("10.0.0.99/24",)),)),
    ),
    (
        "address",
        Severity.WARNING,
        "w1",
        lambda s: change(s, "w1", routes=(Route("10.0.0.0/24", "", "eth0"),)),
    ),
    (
        "networks",
        Severity.ERROR,
        "w1",
        lambda s: change(
            s,
            "w1",
            routes=(Route("default", "10.0.0.1", "eth0"), Route("10.244.7.0/24", "", "eth1")),
        ),
    ),
    ("resolvers", Severity.ERROR, "w1", lambda s: change(s, "w1", resolvers=())),
    (
        "endpoint-name",
        Severity.ERROR,
        "w1",
        lambda s: change(
            replace(s, spec=make_spec(endpoint={"name": "api.example.org", "port": 6440})),
            "w1",
            names={"api.example.org": ()},
        ),
    ),
    ("resolvers", Severity.ERROR, "w1", lambda s: change(s, "w1", resolvers=("127.0.0.1",))),
    (
        "resolvers",
        Severity.ERROR,
        "w1",
        lambda s: change(s, "w1", resolvers=("127.0.0.1", "10.0.0.1")),
    ),
    (
        "traffic",
        Severity.ERROR,
        "m1",
        lambda s: replace(
            s,
            tried=Tried(((Way("w1", "m1", Port(6443, "tcp"), "the API server"), Outcome.SILENT),)),
        ),
    ),
    (
        "virtual-address",
        Severity.ERROR,
        "w1",
        lambda s: change(
            replace(s, spec=make_spec(**VIP)),
            "w1",
            interfaces=(Interface("eth0", "02::1", ("10.0.0.100/24",)),),
        ),
    ),
    (
        "overlay",
        Severity.ERROR,
        "w1",
        lambda s: replace(s, probes={"w1": ProbeFacts({}, (), overlay="mount: wrong fs type")}),
    ),
    (
        "pod-network",
        Severity.ERROR,
        "w1",
        lambda s: change(s, "w1", folders={"/etc/cni/net.d": ("05-old.conflist",)}),
    ),
    ("proxy", Severity.INFO, "w1", lambda s: change(s, "w1", proxies=("/etc/environment",))),
    (
        "etcd-data",
        Severity.ERROR,
        "m1",
        lambda s: change(s, "m1", folders={"/var/lib/etcd": ("member",)}),
    ),
    (
        "ports",
        Severity.ERROR,
        "m1",
        lambda s: change(s, "m1", listeners=(Listener("tcp", "*", 6443, "python3"),)),
    ),
    (
        "ports",
        Severity.ERROR,
        "lb",
        lambda s: change(s, "lb", listeners=(Listener("tcp", "0.0.0.0", 6440, "haproxy"),)),
    ),
    (
        "ports",
        Severity.ERROR,
        "lb",
        lambda s: change(
            replace(s, spec=make_spec(**VIP)),
            "lb",
            listeners=(Listener("udp", "0.0.0.0", 11251, "memcached"),),
        ),
    ),
    (
        "firewall",
        Severity.WARNING,
        "m1",
        lambda s: change(
            s, "m1", units={"firewalld.service": UnitFact("loaded", "active", "enabled")}
        ),
    ),
    (
        "peers",
        Severity.ERROR,
        "m1",
        lambda s: replace(s, probes={"m1": ProbeFacts({"m2": ()}, ())}),
    ),
    (
        "peers",
        Severity.WARNING,
        "m1",
        lambda s: replace(s, probes={"m1": ProbeFacts({"m2": (0.02, 0.03, 0.02)}, ())}),
    ),
    (
        "peers",
        Severity.ERROR,
        "m1",
        lambda s: replace(s, probes={"m1": ProbeFacts({"m2": (0.2, 0.3, 0.2)}, ())}),
    ),
    (
        "etcd-disk",
        Severity.WARNING,
        "m1",
        lambda s: replace(s, probes={"m1": ProbeFacts({}, (0.002,) * 190 + (0.03,) * 10)}),
    ),
    (
        "leftovers",
        Severity.ERROR,
        "m1",
        lambda s: change(s, "m1", files={"/etc/kubernetes/admin.conf": file()}),
    ),
    (
        "leftovers",
        Severity.ERROR,
        "m1",
        lambda s: change(s, "m1", marks={"cluster": "other", "joined": ""}),
    ),
    (
        "versions",
        Severity.ERROR,
        "w1",
        lambda s: change(s, "m1", api=ApiFact(True, "v1.37.2", {"w1": node("v1.33.0")}, {})),
    ),
    (
        "backups",
        Severity.WARNING,
        None,
        lambda s: change(
            replace(s, spec=make_spec(backup={"schedule": {"every": "1h"}})),
            "m1",
            marks={"cluster": "demo", "joined": ""},
            units={units.BACKUP: UnitFact("loaded", "failed", "static")},
        ),
    ),
    ("certificates", Severity.WARNING, "m1", lambda s: ending(s, at.API_SERVER, 89)),
    ("certificates", Severity.ERROR, "m1", lambda s: ending(s, at.API_SERVER, -1)),
    ("certificates", Severity.WARNING, "m1", lambda s: ending(s, f"{at.PKI}/ca.crt", 20)),
    (
        "certificates",
        Severity.WARNING,
        "m1",
        lambda s: change(
            s,
            "m1",
            marks={"cluster": "demo"},
            files={f"{at.PKI}/sa.key": FileFact("file", 0o640, "root:root", 9)},
        ),
    ),
    (
        "artifacts",
        Severity.ERROR,
        None,
        lambda s: replace(s, missing_artifacts=("binary/kubeadm/v1.37.2/amd64",)),
    ),
]


@pytest.mark.parametrize(
    ("check", "severity", "host", "breaking"),
    BROKEN,
    ids=[f"{check}-{severity.value}-{n}" for n, (check, severity, _, _) in enumerate(BROKEN)],
)
def test_what_is_wrong_is_found_where_it_is(
    check: str, severity: Severity, host: str | None, breaking: Callable[[Subject], Subject]
) -> None:
    found = findings(breaking(make_subject()), check)
    assert (severity, host) in {(finding.severity, finding.host) for finding in found}
    for finding in found:
        assert finding.evidence
        assert finding.remedy or finding.severity is Severity.INFO


def test_every_check_is_tried_above() -> None:
    assert {check for check, *_ in BROKEN} == {check.id for check in CHECKS}


def test_an_ignored_check_is_left_out_and_an_unknown_one_is_refused() -> None:
    subject = change(make_subject(), "m1", cpus=1)
    assert errors(judge(subject))
    assert not errors(judge(subject, ["cpus"]))
    with pytest.raises(UsageError, match="no check called cpu"):
        judge(subject, ["cpu"])


def test_all_findings_of_all_hosts_come_at_once_errors_first() -> None:
    subject = make_subject()
    for host in ("m1", "m2", "w1"):
        subject = change(subject, host, swap=1 << 30, hard_nofile=1000)
    found = judge(subject)
    assert [f.host for f in errors(found)] == ["m1", "m2", "w1"]
    order = [f.severity for f in found]
    assert order == sorted(order, key=[Severity.ERROR, Severity.WARNING, Severity.INFO].index)


def test_this_clusters_own_processes_and_files_are_no_findings() -> None:
    subject = change(
        make_subject(),
        "m1",
        marks={"cluster": "demo", "joined": "x"},
        listeners=(
            Listener("tcp", "*", 6443, "kube-apiserver"),
            Listener("tcp", "*", 2379, "etcd"),
        ),
        files={"/etc/kubernetes/admin.conf": file()},
        routes=(Route("default", "10.0.0.1", "eth0"), Route("10.244.0.0/24", "", "cni0")),
    )
    subject = change(
        subject,
        "lb",
        listeners=(Listener("tcp", "0.0.0.0", 6440, "haproxy"),),
        units={"kanae-balancer-demo.service": UnitFact("loaded", "active", "enabled")},
    )
    assert not errors(judge(subject))


def test_a_balancer_host_may_serve_another_cluster_too() -> None:
    subject = change(
        make_subject(),
        "lb",
        marks={"cluster-other": "other"},
        listeners=(Listener("tcp", "0.0.0.0", 6441, "haproxy"),),
    )
    assert not errors(judge(subject))


def test_what_a_port_is_of_matters_and_whose() -> None:
    virtual = replace(make_subject(), spec=make_spec(**VIP))
    for there in (
        Listener("tcp", "0.0.0.0", 11251, "java"),
        Listener("udp", "0.0.0.0", 6443, "java"),
    ):
        assert not findings(change(virtual, "lb", listeners=(there,)), "ports")
    ours = (Listener("udp", "10.0.0.9", 11251, "kanae-tickle"),)
    marked = change(virtual, "lb", listeners=ours, marks={"cluster": "demo"})
    assert not findings(marked, "ports")
    assert findings(change(virtual, "lb", listeners=ours), "ports")


def test_what_a_firewall_must_let_pass_is_told_by_protocol() -> None:
    active = {"firewalld.service": UnitFact("loaded", "active", "enabled")}
    virtual = replace(make_subject(), spec=make_spec(**VIP))
    [found] = findings(change(virtual, "lb", units=active), "firewall")
    assert "open TCP 6440 and UDP 11251 and the pod network's ports" in found.remedy


def test_a_port_held_on_another_address_of_the_host_is_free_for_us() -> None:
    held = (Listener("tcp", "10.9.9.9", 2380, "something"),)
    assert not findings(change(make_subject(), "m1", listeners=held), "ports")


@pytest.mark.parametrize(
    ("policy", "severity"), [("off", Severity.INFO), ("tolerate", Severity.INFO)]
)
def test_swap_is_judged_by_policy(policy: str, severity: Severity) -> None:
    subject = change(make_subject(make_spec(policies={"swap": policy})), "w1", swap=1 << 30)
    assert [f.severity for f in findings(subject, "swap")] == [severity]


def test_cgroup_v1_is_judged_by_version_and_policy() -> None:
    refused = make_subject(make_spec(policies={"allowCgroupV1": False}))
    assert errors(findings(change(refused, "w1", cgroup=1), "cgroup"))
    older = change(make_subject(make_spec(kubernetes="v1.34.4")), "w1", cgroup=1)
    assert [f.severity for f in findings(older, "cgroup")] == [Severity.WARNING]


def test_kubelets_driver_in_the_spec_must_be_what_containerd_gets() -> None:
    subject = make_subject(make_spec(kubelet={"cgroupDriver": "cgroupfs"}))
    assert {f.host for f in errors(findings(subject, "cgroup-driver"))} == {"m1", "m2", "m3", "w1"}


def test_a_finding_reads_as_host_evidence_check_and_remedy() -> None:
    (finding,) = findings(change(make_subject(), "m2", cpus=1), "cpus")
    assert as_line(finding) == (
        "m2: 1 CPU; kubeadm wants 2 on a control-plane host [cpus]\n"
        "    give it more, or another role"
    )


def test_debian_12_and_13_are_tried() -> None:
    for version in ("12", "13"):
        assert not findings(change(make_subject(), "w1", os_version=version), "distribution")


def test_an_unknown_distribution_is_one_finding_and_not_one_more_for_its_programs() -> None:
    subject = change(
        make_subject(), "w1", os_id="void", os_name="Void", missing_programs=("socat",)
    )
    assert not findings(subject, "programs")
    (finding,) = findings(subject, "distribution")
    assert finding.evidence == (
        "runs Void, of no family that kanae knows, and how to install or find socat there would "
        "be a guess"
    )
    assert "debian, ubuntu, rhel" in finding.remedy


def test_docs_list_every_check_in_order() -> None:
    text = (Path(__file__).parents[3] / "docs" / "checks.md").read_text()
    rows = [line.split("|") for line in text.splitlines() if line.startswith("| `")]
    assert [(row[1].strip(), row[2].strip()) for row in rows] == [
        (f"`{check.id}`", check.looks) for check in CHECKS
    ]


def test_a_host_of_another_cluster_of_the_same_name_is_told_by_its_identity() -> None:
    subject = change(make_subject(), "m2", marks={"cluster": "demo", "identity": "cd" * 16})
    subject = change(subject, "w1", marks={"cluster": "demo", "identity": "ab" * 16})
    [finding] = findings(subject, "leftovers")
    assert finding.host == "w1"
    assert "another cluster called 'demo' (abab" in finding.evidence


def test_a_balancer_of_this_cluster_holds_nothing_that_kanae_did_not_make() -> None:
    balancer, path = "lb", "/etc/kanae/balancer-demo.cfg"
    stranger = change(make_subject(), balancer, files={path: file()})
    assert [finding.host for finding in findings(stranger, "leftovers")] == [balancer]
    own = change(stranger, balancer, marks={"cluster-demo": "demo"})
    assert not findings(own, "leftovers")


def test_what_is_found_on_several_hosts_is_told_once() -> None:
    same = [Finding("swap", Severity.ERROR, host, "swap is on", "swapoff -a") for host in "abc"]
    other = Finding("swap", Severity.WARNING, "d", "swap is on", "swapoff -a")
    whole = Finding("clock", Severity.ERROR, None, "clocks differ")
    lines = [as_line(finding) for finding in alike([*same, other, whole])]
    assert lines == [
        "a, b, c: swap is on [swap]\n    swapoff -a",
        "d: swap is on [swap]\n    swapoff -a",
        "clocks differ [clock]",
    ]
