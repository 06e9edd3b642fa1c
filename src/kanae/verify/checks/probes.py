"""What active probes measured."""

from __future__ import annotations

from collections.abc import Iterator
from statistics import median

from kanae.facts.probe import percentile
from kanae.layout import paths as at
from kanae.spec.models import Role
from kanae.verify.model import Finding, Subject, error, info, warning

# etcd's documentation (op-guide/hardware): 99 of 100 fdatasync below 10 ms.
FSYNC_P99 = 0.010
# A tenth of etcd's default heartbeat interval of 100 ms, which should be about the round trip.
SLOW_TRIP = 0.010


def peers(subject: Subject) -> Iterator[Finding]:
    masters = set(subject.spec.having(Role.CONTROL_PLANE, Role.ETCD))
    heartbeat = subject.spec.etcd.heartbeat_interval / 1000
    for host, probe in subject.probes.items():
        if probe.round_trips is None:
            yield info("peers", host, "neither bash nor ping is there to measure round trips with")
            continue
        for peer, times in probe.round_trips.items():
            if peer in subject.facts.unreachable:
                continue
            if not times:
                remedy = "see routes and firewalls between the two"
                yield error("peers", host, f"it does not reach {peer}", remedy)
                continue
            trip = median(times)
            evidence = f"a round trip to {peer} takes {trip * 1000:.1f} ms"
            if host not in masters:
                continue
            if trip > heartbeat:
                remedy = "raise etcd.heartbeatInterval above it and electionTimeout to ten times"
                yield error("peers", host, evidence, remedy)
            elif trip > SLOW_TRIP:
                yield warning("peers", host, evidence, "every write waits for it at least once")


def overlay(subject: Subject) -> Iterator[Finding]:
    for host, probe in subject.probes.items():
        if probe.overlay:
            yield error(
                "overlay",
                host,
                f"no overlay can be mounted on the file system of {at.CONTAINERD_STATE}: "
                f"{probe.overlay}",
                "containerd cannot unpack an image there: mount a disk with ext4 or xfs on it; "
                "`dmesg` on the host says what the kernel dislikes",
            )


def etcd_disk(subject: Subject) -> Iterator[Finding]:
    path = subject.spec.etcd.data_dir
    for host, _ in subject.etcd_hosts():
        writes = subject.probes[host].writes if host in subject.probes else ()
        if not writes:
            continue
        p99 = percentile(writes, 0.99)
        evidence = (
            f"synchronous writes near {path}: p99 {p99 * 1000:.1f} ms, median "
            f"{median(writes) * 1000:.1f} ms, worst {max(writes) * 1000:.1f} ms of {len(writes)}"
        )
        if p99 > FSYNC_P99:
            remedy = "etcd wants p99 below 10 ms: give it a disk of its own, best an SSD"
            yield warning("etcd-disk", host, evidence, remedy)
        else:
            yield info("etcd-disk", host, evidence)
