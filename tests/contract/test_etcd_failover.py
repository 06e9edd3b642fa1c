"""When connections to an etcd member are ended, and when they are left alone.

First with a member that says what a test wants, then with three real ones. The real ones are those
of kanae's own store, or etcd and etcdctl on PATH.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import select
import shutil
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Generator, Iterable
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from contract_balancer import heard, own_network, took

from kanae.artifacts.store import Store
from kanae.layout import ports
from kanae.render import etcd_failover
from kanae.spec.models import Spec

pytestmark = pytest.mark.skipif(
    os.geteuid() != 0 or not shutil.which("ss"),
    reason="needs ss, and root for a network of its own",
)

HOSTS = {f"m{number}": f"10.0.0.1{number}" for number in (1, 2, 3)}
# Seconds. Both are for a busy machine: elections of a member that gets no processor time are real.
ELECTION = 4.0
PATIENCE = 60.0


def spec() -> Spec:
    return Spec.model_validate(
        {
            "name": "it",
            "kubernetes": "v1.37.2",
            "etcd": {"electionTimeout": round(ELECTION * 1000)},
            "hosts": {
                name: {"address": address, "roles": ["control-plane", "etcd"]}
                for name, address in HOSTS.items()
            },
        }
    )


class Watcher:
    """The script of one host. said: what it has told so far."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def listen(self, lines: Iterable[str]) -> None:
        for line in lines:
            self.said.append(line.strip())


@contextmanager
def watching(folder: Path) -> Generator[Watcher]:
    script, watcher = folder / "etcd-failover.sh", Watcher()
    script.write_text(etcd_failover.script(spec()))
    with heard(["bash", script], watcher.listen):
        yield watcher


class Member:
    """A member as its health and metrics show it, with one client.

    changes: leaders that it has seen come. waiting: writes that wait at it, in one look after
    another; the last holds on. asked: questions for its health that have come.
    """

    def __init__(self) -> None:
        self.changes, self.waiting, self.asked = 1, [0], 0
        self._led = threading.Event()
        self._led.set()
        self._clients = socket.create_server(("127.0.0.1", ports.ETCD_CLIENT))
        self.client = socket.create_connection(("127.0.0.1", ports.ETCD_CLIENT))
        self._accepted, _ = self._clients.accept()
        self.start()

    def start(self) -> None:
        self._server = ThreadingHTTPServer(("127.0.0.1", ports.ETCD_METRICS), self._handler())
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()

    def stop(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def close(self) -> None:
        self._led.set()
        self.stop()
        for each in (self.client, self._accepted, self._clients):
            each.close()

    def is_cut(self) -> bool:
        return bool(select.select([self.client], [], [], 0)[0])

    def is_watched(self) -> None:
        """The watcher has seen all that there is now: it has looked, and gone on."""
        before = self.asked
        took(lambda: self.asked >= before + 3, PATIENCE)

    def without_leader(self, seconds: float) -> None:
        self._led.clear()
        asked, began = self.asked, time.monotonic()
        took(lambda: self.asked > asked, PATIENCE)
        took(lambda: time.monotonic() - began > seconds, PATIENCE)

    def another_leads(self, *, changes: int = 1) -> None:
        self.changes += changes
        self._led.set()

    def health(self) -> str:
        self.asked += 1
        self._led.wait()
        return '{"health":"true"}'

    def metrics(self) -> str:
        waiting = self.waiting.pop(0) if len(self.waiting) > 1 else self.waiting[0]
        return (
            "# TYPE etcd_server_has_leader gauge\n"
            f"etcd_server_has_leader {int(self._led.is_set())}\n"
            f"etcd_server_leader_changes_seen_total {self.changes}\n"
            f"etcd_server_proposals_pending {waiting}\n"
        )

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        answers: dict[str, Callable[[], str]] = {"/health": self.health, "/metrics": self.metrics}

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                answer = answers[self.path.partition("?")[0]]().encode()
                # In one piece: the watcher reads the first line of it and goes.
                with contextlib.suppress(OSError):
                    self.wfile.write(b"HTTP/1.0 200 OK\r\n\r\n" + answer)

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name there
                pass

        return Handler


@pytest.fixture
def member() -> Generator[Member]:
    with own_network():
        made = Member()
        try:
            yield made
        finally:
            made.close()


@pytest.fixture
def watcher(member: Member, tmp_path: Path) -> Generator[Watcher]:
    with watching(tmp_path) as running:
        member.is_watched()
        yield running


def test_writes_that_wait_for_a_dead_leader_are_ended_once(
    member: Member, watcher: Watcher
) -> None:
    member.waiting = [3]
    member.without_leader(ELECTION)
    assert not member.is_cut()

    member.another_leads()

    took(member.is_cut, PATIENCE)
    with pytest.raises(ConnectionResetError):
        member.client.recv(1)
    member.is_watched()
    assert watcher.said == [
        "3 writes wait for a leader that is dead; connections ended: 1",
    ]


@pytest.mark.parametrize(
    ("silence", "changes", "waiting"),
    [
        pytest.param(0, 1, [3], id="a leader that hands over leaves no silence"),
        pytest.param(ELECTION, 0, [3], id="a slow host has no other leader"),
        pytest.param(ELECTION, 1, [0], id="nothing waits"),
        pytest.param(ELECTION, 1, [3, 1, 0], id="what waits is done"),
    ],
)
def test_nothing_else_is_a_dead_leader(
    member: Member, watcher: Watcher, silence: float, changes: int, waiting: list[int]
) -> None:
    member.waiting = waiting
    if silence:
        member.without_leader(silence)
    member.another_leads(changes=changes)

    member.is_watched()

    assert not member.is_cut()
    assert watcher.said == []


def test_a_member_that_was_started_again_is_no_dead_leader(
    member: Member, watcher: Watcher
) -> None:
    member.stop()
    began = time.monotonic()
    took(lambda: time.monotonic() - began > ELECTION, PATIENCE)
    member.changes, member.waiting = 7, [3]
    member.start()

    member.is_watched()

    assert not member.is_cut()
    assert watcher.said == []


def real(name: str) -> str | None:
    entries = Store().entries().items()
    keys = [key for key, entry in entries if (entry.kind, entry.name) == ("binary", name)]
    found = [artifact for key in keys if (artifact := Store().get(key)) is not None]
    return str(found[0].path) if found else shutil.which(name)


class Etcd:
    """Three members; the watched one is m1, whose metrics are where kanae's are."""

    def __init__(self, program: str, control: str, folder: Path) -> None:
        self._control, self._folder = control, folder
        cluster = ",".join(f"{name}=http://{HOSTS[name]}:{ports.ETCD_PEER}" for name in HOSTS)
        self._members = {
            name: self._started(program, name, f"--initial-cluster={cluster}", metrics)
            for name, metrics in zip(HOSTS, (ports.ETCD_METRICS, 12381, 22381), strict=True)
        }

    def _started(
        self, program: str, name: str, cluster: str, metrics: int
    ) -> subprocess.Popen[bytes]:
        client = f"http://{HOSTS[name]}:{ports.ETCD_CLIENT}"
        peer = f"http://{HOSTS[name]}:{ports.ETCD_PEER}"
        arguments = [
            f"--name={name}",
            f"--data-dir={self._folder / name}",
            f"--listen-client-urls={client}",
            f"--advertise-client-urls={client}",
            f"--listen-peer-urls={peer}",
            f"--initial-advertise-peer-urls={peer}",
            cluster,
            f"--listen-metrics-urls=http://127.0.0.1:{metrics}",
            f"--heartbeat-interval={round(ELECTION * 100)}",
            f"--election-timeout={round(ELECTION * 1000)}",
            "--unsafe-no-fsync",
        ]
        with (self._folder / f"{name}.log").open("wb") as log:
            return subprocess.Popen([program, *arguments], stderr=log)

    def close(self) -> None:
        for member in self._members.values():
            member.kill()
            member.wait()

    def stop(self, name: str) -> None:
        """As a host without power: nothing answers, and no connection ends."""
        self._members[name].send_signal(signal.SIGSTOP)

    def control(self, *arguments: str, at: Iterable[str] = HOSTS) -> str:
        endpoints = ",".join(f"http://{HOSTS[name]}:{ports.ETCD_CLIENT}" for name in at)
        done = subprocess.run(
            [self._control, f"--endpoints={endpoints}", "--command-timeout=50s", *arguments],
            capture_output=True,
            text=True,
        )
        return done.stdout + done.stderr

    def is_led_by(self, name: str) -> bool:
        """Leadership is moved there where another has it."""
        told = self.control("endpoint", "status", "--write-out=json")
        if not told.startswith("["):
            return False
        listed, _ = json.JSONDecoder().raw_decode(told)
        rows = {each["Endpoint"]: each["Status"] for each in listed}
        status = rows.get(f"http://{HOSTS[name]}:{ports.ETCD_CLIENT}")
        if status is None:
            return False
        member = status["header"]["member_id"]
        if all(row.get("leader") == member for row in rows.values()):
            return True
        self.control("move-leader", f"{member:x}")
        return False


@pytest.fixture
def etcd(tmp_path: Path) -> Generator[Etcd]:
    program, control = real("etcd"), real("etcdctl")
    if program is None or control is None:
        pytest.skip("needs etcd and etcdctl")
    with own_network(*HOSTS.values()):
        made = Etcd(program, control, tmp_path)
        try:
            yield made
        finally:
            made.close()


def test_a_leader_that_dies_and_one_that_hands_over(etcd: Etcd, tmp_path: Path) -> None:
    took(lambda: etcd.is_led_by("m3"), PATIENCE)
    with watching(tmp_path) as watcher:
        took(lambda: etcd.is_led_by("m2"), PATIENCE)
        assert etcd.control("put", "key", "value", at=["m1"]).strip() == "OK"
        assert watcher.said == []

        etcd.stop("m2")
        answer = etcd.control("put", "key", "another", at=["m1"])

        assert "connection reset by peer" in answer
        took(lambda: len(watcher.said) == 1, PATIENCE)
        assert re.fullmatch(
            r"[1-9]\d* writes wait for a leader that is dead; connections ended: [1-9]\d*",
            watcher.said[0],
        )
        assert etcd.control("put", "key", "another", at=["m1"]).strip() == "OK"
