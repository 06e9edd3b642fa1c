"""Short commented specs to start from, one for each topology."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Sample:
    """summary: one line for a list of choices; settings: YAML before the hosts;
    hosts: name, last byte of the address, roles."""

    summary: str
    settings: tuple[str, ...]
    hosts: tuple[tuple[str, int, str], ...]


_PORT_OF_ITS_OWN = (
    "endpoint:",
    "  port: 6440  # 6443 is the API server's own port on each of these machines",
)
_VIRTUAL = (
    "loadBalancer:",
    "  kind: haproxy",
    "  virtualAddress:",
    "    address: 192.168.1.100  # a free address of the hosts' network; keepalived moves it",
)

SAMPLES: dict[str, Sample] = {
    "single": Sample(
        "one machine that is everything; workers can be added later",
        (),
        (("node1", 10, "control-plane, worker"),),
    ),
    "three-machines": Sample(
        "three machines, any one of which may die",
        (*_PORT_OF_ITS_OWN, *_VIRTUAL),
        tuple((f"node{n}", 9 + n, "control-plane, worker, load-balancer") for n in (1, 2, 3)),
    ),
    "reference": Sample(
        "one nginx balancer, three masters with external etcd on them, a worker, a client",
        ("endpoint:", "  port: 6440", "loadBalancer:", "  kind: nginx"),
        (
            ("lb", 9, "load-balancer"),
            ("server1", 10, "control-plane, etcd"),
            ("server2", 11, "control-plane, etcd"),
            ("server3", 12, "control-plane, etcd"),
            ("server4", 13, "worker"),
            ("server5", 14, "client"),
        ),
    ),
    "vip": Sample(
        "two balancers with a virtual address, three masters with stacked etcd, two workers",
        _VIRTUAL,
        (
            ("lb1", 8, "load-balancer"),
            ("lb2", 9, "load-balancer"),
            ("master1", 10, "control-plane"),
            ("master2", 11, "control-plane"),
            ("master3", 12, "control-plane"),
            ("worker1", 13, "worker"),
            ("worker2", 14, "worker"),
        ),
    ),
    "dedicated-etcd": Sample(
        "a balancer, three etcd hosts of their own, three masters, a worker",
        (),
        (
            ("lb", 9, "load-balancer"),
            ("etcd1", 10, "etcd"),
            ("etcd2", 11, "etcd"),
            ("etcd3", 12, "etcd"),
            ("master1", 13, "control-plane"),
            ("master2", 14, "control-plane"),
            ("master3", 15, "control-plane"),
            ("worker1", 16, "worker"),
        ),
    ),
}

_HEAD = """\
# kanae: {summary}.
# Put in your addresses, then:  kanae check {file}  and  kanae apply {file}
name: {name}
kubernetes: {kubernetes}
"""

_MIDDLE = """\
# ssh:                        # default: your ~/.ssh/config, and sudo without a password
#   user: admin
#   key: ~/.ssh/id_ed25519
#   sudo: password            # asked once
# networks:                   # must not overlap each other or the hosts' network
#   pods: 10.244.0.0/16
#   services: 10.96.0.0/12
#   podNetwork: {provider: flannel}
# Roles: control-plane, etcd, worker, load-balancer, client. All fields: kanae schema
hosts:
"""


def sample(topology: str, *, name: str, file: str, kubernetes: str) -> str:
    """A spec of a topology (a key of SAMPLES) as text.

    name: of the cluster; file: the path that it is written to; kubernetes: version.
    """
    chosen = SAMPLES[topology]
    head = _HEAD.format(summary=chosen.summary, file=file, name=name, kubernetes=kubernetes)
    settings = "".join(line + "\n" for line in chosen.settings)
    width = max(len(host) for host, _, _ in chosen.hosts) + 1
    hosts = "".join(
        f"  {host + ':':{width}} {{address: 192.168.1.{last}, roles: [{roles}]}}\n"
        for host, last, roles in chosen.hosts
    )
    return head + settings + _MIDDLE + hosts
