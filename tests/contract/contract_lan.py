"""Hosts on one switch, each with a network of its own, and what is on their cables."""

from __future__ import annotations

import contextlib
import os
import socket
import struct
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from contract_balancer import command, inside, own_network

_EVERY_PROTOCOL = 0x0003


@dataclass
class Box:
    """A host of the LAN. cable: the switch's end of it; the host's own is eth0."""

    address: str
    cable: str
    network: IO[str]

    def within(self) -> contextlib.AbstractContextManager[None]:
        return inside(self.network)

    def run(self, *arguments: str, data: str | None = None) -> None:
        with self.within():
            command(*arguments, data=data)


@contextlib.contextmanager
def network() -> Generator[IO[str]]:
    """One with nothing in it but lo."""
    with contextlib.ExitStack() as stack:
        with own_network():
            made = stack.enter_context(Path("/proc/thread-self/ns/net").open())
        yield made


@contextlib.contextmanager
def lan(address: str) -> Generator[None]:
    """This thread is on a host with this address, which is the switch as well."""
    with own_network():
        command("ip", "link", "add", "br0", "type", "bridge")
        command("ip", "address", "add", f"{address}/24", "dev", "br0")
        command("ip", "link", "set", "br0", "up")
        yield


@contextlib.contextmanager
def plugged_in(cable: str, address: str) -> Generator[Box]:
    """Another host at the switch."""
    with network() as there:
        box = Box(address, cable, there)
        place = f"/proc/{os.getpid()}/fd/{there.fileno()}"
        pair = ("peer", "name", "eth0", "netns", place)
        command("ip", "link", "add", cable, "type", "veth", *pair)
        command("ip", "link", "set", cable, "master", "br0", "up")
        box.run("ip", "address", "add", f"{address}/24", "dev", "eth0")
        box.run("ip", "link", "set", "eth0", "up")
        yield box


@dataclass(frozen=True)
class Segment:
    """A TCP segment with its IP header."""

    source: tuple[str, int]
    target: tuple[str, int]
    sequence: int
    acknowledged: int
    flags: int
    whole: bool
    size: int


@contextlib.contextmanager
def heard(interface: str) -> Generator[socket.socket]:
    """All that comes and goes on an interface of this thread's network, beginning with IP's header
    where it is IP."""
    with socket.socket(
        socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(_EVERY_PROTOCOL)
    ) as listener:
        listener.bind((interface, _EVERY_PROTOCOL))
        listener.settimeout(20)
        yield listener


def segment(packet: bytes) -> Segment | None:
    """None for what is not TCP. whole: it must not be fragmented (DF). size: of what it carries."""
    if len(packet) < 40 or packet[0] >> 4 != 4 or packet[9] != socket.IPPROTO_TCP:
        return None
    length, fragments = struct.unpack("!2xH2xH", packet[:8])
    head = 4 * (packet[0] & 15)
    source, target, sequence, acknowledged, offset, flags = struct.unpack(
        "!HHIIBB", packet[head : head + 14]
    )
    return Segment(
        (socket.inet_ntoa(packet[12:16]), source),
        (socket.inet_ntoa(packet[16:20]), target),
        sequence,
        acknowledged,
        flags,
        bool(fragments & 0x4000),
        length - head - 4 * (offset >> 4),
    )
