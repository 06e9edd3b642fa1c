"""A lab's network: a switch of its own, with one cable to this machine.

The switch is a bridge in a network namespace of its own, so that frames between hosts pass
neither this machine's firewall (br_netfilter hands bridged frames to iptables) nor its routing,
and the rules of a partition stand in nobody else's ruleset. This machine's end of the cable has
the first free address of the subnet; it is the hosts' default gateway, and nothing is forwarded.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path

from kanae.errors import LabError
from kanae.lab.programs import run, succeeds

BRIDGE = "lab"
UPLINK = "uplink"
NETNS = Path("/run/netns")
NETNS_PREFIX = "kanae-lab-"
LINK_PREFIX = "kn"


def lab_key(name: str) -> str:
    """8 hex digits that stand for a lab's name where 15 bytes are all there is."""
    return hashlib.sha256(name.encode()).hexdigest()[:8]


def netns_of(lab: str) -> str:
    """The network namespace that is the lab's switch."""
    return NETNS_PREFIX + lab


def link_of(lab: str) -> str:
    """This machine's end of the lab's cable."""
    return LINK_PREFIX + lab_key(lab)


@dataclass(frozen=True, slots=True)
class Network:
    """lab: its name; subnet: of the hosts and the gateway; gateway: this machine's address."""

    lab: str
    subnet: IPv4Network
    gateway: IPv4Address

    @property
    def netns(self) -> str:
        return netns_of(self.lab)

    @property
    def netns_path(self) -> Path:
        return NETNS / self.netns

    @property
    def link(self) -> str:
        """This machine's end of the cable."""
        return link_of(self.lab)

    def create(self) -> None:
        """Make switch and cable; safe to repeat on a half-made one."""
        remove(self.lab)
        run(["ip", "netns", "add", self.netns])
        run(["nsenter", f"--net={self.netns_path}", "nft", "-f", "-"], stdin=EMPTY_RULES)
        outside = [
            f"link add {self.link} type veth peer name {UPLINK} netns {self.netns}",
            f"link set {self.link} alias kanae-lab:{self.lab}",
            f"link set {self.link} addrgenmode none",
            f"address add {self.gateway}/{self.subnet.prefixlen} dev {self.link}",
            f"link set {self.link} up",
        ]
        inside = [
            # Everything is forwarded at once and everywhere, as by an unmanaged switch.
            f"link add {BRIDGE} type bridge forward_delay 0 stp_state 0 mcast_snooping 0",
            f"link set {BRIDGE} addrgenmode none",
            f"link set {UPLINK} addrgenmode none",
            f"link set {UPLINK} master {BRIDGE} up",
            f"link set {BRIDGE} up",
        ]
        run(["ip", "-batch", "-"], stdin="\n".join(outside) + "\n")
        run(["ip", "-netns", self.netns, "-batch", "-"], stdin="\n".join(inside) + "\n")

    @property
    def exists(self) -> bool:
        return self.netns_path.exists() and self.link in links()

    def cut(self, port: str) -> None:
        """Pull a host's cable out of the switch: not one more frame passes."""
        run(["ip", "-netns", self.netns, "link", "set", port, "down"])

    def drop_port(self, port: str) -> None:
        """Remove a dead host's port at once: the kernel alone takes its time over it."""
        succeeds(["ip", "-netns", self.netns, "link", "delete", port])

    def nft(self, commands: str) -> None:
        """Run nft commands (nft(8)) in the switch."""
        run(["nsenter", f"--net={self.netns_path}", "nft", "-f", "-"], stdin=commands)

    def rules(self) -> str:
        """The switch's rules as nft lists them; "" when the switch is gone."""
        argv = ["nsenter", f"--net={self.netns_path}", "nft", "list", "table", *TABLE.split()]
        return run(argv) if self.netns_path.exists() else ""


TABLE = "bridge kanae"
EMPTY_RULES = f"""table {TABLE} {{
  chain forward {{ type filter hook forward priority filter; policy accept; }}
}}
"""


def plan(lab: str, addresses: Iterable[IPv4Address], reserved: Iterable[IPv4Address]) -> Network:
    """The network for hosts at these addresses.

    The subnet is the /24 that holds them, or the smallest larger one, down to /16. reserved:
    addresses that no host has now but that the cluster will use (virtual ones).
    Raises LabError when no such subnet holds them.
    """
    used = set(addresses)
    wanted = used | set(reserved)
    lowest, highest = min(wanted), max(wanted)
    for prefix in range(24, 15, -1):
        subnet = IPv4Network((lowest, prefix), strict=False)
        if highest in subnet:
            break
    else:
        raise LabError(
            f"lab {lab}: no network of 65,536 addresses holds both {lowest} and {highest}",
            remedy="give the hosts addresses in one /24",
        )
    edges = {subnet.network_address, subnet.broadcast_address}
    if unusable := sorted(edges & wanted):
        raise LabError(
            f"lab {lab}: {unusable[0]} is the network or broadcast address of {subnet}",
            remedy="give that host another address",
        )
    gateway = next((a for a in subnet.hosts() if a not in wanted), None)
    if gateway is None:
        raise LabError(f"lab {lab}: {subnet} has no address left for this machine")
    return Network(lab, subnet, gateway)


def remove(lab: str) -> None:
    """Remove a lab's cable and switch; nothing happens when they are not there."""
    if link_of(lab) in links():
        run(["ip", "link", "delete", link_of(lab)])
    if (NETNS / netns_of(lab)).exists():
        run(["ip", "netns", "delete", netns_of(lab)])
    if NETNS.is_dir() and not any(NETNS.iterdir()):
        # `ip netns add` makes the folder a mount of itself; it fails, harmlessly, when in use.
        succeeds(["umount", str(NETNS)])


def links() -> dict[str, str]:
    """This machine's network links: name to alias ("" without one)."""
    found: list[dict[str, object]] = json.loads(run(["ip", "-json", "link", "show"]) or "[]")
    return {str(link["ifname"]): str(link.get("ifalias", "")) for link in found}


def routes() -> dict[IPv4Network, str]:
    """This machine's IPv4 routes but the default one: destination to device."""
    argv = ["ip", "-json", "-4", "route", "show", "table", "all"]
    found: list[dict[str, object]] = json.loads(run(argv) or "[]")
    return {
        IPv4Network(str(route["dst"])): str(route.get("dev", "?"))
        for route in found
        if route["dst"] != "default" and route.get("type", "unicast") in ("unicast", "local")
    }


def refuse_overlap(network: Network, existing: dict[IPv4Network, str]) -> None:
    """Raise LabError when the subnet touches one that this machine reaches otherwise.

    existing: destinations by device, as from routes().
    """
    for destination, device in existing.items():
        if device != network.link and destination.overlaps(network.subnet):
            raise LabError(
                f"lab {network.lab}: its subnet {network.subnet} overlaps {destination}, which "
                f"this machine reaches through {device}{_owner(device)}",
                remedy="change the addresses in the spec, or take the other network down",
            )


def _owner(device: str) -> str:
    alias = links().get(device, "")
    return f" (lab {alias.removeprefix('kanae-lab:')})" if alias.startswith("kanae-lab:") else ""


def labs_with_links() -> frozenset[str]:
    """Names of labs that have a cable or a switch on this machine."""
    by_alias = {a.removeprefix("kanae-lab:") for a in links().values() if "kanae-lab:" in a}
    names = [p.name for p in NETNS.iterdir()] if NETNS.is_dir() else []
    switches = {n.removeprefix(NETNS_PREFIX) for n in names if n.startswith(NETNS_PREFIX)}
    return frozenset(by_alias | switches)
