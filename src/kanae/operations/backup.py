"""A backup of a living cluster, made on the operator's machine."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import kanae
from kanae.artifacts import atomic
from kanae.backup import model, writer
from kanae.backup.model import Manifest, Snapshot, Stored
from kanae.backup.name import IDENTITY_DIGITS, BackupName, name_of
from kanae.backup.target import Target
from kanae.errors import CheckFailed, KanaeError, Refused, UsageError
from kanae.execute.scripts import backup as scripts
from kanae.facts.model import EtcdFact, Facts, Query
from kanae.layout import paths as at
from kanae.operations.announced import parse_announced
from kanae.operations.backup_contents import contents, written_canary
from kanae.operations.backup_targets import cut_short
from kanae.operations.project import Project
from kanae.operations.survey import ask
from kanae.plan.membership import require_ours
from kanae.spec.models import Role, Spec
from kanae.transport.acceptance import HostKeys
from kanae.transport.fleet import Fleet, FleetError
from kanae.transport.ssh import SshTransport

# Seconds for etcd to give its snapshot, and for all of it to arrive.
SNAPSHOT: Final = 900.0
ALL: Final = 3600.0
# What must stay free on a host beside the snapshot: kubelet evicts pods at 10 % (its default for
# nodefs.available), and other programs need a little.
SPARE: Final = 0.1
# ErrNoSpace of etcd's api/v3rpc/rpctypes/error.go.
_FULL: Final = "database space exceeded"
# A staged file that nobody has written to for so long is of a run that is gone; seconds.
_STALE: Final = 86400


@dataclass(frozen=True, slots=True)
class Made:
    """A backup that is at its target. size: bytes. seconds: that it took. sha256: of the file."""

    name: BackupName
    where: str
    manifest: Manifest
    size: int
    sha256: str
    seconds: float


async def create(
    project: Project,
    target: Target,
    password: Callable[[], str | None],
    say: Callable[[str], None],
    host_keys: HostKeys | None = None,
) -> Made:
    """Raises Refused for a cluster that is not this one, CheckFailed when no member of etcd is
    well, and what goes wrong on hosts and at the target. say: told what is done."""
    began = time.monotonic()
    spec = project.spec
    hosts = tuple(dict.fromkeys((*spec.having(Role.CONTROL_PLANE), *spec.etcd_hosts)))
    async with Fleet(spec, hosts, password=password, tolerant=True, host_keys=host_keys) as fleet:
        queries = project.queries()
        facts = await ask(fleet, {host: queries[host] for host in fleet})
        identity = project.known(facts).identity
        require_ours(spec, facts, identity)
        if not identity:
            raise _unknown(
                facts, "build the cluster, or let the hosts have their marks again: kanae apply"
            )
        member = chosen(spec, facts)
        say(f"snapshot of etcd on {member}")
        content = await contents(project, facts, fleet)
        content |= await written_canary(project, facts, fleet)
        made = await _written(project, facts, identity, member, content, fleet[member], target)
    seconds = time.monotonic() - began
    name, manifest, size, sha256 = made
    return Made(name, target.where, manifest, size, sha256, seconds)


async def identity(
    project: Project, password: Callable[[], str | None], host_keys: HostKeys | None = None
) -> str:
    """Which cluster of its name a living one is, from its control-plane hosts. Raises Refused."""
    masters = project.spec.having(Role.CONTROL_PLANE)
    async with Fleet(
        project.spec, masters, password=password, tolerant=True, host_keys=host_keys
    ) as fleet:
        facts = await ask(fleet, dict.fromkeys(fleet, Query(files=(at.SERVICE_ACCOUNT_PUBLIC,))))
    found = project.known(facts).identity
    if not found:
        raise _unknown(
            facts, "--identity ID; kanae backup list -o yaml tells how those of backups begin"
        )
    return found


def _unknown(facts: Facts, remedy: str) -> KanaeError:
    """For a cluster of which no control-plane host tells which one it is."""
    if not facts.hosts:
        return FleetError(facts.unreachable)
    return Refused("no control-plane host that answers knows which cluster it is", remedy=remedy)


def chosen(spec: Spec, facts: Facts) -> str:
    """The host whose member gives the snapshot: one that is well and furthest, and does not lead
    when another can. Raises CheckFailed when none is well, and Refused for lack of space."""
    well = {
        host: etcd
        for host in spec.etcd_hosts
        if host in facts.hosts and (etcd := facts.hosts[host].etcd) is not None and _well(etcd)
    }
    if not well:
        raise CheckFailed(
            "no member of etcd answers and is well: there is nothing that a backup could be of",
            remedy="kanae status says what is wrong; when etcd is lost: kanae restore",
        )
    roomy = {host: etcd for host, etcd in well.items() if _room(facts, host, etcd)}
    if not roomy:
        size = max(etcd.db_size for etcd in well.values()) >> 20
        raise Refused(
            f"{', '.join(well)}: {at.STATE} has no room for a snapshot of {size} MiB",
            remedy="free space there; a full disk would do the cluster more harm than no backup",
        )
    return min(
        roomy,
        key=lambda host: (
            roomy[host].leader_id == roomy[host].member_id,
            -roomy[host].raft_applied,
        ),
    )


def _well(etcd: EtcdFact) -> bool:
    """One that is full gives a snapshot like any other, and is in need of it."""
    me = next((each for each in etcd.members if each.id == etcd.member_id), None)
    wrong = [error for error in etcd.errors if _FULL not in error]
    return etcd.leader_id != "0" and not wrong and me is not None and not me.learner


def _room(facts: Facts, host: str, etcd: EtcdFact) -> bool:
    free, total = facts.hosts[host].base.disks.get("/var/lib", (0, 0))
    return free - etcd.db_size > total * SPARE


async def _written(
    project: Project,
    facts: Facts,
    identity: str,
    member: str,
    content: Mapping[str, tuple[bytes, int]],
    transport: SshTransport,
    target: Target,
) -> tuple[BackupName, Manifest, int, str]:
    spec, taken = project.spec, model.utc(time.time())
    recipients = spec.backup.recipients
    beginning = f".{spec.name}-{taken:%Y%m%dT%H%M%SZ}-{identity[:IDENTITY_DIGITS]}"
    _sweep(target.staging, spec.name)
    staged = target.staging / f"{beginning}-{secrets.token_hex(4)}.staged"
    mark = f"{transport.mark}backup/{secrets.token_hex(4)}/"
    talk = await transport.converse(scripts.snapshot(SNAPSHOT), mark=mark, timeout=ALL)
    try:
        opening, status = await talk.line(), await talk.line()
        etcd = facts.hosts[member].etcd
        snapshot = parse_snapshot(member, opening, status, etcd) if etcd is not None else None
        if snapshot is None:
            raise cut_short(member, "take a snapshot of etcd", talk)
        manifest = Manifest(
            cluster=spec.name,
            identity=identity,
            taken=taken,
            kanae=kanae.__version__,
            kubernetes=spec.version,
            topology=spec.etcd_topology.value,
            snapshot=snapshot,
            files=_stored(content),
        )
        small = {name: text for name, (text, _) in content.items()}
        loop = asyncio.get_running_loop()
        left = snapshot.size

        async def block() -> bytes:
            nonlocal left
            block = await talk.block()
            left -= len(block)
            if not block and left > 0:
                raise cut_short(member, "send etcd's snapshot", talk)
            return block

        def blocks() -> Iterator[bytes]:
            while found := asyncio.run_coroutine_threadsafe(block(), loop).result():
                yield found

        writing = loop.run_in_executor(
            None, writer.write, staged, manifest, small, blocks(), recipients
        )
        try:
            sha256 = await asyncio.shield(writing)
        except asyncio.CancelledError:
            await talk.close()  # which ends what the thread waits for
            with suppress(KanaeError, OSError):
                await writing
            raise
        name = name_of(spec.name, taken, identity, sha256, encrypted=bool(recipients))
        size = staged.stat().st_size
        await target.put(staged, name, sha256)
    except OSError as error:
        raise UsageError(f"{staged} cannot be written: {error.strerror}") from None
    finally:
        await talk.close()
        staged.unlink(missing_ok=True)
    return name, manifest, size, sha256


def _stored(content: Mapping[str, tuple[bytes, int]]) -> dict[str, Stored]:
    first = [name for name in model.REQUIRED if name in content]
    rest = sorted(set(content) - set(first))
    return {name: writer.stored(*content[name]) for name in (*first, *rest)}


def _sweep(staging: Path, cluster: str) -> None:
    """Remove what runs left that were killed long ago."""
    now = time.time()
    for left in (
        *staging.glob(f".{cluster}-*.staged"),
        *staging.glob(f".{cluster}-*{atomic.PART}"),
    ):
        with suppress(OSError):
            if now - left.stat().st_mtime > _STALE:
                left.unlink()


def parse_snapshot(host: str, opening: bytes, status: bytes, etcd: EtcdFact) -> Snapshot | None:
    """The two lines before a snapshot's bytes; None when they are not these."""
    said = parse_announced(opening, status)
    if said is None:
        return None
    return Snapshot(
        member=host,
        etcd=etcd.version,
        revision=said.revision,
        hash=said.hash,
        keys=said.keys,
        size=said.size,
        sha256=said.sha256,
        members=tuple(each.name for each in etcd.members if each.name),
    )
