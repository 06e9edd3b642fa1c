"""A balancer that serves gives its virtual address up: nobody's request fails.

Two balancers and their clients on one switch, with the real keepalived and haproxy, and what
`render/handover.py` has hosts run, as its units say. The API servers are on a third host.
"""

from __future__ import annotations

import contextlib
import os
import re
import select
import shutil
import socket
import subprocess
import tempfile
import threading
from collections.abc import Generator, Iterator
from dataclasses import dataclass, field, replace
from ipaddress import IPv4Address
from pathlib import Path

import pytest
from contract_balancer import took
from contract_lan import Box, lan, plugged_in

from kanae.facts.model import Interface
from kanae.layout import paths, units
from kanae.plan.hosts import TYPICAL
from kanae.render import handover, haproxy, keepalived
from kanae.render.handover import Moving
from kanae.spec.models import Spec

HAPROXY = shutil.which("haproxy", path="/usr/sbin")
KEEPALIVED = shutil.which("keepalived", path="/usr/sbin")
PERL = shutil.which("perl")
CLIENT, SERVER, VIRTUAL, PORT = "10.0.0.50", "10.0.0.11", "10.0.0.100", 6440
ADDRESSES = {"lb1": "10.0.0.9", "lb2": "10.0.0.8"}
MOST = 60.0
SERVICE_TIME = 0.05  # seconds that a request is under way

pytestmark = pytest.mark.skipif(
    None in (HAPROXY, KEEPALIVED, PERL) or os.geteuid() != 0,
    reason="needs haproxy, keepalived and Perl, and root for networks of its own",
)

SPEC = Spec.model_validate(
    {
        "name": "it",
        "kubernetes": "v1.37.2",
        "endpoint": {"port": PORT},
        # A busy machine may keep keepalived from saying for a second that it is there.
        "loadBalancer": {
            "virtualAddress": {"address": VIRTUAL, "routerId": 77, "advertisementInterval": 5}
        },
        "hosts": {
            **{
                name: {"address": address, "roles": ["load-balancer"]}
                for name, address in ADDRESSES.items()
            },
            "m1": {"address": SERVER, "roles": ["control-plane"]},
        },
    }
)
MOVING = (Moving(IPv4Address(VIRTUAL), "eth0"),)


class Server:
    """Answers each line, which says after how many seconds. The balancer's checks, which speak TLS
    and HTTP, find nobody ready, so that it uses all that its kernel reaches."""

    def __init__(self) -> None:
        self._listener = socket.create_server((SERVER, 6443), backlog=512)
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with (
            connection,
            contextlib.suppress(OSError, ValueError),
            connection.makefile("rwb") as lines,
        ):
            for line in lines:
                threading.Event().wait(float(line))
                lines.write(b"done\n")
                lines.flush()


@dataclass
class Clients:
    """`new` ones open a connection for each request; `kept` ones keep theirs for `requests`, as
    long as the server lets it be, with a pause after each. Runs until it ends."""

    answered: int = 0
    failed: list[str] = field(default_factory=list[str])
    lock: threading.Lock = field(default_factory=threading.Lock)
    over: threading.Event = field(default_factory=threading.Event)
    threads: list[threading.Thread] = field(default_factory=list[threading.Thread])

    def start(self, kind: str, count: int, pause: float, requests: int) -> None:
        for _ in range(count):
            thread = threading.Thread(target=self._run, args=(kind, pause, requests), daemon=True)
            self.threads.append(thread)
            thread.start()

    def end(self) -> None:
        self.over.set()
        for thread in self.threads:
            thread.join()

    def _run(self, kind: str, pause: float, requests: int) -> None:
        while not self.over.is_set():
            try:
                with socket.create_connection((VIRTUAL, PORT), timeout=20) as connection:
                    self._ask(connection, pause, requests)
            except OSError as error:
                self._count(f"{kind}: {error}")

    def _ask(self, connection: socket.socket, pause: float, requests: int) -> None:
        for _ in range(requests):
            # One that has ended while nothing was under way is no failure: another one is opened.
            if self.over.is_set() or _has_ended(connection):
                return
            connection.sendall(f"{SERVICE_TIME}\n".encode())
            if connection.recv(100) != b"done\n":
                raise ConnectionError("closed while it waited")
            self._count()
            self.over.wait(pause)

    def _count(self, failure: str = "") -> None:
        with self.lock:
            if failure:
                self.failed.append(failure)
            else:
                self.answered += 1


def _has_ended(connection: socket.socket) -> bool:
    """Nothing else than its end is waited for."""
    return bool(select.select([connection], [], [], 0)[0])


@dataclass
class Balancer:
    box: Box
    folder: Path
    keepalived: subprocess.Popen[bytes]

    def holds(self, interface: str = "eth0") -> bool:
        with self.box.within():
            shown = ("ip", "-o", "-4", "address", "show", "dev", interface)
            return f" {VIRTUAL}/32 " in subprocess.run(shown, capture_output=True, text=True).stdout

    def tables(self) -> str:
        with self.box.within():
            return subprocess.run(
                ("nft", "list", "tables"), capture_output=True, text=True, check=True
            ).stdout

    def script(self, text: str, *words: str) -> None:
        self.box.run("/bin/sh", "-s", *words, data=text)

    def keep_script(self) -> str:
        """systemd's part, which is not here, is to have keepalived end."""
        text = handover.keep_script("it", IPv4Address(self.box.address), MOVING)
        stop = f"systemctl stop {units.keepalived('it')}"
        assert stop in text
        return text.replace(stop, f"kill {self.keepalived.pid}")

    def hand_over(self, most: float = MOST) -> subprocess.Popen[str]:
        """What the unit runs, as far as systemd would wait for it."""
        unit = handover.keep_unit("it", TYPICAL, MOVING, [PORT], most)
        program = self.folder / "hand-over.pl"
        program.write_text(handover.program())
        begun = re.search(r"^ExecStart=((?:.*\\\n)*.*)", unit, re.MULTILINE)
        assert begun is not None
        words = begun[1].replace("\\\n", " ").split()
        assert words[1] == paths.hand_over_program("it")
        self.script(self.keep_script(), "keep")
        with self.box.within():
            return subprocess.Popen(
                [words[0], str(program), *words[2:]], stdout=subprocess.PIPE, text=True
            )

    def drop(self) -> None:
        self.script(self.keep_script(), "drop")

    def pass_on(self, to: str, most: float = MOST) -> None:
        self.script(handover.pass_script("it", IPv4Address(to), MOVING, [PORT], most))

    def pass_no_more(self) -> None:
        unit = handover.pass_unit("it")
        stop = re.search(r"^ExecStop=-/bin/sh -c '(.*)'$", unit, re.MULTILINE)
        assert stop is not None
        self.script(stop[1])


@contextlib.contextmanager
def balancer(name: str) -> Generator[Balancer]:
    assert HAPROXY is not None
    assert KEEPALIVED is not None
    base = replace(TYPICAL, interfaces=(Interface("eth0", "", (f"{ADDRESSES[name]}/24",)),))
    with (
        tempfile.TemporaryDirectory() as made,
        plugged_in(name, ADDRESSES[name]) as box,
        contextlib.ExitStack() as stack,
    ):
        folder = Path(made)
        folder.chmod(0o755)
        front = folder / "haproxy.cfg"
        text = haproxy.balancer(SPEC, name, replace(base, hard_nofile=4000))
        front.write_text(text.replace("/run/", f"{folder}/"))
        pid = folder / "balancer.pid"
        pid.write_text(f"{os.getpid()}\n")
        moved = folder / "keepalived.conf"
        moved.write_text(
            re.sub(r"(-F) [^\"\s]+", rf"\1 {pid}", keepalived.config(SPEC, name, base))
        )
        log = stack.enter_context((folder / "log").open("wb"))
        with box.within():
            processes = [
                subprocess.Popen(command, stdout=log, stderr=log)
                for command in (
                    [HAPROXY, "-f", str(front)],
                    [
                        KEEPALIVED, "--dont-fork", "--log-console", "--vrrp",
                        f"--use-file={moved}", f"--pid={folder}/pid",
                        f"--vrrp_pid={folder}/vrrp.pid",
                    ],
                )
            ]  # fmt: skip
        try:
            yield Balancer(box, folder, processes[1])
        finally:
            for process in processes:
                process.terminate()
                process.wait(20)


@pytest.fixture
def servers() -> Generator[None]:
    with lan(CLIENT), plugged_in("m1", SERVER) as box:
        with box.within():
            server = Server()
        yield
        server.close()


@pytest.fixture
def holder(servers: None) -> Generator[Balancer]:
    with balancer("lb1") as found:
        took(found.holds, 20)
        took(lambda: answers(VIRTUAL), 20)
        yield found


@pytest.fixture
def other(holder: Balancer) -> Generator[Balancer]:
    with balancer("lb2") as found:
        took(lambda: answers(ADDRESSES["lb2"]), 20)
        yield found


def answers(address: str) -> bool:
    try:
        with socket.create_connection((address, PORT), timeout=20) as connection:
            connection.sendall(b"0\n")
            return connection.recv(100) == b"done\n"
    except OSError:
        return False


@pytest.fixture
def clients(holder: Balancer, other: Balancer) -> Iterator[Clients]:
    found = Clients()
    found.start("new", 4, 0.02, 1)
    found.start("kept", 4, 2.5, 10**6)
    # Busy ones leave after some requests, as API servers have it (GOAWAY).
    found.start("busy", 4, 0.02, 50)
    took(lambda: found.answered > 50, 60)
    assert found.failed == []
    yield found
    found.end()


def test_without_it_what_is_under_way_fails(
    holder: Balancer, other: Balancer, clients: Clients
) -> None:
    holder.keepalived.terminate()
    took(other.holds, 20)
    took(lambda: bool(clients.failed), 20)
    assert any("reset" in each for each in clients.failed)


def test_nobodys_request_fails(holder: Balancer, other: Balancer, clients: Clients) -> None:
    other.pass_on(holder.box.address)
    program = holder.hand_over()
    took(other.holds, 20)
    assert not holder.holds()
    assert holder.holds("lo")
    said, _ = program.communicate(timeout=MOST)
    holder.drop()
    other.pass_no_more()
    before = clients.answered
    took(lambda: clients.answered > before + 50, 60)
    assert clients.failed == []
    assert re.fullmatch(r"\d+ connections: \d+ have ended, \d+ were ended when idle, 0 .*\n", said)
    assert not holder.holds("lo")
    assert "kanae" not in holder.tables() + other.tables()
