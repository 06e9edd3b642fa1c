"""How a balancer hands its clients over when it gives a virtual address up.

The next holder's kernel knows nothing of the connections that clients have with the one before: it
answers their next packet with a reset, and what was under way fails. So for a while

- the one that goes keeps the address, on lo, and tells nobody: it answers no question for its
  hardware address, and asks for others' in its own name. So it still takes what comes for its
  connections, and answers their clients directly;
- the others pass packets of connections that did not begin with them on to it. That is told by the
  first packet of each, which is noted as it comes: nothing of conntrack's is used, which may have
  been begun late, or told to forget. This is done before routing (nftables' ingress hook, `fwd`),
  where neither rp_filter nor the host's firewall sees packets that are not for it.

Both end by themselves, and with a restart of the host: whatever becomes of the run that began it,
nothing of this stays. Where a kernel lacks what it takes, the address moves as it does without.

Not handed over: what a host that gets the address has with it itself, or its pods have: the answers
would come from an address that is now the host's own, and Linux drops such packets.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address
from typing import Final

from kanae.facts.model import HostBase
from kanae.layout import paths, units
from kanae.layout.family import Need
from kanae.render.banner import banner
from kanae.render.hand_over_program import PROGRAM

# Busy clients leave when their API server says so: with goaway-chance (`render/api_server.py`) one
# of ten requests a second does so after 100 s in the mean, nine of ten such clients within 4 min.
LONGEST: Final = 300
# For how much longer packets are passed on, at most: what lies between the two steps of a run.
_SPARE: Final = 120
# Connections that can be told apart; whoever comes when there are so many is passed on as well.
_KNOWN: Final = 262144
_CONNECTION: Final = "ip saddr . tcp sport . ip daddr . tcp dport"


@dataclass(frozen=True, slots=True)
class Moving:
    """A virtual address that goes to another balancer. interface: of the host in question."""

    address: IPv4Address
    interface: str


def keep_script(cluster: str, own: IPv4Address, moving: Sequence[Moving]) -> str:
    """`keep` and `drop`. own: the host's address. An address that it has not got is not kept; then
    keepalived only ends.

    keepalived ends here and not in a step of its own: with the host silent about the address, it
    must go to another one, whatever becomes of the run.
    """
    table = f"kanae_hand_over_{cluster}"
    addresses = ", ".join(str(each.address) for each in moving)
    keep = "\n".join(
        f"  if held {each.address} {each.interface}; then\n"
        f"    ip address add {each.address}/32 dev lo scope host && kept=y\n"
        "  fi"
        for each in moving
    )
    drop = "\n".join(
        f"  ! held {each.address} lo || ip address delete {each.address}/32 dev lo"
        for each in moving
    )
    return f"""{banner()}held() {{
  ip -4 -o address show dev "$2" | grep -qF " $1/32 "
}}
drop() {{
{drop}
  nft delete table arp {table} 2>/dev/null || true
}}
keep() {{
  kept=
{keep}
  [ -z "$kept" ] || nft -f - <<EOF || drop
table arp {table}
delete table arp {table}
table arp {table} {{
  chain asked {{
    type filter hook input priority 0;
    arp daddr ip {{ {addresses} }} drop
  }}
  chain asking {{
    type filter hook output priority 0;
    arp saddr ip {{ {addresses} }} arp saddr ip set {own}
  }}
}}
EOF
  systemctl stop {units.keepalived(cluster)}
}}
"$1"
"""


def keep_unit(
    cluster: str, base: HostBase, moving: Sequence[Moving], bound: Sequence[int], most: float
) -> str:
    """bound: ports of the balancer. most: seconds after which connections that are left end."""
    script = paths.hand_over_script(cluster)
    words = " \\\n  ".join(
        (
            *(f"virtual={each.address}" for each in moving),
            *(f"port={port}" for port in bound),
            f"most={most:g}",
        )
    )
    return f"""{banner()}[Unit]
Description=clients of the virtual address of the cluster {cluster}, which has moved

[Service]
Type=exec
ExecStartPre=/bin/sh {script} keep
ExecStart={base.family.path(Need.PERL)} {paths.hand_over_program(cluster)} \\
  {words}
ExecStopPost=/bin/sh {script} drop
TimeoutStartSec=2min
"""


def program() -> str:
    return PROGRAM.replace("#BANNER\n", banner())


def pass_script(
    cluster: str, to: IPv4Address, moving: Sequence[Moving], bound: Sequence[int], most: float
) -> str:
    """to: the balancer that goes. An address that the host has got is left alone, since connections
    that it has with it began before anything was noted. most: as for `keep_unit`.

    The addresses are forgotten by the kernel itself when time is up, and no rule does anything
    without them.
    """
    table = f"kanae_pass_on_{cluster}"
    seconds = f"{most + _SPARE:.0f}"
    ports = ", ".join(map(str, bound))
    wanted = "\n".join(f"add {each.address}" for each in moving)
    interfaces = dict.fromkeys(each.interface for each in moving)
    chains = "\n".join(
        f"""  chain arriving_{number} {{
    type filter hook ingress device "{interface}" priority 0;
    ip daddr @passed tcp dport {{ {ports} }} goto from_{number}
  }}"""
        for number, interface in enumerate(interfaces)
    )
    sorting = "\n".join(
        f"""  chain from_{number} {{
    tcp flags & (fin | syn | rst | ack) == syn add @begun {{ {_CONNECTION} }} accept
    {_CONNECTION} @begun accept
    fwd ip to {to} device "{interface}"
  }}"""
        for number, interface in enumerate(interfaces)
    )
    return f"""{banner()}here=$(ip -4 -o address show)
passed=
add() {{
  case $here in *" $1/32 "*) ;; *) passed="$passed $1 timeout {seconds}s," ;; esac
}}
{wanted}
[ -z "$passed" ] || exec nft -f - <<EOF
table netdev {table}
delete table netdev {table}
table netdev {table} {{
  set passed {{
    type ipv4_addr
    flags timeout
    elements = {{ ${{passed%,}} }}
  }}
  set begun {{
    type ipv4_addr . inet_service . ipv4_addr . inet_service
    size {_KNOWN}
    flags dynamic
  }}
{sorting}
{chains}
}}
EOF
"""


def pass_unit(cluster: str) -> str:
    """What the script cannot do is no failure: see this module's own words."""
    return f"""{banner()}[Unit]
Description=clients of the virtual address of the cluster {cluster} go on to its former holder

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=-/bin/sh {paths.pass_on_script(cluster)}
ExecStop=-/bin/sh -c 'nft delete table netdev kanae_pass_on_{cluster} 2>/dev/null'
"""
