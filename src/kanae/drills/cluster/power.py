"""A host's power and cable, whatever is behind it: the lab, or the spec's BMC commands."""

from __future__ import annotations

import asyncio
import subprocess
from enum import StrEnum
from pathlib import PurePath
from typing import Protocol

from kanae.drills.children import kill
from kanae.environment import inherited
from kanae.errors import HostError, Refused, StepFailed, StepTimedOut
from kanae.lab import faults, record
from kanae.lab.hardware import Choice
from kanae.lab.lab import Lab
from kanae.paths import lab_dir
from kanae.spec.models import Spec

_COMMAND_SECONDS = 60.0


class PowerCommand(StrEnum):
    """What a power may be able to do with a host."""

    OFF = "off"  # orderly
    CUT = "cut"
    ON = "on"
    PAUSE = "pause"
    PARTITION = "partition"
    BLANK = "blank"  # on, with nothing of what it had


class Direction(StrEnum):
    """What a partition drops: both ways, only what goes to the host, only what it sends."""

    BOTH = "both"
    IN = "in"
    OUT = "out"


class Power(Protocol):
    """Every command can be repeated harmlessly. Raises KanaeError kinds when it cannot be done."""

    def can(self, host: str) -> frozenset[PowerCommand]: ...

    async def off(self, host: str) -> None:
        """Orderly shutdown; returns when the host is off."""
        ...

    async def cut(self, host: str) -> None:
        """At once, with no word to anybody."""
        ...

    async def on(self, host: str) -> None: ...

    async def pause(self, host: str) -> None: ...

    async def resume(self, host: str) -> None: ...

    async def partition(self, host: str, direction: Direction) -> None: ...

    async def heal(self) -> None:
        """Undo every partition."""
        ...

    async def blank(self, host: str) -> None:
        """On, with a new disk, machine-id and SSH host key; returns when its sshd answers."""
        ...

    async def host_key(self, host: str) -> str | None:
        """Fingerprint of the SSH host key that the host has now, where this is known without
        asking the host."""
        ...

    async def allow_realtime(self, host: str) -> None:
        """Let a prober on this host run before everything else there, where that takes a word."""
        ...


class LabPower:
    """Hosts of a lab on this machine."""

    def __init__(self, name: str) -> None:
        self._name = name

    def _lab(self) -> Lab:
        return Lab.open(self._name)

    def can(self, host: str) -> frozenset[PowerCommand]:
        return frozenset(PowerCommand)

    async def off(self, host: str) -> None:
        await asyncio.to_thread(lambda: faults.power_off(self._lab(), host))

    async def cut(self, host: str) -> None:
        await asyncio.to_thread(lambda: faults.power_cut(self._lab(), host))

    async def on(self, host: str) -> None:
        await asyncio.to_thread(lambda: faults.power_on(self._lab(), host, wait=False))

    async def pause(self, host: str) -> None:
        await asyncio.to_thread(lambda: faults.pause(self._lab(), host))

    async def resume(self, host: str) -> None:
        await asyncio.to_thread(lambda: faults.resume(self._lab(), host))

    async def partition(self, host: str, direction: Direction) -> None:
        oneway = None if direction is Direction.BOTH else faults.Oneway(direction.value)
        await asyncio.to_thread(lambda: faults.partition(self._lab(), [host], oneway=oneway))

    async def heal(self) -> None:
        await asyncio.to_thread(lambda: faults.heal(self._lab()))

    async def blank(self, host: str) -> None:
        await asyncio.to_thread(lambda: faults.power_on(self._lab(), host, choice=Choice.BLANK))

    async def host_key(self, host: str) -> str | None:
        from asyncssh import import_public_key

        lab = self._lab()
        key = lab.ssh.host_key(host, lab.record.host(host).disk)
        return import_public_key(key.public).get_fingerprint()

    async def allow_realtime(self, host: str) -> None:
        await asyncio.to_thread(lambda: faults.allow_realtime(self._lab(), host))


class BmcPower:
    """The commands that the spec names for each host, run on the operator's machine."""

    def __init__(self, spec: Spec) -> None:
        self._spec = spec

    def can(self, host: str) -> frozenset[PowerCommand]:
        power = self._spec.hosts[host].power
        if power is None or not power.on:
            return frozenset()
        if not power.off:
            return frozenset({PowerCommand.ON})
        return frozenset({PowerCommand.ON, PowerCommand.CUT})

    def _argv(self, host: str, command: PowerCommand) -> list[str]:
        power = self._spec.hosts[host].power
        known = {} if power is None else {PowerCommand.CUT: power.off, PowerCommand.ON: power.on}
        argv = known.get(command)
        if not argv:
            raise self._cannot(host, command)
        return argv

    def _cannot(self, host: str, command: PowerCommand) -> HostError:
        return HostError(
            host,
            f"nothing is known that could do this to it: {command}",
            remedy=f"name its BMC's commands in the spec (hosts.{host}.power)",
        )

    async def _run(self, host: str, command: PowerCommand) -> None:
        argv = self._argv(host, command)
        process = await asyncio.create_subprocess_exec(
            *argv,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            env=inherited(),
        )
        try:
            async with asyncio.timeout(_COMMAND_SECONDS):
                _, stderr = await process.communicate()
        except TimeoutError:
            kill(process)
            raise StepTimedOut(
                host, f"{argv[0]} did not end within {_COMMAND_SECONDS:g} s"
            ) from None
        if process.returncode:
            text = stderr.decode(errors="replace")
            # Arguments may hold the BMC's password.
            raise StepFailed(host, PurePath(argv[0]).name, process.returncode, text)

    async def off(self, host: str) -> None:
        raise self._cannot(host, PowerCommand.OFF)

    async def cut(self, host: str) -> None:
        await self._run(host, PowerCommand.CUT)

    async def on(self, host: str) -> None:
        await self._run(host, PowerCommand.ON)

    async def pause(self, host: str) -> None:
        raise self._cannot(host, PowerCommand.PAUSE)

    async def resume(self, host: str) -> None:
        raise self._cannot(host, PowerCommand.PAUSE)

    async def partition(self, host: str, direction: Direction) -> None:
        raise self._cannot(host, PowerCommand.PARTITION)

    async def heal(self) -> None:
        """There is no partition to undo."""

    async def blank(self, host: str) -> None:
        raise self._cannot(host, PowerCommand.BLANK)

    async def host_key(self, host: str) -> str | None:
        return None

    async def allow_realtime(self, host: str) -> None:
        """A machine of its own does so for root."""


def power_of(spec: Spec) -> Power:
    """The lab of the cluster's name when there is one on this machine, else the spec's BMCs.

    Raises Refused when a lab's addresses are not the spec's.
    """
    found = record.read(lab_dir(spec.name))
    if found is None:
        return BmcPower(spec)
    if any(h.name in spec.hosts and spec.hosts[h.name].address != h.address for h in found.hosts):
        raise Refused(
            f"the lab {spec.name} on this machine has other addresses than the spec",
            remedy="drill the lab with the spec it was made from, or take it down",
        )
    return LabPower(spec.name)
