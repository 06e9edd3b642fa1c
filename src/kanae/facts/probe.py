"""Active probes: reaching other hosts and writing to a disk. Only before a host joins.

Round trips: TCP connections to the other hosts' SSH ports, timed by bash's own clock in one
process (some 50 microseconds of overhead); by ping's figures where there is no bash.

Synchronous writes: 2300 bytes at the next place of a preallocated file with O_DSYNC, as etcd's log
does it (its own measure, wal_fsync, is about the same size). Every write is a dd of its own, and
dd's own clock is read, which starts after the program has and its files are open: the cost of
starting dd (1 to 2 ms) is not in the figure; reading from /dev/zero is (under 10 microseconds).
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from ipaddress import IPv4Address

from kanae.facts.frame import framed, split

WRITES = 200
_SECONDS = 6
_TCP = re.compile(r"(\S+) (\d{1,9})")
_PING = re.compile(r"(\S+) .*time=([0-9.]{1,9}) ms")
_NEIGHBOUR = re.compile(r" lladdr ([0-9a-f:]{11,60})")
_DD = re.compile(r"copied, ([0-9.]{1,12}(?:e-\d\d?)?) s")


@dataclass(frozen=True, slots=True)
class ProbeQuery:
    """peers: host -> address and SSH port. disk: a folder (or the place of one) to write in.
    overlay: likewise one to mount an overlay over. vacant: addresses that nobody should have.
    """

    peers: Mapping[str, tuple[IPv4Address, int]]
    disk: str | None = None
    overlay: str | None = None
    vacant: tuple[IPv4Address, ...] = ()


@dataclass(frozen=True, slots=True)
class ProbeFacts:
    """Seconds each. round_trips: host -> times, empty when it was not reached; None when this host
    has no program to measure with. writes: durations of synchronous writes. overlay: why none can
    be mounted there, "" when one can or it was not tried. holders: addresses that should be vacant
    and are not -> who answers there: a hardware address, or "a ping" from behind a router.
    """

    round_trips: Mapping[str, tuple[float, ...]] | None
    writes: tuple[float, ...]
    overlay: str = ""
    holders: Mapping[IPv4Address, str] = field(default_factory=dict[IPv4Address, str])


def percentile(values: tuple[float, ...], share: float) -> float:
    """The smallest value that is not less than `share` of all. values: not empty."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, max(0, -int(-len(ordered) * share // 1) - 1))]


_PEERS = """\
if command -v bash >/dev/null; then
printf '#%s tcp\\n' "$began"
for peer in {peers}; do
timeout 4 bash -c 'for i in 1 2 3 4 5; do
s=${{EPOCHREALTIME/./}}
: <>"/dev/tcp/$0/$1"
e=${{EPOCHREALTIME/./}}
[ $((e - s)) -gt 1900000 ] || echo "$0" $((e - s))
done' "${{peer%:*}}" "${{peer#*:}}" 2>/dev/null &
done
wait
elif command -v ping >/dev/null; then
printf '#%s ping\\n' "$began"
for peer in {peers}; do
ping -c 5 -i 0.2 -W 2 "${{peer%:*}}" | while read -r line; do echo "${{peer%:*}} $line"; done &
done
wait
fi
"""

_DISK = """\
where={disk}
while [ ! -d "${{where:=/}}" ]; do where=${{where%/*}}; done
file=$where/.kanae-probe.$$
trap 'rm -f "$file"' EXIT
until=$(($(date +%s) + {seconds}))
printf '#%s writes\\n' "$began"
if dd if=/dev/zero of="$file" bs=2300 count={writes} conv=fsync 2>/dev/null; then
n=0
while [ $n -lt {writes} ]; do
dd if=/dev/zero of="$file" bs=2300 count=1 seek=$n conv=notrunc oflag=dsync 2>&1
n=$((n + 1))
[ $((n % 20)) -ne 0 ] || [ "$(date +%s)" -lt $until ] || break
done
fi
"""

# As containerd does when it looks whether it can use its overlayfs snapshotter. In a mount
# namespace of its own, so that nothing stays mounted.
_OVERLAY = """\
where={overlay}
while [ ! -d "${{where:=/}}" ]; do where=${{where%/*}}; done
if command -v unshare >/dev/null && over=$(mktemp -d "$where/.kanae-overlay.XXXXXX"); then
mkdir "$over/lower" "$over/upper" "$over/work" "$over/merged"
printf '#%s overlay\\n' "$began"
unshare -m -- sh -c 'cd "$0" && mount -t overlay overlay \\
-o lowerdir=lower,upperdir=upper,workdir=work merged && : >merged/file && umount merged' "$over" \\
2>&1 && echo works
rm -rf "$over"
fi
"""

# Whoever has an address of this network answers to ARP, also when a firewall drops all else.
_VACANT = """\
printf '#%s vacant\\n' "$began"
for vacant in {vacant}; do
ping -c 2 -i 0.3 -W 1 "$vacant" 2>/dev/null | grep -q 'bytes from' && echo "$vacant" ping
ip -o neigh show to "$vacant" 2>/dev/null
done
"""


def probe_script(query: ProbeQuery) -> str:
    parts: list[str] = []
    if query.peers:
        words = (f"{address}:{port:d}" for address, port in query.peers.values())
        parts.append(_PEERS.format(peers=" ".join(words)))
    if query.disk is not None:
        disk = shlex.quote(query.disk)
        parts.append(_DISK.format(disk=disk, writes=WRITES, seconds=_SECONDS))
    if query.overlay is not None:
        parts.append(_OVERLAY.format(overlay=shlex.quote(query.overlay)))
    if query.vacant:
        parts.append(_VACANT.format(vacant=" ".join(map(str, query.vacant))))
    return framed("".join(parts))


def parse_probe(host: str, query: ProbeQuery, output: bytes) -> ProbeFacts:
    """Raises FactsError for an answer that is cut short."""
    answer = split(host, output)
    names = {str(address): peer for peer, (address, _) in query.peers.items()}
    times: dict[str, list[float]] = {peer: [] for peer in query.peers}
    for section, pattern, unit in (("tcp", _TCP, 1e-6), ("ping", _PING, 1e-3)):
        for line in answer.lines(section):
            match = pattern.match(line)
            if match and match[1] in names:
                times[names[match[1]]].append(_number(match[2]) * unit)
    measured = {"tcp", "ping"} & set(answer.sections)
    writes = (_DD.search(line) for line in answer.lines("writes"))
    return ProbeFacts(
        round_trips={peer: tuple(t) for peer, t in times.items()}
        if measured or not query.peers
        else None,
        writes=tuple(_number(match[1]) for match in writes if match),
        overlay=_overlay(answer.lines("overlay")),
        holders={
            address: holder
            for address in query.vacant
            if (holder := _holder(address, answer.lines("vacant")))
        },
    )


def _overlay(lines: Sequence[str]) -> str:
    said = [line for line in lines if line]
    return "" if not said or said[-1] == "works" else " ".join(said)


def _holder(address: IPv4Address, lines: Sequence[str]) -> str:
    told = [line for line in lines if line.startswith(f"{address} ")]
    for line in told:
        match = _NEIGHBOUR.search(line)
        if match and not line.rstrip().endswith(("FAILED", "INCOMPLETE")):
            return match[1]
    return "a ping" if f"{address} ping" in told else ""


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return 0.0
