"""All checks, in the order in which their findings are shown. docs/checks.md lists them."""

from __future__ import annotations

from kanae.verify.checks import (
    capacity,
    cluster,
    identity,
    kernel,
    network,
    probes,
    runtime,
    system,
)
from kanae.verify.model import Check

CHECKS: tuple[Check, ...] = (
    Check("reachable", "every host answers over SSH", system.reachable),
    Check("system", "systemd runs, the architecture is supported", system.base_system),
    Check(
        "distribution",
        "the distribution is of a known family, and tried",
        system.distribution,
    ),
    Check("programs", "programs that Kubernetes and kanae call", system.programs),
    Check("hostname", "host names are unique and those of the spec", identity.hostname),
    Check("machine-id", "/etc/machine-id is there and unique", identity.machine_id),
    Check("mac", "hardware addresses of the hosts' interfaces are unique", identity.mac),
    Check("product-uuid", "DMI product UUIDs are unique", identity.product_uuid),
    Check("clock", "clocks agree with the operator's and with each other", system.clock),
    Check("cpus", "2 CPUs on control-plane hosts", capacity.cpus),
    Check("memory", "1700 MiB of memory on control-plane hosts", capacity.memory),
    Check("disk", "free space for images, state and etcd's data", capacity.disk),
    Check("open-files", "the hard limit on open files", capacity.open_files),
    Check("swap", "swap against policies.swap", capacity.swap),
    Check("kernel", "kernel version, features and settings", kernel.kernel),
    Check("cgroup", "cgroup version against kubelet's and policies.allowCgroupV1", kernel.cgroup),
    Check("selinux", "SELinux does not deny what the components do", kernel.selinux),
    Check("cgroup-driver", "the container runtime's cgroup driver is kubelet's", runtime.driver),
    Check("runtime", "no other container runtime is in the way", runtime.foreign),
    Check("address", "each host has its address, and a default route", network.address),
    Check("networks", "pod and service networks overlap no route of a host", network.overlap),
    Check("resolvers", "/etc/resolv.conf names a server that pods can ask", network.resolvers),
    Check("ports", "ports that a role needs are free, or held by this cluster", network.listening),
    Check("firewall", "no firewall manager closes the cluster's ports", network.firewall),
    Check("peers", "hosts reach control-plane and etcd hosts, and how fast", probes.peers),
    Check("etcd-disk", "99 of 100 synchronous writes end within 10 ms", probes.etcd_disk),
    Check("leftovers", "no other cluster, or half of one, is on a host", cluster.leftovers),
    Check("versions", "versions are supported and may work together", cluster.versions),
    Check("artifacts", "binaries and images are stored or a source has them", cluster.artifacts),
)
