"""What one member still has of an etcd that has lost its quorum, as a backup.

It is better than any other that is older: all that was acknowledged had reached a quorum, and what
the member has in its log and could not tell to be so is taken too.
"""

from __future__ import annotations

import hashlib
import os
import secrets
import time
from collections.abc import Callable
from pathlib import Path

from kanae.backup.model import utc
from kanae.errors import Refused, UsageError, step_failed
from kanae.execute.scripts import scratch as scripts
from kanae.operations.announced import Announced, parse_announced
from kanae.operations.project import Project
from kanae.operations.scratch import LONG, scratch, started
from kanae.operations.survey import survey
from kanae.plan.attempt import begun
from kanae.plan.etcd import data_folder, member_folder
from kanae.plan.saved import Saved
from kanae.plan.view import View
from kanae.transport.acceptance import HostKeys
from kanae.transport.fleet import Fleet
from kanae.transport.ssh import SshTransport


async def survivor(
    project: Project,
    host: str,
    folder: Path,
    password: Callable[[], str | None],
    host_keys: HostKeys | None = None,
) -> Saved:
    """folder: where the snapshot is put. The member is not disturbed. Raises Refused where etcd has
    a quorum, or the host no data."""
    spec = project.spec
    if host not in spec.etcd_hosts:
        raise UsageError(
            f"{host} is no host with a member of etcd",
            remedy=f"one of {', '.join(spec.etcd_hosts)}",
        )
    async with Fleet(spec, password=password, tolerant=True, host_keys=host_keys) as fleet:
        facts = await survey(project, fleet)
        view = project.view(facts, {})
        going = begun(view)
        if going is not None:
            return _saved(project, view, going.taken, going.revision, going.snapshot, 0, folder)
        if view.members:
            raise Refused(
                "etcd has a quorum, so none of its members has more than the others",
                remedy="take a backup: kanae backup create",
            )
        if host in facts.unreachable:
            raise facts.unreachable[host]
        if view.host(host).files.get(member_folder(spec)) is None:
            raise Refused(
                f"{host} has no data of a member in {data_folder(view, host)}",
                remedy="restore a backup: kanae restore SPEC --from FILE",
            )
        if not view.known.identity:
            raise Refused(
                "no control-plane host that answers knows which cluster this is",
                remedy="restore a backup, which says so: kanae restore SPEC --from FILE",
            )
        transport, taken = fleet[host], utc(time.time())
        async with scratch(project, transport, view.base(host).arch) as own:
            done = await transport.run(scripts.copy(data_folder(view, host)), timeout=LONG)
            if done.status != 0:
                raise step_failed(host, "copy etcd's data", done.status, done.stderr)
            await started(transport, own=own, alone=True)
            said = await _fetched(transport, folder / "snapshot.db")
        when = f"{taken:%Y-%m-%dT%H:%M:%SZ}"
        return _saved(project, view, when, said.revision, said.sha256, said.size, folder)


def _saved(
    project: Project,
    view: View,
    taken: str,
    revision: int,
    sha256: str,
    size: int,
    folder: Path,
) -> Saved:
    """Of this cluster as it is. One that goes on needs no file: data was made ready of it on every
    host before the first was marked."""
    spec = project.spec
    return Saved(
        cluster=spec.name,
        identity=view.known.identity,
        taken=taken,
        kubernetes=spec.version,
        etcd=project.site.release.components["etcd"].removeprefix("v"),
        topology=spec.etcd_topology.value,
        revision=revision,
        hosts=tuple(view.known.hosts or spec.hosts),
        snapshot=str(folder / "snapshot.db"),
        sha256=sha256,
        size=size,
        folder=str(folder),
    )


async def _fetched(transport: SshTransport, file: Path) -> Announced:
    """What has arrived is as it is there."""
    mark = f"{transport.mark}survivor/{secrets.token_hex(4)}/"
    talk = await transport.converse(scripts.take(), mark=mark, timeout=LONG)
    try:
        said = parse_announced(await talk.line(), await talk.line())
        if said is None:
            raise step_failed(transport.host, "etcdctl snapshot save", 1, talk.errors)
        digest = hashlib.sha256()
        with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as out:
            while block := await talk.block():
                digest.update(block)
                out.write(block)
        if digest.hexdigest() != said.sha256:
            raise step_failed(transport.host, "send etcd's snapshot", 1, talk.errors)
        return said
    finally:
        await talk.close()
