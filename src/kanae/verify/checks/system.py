"""Reaching a host, its base system, its programs, its clock."""

from __future__ import annotations

from collections.abc import Iterator

from kanae.render import system
from kanae.spec.models import Role
from kanae.verify.model import Finding, Subject, error, info, warning

ARCHITECTURES = ("amd64", "arm64")
# Seconds. Certificates and leases are judged by clocks: kubeadm makes certificates valid from five
# minutes before, so a second is harmless, but etcd and logs already read wrongly.
SKEW_WARNS, SKEW_FAILS = 1.0, 5.0
# Program -> Debian package that kanae installs for the roles that need it.
PACKAGED = {
    "conntrack": "conntrack",
    "ethtool": "ethtool",
    "iptables": "iptables",
    "nft": "nftables",
    "socat": "socat",
    "haproxy": "haproxy",
    "nginx": "nginx",
    "keepalived": "keepalived",
}
EVERYWHERE = ("base64", "head", "ip", "sha256sum", "stat", "systemctl", "tar", "timeout")
# kubeadm's preflight and kubelet's mounts.
ON_NODES = ("cp", "losetup", "mount", "nsenter", "umount")


def reachable(subject: Subject) -> Iterator[Finding]:
    for host, why in subject.facts.unreachable.items():
        yield error("reachable", host, why.what, why.remedy or "see that `ssh` gets there")


def base_system(subject: Subject) -> Iterator[Finding]:
    for host, facts in subject.hosts():
        if not facts.base.systemd:
            remedy = "kanae runs everything by systemd: use a distribution that boots with it"
            yield error("system", host, "systemd is not running", remedy)
        if facts.base.arch not in ARCHITECTURES:
            remedy = f"use hosts of {' or '.join(ARCHITECTURES)}"
            yield error("system", host, f"its architecture is {facts.base.arch}", remedy)


def programs(subject: Subject) -> Iterator[Finding]:
    nodes = set(subject.spec.nodes)
    for host, facts in subject.hosts():
        missing = set(facts.base.missing_programs)
        wanted = {*EVERYWHERE, *(ON_NODES if host in nodes else ())}
        if lost := sorted(wanted & missing):
            yield error("programs", host, f"{', '.join(lost)} not found", "install them")
        packages = set(system.packages(subject.spec, host)[0])
        lacking = sorted(p for p in missing & set(PACKAGED) if PACKAGED[p] in packages)
        if not lacking:
            continue
        if "apt-get" in missing:
            yield error(
                "programs",
                host,
                f"{', '.join(lacking)} not found, and there is no apt-get to install them with",
                "install them with the distribution's own package manager",
            )
        else:
            yield info("programs", host, f"{', '.join(lacking)} will be installed")


def clock(subject: Subject) -> Iterator[Finding]:
    remedy = "run a time service on it: systemd-timesyncd, chrony or ntpd"
    offsets: dict[str, float] = {}
    for host, facts in subject.hosts():
        base = facts.base
        offsets[host] = base.clock_offset
        # What half the round trip could explain is not held against the host.
        sure = abs(base.clock_offset) - base.clock_error
        where = "ahead of" if base.clock_offset > 0 else "behind"
        evidence = f"its clock is {abs(base.clock_offset):.1f} s {where} this machine's"
        if sure > SKEW_FAILS:
            yield error("clock", host, evidence, remedy)
        elif sure > SKEW_WARNS:
            yield warning("clock", host, evidence, remedy)
    masters = [h for h in subject.spec.having(Role.CONTROL_PLANE, Role.ETCD) if h in offsets]
    if len(masters) > 1:
        low, high = min(masters, key=offsets.__getitem__), max(masters, key=offsets.__getitem__)
        apart = offsets[high] - offsets[low]
        if apart > SKEW_WARNS and max(map(abs, offsets.values())) <= SKEW_WARNS:
            evidence = f"the clocks of {low} and {high} are {apart:.1f} s apart"
            yield warning("clock", None, evidence, remedy)
