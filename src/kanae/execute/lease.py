"""One operator at a time works on a cluster.

The lease is a file in /run/kanae on every host of the cluster, so it works before there is a
cluster, costs one round trip, and is gone when a host reboots. It is renewed while a run lasts.
Whether it is stale is judged by the host's own uptime, so that no clocks need to agree. A run whose
process is dead on this very machine is known to be over, and its lease is taken at once.

A holder may sleep (a laptop's lid) and go on when somebody else has long had the lease. So every
script of a run asks the host first whether the lease there is still this run's (the fence, see
`kanae.transport.fence`), and a holder that has slept over a renewal renews before it sends
anything. Who has once lost it never gets it back by renewing, whatever has become of the other:
what it knows of the cluster is out of date.

Commands on hosts outlive the operator who started them. So the lease also names the runs before
this one that did not end well, and whoever takes it sees to it that nothing of theirs still runs on
any host before he acts. That record lasts until it has been done, through any number of operators
who die in between.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import time
from collections.abc import AsyncGenerator, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from kanae.errors import ConnectionLost, HostError, KanaeError, LeaseHeld, StepFailed, step_failed
from kanae.execute.holder import Holder, me
from kanae.execute.scripts import lease as scripts
from kanae.layout import paths as at
from kanae.spec.models import Role, Spec
from kanae.transport.fence import Fence
from kanae.transport.protocol import Completed

RENEW_EVERY = 15.0
# Seconds for a host to renew it; one that takes longer has until it is stale.
_PATIENCE = 15.0
# What an earlier run left on hosts gets this long to end by itself: half an installation of
# packages is worse than a late one. Seconds.
SETTLE = 60.0
# A run id as `execute.journal` makes them; anything else was written by hand and marks no command.
_RUN = re.compile(r"[A-Za-z0-9.-]+")


class Keepers(Protocol):
    """Hosts that keep a lease; `kanae.transport.fleet.Fleet` is one."""

    async def run_unfenced(self, host: str, script: str, *, timeout: float) -> Completed:
        """Run a script of the lease's own. Raises HostError."""
        ...

    def keep_behind(self, fence: Fence | None) -> None:
        """Let no script begin on any host from now on but past this fence."""
        ...

    async def settle(self, run: str, *, grace: float) -> None:
        """See to it that no command of another run still runs on any host: they get `grace`
        seconds to end by themselves. Raises HostError for a host that cannot be asked."""
        ...


@dataclass(slots=True)
class _Lease:
    """One operator's hold on a cluster: a `Fence`.

    files: of the lease, by host. body: what is ended when the lease is lost. before: runs of which
    something may still run on hosts. due: when to renew, by `_clock`. lost: to whom.
    """

    hosts: Keepers
    cluster: str
    files: Mapping[str, str]
    holder: Holder
    body: asyncio.Task[object] | None
    before: set[str] = field(default_factory=set[str])
    due: float = 0.0
    lost: Holder | None = None
    renewing: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def take(self, *, break_lease: bool) -> None:
        held = await self._acquire(self.files)
        living = any(not other.gone() for other in held.values())
        if held and (break_lease or not living):
            held = await self._acquire(held, take={other.run for other in held.values()})
        if held:
            await self.release(well=not self.before)
            raise _refusal(self.cluster, min(held.values(), key=Holder.gone))
        self.due = _clock() + RENEW_EVERY

    async def _acquire(
        self, hosts: Iterable[str], *, take: Collection[str] = ()
    ) -> Mapping[str, Holder]:
        """Take it on these hosts; those that somebody else has it on.

        take: run ids whose lease may be taken though it is fresh.
        """
        run, about = self.holder.run, self.holder.line()
        done = await self._everywhere(
            {
                host: scripts.acquire(self.files[host], run, about, take=take, before=self.before)
                for host in hosts
            }
        )
        for host, one in done.items():
            if one.status == 0:
                self.before.update(one.stdout.decode(errors="replace").split())
            elif one.status != scripts.HELD:
                raise _cannot_keep(host, one)
        return _held(done)

    async def settle(self) -> bool:
        """End what earlier runs left on hosts; they begin nothing more, for the fence is theirs
        no longer. Whether there were any such runs."""
        found = sorted(filter(_RUN.fullmatch, self.before))
        await asyncio.gather(*(self.hosts.settle(run, grace=SETTLE) for run in found))
        self.before.clear()
        return bool(found)

    def guard(self, host: str) -> str:
        """A host that keeps none of this lease is only looked at."""
        file = self.files.get(host)
        return "" if file is None else scripts.guard(file, self.holder.run)

    async def confirm(self) -> None:
        """Renew first, when this machine has slept over a renewal."""
        if _clock() >= self.due:
            async with self.renewing:
                if _clock() >= self.due:
                    await self._renew()
        self.still()

    async def regain(self, host: str) -> None:
        """The host has booted since, or somebody else has the lease."""
        async with self.renewing:
            done = await self._renew()
        self.still()
        if host not in done:
            raise ConnectionLost(
                host,
                "it keeps no lease of this run and cannot be asked why",
                remedy="see whether the host is up; then run kanae again",
            )
        if done[host].status != 0:
            raise _cannot_keep(host, done[host])

    async def keep(self) -> None:
        """Renew it for as long as it is not lost."""
        while self.lost is None:
            await asyncio.sleep(max(0.0, self.due - _clock()))
            with contextlib.suppress(LeaseHeld):
                await self.confirm()

    async def _renew(self) -> Mapping[str, Completed]:
        """Ends the body when somebody else has it. What the hosts said that could be asked: one
        that cannot renew it now (a full /run) gets another try before it is stale."""
        self.due = _clock() + RENEW_EVERY
        run, about = self.holder.run, self.holder.line()
        done = await self._everywhere(
            {
                host: scripts.renew(file, run, about, before=self.before)
                for host, file in self.files.items()
            }
        )
        others = _held(done)
        if others and self.lost is None:
            self.lost = next(iter(others.values()))
            if self.body is not None and self.body is not asyncio.current_task():
                self.body.cancel()
        return done

    def still(self) -> None:
        """Raises LeaseHeld when it has been lost."""
        if self.lost is not None:
            raise _deposed(self.cluster, self.lost)

    async def release(self, *, well: bool) -> None:
        """well: nothing of this run, or of those before it, can still run on a host."""
        run, about = self.holder.run, self.holder.line()
        await self._everywhere(
            {
                host: scripts.release(file, run, about, self.before, well=well)
                for host, file in self.files.items()
            }
        )

    async def _everywhere(self, by_host: Mapping[str, str]) -> dict[str, Completed]:
        """Without hosts that are lost meanwhile: they keep nobody out, and nobody acts there."""
        done: dict[str, Completed] = {}

        async def one(host: str, script: str) -> None:
            with contextlib.suppress(HostError):
                done[host] = await self.hosts.run_unfenced(host, script, timeout=_PATIENCE)

        await asyncio.gather(*(one(host, script) for host, script in by_host.items()))
        return done


@contextlib.asynccontextmanager
async def hold(
    spec: Spec, hosts: Keepers, run: str, *, break_lease: bool = False
) -> AsyncGenerator[bool]:
    """Hold the lease of a cluster while the body runs, which meanwhile reaches the hosts only from
    behind its fence.

    The body is given whether an earlier run did not end well. Nothing of it runs any more, but
    what was asked of the hosts before has to be asked again.

    Raises LeaseHeld when somebody else has it, also when it is taken away during the body.
    """
    files = {host: _file(spec, host) for host in spec.hosts}
    lease = _Lease(hosts, spec.name, files, me(run), asyncio.current_task())
    await lease.take(break_lease=break_lease)
    hosts.keep_behind(lease)
    renewal = asyncio.create_task(lease.keep())
    well = False
    try:
        yield await lease.settle()
        # A plan that runs takes the cancellation as a request to stop, and ends normally.
        lease.still()
        well = True
    except asyncio.CancelledError:
        if lease.lost is not None and lease.body is not None:
            lease.body.uncancel()
            raise _deposed(spec.name, lease.lost) from None
        raise
    except KanaeError as error:
        # Steps fail, or are not begun, for the lease's loss: that is what has to be said.
        if lease.lost is not None:
            raise _deposed(spec.name, lease.lost) from error
        raise
    finally:
        renewal.cancel()
        await asyncio.gather(renewal, return_exceptions=True)
        hosts.keep_behind(None)
        await lease.release(well=well)


def _file(spec: Spec, host: str) -> str:
    """One for all clusters on a host that is part of one; several clusters share a mere client."""
    mere_client = set(spec.hosts[host].roles) == {Role.CLIENT}
    return f"{at.LEASE}-{spec.name}" if mere_client else at.LEASE


def _held(done: Mapping[str, Completed]) -> dict[str, Holder]:
    """Hosts that somebody else has it on."""
    held: dict[str, Holder] = {}
    for host, one in done.items():
        if one.status == scripts.HELD:
            other, about, *_ = [*one.stdout.decode(errors="replace").splitlines(), "", ""]
            held[host] = Holder.parse(other, about)
    return held


def _cannot_keep(host: str, one: Completed) -> StepFailed:
    return step_failed(host, "take the lease", one.status, one.stderr)


def _deposed(cluster: str, other: Holder) -> LeaseHeld:
    return LeaseHeld(
        f"{other.who} has taken the lease of {cluster} from this run (run {other.run}); nothing "
        "more is sent to any host",
        remedy="see what that run has done, then run the same command again",
    )


def _refusal(cluster: str, other: Holder) -> LeaseHeld:
    since = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(other.since))
    return LeaseHeld(
        f"{other.who} has been working on {cluster} since {since} (run {other.run}, pid "
        f"{other.pid})",
        remedy="wait until that run has ended; if it is gone for good, its lease ends by itself "
        f"after {scripts.STALE} s, or take it with --break-lease",
    )


def _clock() -> float:
    """Seconds, also of sleep: a clock that stops meanwhile would not tell of it."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)
