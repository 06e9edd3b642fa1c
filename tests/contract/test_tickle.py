"""A virtual address goes to another balancer: whoever waits for an answer there is reset.

The program is the real one, with no more rights than its unit gives it. keepalived's part, the
address and the word to its neighbours, is played: who is believed to have it, and how soon, is
`test_keepalived.py`'s question.
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
import select
import shutil
import socket
import struct
import subprocess
import tempfile
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path

import pytest
from contract_balancer import command, took
from contract_lan import Box, Segment, heard, lan, network, plugged_in, segment

from kanae.layout import ports
from kanae.render import tickle
from kanae.spec.models import Spec

PERL = shutil.which("perl")
CLIENT, VIRTUAL, PORT, ROUTER = "10.0.0.50", "10.0.0.100", 6440, 77
ADDRESSES = {"lb1": "10.0.0.9", "lb2": "10.0.0.8"}
STRANGER, NODE = "10.0.0.66", "10.0.0.30"
POD, GATEWAY, SERVICE = "10.244.1.2", "10.244.1.1", "10.96.0.1"
LISTS = ports.tickle(ROUTER)
ACK = 0x10
# The program's own limit of connections.
MOST = 40_000
# Seconds after the address has come.
PROMISED = 1.5

pytestmark = pytest.mark.skipif(
    PERL is None or os.geteuid() != 0, reason="needs Perl, and root for networks of its own"
)

SPEC = Spec.model_validate(
    {
        "name": "it",
        "kubernetes": "v1.37.2",
        "endpoint": {"port": PORT},
        "loadBalancer": {"virtualAddress": {"address": VIRTUAL, "routerId": ROUTER}},
        "hosts": {
            **{
                name: {"address": address, "roles": ["load-balancer"]}
                for name, address in ADDRESSES.items()
            },
            "m1": {"address": "10.0.0.11", "roles": ["control-plane"]},
        },
    }
)


@dataclass
class Balancer:
    """Its kernel takes connections and what is sent on them; nobody ever answers."""

    box: Box
    log: Path

    def get_address(self) -> None:
        self.box.run("ip", "address", "add", f"{VIRTUAL}/32", "dev", "eth0")

    def give_address_up(self) -> None:
        self.box.run("ip", "address", "del", f"{VIRTUAL}/32", "dev", "eth0")

    def told(self) -> str:
        return self.log.read_text()

    def listens(self) -> bool:
        return f":{LISTS:04X} " in self._network("udp")

    def read(self) -> int:
        """How many packets of lists it has read."""
        _, row = (row for row in self._network("snmp").splitlines() if row.startswith("Udp: "))
        return int(row.split()[1])

    def _network(self, name: str) -> str:
        with self.box.within():
            return Path(f"/proc/thread-self/net/{name}").read_text()


@contextlib.contextmanager
def balancer(name: str) -> Generator[Balancer]:
    assert PERL is not None
    with tempfile.TemporaryDirectory() as made, plugged_in(name, ADDRESSES[name]) as box:
        folder = Path(made)
        folder.chmod(0o755)
        program, log = folder / "tickle.pl", folder / "log"
        program.write_text(tickle.program())
        only = "-all,+net_raw"
        with box.within(), log.open("wb") as output:
            front = socket.create_server(("", PORT), backlog=512)
            process = subprocess.Popen(
                [
                    "setpriv", "--reuid=65534", "--regid=65534", "--clear-groups",
                    f"--inh-caps={only}", f"--ambient-caps={only}", f"--bounding-set={only}",
                    PERL, program, *tickle.arguments(SPEC, name),
                ],
                stdout=output,
                stderr=output,
            )  # fmt: skip
        found = Balancer(box, log)
        try:
            with front:
                took(found.listens, 60)
                yield found
            assert process.poll() is None, found.told()
        finally:
            process.terminate()
            process.wait(20)


@pytest.fixture
def switch() -> Generator[None]:
    with lan(CLIENT):
        yield


@pytest.fixture
def holder(switch: None) -> Generator[Balancer]:
    with balancer("lb1") as found:
        found.get_address()
        took(lambda: f"{VIRTUAL} is here" in found.told(), 20)
        yield found


@pytest.fixture
def other(switch: None) -> Generator[Balancer]:
    with balancer("lb2") as found:
        yield found


def pair(address: str, port: int, balanced: int = PORT) -> bytes:
    return socket.inet_aton(address) + struct.pack("!HH", port, balanced)


def listed(count: int, *pairs: bytes, word: bytes = b"ktk1", run: int = 1) -> bytes:
    """What a balancer tells; nothing of it is secret."""
    return struct.pack("!4sII", word, run, count) + b"".join(pairs)


def await_list(listener: socket.socket, wanted: bytes) -> None:
    """Until a list with this in it has gone to the other balancer, before whose cable we listen."""
    took(lambda: wanted in listener.recv(2048).partition(b"ktk1")[2], 20)


def await_told(listener: socket.socket, other: Balancer, wanted: bytes) -> None:
    """Until the other balancer has read a list with this in it: it reads them in their order."""
    await_list(listener, wanted)
    before = other.read()
    took(lambda: other.read() > before + 1, 20)


@contextlib.contextmanager
def waiting(other: Balancer) -> Generator[socket.socket]:
    """A client on this thread's host that has sent a request and sends nothing more. The other
    balancer has been told of it."""
    with (
        heard(other.box.cable) as listener,
        socket.create_connection((VIRTUAL, PORT), timeout=20) as client,
    ):
        client.sendall(b"GET / HTTP/1.1\r\n\r\n")
        await_told(listener, other, pair(CLIENT, client.getsockname()[1]))
        yield client


def comes(to: Balancer, neighbour: Box | None = None) -> None:
    """keepalived's part: the address, and word of it to the neighbours. neighbour: who uses it, if
    not this thread's host."""
    to.get_address()
    if neighbour is None:
        command("ip", "neigh", "flush", "to", VIRTUAL)
    else:
        neighbour.run("ip", "neigh", "flush", "to", VIRTUAL)


def await_tickles(listener: socket.socket, count: int) -> list[Segment]:
    found: list[Segment] = []
    while len(found) < count:
        one = segment(listener.recv(2048))
        if one is not None and one.source == (VIRTUAL, PORT):
            found.append(one)
    return found


def is_reset(client: socket.socket) -> bool:
    if not select.select([client], [], [], 0)[0]:
        return False
    with pytest.raises(ConnectionResetError):
        client.recv(1)
    return True


def known(to: Balancer) -> int:
    """How many connections the one that gets the address knows of."""
    to.get_address()
    told = re.compile(rf"{VIRTUAL} is here; connections that others had: (\d+)\n")
    took(lambda: told.search(to.told()) is not None, 20)
    found = told.search(to.told())
    assert found is not None
    return int(found[1])


@pytest.mark.parametrize("how", ["dies", "gives-it-up"])
def test_a_client_that_waits_for_an_answer_is_reset_by_the_new_holder(
    holder: Balancer, other: Balancer, how: str
) -> None:
    with waiting(other) as client:
        if how == "dies":
            command("ip", "link", "set", holder.box.cable, "down")
        else:
            holder.give_address_up()
        comes(other)
        assert took(lambda: is_reset(client), 20) < PROMISED
    assert "others had: 1\n" in other.told()


def test_a_connection_is_told_of_before_it_is_established(
    holder: Balancer, other: Balancer
) -> None:
    """A list between two lists would come too late for a request in flight on it."""
    drop = "tcp flags & (syn | ack) == (syn | ack) drop;"
    chain = f"chain input {{ type filter hook input priority 0; {drop} }};"
    command("nft", "-f", "-", data=f"table inet deaf {{ {chain} }}")
    with heard(other.box.cable) as listener, socket.socket() as client:
        client.setblocking(False)
        assert client.connect_ex((VIRTUAL, PORT)) == errno.EINPROGRESS
        await_list(listener, pair(CLIENT, client.getsockname()[1]))


def test_what_is_sent_is_a_bare_ack_that_no_network_cuts_up_and_three_times(
    other: Balancer,
) -> None:
    """To a client that is not there any more, so that its answers are not among them."""
    with told_by(ADDRESSES["lb1"], LISTS) as peer, heard(other.box.cable) as listener:
        say(peer, other, [listed(1, pair(CLIENT, 4711))])
        comes(other)
        found = await_tickles(listener, 3)
    assert set(found) == {Segment((VIRTUAL, PORT), (CLIENT, 4711), 0, 0, ACK, True, 0)}


@contextlib.contextmanager
def told_by(address: str, port: int) -> Generator[socket.socket]:
    """A host of this address that says what it likes."""
    with plugged_in("another", address) as box:
        with box.within():
            sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        with sender:
            sender.bind((address, port))
            yield sender


def say(sender: socket.socket, other: Balancer, packets: list[bytes]) -> None:
    """It has read them, whatever it thinks of them."""
    before = other.read()
    for packet in packets:
        sender.sendto(packet, (ADDRESSES["lb2"], LISTS))
    took(lambda: other.read() == before + len(packets), 60)


GOOD = pair(CLIENT, 4711)
LB1 = ADDRESSES["lb1"]


@pytest.mark.parametrize(
    ("sender", "packets", "believed"),
    [
        ((LB1, LISTS), [listed(1, GOOD, pair(CLIENT, 4712))], 2),
        ((LB1, LISTS), [listed(1, GOOD), listed(2), listed(3), listed(3, GOOD)], 1),
        ((LB1, LISTS), [listed(1, GOOD), listed(2), listed(3), listed(4)], 0),
        ((LB1, LISTS), [listed(9, GOOD), listed(1, pair(CLIENT, 4712), run=2)], 1),
        ((LB1, LISTS), [listed(1, *(pair(CLIENT, port + 1) for port in range(140)))], 140),
        ((LB1, LISTS), [listed(1, *(pair(CLIENT, port + 1) for port in range(141)))], 0),
        ((STRANGER, LISTS), [listed(1, GOOD)], 0),
        ((LB1, LISTS + 1), [listed(1, GOOD)], 0),
        ((LB1, LISTS), [b"", b"ktk1", listed(1, GOOD)[:-1], listed(1, GOOD) + b"x"], 0),
        ((LB1, LISTS), [listed(1, GOOD, word=b"ktk2")], 0),
        ((LB1, LISTS), [listed(1, pair(CLIENT, 4711, 22), pair(CLIENT, 0))], 0),
        (
            (LB1, LISTS),
            [listed(1, *(pair(each, 4711) for each in ("127.0.0.1", "0.0.0.0", "224.0.0.18")))],
            0,
        ),
    ],
    ids=[
        "peer", "still-there", "gone", "begun-anew", "full", "too-long", "stranger", "other-port",
        "cut-up", "other-word", "other-ports", "nobodys-addresses",
    ],
)  # fmt: skip
def test_only_a_peer_is_believed_and_only_what_makes_sense(
    other: Balancer, sender: tuple[str, int], packets: list[bytes], believed: int
) -> None:
    with told_by(*sender) as said:
        say(said, other, packets)
        assert known(other) == believed


def test_a_peer_cannot_fill_the_memory(other: Balancer) -> None:
    with told_by(LB1, LISTS) as said:
        ends = range(1, MOST + 1000, 140)
        packets = [listed(1, *(pair(CLIENT, end + n) for n in range(140))) for end in ends]
        for first in range(0, len(packets), 50):
            say(said, other, packets[first : first + 50])
        assert known(other) == MOST


@contextlib.contextmanager
def behind_a_node() -> Generator[tuple[Box, Box]]:
    """A node, and a pod on it that reaches the virtual address by a Service's."""
    with plugged_in("node", NODE) as node, network() as there:
        pod = Box(POD, "", there)
        place = f"/proc/{os.getpid()}/fd/{there.fileno()}"
        node.run("ip", "link", "add", "pod", "type", "veth", "peer", "name", "eth0", "netns", place)
        node.run("ip", "address", "add", f"{GATEWAY}/24", "dev", "pod")
        node.run("ip", "link", "set", "pod", "up")
        pod.run("ip", "address", "add", f"{POD}/24", "dev", "eth0")
        pod.run("ip", "link", "set", "eth0", "up")
        pod.run("ip", "route", "add", "default", "via", GATEWAY)
        to = f"ip daddr {SERVICE} tcp dport 443 dnat to {VIRTUAL}:{PORT};"
        out = 'oifname "eth0" masquerade;'
        node.run(
            "nft",
            "-f",
            "-",
            data=f"""table ip proxy {{
            chain to {{ type nat hook prerouting priority dstnat; {to} }}
            chain out {{ type nat hook postrouting priority srcnat; {out} }}
        }}""",
        )
        for setting in ("net.ipv4.ip_forward=1", "net.netfilter.nf_conntrack_tcp_be_liberal=1"):
            node.run("sysctl", "-qw", setting)
        yield node, pod


def test_a_pod_that_waits_behind_a_service_is_reset_where_conntrack_is_liberal(
    holder: Balancer, other: Balancer
) -> None:
    """As kube-proxy makes it by the configuration that kanae gives it. Where it is strict it
    is up to the connection's numbers, drawn at random, whether a tickle gets to the pod."""
    with behind_a_node() as (node, pod):
        with pod.within():
            client = socket.create_connection((SERVICE, 443), timeout=20)
        with client, heard(other.box.cable) as lists:
            client.sendall(b"GET / HTTP/1.1\r\n\r\n")
            await_told(lists, other, socket.inet_aton(NODE))
            command("ip", "link", "set", holder.box.cable, "down")
            comes(other, node)
            took(lambda: is_reset(client), 20)
