"""What `kanae backup` tells of backups, in words and for programs."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from kanae.cli.output import ago

if TYPE_CHECKING:
    from kanae.operations.backup import Made
    from kanae.operations.backups import Listed, Listing, Pruning, Read

_MIB: Final = 1 << 20


def made_data(made: Made) -> dict[str, Any]:
    from kanae.backup.model import told

    return {
        "name": str(made.name),
        "target": made.where,
        "bytes": made.size,
        "sha256": made.sha256,
        "encrypted": made.name.encrypted,
        "seconds": round(made.seconds, 3),
        "manifest": told(made.manifest),
    }


def made_text(made: Made) -> str:
    snapshot = made.manifest.snapshot
    return (
        f"{made.where}: {made.name}\n"
        f"revision {snapshot.revision}, {snapshot.keys} keys, {made.size / _MIB:.1f} MiB, "
        f"from etcd {snapshot.etcd} on {snapshot.member}, in {made.seconds:.1f} s"
    )


def listing_data(found: Listing) -> dict[str, Any]:
    return {
        "backups": [
            {
                "name": str(each.name),
                "target": each.where,
                "taken": each.name.taken.isoformat(),
                "identity": each.name.identity,
                "encrypted": each.name.encrypted,
                "bytes": each.size,
            }
            for each in found.found
        ],
        "unreachable": found.unreachable,
    }


def listing_text(found: Listing) -> str:
    if not found.found:
        return "no backups"
    now = datetime.now(UTC)

    def row(each: Listed) -> str:
        size = f"{each.size / _MIB:>9.1f} MiB"
        return f"{ago(now - each.name.taken):>8}  {size}  {each.where}/{each.name}"

    return "\n".join(map(row, found.found))


def read_data(read: Read) -> dict[str, Any]:
    from kanae.backup.model import told

    return {
        "file": read.file,
        "bytes": read.size,
        "encrypted": read.encrypted,
        "manifest": None if read.manifest is None else told(read.manifest),
    }


def read_text(read: Read) -> str:
    lines = [f"{read.file}: {read.size / _MIB:.1f} MiB, {_sealed(read)}"]
    if (manifest := read.manifest) is not None:
        snapshot = manifest.snapshot
        lines += [
            f"cluster      {manifest.cluster} ({manifest.identity}), {manifest.kubernetes}",
            f"taken        {manifest.taken:%Y-%m-%d %H:%M:%S} UTC by kanae {manifest.kanae}",
            f"etcd         {snapshot.etcd}, {manifest.topology}, revision {snapshot.revision}, "
            f"{snapshot.keys} keys, {snapshot.size / _MIB:.1f} MiB, from {snapshot.member} "
            f"of {', '.join(snapshot.members)}",
            *(f"holds        {name}" for name in manifest.files),
        ]
    return "\n".join(lines)


def _sealed(read: Read) -> str:
    return "encrypted" if read.encrypted else "in the clear: it holds every key of the cluster"


def pruning_data(found: Pruning) -> dict[str, Any]:
    return {
        "target": found.where,
        "kept": [str(each.name) for each in found.kept],
        "removed": [str(each.name) for each in found.removed],
    }


def pruning_text(found: Pruning) -> str:
    return f"{found.where}: {len(found.removed)} removed, {len(found.kept)} kept"
