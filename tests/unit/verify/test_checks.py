"""Every check finds what it is for, and nothing on healthy hosts."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from kanae.errors import ConnectError, UsageError
from kanae.facts.model import (
    ApiFact,
    Facts,
    FileFact,
    HostBase,
    HostFacts,
    Interface,
    Listener,
    Route,
    UnitFact,
)
from kanae.facts.probe import ProbeFacts
from kanae.spec.models import Spec
from kanae.verify.checks import CHECKS
from kanae.verify.model import Finding, Severity, Subject
from kanae.verify.run import as_line, errors, judge

from ...model.fixtures import V2

NOW = datetime(2026, 11, 24, 9, tzinfo=UTC)
SPEC: dict[str, object] = {
    "name": "demo",
    "kubernetes": "v1.37.2",
    "endpoint": {"port": 6440},
    "hosts": {
        "lb": {"address": "10.0.0.9", "roles": ["load-balancer"]},
        "m1": {"address": "10.0.0.11", "roles": ["control-plane", "etcd"]},
        "m2": {"address": "10.0.0.12", "roles": ["control-plane", "etcd"]},
        "m3": {"address": "10.0.0.13", "roles": ["control-plane", "etcd"]},
        "w1": {"address": "10.0.0.21", "roles": ["worker"]},
    },
}
HEALTHY_TRIPS = (0.0004, 0.0003, 0.0005)


def _spec(**changes: object) -> Spec:
    return Spec.model_validate({**SPEC, **changes})


def _base(name: str, address: str) -> HostBase:
    digit = address.rpartition(".")[2]
    return replace(
        V2,
        hostname=name,
        machine_id=f"{int(digit):032x}",
        product_uuid=f"00000000-0000-0000-0000-{int(digit):012d}",
        boot_id="b",
        clock_offset=0.01,
        clock_error=0.002,
        interfaces=(Interface("eth0", f"02:00:00:00:00:{digit}", (f"{address}/24",)),),
        routes=(Route("default", "10.0.0.1", "eth0"), Route("10.0.0.0/24", "", "eth0")),
        resolvers=("10.0.0.1",),
        listeners=(Listener("tcp", "0.0.0.0", 22, "sshd"),),
        disks=dict.fromkeys(("/", "/var/lib", "/var/lib/etcd"), (50 << 30, 100 << 30)),
        kernel_features=frozenset(
            {"overlay", "bridge", "veth", "vxlan", "nf_conntrack", "nf_tables", "br_netfilter"}
        ),
    )


def _subject(spec: Spec | None = None) -> Subject:
    wanted = spec or _spec()
    hosts = {
        name: HostFacts(
            name, NOW, _base(name, str(host.address)), sysctls={"net.ipv4.ip_forward": "0"}
        )
        for name, host in wanted.hosts.items()
    }
    probes = {
        name: ProbeFacts(
            dict.fromkeys(sorted({"m1", "m2", "m3"} - {name}), HEALTHY_TRIPS),
            (0.001,) * 200 if name.startswith("m") else (),
        )
        for name in wanted.hosts
    }
    return Subject(wanted, Facts(hosts), probes)


def _change(subject: Subject, host: str, **changes: object) -> Subject:
    """The same with other fields in a host's facts, or in its base where the name is one of it."""
    facts = subject.facts.hosts[host]
    own = {k: v for k, v in changes.items() if k in HostBase.__slots__}
    rest = {k: v for k, v in changes.items() if k not in own}
    changed = replace(facts, base=replace(facts.base, **own), **rest)
    return replace(
        subject, facts=replace(subject.facts, hosts={**subject.facts.hosts, host: changed})
    )


def _file(text: str | None = None) -> FileFact:
    return FileFact("file", 0o644, "root:root", 1, text=text)


def _node(kubelet: str) -> Mapping[str, object]:
    return {"metadata": {"name": "w1"}, "status": {"nodeInfo": {"kubeletVersion": kubelet}}}


def _found(subject: Subject, check: str) -> list[Finding]:
    return [finding for finding in judge(subject) if finding.check == check]


def test_healthy_hosts_have_no_errors_and_no_warnings() -> None:
    assert {f.severity for f in judge(_subject())} <= {Severity.INFO}


LOST = {"w1": ConnectError("w1", "no route")}

BROKEN: list[tuple[str, Severity, str | None, Callable[[Subject], Subject]]] = [
    (
        "reachable",
        Severity.ERROR,
        "w1",
        lambda s: replace(s, facts=replace(s.facts, unreachable=LOST)),
    ),
    ("system", Severity.ERROR, "m1", lambda s: _change(s, "m1", systemd=0)),
    ("system", Severity.ERROR, "m1", lambda s: _change(s, "m1", arch="riscv64")),
    ("programs", Severity.ERROR, "w1", lambda s: _change(s, "w1", missing_programs=("losetup",))),
    (
        "programs",
        Severity.ERROR,
        "w1",
        lambda s: _change(s, "w1", missing_programs=("conntrack", "apt-get")),
    ),
    ("programs", Severity.INFO, "lb", lambda s: _change(s, "lb", missing_programs=("haproxy",))),
    (
        "programs",
        Severity.ERROR,
        "w1",
        lambda s: _change(
            s, "w1", os_id="fedora", missing_programs=("apt-get", "dnf", "conntrack")
        ),
    ),
    (
        "programs",
        Severity.INFO,
        "w1",
        lambda s: _change(s, "w1", os_id="fedora", missing_programs=("apt-get", "conntrack")),
    ),
    ("distribution", Severity.WARNING, "w1", lambda s: _change(s, "w1", os_id="fedora")),
    ("distribution", Severity.WARNING, "w1", lambda s: _change(s, "w1", os_version="11")),
    ("distribution", Severity.WARNING, "w1", lambda s: _change(s, "w1", os_id="void")),
    (
        "distribution",
        Severity.ERROR,
        "w1",
        lambda s: _change(s, "w1", os_id="void", missing_programs=("socat",)),
    ),
    ("distribution", Severity.ERROR, "lb", lambda s: _change(s, "lb", os_id="void")),
    ("hostname", Severity.INFO, "w1", lambda s: _change(s, "w1", hostname="debian")),
    ("hostname", Severity.WARNING, None, lambda s: _change(s, "w1", hostname="m1")),
    ("machine-id", Severity.ERROR, None, lambda s: _change(s, "w1", machine_id=f"{11:032x}")),
    ("machine-id", Severity.ERROR, "w1", lambda s: _change(s, "w1", machine_id="")),
    (
        "mac",
        Severity.ERROR,
        None,
        lambda s: _change(
            s, "w1", interfaces=(Interface("eth0", "02:00:00:00:00:11", ("10.0.0.21/24",)),)
        ),
    ),
    (
        "product-uuid",
        Severity.WARNING,
        None,
        lambda s: _change(s, "w1", product_uuid="00000000-0000-0000-0000-000000000011"),
    ),
    ("clock", Severity.WARNING, "w1", lambda s: _change(s, "w1", clock_offset=-1.5)),
    ("clock", Severity.ERROR, "w1", lambda s: _change(s, "w1", clock_offset=6.0)),
    (
        "clock",
        Severity.WARNING,
        None,
        lambda s: _change(_change(s, "m1", clock_offset=-0.8), "m2", clock_offset=0.9),
    ),
    ("cpus", Severity.ERROR, "m2", lambda s: _change(s, "m2", cpus=1)),
    ("memory", Severity.ERROR, "m2", lambda s: _change(s, "m2", memory=1600 << 20)),
    ("memory", Severity.WARNING, "w1", lambda s: _change(s, "w1", memory=512 << 20)),
    (
        "disk",
        Severity.ERROR,
        "w1",
        lambda s: _change(s, "w1", disks={"/var/lib": (1 << 30, 90 << 30)}),
    ),
    (
        "disk",
        Severity.WARNING,
        "w1",
        lambda s: _change(s, "w1", disks={"/var/lib": (9 << 30, 90 << 30)}),
    ),
    (
        "disk",
        Severity.WARNING,
        "m1",
        lambda s: _change(
            s, "m1", disks={"/var/lib": (50 << 30, 90 << 30), "/var/lib/etcd": (1 << 30, 2 << 30)}
        ),
    ),
    ("open-files", Severity.INFO, "w1", lambda s: _change(s, "w1", hard_nofile=20000)),
    ("swap", Severity.ERROR, "w1", lambda s: _change(s, "w1", swap=1 << 30)),
    ("kernel", Severity.ERROR, "w1", lambda s: _change(s, "w1", kernel_features=frozenset[str]())),
    ("kernel", Severity.ERROR, "w1", lambda s: _change(s, "w1", kernel="5.4.0-1")),
    (
        "kernel",
        Severity.ERROR,
        "w1",
        lambda s: _change(s, "w1", sysctls={"net.ipv4.ip_forward": None}),
    ),
    ("cgroup", Severity.INFO, "w1", lambda s: _change(s, "w1", cgroup=1)),
    ("selinux", Severity.WARNING, "w1", lambda s: _change(s, "w1", selinux="enforcing")),
    (
        "cgroup-driver",
        Severity.ERROR,
        "w1",
        lambda s: _change(
            s,
            "w1",
            files={
                "/etc/containerd/config.toml": _file("      SystemdCgroup = true\n"),
                "/var/lib/kubelet/config.yaml": _file("cgroupDriver: cgroupfs\n"),
            },
        ),
    ),
    (
        "runtime",
        Severity.WARNING,
        "w1",
        lambda s: _change(s, "w1", packages={"docker-ce": "5:28.0"}),
    ),
    (
        "address",
        Severity.ERROR,
        "w1",
        lambda s: _change(s, "w1", interfaces=(Interface("eth0", "02::1", ("10.0.0.99/24",)),)),
    ),
    (
        "address",
        Severity.WARNING,
        "w1",
        lambda s: _change(s, "w1", routes=(Route("10.0.0.0/24", "", "eth0"),)),
    ),
    (
        "networks",
        Severity.ERROR,
        "w1",
        lambda s: _change(
            s,
            "w1",
            routes=(Route("default", "10.0.0.1", "eth0"), Route("10.244.7.0/24", "", "eth1")),
        ),
    ),
    ("resolvers", Severity.ERROR, "w1", lambda s: _change(s, "w1", resolvers=())),
    ("resolvers", Severity.ERROR, "w1", lambda s: _change(s, "w1", resolvers=("127.0.0.1",))),
    (
        "ports",
        Severity.ERROR,
        "m1",
        lambda s: _change(s, "m1", listeners=(Listener("tcp", "*", 6443, "python3"),)),
    ),
    (
        "ports",
        Severity.ERROR,
        "lb",
        lambda s: _change(s, "lb", listeners=(Listener("tcp", "0.0.0.0", 6440, "haproxy"),)),
    ),
    (
        "firewall",
        Severity.WARNING,
        "m1",
        lambda s: _change(
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
        lambda s: _change(s, "m1", files={"/etc/kubernetes/admin.conf": _file()}),
    ),
    (
        "leftovers",
        Severity.ERROR,
        "m1",
        lambda s: _change(s, "m1", marks={"cluster": "other", "joined": ""}),
    ),
    (
        "versions",
        Severity.ERROR,
        "w1",
        lambda s: _change(s, "m1", api=ApiFact(True, "v1.37.2", {"w1": _node("v1.33.0")}, {})),
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
    found = _found(breaking(_subject()), check)
    assert (severity, host) in {(finding.severity, finding.host) for finding in found}
    for finding in found:
        assert finding.evidence
        assert finding.remedy or finding.severity is Severity.INFO


def test_every_check_is_tried_above() -> None:
    assert {check for check, *_ in BROKEN} == {check.id for check in CHECKS}


def test_an_ignored_check_is_left_out_and_an_unknown_one_is_refused() -> None:
    subject = _change(_subject(), "m1", cpus=1)
    assert errors(judge(subject))
    assert not errors(judge(subject, ["cpus"]))
    with pytest.raises(UsageError, match="no check called cpu"):
        judge(subject, ["cpu"])


def test_all_findings_of_all_hosts_come_at_once_errors_first() -> None:
    subject = _subject()
    for host in ("m1", "m2", "w1"):
        subject = _change(subject, host, swap=1 << 30, hard_nofile=1000)
    found = judge(subject)
    assert [f.host for f in errors(found)] == ["m1", "m2", "w1"]
    order = [f.severity for f in found]
    assert order == sorted(order, key=[Severity.ERROR, Severity.WARNING, Severity.INFO].index)


def test_this_clusters_own_processes_and_files_are_no_findings() -> None:
    subject = _change(
        _subject(),
        "m1",
        marks={"cluster": "demo", "joined": "x"},
        listeners=(
            Listener("tcp", "*", 6443, "kube-apiserver"),
            Listener("tcp", "*", 2379, "etcd"),
        ),
        files={"/etc/kubernetes/admin.conf": _file()},
        routes=(Route("default", "10.0.0.1", "eth0"), Route("10.244.0.0/24", "", "cni0")),
    )
    subject = _change(
        subject,
        "lb",
        listeners=(Listener("tcp", "0.0.0.0", 6440, "haproxy"),),
        units={"kanae-balancer-demo.service": UnitFact("loaded", "active", "enabled")},
    )
    assert not errors(judge(subject))


def test_a_balancer_host_may_serve_another_cluster_too() -> None:
    subject = _change(
        _subject(),
        "lb",
        marks={"cluster": "other"},
        listeners=(Listener("tcp", "0.0.0.0", 6441, "haproxy"),),
    )
    assert not errors(judge(subject))


def test_a_port_held_on_another_address_of_the_host_is_free_for_us() -> None:
    held = (Listener("tcp", "10.9.9.9", 2380, "something"),)
    assert not _found(_change(_subject(), "m1", listeners=held), "ports")


@pytest.mark.parametrize(
    ("policy", "severity"), [("off", Severity.INFO), ("tolerate", Severity.INFO)]
)
def test_swap_is_judged_by_policy(policy: str, severity: Severity) -> None:
    subject = _change(_subject(_spec(policies={"swap": policy})), "w1", swap=1 << 30)
    assert [f.severity for f in _found(subject, "swap")] == [severity]


def test_cgroup_v1_is_judged_by_version_and_policy() -> None:
    refused = _subject(_spec(policies={"allowCgroupV1": False}))
    assert errors(_found(_change(refused, "w1", cgroup=1), "cgroup"))
    older = _change(_subject(_spec(kubernetes="v1.34.4")), "w1", cgroup=1)
    assert [f.severity for f in _found(older, "cgroup")] == [Severity.WARNING]


def test_kubelets_driver_in_the_spec_must_be_what_containerd_gets() -> None:
    subject = _subject(_spec(kubelet={"cgroupDriver": "cgroupfs"}))
    assert {f.host for f in errors(_found(subject, "cgroup-driver"))} == {"m1", "m2", "m3", "w1"}


def test_a_finding_reads_as_host_evidence_check_and_remedy() -> None:
    (finding,) = _found(_change(_subject(), "m2", cpus=1), "cpus")
    assert as_line(finding) == (
        "m2: 1 CPU; kubeadm wants 2 on a control-plane host [cpus]\n"
        "    give it more, or another role"
    )


def test_debian_12_and_13_are_tried() -> None:
    for version in ("12", "13"):
        assert not _found(_change(_subject(), "w1", os_version=version), "distribution")


def test_an_unknown_distribution_is_one_finding_and_not_one_more_for_its_programs() -> None:
    subject = _change(_subject(), "w1", os_id="void", os_name="Void", missing_programs=("socat",))
    assert not _found(subject, "programs")
    (finding,) = _found(subject, "distribution")
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
