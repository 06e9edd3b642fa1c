"""One operator at a time works on a cluster.

The lease is a file in /run/kanae on every control-plane and etcd host, so it works before there is
a cluster, costs one round trip, and is gone when a host reboots. It is renewed while a run lasts.
Whether it is stale is judged by the host's own uptime, so that no clocks need to agree. A run whose
process is dead on this very machine is known to be over, and its lease is taken at once.

Commands on hosts outlive the operator who started them. So the lease also names the runs before
this one that did not end well, and whoever takes it sees to it that nothing of theirs still runs on
any host before he acts. That record lasts until it has been done, through any number of operators
who die in between.
"""

from __future__ import annotations

import asyncio
import contextlib
import getpass
import os
import re
import socket
import time
from collections.abc import AsyncGenerator, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from kanae.errors import HostError, LeaseHeld, step_failed
from kanae.execute.context import Reached
from kanae.execute.scripts import lease as scripts
from kanae.spec.models import Role, Spec
from kanae.transport.protocol import Completed

RENEW_EVERY = 15.0
# What an earlier run left on hosts gets this long to end by itself: half an installation of
# packages is worse than a late one. Seconds.
SETTLE = 60.0
# A run id as `execute.journal` makes them; anything else was written by hand and marks no command.
_RUN = re.compile(r"[A-Za-z0-9.-]+")


class Keepers(Reached, Protocol):
    """Hosts that keep a lease; `kanae.transport.fleet.Fleet` is one."""

    async def settle(self, run: str, *, grace: float) -> None:
        """See to it that no command of another run still runs on any host: they get `grace`
        seconds to end by themselves. Raises HostError for a host that cannot be asked."""
        ...


@dataclass(frozen=True, slots=True)
class Holder:
    """Who holds a lease. start: of the process, in clock ticks since boot; with boot and pid it
    names one process of one machine for good. since: Unix time by the holder's clock.
    """

    run: str
    who: str
    boot: str
    pid: int
    start: int
    since: int

    def line(self) -> str:
        return f"{self.who} {self.boot} {self.pid} {self.start} {self.since}"

    @classmethod
    def parse(cls, run: str, line: str) -> Holder:
        """What `line` wrote. Somebody unknown for anything else: held is held."""
        try:
            who, boot, pid, start, since = line.rsplit(maxsplit=4)
            return cls(run, who, boot, int(pid), int(start), int(since))
        except ValueError:
            return cls(run or "unknown", "somebody", "", 0, 0, 0)

    def gone(self) -> bool:
        """Whether its process ran on this machine, since this boot, and is no more."""
        return self.boot == _boot() and _start_of(self.pid) != self.start


def me(run: str) -> Holder:
    who = f"{getpass.getuser()}@{socket.gethostname()}"
    pid = os.getpid()
    return Holder(run, who, _boot(), pid, _start_of(pid) or 0, int(time.time()))


@dataclass(slots=True)
class _Lease:
    """One operator's hold on a cluster. before: runs of which something may still run on hosts;
    living: those of them whose process may live. lost: who has taken it away.
    """

    hosts: Keepers
    cluster: str
    keepers: Sequence[str]
    holder: Holder
    before: set[str] = field(default_factory=set[str])
    living: set[str] = field(default_factory=set[str])
    lost: list[Holder] = field(default_factory=list[Holder])

    async def take(self, *, break_lease: bool) -> None:
        held = await self.acquire(self.keepers)
        self.living = {other.run for other in held.values() if not other.gone()}
        if held and (break_lease or not self.living):
            held = await self.acquire(list(held), take={other.run for other in held.values()})
        if held:
            await self.release(well=not self.before)
            raise _refusal(self.cluster, min(held.values(), key=Holder.gone))

    async def acquire(
        self, keepers: Sequence[str], *, take: Collection[str] = ()
    ) -> Mapping[str, Holder]:
        """Take or renew it on these hosts; those that somebody else has it on.

        take: run ids whose lease may be taken though it is fresh.
        """
        script = scripts.acquire(self.holder.run, self.holder.line(), take=take, before=self.before)
        done = await _everywhere(self.hosts, keepers, script)
        held: dict[str, Holder] = {}
        for host, one in done.items():
            if one is None:
                continue
            if one.status == scripts.HELD:
                other, about, *_ = [*one.stdout.decode(errors="replace").splitlines(), "", ""]
                held[host] = Holder.parse(other, about)
            elif one.status == 0:
                self.before.update(one.stdout.decode(errors="replace").split())
            else:
                raise step_failed(host, "take the lease", one.status, one.stderr)
        return held

    async def settle(self) -> bool:
        """End what earlier runs left on hosts. Whether there were any such runs."""
        found = sorted(filter(_RUN.fullmatch, self.before))
        await asyncio.gather(*(self.hosts.settle(run, grace=SETTLE) for run in found))
        if self.living:
            # It learns at its next renewal that it was deposed, and may begin commands until then.
            await asyncio.sleep(RENEW_EVERY)
            await asyncio.gather(*(self.hosts.settle(run, grace=SETTLE) for run in found))
        self.before.clear()
        return bool(found)

    async def renew(self, body: asyncio.Task[object] | None) -> None:
        while True:
            await asyncio.sleep(RENEW_EVERY)
            others: Mapping[str, Holder] = {}
            # A host that cannot renew it now (a full /run) gets another try before it is stale.
            with contextlib.suppress(HostError):
                others = await self.acquire(self.keepers)
            if others and body is not None:
                self.lost.extend(others.values())
                body.cancel()
                return

    async def release(self, *, well: bool) -> None:
        """well: nothing of this run, or of those before it, can still run on a host."""
        script = scripts.release(self.holder.run, self.before, well=well)
        await _everywhere(self.hosts, self.keepers, script)


@contextlib.asynccontextmanager
async def hold(
    spec: Spec, hosts: Keepers, run: str, *, break_lease: bool = False
) -> AsyncGenerator[bool]:
    """Hold the lease of a cluster while the body runs.

    The body is given whether an earlier run did not end well. Nothing of it runs any more, but
    what was asked of the hosts before has to be asked again.

    Raises LeaseHeld when somebody else has it, also when it is taken away during the body.
    """
    body = asyncio.current_task()
    lease = _Lease(hosts, spec.name, spec.having(Role.CONTROL_PLANE, Role.ETCD), me(run))
    await lease.take(break_lease=break_lease)
    renewal = asyncio.create_task(lease.renew(body))
    well = False
    try:
        yield await lease.settle()
        # A plan that runs takes the cancellation as a request to stop, and ends normally.
        if lease.lost:
            raise _refusal(spec.name, lease.lost[0])
        well = True
    except asyncio.CancelledError:
        if lease.lost and body is not None:
            body.uncancel()
            raise _refusal(spec.name, lease.lost[0]) from None
        raise
    finally:
        renewal.cancel()
        await asyncio.gather(renewal, return_exceptions=True)
        await lease.release(well=well)


def _refusal(cluster: str, other: Holder) -> LeaseHeld:
    since = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(other.since))
    return LeaseHeld(
        f"{other.who} has been working on {cluster} since {since} (run {other.run}, pid "
        f"{other.pid})",
        remedy="wait until that run has ended; if it is gone for good, its lease ends by itself "
        f"after {scripts.STALE} s, or take it with --break-lease",
    )


async def _everywhere(
    hosts: Reached, keepers: Sequence[str], script: str
) -> dict[str, Completed | None]:
    """By host. None for a host that is lost meanwhile: it keeps nobody out."""

    async def one(host: str) -> Completed | None:
        try:
            return await hosts[host].run(script, timeout=30)
        except HostError:
            return None

    return dict(zip(keepers, await asyncio.gather(*map(one, keepers)), strict=True))


def _boot() -> str:
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()


def _start_of(pid: int) -> int | None:
    """Field 22 of /proc/<pid>/stat, see proc(5); None when there is no such process."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    return int(stat.rpartition(")")[2].split()[19])
