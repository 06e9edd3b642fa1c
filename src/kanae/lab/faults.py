"""Faults of lab hosts, on purpose: power, network and standstill.

All are synchronous and return when the fault holds (or is gone). `lab` may be stale: what
changes over time is read anew from the lab's record.
"""

from __future__ import annotations

import signal
from collections.abc import Sequence
from enum import StrEnum

from kanae.errors import LabError
from kanae.lab import hardware, host
from kanae.lab.cgroups import Cgroups
from kanae.lab.lab import HostState, Lab, locked
from kanae.lab.network import EMPTY_RULES, TABLE
from kanae.lab.processes import Process
from kanae.lab.record import HostRecord
from kanae.lab.waiting import wait_until

# systemd(1): what PID 1 takes as `systemctl poweroff`.
_POWEROFF = signal.SIGRTMIN + 4
# Weight of a host that is cut off. It tries in vain and without pause, which on machines of their
# own no other host would feel.
_ALONE = 0.1


class Oneway(StrEnum):
    """What a partition drops when it is one-sided: frames to the hosts (in), or from them."""

    IN = "in"
    OUT = "out"


def state(lab: Lab, name: str) -> HostState:
    lab.record.host(name)
    return next(s.state for s in lab.refresh().status() if s.name == name)


def power_off(lab: Lab, name: str, *, seconds: float = 90) -> None:
    """Graceful shutdown: services stop and close their connections, then the host is off."""
    lab = lab.refresh()
    of = lab.record.host(name)
    if state(lab, name) is HostState.PAUSED:
        raise LabError(f"{name} is paused and cannot shut down", remedy=f"kanae lab resume {name}")

    def ended() -> bool:
        # Asked for again after a reboot that was under way.
        if (leader := host.leader(of)) and leader not in asked:
            asked.add(leader)
            leader.signal(_POWEROFF)
        return not host.powered(of)

    asked: set[Process] = set()
    if not wait_until(ended, seconds=seconds):
        raise LabError(
            f"{name}: still shutting down after {seconds:g} s; its console ends:\n"
            + host.console_end(lab.disk(name)),
            remedy=f"wait, or pull the cord: kanae lab power-cut {name}",
        )
    _clear(lab, of)


def power_cut(lab: Lab, name: str) -> None:
    """As if the cord were pulled: peers get no FIN, no RST and no ICMP message.

    What a reboot would clear is gone: memory, tmpfs, control groups. The disk stays, with what
    this machine's page cache holds of it: a cut here does not prove that anything was fsynced.
    """
    lab = lab.refresh()
    of = lab.record.host(name)
    if host.powered(of):
        # The cable goes first, so that nothing of what the dying kernel sends reaches anyone.
        lab.record.network.cut(lab.record.port(of))
    _clear(lab, of)


def _clear(lab: Lab, of: HostRecord) -> None:
    """End what still runs of a host and remove everything but its disk."""
    groups = Cgroups.here()
    group = lab.group(of.name)
    host.kill(of, groups, group)
    groups.remove(group)
    lab.record.network.drop_port(lab.record.port(of))


def power_on(
    lab: Lab, name: str, *, choice: hardware.Choice | None = None, wait: bool = True
) -> None:
    """Start a host that is off, with the disk it had; nothing happens to one that is on.

    choice: with other hardware. LabError for a host that is on with what is not chosen. wait: until
    its sshd answers.
    """
    with locked(lab.record.name):
        lab = lab.refresh()
        off = state(lab, name) is HostState.OFF
        if choice is not None:
            changed = hardware.exchange(lab.folder, lab.record, name, choice, off=off)
            lab = Lab(lab.folder, changed)
        elif not off:
            return
        if off:
            _clear(lab, lab.record.host(name))
            lab = lab.start([name])
    if wait:
        lab.wait_for_ssh([name])


def pause(lab: Lab, name: str) -> None:
    """Stop every process of the host where it is; its kernel still answers pings and ACKs."""
    if state(lab, name) is HostState.OFF:
        raise LabError(f"{name} is off", remedy=f"kanae lab power-on {name}")
    Cgroups.here().freeze(lab.group(name))


def resume(lab: Lab, name: str) -> None:
    lab.record.host(name)
    Cgroups.here().thaw(lab.group(name))


def allow_realtime(lab: Lab, name: str) -> None:
    """Let processes of this host alone have real-time priority, as on a machine of its own."""
    lab.record.host(name)
    Cgroups.here().allow_realtime(lab.group(name))


def partition(
    lab: Lab, names: Sequence[str], *, oneway: Oneway | None = None, operator: bool = False
) -> None:
    """Cut these hosts off from all others; among themselves they still talk.

    oneway: drop only frames to them (in) or from them (out). operator: this machine still
    reaches them. Partitions add up until `heal`.
    """
    current = lab.refresh().record
    ports = [current.port(current.host(name)) for name in names]
    current.network.nft(partition_rules(ports, oneway=oneway, operator=operator))
    for name in names:
        Cgroups.here().weigh(lab.group(name), _ALONE)


def partition_rules(ports: Sequence[str], *, oneway: Oneway | None, operator: bool) -> str:
    """nft commands that add one partition. ports: of the hosts that are cut off."""
    inside = ", ".join(f'"{port}"' for port in ports)
    others = inside + (', "uplink"' if operator else "")
    rule = f"add rule {TABLE} forward"
    rules: list[str] = []
    if oneway is not Oneway.OUT:
        rules.append(f"{rule} oifname {{ {inside} }} iifname != {{ {others} }} drop\n")
    if oneway is not Oneway.IN:
        rules.append(f"{rule} iifname {{ {inside} }} oifname != {{ {others} }} drop\n")
    return "".join(rules)


def heal(lab: Lab) -> None:
    """Undo every partition of the lab."""
    current = lab.refresh().record
    current.network.nft(f"{EMPTY_RULES}flush chain {TABLE} forward\n")
    for of in current.hosts:
        Cgroups.here().weigh(lab.group(of.name), 1.0)


def partitioned(lab: Lab) -> bool:
    """Whether any partition holds."""
    return "drop" in lab.record.network.rules()
