"""One operator at a time, over hosts whose script is run by a real shell in a folder each."""

from __future__ import annotations

import asyncio
import os
from dataclasses import replace
from pathlib import Path

import pytest

from kanae.errors import ConnectError, LeaseHeld, RunFailed, StepFailed
from kanae.execute import lease
from kanae.spec.load import loads
from kanae.transport.protocol import Transport

from .shell_host import ShellHost

SPEC = loads(
    """
name: c
kubernetes: v1.37.2
hosts:
  lb: {address: 10.0.0.9, roles: [load-balancer]}
  m1: {address: 10.0.0.1, roles: [control-plane]}
  m2: {address: 10.0.0.2, roles: [control-plane]}
  m3: {address: 10.0.0.3, roles: [control-plane]}
""",
    "c.yaml",
)


class Host(ShellHost):
    @property
    def file(self) -> Path:
        return self.path("/run/kanae/lease")


class Hosts(dict[str, Transport]):
    """settled: runs of which it was seen to that nothing runs any more, in that order."""

    def __init__(self, folder: Path) -> None:
        super().__init__({name: Host(name, folder / name) for name in ("m1", "m2", "m3")})
        self.settled: list[str] = []
        self.away = False

    async def settle(self, run: str, *, grace: float) -> None:
        assert grace > 0
        if self.away:
            raise ConnectError("w1", "no route to host")
        self.settled.append(run)


@pytest.fixture
def hosts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Hosts:
    monkeypatch.setattr(lease, "RENEW_EVERY", 0.05)
    return Hosts(tmp_path)


def died(hosts: Hosts, run: str, *names: str) -> None:
    """Put the lease of a process that is no more, of this machine, on these hosts."""
    gone = replace(lease.me(run), pid=os.getpid(), start=1)
    uptime = Path("/proc/uptime").read_text().split(".")[0]
    for name in names or tuple(hosts):
        host = hosts[name]
        assert isinstance(host, Host)
        host.file.parent.mkdir(parents=True, exist_ok=True)
        host.file.write_text(f"{uptime}\n{run}\n{gone.line()}\n\n")


def held_on(hosts: Hosts) -> list[str]:
    return [name for name, host in hosts.items() if isinstance(host, Host) and host.file.exists()]


def another(hosts: Hosts, run: str, **changes: object) -> None:
    """Put the lease of somebody else, of another machine, on all hosts; fresh by default."""
    holder = replace(lease.me(run), boot="another-machine", who="ann@far", **changes)  # pyright: ignore[reportArgumentType]  # by name
    uptime = Path("/proc/uptime").read_text().split(".")[0]
    for host in hosts.values():
        assert isinstance(host, Host)
        host.file.parent.mkdir(parents=True, exist_ok=True)
        host.file.write_text(f"{uptime}\n{run}\n{holder.line()}\n")


async def test_it_is_on_every_control_plane_host_while_the_body_runs(hosts: Hosts) -> None:
    async with lease.hold(SPEC, hosts, "r1"):
        assert held_on(hosts) == ["m1", "m2", "m3"]
    assert held_on(hosts) == []


async def test_a_second_operator_is_told_who_since_when_and_how_to_break_it(hosts: Hosts) -> None:
    another(hosts, "r0", since=0)
    with pytest.raises(LeaseHeld) as caught:
        await lease.hold(SPEC, hosts, "r1").__aenter__()
    assert "ann@far" in caught.value.message
    assert "since 19" in caught.value.message
    assert "--break-lease" in caught.value.remedy
    assert held_on(hosts) == ["m1", "m2", "m3"]


async def test_it_can_be_broken(hosts: Hosts) -> None:
    another(hosts, "r0")
    async with lease.hold(SPEC, hosts, "r1", break_lease=True) as inherited:
        assert inherited
        assert held_on(hosts) == ["m1", "m2", "m3"]
        # Its process may live and begin commands until it learns that it was deposed.
        assert hosts.settled == ["r0", "r0"]


async def test_one_that_was_not_renewed_for_a_minute_is_nobodys(hosts: Hosts) -> None:
    another(hosts, "r0")
    for host in hosts.values():
        assert isinstance(host, Host)
        host.file.write_text("-100\n" + host.file.read_text().partition("\n")[2])
    async with lease.hold(SPEC, hosts, "r1"):
        assert held_on(hosts) == ["m1", "m2", "m3"]
        assert hosts.settled == ["r0"]


async def test_one_of_a_dead_process_of_this_machine_is_taken_at_once(hosts: Hosts) -> None:
    died(hosts, "r0")
    async with lease.hold(SPEC, hosts, "r1") as inherited:
        assert inherited
        assert held_on(hosts) == ["m1", "m2", "m3"]
        assert hosts.settled == ["r0"]


async def test_those_of_two_dead_processes_are_taken_together(hosts: Hosts) -> None:
    died(hosts, "r0", "m2", "m3")
    died(hosts, "r1", "m1")
    async with lease.hold(SPEC, hosts, "r2"):
        assert hosts.settled == ["r0", "r1"]


async def test_after_a_run_that_ended_well_nothing_is_inherited(hosts: Hosts) -> None:
    async with lease.hold(SPEC, hosts, "r0"):
        pass
    async with lease.hold(SPEC, hosts, "r1") as inherited:
        assert not inherited
    assert hosts.settled == []


async def test_after_a_run_that_failed_it_is_free_and_what_still_runs_is_ended_first(
    hosts: Hosts,
) -> None:
    with pytest.raises(RunFailed):
        async with lease.hold(SPEC, hosts, "r0"):
            raise RunFailed("a host was lost")
    for run in ("r1", "r2"):
        async with lease.hold(SPEC, hosts, run) as inherited:
            assert inherited == (run == "r1")
    assert hosts.settled == ["r0"]
    assert held_on(hosts) == []


async def test_what_a_dead_run_left_is_not_forgotten_when_the_next_cannot_end_it(
    hosts: Hosts,
) -> None:
    died(hosts, "r0")
    hosts.away = True
    with pytest.raises(ConnectError):
        await lease.hold(SPEC, hosts, "r1").__aenter__()
    hosts.away = False
    async with lease.hold(SPEC, hosts, "r2"):
        assert hosts.settled == ["r0", "r1"]


async def test_what_a_dead_run_left_is_not_forgotten_when_the_next_is_refused(
    hosts: Hosts,
) -> None:
    another(hosts, "living")
    died(hosts, "r0", "m1")
    with pytest.raises(LeaseHeld, match="ann@far"):
        await lease.hold(SPEC, hosts, "r1").__aenter__()
    for name in ("m2", "m3"):
        living = hosts[name]
        assert isinstance(living, Host)
        living.file.unlink()
    async with lease.hold(SPEC, hosts, "r2"):
        assert "r0" in hosts.settled


async def test_what_was_settled_is_off_the_record_when_the_lease_is_renewed(hosts: Hosts) -> None:
    died(hosts, "r0")
    m1 = hosts["m1"]
    assert isinstance(m1, Host)
    async with lease.hold(SPEC, hosts, "r1"), asyncio.timeout(30):
        while "r0" in m1.file.read_text():  # noqa: ASYNC110  # what a renewal does sends no event
            await asyncio.sleep(0.01)


async def test_one_that_is_taken_away_ends_the_body(
    hosts: Hosts,
) -> None:
    async def body() -> None:
        async with lease.hold(SPEC, hosts, "r1"):
            another(hosts, "r2")
            await asyncio.Event().wait()

    with pytest.raises(LeaseHeld):
        await asyncio.wait_for(body(), 30)


async def test_a_holder_that_cannot_be_read_is_a_holder_all_the_same(hosts: Hosts) -> None:
    another(hosts, "r0")
    for host in hosts.values():
        assert isinstance(host, Host)
        stamp = host.file.read_text().splitlines()[0]
        host.file.write_text(f"{stamp}\nr0\nwritten by hand\n")
    with pytest.raises(LeaseHeld, match="somebody"):
        await lease.hold(SPEC, hosts, "r1").__aenter__()


async def test_hosts_that_cannot_keep_it_end_the_run(hosts: Hosts) -> None:
    for host in hosts.values():
        assert isinstance(host, Host)
        host.file.with_name("lease.lock").mkdir(parents=True)
    with pytest.raises(StepFailed, match="take the lease"):
        await lease.hold(SPEC, hosts, "r1").__aenter__()
