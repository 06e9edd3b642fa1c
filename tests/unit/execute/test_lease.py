"""One operator at a time, over hosts whose script is run by a real shell in a folder each."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from kanae.errors import LeaseHeld, StepFailed
from kanae.execute import lease
from kanae.spec.load import loads
from kanae.transport.protocol import Completed, Transport, Upload

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


@dataclass
class Host:
    """Its /run/kanae is a folder of the test's."""

    name: str
    folder: Path

    @property
    def host(self) -> str:
        return self.name

    async def run(self, script: str, *, stdin: bytes = b"", timeout: float = 60.0) -> Completed:
        process = await asyncio.create_subprocess_exec(
            "/bin/sh",
            "-c",
            script.replace("/run/kanae", str(self.folder)),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        out, error = await process.communicate()
        return Completed(process.returncode or 0, out, error.decode())

    async def upload(self, uploads: Sequence[Upload], *, timeout: float = 600.0) -> None:
        raise AssertionError(f"a lease uploads nothing: {uploads}")

    async def close(self) -> None: ...

    @property
    def file(self) -> Path:
        return self.folder / "lease"


Hosts = Mapping[str, Transport]


@pytest.fixture
def hosts(tmp_path: Path) -> dict[str, Transport]:
    return {name: Host(name, tmp_path / name) for name in ("m1", "m2", "m3")}


def held_on(hosts: Hosts) -> list[str]:
    return [name for name, host in hosts.items() if isinstance(host, Host) and host.file.exists()]


def another(hosts: Hosts, run: str, **changes: object) -> None:
    """Put the lease of somebody else, of another machine, on all hosts; fresh by default."""
    holder = replace(lease.me(run), boot="another-machine", who="ann@far", **changes)  # pyright: ignore[reportArgumentType]  # by name
    uptime = Path("/proc/uptime").read_text().split(".")[0]
    for host in hosts.values():
        assert isinstance(host, Host)
        host.folder.mkdir(exist_ok=True)
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
    async with lease.hold(SPEC, hosts, "r1", break_lease=True):
        assert held_on(hosts) == ["m1", "m2", "m3"]


async def test_one_that_was_not_renewed_for_a_minute_is_nobodys(hosts: Hosts) -> None:
    another(hosts, "r0")
    for host in hosts.values():
        assert isinstance(host, Host)
        host.file.write_text("-100\n" + host.file.read_text().partition("\n")[2])
    async with lease.hold(SPEC, hosts, "r1"):
        assert held_on(hosts) == ["m1", "m2", "m3"]


async def test_one_of_a_dead_process_of_this_machine_is_taken_at_once(hosts: Hosts) -> None:
    another(hosts, "r0")
    gone = replace(lease.me("r0"), pid=os.getpid(), start=1)
    for host in hosts.values():
        assert isinstance(host, Host)
        stamp = host.file.read_text().splitlines()[0]
        host.file.write_text(f"{stamp}\nr0\n{gone.line()}\n")
    async with lease.hold(SPEC, hosts, "r1"):
        assert held_on(hosts) == ["m1", "m2", "m3"]


async def test_one_that_is_taken_away_ends_the_body(
    hosts: Hosts, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lease, "RENEW_EVERY", 0.05)

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
        host.folder.mkdir()
        (host.folder / "lease.lock").mkdir()
    with pytest.raises(StepFailed, match="take the lease"):
        await lease.hold(SPEC, hosts, "r1").__aenter__()
