"""One operator at a time, over hosts whose script is run by a real shell in a folder each."""

from __future__ import annotations

import asyncio
import os
from dataclasses import replace
from pathlib import Path

import pytest

from kanae.errors import ConnectError, ConnectionLost, LeaseHeld, RunFailed, StepFailed
from kanae.execute import lease
from kanae.execute.holder import me
from kanae.execute.scripts.lease import STALE
from kanae.spec.load import loads
from kanae.transport.fence import Fence, fenced
from kanae.transport.protocol import Completed

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

    @property
    def holder(self) -> str:
        return self.file.read_text().splitlines()[1] if self.file.exists() else ""

    def age(self, seconds: int) -> None:
        """As if the lease had not been renewed for so long."""
        stamp, _, rest = self.file.read_text().partition("\n")
        self.file.write_text(f"{int(stamp) - seconds}\n{rest}")


class Hosts:
    """One operator's way to hosts. settled: runs of which it was seen to that nothing runs any
    more, in that order. cut: hosts that cannot be reached."""

    def __init__(self, hosts: dict[str, Host]) -> None:
        self.hosts = hosts
        self.settled: list[str] = []
        self.away = False
        self.cut: set[str] = set()
        self.fence: Fence | None = None

    def __getitem__(self, name: str) -> Host:
        return self.hosts[name]

    def keep_behind(self, fence: Fence | None) -> None:
        self.fence = fence

    async def run_unfenced(self, host: str, script: str, *, timeout: float) -> Completed:
        if host in self.cut:
            raise ConnectionLost(host, "no route to host")
        return await self.hosts[host].run(script, timeout=timeout)

    async def run(self, host: str, script: str) -> Completed:
        """As a step does."""
        return await fenced(self.fence, host, script, self.hosts[host].run)

    async def settle(self, run: str, *, grace: float) -> None:
        assert grace > 0
        if self.away:
            raise ConnectError("w1", "no route to host")
        self.settled.append(run)

    def other(self) -> Hosts:
        """The same hosts, from another operator's desk."""
        return Hosts(self.hosts)


class Clock:
    """Of the operator's machine, which sleeps when it is told to."""

    def __init__(self) -> None:
        self.slept = 0.0

    def __call__(self) -> float:
        return asyncio.get_running_loop().time() + self.slept


@pytest.fixture
def hosts(tmp_path: Path) -> Hosts:
    return Hosts({name: Host(name, tmp_path / name) for name in SPEC.hosts})


@pytest.fixture
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lease, "RENEW_EVERY", 0.05)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(lease, "_clock", made)
    return made


def died(hosts: Hosts, run: str, *names: str) -> None:
    """Put the lease of a process that is no more, of this machine, on these hosts."""
    gone = replace(me(run), pid=os.getpid(), start=1)
    uptime = Path("/proc/uptime").read_text().split(".")[0]
    for name in names or tuple(hosts.hosts):
        host = hosts[name]
        host.file.parent.mkdir(parents=True, exist_ok=True)
        host.file.write_text(f"{uptime}\n{run}\n{gone.line()}\n\n")


def held_on(hosts: Hosts) -> list[str]:
    return [name for name, host in hosts.hosts.items() if host.holder]


def another(hosts: Hosts, run: str, **changes: object) -> None:
    """Put the lease of somebody else, of another machine, on all hosts; fresh by default."""
    holder = replace(me(run), boot="another-machine", who="ann@far", **changes)  # pyright: ignore[reportArgumentType]  # by name
    uptime = Path("/proc/uptime").read_text().split(".")[0]
    for host in hosts.hosts.values():
        host.file.parent.mkdir(parents=True, exist_ok=True)
        host.file.write_text(f"{uptime}\n{run}\n{holder.line()}\n")


async def test_it_is_on_every_host_while_the_body_runs(hosts: Hosts) -> None:
    async with lease.hold(SPEC, hosts, "r1"):
        assert held_on(hosts) == list(SPEC.hosts)
    assert held_on(hosts) == []


async def test_a_host_that_keeps_none_of_it_is_only_looked_at(hosts: Hosts) -> None:
    async with lease.hold(SPEC, hosts, "r1"):
        fence = hosts.fence
        assert fence is not None
        assert fence.guard("somebody-elses") == ""
        assert fence.guard(next(iter(SPEC.hosts))) != ""


async def test_a_second_operator_is_told_who_since_when_and_how_to_break_it(hosts: Hosts) -> None:
    another(hosts, "r0", since=0)
    with pytest.raises(LeaseHeld) as caught:
        await lease.hold(SPEC, hosts, "r1").__aenter__()
    assert "ann@far" in caught.value.message
    assert "since 19" in caught.value.message
    assert "--break-lease" in caught.value.remedy
    assert held_on(hosts) == list(SPEC.hosts)


async def test_it_can_be_broken(hosts: Hosts) -> None:
    another(hosts, "r0")
    async with lease.hold(SPEC, hosts, "r1", break_lease=True) as inherited:
        assert inherited
        assert held_on(hosts) == list(SPEC.hosts)
        assert hosts.settled == ["r0"]


async def test_one_that_was_not_renewed_for_a_minute_is_nobodys(hosts: Hosts) -> None:
    another(hosts, "r0")
    for host in hosts.hosts.values():
        host.age(STALE)
    async with lease.hold(SPEC, hosts, "r1"):
        assert held_on(hosts) == list(SPEC.hosts)
        assert hosts.settled == ["r0"]


async def test_one_of_a_dead_process_of_this_machine_is_taken_at_once(hosts: Hosts) -> None:
    died(hosts, "r0")
    async with lease.hold(SPEC, hosts, "r1") as inherited:
        assert inherited
        assert held_on(hosts) == list(SPEC.hosts)
        assert hosts.settled == ["r0"]


async def test_those_of_two_dead_processes_are_taken_together(hosts: Hosts) -> None:
    died(hosts, "r0", "m2", "m3")
    died(hosts, "r1", "m1", "lb")
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
    for name in ("lb", "m2", "m3"):
        hosts[name].file.unlink()
    async with lease.hold(SPEC, hosts, "r2"):
        assert "r0" in hosts.settled


@pytest.mark.usefixtures("often")
async def test_what_was_settled_is_off_the_record_when_the_lease_is_renewed(hosts: Hosts) -> None:
    died(hosts, "r0")
    m1 = hosts["m1"]
    async with lease.hold(SPEC, hosts, "r1"), asyncio.timeout(30):
        while "r0" in m1.file.read_text():  # noqa: ASYNC110  # what a renewal does sends no event
            await asyncio.sleep(0.01)


@pytest.mark.usefixtures("often")
async def test_one_that_is_taken_away_ends_the_body(hosts: Hosts) -> None:
    async def body() -> None:
        async with lease.hold(SPEC, hosts, "r1"):
            another(hosts, "r2")
            await asyncio.Event().wait()

    with pytest.raises(LeaseHeld):
        await asyncio.wait_for(body(), 30)


async def test_a_holder_that_cannot_be_read_is_a_holder_all_the_same(hosts: Hosts) -> None:
    another(hosts, "r0")
    for host in hosts.hosts.values():
        stamp = host.file.read_text().splitlines()[0]
        host.file.write_text(f"{stamp}\nr0\nwritten by hand\n")
    with pytest.raises(LeaseHeld, match="somebody"):
        await lease.hold(SPEC, hosts, "r1").__aenter__()


async def test_hosts_that_cannot_keep_it_end_the_run(hosts: Hosts) -> None:
    for host in hosts.hosts.values():
        host.file.with_name("lease.lock").mkdir(parents=True)
    with pytest.raises(StepFailed, match="take the lease"):
        await lease.hold(SPEC, hosts, "r1").__aenter__()


async def test_what_a_sleeper_sends_after_it_was_deposed_does_not_begin(
    hosts: Hosts, clock: Clock, tmp_path: Path
) -> None:
    """Its machine does not even know that it slept: the hosts know."""
    anns, bobs = hosts, hosts.other()

    async def ann() -> None:
        async with lease.hold(SPEC, anns, "ann"):
            assert (await anns.run("m1", f"touch {tmp_path}/before")).status == 0
            for host in anns.hosts.values():
                host.age(STALE)
            async with lease.hold(SPEC, bobs, "bob"):
                assert bobs.settled == ["ann"]
                for name in SPEC.hosts:
                    with pytest.raises(LeaseHeld):
                        await anns.run(name, f"touch {tmp_path}/after")
                    assert (await bobs.run(name, "exit 4")).status == 4

    with pytest.raises(LeaseHeld, match="from this run"):
        await ann()
    assert (tmp_path / "before").exists()
    assert not (tmp_path / "after").exists()


@pytest.mark.parametrize("bob", ["ends well", "fails", "sleeps in his turn"])
async def test_who_was_deposed_gets_it_back_from_nobody(
    hosts: Hosts, clock: Clock, bob: str
) -> None:
    """The cluster is no longer what the sleeper planned for."""
    anns, bobs = hosts, hosts.other()

    async def ann() -> None:
        async with lease.hold(SPEC, anns, "ann"):
            for host in anns.hosts.values():
                host.age(STALE)
            held = lease.hold(SPEC, bobs, "bob")
            await held.__aenter__()
            if bob == "ends well":
                await held.__aexit__(None, None, None)
            elif bob == "fails":
                await held.__aexit__(RunFailed, RunFailed("a host was lost"), None)
            else:
                for host in anns.hosts.values():
                    host.age(STALE)
            clock.slept += STALE
            await anns.run("lb", "true")

    with pytest.raises(LeaseHeld, match="from this run"):
        await ann()
    assert hosts["m1"].holder == ("bob" if bob == "sleeps in his turn" else "")


async def test_who_slept_over_a_renewal_renews_before_anything_else_is_sent(
    hosts: Hosts, clock: Clock
) -> None:
    async with lease.hold(SPEC, hosts, "r1"):
        for host in hosts.hosts.values():
            host.age(STALE - 1)
        clock.slept += STALE - 1
        stamp = hosts["m2"].file.read_text()
        done = await hosts.run("m1", f"cat {hosts['m2'].file}")
        assert done.stdout.decode() != stamp


async def test_a_fenced_script_is_told_from_one_that_ends_with_the_same_status(
    hosts: Hosts, clock: Clock
) -> None:
    async with lease.hold(SPEC, hosts, "r1"):
        assert (await hosts.run("m1", "echo own >&2; exit 96")).status == 96


async def test_a_host_that_booted_is_taken_anew_and_serves_on(hosts: Hosts, clock: Clock) -> None:
    async with lease.hold(SPEC, hosts, "r1"):
        hosts["lb"].file.unlink()
        assert (await hosts.run("lb", "echo ran")).stdout == b"ran\n"
        assert hosts["lb"].holder == "r1"


async def test_a_host_that_booted_serves_nobody_who_was_deposed_elsewhere(
    hosts: Hosts, clock: Clock
) -> None:
    async def body() -> None:
        async with lease.hold(SPEC, hosts, "r1"):
            another(hosts, "r2")
            hosts["lb"].file.unlink()
            await hosts.run("lb", "echo ran")

    with pytest.raises(LeaseHeld):
        await body()


@pytest.mark.usefixtures("often")
async def test_a_host_that_cannot_renew_it_does_not_hide_who_has_taken_it(hosts: Hosts) -> None:
    async def body() -> None:
        async with lease.hold(SPEC, hosts, "r1"):
            hosts["lb"].file.with_name("lease.lock").unlink()
            hosts["lb"].file.with_name("lease.lock").mkdir()
            hosts["m1"].file.write_text(hosts["m1"].file.read_text().replace("r1", "r2"))
            await asyncio.Event().wait()

    with pytest.raises(LeaseHeld):
        await asyncio.wait_for(body(), 30)


async def test_steps_that_fail_for_its_loss_are_said_to(hosts: Hosts, clock: Clock) -> None:
    async def body() -> None:
        async with lease.hold(SPEC, hosts, "r1"):
            another(hosts, "r2")
            with pytest.raises(LeaseHeld):
                await hosts.run("m1", "true")
            raise RunFailed("1 of 4 steps failed")

    with pytest.raises(LeaseHeld, match="ann@far has taken the lease of c"):
        await body()


async def test_two_clusters_share_a_client(hosts: Hosts, clock: Clock, tmp_path: Path) -> None:
    texts = [
        f"""
name: {name}
kubernetes: v1.37.2
hosts:
  m: {{address: 10.0.0.{number}, roles: [control-plane]}}
  desk: {{address: 10.0.0.9, roles: [client]}}
"""
        for number, name in enumerate(("one", "two"), 1)
    ]
    desk = Host("desk", tmp_path / "desk")
    one, two = (Hosts({"m": Host("m", tmp_path / str(n)), "desk": desk}) for n in range(2))
    async with (
        lease.hold(loads(texts[0], "c.yaml"), one, "r1"),
        lease.hold(loads(texts[1], "c.yaml"), two, "r2"),
    ):
        assert (await one.run("desk", "echo 1")).stdout == b"1\n"
        assert (await two.run("desk", "echo 2")).stdout == b"2\n"
