"""All checks, in the order in which their findings are shown. docs/checks.md lists them."""

from __future__ import annotations

from kanae.verify.checks import (
    backups,
    capacity,
    certificates,
    cluster,
    dns,
    endpoint,
    identity,
    kernel,
    network,
    pod_network,
    probes,
    proxy,
    runtime,
    system,
    traffic,
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
    Check("boot", "no other file changes kanae's settings and units", system.overruled),
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
    Check("resolvers", "name servers are there, and none of them is a pod itself", dns.resolvers),
    Check(
        "endpoint-name", "endpoint.name leads to the endpoint on hosts that use it", endpoint.named
    ),
    Check("pod-network", "no other pod network is on a node", pod_network.remains),
    Check("proxy", "proxy variables, which the cluster's programs must not get", proxy.proxy),
    Check("ports", "ports that a role needs are free, or held by this cluster", network.listening),
    Check("firewall", "no firewall manager closes the cluster's ports", network.firewall),
    Check("peers", "hosts reach control-plane and etcd hosts, and how fast", probes.peers),
    Check("traffic", "hosts reach the ports that they need of each other", traffic.traffic),
    Check("virtual-address", "nobody has the virtual address yet", traffic.virtual_address),
    Check("overlay", "an overlay can be mounted where containers will be", probes.overlay),
    Check("etcd-disk", "99 of 100 synchronous writes end within 10 ms", probes.etcd_disk),
    Check("etcd-data", "the folder for etcd's data is empty, or this cluster's", cluster.etcd_data),
    Check("leftovers", "no other cluster, or half of one, is on a host", cluster.leftovers),
    Check("versions", "versions are supported and may work together", cluster.versions),
    Check(
        "certificates",
        "certificates have not ended and are renewed in time, keys are root's alone",
        certificates.ending,
    ),
    Check("backups", "scheduled backups are made, the newest is not too old", backups.scheduled),
    Check("artifacts", "binaries and images are stored or a source has them", cluster.artifacts),
)
