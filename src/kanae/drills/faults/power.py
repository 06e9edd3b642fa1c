"""Faults of a host's power: cut, orderly off, return after a cut."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from kanae.drills.cluster import reach
from kanae.drills.cluster.power import PowerCommand
from kanae.drills.cluster.reach import Answer
from kanae.drills.faults.protocol import FaultPlan, Sign, Tools
from kanae.errors import ConnectionLost, HostError, Refused
from kanae.transport.protocol import must

# An orderly stop may take as long as systemd's default TimeoutStopSec.
_OFF_SECONDS = 120.0
SILENT_SECONDS = 15.0
_BACK_SECONDS = 600.0
# A host that has just come up still starts its services, and one that is emulated answers late.
_READ_SECONDS = 60.0
# A kernel that refuses is alive.
SILENT = frozenset({Answer.SILENT})

# sysrq needs no working user space beyond this shell and flushes nothing: as near to a pulled cord
# as a host can do to itself. `b` resets, so that a host without a BMC comes back by itself.
# Detached, so that the answer gets out before the end. In a container it would reset the machine
# around it, and all else that runs there.
_IN_CONTAINER = "systemd-detect-virt --quiet --container\n"
_RESET = """\
echo 1 >/proc/sys/kernel/sysrq
( sleep 1; echo b >/proc/sysrq-trigger ) >/dev/null 2>&1 </dev/null &
"""
_REBOOT = "( sleep 1; systemctl reboot ) >/dev/null 2>&1 </dev/null &\n"
_POWEROFF = "( sleep 1; systemctl poweroff ) >/dev/null 2>&1 </dev/null &\n"


async def read_of(tools: Tools, host: str, script: str, command: str) -> str:
    """What a script prints that only reads, without spaces at its ends."""

    async def read() -> bytes:
        return await must(tools.transport(host), script, command=command, timeout=_READ_SECONDS)

    try:
        text = await read()
    except ConnectionLost:
        # A connection of the boot before, which only ends now. Reading may be done again.
        text = await read()
    return " ".join(text.decode(errors="replace").split())


async def boot_id(tools: Tools, host: str) -> str:
    """Names one boot of a kernel, or of a lab host (whose kernel is this machine's own)."""
    # A container's boot is told by when its PID 1 began, field 22 of its stat (proc(5)).
    script = "cat /proc/sys/kernel/random/boot_id; sed 's/.*) //' /proc/1/stat | cut -d' ' -f20\n"
    return await read_of(tools, host, script, "read boot id")


class EachHost:
    """What all faults of a set of hosts share."""

    def __init__(self, plan: FaultPlan, tools: Tools) -> None:
        self.plan = plan
        self.tools = tools
        self.boots: dict[str, str] = {}

    async def each(self, call: Callable[[str], Awaitable[None]]) -> None:
        await asyncio.gather(*(call(host) for host in self.plan.hosts))

    async def remember(self) -> None:
        for host in self.plan.hosts:
            self.boots[host] = await boot_id(self.tools, host)

    def can(self, host: str, command: PowerCommand) -> bool:
        return command in self.tools.power.can(host)

    async def answers(self, host: str, wanted: frozenset[Answer], within: float) -> Answer:
        address, port = self.tools.ssh(host)
        return await reach.until(address, wanted, port, within=within)

    async def silences(self, within: float) -> tuple[Sign, ...]:
        """Whether each host has gone silent. `within`: seconds to wait for it."""
        found: list[Sign] = []
        for host in self.plan.hosts:
            answer = await self.answers(host, SILENT, within)
            found.append(Sign("silence", host, answer in SILENT, f"its SSH port {answer}"))
        return tuple(found)

    async def boots_changed(self) -> tuple[Sign, ...]:
        found: list[Sign] = []
        for host, before in self.boots.items():
            try:
                after = await boot_id(self.tools, host)
            except HostError as error:
                found.append(Sign("boot", host, False, f"not back: {error.message}"))
            else:
                detail = f"{before} before, {after} after"
                found.append(Sign("boot", host, after != before, detail))
        return tuple(found)


class PowerCut(EachHost):
    """The cord is pulled: by the lab, by the BMC, or by the host's own kernel (sysrq)."""

    def check_safe(self) -> None:
        """Every host can: one that nothing can power on again is reset instead of cut."""

    async def prepare(self) -> None:
        await self.each(self._refuse_container)
        await self.remember()

    async def _refuse_container(self, host: str) -> None:
        if self.can(host, PowerCommand.CUT):
            return
        found = await self.tools.transport(host).run(_IN_CONTAINER, timeout=10)
        if found.status == 0:
            raise Refused(
                f"{host} is a container: to reset its kernel would reset the machine around it",
                remedy=f"name the commands of its power in the spec (hosts.{host}.power)",
            )

    async def inject(self) -> None:
        await self.each(self._cut)

    async def _cut(self, host: str) -> None:
        if self.can(host, PowerCommand.CUT):
            await self.tools.power.cut(host)
            return
        try:
            await self.tools.transport(host).run(_RESET, timeout=10)
        except ConnectionLost:
            return  # the reset was faster than the answer

    async def signs(self) -> tuple[Sign, ...]:
        return await self.silences(SILENT_SECONDS)

    async def undo(self) -> None:
        await self.each(self._on)

    async def _on(self, host: str) -> None:
        if self.can(host, PowerCommand.ON):
            await self.tools.power.on(host)

    async def signs_after(self) -> tuple[Sign, ...]:
        return await self.boots_changed()


class PowerOff(PowerCut):
    """An orderly shutdown; a host that nothing can power on again reboots instead."""

    async def prepare(self) -> None:
        await self.remember()

    async def _cut(self, host: str) -> None:
        if self.can(host, PowerCommand.OFF):
            await self.tools.power.off(host)
            return
        script = _POWEROFF if self.can(host, PowerCommand.ON) else _REBOOT
        await self.tools.transport(host).run(script, timeout=10)

    async def signs(self) -> tuple[Sign, ...]:
        return await self.silences(_OFF_SECONDS)


class Return(PowerCut):
    """Cut beforehand; the fault that is measured is that the host comes back."""

    def check_safe(self) -> None:
        lacking = [host for host in self.plan.hosts if not self.can(host, PowerCommand.ON)]
        if lacking:
            raise Refused(
                f"nothing can power {', '.join(lacking)} on again",
                remedy="name the hosts' BMC commands in the spec (hosts.NAME.power)",
            )

    async def prepare(self) -> None:
        await super().prepare()
        await self.each(self._cut)
        for sign in await self.silences(SILENT_SECONDS):
            if not sign.took:
                raise HostError(sign.host, f"was cut but still answers: {sign.detail}")

    async def inject(self) -> None:
        await self.each(self._on)

    async def signs(self) -> tuple[Sign, ...]:
        for host in self.plan.hosts:
            await self.answers(host, frozenset({Answer.GREETS}), _BACK_SECONDS)
        return await self.boots_changed()

    async def signs_after(self) -> tuple[Sign, ...]:
        return ()
