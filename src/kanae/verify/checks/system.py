"""Reaching a host, its base system, its programs, its clock."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from kanae.facts.model import HostBase
from kanae.layout.family import PROGRAMS, Need
from kanae.plan import system as files
from kanae.render import system
from kanae.spec.models import Role
from kanae.verify.model import Finding, Subject, error, info, warning

ARCHITECTURES = ("amd64", "arm64")
# Seconds. Certificates and leases are judged by clocks: kubeadm makes certificates valid from five
# minutes before, so a second is harmless, but etcd and logs already read wrongly.
SKEW_WARNS, SKEW_FAILS = 1.0, 5.0
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
        yield from _packaged(host, facts.base, system.needs(subject.spec, host))


def _packaged(host: str, base: HostBase, needs: Sequence[Need]) -> Iterator[Finding]:
    """Programs that packages bring. Of hosts of no known family `distribution` tells."""
    family, missing = base.family, set(base.missing_programs)
    lacking = sorted(
        PROGRAMS[need]
        for need in needs
        if PROGRAMS.get(need) in missing and family.package(need) is not None
    )
    if not lacking or family.manager is None:
        return
    if family.manager.program in missing:
        yield error(
            "programs",
            host,
            f"{', '.join(lacking)} not found, and there is no {family.manager.program} to install "
            "them with",
            "install them by hand",
        )
    else:
        yield info("programs", host, f"{', '.join(lacking)} will be installed")


def overruled(subject: Subject) -> Iterator[Finding]:
    """What would be otherwise after the next boot than kanae has left it."""
    for host, facts in subject.hosts():
        for what in files.overruled(subject.spec, host, facts):
            remedy = "take that out of the file, or the file away: kanae's own says what is needed"
            yield warning("boot", host, what, remedy)


def distribution(subject: Subject) -> Iterator[Finding]:
    for host, facts in subject.hosts():
        base = facts.base
        name = system.distribution(base)
        if base.family.manager is None:
            if lacking := system.unmet(subject.spec, host, base):
                yield error("distribution", host, *system.unmet_words(base, lacking))
            else:
                yield warning(
                    "distribution",
                    host,
                    f"runs {name}, of no family that kanae knows; the programs it needs are there",
                    "kanae installs nothing on it: keep them there",
                )
        elif f"{base.os_id} {base.os_version}" not in base.family.tried:
            yield warning(
                "distribution",
                host,
                f"runs {name}, on which kanae is untried: it takes it for {base.family.name}",
                "try kanae on spare hosts of this kind first",
            )


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
