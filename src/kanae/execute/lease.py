"""One operator at a time works on a cluster.

The lease is a file in /run/kanae on every control-plane and etcd host, so it works before there is
a cluster, costs one round trip, and is gone when a host reboots. It is renewed while a run lasts.
Whether it is stale is judged by the host's own uptime, so that no clocks need to agree. A run whose
process is dead on this very machine is known to be over, and its lease is taken at once.
"""

from __future__ import annotations

import asyncio
import contextlib
import getpass
import os
import shlex
import socket
import time
from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from kanae.errors import HostError, LeaseHeld, step_failed
from kanae.execute.context import Reached
from kanae.spec.models import Role, Spec
from kanae.transport.protocol import Completed

# A lease that was not renewed for this long belongs to a run that is gone; seconds of uptime.
STALE = 60
RENEW_EVERY = 15.0
_HELD = 3
_FILE = "/run/kanae/lease"
_HEAD = f"""set -eu; umask 077; mkdir -p /run/kanae
exec 9>{_FILE}.lock; flock 9
read -r now _ </proc/uptime; now=${{now%.*}}
holder=; stamp=0
if [ -s {_FILE} ]; then {{ read -r stamp; read -r holder; read -r about; }} <{_FILE}; fi
"""


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


@contextlib.asynccontextmanager
async def hold(
    spec: Spec, hosts: Reached, run: str, *, break_lease: bool = False
) -> AsyncGenerator[None]:
    """Hold the lease of a cluster while the body runs.

    Raises LeaseHeld when somebody else has it, also when it is taken away during the body.
    """
    holder = me(run)
    keepers = spec.having(Role.CONTROL_PLANE, Role.ETCD)
    held = await _acquire(hosts, keepers, holder, take="*" if break_lease else "")
    dead = [other for other in held.values() if other.gone()]
    if dead:
        held = await _acquire(hosts, list(held), holder, take=dead[0].run)
    if held:
        await _release(hosts, keepers, holder)
        raise _refusal(spec.name, next(iter(held.values())))
    body = asyncio.current_task()
    lost: list[Holder] = []

    async def renew() -> None:
        while True:
            await asyncio.sleep(RENEW_EVERY)
            others: Mapping[str, Holder] = {}
            # A host that cannot renew it now (a full /run) gets another try before it is stale.
            with contextlib.suppress(HostError):
                others = await _acquire(hosts, keepers, holder, take="")
            if others and body is not None:
                lost.extend(others.values())
                body.cancel()
                return

    renewal = asyncio.create_task(renew())
    try:
        yield
        # A plan that runs takes the cancellation as a wish to stop, and ends normally.
        if lost:
            raise _refusal(spec.name, lost[0])
    except asyncio.CancelledError:
        if lost and body is not None:
            body.uncancel()
            raise _refusal(spec.name, lost[0]) from None
        raise
    finally:
        renewal.cancel()
        await asyncio.gather(renewal, return_exceptions=True)
        await _release(hosts, keepers, holder)


def _refusal(cluster: str, other: Holder) -> LeaseHeld:
    since = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(other.since))
    return LeaseHeld(
        f"{other.who} has been working on {cluster} since {since} (run {other.run}, pid "
        f"{other.pid})",
        remedy="wait until that run has ended; if it is gone for good, its lease ends by itself "
        f"after {STALE} s, or take it with --break-lease",
    )


async def _acquire(
    hosts: Reached, keepers: Sequence[str], holder: Holder, *, take: str
) -> Mapping[str, Holder]:
    """Take or renew the lease on all keepers; those that somebody else has it on.

    take: run id of a lease that may be taken though it is fresh; "*" for any.
    """
    run, line = shlex.quote(holder.run), shlex.quote(holder.line())
    script = f"""{_HEAD}
if [ -n "$holder" ] && [ "$holder" != {run} ] && [ $((now - stamp)) -lt {STALE} ]; then
  case {shlex.quote(take)} in
  '*'|"$holder") ;;
  *) echo "$holder"; echo "$about"; exit {_HELD} ;;
  esac
fi
printf '%s\\n' "$now" {run} {line} >{_FILE}.new
mv -f {_FILE}.new {_FILE}
"""
    held: dict[str, Holder] = {}
    for host, done in (await _everywhere(hosts, keepers, script)).items():
        if done is None:
            continue
        if done.status == _HELD:
            other, about, *_ = [*done.stdout.decode(errors="replace").splitlines(), "", ""]
            held[host] = Holder.parse(other, about)
        elif done.status != 0:
            raise step_failed(host, "take the lease", done.status, done.stderr)
    return held


async def _release(hosts: Reached, keepers: Sequence[str], holder: Holder) -> None:
    script = f'{_HEAD}[ "$holder" != {shlex.quote(holder.run)} ] || rm -f {_FILE}'
    await _everywhere(hosts, keepers, script)


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
