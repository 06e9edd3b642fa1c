"""What takes the clients of a virtual address along when it moves to another balancer.

A client that waits for an answer has nothing to send: its request was acknowledged by the kernel of
the balancer that died, and no reset ever reaches it from the new one. So balancers tell each other
who is connected to them, and the one that gets the address sends each of these clients a tickle
ACK, as Samba's CTDB does: a bare ACK with numbers that cannot be right. The client answers with its
own, for which the new holder's kernel has no connection, and its reset ends the wait.

Lists go by UDP between the balancers' own addresses, and count only when they come from a balancer
of the spec. What remains is what remains of VRRP (`render/keepalived.py`): whoever can send packets
with a balancer's address in that network can have bare ACKs sent, from a balancer that gets the
address, to whom he likes: three for each 8 bytes, no more than 40,000 from one balancer.
"""

from __future__ import annotations

from kanae.facts.model import HostBase
from kanae.layout import paths, ports
from kanae.layout.family import Need
from kanae.render.banner import banner
from kanae.render.tickle_program import PROGRAM
from kanae.spec.models import Role, Spec


def arguments(spec: Spec, host: str) -> tuple[str, ...]:
    """Of the program: who the host is, the ports of its balancer, its peers, the addresses."""
    peers = [spec.hosts[name].address for name in spec.having(Role.LOAD_BALANCER) if name != host]
    return (
        f"own={spec.hosts[host].address}",
        *(f"port={port}" for port in spec.balanced_ports),
        *(f"peer={peer}" for peer in peers),
        *(f"virtual={v.address}:{ports.tickle(v.router_id)}" for v in spec.virtual_addresses),
    )


def unit(spec: Spec, host: str, base: HostBase) -> str:
    """Its only privilege is to send and to receive raw packets. The cluster serves without it."""
    name = spec.name
    words = " \\\n  ".join(arguments(spec, host))
    return f"""{banner()}[Unit]
Description=clients of the virtual address of the cluster {name}
Wants=network-online.target
After=network-online.target
StartLimitIntervalSec=0

[Service]
Type=exec
ExecStart={base.family.path(Need.PERL)} {paths.tickle_program(name)} \\
  {words}
Restart=always
RestartSec=1
# A busy host must not let clients wait.
Nice=-10
DynamicUser=yes
AmbientCapabilities=CAP_NET_RAW
CapabilityBoundingSet=CAP_NET_RAW
RestrictAddressFamilies=AF_INET
SystemCallFilter=@system-service
SystemCallArchitectures=native
MemoryDenyWriteExecute=yes
MemoryMax=256M
PrivateDevices=yes
ProtectHome=yes
ProtectKernelTunables=yes
ProtectKernelModules=yes
ProtectControlGroups=yes
RestrictNamespaces=yes
RestrictRealtime=yes
LockPersonality=yes

[Install]
WantedBy=multi-user.target
"""


def program() -> str:
    return PROGRAM.replace("#BANNER\n", banner())
