"""SIGKILL of one of the cluster's programs."""

from __future__ import annotations

import asyncio
import time

from kanae.drills.faults import processes
from kanae.drills.faults.protocol import FaultPlan, Sign, Tools
from kanae.errors import HostError, StepFailed
from kanae.transport.protocol import must

# comm holds 15 characters (TASK_COMM_LEN of 16 with its NUL, proc(5)).
_COMM = 15
# A killed process gives its memory back before it is gone: 0.5 s and more on a busy machine.
GONE_SECONDS = 5.0
_PRINT = 'echo "$pid $start"'
_KILL = f'kill -KILL "$pid" && {_PRINT}'


class Kill:
    """The cluster's processes of that name on each host; systemd or kubelet starts them again."""

    def __init__(self, plan: FaultPlan, tools: Tools) -> None:
        self._plan = plan
        self._tools = tools
        self._killed: dict[str, set[str]] = {}

    def check_safe(self) -> None:
        """Nothing is left to undo."""

    def _script(self, command: str) -> str:
        name = self._plan.process
        return processes.each(processes.CGROUPS[name], command, comm=name[:_COMM])

    async def _running(self, host: str) -> set[str]:
        """`pid start-time` of each."""
        done = await must(
            self._tools.transport(host), self._script(_PRINT), command="list processes", timeout=15
        )
        return set(done.decode().splitlines())

    async def prepare(self) -> None:
        for host in self._plan.hosts:
            if not await self._running(host):
                raise HostError(
                    host,
                    f"no process {self._plan.process} of the cluster runs on it",
                    remedy="choose another target",
                )

    async def inject(self) -> None:
        for host in self._plan.hosts:
            done = await self._tools.transport(host).run(self._script(_KILL), timeout=15)
            self._killed[host] = set(done.stdout.decode().splitlines())
            if not self._killed[host]:
                name = f"kill -KILL {self._plan.process}"
                raise StepFailed(host, name, done.status, done.stderr)

    async def signs(self) -> tuple[Sign, ...]:
        found: list[Sign] = []
        for host, killed in self._killed.items():
            now = await self._without(host, killed)
            detail = f"killed {_shown(killed)}; now {_shown(now)}"
            found.append(Sign("process gone", host, not killed & now, detail))
        return tuple(found)

    async def _without(self, host: str, killed: set[str]) -> set[str]:
        """What runs once the killed ones are gone, or when that has taken too long."""
        end = time.monotonic() + GONE_SECONDS
        while True:
            now = await self._running(host)
            if not killed & now or time.monotonic() > end:
                return now
            await asyncio.sleep(0.1)

    async def undo(self) -> None:
        """Who started it starts it again."""

    async def signs_after(self) -> tuple[Sign, ...]:
        return ()


def _shown(processes: set[str]) -> str:
    return ", ".join(f"pid {p.split()[0]} (start {p.split()[1]})" for p in sorted(processes)) or "-"
