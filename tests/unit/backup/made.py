"""Backups of no cluster at all, whole as any other."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from kanae.backup import model, writer
from kanae.backup.model import Manifest, Snapshot

IDENTITY = "0123456789abcdef" * 2
TAKEN = datetime(2026, 7, 1, 12, 0, 0, tzinfo=UTC)


def snapshot(size: int = 1000) -> bytes:
    """With its own digest at its end, as etcd makes it. size: bytes before that."""
    data = random.Random(size).randbytes(size)
    return data + hashlib.sha256(data).digest()


@dataclass(frozen=True, slots=True)
class Parts:
    manifest: Manifest
    files: Mapping[str, bytes]
    snapshot: bytes

    def chunks(self) -> Iterator[bytes]:
        for begin in range(0, len(self.snapshot), 333):
            yield self.snapshot[begin : begin + 333]

    def write(self, file: Path, *recipients: str) -> str:
        return writer.write(file, self.manifest, self.files, self.chunks(), recipients)


def parts(
    *, cluster: str = "demo", taken: datetime = TAKEN, size: int = 1000, identity: str = IDENTITY
) -> Parts:
    data = snapshot(size)
    files = {name: f"content of {name}\n".encode() for name in model.REQUIRED}
    files |= {"marks/hosts": b"[]\n", "kubeadm/kubeadm-config.yaml": b"kind: ConfigMap\n"}
    taking = Snapshot(
        member="m1", etcd="3.7.3", revision=42, hash=7, keys=3, size=len(data),
        sha256=hashlib.sha256(data).hexdigest(), members=("m1", "m2", "m3"),
    )  # fmt: skip
    stored = {name: writer.stored(content) for name, content in files.items()}
    manifest = Manifest(cluster, identity, taken, "0.1.0", "v1.37.2", "stacked", taking, stored)
    return Parts(manifest, files, data)
