"""What was obtained: artifacts by digest, with the file that holds them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from kanae.errors import ArtifactError
from kanae.spec.models import Role


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

    version: what it is. listed: the version by which the catalogue knows it, where that is another
        one ("" where it is not): flannel's CNI plugin when it is built.
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
    listed: str = ""

    @property
    def id(self) -> str:
        """The id of its item: see `artifact_id`."""
        return artifact_id(self.kind, self.name, self.listed or self.version, self.arch)


def artifact_id(kind: Kind, name: str, version: str, arch: str) -> str:
    """kind/name/version/arch, with the catalogue's version: one item in all of its releases."""
    return f"{kind.value}/{name}/{version}/{arch}"


class ArtifactSet(Mapping[str, Artifact]):
    """Artifacts by `Artifact.id`, of one release or of several, in the order in which they came.

    What releases share is there once. Raises ArtifactError when one id stands for different bytes,
    as it does when sets from different sources are put together.
    """

    def __init__(self, artifacts: Iterable[Artifact] = ()) -> None:
        self._artifacts: dict[str, Artifact] = {}
        for artifact in artifacts:
            had = self._artifacts.setdefault(artifact.id, artifact)
            if had.digest != artifact.digest:
                raise ArtifactError(
                    f"{artifact.id} is here with two digests: {had.digest} and {artifact.digest}",
                    remedy="take all releases from one source, together",
                )

    def __getitem__(self, key: str) -> Artifact:
        return self._artifacts[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._artifacts)

    def __len__(self) -> int:
        return len(self._artifacts)

    def binary(self, name: str, arch: str = Arch.AMD64, version: str = "") -> Artifact:
        """The binary of this name. version: the catalogue's, where the set has several.

        Raises ArtifactError when the set lacks it, or has several and no version is said.
        """
        return self._one(self.binaries(arch), f"binary {name}", name, version)

    def image(self, name: str, arch: str = Arch.AMD64, version: str = "") -> Artifact:
        """The image of this name, as `binary`."""
        return self._one(self.images(arch), f"image {name}", name, version)

    def binaries(self, arch: str = Arch.AMD64) -> tuple[Artifact, ...]:
        return tuple(a for a in self.values() if a.kind is Kind.BINARY and a.arch == arch)

    def images(self, arch: str = Arch.AMD64) -> tuple[Artifact, ...]:
        return tuple(a for a in self.values() if a.kind is Kind.IMAGE and a.arch == arch)

    def _one(self, among: Iterable[Artifact], what: str, name: str, version: str) -> Artifact:
        found = [a for a in among if a.name == name and version in {"", a.listed or a.version}]
        if not found:
            raise ArtifactError(
                f"{' '.join((what, version)).rstrip()} is not in this set of artifacts",
                remedy="obtain it first: kanae artifacts fetch",
            )
        if len(found) > 1:
            versions = ", ".join(artifact.listed or artifact.version for artifact in found)
            raise ArtifactError(f"{what} is in this set in several versions: {versions}")
        return found[0]


@dataclass(frozen=True, slots=True)
class LocalArchive:
    """An image archive on the operator's machine.

    digest: of the file. references: image -> digest of its manifest, "" where only the import
    decides it (docker archives).
    """

    path: str
    digest: str
    size: int
    references: Mapping[str, str]
    roles: tuple[Role, ...]
