"""What the real nginx does, with its watch beside it, when API servers stand still or are busy.

KANAE_TEST_NGINX and KANAE_TEST_NGINX_STREAM name another program and module than the system's.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import threading
import time
from collections.abc import Generator, Iterable
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from contract_balancer import (
    ApiServer,
    Clients,
    Session,
    certificate,
    command,
    heard,
    own_network,
    took,
    unplug,
)

from kanae.layout.family import Need
from kanae.plan.hosts import TYPICAL
from kanae.render import nginx, watch
from kanae.spec.models import Spec

PROGRAM = os.environ.get("KANAE_TEST_NGINX") or shutil.which("nginx", path="/usr/sbin")
MODULE = os.environ.get("KANAE_TEST_NGINX_STREAM") or TYPICAL.family.path(Need.NGINX_STREAM)
PORT = 6440
SPEC = Spec.model_validate(
    {
        "name": "two-words",
        "kubernetes": "v1.37.2",
        "endpoint": {"port": PORT},
        "loadBalancer": {"kind": "nginx"},
        "hosts": {
            "lb": {"address": "10.0.0.9", "roles": ["load-balancer"]},
            "m1": {"address": "10.0.0.11", "roles": ["control-plane"]},
            "m2": {"address": "10.0.0.12", "roles": ["control-plane"]},
            "m3": {"address": "10.0.0.13", "roles": ["control-plane"]},
        },
    }
)
# Until a server that stands still is left, with all that it has.
LEFT = 3.0
# Longer than an element lasts that is not renewed.
LONG = 7.0

pytestmark = pytest.mark.skipif(
    PROGRAM is None
    or not Path(MODULE).exists()
    or os.geteuid() != 0
    or not shutil.which("nft", path="/usr/sbin"),
    reason="needs nginx with its stream module, nft, and root for a network of its own",
)


@dataclass
class Bench:
    """said: lines of the watch so far."""

    servers: dict[str, ApiServer]
    said: list[str] = field(default_factory=list[str])
    opened: list[Session] = field(default_factory=list[Session])

    def sessions(self) -> dict[str, list[Session]]:
        """Two to each server. Raises TimeoutError, as when one is left all the time."""
        found: dict[str, list[Session]] = {name: [] for name in self.servers}

        def whole() -> bool:
            session = Session(PORT)
            if len(found[session.server]) < 2:
                self.opened.append(session)
                found[session.server].append(session)
            else:
                session.close()
            return all(len(sessions) == 2 for sessions in found.values())

        took(whole, 15)
        return found

    def stands_still(self, *names: str) -> None:
        for name in names:
            self.servers[name].slow(handshake=600, answer=600)

    def goes_on(self, *names: str) -> None:
        for name in names:
            self.servers[name].slow()

    def says(self, *names: str) -> None:
        addresses = "".join(f" {SPEC.hosts[name].address}" for name in names)
        took(lambda: self.said[-1:] == [f"standing still:{addresses}"], 15)

    def listen(self, lines: Iterable[str]) -> None:
        for line in lines:
            self.said.append(line.strip())


def cut(sessions: list[Session]) -> bool:
    return all(session.is_cut() for session in sessions)


def serves() -> bool:
    try:
        Session(PORT).close()
    except OSError:
        return False
    return True


@contextmanager
def balancing(folder: Path) -> Generator[None]:
    assert PROGRAM is not None
    text = nginx.config(SPEC, TYPICAL).replace("/run/", f"{folder}/")
    config = folder / "nginx.conf"
    config.write_text(text.replace(TYPICAL.family.path(Need.NGINX_STREAM), MODULE))
    with (folder / "log").open("wb") as log:
        argv = [PROGRAM, "-e", "stderr", "-c", config, "-g", "daemon off;"]
        process = subprocess.Popen(argv, stdout=log, stderr=log)
        try:
            took(serves, 10)
            yield
        finally:
            process.terminate()
            process.wait()


@contextmanager
def watching(folder: Path, bench: Bench) -> Generator[None]:
    script = folder / "watch.sh"
    script.write_text(watch.script(SPEC, TYPICAL))
    argv = [shutil.which("dash") or "/bin/sh", str(script)]
    with heard([*argv, "watch"], bench.listen):
        yield
    subprocess.run([*argv, "open"], check=True)


@pytest.fixture
def bench() -> Generator[Bench]:
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        folder.chmod(0o755)
        pem = certificate(folder)
        hosts = {name: str(SPEC.hosts[name].address) for name in ("m1", "m2", "m3")}
        stack.enter_context(own_network(*hosts.values()))
        for setting, value in nginx.SYSCTLS.items():
            command("sysctl", "-q", f"{setting}={value}")
        found = Bench({name: ApiServer(name, at, pem) for name, at in hosts.items()})
        for server in found.servers.values():
            stack.callback(server.stop)
        stack.enter_context(balancing(folder))
        stack.enter_context(watching(folder, found))
        yield found
        for session in found.opened:
            session.close()


def test_one_that_stands_still_is_left_with_all_that_it_has_and_comes_back(bench: Bench) -> None:
    sessions = bench.sessions()
    with Clients(PORT) as clients:
        bench.stands_still("m2")
        took(lambda: cut(sessions["m2"]), LEFT)
        bench.says("m2")
        left = time.monotonic()
        took(lambda: len(clients.since(left)) > 40, 10)
        assert {*clients.since(left)} == {"m1", "m3"}
        for name in ("m1", "m3"):
            assert [session.ask() for session in sessions[name]] == [name] * 2
        bench.goes_on("m2")
        bench.says()
        came = time.monotonic()
        took(lambda: "m2" in clients.since(came), LONG + 5)


def test_it_is_left_for_as_long_as_it_stands_still(bench: Bench) -> None:
    bench.stands_still("m2")
    bench.says("m2")
    with Clients(PORT) as clients:
        began = time.monotonic()
        took(lambda: time.monotonic() - began > LONG, 2 * LONG)
        assert {*clients.since(began)} == {"m1", "m3"}


def test_a_busy_one_that_goes_on_with_what_it_has_is_not_left(bench: Bench) -> None:
    """New connections wait for their handshake, as on a host without processor time to spare."""
    sessions = bench.sessions()
    bench.servers["m2"].slow(handshake=600)
    began = time.monotonic()
    while time.monotonic() - began < LONG:
        assert [session.ask() for session in sessions["m2"]] == ["m2"] * 2
        threading.Event().wait(0.3)
    assert bench.said == []


@pytest.mark.parametrize("status", [403, 500])
def test_any_answer_will_do(bench: Bench, status: int) -> None:
    bench.stands_still("m3")
    bench.says("m3")
    bench.servers["m1"].stop()
    bench.servers["m2"].others = status
    with Clients(PORT) as clients:
        began = time.monotonic()
        took(lambda: time.monotonic() - began > LONG, 2 * LONG)
        assert {*clients.since(began)} == {"m2"}


def test_when_none_answers_none_is_left(bench: Bench) -> None:
    sessions = bench.sessions()
    bench.stands_still("m1")
    bench.says("m1")
    bench.stands_still("m2", "m3")
    bench.says()
    began = time.monotonic()
    took(lambda: time.monotonic() - began > LONG, 2 * LONG)
    assert not any(session.is_cut() for name in ("m2", "m3") for session in sessions[name])
    bench.goes_on("m1", "m2", "m3")
    assert bench.sessions().keys() == bench.servers.keys()


def test_a_dead_host_is_left_and_a_refusal_is_for_nginx_to_see(bench: Bench) -> None:
    sessions = bench.sessions()
    bench.servers["m1"].stop()
    unplug("10.0.0.12")
    took(lambda: cut(sessions["m2"]), LEFT)
    bench.says("m2")
    assert bench.said == ["standing still: 10.0.0.12"]
