"""A healthy cluster as checks look at it, and ways to change what is known of its hosts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from kanae.facts.model import (
    CertificateFact,
    Facts,
    FileFact,
    HostBase,
    HostFacts,
    Interface,
    Listener,
    Route,
)
from kanae.facts.probe import ProbeFacts
from kanae.spec.models import Spec
from kanae.verify.model import Finding, Severity, Subject
from kanae.verify.run import judge

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


def make_spec(**changes: object) -> Spec:
    return Spec.model_validate({**SPEC, **changes})


def base_of(name: str, address: str) -> HostBase:
    digit = address.rpartition(".")[2]
    return HostBase(
        hostname=name,
        machine_id=f"{int(digit):032x}",
        product_uuid=f"00000000-0000-0000-0000-{int(digit):012d}",
        boot_id="b",
        os_id="debian",
        os_version="12",
        os_name="Debian",
        arch="amd64",
        kernel="6.1.0-40-amd64",
        cpus=4,
        memory=8 << 30,
        swap=0,
        cgroup=2,
        uptime=100.0,
        clock_offset=0.01,
        clock_error=0.002,
        hard_nofile=1048576,
        can_lower_oom=True,
        systemd=252,
        interfaces=(Interface("eth0", f"02:00:00:00:00:{digit}", (f"{address}/24",)),),
        routes=(Route("default", "10.0.0.1", "eth0"), Route("10.0.0.0/24", "", "eth0")),
        resolvers=("10.0.0.1",),
        listeners=(Listener("tcp", "0.0.0.0", 22, "sshd"),),
        disks=dict.fromkeys(("/", "/var/lib", "/var/lib/etcd"), (50 << 30, 100 << 30)),
        kernel_features=frozenset(
            {"overlay", "bridge", "veth", "vxlan", "nf_conntrack", "nf_tables", "br_netfilter"}
        ),
    )


def make_subject(spec: Spec | None = None) -> Subject:
    wanted = spec or make_spec()
    hosts = {
        name: HostFacts(
            name, NOW, base_of(name, str(host.address)), sysctls={"net.ipv4.ip_forward": "0"}
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


def change(subject: Subject, host: str, **changes: object) -> Subject:
    """The same with other fields in a host's facts, or in its base where the name is one of it."""
    facts = subject.facts.hosts[host]
    own = {k: v for k, v in changes.items() if k in HostBase.__slots__}
    rest = {k: v for k, v in changes.items() if k not in own}
    changed = replace(facts, base=replace(facts.base, **own), **rest)
    return replace(
        subject, facts=replace(subject.facts, hosts={**subject.facts.hosts, host: changed})
    )


def ending(subject: Subject, path: str, days: float) -> Subject:
    """The same with a certificate of this cluster on m1 that ends so soon."""
    begun, end = NOW - timedelta(days=300), NOW + timedelta(days=days)
    held = CertificateFact("CN=x", "CN=ca", begun, end, frozenset(), "f", False, "", "")
    return change(subject, "m1", marks={"cluster": "demo"}, certificates={path: held})


def file(text: str | None = None) -> FileFact:
    return FileFact("file", 0o644, "root:root", 1, text=text)


def node(kubelet: str) -> Mapping[str, object]:
    return {"metadata": {"name": "w1"}, "status": {"nodeInfo": {"kubeletVersion": kubelet}}}


def found(subject: Subject, check: str) -> list[Finding]:
    return [finding for finding in judge(subject) if finding.check == check]


def errors_of(subject: Subject, check: str) -> list[Finding]:
    return [each for each in found(subject, check) if each.severity is Severity.ERROR]
