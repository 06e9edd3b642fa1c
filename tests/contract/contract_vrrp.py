"""Two hosts on one cable, and adverts of VRRP that one of them sends in anybody's name."""

from __future__ import annotations

import contextlib
import os
import socket
import struct
import threading
from collections.abc import Generator
from pathlib import Path
from typing import IO

from contract_balancer import command, inside, own_network

PROTOCOL = 112
GROUP = "224.0.0.18"
_ADVERT = 0x31  # version 3, type 1
_INTERVAL = 20  # hundredths of a second


def _checksum(data: bytes) -> int:
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total >> 16) + (total & 0xFFFF)
    return ~total & 0xFFFF


def advert(source: str, target: str, priority: int, router: int, virtual: str) -> bytes:
    """A whole IPv4 packet (RFC 5798 5.1); its length and checksum are the kernel's to fill in."""
    ends = socket.inet_aton(source) + socket.inet_aton(target)
    address = socket.inet_aton(virtual)
    head = struct.pack("!BBBBH", _ADVERT, router, priority, 1, _INTERVAL)
    size = len(head) + 2 + len(address)
    pseudo = ends + struct.pack("!BBH", 0, PROTOCOL, size)
    sum_ = _checksum(pseudo + head + b"\0\0" + address)
    ip = struct.pack("!BBHHHBBH", 0x45, 0, 0, 0, 0, 255, PROTOCOL, 0) + ends
    return ip + head + struct.pack("!H", sum_) + address


@contextlib.contextmanager
def two_hosts(near: str, far: str) -> Generator[IO[str]]:
    """This thread is at the near end of a cable, on eth0; the network at the far end, on eth1."""
    with own_network(), Path("/proc/thread-self/ns/net").open() as other, own_network():
        there = f"/proc/{os.getpid()}/fd/{other.fileno()}"
        pair = ("peer", "name", "eth1", "netns", there)
        command("ip", "link", "add", "eth0", "type", "veth", *pair)
        command("ip", "address", "add", f"{near}/24", "dev", "eth0")
        command("ip", "link", "set", "eth0", "up")
        with inside(other):
            command("ip", "address", "add", f"{far}/24", "dev", "eth1")
            command("ip", "link", "set", "eth1", "up")
        yield other


@contextlib.contextmanager
def sending(far: IO[str], address: str) -> Generator[socket.socket]:
    """A socket that sends whole packets from the far end, which has this address."""
    with inside(far):
        sender = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
    with sender:
        to_cable = socket.inet_aton(address)
        sender.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, to_cable)
        yield sender


@contextlib.contextmanager
def repeated(sender: socket.socket, packet: bytes, target: str) -> Generator[None]:
    """Sent 20 times a second until it ends."""
    ended = threading.Event()

    def send() -> None:
        while not ended.wait(0.05):
            sender.sendto(packet, (target, 0))

    thread = threading.Thread(target=send, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
