"""Where the prober runs: on the operator's machine, or on a host of the cluster over SSH."""

from __future__ import annotations

import asyncio
import contextlib
import subprocess
import sys
from dataclasses import dataclass
from typing import Protocol

from kanae.drills.children import kill
from kanae.drills.launching import parcel
from kanae.environment import inherited
from kanae.errors import CheckFailed
from kanae.layout.families import UNKNOWN
from kanae.layout.family import Family
from kanae.spec.models import Spec
from kanae.transport.connect import way
from kanae.transport.conversation import Conversant, Conversation
from kanae.transport.protocol import Transport, must
from kanae.transport.remote import end_script
from kanae.transport.settings import reach_of
from kanae.transport.target import resolve

# Seconds that the prober may still take after the longest workload: see its own bounds.
_SETTLING = 600.0
# What `leave` grants a prober that is ending by itself.
_GRACE = 5.0


class Place(Protocol):
    """host: its name in the spec, "" for the operator's machine."""

    @property
    def host(self) -> str: ...

    async def start(self, longest: float) -> Conversation:
        """Start the prober; it ends by itself some time after `longest` seconds at the latest."""
        ...

    async def give_up(self) -> None:
        """End what closing its conversation does not end. Raises HostError kinds."""
        ...


class ProberHost(Transport, Conversant, Protocol):
    """A host that the prober can run on."""


def mark(run: str) -> str:
    """What the processes of a run's prober carry in their environment."""
    return f"drill/{run}/"


@dataclass(frozen=True, slots=True)
class Here:
    """The operator's machine, where the prober shares its clock and its file system."""

    @property
    def host(self) -> str:
        return ""

    async def start(self, longest: float) -> Conversation:
        # A session of its own: Ctrl-C is for the orchestrator, which then ends the prober in order.
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "kanae.drills.probing.probe",
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=inherited(),
            start_new_session=True,
        )
        return LocalConversation(process)

    async def give_up(self) -> None:
        """Closing kills it."""


@dataclass(frozen=True, slots=True)
class There:
    """A host that is reached over SSH. python: as found by `find_python`."""

    reached: ProberHost
    run: str
    python: str

    @property
    def host(self) -> str:
        return self.reached.host

    async def start(self, longest: float) -> Conversation:
        talk = await self.reached.converse(
            parcel.script(self.python), mark=mark(self.run), timeout=longest + _SETTLING
        )
        await talk.send(parcel.build())
        return talk

    async def give_up(self) -> None:
        await leave(self.reached, self.run)


async def find_python(reached: Transport, family: Family = UNKNOWN) -> str:
    """The name of a Python on a host that the prober can run with. Raises CheckFailed.

    family: of the host, for the remedy.
    """
    done = await must(reached, parcel.FIND, command="find Python", timeout=30)
    found = [line.split() for line in done.decode().splitlines()]
    for words in found:
        if words[0] == "fit":
            return words[1]
    oldest = ".".join(str(part) for part in parcel.OLDEST)
    there = ", ".join(" ".join(words[1:]) for words in found) or "none"
    install = family.python or f"install Python {oldest} or newer"
    raise CheckFailed(
        f"{reached.host}: the prober needs Python {oldest} or newer with its ssl module;"
        f" there is {there}",
        remedy=f"on {reached.host}: {install}; or leave --from out",
    )


def way_to(spec: Spec, host: str) -> tuple[str, ...]:
    """Hosts of the spec through which the SSH connection to one of them goes (jump hosts).

    Raises ConnectError when ssh_config or a key is unusable.
    """
    jumps = way(reach_of(spec, host))
    names = {jump.alias for jump in jumps} | {jump.address for jump in jumps}
    return tuple(
        other
        for other, each in spec.hosts.items()
        if names & {other, str(each.address), resolve(reach_of(spec, other)).address}
    )


async def leave(reached: Transport, run: str) -> None:
    """End what is left of a run's prober on a host. Raises HostError kinds; may be repeated."""
    script = end_script(mark(run), _GRACE)
    await must(reached, script, command="end the prober", timeout=_GRACE + 20)


class LocalConversation:
    """With a process of this machine."""

    errors = ""  # they go where this process's own go

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    async def send(self, data: bytes) -> None:
        if self._process.stdin is not None:
            with contextlib.suppress(OSError):
                self._process.stdin.write(data)
                await self._process.stdin.drain()

    async def line(self) -> bytes:
        if self._process.stdout is None:
            return b""
        return (await self._process.stdout.readline()).strip()

    def close_input(self) -> None:
        if self._process.stdin is not None:
            self._process.stdin.close()

    async def close(self) -> None:
        kill(self._process)
        await self._process.wait()
