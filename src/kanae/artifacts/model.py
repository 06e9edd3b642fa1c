"""What was obtained: artifacts by digest, with the file that holds them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from kanae.errors import ArtifactError


class Kind(StrEnum):
    BINARY = "binary"
    IMAGE = "image"


class Arch(StrEnum):
    """CPU architectures by Go's names, which Kubernetes uses everywhere."""

    AMD64 = "amd64"
    ARM64 = "arm64"


@dataclass(frozen=True, slots=True)
class Artifact:
    """One binary or image in the store.

    digest: of a binary the sha256 of its bytes; of an image that of its OCI manifest.
    size: bytes; of an image the sum of its manifest, configuration and layers.
    path: of a binary an executable file; of an image its manifest, beside which (same folder, by
        hex digest) lie its configuration and layers.
    reference: of an image its full name, as in registry.k8s.io/pause:3.10.2; else "".
    """

    name: str
    version: str
    arch: str
    kind: Kind
    digest: str
    size: int
    path: Path
    reference: str = ""

    @property
    def id(self) -> str:
        """Unique within a set: kind/name/arch."""
        return artifact_id(self.kind, self.name, self.arch)


def artifact_id(kind: Kind, name: str, arch: str) -> str:
    return f"{kind.value}/{name}/{arch}"


class ArtifactSet(Mapping[str, Artifact]):
    """Artifacts by `Artifact.id`, in the order of the catalogue."""

    def __init__(self, artifacts: Iterable[Artifact] = ()) -> None:
        self._artifacts = {artifact.id: artifact for artifact in artifacts}

    def __getitem__(self, key: str) -> Artifact:
        return self._artifacts[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._artifacts)

    def __len__(self) -> int:
        return len(self._artifacts)

    def binary(self, name: str, arch: str = Arch.AMD64) -> Artifact:
        """The binary of this name. Raises ArtifactError when the set lacks it."""
        return self._one(Kind.BINARY, name, arch)

    def image(self, name: str, arch: str = Arch.AMD64) -> Artifact:
        """The image of this name. Raises ArtifactError when the set lacks it."""
        return self._one(Kind.IMAGE, name, arch)

    def binaries(self, arch: str = Arch.AMD64) -> tuple[Artifact, ...]:
        return tuple(a for a in self.values() if a.kind is Kind.BINARY and a.arch == arch)

    def images(self, arch: str = Arch.AMD64) -> tuple[Artifact, ...]:
        return tuple(a for a in self.values() if a.kind is Kind.IMAGE and a.arch == arch)

    def _one(self, kind: Kind, name: str, arch: str) -> Artifact:
        found = self._artifacts.get(artifact_id(kind, name, arch))
        if found is None:
            raise ArtifactError(
                f"{kind.value} {name} for {arch} is not in this set of artifacts",
                remedy="obtain it first: kanae artifacts fetch",
            )
        return found
