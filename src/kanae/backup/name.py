"""What a backup is called, wherever it lies.

    prod-20260701T120000Z-1a2b3c4d-9f8e7d6c5b4a3f2e.tar.age

The cluster, when it was taken, the beginning of the cluster's identity, and that of the file's own
sha256: so that whoever has no key can still tell a damaged file from a sound one, and one cluster's
files from another's of the same name.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

PLAIN: Final = ".tar"
ENCRYPTED: Final = ".tar.age"
# Digits of the identity and of the file's sha256.
IDENTITY_DIGITS: Final = 8
DIGEST_DIGITS: Final = 16
_TIME: Final = "%Y%m%dT%H%M%SZ"
_NAME: Final = re.compile(
    r"(?P<cluster>[a-z0-9]([-a-z0-9]{0,30}[a-z0-9])?)-(?P<taken>[0-9]{8}T[0-9]{6}Z)"
    rf"-(?P<identity>[0-9a-f]{{{IDENTITY_DIGITS}}})-(?P<digest>[0-9a-f]{{{DIGEST_DIGITS}}})"
    r"(?P<ending>\.tar(\.age)?)"
)


@dataclass(frozen=True, slots=True)
class BackupName:
    """taken: UTC. identity, digest: their first digits, see above."""

    cluster: str
    taken: datetime
    identity: str
    digest: str
    encrypted: bool

    def __str__(self) -> str:
        ending = ENCRYPTED if self.encrypted else PLAIN
        taken = f"{self.taken.astimezone(UTC):{_TIME}}"
        return f"{self.cluster}-{taken}-{self.identity}-{self.digest}{ending}"

    def is_of(self, cluster: str, identity: str) -> bool:
        """identity: the whole one."""
        return self.cluster == cluster and self.identity == identity[:IDENTITY_DIGITS]

    def fits(self, sha256: str) -> bool:
        """Whether a file with this digest is the one that got this name."""
        return self.digest == sha256[:DIGEST_DIGITS]


def name_of(
    cluster: str, taken: datetime, identity: str, sha256: str, *, encrypted: bool
) -> BackupName:
    """sha256: of the whole file, in hex."""
    return BackupName(cluster, taken, identity[:IDENTITY_DIGITS], sha256[:DIGEST_DIGITS], encrypted)


def parse(text: str) -> BackupName | None:
    """None for a file that is not called like a backup."""
    match = _NAME.fullmatch(text)
    if match is None:
        return None
    try:
        taken = datetime.strptime(match["taken"], _TIME).replace(tzinfo=UTC)
    except ValueError:
        return None
    return BackupName(
        match["cluster"],
        taken,
        match["identity"],
        match["digest"],
        match["ending"] == ENCRYPTED,
    )
