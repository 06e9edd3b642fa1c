"""A member of etcd for some minutes beside the living one, on one of the cluster's hosts."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Final

from kanae.artifacts.model import Kind
from kanae.errors import Refused, step_failed
from kanae.execute.conditions import Condition, Seen, poll
from kanae.execute.scripts import scratch as scripts
from kanae.operations.artifacts import cached
from kanae.operations.project import Project
from kanae.transport.protocol import Transport, Upload, must

# Seconds to copy or restore gigabytes, and for a lone member to be its own leader.
LONG: Final = 1800.0
START: Final = 120.0


@asynccontextmanager
async def scratch(project: Project, transport: Transport, arch: str) -> AsyncGenerator[bool]:
    """A folder for it; gives whether the host has an etcd of its own, as those of a stacked one
    have not: it is then sent. Raises Refused where it would have to be and is not in the cache."""
    done = await transport.run(scripts.prepare())
    if done.status not in (0, 3):
        raise step_failed(transport.host, "make a folder for etcd", done.status, done.stderr)
    own = done.status == 0
    try:
        if not own:
            item = project.site.release.item(Kind.BINARY, "etcd", arch)
            found = cached(project, frozenset({arch})).get(item.id)
            if found is None:
                raise Refused(
                    f"{transport.host} has no program etcd outside of its containers, and it is "
                    "not among the artifacts of this machine",
                    remedy="kanae artifacts fetch etcd, then run it again",
                )
            await transport.upload([Upload(scripts.PROGRAM, found.path, 0o755)])
        yield own
    finally:
        await transport.run(scripts.stop())


async def started(transport: Transport, *, own: bool, alone: bool) -> None:
    """Until it answers. own: as `scratch` tells. alone: whatever members its data names."""
    await must(
        transport,
        scripts.start(transport.host, own=own, alone=alone),
        command="systemd-run etcd (beside the living one)",
    )

    async def look() -> Seen:
        done = await transport.run(scripts.healthy(), timeout=15)
        return Seen(done.status == 0, done.stdout.decode(errors="replace").strip()[-300:])

    await poll(
        Condition(
            transport.host,
            "etcd to serve what was restored",
            look,
            "`journalctl -u kanae-etcd-scratch` on the host",
        ),
        timeout=START,
    )
