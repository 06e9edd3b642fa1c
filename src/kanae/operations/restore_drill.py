"""The drill of restoring: a backup is brought to life beside the living cluster, and looked at.

It runs on one host with etcd, on loopback and in a folder of its own; nothing of the living cluster
is touched. What it took is what a restore would take of the same parts; how old the backup is, is
what would be lost now.
"""

from __future__ import annotations

import json
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, cast

from kanae.backup.archive import open_archive
from kanae.backup.model import CANARY, Manifest
from kanae.errors import CheckFailed, HostError, Refused
from kanae.execute.scripts import scratch as scripts
from kanae.operations.decryption import Undecided, decrypted
from kanae.operations.project import Project
from kanae.operations.restore import private_folder
from kanae.operations.scratch import LONG, scratch, started
from kanae.operations.survey import survey
from kanae.plan.view import View
from kanae.render.canary import CANARY_KEY
from kanae.shown import shown
from kanae.transport.acceptance import HostKeys
from kanae.transport.fleet import Fleet
from kanae.transport.protocol import Transport, Upload, must

if TYPE_CHECKING:
    from kanae.backup.keys import Identity

# What every cluster has, and nothing of which may be missing.
_KINDS: Final = ("/registry/namespaces", "/registry/serviceaccounts", "/registry/configmaps")
_TOLD: Final = 60.0


@dataclass(frozen=True, slots=True)
class Part:
    """passed: None where there was nothing to try, `what` says why. seconds: that it took."""

    name: str
    passed: bool | None
    seconds: float
    what: str


@dataclass(frozen=True, slots=True)
class Tested:
    """host: where. rto: seconds until etcd served what was restored, from the file on. rpo: age of
    the backup, seconds. keys: how many there are of each kind."""

    manifest: Manifest
    host: str
    parts: tuple[Part, ...]
    rto: float
    rpo: float
    keys: Mapping[str, int]

    @property
    def passed(self) -> bool:
        return all(part.passed is not False for part in self.parts)


@dataclass(slots=True)
class _Drill:
    transport: Transport
    manifest: Manifest
    files: Mapping[str, bytes]
    parts: list[Part] = field(default_factory=list[Part])
    keys: dict[str, int] = field(default_factory=dict[str, int])

    async def part(self, name: str, trying: Callable[[], Awaitable[str]]) -> None:
        """trying: says what was seen. It fails by raising ValueError or a host's error, and has
        nothing to try when it raises Undecided."""
        began = time.monotonic()
        try:
            passed, what = True, await trying()
        except Undecided as undecided:
            passed, what = None, str(undecided)
        except ValueError as error:
            passed, what = False, str(error)
        except HostError as error:
            passed, what = False, error.what
        self.parts.append(Part(name, passed, time.monotonic() - began, shown(what)))

    @property
    def well(self) -> bool:
        return all(part.passed is not False for part in self.parts)

    async def output(self, script: str, command: str, timeout: float = _TOLD) -> bytes:
        return await must(self.transport, script, command=command, timeout=timeout)


async def tried(
    project: Project,
    file: Path,
    identities: Sequence[Identity],
    password: Callable[[], str | None],
    host_keys: HostKeys | None,
) -> Tested:
    """identities: private keys, see `kanae.backup.keys`. Raises what reading a damaged file does,
    Refused for one of another cluster, CheckFailed where no host can be used."""
    began = time.monotonic()
    with private_folder() as folder:
        snapshot = folder / "snapshot.db"
        archive = open_archive(file, identities, snapshot=snapshot)
        read = Part("file", True, time.monotonic() - began, "it is whole, and what it says it is")
        async with Fleet(
            project.spec, password=password, tolerant=True, host_keys=host_keys
        ) as fleet:
            facts = await survey(project, fleet)
            view = project.view(facts, {})
            _require_ours(view, archive.manifest)
            host = _chosen(view)
            drill = _Drill(fleet[host], archive.manifest, archive.files, [read])
            await _carried_out(project, view, host, drill, snapshot)
    taken = archive.manifest.taken
    spent = [part.seconds for part in drill.parts if part.name in _TO_SERVE]
    rpo = (datetime.now(UTC) - taken).total_seconds()
    return Tested(archive.manifest, host, tuple(drill.parts), sum(spent), rpo, drill.keys)


_TO_SERVE: Final = ("file", "send", "restore", "start")


def _require_ours(view: View, manifest: Manifest) -> None:
    if manifest.cluster != view.spec.name or view.known.identity not in ("", manifest.identity):
        raise Refused(
            f"the backup is of another cluster: of {manifest.cluster} ({manifest.identity}), and "
            f"this is {view.spec.name} ({view.known.identity or 'of no identity'})",
            remedy="take a backup of this one: kanae backup list",
        )


def _chosen(view: View) -> str:
    """A host with a member that does not lead, where there is one."""
    ours = [host for host in view.spec.etcd_hosts if host in view.reachable]
    if not ours:
        raise CheckFailed(
            "no host with a member of etcd can be reached to try the backup on",
            remedy="kanae status tells what is down",
        )
    told = {host: view.host(host).etcd for host in ours}

    def leads(host: str) -> bool:
        etcd = told[host]
        return etcd is not None and etcd.leader_id == etcd.member_id

    return min(ours, key=lambda host: (told[host] is None, leads(host)))


async def _carried_out(
    project: Project, view: View, host: str, drill: _Drill, snapshot: Path
) -> None:
    transport = drill.transport
    async with scratch(project, transport, view.base(host).arch) as own:

        async def send() -> str:
            await transport.upload([Upload(scripts.SNAPSHOT, snapshot, 0o600)], timeout=LONG)
            return f"{drill.manifest.snapshot.size / 1e6:.1f} MB to {host}"

        async def restore() -> str:
            await drill.output(scripts.restore(host), "etcdutl snapshot restore", LONG)
            return "into a member of its own"

        async def start() -> str:
            await started(transport, own=own, alone=False)
            return "it serves on loopback"

        # `etcdutl hashkv` opens the file for writing, and it does not fit its digest afterwards
        # (etcdutl/etcdutl/hashkv_command.go).
        for name, trying in (
            ("send", send),
            ("restore", restore),
            ("hash", lambda: _hash(drill)),
            ("start", start),
        ):
            await drill.part(name, trying)
            if not drill.well:
                return
        await drill.part("keys", lambda: _keys(drill))
        await drill.part("canary", lambda: _canary(drill))
        await drill.part("secret", lambda: _secret(drill))
        await drill.part("watch", lambda: _watch(drill))


async def _hash(drill: _Drill) -> str:
    """Of all keys with their history: comparable while neither has compacted more of it."""
    revision = drill.manifest.snapshot.revision
    of_file = _hashed(await drill.output(scripts.hash_of_file(revision), "etcdutl hashkv"))
    done = await drill.transport.run(scripts.hash_of_living(revision), timeout=_TOLD)
    living = _hashed(done.stdout) if done.status == 0 else None
    if of_file is None:
        raise ValueError("etcdutl tells no hash of the file")
    if living is None:
        raise Undecided(
            f"the living member tells no hash at revision {revision} any more: the backup is older "
            "than what it keeps"
        )
    if living[1] != of_file[1]:
        raise Undecided(
            f"the living member has compacted its history to {living[1]} since, the file to "
            f"{of_file[1]}: their hashes cannot be equal"
        )
    if living[0] != of_file[0]:
        raise ValueError(f"the file has hash {of_file[0]}, the living member {living[0]}")
    return f"hash {of_file[0]} at revision {revision}, as the living member has it"


def _hashed(text: bytes) -> tuple[int, int] | None:
    """(hash, compacted revision), of etcdutl's answer or of etcdctl's."""
    try:
        told: Any = json.loads(text)
    except (ValueError, RecursionError):
        return None
    match told:
        case [{"HashKV": {**answer}}, *_] | {**answer}:
            fields = cast("dict[str, Any]", answer)
        case _:
            return None
    value = fields.get("hash")
    compacted = fields.get("compact_revision", fields.get("compactRevision", 0))
    return (value, compacted) if isinstance(value, int) and isinstance(compacted, int) else None


async def _keys(drill: _Drill) -> str:
    said = await drill.output(scripts.keys(), "etcdctl get --keys-only")
    for line in said.decode(errors="replace").splitlines():
        number, _, kind = line.partition(" ")
        if number.isdecimal():
            drill.keys[shown(kind)] = int(number)
    if lacking := [kind for kind in _KINDS if not drill.keys.get(kind)]:
        raise ValueError(f"there is no key below {', '.join(lacking)}")
    return f"{sum(drill.keys.values())} keys of {len(drill.keys)} kinds"


async def _canary(drill: _Drill) -> str:
    word = drill.files.get(CANARY, b"").strip()
    if not word:
        raise Undecided("the backup was made without one: no API server answered, or by a schedule")
    stored = await drill.output(scripts.value(CANARY_KEY), "etcdctl get (the canary)")
    if word not in decrypted(stored.removesuffix(b"\n"), CANARY_KEY, _encryption(drill)):
        raise ValueError("what was written just before the backup is not in it")
    return "what was written just before the backup is in it"


async def _secret(drill: _Drill) -> str:
    if not _encryption(drill):
        raise Undecided("the cluster does not encrypt what is in etcd")
    said = await drill.output(scripts.first_secret(), "etcdctl get (a Secret)")
    key, _, stored = said.partition(b"\n")
    if not key:
        raise Undecided("there is no Secret")
    stored = stored.removesuffix(b"\n")
    opened = decrypted(stored, key.decode(errors="replace"), _encryption(drill))
    if b"Secret" not in opened[:64]:
        raise ValueError("what the backup's key makes of a Secret is none")
    return "encrypted, and opened with the backup's key" if opened != stored else "not encrypted"


def _encryption(drill: _Drill) -> dict[str, bytes]:
    return {name: text for name, text in drill.files.items() if name.startswith("encryption/")}


async def _watch(drill: _Drill) -> str:
    said = await drill.output(scripts.old_watch(), "etcdctl watch")
    if b"compacted" not in said:
        raise ValueError("a watch from an old revision is not told that it is compacted")
    return "a watch from an old revision is told to start again"
