"""What a backup says of itself: the first file in it, manifest.json.

Whoever reads one has got it from outside, a disk or an object store: nothing in it is believed to
be a number, a name or a time before it was judged here.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any, ClassVar, Final, Literal

from pydantic import AwareDatetime, BeforeValidator, ConfigDict, Field, TypeAdapter, ValidationError

from kanae.errors import BackupBroken, NoBackup
from kanae.spec.text import ClusterName, Version

FORMAT: Final = 1
MANIFEST: Final = "manifest.json"
SPEC: Final = "spec.yaml"
SNAPSHOT: Final = "etcd/snapshot.db"
# Every authority of a cluster and its key, by the names that they have below /etc/kubernetes/pki.
AUTHORITIES: Final = (
    "pki/ca.crt",
    "pki/ca.key",
    "pki/front-proxy-ca.crt",
    "pki/front-proxy-ca.key",
    "pki/sa.pub",
    "pki/sa.key",
    "pki/etcd/ca.crt",
    "pki/etcd/ca.key",
)
# The word in the object that was written just before the snapshot, see kanae.render.backup.
CANARY: Final = "marks/canary"
# What every backup holds beside the snapshot.
REQUIRED: Final = (SPEC, *AUTHORITIES)
# Of the rest, whatever there is: none of these names leads out of a folder.
_WORD: Final = r"[A-Za-z0-9][A-Za-z0-9._+-]{0,79}"
_NAME: Final = rf"^(spec\.yaml|pki/(etcd/)?{_WORD}|(kubeadm|marks|encryption)/{_WORD})$"
_SHA256: Final = r"^[0-9a-f]{64}$"
# etcd counts revisions and bytes in 64 bits.
_MOST: Final = 2**63 - 1

_Count = Annotated[int, Field(ge=0, le=_MOST)]
_Digest = Annotated[str, Field(pattern=_SHA256)]
_Word = Annotated[str, Field(min_length=1, max_length=253, pattern=r"^[A-Za-z0-9.:_+-]+$")]


def _octal(said: object) -> object:
    """JSON has no octal numbers: `"0600"`, as `stat -c %04a` prints it."""
    return int(said, 8) if isinstance(said, str) and said.isdecimal() else said


@dataclass(frozen=True, slots=True)
class Snapshot:
    """etcd's data at one revision.

    member: the host whose member gave it. etcd: that member's version, as in 3.6.14. hash, keys:
    as `etcdutl snapshot status` tells them. size: bytes of the file. sha256: of the file, in hex.
    members: names of etcd's members then. compacted: the revision up to which history was
    compacted, None where nobody asked.
    """

    __pydantic_config__: ClassVar = ConfigDict(extra="forbid", strict=True)

    member: _Word
    etcd: Annotated[str, Field(pattern=r"^[0-9]+\.[0-9]+\.[0-9]+[A-Za-z0-9.+-]*$")]
    revision: _Count
    hash: Annotated[int, Field(ge=0, lt=2**32)]
    keys: _Count
    size: _Count
    sha256: _Digest
    members: Annotated[tuple[_Word, ...], Field(min_length=1)]
    compacted: _Count | None = None


@dataclass(frozen=True, slots=True)
class Stored:
    """A small file in a backup. sha256: in hex. size: bytes. mode: as it had on its host."""

    __pydantic_config__: ClassVar = ConfigDict(extra="forbid", strict=True)

    sha256: _Digest
    size: _Count
    mode: Annotated[int, BeforeValidator(_octal), Field(ge=0, le=0o777)]


@dataclass(frozen=True, slots=True)
class Manifest:
    """A whole backup.

    cluster: its name. identity: which cluster of that name, as `marks.IDENTITY` has it. taken: when
    the snapshot was asked for, UTC. kanae, kubernetes: versions. files: all but the snapshot and
    the manifest, by their names in the archive.
    """

    __pydantic_config__: ClassVar = ConfigDict(extra="forbid", strict=True)

    cluster: ClusterName
    identity: Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")]
    taken: AwareDatetime
    kanae: _Word
    kubernetes: Version
    topology: Literal["stacked", "external"]
    snapshot: Snapshot
    files: Mapping[Annotated[str, Field(pattern=_NAME)], Stored]
    format: Literal[1] = FORMAT

    @property
    def size(self) -> int:
        """Bytes of all that is in it."""
        return self.snapshot.size + sum(file.size for file in self.files.values())


_ADAPTER: Final[TypeAdapter[Manifest]] = TypeAdapter(Manifest)


def to_json(manifest: Manifest) -> bytes:
    """The same backup gives the same bytes."""
    return json.dumps(told(manifest), sort_keys=True, indent=1).encode() + b"\n"


def told(manifest: Manifest) -> dict[str, Any]:
    """As it stands in the file, and in the answers to `-o json`."""
    snapshot = manifest.snapshot
    return {
        "format": manifest.format,
        "cluster": manifest.cluster,
        "identity": manifest.identity,
        "taken": manifest.taken.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "kanae": manifest.kanae,
        "kubernetes": manifest.kubernetes,
        "topology": manifest.topology,
        "snapshot": {
            "member": snapshot.member,
            "etcd": snapshot.etcd,
            "revision": snapshot.revision,
            "hash": snapshot.hash,
            "keys": snapshot.keys,
            "size": snapshot.size,
            "sha256": snapshot.sha256,
            "members": list(snapshot.members),
            "compacted": snapshot.compacted,
        },
        "files": {
            name: {"sha256": file.sha256, "size": file.size, "mode": f"{file.mode:04o}"}
            for name, file in manifest.files.items()
        },
    }


def from_json(text: bytes, where: str) -> Manifest:
    """where: the file that it comes from, for errors. NoBackup when it is of another format;
    BackupBroken when it is not what `to_json` writes, or lacks what every backup holds."""
    try:
        version: object = json.loads(text)["format"]
    except (ValueError, TypeError, KeyError, RecursionError):
        raise BackupBroken(
            f"{where}: {MANIFEST} is not what kanae writes", remedy=GET_ANOTHER
        ) from None
    if type(version) is not int or version != FORMAT:
        raise NoBackup(
            f"{where} has backup format {version!r}; this kanae reads {FORMAT}",
            remedy="read it with the version of kanae that made it",
        )
    try:
        manifest = _ADAPTER.validate_json(text)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(map(str, first["loc"]))
        raise BackupBroken(
            f"{where}: {MANIFEST} is not what kanae writes: {place}: {first['msg']}",
            remedy=GET_ANOTHER,
        ) from None
    if lacking := [name for name in REQUIRED if name not in manifest.files]:
        raise BackupBroken(f"{where} lacks {', '.join(lacking)}", remedy=GET_ANOTHER)
    return manifest


GET_ANOTHER: Final = "copy it again, or take another one: kanae backup list"


def utc(seconds: float) -> datetime:
    """A time as manifests have it: UTC, whole seconds."""
    return datetime.fromtimestamp(int(seconds), UTC)
