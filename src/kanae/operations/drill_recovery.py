"""Putting back what interrupted runs of drills have left broken."""

from __future__ import annotations

from collections.abc import Callable

from kanae.drills.cluster import credentials
from kanae.drills.cluster.kube import Kube, routes
from kanae.drills.cluster.power import power_of
from kanae.drills.faults.protocol import Tools
from kanae.drills.running import recovery_record
from kanae.drills.running.recovery import recover
from kanae.errors import KanaeError, Refused
from kanae.spec.models import Spec
from kanae.transport.acceptance import HostKeys
from kanae.transport.fleet import Fleet


async def recover_drills(
    spec: Spec,
    *,
    say: Callable[[str], None],
    password: Callable[[], str | None],
    host_keys: HostKeys | None = None,
) -> int:
    """For how many runs something was put back. say: told of each, and of what cannot be had.
    host_keys: see `Fleet`.

    Raises Refused while one of them is still running, and KanaeError kinds for what cannot be put
    back now; may be repeated.
    """
    left = recovery_record.unsettled(spec.name)
    for folder in left:
        entry = recovery_record.read(folder)
        if recovery_record.running(entry):
            raise Refused(f"{entry.run} still runs, as process {entry.pid}", remedy="interrupt it")
    if not left:
        return 0
    power = power_of(spec)
    for folder in left:
        async with Fleet(spec, password=password, tolerant=True, host_keys=host_keys) as fleet:
            tools = Tools(spec, power, fleet.__getitem__)
            kube = None
            try:
                kube = Kube.of(routes(spec), await credentials.fetch(spec, fleet.__getitem__))
            except KanaeError as error:
                say(f"no credentials for the API: {error.message}")
            await recover(folder, tools, kube)
            say(f"put back: {folder.name}")
    return len(left)
