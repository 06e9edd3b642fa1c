"""What a host has: processors, memory, disk, swap, limits.

Least figures: kubeadm v1.37's cmd/kubeadm/app/constants (ControlPlaneNumCPU, ControlPlaneMem).
"""

from __future__ import annotations

from collections.abc import Iterator

from kanae.spec.models import Role, SwapPolicy
from kanae.verify.model import Finding, Subject, error, info, warning

MIB, GIB = 1 << 20, 1 << 30
CPUS = 2
CONTROL_PLANE_MEMORY = 1700 * MIB
# With kubelet, runtime, proxy and network little is left of less.
NODE_MEMORY = 1 * GIB
# Binaries (0.5 GB), images packed and unpacked (1 GB), logs.
NODE_DISK = 3 * GIB
# kubelet's default evictionHard: nodefs.available<10%, imagefs.available<15%.
EVICTION = 0.15
# Twice etcd's default quota of 2 GiB: a defragmentation and a snapshot each need a second copy.
ETCD_DISK = 4 * GIB
ETCD_DISK_LEAST = GIB // 2
# What systemd gives services; runtimes and API servers that want more fail with "setting rlimit".
OPEN_FILES = 65536


def cpus(subject: Subject) -> Iterator[Finding]:
    for host, facts in subject.hosts(Role.CONTROL_PLANE):
        if facts.base.cpus < CPUS:
            evidence = f"{facts.base.cpus} CPU; kubeadm wants {CPUS} on a control-plane host"
            yield error("cpus", host, evidence, "give it more, or another role")


def memory(subject: Subject) -> Iterator[Finding]:
    for host, facts in subject.nodes():
        has = facts.base.memory
        master = Role.CONTROL_PLANE in subject.spec.hosts[host].roles
        if master and has < CONTROL_PLANE_MEMORY:
            evidence = f"{has // MIB} MiB of memory; kubeadm wants {CONTROL_PLANE_MEMORY // MIB}"
            yield error("memory", host, evidence, "give it more, or another role")
        elif has < NODE_MEMORY:
            yield warning("memory", host, f"{has // MIB} MiB of memory", "expect evictions")


def disk(subject: Subject) -> Iterator[Finding]:
    for host, facts in subject.nodes():
        free, total = facts.base.disks.get("/var/lib", (0, 0))
        evidence = f"{free / GIB:.1f} of {total / GIB:.1f} GiB free in /var/lib"
        if free < NODE_DISK and not subject.joined(host):
            remedy = "binaries and images need more: free some, or mount a larger disk there"
            yield error("disk", host, evidence, f"{NODE_DISK // GIB} GiB are wanted; {remedy}")
        elif total and free / total < EVICTION:
            remedy = "kubelet removes images and evicts pods when less than 15 % is free"
            yield warning("disk", host, evidence, remedy)
    path = str(subject.spec.etcd.data_dir)
    for host, facts in subject.etcd_hosts():
        free, _ = facts.base.disks.get(path, (0, 0))
        evidence = f"{free / GIB:.1f} GiB free for etcd in {path}"
        if free < ETCD_DISK_LEAST:
            yield error("disk", host, evidence, "etcd stops writing when its disk is full")
        elif free < ETCD_DISK:
            remedy = "etcd may grow to 2 GiB and needs as much again to defragment"
            yield warning("disk", host, evidence, remedy)


def open_files(subject: Subject) -> Iterator[Finding]:
    for host, facts in subject.hosts():
        limit = facts.base.hard_nofile
        if limit < OPEN_FILES:
            evidence = f"no more than {limit} open files a process; units are made to fit"
            yield info("open-files", host, evidence)


def swap(subject: Subject) -> Iterator[Finding]:
    policy = subject.spec.policies.swap
    for host, facts in subject.nodes():
        if not facts.base.swap:
            continue
        evidence = f"{facts.base.swap / GIB:.1f} GiB of swap is on"
        match policy:
            case SwapPolicy.REFUSE:
                remedy = "swapoff -a and take it out of /etc/fstab, or set policies.swap"
                yield error("swap", host, evidence, remedy)
            case SwapPolicy.OFF:
                yield info("swap", host, f"{evidence}; it will be turned off")
            case SwapPolicy.TOLERATE:
                yield info("swap", host, f"{evidence}; kubelet is configured to run with it")
